//! Rows that are in no file yet.
//!
//! **Shape.** Records are appended to the builders of [`Columns`]; when these hold a chunk, or when
//! a query wants to see the rows, they become a [`RecordBatch`]. Small batches are joined two by
//! two as they come, so a query meets a handful of them however often it asks.
//!
//! **Limits.** [`CHUNK_ROWS`] rows or about [`CHUNK_BYTES`] in a batch. What the whole may hold is
//! the caller's business: a write is taken whole, because its records and its position belong
//! together.

use std::time::Instant;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::error::ArrowError;
use gatelog_record::AccessRecord;

use super::columns::Columns;
use super::schema::schema;

/// Rows of a full batch: the size in which queries work, too.
const CHUNK_ROWS: usize = 8192;

/// Bytes of a full batch, far from the 2 GiB that one column of it may have.
const CHUNK_BYTES: usize = 16 << 20;

/// The rows in memory, growing.
#[derive(Debug)]
pub(super) struct Memory {
    columns: Columns,
    /// Of the rows in `columns`.
    column_bytes: usize,
    batches: Vec<Chunk>,
    rows: usize,
    bytes: usize,
    /// When the first of it was written; `None` while there is nothing.
    since: Option<Instant>,
    /// The journal position behind it.
    end: u64,
}

#[derive(Debug)]
struct Chunk {
    batch: RecordBatch,
    bytes: usize,
}

/// Rows that are being written to files, and the position behind them.
#[derive(Debug)]
pub(super) struct Sealed {
    /// The rows, in the order in which they were written.
    pub(super) batches: Vec<RecordBatch>,
    /// The journal position behind them.
    pub(super) end: u64,
    /// The journal they come from.
    pub(super) journal: String,
}

impl Memory {
    /// Nothing.
    pub(super) fn new() -> Self {
        Self {
            columns: Columns::new(),
            column_bytes: 0,
            batches: Vec::new(),
            rows: 0,
            bytes: 0,
            since: None,
            end: 0,
        }
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes they take, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// When the first of it was written; `None` while there is nothing, not even a position.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Appends records, and the position behind them.
    pub(super) fn append<'r, 'a: 'r>(
        &mut self,
        records: impl Iterator<Item = &'r AccessRecord<'a>>,
        end: u64,
    ) -> Result<(), ArrowError> {
        self.since.get_or_insert_with(Instant::now);
        for record in records {
            let bytes = self.columns.append(record);
            self.rows += 1;
            self.bytes += bytes;
            self.column_bytes += bytes;
            if self.columns.rows() >= CHUNK_ROWS || self.column_bytes >= CHUNK_BYTES {
                self.finish_chunk()?;
            }
        }
        self.end = end;
        Ok(())
    }

    /// The rows as batches, in the order in which they were written.
    pub(super) fn batches(&mut self) -> Result<impl Iterator<Item = RecordBatch>, ArrowError> {
        self.finish_chunk()?;
        Ok(self.batches.iter().map(|chunk| chunk.batch.clone()))
    }

    /// Takes everything out, to be written to files.
    pub(super) fn seal(&mut self, journal: &str) -> Result<Sealed, ArrowError> {
        let batches = self.batches()?.collect();
        let sealed = Sealed {
            batches,
            end: self.end,
            journal: journal.to_owned(),
        };
        *self = Self::new();
        Ok(sealed)
    }

    fn finish_chunk(&mut self) -> Result<(), ArrowError> {
        if self.columns.rows() == 0 {
            return Ok(());
        }
        self.batches.push(Chunk {
            batch: self.columns.finish()?,
            bytes: std::mem::take(&mut self.column_bytes),
        });
        self.join_small()
    }

    /// Joins the last two batches while the last has at least half the rows of the one before:
    /// as in a binary counter, a row is copied a few times at most, and few batches remain.
    fn join_small(&mut self) -> Result<(), ArrowError> {
        while let [.., before, last] = self.batches.as_slice() {
            let rows = before.batch.num_rows() + last.batch.num_rows();
            let bytes = before.bytes + last.bytes;
            if rows > CHUNK_ROWS
                || bytes > CHUNK_BYTES
                || last.batch.num_rows() * 2 < before.batch.num_rows()
            {
                break;
            }
            let batch = concat_batches(&schema(), [&before.batch, &last.batch])?;
            self.batches.truncate(self.batches.len() - 2);
            self.batches.push(Chunk { batch, bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gatelog_record::{Field, Timestamp, standard};

    use super::super::rows;
    use super::*;

    fn append(memory: &mut Memory, numbers: std::ops::Range<u64>) {
        let records: Vec<_> = numbers
            .clone()
            .map(|number| standard::record(number, Timestamp::EPOCH))
            .collect();
        memory.append(records.iter(), numbers.end).unwrap();
    }

    fn paths(batches: &[RecordBatch]) -> Vec<String> {
        let rows = |batch: &RecordBatch| {
            let path = batch.column_by_name(Field::Path.name()).unwrap().clone();
            (0..batch.num_rows())
                .map(|row| rows::text(&path, row).unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        batches.iter().flat_map(rows).collect()
    }

    #[test]
    fn rows_keep_their_order_in_few_batches_however_often_they_are_looked_at() {
        let mut memory = Memory::new();
        for number in 0..600 {
            append(&mut memory, number..number + 1);
            let batches: Vec<_> = memory.batches().unwrap().collect();
            assert!(batches.len() <= 11, "{} batches", batches.len());
        }
        let sealed = memory.seal("a").unwrap();
        let expected: Vec<_> = (0..600)
            .map(|number| format!("/v1/chat/completions?n={number}"))
            .collect();
        assert_eq!(paths(&sealed.batches), expected);
        assert_eq!((sealed.end, sealed.journal.as_str()), (600, "a"));
        assert_eq!((memory.rows(), memory.since()), (0, None));
        assert_eq!(memory.batches().unwrap().count(), 0);
    }

    #[test]
    fn a_batch_is_full_by_rows_and_by_bytes() {
        let mut memory = Memory::new();
        append(&mut memory, 0..9000);
        let rows: Vec<_> = memory
            .batches()
            .unwrap()
            .map(|batch| batch.num_rows())
            .collect();
        assert_eq!(rows, [8192, 808]);

        let large = AccessRecord {
            request_body: Some("x".repeat(CHUNK_BYTES / 2).into()),
            ..AccessRecord::default()
        };
        let mut memory = Memory::new();
        memory
            .append([&large, &large, &large].into_iter(), 1)
            .unwrap();
        assert_eq!(memory.batches().unwrap().count(), 2);
        assert!(memory.bytes() > CHUNK_BYTES);
    }

    #[test]
    fn a_position_without_rows_is_something_to_store() {
        let mut memory = Memory::new();
        memory.append([].into_iter(), 9).unwrap();
        assert!(memory.since().is_some());
        assert_eq!(memory.seal("a").unwrap().end, 9);
    }
}
