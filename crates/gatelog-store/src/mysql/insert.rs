//! Rows into the table: one transaction for a batch, with the position behind it.
//!
//! **Shape.** In one transaction: the rows, then what was refused into the dead letter, then the
//! position, then the commit. The rows are [loaded](super::load) where the server allows it; else every
//! record becomes the text of its row once, and statements are made of neighbouring rows.
//!
//! **Failure.** When a statement fails by a row's fault, and the table has not been altered since its
//! columns were read, its rows are halved until the row is alone; that one is refused, its neighbours
//! are stored. If it may be its JSON that the server does not
//! take (MariaDB reads 32 levels, MySQL 100 and no half surrogates), or what a column is computed from
//! that takes no such value, the row is tried once more without it. The server undoes a failed statement, not the
//! transaction, so nothing is written twice (in an engine without transactions it can be).
//!
//! **Limits.** A statement has at most half of the server's `max_allowed_packet`, 4 MiB or 1000
//! rows, whichever is least, or one row. A row over `max_allowed_packet` is refused.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::time::Duration;

use gatelog_record::{AccessRecord, Timestamp};
use mysql_async::Conn;

use super::connection::{run, within};
use super::error::Failure;
use super::form::Out;
use super::lanes::Share;
use super::load::{Loaded, Loader};
use super::partitioning::{self, Room};
use super::table::Table;
use super::value;
use crate::{Letters, Rejected};

/// Rows in a statement: where the measured rate no longer grows.
const MAX_ROWS: usize = 1000;

/// Bytes in a statement: what the server parses without great allocations.
const MAX_STATEMENT_BYTES: usize = 4 << 20;

/// What a packet holds besides the row and the head of its statement.
pub(super) const PACKET_MARGIN_BYTES: usize = 64;

/// How often a column's value was changed to fit, by the column's name.
pub(super) type Truncated = BTreeMap<&'static str, u64>;

/// Records and where they go.
#[derive(Debug)]
pub(super) struct Batch<'b> {
    pub(super) table: &'b Table,
    pub(super) records: &'b [AccessRecord<'b>],
    /// Which of them are loaded; all, if there is none.
    share: Option<Share>,
    /// Stands in for times of receipt that are absent.
    pub(super) now: Timestamp,
}

/// The rows of a batch as text. Its buffers are used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// `(…),(…),`, all rows.
    text: Vec<u8>,
    /// Where each row ends, behind its comma.
    ends: Vec<usize>,
    /// What was changed to fit.
    pub(super) truncated: Truncated,
}

impl Rows {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.truncated.clear();
    }

    /// Takes the records of a batch in place of those before.
    fn fill(&mut self, batch: &Batch<'_>) {
        self.clear();
        for record in batch.records {
            let mut out = Out::literals(&mut self.text);
            batch.write(record, &mut out, &mut self.truncated);
            self.ends.push(self.text.len());
        }
    }

    fn start(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .and_then(|before| self.ends.get(before).copied())
            .unwrap_or(0)
    }

    /// The text of some rows, without the last comma.
    fn text(&self, rows: Range<usize>) -> &[u8] {
        let text = self.text.get(self.start(rows.start)..self.start(rows.end));
        text.and_then(|text| text.split_last())
            .map_or(&[], |(_, text)| text)
    }

    /// How many rows from `start` on, before `end`, go into a statement with so many bytes of rows;
    /// at least one.
    fn fitting(&self, rows: &Range<usize>, max_bytes: usize) -> usize {
        let start = self.start(rows.start);
        let fitting = self
            .ends
            .get(rows.clone())
            .unwrap_or_default()
            .iter()
            .take(MAX_ROWS)
            .take_while(|end| **end - start <= max_bytes);
        fitting.count().max(1)
    }
}

impl<'b> Batch<'b> {
    /// All of these records.
    pub(super) fn new(table: &'b Table, records: &'b [AccessRecord<'b>], now: Timestamp) -> Self {
        Self {
            table,
            records,
            share: None,
            now,
        }
    }

    /// Those of a share, to be loaded.
    pub(super) fn share(&self, share: Share) -> Self {
        Self {
            share: Some(share),
            ..*self
        }
    }

    /// The records that are loaded.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'b AccessRecord<'b>> {
        let share = self.share;
        let records = self.records.iter();
        records.filter(move |record| share.is_none_or(|share| share.has(record)))
    }
}

