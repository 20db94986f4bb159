//! The numbers that a sender has used and that have not come, and since when.
//!
//! **Shape.** Each gap carries the moment when a later number showed that it is there. What comes
//! late is taken out of it.
//!
//! **Limits.** The [`MAX_GAPS`] gaps that were noticed last. A gap counts as lost once it is older
//! than [`GRACE`]: batches are in flight side by side, and a failed one comes again. Gaps that are
//! no longer listed count as older.

use std::time::{Duration, Instant};

use gatelog_record::Timestamp;

use super::numbers::Run;

/// Gaps that are told one by one.
pub(super) const MAX_GAPS: usize = 100;

/// How long a number may be awaited before it counts as lost.
pub const GRACE: Duration = Duration::from_secs(10);

/// A moment, on the clock that people read and on the one that never steps.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For people.
    pub time: Timestamp,
    /// For measuring.
    pub instant: Instant,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            time: crate::intake::now(),
            instant: Instant::now(),
        }
    }
}

/// Numbers that have not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) run: Run,
    /// When it was noticed.
    pub(super) noticed: Timestamp,
    /// The same to measure by; `None` for one that an earlier process noticed.
    pub(super) since: Option<Instant>,
}

impl Gap {
    fn is_awaited(&self, now: Instant) -> bool {
        self.since
            .is_some_and(|since| now.saturating_duration_since(since) < GRACE)
    }
}

/// The gaps of a sender's numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Gaps {
    /// The one noticed last stands last.
    newest: Vec<Gap>,
}

impl Gaps {
    /// The gaps that an earlier process listed of the numbers in `whole`; `None` when these cannot be
    /// gaps in them.
    pub(super) fn from_list(newest: Vec<Gap>, whole: Run) -> Option<Self> {
        let within = |gap: &Gap| !gap.run.is_empty() && gap.run.and(whole) == gap.run;
        let mut lengths = newest.iter().map(|gap| gap.run.len());
        let sum = lengths.try_fold(0, u64::checked_add)?;
        (newest.iter().all(within) && sum <= whole.len()).then_some(Self { newest })
    }

    /// All that are listed, the one noticed last last.
    pub(super) fn list(&self) -> &[Gap] {
        &self.newest
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.newest.capacity() * size_of::<Gap>()
    }

    /// Notices that these numbers have not come.
    pub(super) fn open(&mut self, run: Run, now: Moment) {
        if run.is_empty() {
            return;
        }
        self.newest.push(Gap {
            run,
            noticed: now.time,
            since: Some(now.instant),
        });
        self.forget_oldest();
    }

    /// Takes out numbers that have come.
    pub(super) fn close(&mut self, run: Run) {
        let Some(first) = self
            .newest
            .iter()
            .position(|gap| !gap.run.and(run).is_empty())
        else {
            return;
        };
        let touched = self.newest.split_off(first);
        let left = touched.into_iter().flat_map(|gap| {
            let pieces = if gap.run.and(run).is_empty() {
                [gap.run, Run::new(0, 0)]
            } else {
                gap.run.without(run)
            };
            pieces.map(|run| Gap { run, ..gap })
        });
        self.newest.extend(left.filter(|gap| !gap.run.is_empty()));
        self.forget_oldest();
    }

    fn forget_oldest(&mut self) {
        let beyond = self.newest.len().saturating_sub(MAX_GAPS);
        self.newest.drain(..beyond);
    }

    /// How many numbers may still come.
    pub(super) fn awaited(&self, now: Instant) -> u64 {
        let awaited = self.newest.iter().filter(|gap| gap.is_awaited(now));
        awaited.map(|gap| gap.run.len()).sum()
    }

    /// The gaps that count as lost, the one noticed last first.
    pub(super) fn lost(&self, now: Instant) -> impl Iterator<Item = &Gap> {
        self.newest
            .iter()
            .rev()
            .filter(move |gap| !gap.is_awaited(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(gaps: &Gaps) -> Vec<(u64, u64)> {
        let list = gaps.list().iter();
        list.map(|gap| (gap.run.start, gap.run.end)).collect()
    }

    #[test]
    fn what_comes_late_is_taken_out_and_the_rest_keeps_its_moment() {
        let (mut gaps, now) = (Gaps::default(), Moment::now());
        gaps.open(Run::new(0, 100), now);
        gaps.open(Run::new(200, 210), now);
        gaps.close(Run::new(40, 60));
        assert_eq!(runs(&gaps), [(0, 40), (60, 100), (200, 210)]);
        gaps.close(Run::new(90, 205));
        assert_eq!(runs(&gaps), [(0, 40), (60, 90), (205, 210)]);
        gaps.close(Run::new(0, 1000));
        assert_eq!(runs(&gaps), []);
    }

    #[test]
    fn a_gap_is_lost_when_the_grace_has_passed_whatever_the_clock_says() {
        let (mut gaps, begun) = (Gaps::default(), Moment::now());
        gaps.open(Run::new(0, 7), begun);
        let stepped = Moment {
            time: Timestamp::from_micros(-1),
            instant: begun.instant + GRACE / 2,
        };
        gaps.open(Run::new(10, 12), stepped);
        assert_eq!(gaps.awaited(stepped.instant), 9);
        let later = begun.instant + GRACE;
        assert_eq!(gaps.awaited(later), 2);
        let lost: Vec<_> = gaps.lost(later).map(|gap| gap.run).collect();
        assert_eq!(lost, [Run::new(0, 7)]);
        assert_eq!(gaps.awaited(later + GRACE), 0);
    }

    #[test]
    fn only_the_newest_are_listed() {
        let (mut gaps, now) = (Gaps::default(), Moment::now());
        for number in 0..150 {
            gaps.open(Run::new(number * 10, number * 10 + 5), now);
        }
        assert_eq!(gaps.list().len(), MAX_GAPS);
        // Each of them falls in two.
        for number in 0..150 {
            gaps.close(Run::new(number * 10 + 2, number * 10 + 3));
        }
        assert_eq!(gaps.list().len(), MAX_GAPS);
        assert_eq!(runs(&gaps).last(), Some(&(1493, 1495)));
    }
}
