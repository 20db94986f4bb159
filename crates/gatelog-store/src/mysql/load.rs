//! A batch by `LOAD DATA LOCAL`, where the server allows it: 50,000 rows a second where statements of
//! 1,000 rows took 30,000.
//!
//! **Shape.** The records are written as the fields of a file that exists only on the connection,
//! piece by piece, while the server already reads them.
//!
//! **Invariants.** With `LOCAL` the server turns errors into warnings: a row with bad JSON is left out, a
//! bad moment becomes 0000-00-00, a long text is cut. So a load counts only if it stored as many rows
//! as were sent and warned of nothing; otherwise the transaction is rolled back and the batch is
//! inserted by strict statements, which say what is wrong with which row. That needs an engine with
//! transactions. A row over `max_allowed_packet` could be stored, but no client could read it: it is
//! not sent, so that the batch is inserted, which refuses it.
//!
//! **Limits.** While loads are refused, ever fewer are tried: after a refused one 1 batch is inserted
//! without a try, then 2, up to [`MOST_SKIPPED`]. A server that says that it never loads is not asked
//! again on this connection.
//!
//! **Security.** A file is sent only in answer to our own statement, and only this one: what a server
//! asks for by name is never looked at.
//!
//! **Source.** MySQL 8.0, "LOAD DATA Statement" and "Security Considerations for LOAD DATA LOCAL";
//! MariaDB 10.11 measured.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream;
use mysql_async::Conn;
use tokio::sync::mpsc;

use super::connection::run;
use super::error::Failure;
use super::form::{FILE, Out};
use super::insert::{Batch, PACKET_MARGIN_BYTES, Truncated};
use super::table::Table;

/// Bytes that are sent at once, unless the server takes less.
const PIECE_BYTES: usize = 128 << 10;

/// What a row mostly takes.
const ROW_BYTES: usize = 4 << 10;

/// Pieces that may wait for the network.
const PIECES: usize = 8;

/// Batches that are inserted without trying to load them, at the most.
const MOST_SKIPPED: u32 = 64;

/// Errors that say that the server never loads: 1148 and 3948 of MySQL, 4166 of MariaDB, 1235 of what
/// stands between us and a server.
const NEVER: [u16; 4] = [1148, 1235, 3948, 4166];

/// Loads batches into one table.
#[derive(Debug)]
pub(super) struct Loader {
    statement: Vec<u8>,
    piece_bytes: usize,
    /// What a client could read back in one packet.
    max_row_bytes: usize,
    /// For the whole of a batch.
    limit: Duration,
    /// Whether the server may load at all.
    possible: bool,
    /// Batches still to be inserted without a try.
    skip: u32,
    /// As many will be skipped if the next try is refused.
    next_skip: u32,
}

/// What became of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// All rows are stored, as they were sent.
    All,
    /// Nothing that may stay.
    Refused,
    /// Nothing, and the server takes no loads at all.
    Never,
}

impl Loader {
    /// `allowed`: the server's `local_infile`, and that the table's rows can be rolled back.
    pub(super) fn new(
        table: &Table,
        max_packet_bytes: usize,
        limit: Duration,
        allowed: bool,
    ) -> Self {
        let statement = format!(
            "LOAD DATA LOCAL INFILE 'gatelog' INTO TABLE {} CHARACTER SET utf8mb4 {FILE} ({})",
            table.quoted(),
            table.written_list()
        );
        Self {
            statement: statement.into_bytes(),
            piece_bytes: PIECE_BYTES.min(max_packet_bytes / 2),
            max_row_bytes: max_packet_bytes.saturating_sub(PACKET_MARGIN_BYTES),
            limit,
            possible: allowed,
            skip: 0,
            next_skip: 1,
        }
    }

    /// Whether the next batch is to be loaded; to be asked once for each.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.possible && self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        due
    }

    /// Takes note of what became of a batch.
    pub(super) fn learn(&mut self, loaded: Loaded) {
        match loaded {
            Loaded::All => {
                self.next_skip = 1;
                return;
            }
            Loaded::Refused => {}
            Loaded::Never => self.possible = false,
        }
        self.skip = self.next_skip;
        self.next_skip = (self.next_skip * 2).min(MOST_SKIPPED);
    }

    /// Sends the batch, in the transaction that is open. What was changed to fit is added to
    /// `truncated`.
    ///
    /// # Errors
    /// When the connection is lost or the server says nothing in time. What the server has against
    /// the load is no error.
    pub(super) async fn load(
        &self,
        conn: &mut Conn,
        batch: &Batch<'_>,
        truncated: &mut Truncated,
    ) -> Result<Loaded, Failure> {
        let (pieces, sent) = mpsc::channel(PIECES);
        conn.set_infile_handler(async {
            let file = stream::unfold(sent, |mut sent| async {
                sent.recv().await.map(|piece: Bytes| (Ok(piece), sent))
            });
            Ok(file.boxed())
        });
        let done = tokio::select! {
            // The statement goes first: the server asks for the file while the first piece is written.
            biased;
            done = run(conn, self.limit, &self.statement) => done,
            never = self.write(batch, pieces, truncated) => match never {},
        };
        match done {
            Ok(()) => {
                let whole = conn.affected_rows() == batch.rows().count() as u64;
                Ok(if whole && conn.get_warnings() == 0 {
                    Loaded::All
                } else {
                    Loaded::Refused
                })
            }
            Err(failure) => match failure.server() {
                None => Err(failure),
                Some(error) if NEVER.contains(&error.code) => {
                    tracing::info!(
                        code = error.code,
                        "the server does not take LOAD DATA LOCAL: records are inserted by statements"
                    );
                    Ok(Loaded::Never)
                }
                Some(_) => Ok(Loaded::Refused),
            },
        }
    }

    /// Writes the batch piece by piece, and then waits for ever.
    async fn write(
        &self,
        batch: &Batch<'_>,
        pieces: mpsc::Sender<Bytes>,
        truncated: &mut Truncated,
    ) -> Infallible {
        let mut piece = Vec::with_capacity(self.piece_bytes + ROW_BYTES);
        for record in batch.rows() {
            let start = piece.len();
            batch.write(record, &mut Out::fields(&mut piece), truncated);
            if piece.len() - start > self.max_row_bytes {
                // A row is missing then, and the batch is inserted instead.
                piece.truncate(start);
            }
            if piece.len() >= self.piece_bytes {
                let next = Vec::with_capacity(self.piece_bytes + ROW_BYTES);
                self.send(std::mem::replace(&mut piece, next), &pieces)
                    .await;
            }
        }
        self.send(piece, &pieces).await;
        drop(pieces);
        std::future::pending().await
    }

    /// Sends rows, in packets that the server takes however long a row is.
    async fn send(&self, rows: Vec<u8>, pieces: &mpsc::Sender<Bytes>) {
        let mut rows = Bytes::from(rows);
        while !rows.is_empty() {
            let piece = rows.split_to(rows.len().min(self.piece_bytes));
            // Nobody takes it when the server has refused the statement.
            let _taken = pieces.send(piece).await.is_ok();
        }
    }
}
