//! A set of numbers, kept as the runs of neighbours that it is made of.
//!
//! **Shape.** A sender's numbers come nearly in order, so the set is a few runs, most often one. A
//! number is looked for by bisection.
//!
//! **Invariants.** Runs are in order, none is empty, and between two of them a number is missing.
//! What the set calls known was put in; what was put in is called known unless it lies below the
//! [floor](Numbers::floor).
//!
//! **Limits.** [`MAX_RUNS`] runs; beyond it the lowest are forgotten and the floor rises behind
//! them. Below the floor nothing is known.

/// Runs of a set, 16 bytes each. More than the 10,000 batches that a sender's window has at least,
/// should each of them be a run.
pub(super) const MAX_RUNS: usize = 16_384;

/// How many of the runs allowed are forgotten at once, as a fraction.
const FORGOTTEN_FRACTION: usize = 16;

/// Numbers from `start` to before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The first.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
}

impl Run {
    /// From `start` to before `end`; empty when that is not behind `start`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self { start, end }
    }

    /// How many numbers it has.
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// What both have; empty when that is nothing.
    pub(super) fn and(self, other: Run) -> Run {
        Run::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// What is left without the other: before it and behind it, either of them perhaps empty.
    pub(super) fn without(self, other: Run) -> [Run; 2] {
        [
            Run::new(self.start, self.end.min(other.start)),
            Run::new(self.start.max(other.end), self.end),
        ]
    }

    /// What is left without others, which are in order; they may overlap.
    pub(super) fn without_all(self, others: impl IntoIterator<Item = Run>) -> Vec<Run> {
        let mut left = Vec::new();
        let mut rest = self;
        for other in others {
            let [before, behind] = rest.without(other);
            left.push(before);
            rest = behind;
        }
        left.push(rest);
        left.retain(|run| !run.is_empty());
        left
    }
}

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Numbers {
    floor: u64,
    runs: Vec<Run>,
}

impl Numbers {
    /// The set with this floor and these runs, as [`floor`](Self::floor) and [`runs`](Self::runs)
    /// told them; `None` for runs that are not in order.
    pub(super) fn from_runs(floor: u64, runs: Vec<Run>) -> Option<Self> {
        let whole = |run: &Run| !run.is_empty() && run.start >= floor;
        let in_order = runs.is_sorted_by(|one, next| one.end < next.start);
        (in_order && runs.iter().all(whole)).then_some(Self { floor, runs })
    }

