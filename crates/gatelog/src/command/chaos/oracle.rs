//! The conservation oracle: which records have to be stored, and which were found.
//!
//! **Shape.** Each lane numbers its records from 0 without gaps. A record is first
//! [issued](Oracle::issue), and is an obligation once it is [acknowledged](Oracle::acknowledge). At
//! the end every stored row is [shown](Oracle::see) to the oracle, and the [`Verdict`] says what does
//! not add up:
//!
//! | | |
//! |---|---|
//! | lost | acknowledged, and not stored |
//! | doubled | stored more than once |
//! | invented | stored, and never issued |
//! | damaged | stored, and not as it was sent |
//!
//! A record that was issued and never acknowledged may be stored once or not at all.
//!
//! **Limits.** Two bits for each record, so that an hour fits into some megabytes; of what is wrong a
//! few examples are kept, and all are counted.

use std::fmt;
use std::ops::Range;

/// How many examples of each finding are kept.
const EXAMPLES: usize = 5;

/// A record: who sent it, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id {
    /// The lane.
    pub lane: u16,
    /// The lane's number for it, counted from 0.
    pub number: u64,
}

/// `lane:number`.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.lane, self.number)
    }
}

/// A stored row, as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// The record with this id, as it was sent.
    Intact(Id),
    /// The record with this id, changed; with the row.
    Damaged(Id, String),
    /// A row that carries no id; with the row.
    Foreign(String),
}

/// What was sent, what was promised, and what was found.
#[derive(Debug, Default)]
pub struct Oracle {
    lanes: Vec<Lane>,
    stored: u64,
    doubled: Finding,
    invented: Finding,
    damaged: Finding,
}

#[derive(Debug, Default)]
struct Lane {
    issued: u64,
    acknowledged: Bits,
    seen: Bits,
}

/// What is wrong in one way: how often, and the first examples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// How often.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<String>,
}

/// What the oracle says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records that were sent.
    pub issued: u64,
    /// Records that have to be stored.
    pub acknowledged: u64,
    /// Rows that were found.
    pub stored: u64,
    /// Records that are stored without an acknowledgement, as they may be.
    pub unacknowledged: u64,
    /// Acknowledged and not stored.
    pub lost: Finding,
    /// Stored again.
    pub doubled: Finding,
    /// Stored and never sent.
    pub invented: Finding,
    /// Stored and not as sent.
    pub damaged: Finding,
}

impl Oracle {
    /// Takes note of the lane's next records before they are sent, and answers their numbers.
    pub fn issue(&mut self, lane: u16, count: u64) -> Range<u64> {
        let lane = self.lane(lane);
        let first = lane.issued;
        lane.issued += count;
        first..lane.issued
    }

    /// Takes note that these were acknowledged: they have to be stored.
    pub fn acknowledge(&mut self, lane: u16, numbers: Range<u64>) {
        let lane = self.lane(lane);
        for number in numbers {
            lane.acknowledged.insert(number);
        }
    }

    /// Takes note of a stored row.
    pub fn see(&mut self, sighting: Sighting) {
        self.stored += 1;
        let id = match sighting {
            Sighting::Intact(id) => id,
            Sighting::Damaged(id, row) => {
                self.damaged.add(|| format!("{id} as {row}"));
                id
            }
            Sighting::Foreign(row) => return self.invented.add(|| row),
        };
        let known = self.lanes.get_mut(usize::from(id.lane));
        match known.filter(|lane| id.number < lane.issued) {
            None => self.invented.add(|| id.to_string()),
            Some(lane) => {
                if !lane.seen.insert(id.number) {
                    self.doubled.add(|| id.to_string());
                }
            }
        }
    }

    /// Forgets the rows it was shown, to be shown all of them again.
    pub fn forget_sightings(&mut self) {
        for lane in &mut self.lanes {
            lane.seen = Bits::default();
        }
        self.stored = 0;
        (self.doubled, self.invented, self.damaged) = Default::default();
    }

