//! The dead letter as a store sees it while it writes a batch.

use std::io;
use std::sync::{Mutex, PoisonError};

use gatelog_journal::Position;
use gatelog_record::AccessRecord;
use gatelog_store::{Letters, Rejected};

use crate::dead_letter::{DeadLetter, Kept, Letter};
use crate::intake;
use crate::place::Place;

/// Takes the records of one batch that the store refuses.
#[derive(Debug)]
pub(super) struct BatchLetters<'b> {
    dead_letter: &'b DeadLetter,
    store: &'static str,
    records: &'b [AccessRecord<'b>],
    /// The position behind the batch.
    end: Position,
    kept: Mutex<Kept>,
}

impl<'b> BatchLetters<'b> {
    pub(super) fn new(
        dead_letter: &'b DeadLetter,
        store: &'static str,
        records: &'b [AccessRecord<'b>],
        end: Position,
    ) -> Self {
        Self {
            dead_letter,
            store,
            records,
            end,
            kept: Mutex::default(),
        }
    }

    /// What became of all of them.
    pub(super) fn kept(self) -> Kept {
        self.kept
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Letters for BatchLetters<'_> {
    fn keep(&self, rejected: &[Rejected]) -> io::Result<()> {
        let letters = rejected.iter().filter_map(|Rejected { index, reason }| {
            Some(Letter {
                record: self.records.get(*index)?,
                reason,
                place: Place::behind(self.end),
            })
        });
        let kept = self.dead_letter.keep(letters, intake::now())?;
        tracing::warn!(
            store = self.store,
            records = rejected.len(),
            of = self.records.len(),
            dropped = kept.dropped,
            reason = rejected.first().map(|first| first.reason.as_str()),
            "the store refuses records; they are in the dead letter, but for those dropped"
        );
        let mut sum = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        sum.kept += kept.kept;
        sum.dropped += kept.dropped;
        Ok(())
    }
}
