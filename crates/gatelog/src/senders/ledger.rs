//! What became of a worker's numbers: how many came, how many did not.
//!
//! **Invariants.** Every number below the highest that was seen was received, is in flight, was that of
//! an item that was refused and not mended, or is missing, and is counted in one of them only. Below
//! [`counted_from`](Ledger::counted_from) nothing is counted: what came there came to a collector that
//! has forgotten it.
//!
//! **Limits.** [`MAX_REFUSED`] runs of refused numbers. Of one that is forgotten it is no longer known
//! that it was counted, should it come again.

use std::time::{Duration, Instant};

use gatelog_record::Timestamp;

use super::gaps::{Gaps, Moment};
use super::numbers::{Numbers, Run};

/// Runs of numbers of refused items.
const MAX_REFUSED: usize = 1024;

/// How long the log says nothing more of the losses of a worker.
const LOG_PAUSE: Duration = Duration::from_mins(1);

/// The counts of one worker.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// Numbers that are durable.
    pub(super) received: u64,
    /// Behind the highest number seen.
    pub(super) highest: u64,
    /// Where counting begins.
    pub(super) counted_from: u64,
    /// Numbers of items that were refused and have not come with a record since.
    pub(super) refused: Numbers,
    /// How many these are, those included that are forgotten.
    pub(super) refused_items: u64,
    /// Records that came again.
    pub(super) duplicates: u64,
    /// Records that came from below the window, so that nobody knows whether they came again.
    pub(super) beyond_window: u64,
    /// What the sender says it has dropped.
    pub(super) dropped: u64,
    pub(super) first_seen: Timestamp,
    pub(super) last_seen: Timestamp,
    pub(super) gaps: Gaps,
    pub(super) logged: Logged,
}

/// What the log has said of a worker.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Logged {
    missing: u64,
    dropped: u64,
    at: Option<Instant>,
}

impl Ledger {
    /// A worker whose numbers count from here.
    pub(super) fn new(counted_from: u64, now: Timestamp) -> Self {
        Self {
            received: 0,
            highest: counted_from,
            counted_from,
            refused: Numbers::default(),
            refused_items: 0,
            duplicates: 0,
            beyond_window: 0,
            dropped: 0,
            first_seen: now,
            last_seen: now,
            gaps: Gaps::default(),
            logged: Logged::default(),
        }
    }

    /// Bytes on the heap, its own included.
    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.gaps.heap_bytes() + self.refused.heap_bytes()
    }

    /// Takes note of records with these numbers, though they may not be durable yet.
    pub(super) fn take(&mut self, run: Run, now: Moment) {
        let mended = self.refused.remove(run);
        self.refused_items = self.refused_items.saturating_sub(mended);
        self.see(run, now);
    }

    /// Takes note of items with these numbers that are no records.
    pub(super) fn refuse(&mut self, run: Run, now: Moment) {
        self.refused_items += self.refused.insert_with(run, MAX_REFUSED);
        self.see(run, now);
    }

    /// Takes note that these numbers have come.
    pub(super) fn see(&mut self, run: Run, now: Moment) {
        if run.start < self.counted_from {
            self.gaps.open(Run::new(run.end, self.counted_from), now);
            self.counted_from = run.start;
        }
        self.gaps.open(Run::new(self.highest, run.start), now);
        self.highest = self.highest.max(run.end);
        self.gaps.close(run);
    }

    /// Numbers that have not come, those included that may still come.
    pub(super) fn outstanding(&self, in_flight: u64) -> u64 {
        (self.highest - self.counted_from)
            .saturating_sub(self.received)
            .saturating_sub(self.refused_items)
            .saturating_sub(in_flight)
    }

    /// Numbers that may still come, and those that count as lost.
    pub(super) fn awaited_and_missing(&self, in_flight: u64, now: Instant) -> (u64, u64) {
        let outstanding = self.outstanding(in_flight);
        let awaited = self.gaps.awaited(now).min(outstanding);
        (awaited, outstanding - awaited)
    }

    /// Passes over what an earlier process has told.
    pub(super) fn told(&mut self) {
        self.logged.missing = self.outstanding(0);
        self.logged.dropped = self.dropped;
    }

    /// How many are missing and dropped, if the log has to say so now; it is then taken as said.
    pub(super) fn log_due(&mut self, in_flight: u64, now: Instant) -> Option<(u64, u64)> {
        let (_, missing) = self.awaited_and_missing(in_flight, now);
        self.logged.missing = self.logged.missing.min(missing);
        let more = missing > self.logged.missing || self.dropped > self.logged.dropped;
        let quiet = |at: Instant| now.saturating_duration_since(at) < LOG_PAUSE;
        if !more || self.logged.at.is_some_and(quiet) {
            return None;
        }
        self.logged = Logged {
            missing,
            dropped: self.dropped,
            at: Some(now),
        };
        Some((missing, self.dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::super::gaps::GRACE;
    use super::*;

    #[test]
    fn numbers_before_the_first_one_are_missing_after_a_grace() {
        let now = Moment::now();
        let mut ledger = Ledger::new(0, now.time);
        ledger.see(Run::new(5, 10), now);
        assert_eq!(ledger.awaited_and_missing(5, now.instant), (5, 0));
        let later = now.instant + GRACE;
        assert_eq!(ledger.awaited_and_missing(5, later), (0, 5));
        ledger.see(Run::new(0, 3), now);
        assert_eq!(ledger.awaited_and_missing(8, later), (0, 2));
    }

    #[test]
    fn who_has_forgotten_counts_from_what_comes() {
        let now = Moment::now();
        let mut ledger = Ledger::new(500, now.time);
        ledger.see(Run::new(500, 510), now);
        assert_eq!(ledger.outstanding(10), 0);
        ledger.see(Run::new(450, 460), now);
        assert_eq!(ledger.outstanding(20), 40);
        ledger.see(Run::new(460, 500), now);
        assert_eq!(ledger.outstanding(60), 0);
        assert!(ledger.gaps.list().is_empty());
    }

    #[test]
    fn the_log_tells_a_loss_once_and_more_of_it_a_minute_later() {
        let now = Moment::now();
        let after = |seconds| now.instant + Duration::from_secs(seconds);
        let mut ledger = Ledger::new(0, now.time);
        ledger.see(Run::new(5, 10), now);
        assert_eq!(ledger.log_due(5, after(1)), None);
        assert_eq!(ledger.log_due(5, after(11)), Some((5, 0)));
        ledger.dropped = 3;
        assert_eq!(ledger.log_due(5, after(60)), None);
        assert_eq!(ledger.log_due(5, after(71)), Some((5, 3)));
        assert_eq!(ledger.log_due(5, after(1000)), None);
    }
}
