//! From the journal to outputs: one thread for each output, each at its own pace.
//!
//! **Shape.** Readers are [registered](Outputs::register) before anything is deleted from the
//! journal, and [started](Registered::start) later. A thread for all outputs, the scout, reads and decodes
//! each record once and wakes those that want it. An output's own thread gathers batches and
//! delivers them, and reads for itself where it is behind. Another for all of them, the watcher, looks after
//! backlogs, so that these do not wait for a delivery that hangs.
//!
//! ```text
//! journal ─► scout: decodes, sorts ─► rack of chunks
//!                └──► inbox ─► thread ◄─┘
//!                                └► Output::deliver ─► Tail ─► position, durable within a second
//!                          refused ─► dead letter      ▲        and place, in outputs/NAME.progress
//! journal ─► watcher: over max_backlog ────────────────┘─► dead letter
//! ```
//!
//! The set of outputs [changes](Outputs::change) while they run: a record goes to the outputs that were
//! in force when it was received.
//!
//! **Invariants.** A place is passed when all before it is confirmed by the receiver, or is in
//! the dead letter, durably, or is dropped and counted. Records are delivered in order, one batch
//! at a time, each at least once: again only what was under way when it was given up, and, if the
//! machine went down, what was confirmed in the second before.
//!
//! **Limits.** Memory: [`VIEW_BYTES`](view::VIEW_BYTES) of the journal for each output, decoded, and what the
//! rack keeps for all of them. An output's [`MaxBacklog`] bounds
//! what it holds of the journal, to within the tick of the watcher.
//!
//! **Failure.** A panic of an output, or of a thread here, is an error as others: it is told, and the
//! thread goes on from what is passed, after a pause.
//!
//! [`MaxBacklog`]: crate::output::MaxBacklog

mod attendant;
mod chunk;
mod courier;
mod crew;
mod eras;
mod inbox;
mod progress;
mod progress_file;
mod rack;
mod scout;
mod tail;
mod view;
mod watcher;

use std::io;
use std::sync::Arc;

use gatelog_journal::Position;
use tokio::sync::watch;

use self::crew::Crew;
pub use self::crew::{Grounds, Kept, Passed};
use crate::health::Health;
use crate::output::OutputSet;

/// Outputs whose readers hold the journal, and that do not run yet.
pub struct Registered(Arc<Crew>);

/// Running outputs. Clones are the same outputs.
#[derive(Clone)]
pub struct Outputs(Arc<Crew>);

/// Why other outputs were not put in the place of those that run. These run on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The process ends.
    #[error("gatelog is about to end")]
    Ending,
    /// A reader cannot be registered.
    #[error("{0}")]
    Journal(#[source] gatelog_journal::Error),
    /// It cannot be kept, or a thread cannot be started.
    #[error("{0}")]
    Io(#[source] io::Error),
}

/// How an output is.
#[derive(Clone, Debug)]
pub struct OutputState {
    /// Its name.
    pub name: String,
    /// The name of its reader in the journal, and of its files in the dead letter.
    pub reader: String,
    /// Whether it takes records.
    pub health: Arc<Health>,
    /// It was taken away, and delivers what was received before that.
    pub ending: bool,
}

/// The name of an output's reader: also the name of files, so other characters than letters,
/// digits, `-` and `_` are written as `%` and two hexadecimal digits.
pub fn reader_name(output: &str) -> String {
    use std::fmt::Write as _;
    let mut name = "output-".to_owned();
    for byte in output.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            // Writing to a text does not fail.
            let _written = write!(name, "%{byte:02x}").is_ok();
        }
    }
    name
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.readers()).finish()
    }
}

impl std::fmt::Debug for Outputs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.states()).finish()
    }
}

impl Outputs {
    /// Registers the readers of these sets of outputs, each in force from its position on, in ascending
    /// order; the last is in force now. However much may wait for an output, it holds at most
    /// half of the journal's cap: only stores may hold more. Files of outputs that are in none of
    /// the sets are removed.
    ///
    /// # Errors
    /// The journal's, for the position files.
    pub fn register(
        eras: Vec<(Position, OutputSet)>,
        grounds: Grounds,
    ) -> gatelog_journal::Result<Registered> {
        Crew::register(eras, grounds).map(Registered)
    }

    /// How each of them is, for `/ready`.
    pub fn states(&self) -> Vec<OutputState> {
        self.0.states()
    }

    /// Puts other outputs in the place of those in force, for all that is received from now on. `keep` is
    /// given the position from which they count, and the one before which no era is needed any more;
    /// it makes that durable. It blocks.
    ///
    /// # Errors
    /// [`ChangeError`]: nothing was changed.
    pub fn change(
        &self,
        set: OutputSet,
        keep: impl FnOnce(Position, Position) -> io::Result<Kept>,
    ) -> Result<Kept, ChangeError> {
        self.0.change(set, keep)
    }

    /// Waits for the threads to end, which they do some time after `stop` has turned true.
    pub fn join(&self) {
        self.0.join();
    }
}

impl Registered {
    /// The names of the readers.
    pub fn readers(&self) -> Vec<String> {
        self.0.readers()
    }

    /// Starts the threads. They end some time after `stop` turns true. `passed` is told when eras are
    /// no longer needed.
    ///
    /// # Errors
    /// When a thread cannot be started; those that have been end with `stop`.
    pub fn start(
        self,
        stop: &watch::Sender<bool>,
        passed: Option<Box<Passed>>,
    ) -> io::Result<Outputs> {
        self.0.start(&stop.subscribe(), passed)?;
        Ok(Outputs(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_readers_are_names_of_files_and_stay_apart() {
        assert_eq!(reader_name("http-log_1"), "output-http-log_1");
        assert_eq!(reader_name("a/../b.c"), "output-a%2f%2e%2e%2fb%2ec");
        assert_ne!(reader_name("a%2f"), reader_name("a/"));
    }
}
