//! The ledger: what was sent, set against what is in the store, request by request.

use std::collections::BTreeMap;
use std::fmt;

/// One request, by its number in the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// The status that the client saw; `None` when the store has a request that nobody sent.
    answered: Option<u16>,
    /// The status of each row that the store has of it.
    stored: Vec<u16>,
}

/// What was sent, acknowledged and stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// Rows that carry no number of ours.
    strangers: u64,
    /// Records that the collector says it has acknowledged.
    acknowledged: u64,
}

impl Ledger {
    /// Enters a request that was answered.
    pub(crate) fn answered(&mut self, number: u64, status: u16) {
        self.entries.entry(number).or_default().answered = Some(status);
    }

    /// Enters a row of the store.
    pub(crate) fn stored(&mut self, number: Option<u64>, status: u16) {
        match number {
            Some(number) => self.entries.entry(number).or_default().stored.push(status),
            None => self.strangers += 1,
        }
    }

    /// Enters what the collector says of itself.
    pub(crate) fn acknowledged(&mut self, records: u64) {
        self.acknowledged = records;
    }

    /// What does not hold; nothing when every request is in the store exactly once, with the status
    /// that its client saw.
    pub(crate) fn faults(&self) -> Vec<String> {
        let sent = self.sent().count() as u64;
        let with = |test: fn(&Entry) -> bool| {
            self.entries.values().filter(|entry| test(entry)).count() as u64
        };
        let all = [
            (
                with(|e| e.answered.is_some() && e.stored.is_empty()),
                "not in the store",
            ),
            (with(|e| e.stored.len() > 1), "in the store more than once"),
            (
                with(|e| e.answered.is_none()) + self.strangers,
                "in the store and never sent",
            ),
            (
                with(|e| e.answered.is_some() && e.stored.iter().any(|s| Some(*s) != e.answered)),
                "stored with another status than the client saw",
            ),
            (
                sent.abs_diff(self.acknowledged),
                "acknowledged too many or too few",
            ),
        ];
        all.into_iter()
            .filter(|&(count, _)| count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect()
    }

    fn sent(&self) -> impl Iterator<Item = u16> {
        self.entries.values().filter_map(|entry| entry.answered)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stored = self
            .entries
            .values()
            .flat_map(|entry| entry.stored.iter().copied());
        writeln!(f, "{:24}  2xx   3xx   4xx   5xx  other    all", "")?;
        write_row(f, "sent through Envoy", self.sent())?;
        writeln!(f, "{:24}{:37}", "acknowledged", self.acknowledged)?;
        write_row(f, "in the store", stored)
    }
}

fn write_row(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    statuses: impl Iterator<Item = u16>,
) -> fmt::Result {
    let mut by_class: BTreeMap<u16, u64> = BTreeMap::new();
    let mut all = 0;
    for status in statuses {
        let class = status / 100;
        *by_class
            .entry(if (2..=5).contains(&class) { class } else { 0 })
            .or_default() += 1;
        all += 1;
    }
    write!(f, "{name:24}")?;
    for class in [2, 3, 4, 5, 0] {
        write!(f, "{:>5} ", by_class.get(&class).unwrap_or(&0))?;
    }
    writeln!(f, "{all:>7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Ledger {
        let mut ledger = Ledger::default();
        for (number, status) in [(1, 200), (2, 200), (3, 404), (4, 503)] {
            ledger.answered(number, status);
            ledger.stored(Some(number), status);
        }
        ledger.acknowledged(4);
        ledger
    }

    #[test]
    fn each_request_once_with_its_status_is_without_fault() {
        assert_eq!(whole().faults(), [""; 0]);
    }

    #[test]
    fn whatever_does_not_hold_is_a_fault() {
        let faults = |change: fn(&mut Ledger)| {
            let mut ledger = whole();
            change(&mut ledger);
            ledger.faults()
        };
        assert_eq!(
            faults(|l| {
                l.answered(5, 200);
                l.acknowledged(5);
            }),
            ["1 not in the store"]
        );
        assert_eq!(
            faults(|l| l.stored(Some(3), 404)),
            ["1 in the store more than once"]
        );
        assert_eq!(
            faults(|l| l.stored(Some(9), 200)),
            ["1 in the store and never sent"]
        );
        assert_eq!(
            faults(|l| l.stored(None, 200)),
            ["1 in the store and never sent"]
        );
        assert_eq!(
            faults(|l| l.answered(3, 200)),
            ["1 stored with another status than the client saw"]
        );
        assert_eq!(
            faults(|l| l.acknowledged(3)),
            ["1 acknowledged too many or too few"]
        );
    }

    #[test]
    fn the_rows_are_counted_by_status_class() {
        let text = whole().to_string();
        let numbers = |row: usize| {
            let line = text.lines().nth(row).unwrap();
            line.split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect::<Vec<u64>>()
        };
        assert_eq!(numbers(1), [2, 0, 1, 1, 0, 4]);
        assert_eq!(numbers(2), [4]);
        assert_eq!(numbers(3), [2, 0, 1, 1, 0, 4]);
    }
}
