//! Looking at what the disk has left.
//!
//! Stores need room to take what waits in the journal; a journal that takes the last byte could never
//! be drained. So it takes nothing while less than [`reserve_bytes`](crate::Config::reserve_bytes) is
//! free, and asks once in a while, not for each append.

use std::time::{Duration, Instant};

use crate::shared::Shared;

/// How long an answer of the system counts.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);
/// How much may be written on it.
const BYTES: u64 = 16 << 20;

/// When the system was asked last.
#[derive(Debug)]
pub(crate) struct Space {
    asked: Option<Instant>,
    written: u64,
}

impl Space {
    pub(crate) fn new() -> Self {
        Self {
            asked: None,
            written: 0,
        }
    }

    /// Asks, if it is time to, before `bytes` are written.
    pub(crate) fn look(&mut self, shared: &Shared, bytes: u64) {
        let reserve = shared.config.reserve_bytes;
        self.written += bytes;
        let recent = self.asked.is_some_and(|asked| asked.elapsed() < PERIOD);
        if reserve == 0 || recent && self.written < BYTES {
            return;
        }
        self.asked = Some(Instant::now());
        self.written = bytes;
        // A system that does not say has room until a write fails.
        let free = shared.home.fs.free_bytes(&shared.home.path).ok();
        let short = free.filter(|free| *free < reserve);
        shared.queue().disk_full = short;
        if short.is_some() {
            shared.drop_spare();
        }
    }
}
