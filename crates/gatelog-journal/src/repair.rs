//! Going on after a failed write.
//!
//! **Why a fresh file.** When a sync fails, the kernel may have dropped the pages that it could not
//! write, and a second sync of the same file would report success for data that is not there. So the
//! file is given up from its durable end on, and what comes next goes to a new one.
//!
//! **Order.** 1. The fresh segment, whose base is the durable end, is made durable: from here on the
//! frames of the old one end there, whatever stands behind. 2. The old file is cut, if the disk lets
//! us, for the space. 3. Appends are taken again. When the fresh segment cannot be made, the old file
//! is cut all the same: what it holds behind its durable end was acknowledged to nobody, and may be the
//! room that the fresh one needs.

use std::time::Duration;

use gatelog_failpoint as failpoint;

use crate::segment::Segment;
use crate::shared::Queue;
use crate::writer::{self, Writer};
use crate::{Error, Result, segment};

/// The pause before the first attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
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
        let created = segment::create(&shared.home, failed.end, failed.records.1, now_ms, 0);
        if created.is_ok() {
            failpoint::pass("journal.repair.created");
        }
        // A segment without frames has been replaced under its own name; that of a failed attempt not.
        if failed.base < failed.end || created.is_err() {
            self.cut(&failed);
        }
        let (fresh, file) = created?;
        failpoint::pass("journal.repair.cut");
        self.newest = file;
        shared.shelf().push(fresh);
        Ok(())
    }

    /// Gives back the room behind a segment's durable end, if the disk lets us.
    fn cut(&self, failed: &Segment) {
        let length = failed.offset(failed.end);
        if self.newest.set_length(length).is_ok()
            && let Some(newest) = self.shared.shelf().newest_mut()
        {
            newest.file_bytes = length;
        }
    }
}
