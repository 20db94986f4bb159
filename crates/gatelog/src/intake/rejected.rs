//! The refused items of a body, told in an answer of bounded size.
//!
//! **Shape.** The first [`SINGLE`] are listed one by one with their reasons. Of those behind them
//! each run of neighbours is one entry at the place of its first, and behind [`RUNS`] runs all that
//! are left are one.
//!
//! **Invariants.** Entries are in the order of the body. Every refused item is counted in exactly
//! one of them.

/// Refused items that are listed with their reasons.
pub(super) const SINGLE: usize = 1000;

/// Runs of refused items that are listed behind those.
const RUNS: usize = 10_000;

/// Collects refused items in the order of the body.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    entries: Vec<(u64, String)>,
    run: Option<Run>,
}

/// Refused items behind the single ones, not yet an entry.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    count: u64,
}

impl Rejected {
    /// Adds the item at `index`, which stands behind all that were added before.
    pub(super) fn push(&mut self, index: u64, reason: &impl ToString) {
        if self.entries.len() < SINGLE {
            self.entries.push((index, reason.to_string()));
            return;
        }
        let last_entry = self.entries.len() + 1 >= SINGLE + RUNS;
        match &mut self.run {
            Some(run) if run.last + 1 == index || last_entry => {
                run.last = index;
                run.count += 1;
            }
            _ => {
                self.end_run();
                self.run = Some(Run {
                    first: index,
                    last: index,
                    count: 1,
                });
            }
        }
    }

    /// The entries: a place in the body each, and what is to be said of it.
    pub(super) fn into_entries(mut self) -> Vec<(u64, String)> {
        self.end_run();
        self.entries
    }

    fn end_run(&mut self) {
        let Some(Run { first, last, count }) = self.run.take() else {
            return;
        };
        let items = if count == 1 { "item" } else { "items" };
        let neighbours = last - first + 1 == count;
        let among = if neighbours {
            ""
        } else {
            ", among others that were taken"
        };
        self.entries.push((
            first,
            format!("{count} {items} up to index {last} refused too{among}"),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries behind the single ones, when the items at these places are refused.
    fn behind_the_single(indices: impl IntoIterator<Item = u64>) -> Vec<(u64, String)> {
        let mut rejected = Rejected::default();
        for index in indices {
            rejected.push(index, &"bad");
        }
        let mut entries = rejected.into_entries();
        let behind = entries.split_off(SINGLE.min(entries.len()));
        assert!(entries.iter().all(|(_, reason)| reason == "bad"));
        behind
    }

    fn entry(index: u64, text: &str) -> (u64, String) {
        (index, text.to_owned())
    }

    #[test]
    fn the_first_are_listed_with_their_reasons_and_the_others_as_runs() {
        let single = SINGLE as u64;
        assert_eq!(behind_the_single(0..single), []);
        assert_eq!(
            behind_the_single(0..=single),
            [entry(1000, "1 item up to index 1000 refused too")]
        );
        let gaps = (0..single)
            .chain(2000..2005)
            .chain([2007])
            .chain(2009..2011);
        assert_eq!(
            behind_the_single(gaps),
            [
                entry(2000, "5 items up to index 2004 refused too"),
                entry(2007, "1 item up to index 2007 refused too"),
                entry(2009, "2 items up to index 2010 refused too"),
            ]
        );
    }

    #[test]
    fn beyond_the_cap_one_last_entry_counts_all_that_are_left() {
        let runs = RUNS as u64;
        let all = behind_the_single((0..1000).chain((0..3 * runs).map(|run| 2000 + 2 * run)));
        assert_eq!(all.len(), RUNS);
        assert_eq!(all[1], entry(2002, "1 item up to index 2002 refused too"));
        assert_eq!(
            all[RUNS - 1],
            entry(
                2000 + 2 * (runs - 1),
                "20001 items up to index 61998 refused too, among others that were taken"
            )
        );
    }
}
