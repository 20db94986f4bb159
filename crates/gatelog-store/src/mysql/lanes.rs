//! A batch over several connections at a time: each loads the records of its lanes.
//!
//! **Shape.** Every connection loads its share in a transaction of its own; when all loads are whole,
//! each moves the positions of its lanes, and then they commit. If one load is refused nothing of any
//! stays, and the batch goes over one connection.
//!
//! **Invariants.** A lane's position moves in the transaction of its records. Between two commits the
//! process may end: then lanes stand at two positions, the beginning of the batch and its end, and what
//! the lanes behind lack is written first, over one connection ([`Behind`]).
//!
//! **Limits.** Where the server gives rows their numbers one statement at a time
//! (`innodb_autoinc_lock_mode` 0 or 1: MariaDB unless it is told otherwise), loads wait for each other
//! and nothing is won; see [`loads_beside_each_other`].
//!
//! **Source.** MySQL 8.0, "`AUTO_INCREMENT` Handling in `InnoDB`".

use std::io;
use std::time::Duration;

use futures_util::future::try_join_all;
use gatelog_record::AccessRecord;
use mysql_async::Conn;

use super::connection::{rows, run, within};
use super::error::Failure;
use super::insert::{Batch, Truncated};
use super::load::{Loaded, Loader};
use super::position::{lane_of, step};
use crate::{Letters, Rejected};

/// With fewer records a batch is not worth several transactions.
pub(super) const LEAST_RECORDS: usize = 1000;

/// How long a session of several waits for a lock, in seconds.
pub(super) const PATIENCE: &[u8] =
    b"SET SESSION innodb_lock_wait_timeout = 5, SESSION lock_wait_timeout = 5";

/// Batches that go over one connection before several are tried again, at the most.
const MOST_SKIPPED: u32 = 256;

/// Whether batches go over several connections: ever more seldom while that fails, as with a trigger
/// that changes one row for every record.
#[derive(Debug, Default)]
pub(super) struct Spreading {
    skip: u32,
    next_skip: u32,
}

impl Spreading {
    /// Whether the next batch may; to be asked once for each.
    pub(super) fn is_due(&mut self) -> bool {
        let due = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        due
    }

    /// Takes note of a batch that did.
    pub(super) fn learn(&mut self, stored: bool) {
        self.next_skip = if stored {
            0
        } else {
            (self.next_skip * 2).clamp(1, MOST_SKIPPED)
        };
        self.skip = self.next_skip;
    }
}

/// The records that one of several connections stores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) lanes: usize,
    pub(super) connections: usize,
    /// Which of the connections.
    pub(super) place: usize,
}

impl Share {
    /// Whether the record is one of them.
    pub(super) fn has(&self, record: &AccessRecord<'_>) -> bool {
        self.has_lane(lane_of(record, self.lanes))
    }

    fn has_lane(&self, lane: usize) -> bool {
        lane % self.connections.max(1) == self.place
    }
}

/// How the positions of all lanes move with a batch.
#[derive(Debug)]
pub(super) struct Move<'m> {
    pub(super) journal: &'m str,
    /// Where each lane stands.
    pub(super) from: &'m [u64],
    pub(super) to: u64,
}

/// Stores a batch over these connections. What was changed to fit is added to `truncated` if all of
/// it is stored.
///
/// # Errors
/// When a connection fails, or a position is not where it was left. Each lane then stands before or
/// behind the batch.
pub(super) async fn store(
    conns: Vec<&mut Conn>,
    loader: &Loader,
    batch: &Batch<'_>,
    positions: &Move<'_>,
    limit: Duration,
    truncated: &mut Truncated,
) -> Result<Loaded, Failure> {
    let connections = conns.len();
    let loads = conns.into_iter().enumerate().map(|(place, conn)| {
        let share = Share {
            lanes: positions.from.len(),
            connections,
            place,
        };
        async move {
            let mut truncated = Truncated::new();
            run(conn, limit, b"START TRANSACTION").await?;
            let batch = batch.share(share);
            let loaded = loader.load(conn, &batch, &mut truncated).await?;
            Ok::<_, Failure>((conn, share, loaded, truncated))
        }
    });
    let mut loaded = try_join_all(loads).await?;
    if let Some(refused) = loaded
        .iter()
        .map(|load| load.2)
        .find(|it| *it != Loaded::All)
    {
        try_join_all(
            loaded
                .iter_mut()
                .map(|load| run(load.0, limit, b"ROLLBACK")),
        )
        .await?;
        return Ok(refused);
    }
    gatelog_failpoint::pass("store.rows_written");
    let moves = loaded
        .iter_mut()
        .map(|load| positions.make(load.0, load.1, limit));
    try_join_all(moves).await?;
    let commits = loaded.iter_mut().map(|(conn, ..)| async {
        gatelog_failpoint::pass("store.before_commit");
        run(conn, limit, b"COMMIT").await
    });
    try_join_all(commits).await?;
    gatelog_failpoint::pass("store.committed");
    for (column, count) in loaded.into_iter().flat_map(|load| load.3) {
        *truncated.entry(column).or_default() += count;
    }
    Ok(Loaded::All)
}

impl Move<'_> {
    /// Moves the lanes of a connection.
    async fn make(&self, conn: &mut Conn, share: Share, limit: Duration) -> Result<(), Failure> {
        let all = self.from.iter().copied().enumerate();
        let lanes: Vec<_> = all.filter(|(lane, _)| share.has_lane(*lane)).collect();
        let statement = step(self.journal, &lanes, self.to);
        run(conn, limit, statement.as_bytes()).await?;
        if conn.affected_rows() == lanes.len() as u64 {
            Ok(())
        } else {
            Err(Failure::Moved)
        }
    }
}

/// The records of lanes that have not come as far as others, and where their letters go.
pub(super) struct Behind<'b> {
    pub(super) records: Vec<AccessRecord<'b>>,
    /// Their places in the batch.
    places: Vec<usize>,
    letters: &'b dyn Letters,
}

impl<'b> Behind<'b> {
    /// Those of a batch that ends at `end`.
    pub(super) fn of(
        records: &[AccessRecord<'b>],
        positions: &[u64],
        end: u64,
        letters: &'b dyn Letters,
    ) -> Self {
        let lacks = |record: &AccessRecord<'_>| {
            let lane = lane_of(record, positions.len());
            positions.get(lane).is_none_or(|position| *position < end)
        };
        let lacking = records.iter().enumerate();
        let (places, records) = lacking
            .filter(|(_, record)| lacks(record))
            .map(|(place, record)| (place, record.clone()))
            .unzip();
        Self {
            records,
            places,
            letters,
        }
    }
}

impl Letters for Behind<'_> {
    fn keep(&self, rejected: &[Rejected]) -> io::Result<()> {
        let placed = rejected.iter().filter_map(|one| {
            let index = *self.places.get(one.index)?;
            let reason = one.reason.clone();
            Some(Rejected { index, reason })
        });
        self.letters.keep(&placed.collect::<Vec<_>>())
    }
}

/// Whether loads of several connections into one table do not wait for each other.
pub(super) async fn loads_beside_each_other(
    conn: &mut Conn,
    limit: Duration,
) -> Result<bool, Failure> {
    let statement = "SHOW VARIABLES LIKE 'innodb_autoinc_lock_mode'";
    let found: Vec<(String, String)> = within(limit, rows(conn, statement, ())).await?;
    Ok(found.first().is_some_and(|(_, mode)| mode == "2"))
}
