//! Who sends, which of their records are here already, and which never came.
//!
//! **Shape.** A sender that numbers its records ([`headers`]) gets from each answer how many were
//! new and how many were here already. The numbers stand in the frame beside the records
//! (`gatelog_record::wire`), so both are durable together. What is in memory is a set of numbers
//! for each stream of them; a checkpoint of it and the frames behind that restore it at the start.
//!
//! ```text
//! headers ─► Sent ─┐
//! body ─► frames ──┴─► take: settle · drop what is known · append · put in flight ─► journal
//!                        ▲                                                             │
//!            the answer of the journal, asked for by whoever looks next ◄──────────────┘
//! keeper: checkpoint (senders/checkpoint) · log of losses        start: checkpoint, then frames
//! ```
//!
//! The number of a record that was [dropped](crate::selection) is taken with the frame that it lies in:
//! it was decided about, and a repetition changes nothing. Where a body has no record that is kept there
//! is no frame, and a repetition is decided anew.
//!
//! Two bodies under one idempotency key are told apart by their checksums; the second is refused. The
//! number of an item that was refused is not taken: it may come again with a record.
//!
//! **Invariants.** A record is called a duplicate only if a record with its number is durable when
//! the answer is given: the answer waits for those in flight, too. Numbers decide, not batches: of
//! a body that was taken in part the rest is taken. A record with a number that is known is not
//! written again.
//!
//! **Limits.** [`WORKER_BYTES`] for workers and [`KEY_BYTES`] for idempotency keys, those used
//! longest ago being forgotten first; of keys about [`KEYS`]. For each worker at least 10,000
//! batches, whatever their order and gaps. What lies behind that window is taken again: at least
//! once. All this holds for one collector.
//!
//! **Failure.** A frame that failed is forgotten, and who waits for it is told to send again. A
//! checkpoint that cannot be written holds up nothing; after a crash before the next one the window
//! has a hole.
//!
//! **Source.** Kafka's idempotent producer (KIP-98), which keeps the last five batches of a
//! producer: `docs/adr/0006`.

mod checkpoint;
mod cut;
mod form;
mod fuzzing;
mod gaps;
pub mod headers;
mod keeper;
mod ledger;
mod name;
mod numbers;
mod report;
mod restore;
#[cfg(test)]
mod rig;
mod shelf;
mod stream;
mod take;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatelog_journal::{Appended, Journal};
use gatelog_record::WireError;
use tokio::sync::watch;

pub use self::checkpoint::FAILPOINTS;
pub use self::cut::Frame;
pub use self::gaps::{GRACE, Moment};
pub use self::headers::Sent;
pub use self::keeper::Keeper;
use self::ledger::Ledger;
pub use self::name::Name;
pub use self::numbers::Run;
pub use self::report::Listing;
pub use self::restore::restore;
use self::shelf::{Bounds, Shelf};
use self::take::Body;

/// Bytes for what is known of workers.
pub const WORKER_BYTES: usize = 11 << 20;

/// Bytes for what is known of idempotency keys.
pub const KEY_BYTES: usize = 21 << 20;

/// Idempotency keys that are kept, as far as they are not very long.
pub const KEYS: usize = 65_536;

/// Name of the journal's reader that keeps what the next checkpoint has not.
pub const READER: &str = "senders";

/// What is known of all senders.
#[derive(Debug)]
pub struct Senders {
    workers: Shelf,
    keys: Shelf,
    /// Bodies so far: the order in which streams were used.
    uses: AtomicU64,
    /// Whether a worker may have been here of which nothing is known: numbers before the first that
    /// comes of one are then not missing.
    forgetful: AtomicBool,
    /// Whether all is known that was sent before the start.
    restored: watch::Sender<bool>,
}

/// A later program has written the checkpoint. The operator starts that one, or removes the file and
/// accepts that what senders repeat from before is stored twice.
#[derive(Debug, thiserror::Error)]
#[error("{path} has format version {found}; this program reads version {reads}")]
pub struct LaterVersion {
    /// The checkpoint.
    pub path: PathBuf,
    /// Its version.
    pub found: u32,
    /// The version that this program reads.
    pub reads: u32,
}