    /// Records acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.acknowledged.count).sum()
    }

    /// What does not add up, once every row was shown.
    pub fn verdict(&self) -> Verdict {
        let mut lost = Finding::default();
        let mut unacknowledged = 0;
        for (index, lane) in self.lanes.iter().enumerate() {
            let missing = lane.acknowledged.without(&lane.seen);
            let number = index.try_into().unwrap_or(u16::MAX);
            for missing in missing {
                let id = Id {
                    lane: number,
                    number: missing,
                };
                lost.add(|| id.to_string());
            }
            unacknowledged += lane.seen.without(&lane.acknowledged).count() as u64;
        }
        Verdict {
            issued: self.lanes.iter().map(|lane| lane.issued).sum(),
            acknowledged: self.acknowledged(),
            stored: self.stored,
            unacknowledged,
            lost,
            doubled: self.doubled.clone(),
            invented: self.invented.clone(),
            damaged: self.damaged.clone(),
        }
    }

    fn lane(&mut self, lane: u16) -> &mut Lane {
        let index = usize::from(lane);
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, Lane::default);
        }
        #[expect(clippy::indexing_slicing, reason = "the lanes reach beyond it now")]
        &mut self.lanes[index]
    }
}

impl Finding {
    pub(super) fn add(&mut self, example: impl FnOnce() -> String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
    }
}

impl Verdict {
    /// Whether every record is where it has to be, as it was sent, once.
    pub fn is_clean(&self) -> bool {
        self.findings().all(|(_, finding)| finding.count == 0)
    }

    /// The findings with their names.
    pub fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("invented", &self.invented),
            ("damaged", &self.damaged),
        ]
        .into_iter()
    }
}

