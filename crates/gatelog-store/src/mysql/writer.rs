//! What writes: the connections, and what is known of the table and the positions behind them.
//!
//! **Shape.** A batch goes over all connections at a time where that helps ([`lanes`]), else
//! over the first ([`insert`](super::insert)).

use std::sync::Arc;
use std::time::{Duration, Instant};

use gatelog_record::AccessRecord;
use mysql_async::Conn;

use super::error::Failure;
use super::insert::{Batch, Inserter, NotStored, Rows};
use super::lanes::{self, Behind, Move};
use super::load::Loaded;
use super::table::Table;
use super::{now, position};
use crate::Letters;

/// An open connection and what belongs to it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) conn: Conn,
    pub(super) table: Arc<Table>,
    pub(super) journal: String,
    pub(super) inserter: Inserter,
    pub(super) rows: Rows,
    /// More connections, that write the large batches with the first.
    pub(super) others: Vec<Conn>,
    /// How many lanes there are to be.
    pub(super) lanes: usize,
    /// Where the lanes stand in the database, if that is kept there; none before the first batch.
    pub(super) positions: Vec<u64>,
    /// When the tables were looked at.
    pub(super) looked: Instant,
}

impl Writer {
    /// Whether a batch goes over several connections.
    pub(super) fn spreads(&self, records: &[AccessRecord<'_>]) -> bool {
        let position = self.positions.first();
        !self.others.is_empty()
            && records.len() >= lanes::LEAST_RECORDS
            && self.positions.len() > self.others.len()
            && self.positions.iter().all(|lane| Some(lane) == position)
    }

    /// Loads the records over all connections; whether they are stored. If not, nothing is.
    ///
    /// # Errors
    /// As [`lanes::store`]. The writer is then not to be used again.
    pub(super) async fn store_over_all(
        &mut self,
        records: &[AccessRecord<'_>],
        end: u64,
        limit: Duration,
    ) -> Result<bool, Failure> {
        let batch = Batch::new(&self.table, records, now());
        let positions = Move {
            journal: &self.journal,
            from: &self.positions,
            to: end,
        };
        let conns = std::iter::once(&mut self.conn).chain(&mut self.others);
        let truncated = &mut self.rows.truncated;
        truncated.clear();
        let loader = &self.inserter.loader;
        let loaded = lanes::store(
            conns.collect(),
            loader,
            &batch,
            &positions,
            limit,
            truncated,
        );
        let loaded = loaded.await?;
        self.inserter.loader.learn(loaded);
        if loaded == Loaded::All {
            self.positions.fill(end);
        }
        Ok(loaded == Loaded::All)
    }

    /// Stores the records that lanes lack over the first connection, loaded if `loads`.
    ///
    /// # Errors
    /// As [`Inserter::transaction`]. The writer is then not to be used again.
    pub(super) async fn store_over_one(
        &mut self,
        records: &[AccessRecord<'_>],
        end: u64,
        letters: &dyn Letters,
        exactly_once: bool,
        loads: bool,
    ) -> Result<(), NotStored> {
        let behind;
        let (records, letters): (_, &dyn Letters) =
            if self.positions.iter().all(|position| *position < end) {
                (records, letters)
            } else {
                behind = Behind::of(records, &self.positions, end, letters);
                (behind.records.as_slice(), &behind)
            };
        let lanes = self.positions.iter().copied().enumerate();
        let moved: Vec<_> = lanes.filter(|(_, position)| *position < end).collect();
        let step = match (exactly_once, self.positions.is_empty(), moved.is_empty()) {
            (true, true, _) => {
                let statement = position::insert(&self.journal, 0..self.lanes, end);
                Some((statement, self.lanes as u64))
            }
            (true, false, false) => {
                let statement = position::step(&self.journal, &moved, end);
                Some((statement, moved.len() as u64))
            }
            _ => None,
        };
        let batch = Batch::new(&self.table, records, now());
        self.inserter
            .transaction(&mut self.conn, &batch, &mut self.rows, letters, step, loads)
            .await?;
        if exactly_once {
            if self.positions.is_empty() {
                self.positions = vec![end; self.lanes];
            }
            for position in &mut self.positions {
                *position = end.max(*position);
            }
        }
        Ok(())
    }
}
