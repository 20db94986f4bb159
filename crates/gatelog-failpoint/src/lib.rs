//! Named places where a test ends the process, or makes the disk fail, in a binary that is otherwise
//! the one that is shipped.
//!
//! **Shape.** Code that makes something durable calls [`pass`] between its steps, or [`disk`] where
//! the system could refuse. The environment variable `FAILPOINT` names one place and what happens
//! there:
//!
//! ```text
//! FAILPOINT=journal.written=kill        SIGKILL to the process itself, the first time
//! FAILPOINT=journal.written=kill@3      the third time
//! FAILPOINT=journal.sync=eio@3          the third time, and only then, the call answers EIO
//! FAILPOINT=journal.sync=eio@3x10       ten times, from the third
//! FAILPOINT=journal.write=enospc@3x10   the same with ENOSPC
//! FAILPOINT=journal.sync=eio@3~FILE     from the third time, for as long as FILE is there
//! FAILPOINT=journal.sync=eio,journal.repair.cut=kill   several
//! ```
//!
//! **Limits.** Only in builds with debug assertions: in a release build the calls are empty and the
//! variable is not read.
//!
//! **Names** are `crate.step`; a step that has been done is in the past tense (`journal.written`), one
//! that the system may refuse is not (`journal.write`). `grep -rn 'failpoint::'` lists them.

#[cfg(debug_assertions)]
mod order;

use std::io;

/// Goes on, unless the process is to end here.
#[inline]
pub fn pass(name: &str) {
    #[cfg(debug_assertions)]
    if let Some(order) = order::due(name) {
        order.kill();
    }
    #[cfg(not(debug_assertions))]
    let _: &str = name;
}

/// Goes on, unless the process is to end here or the disk is to refuse.
///
/// # Errors
/// What the test has asked for.
#[inline]
pub fn disk(name: &str) -> io::Result<()> {
    #[cfg(debug_assertions)]
    if let Some(order) = order::due(name) {
        return order.refuse();
    }
    #[cfg(not(debug_assertions))]
    let _: &str = name;
    Ok(())
}