impl Batch<'_> {
    /// Appends the record's row. What was changed to fit is added to `truncated`.
    pub(super) fn write(
        &self,
        record: &AccessRecord<'_>,
        out: &mut Out<'_>,
        truncated: &mut Truncated,
    ) {
        for column in self.table.written() {
            out.next();
            if value::write(record, column, self.now, out)
                && let Some(field) = column.field
            {
                *truncated.entry(field.name()).or_default() += 1;
            }
        }
        out.end_row();
    }

    /// As [`write`](Self::write), without the row's JSON. Answers whether it has any.
    fn write_without_json(
        &self,
        record: &AccessRecord<'_>,
        out: &mut Out<'_>,
        truncated: &mut Truncated,
    ) -> bool {
        let nothing = AccessRecord::default();
        let mut left_out = false;
        for column in self.table.written() {
            out.next();
            let field = column
                .field
                .filter(|field| column.takes_json() && record.get(*field).is_some());
            let Some(field) = field else {
                value::write(record, column, self.now, out);
                continue;
            };
            value::write(&nothing, column, self.now, out);
            *truncated.entry(field.name()).or_default() += 1;
            left_out = true;
        }
        out.end_row();
        left_out
    }
}

/// Why a transaction was not committed.
#[derive(Debug)]
pub(super) enum NotStored {
    /// The server's doing, or the network's.
    Failure(Failure),
    /// What it refused could not be put aside.
    Letters(io::Error),
}

impl From<Failure> for NotStored {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// What a transaction needs besides its rows.
#[derive(Debug)]
pub(super) struct Inserter {
    /// `INSERT INTO … (…) VALUES `.
    head: Vec<u8>,
    columns: Vec<String>,
    max_packet_bytes: usize,
    /// For each statement.
    limit: Duration,
    statement: Vec<u8>,
    pub(super) loader: Loader,
}

impl Inserter {
    pub(super) fn new(
        table: &Table,
        max_packet_bytes: usize,
        limit: Duration,
        loads: bool,
    ) -> Self {
        let head = format!(
            "INSERT INTO {} ({}) VALUES ",
            table.quoted(),
            table.written_list()
        );
        Self {
            head: head.into_bytes(),
            columns: table.names().map(str::to_owned).collect(),
            max_packet_bytes,
            limit,
            statement: Vec::new(),
            loader: Loader::new(table, max_packet_bytes, limit, loads),
        }
    }

    /// Stores the rows, puts those that were refused aside, and moves the positions by `step`, a
    /// statement and how many rows it changes, before the commit. `loads`: whether the batch is to be
    /// loaded.
    pub(super) async fn transaction(
        &mut self,
        conn: &mut Conn,
        batch: &Batch<'_>,
        rows: &mut Rows,
        letters: &dyn Letters,
        step: Option<(String, u64)>,
        loads: bool,
    ) -> Result<(), NotStored> {
        run(conn, self.limit, b"START TRANSACTION").await?;
        let refused = if loads && self.load(conn, batch, rows).await? {
            Vec::new()
        } else {
            rows.fill(batch);
            self.insert(conn, batch, rows).await?
        };
        gatelog_failpoint::pass("store.rows_written");
        if !refused.is_empty() {
            letters.keep(&refused).map_err(NotStored::Letters)?;
            gatelog_failpoint::pass("store.letter_written");
        }
        if let Some((step, changes)) = step {
            run(conn, self.limit, step.as_bytes()).await?;
            if conn.affected_rows() != changes {
                return Err(Failure::Moved.into());
            }
        }
        gatelog_failpoint::pass("store.before_commit");
        run(conn, self.limit, b"COMMIT").await?;
        gatelog_failpoint::pass("store.committed");
        Ok(())
    }

    /// Loads the batch; whether it is stored. If not, the transaction is empty.
    async fn load(
        &mut self,
        conn: &mut Conn,
        batch: &Batch<'_>,
        rows: &mut Rows,
    ) -> Result<bool, Failure> {
        rows.clear();
        let loaded = self.loader.load(conn, batch, &mut rows.truncated).await?;
        self.loader.learn(loaded);
        if loaded != Loaded::All {
            run(conn, self.limit, b"ROLLBACK").await?;
            run(conn, self.limit, b"START TRANSACTION").await?;
        }
        Ok(loaded == Loaded::All)
    }

