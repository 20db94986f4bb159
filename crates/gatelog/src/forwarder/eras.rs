//! Which outputs want a record: those of the time when it was received.
//!
//! **Shape.** An [`Era`] begins at a position of the journal and has outputs of its own, with what decides
//! among them. [`Eras`] are all that still matter. [`Routes`] holds those that count at present.
//!
//! **Invariants.** A record belongs to the last era that begins before the end of its frame. What an
//! output wants of records from before the first era that has it: all that this era would give it if it
//! starts with the oldest, and else nothing. Who looks at the eras after he has read frames sees all
//! that ever count for these: an era begins at the end of the journal, and is put in force before
//! anything that is looked at later is read.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use gatelog_journal::{Position, Start};
use gatelog_record::AccessRecord;

use super::chunk::{Contents, Wishes};
use super::inbox::Inbox;
use crate::output::Routing;

/// The number of an output, for as long as the process is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) u32);

/// See the module.
#[derive(Clone)]
pub(super) struct Era {
    /// Its first record begins there or behind.
    pub(super) from: Position,
    pub(super) routing: Arc<dyn Routing>,
    /// The outputs, in the order that the routing knows.
    pub(super) members: Vec<Member>,
}

/// An output of an era.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: Id,
    /// Where it begins if the era is its first.
    pub(super) start: Start,
}

/// See the module.
#[derive(Default)]
pub(super) struct Eras {
    version: u64,
    list: Vec<Sorter>,
    inboxes: BTreeMap<Id, Arc<Inbox>>,
}

/// An era, with those of later ones that want what is older than they are.
struct Sorter {
    era: Era,
    /// Of a later era its place in the list, and for each of its members whether it is one of those.
    early: Vec<(usize, Vec<bool>)>,
}

/// The eras that count at present.
#[derive(Default)]
pub(super) struct Routes(RwLock<Arc<Eras>>);

impl Eras {
    /// These, in their order, as the so many'th version of them.
    pub(super) fn new(version: u64, list: &[Era], inboxes: BTreeMap<Id, Arc<Inbox>>) -> Self {
        let early = |at: usize| {
            let later = list.iter().enumerate().skip(at + 1);
            let early = later.map(|(later, era)| {
                let before = list.get(..later).unwrap_or_default();
                let is_early = |member: &Member| {
                    member.start == Start::Oldest && !before.iter().any(|era| era.has(member.id))
                };
                (later, era.members.iter().map(is_early).collect::<Vec<_>>())
            });
            early.filter(|(_, early)| early.contains(&true)).collect()
        };
        let list = list
            .iter()
            .enumerate()
            .map(|(at, era)| Sorter {
                era: era.clone(),
                early: early(at),
            })
            .collect();
        Self {
            version,
            list,
            inboxes,
        }
    }

    /// A number that grows with each change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Where all outputs learn what there is for them.
    pub(super) fn inboxes(&self) -> &BTreeMap<Id, Arc<Inbox>> {
        &self.inboxes
    }

    /// Says for each output which of the records it wants.
    pub(super) fn sort(&self, contents: &Contents<'_>) -> Wishes {
        let mut wishes = Wishes::new();
        let mut places = Vec::new();
        let mut eras = self.list.iter().peekable();
        let Some(mut sorter) = eras.next() else {
            return wishes;
        };
        for (index, record) in contents.records.iter().enumerate() {
            let Some(place) = contents.places.get(index) else {
                break;
            };
            while let Some(next) = eras.next_if(|next| next.era.from < place.frame_end()) {
                sorter = next;
            }
            sorter
                .era
                .route(record, &mut places, |_| true, index, &mut wishes);
            for (later, early) in &sorter.early {
                if let Some(later) = self.list.get(*later) {
                    let is_early = |place: usize| early.get(place).copied().unwrap_or_default();
                    later
                        .era
                        .route(record, &mut places, is_early, index, &mut wishes);
                }
            }
        }
        wishes
    }
}

impl Era {
    pub(super) fn has(&self, output: Id) -> bool {
        self.members.iter().any(|member| member.id == output)
    }

