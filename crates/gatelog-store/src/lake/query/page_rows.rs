//! The rows of a page while they are read, no more of them than its bytes allow.
//!
//! **Shape.** Rows come in the order of the files, a page has them in the order of its keys. What is
//! held is the beginning of the page as far as it is known; as soon as it is too large its last rows
//! go, and none that lies behind them is taken any more. So what is left in the end is the same
//! whatever the order in which rows come.
//!
//! **Limits.** The page's bytes, and one batch of a file. The page's first row is kept whatever its size.

use std::collections::{BTreeMap, HashMap};

use datafusion::arrow::array::RecordBatch;
use gatelog_record::{AccessRecord, Field, RecordId};

use super::super::rows;
use super::order::Key;
use crate::query::json_bytes;

/// See above.
pub(super) struct PageRows {
    places: HashMap<RecordId, usize>,
    /// By their places, with their bytes.
    held: BTreeMap<usize, (usize, AccessRecord<'static>)>,
    held_bytes: usize,
    most_bytes: usize,
    /// The page ends before this place.
    end: usize,
}

impl PageRows {
    /// None of the rows with these keys, of which the page may have `most_bytes`.
    pub(super) fn new(keys: &[Key], most_bytes: usize) -> Self {
        let places = keys.iter().enumerate();
        Self {
            places: places.map(|(place, key)| (key.id, place)).collect(),
            held: BTreeMap::new(),
            held_bytes: 0,
            most_bytes,
            end: keys.len(),
        }
    }

    /// Takes the page's rows out of a batch.
    pub(super) fn take(&mut self, batch: &RecordBatch) {
        let Some(ids) = batch.column_by_name(Field::RecordId.name()) else {
            return;
        };
        for row in 0..batch.num_rows() {
            let place = rows::id(ids, row).and_then(|id| self.places.get(&id).copied());
            if let Some(place) = place
                && place < self.end
            {
                self.hold(place, rows::record(batch, row));
            }
        }
    }

    fn hold(&mut self, place: usize, record: AccessRecord<'static>) {
        let bytes = json_bytes(&record);
        if let Some((before, _)) = self.held.insert(place, (bytes, record)) {
            self.held_bytes -= before;
        }
        self.held_bytes += bytes;
        while self.held_bytes > self.most_bytes
            && let Some(last) = self.held.last_entry()
            && *last.key() > 0
        {
            self.end = *last.key();
            self.held_bytes -= last.remove().0;
        }
    }

    /// The rows of the page.
    pub(super) fn in_order(self) -> Vec<AccessRecord<'static>> {
        self.held.into_values().map(|(_, record)| record).collect()
    }
}
