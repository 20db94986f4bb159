//! Going on after a failed write.
//!
//! **Why a fresh file.** When a sync fails, the kernel may have dropped the pages that it could not
//! write, and a second sync of the same file would report success for data that is not there. So the
//! file is given up from its durable end on, and what comes next goes to a new one.
//!
//! **Order.** 1. The fresh segment, whose base is the durable end, is made durable: from here on the
//! frames of the old one end there, whatever stands behind. 2. The old file is cut, if the disk lets
//! us, for the space. 3. Appends are taken again.

use std::time::Duration;

use gatelog_failpoint as failpoint;

use crate::shared::Queue;
use crate::writer::{self, Writer};
use crate::{Error, Result, segment};

/// The pause before the first attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Writer<'_> {
    /// Tries until it has a fresh segment; false when the journal is closed before.
    pub(crate) fn repair(&mut self) -> bool {
        let shared = self.shared;
        let mut pause = FIRST_PAUSE;
        loop {
            let queue = shared.queue();
            let open = |queue: &mut Queue| !queue.closed;
            if writer::wait(shared, queue, pause, open).closed {
                return false;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.begin_afresh() {
                Ok(()) => {
                    shared.queue().failed = None;
                    return true;
                }
                Err(error) => shared.queue().failed = Some(error.chain()),
            }
        }
    }

    fn begin_afresh(&mut self) -> Result<()> {
        let shared = self.shared;
        shared.drop_spare();
        if let Some(newest) = shared.shelf().newest_mut() {
            newest.sound = false;
        }
        let failed = writer::newest_segment(shared);
        failpoint::disk("journal.repair.begin").map_err(Error::io("write", &failed.path))?;
        let now_ms = shared.clock.now_ms();
        let (fresh, file) = segment::create(&shared.home, failed.end, failed.records.1, now_ms, 0)?;
        failpoint::pass("journal.repair.created");
        let failed_file = std::mem::replace(&mut self.newest, file);
        if failed.base < failed.end {
            let length = failed.offset(failed.end);
            if failed_file.set_length(length).is_ok()
                && let Some(newest) = shared.shelf().newest_mut()
            {
                newest.file_bytes = length;
            }
        }
        failpoint::pass("journal.repair.cut");
        shared.shelf().push(fresh);
        Ok(())
    }
}