/// What became of a body's records.
#[derive(Debug, Default)]
pub struct Taken {
    /// Records that were appended.
    pub accepted: u64,
    /// Records that were here already.
    pub duplicates: u64,
    /// All of these are to answer before either is true.
    pub appended: Vec<Appended>,
}

/// Why a body was not taken; nothing of it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The numbers of the body's items go beyond the last that there is: a fault of the sender.
    #[error(
        "gatelog-sequence: {first} with {items} items goes beyond {}",
        u64::MAX
    )]
    Overflow {
        /// Number of the first item.
        first: u64,
        /// How many follow, that one included.
        items: u64,
    },
    /// It is not known yet what was sent before the start. The sender tries again in a moment.
    #[error("what senders have sent is still being looked up")]
    Restoring,
    /// Too much of this sender waits for the disk. The sender tries again in a moment.
    #[error("too many batches of this sender are under way")]
    Crowded,
    /// Nothing of it was taken, as the records of another one with this key are here. The sender
    /// gives each body a key of its own.
    #[error("idempotency-key: another body was sent with this key; a new body needs a new key")]
    OtherBody,
    /// A frame is not what was written: a fault of this program.
    #[error("a frame cannot be read: {0}")]
    Frame(#[from] WireError),
    /// The journal's; the sender is to send the body again.
    #[error(transparent)]
    Journal(#[from] gatelog_journal::Error),
}

impl Default for Senders {
    fn default() -> Self {
        Self::with_bounds(WORKER_BYTES, KEY_BYTES, KEYS)
    }
}

impl Senders {
    fn with_bounds(worker_bytes: usize, key_bytes: usize, keys: usize) -> Self {
        let workers = Bounds {
            bytes: worker_bytes,
            streams: usize::MAX,
        };
        let keys = Bounds {
            bytes: key_bytes,
            // A shelf forgets an eighth of what it may hold.
            streams: keys.div_ceil(7).saturating_mul(8),
        };
        Self {
            workers: Shelf::new(workers),
            keys: Shelf::new(keys),
            uses: AtomicU64::new(0),
            forgetful: AtomicBool::new(false),
            restored: watch::Sender::new(true),
        }
    }

    fn shelf(&self, name: &Name) -> &Shelf {
        if name.is_worker() {
            &self.workers
        } else {
            &self.keys
        }
    }

    /// What a stream begins with whose numbers are seen from `first` on.
    fn new_ledger(&self, name: &Name, first: u64, now: Moment) -> Option<Ledger> {
        let counted_from = if self.forgetful.load(Ordering::Relaxed) {
            first
        } else {
            0
        };
        name.is_worker()
            .then(|| Ledger::new(counted_from, now.time))
    }

    /// Appends the records of a body whose numbers are not known yet. `frames` follow each other
    /// without a gap, from the first number that was sent; `refused` are the numbers in order of the
    /// items that are no records.
    ///
    /// # Errors
    /// [`Error`]; nothing was appended.
    pub fn take(
        &self,
        journal: &Journal,
        sent: &Sent,
        frames: &[Frame<'_>],
        refused: &[Run],
        now: Moment,
    ) -> Result<Taken, Error> {
        let shelf = self.shelf(&sent.name);
        let stream =
            shelf.find_or_make(&sent.name, || self.new_ledger(&sent.name, sent.first, now));
        let use_number = self.uses.fetch_add(1, Ordering::Relaxed) + 1;
        stream.used.store(use_number, Ordering::Relaxed);
        let body = Body {
            sent,
            frames,
            refused,
        };
        let taken = body.take_into(&mut shelf.hold(&stream), journal, now);
        self.forget_oldest(shelf);
        taken
    }

    fn forget_oldest(&self, shelf: &Shelf) {
        let forgotten = shelf.forget_oldest();
        if forgotten > 0 && std::ptr::eq(shelf, &raw const self.workers) {
            self.forgetful.store(true, Ordering::Relaxed);
        }
    }

    /// How many bodies have been taken: it changes when anything does.
    fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::rig::{Rig, key, wait, worker};
    use super::*;

    #[test]
    fn what_is_repeated_is_known_in_whole_and_in_part_also_while_it_is_in_flight() {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::open(dir.path());
        let (one, other) = (worker("1"), worker("2"));
        let in_flight = rig.send(&one, 0..50).unwrap();
        let again = rig.send(&one, 0..50).unwrap();
        // It waits for the first, unless that is durable by now.
        assert!(again.appended.len() <= 1);
        assert_eq!(wait(again), (0, 50));
        assert_eq!(wait(in_flight), (50, 0));
        assert_eq!(rig.sends(&one, 0..50), (0, 50));
        assert_eq!(rig.sends(&one, 100..150), (50, 0));
        assert_eq!(rig.sends(&one, 40..110), (50, 20));
        assert_eq!(rig.sends(&other, 0..50), (50, 0));
        assert_eq!(rig.sends(&key("a"), 0..50), (50, 0));
        assert_eq!(rig.sends(&key("a"), 0..50), (0, 50));
        assert_eq!(rig.sends(&key("b"), 0..50), (50, 0));
        let mut numbers = rig.journaled(&one);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..150).collect::<Vec<_>>(), "each once");
    }

    #[test]
    fn copies_that_come_at_once_are_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::open(dir.path());
        let name = worker("1");
        let accepted = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (rig, name, accepted) = (&rig, &name, &accepted);
                scope.spawn(move || {
                    for first in 0..50 {
                        // Bodies of eight lengths that overlap each other.
                        let (new, _) = rig.sends(name, first * 10..first * 10 + 10 + thread);
                        accepted.fetch_add(new, Ordering::Relaxed);
                    }
                });
            }
        });
        let mut numbers = rig.journaled(&name);
        numbers.sort_unstable();
        assert_eq!(numbers, (0..507).collect::<Vec<_>>());
        assert_eq!(accepted.into_inner(), 507);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        /// Gaps make each worker take more and more memory.
        #[test]
        fn memory_stays_below_its_bounds_and_the_last_ones_are_known(
            bodies in prop::collection::vec((0u32..300, 0u64..2000), 500..1500),
        ) {
            const BYTES: usize = 64 << 10;
            let dir = tempfile::tempdir().unwrap();
            let rig = Rig::open(dir.path()).with_bounds(BYTES, BYTES, 100);
            for (who, first) in bodies {
                let name = worker(&who.to_string());
                rig.send(&name, first * 2..first * 2 + 1).unwrap();
                prop_assert!(rig.senders.workers.bytes() <= BYTES);
                prop_assert_eq!(rig.send(&name, first * 2..first * 2 + 1).unwrap().duplicates, 1);
                let name = key(&who.to_string());
                rig.send(&name, 0..1).unwrap();
                prop_assert!(rig.senders.keys.bytes() <= BYTES);
                prop_assert!(rig.senders.keys.newest(0).1 <= 120);
                prop_assert_eq!(rig.send(&name, 0..1).unwrap().duplicates, 1);
            }
            prop_assert!(rig.senders.forgetful.load(Ordering::Relaxed));
        }
    }

    #[test]
    fn keys_used_last_are_kept_and_of_short_ones_very_many() {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::open(dir.path());
        let name = |number: usize| key(&format!("{number:036}"));
        let total = 75_000;
        for number in 0..total {
            assert!(rig.send(&name(number), 0..1).is_ok(), "{number}");
            // The journal takes what waits in its turn.
            if number % 1000 == 0 {
                rig.sends(&key("breath"), 0..1);
            }
        }
        let kept = rig.senders.keys.newest(0).1;
        assert!(kept >= 50_000, "{kept} kept");
        assert!(rig.senders.keys.bytes() <= KEY_BYTES);
        for number in [total - 1, total - 40_000] {
            assert_eq!(rig.sends(&name(number), 0..1), (0, 1), "{number}");
        }
        assert_eq!(rig.sends(&name(0), 0..1), (1, 0));
    }
}