/// A set of numbers, one bit each.
#[derive(Clone, Debug, Default)]
struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    /// False when it was there already.
    fn insert(&mut self, number: u64) -> bool {
        let index = usize::try_from(number / 64).unwrap_or(usize::MAX);
        if self.words.len() <= index {
            self.words.resize(index + 1, 0);
        }
        let Some(word) = self.words.get_mut(index) else {
            return false;
        };
        let bit = 1 << (number % 64);
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(new);
        new
    }

    /// The numbers that are not in `other`, in order.
    fn without<'b>(&'b self, other: &'b Bits) -> impl Iterator<Item = u64> + 'b {
        let words = self.words.iter().zip(0u64..);
        words.flat_map(|(word, index)| {
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            let rest = word & !other.words.get(at).copied().unwrap_or_default();
            (0..64)
                .filter(move |bit| rest >> bit & 1 == 1)
                .map(move |bit| index * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn intact(lane: u16, number: u64) -> Sighting {
        Sighting::Intact(Id { lane, number })
    }

    /// Two lanes with 100 records each, all acknowledged but the last ten of the second.
    fn sent() -> Oracle {
        let mut oracle = Oracle::default();
        for lane in 0..2 {
            let first = oracle.issue(lane, 60);
            let second = oracle.issue(lane, 40);
            assert_eq!((first.clone(), second.clone()), (0..60, 60..100));
            oracle.acknowledge(lane, first);
            oracle.acknowledge(lane, second.start..second.end - 10 * u64::from(lane));
        }
        oracle
    }

    fn show(oracle: &mut Oracle, skip: &[(u16, u64)]) {
        for lane in 0..2 {
            for number in 0..100 {
                if !skip.contains(&(lane, number)) {
                    oracle.see(intact(lane, number));
                }
            }
        }
    }

    #[test]
    fn what_was_acknowledged_and_is_there_once_is_clean() {
        let mut oracle = sent();
        show(&mut oracle, &[(1, 95), (1, 96)]);
        let verdict = oracle.verdict();
        assert!(verdict.is_clean(), "{verdict:?}");
        assert_eq!((verdict.issued, verdict.acknowledged), (200, 190));
        assert_eq!((verdict.stored, verdict.unacknowledged), (198, 8));
    }

    #[test]
    fn a_lost_record_is_found() {
        let mut oracle = sent();
        show(&mut oracle, &[(0, 63), (1, 0)]);
        let verdict = oracle.verdict();
        assert!(!verdict.is_clean());
        assert_eq!(verdict.lost.count, 2);
        assert_eq!(verdict.lost.examples, ["0:63", "1:0"]);
    }

    #[test]
    fn a_doubled_record_is_found_acknowledged_or_not() {
        let mut oracle = sent();
        show(&mut oracle, &[]);
        oracle.see(intact(0, 64));
        oracle.see(intact(1, 99));
        let verdict = oracle.verdict();
        assert_eq!(verdict.doubled.examples, ["0:64", "1:99"]);
        assert_eq!((verdict.doubled.count, verdict.lost.count), (2, 0));
        assert!(!verdict.is_clean());
    }

    #[test]
    fn an_invented_record_is_found() {
        let mut oracle = sent();
        show(&mut oracle, &[]);
        oracle.see(intact(0, 100));
        oracle.see(intact(7, 0));
        oracle.see(Sighting::Foreign("{}".to_owned()));
        let verdict = oracle.verdict();
        assert_eq!(verdict.invented.examples, ["0:100", "7:0", "{}"]);
        assert!(!verdict.is_clean());
    }

    #[test]
    fn a_damaged_record_is_found_and_is_not_lost() {
        let mut oracle = sent();
        show(&mut oracle, &[(0, 1)]);
        let id = Id { lane: 0, number: 1 };
        oracle.see(Sighting::Damaged(id, "{}".to_owned()));
        let verdict = oracle.verdict();
        assert_eq!(verdict.damaged.examples, ["0:1 as {}"]);
        assert_eq!((verdict.damaged.count, verdict.lost.count), (1, 0));
        assert!(!verdict.is_clean());
    }

    #[test]
    fn many_findings_are_counted_and_few_kept_and_all_can_be_shown_again() {
        let mut oracle = sent();
        show(&mut oracle, &[]);
        show(&mut oracle, &[]);
        let doubled = oracle.verdict().doubled;
        assert_eq!((doubled.count, doubled.examples.len()), (200, EXAMPLES));
        oracle.forget_sightings();
        assert_eq!(oracle.verdict().lost.count, 190);
        show(&mut oracle, &[]);
        assert!(oracle.verdict().is_clean());
    }

    proptest! {
        /// Against a count for each record.
        #[test]
        fn it_counts_as_a_map_does(
            batches in prop::collection::vec((0..3u16, 1..90u64, any::<bool>()), 1..20),
            seen in prop::collection::vec((0..4u16, 0..200u64), 0..400),
        ) {
            let mut oracle = Oracle::default();
            let mut model: BTreeMap<Id, (bool, u64)> = BTreeMap::new();
            for (lane, count, acknowledged) in batches {
                let numbers = oracle.issue(lane, count);
                model.extend(numbers.clone().map(|number| (Id { lane, number }, (acknowledged, 0))));
                if acknowledged {
                    oracle.acknowledge(lane, numbers);
                }
            }
            let mut invented = 0;
            for (lane, number) in seen {
                oracle.see(intact(lane, number));
                match model.get_mut(&Id { lane, number }) {
                    Some((_, count)) => *count += 1,
                    None => invented += 1,
                }
            }
            let verdict = oracle.verdict();
            let lost = model.values().filter(|(acknowledged, count)| *acknowledged && *count == 0);
            prop_assert_eq!(verdict.lost.count, lost.count() as u64);
            let again: u64 = model.values().map(|(_, count)| count.saturating_sub(1)).sum();
            prop_assert_eq!(verdict.doubled.count, again);
            prop_assert_eq!(verdict.invented.count, invented);
            let extra = model.values().filter(|(acknowledged, count)| !*acknowledged && *count > 0);
            prop_assert_eq!(verdict.unacknowledged, extra.count() as u64);
        }
    }
}