    fn route(
        &self,
        record: &AccessRecord<'_>,
        places: &mut Vec<usize>,
        counts: impl Fn(usize) -> bool,
        index: usize,
        wishes: &mut Wishes,
    ) {
        places.clear();
        self.routing.route(record, places);
        let places = places.iter().filter(|place| counts(**place));
        for member in places.filter_map(|place| self.members.get(*place)) {
            wishes.entry(member.id).or_default().push(index);
        }
    }
}

impl Routes {
    /// The eras that count for all that has been read before the call.
    pub(super) fn now(&self) -> Arc<Eras> {
        let now = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now)
    }

    /// Keeps all others from looking until the eras are as they are to be.
    pub(super) fn change(&self) -> RwLockWriteGuard<'_, Arc<Eras>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::AccessRecord;
    use proptest::prelude::*;

    use super::*;
    use crate::place::Place;

    /// Outputs of an era: for each whether it starts with the oldest, and which records it gets, by the
    /// rest that their numbers leave.
    type Outputs = Vec<(u32, bool, u64)>;

    fn era(from: u64, outputs: &Outputs) -> Era {
        let rests: Vec<_> = outputs.iter().map(|(_, _, rest)| *rest).collect();
        let routing = move |record: &AccessRecord<'_>, to: &mut Vec<usize>| {
            let number = number(record);
            let wants = rests.iter().enumerate();
            let wants = wants.filter(|(_, rest)| number % 3 == **rest);
            to.extend(wants.map(|(place, _)| place));
        };
        let members = outputs.iter().map(|(id, oldest, _)| Member {
            id: Id(*id),
            start: if *oldest { Start::Oldest } else { Start::Now },
        });
        Era {
            from: Position::new(from),
            routing: Arc::new(routing),
            members: members.collect(),
        }
    }

    fn number(record: &AccessRecord<'_>) -> u64 {
        record.duration.unwrap_or_default().unsigned_abs()
    }

    /// The rule, read literally.
    fn wants(eras: &[(u64, Outputs)], id: u32, frame_end: u64, number: u64) -> bool {
        let of = |at: usize| eras[at].1.iter().find(|output| output.0 == id);
        let at = eras
            .iter()
            .rposition(|(from, _)| *from < frame_end)
            .unwrap_or(0);
        let Some(first) = (0..eras.len()).find(|at| of(*at).is_some()) else {
            return false;
        };
        let asked = if at >= first {
            of(at)
        } else {
            of(first).filter(|(_, oldest, _)| *oldest)
        };
        asked.is_some_and(|(_, _, rest)| number % 3 == *rest)
    }

    fn outputs() -> impl Strategy<Value = Outputs> {
        let one = (0u32..5, any::<bool>(), 0u64..3);
        prop::collection::vec(one, 0..5).prop_map(|mut outputs| {
            outputs.sort_unstable();
            outputs.dedup_by_key(|output| output.0);
            outputs
        })
    }

    proptest! {
        #[test]
        fn a_record_is_for_the_outputs_of_its_time(
            froms in prop::collection::btree_set(0u64..100, 1..6),
            sets in prop::collection::vec(outputs(), 6),
            mut ends in prop::collection::vec(1u64..120, 0..30),
        ) {
            ends.sort_unstable();
            let eras: Vec<_> = froms.into_iter().zip(sets).collect();
            let list: Vec<_> = eras.iter().map(|(from, set)| era(*from, set)).collect();
            let sorter = Eras::new(0, &list, BTreeMap::new());
            let records = (0..ends.len()).map(|number| AccessRecord {
                duration: i64::try_from(number).ok(),
                ..AccessRecord::default()
            });
            let places = ends.iter().map(|end| Place::within(Position::new(*end), 1));
            let contents = Contents {
                records: records.collect(),
                places: places.collect(),
                unreadable: Vec::new(),
            };
            let wishes = sorter.sort(&contents);
            for id in 0..5 {
                let expected = (0..ends.len()).filter(|number| wants(&eras, id, ends[*number], *number as u64));
                let found = wishes.get(&Id(id)).cloned().unwrap_or_default();
                prop_assert_eq!(found, expected.collect::<Vec<_>>(), "{}", id);
            }
        }
    }
}
