//! The journal's clock, which never steps.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch: the time of day when the journal was opened, and from there on what
/// has really gone by. Setting the system's clock does not move it.
#[derive(Debug)]
pub(crate) struct Clock {
    opened_ms: u64,
    opened: Instant,
}

impl Clock {
    /// A clock that shows the time of day, but no time before `newest_ms`, which the journal has
    /// already given to a frame.
    pub(crate) fn start(newest_ms: u64) -> Self {
        let time_of_day = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            opened_ms: milliseconds(time_of_day).max(newest_ms),
            opened: Instant::now(),
        }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.opened_ms
            .saturating_add(milliseconds(self.opened.elapsed()))
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_from_a_time_that_lies_ahead_of_the_time_of_day() {
        let ahead = milliseconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap()) + 3_600_000;
        assert!(Clock::start(ahead).now_ms() >= ahead);
        assert!(Clock::start(0).now_ms() < ahead);
    }
}