    /// Below it nothing is known.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    /// The runs in order.
    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
    }

    /// The runs that have numbers of `run`, in order.
    pub(super) fn overlapping(&self, run: Run) -> &[Run] {
        let first = self.runs.partition_point(|known| known.end <= run.start);
        let end = self.runs.partition_point(|known| known.start < run.end);
        self.runs.get(first..end).unwrap_or_default()
    }

    /// Puts in a run, as far as it is not below the floor; answers how many of its numbers were not
    /// in before.
    pub(super) fn insert(&mut self, run: Run) -> u64 {
        self.insert_with(run, MAX_RUNS)
    }

    /// Takes out a run; answers how many of its numbers were in before.
    pub(super) fn remove(&mut self, run: Run) -> u64 {
        let first = self.runs.partition_point(|known| known.end <= run.start);
        let end = self.runs.partition_point(|known| known.start < run.end);
        let (mut removed, mut left) = (0, Vec::new());
        for known in self.runs.get(first..end).unwrap_or_default() {
            removed += known.and(run).len();
            left.extend(known.without(run).into_iter().filter(|run| !run.is_empty()));
        }
        if removed > 0 {
            self.runs.splice(first..end, left);
        }
        removed
    }

    /// [`insert`](Self::insert) with another limit than [`MAX_RUNS`].
    pub(super) fn insert_with(&mut self, run: Run, max_runs: usize) -> u64 {
        let run = Run::new(run.start.max(self.floor), run.end);
        if run.is_empty() {
            return 0;
        }
        // Those that it touches become one with it.
        let first = self.runs.partition_point(|known| known.end < run.start);
        let end = self.runs.partition_point(|known| known.start <= run.end);
        let touched = self.runs.get(first..end).unwrap_or_default();
        let before: u64 = touched.iter().map(|known| known.and(run).len()).sum();
        let merged = Run::new(
            touched
                .first()
                .map_or(run.start, |known| known.start.min(run.start)),
            touched
                .last()
                .map_or(run.end, |known| known.end.max(run.end)),
        );
        self.runs.splice(first..end, [merged]);
        if self.runs.len() > max_runs {
            let forgotten = (max_runs / FORGOTTEN_FRACTION).max(1);
            if let Some(last) = self.runs.drain(..forgotten).next_back() {
                self.floor = last.end;
            }
        }
        run.len() - before
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn numbers(set: &Numbers) -> BTreeSet<u64> {
        set.runs()
            .iter()
            .flat_map(|run| run.start..run.end)
            .collect()
    }

    proptest! {
        #[test]
        fn the_set_is_a_set(runs in prop::collection::vec((0u64..200, 0u64..20), 0..80)) {
            let (mut set, mut model) = (Numbers::default(), BTreeSet::new());
            for (start, length) in runs {
                let before = model.len();
                model.extend(start..start + length);
                let added = set.insert(Run::new(start, start + length));
                prop_assert_eq!(added, (model.len() - before) as u64);
                prop_assert_eq!(&numbers(&set), &model);
                let asked = Run::new(start / 2, start / 2 + 10);
                let known: BTreeSet<u64> = set
                    .overlapping(asked)
                    .iter()
                    .flat_map(|run| run.and(asked).start..run.and(asked).end)
                    .collect();
                let expected = model.range(asked.start..asked.end).copied().collect();
                prop_assert_eq!(known, expected);
                let again = Numbers::from_runs(set.floor(), set.runs().to_vec());
                prop_assert_eq!(again.as_ref(), Some(&set), "in order, none empty, none touching");
            }
        }

        #[test]
        fn what_is_taken_out_is_out(
            runs in prop::collection::vec((0u64..100, 0u64..20, any::<bool>()), 0..80),
        ) {
            let (mut set, mut model) = (Numbers::default(), BTreeSet::new());
            for (start, length, put) in runs {
                let run = Run::new(start, start + length);
                if put {
                    model.extend(start..start + length);
                    set.insert(run);
                } else {
                    let before = model.len();
                    model.retain(|number| !(start..start + length).contains(number));
                    prop_assert_eq!(set.remove(run), (before - model.len()) as u64);
                }
                prop_assert_eq!(&numbers(&set), &model);
                prop_assert!(Numbers::from_runs(set.floor(), set.runs().to_vec()).is_some());
            }
        }

        #[test]
        fn beyond_its_limit_it_forgets_the_lowest_and_invents_nothing(
            starts in prop::collection::vec(0u64..2000, 0..200),
        ) {
            let (mut set, mut model) = (Numbers::default(), BTreeSet::new());
            for start in starts {
                model.extend(start..start + 2);
                let before = set.floor();
                set.insert_with(Run::new(start, start + 2), 32);
                let floor = set.floor();
                prop_assert!(set.runs().len() <= 32);
                prop_assert!(floor == before || set.runs().len() >= 30, "no more than it must");
                prop_assert!(numbers(&set).is_subset(&model), "it knows only what was put in");
                let above: BTreeSet<u64> = numbers(&set);
                prop_assert!(above.iter().all(|number| *number >= floor));
            }
        }
    }

    #[test]
    fn ten_thousand_batches_with_gaps_stay_known_and_more_cost_no_more() {
        let mut set = Numbers::default();
        let batch = |number: u64| Run::new(number * 100, number * 100 + 50);
        for number in 0..100_000 {
            set.insert(batch(number));
            let oldest = number.saturating_sub(10_000);
            assert_eq!(set.overlapping(batch(oldest)), [batch(oldest)], "{number}");
        }
        assert!(set.heap_bytes() <= 2 * MAX_RUNS * size_of::<Run>());
    }

    #[test]
    fn the_highest_numbers_do_not_overflow() {
        let mut set = Numbers::default();
        assert_eq!(set.insert(Run::new(u64::MAX - 5, u64::MAX)), 5);
        assert_eq!(set.insert(Run::new(u64::MAX - 10, u64::MAX)), 5);
        assert_eq!(set.insert(Run::new(0, u64::MAX)), u64::MAX - 10);
        assert_eq!(set.runs().len(), 1);
    }
}