    async fn insert(
        &mut self,
        conn: &mut Conn,
        batch: &Batch<'_>,
        rows: &mut Rows,
    ) -> Result<Vec<Rejected>, Failure> {
        let mut refused = Vec::new();
        let mut looked = false;
        let max_bytes = MAX_STATEMENT_BYTES
            .min(self.max_packet_bytes / 2)
            .saturating_sub(self.head.len());
        // Ranges still to be stored, the next one last.
        let mut open: Vec<Range<usize>> = Vec::new();
        open.push(0..rows.ends.len());
        while let Some(range) = open.pop() {
            if range.is_empty() {
                continue;
            }
            let end = range.start + rows.fitting(&range, max_bytes);
            open.push(end..range.end);
            let range = range.start..end;
            let text = rows.text(range.clone());
            if self.head.len() + text.len() + PACKET_MARGIN_BYTES > self.max_packet_bytes {
                refused.push(Rejected {
                    index: range.start,
                    reason: format!(
                        "the row takes {} bytes, over the server's max_allowed_packet of {}",
                        text.len(),
                        self.max_packet_bytes
                    ),
                });
                continue;
            }
            self.statement.clear();
            self.statement.extend_from_slice(&self.head);
            self.statement.extend_from_slice(text);
            let Err(failure) = run(conn, self.limit, &self.statement).await else {
                continue;
            };
            let Some(mut reason) = failure.row_refused(self.columns.iter().map(String::as_str))
            else {
                return Err(failure);
            };
            // Columns that have come, or become narrower, are no fault of the rows. From here on the
            // transaction keeps the table as it is.
            if !looked && !within(self.limit, batch.table.is_as_it_was(conn)).await? {
                return Err(Failure::Altered);
            }
            looked = true;
            if failure.is_about_partitions() {
                let now =
                    within(self.limit, partitioning::room(conn, batch.table, batch.now)).await?;
                match now {
                    Room::None(reason) => return Err(Failure::NoPartition(reason)),
                    Room::ForNow => {
                        "its start_time lies outside of the table's partitions"
                            .clone_into(&mut reason);
                    }
                    Room::NotByTime => {}
                }
            }
            if range.len() > 1 {
                let middle = range.start + range.len() / 2;
                open.push(middle..range.end);
                open.push(range.start..middle);
            } else if !self.may_be_about_json(&failure, batch.table)
                || !self
                    .insert_without_json(conn, batch, range.start, &mut rows.truncated)
                    .await?
            {
                refused.push(Rejected {
                    index: range.start,
                    reason,
                });
            }
        }
        Ok(refused)
    }

    /// Whether a row that was refused may be taken without its JSON.
    fn may_be_about_json(&self, failure: &Failure, table: &Table) -> bool {
        let column = failure.column(self.columns.iter().map(String::as_str));
        failure.may_be_about_json() || column.is_some_and(|column| table.is_made_of_json(column))
    }

    /// Stores one row without its JSON, which is noted in `truncated`. Answers whether the server
    /// took it.
    async fn insert_without_json(
        &mut self,
        conn: &mut Conn,
        batch: &Batch<'_>,
        index: usize,
        truncated: &mut Truncated,
    ) -> Result<bool, Failure> {
        let Some(record) = batch.records.get(index) else {
            return Ok(false);
        };
        self.statement.clear();
        self.statement.extend_from_slice(&self.head);
        let mut left_out = Truncated::new();
        let mut out = Out::literals(&mut self.statement);
        if !batch.write_without_json(record, &mut out, &mut left_out) {
            return Ok(false);
        }
        // The comma behind the row.
        self.statement.pop();
        if let Err(failure) = run(conn, self.limit, &self.statement).await {
            let columns = self.columns.iter().map(String::as_str);
            return match failure.row_refused(columns) {
                Some(_) => Ok(false),
                None => Err(failure),
            };
        }
        for (column, count) in left_out {
            *truncated.entry(column).or_default() += count;
        }
        Ok(true)
    }
}
