//! Bytes that were durable and are not what was written.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::PoisonError;

use crate::Position;
use crate::shared::Shared;

/// A place that a reader has passed over because there is no frame where one was. What was appended
/// there is lost to this reader: it has to be told to somebody, and counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub from: Position,
    /// Where reading goes on.
    pub to: Position,
    /// What is wrong.
    pub problem: &'static str,
    /// The segment file.
    pub path: PathBuf,
    /// The copy of the bytes, if this was the first to come by and one could be made.
    pub copy: Option<PathBuf>,
}

impl Damage {
    /// How many bytes are passed over.
    pub fn bytes(&self) -> u64 {
        self.to.since(self.from)
    }
}

/// The damage that readers have come by, so that it is counted and copied once.
#[derive(Debug, Default)]
pub(crate) struct DamageBook {
    /// Where each begins and ends.
    known: BTreeMap<Position, Position>,
    bytes: u64,
}

impl DamageBook {
    /// Bytes of all that was ever found.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes note of a place; false if it is known.
    fn add(&mut self, from: Position, to: Position) -> bool {
        let before = self.known.range(..=from).next_back();
        if before.is_some_and(|(_, end)| *end >= to) {
            return false;
        }
        self.known.insert(from, to);
        self.bytes += to.since(from);
        true
    }

    /// Forgets places before `oldest`, which nobody reads any more.
    fn forget(&mut self, oldest: Position) {
        self.known = self.known.split_off(&oldest);
    }
}

impl Shared {
    /// Counts a damaged place, and keeps a copy of its bytes, if it was not known. `copy` makes it.
    pub(crate) fn note_damage(
        &self,
        path: PathBuf,
        (from, to): (Position, Position),
        problem: &'static str,
        copy: impl FnOnce() -> Option<PathBuf>,
    ) -> Damage {
        let is_new = self.damage().add(from, to);
        Damage {
            from,
            to,
            problem,
            path,
            copy: is_new.then(copy).flatten(),
        }
    }

    pub(crate) fn forget_damage(&self, oldest: Position) {
        self.damage().forget(oldest);
    }

    pub(crate) fn damage(&self) -> std::sync::MutexGuard<'_, DamageBook> {
        self.damage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_once() {
        let mut book = DamageBook::default();
        let at = Position::new;
        assert!(book.add(at(10), at(20)));
        assert!(!book.add(at(10), at(20)));
        assert!(!book.add(at(15), at(20)), "a reader that begins within");
        assert!(book.add(at(30), at(31)));
        assert_eq!(book.bytes(), 11);
        book.forget(at(25));
        assert_eq!((book.known.len(), book.bytes()), (1, 11));
    }
}
