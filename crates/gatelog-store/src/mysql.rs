//! The `access_logs` table in MySQL 8 or MariaDB: the one HiMarket reads.
//!
//! **Shape.** [`MysqlStore`] keeps connections to write and a small pool to answer queries. A
//! batch is one transaction: its rows, then what was refused into the dead letter, then the
//! journal's position in the table `gatelog_position`, then the commit. Rows go by `LOAD DATA LOCAL`
//! where the server allows it and has nothing against one of them, else in statements of many rows.
//! Where the server can load over several connections at a time, a large batch is one transaction
//! for each of them, with [lanes](lanes) of its own.
//!
//! **The table** may be the seed's or one of its later forms (narrow columns, `start_time` as
//! `TIMESTAMP` or as epoch seconds): its columns are read when the store is opened, and every value
//! is made to fit. Only a missing table is created. Times are UTC.
//!
//! **Invariants.** Rows and position are committed together, so nothing is stored twice and nothing
//! left out, whatever breaks. Where that cannot be had (an engine without transactions, no right to
//! `gatelog_position`), records are stored at least once: the log says why, and
//! [`exactly_once`](Store::exactly_once) answers false.
//!
//! **Limits.** Connecting takes at most the DSN's `timeout` (5 s), a statement the longer of its
//! `readTimeout` and `writeTimeout` (30 s), a query 30 s. Rows over the server's
//! `max_allowed_packet` are refused.
//!
//! What is altered while the store is open is noticed within [`LOOK_AGAIN`], and when it makes the server
//! refuse a row: the store is opened again, with the table as it is then.
//!
//! **Failure.** A row whose JSON the server does not take is stored without it, which
//! [`truncated`](Store::truncated) counts. Any other row that the server refuses is refused alone. When
//! the table's partitions do not hold the present time no row is refused for that: it is unusable.
//! After any other failure the
//! connection is given up and [`open`](Store::open) makes a new one.

mod charset;
mod column;
mod connection;
mod dsn;
mod error;
mod form;
mod insert;
mod lanes;
mod load;
mod opening;
mod partitioning;
mod position;
mod query;
mod reader;
mod retention;
mod row;
mod table;
mod upgrade;
mod value;
mod writer;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use gatelog_record::{AccessRecord, Field, Timestamp};
use mysql_async::prelude::Queryable;

pub use self::dsn::{Dsn, DsnError};
pub use self::retention::{Retention, Step};
pub use self::upgrade::{Change, Cost, Plan, Refused, TableSize, Upgrade};

use self::connection::{Door, within};
use self::error::{Failure, unavailable};
use self::insert::{NotStored, Truncated};
use self::lanes::Spreading;
use self::position::Kept;
use self::reader::Reader;
use self::table::Table;
use self::writer::Writer;
use crate::{BoxFuture, Error, Gathering, Letters, Page, Query, Rejected, Result, Store};

const NAME: &str = "mysql";

/// What is done when a batch is not stored, for errors.
const STORING: &str = "storing records";

/// How long the server may take to say that it is there.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// How often the tables are looked at for what somebody has altered.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The name that HiMarket reads.
pub const DEFAULT_TABLE: &str = "access_logs";

/// The store of an `access_logs` table.
#[derive(Debug)]
pub struct MysqlStore {
    door: Arc<Door>,
    table_name: String,
    gathering: Gathering,
    /// How many connections may write at a time.
    connections: usize,
    /// Whether records are expected to have weights.
    weighs: bool,
    /// While the store is open. Taken out for each write, so that a write which fails or is given
    /// up leaves none behind.
    writer: tokio::sync::Mutex<Option<Writer>>,
    reader: Reader,
    committed: AtomicU64,
    exactly_once: AtomicBool,
    /// The journal and how far it is stored, as far as this process knows.
    known: Mutex<Option<(String, u64)>>,
    truncated: Mutex<Truncated>,
    /// What the log has been told since the store last worked: while it does not, it is opened again
    /// and again.
    told: Mutex<BTreeSet<String>>,
    /// What the table lacks, as a warning.
    lacks: Mutex<Option<String>>,
    spreading: Mutex<Spreading>,
    /// Where lanes stand that are ahead of others, since it was opened.
    milestones: Mutex<Vec<u64>>,
}

/// A batch that met other tables than the store was opened with.
struct Altered {
    failure: Failure,
    journal: String,
}

/// Letters, and whether any were kept.
struct Watched<'l> {
    letters: &'l dyn Letters,
    kept: AtomicBool,
}

impl Letters for Watched<'_> {
    fn keep(&self, rejected: &[Rejected]) -> std::io::Result<()> {
        self.kept.store(true, Ordering::Relaxed);
        self.letters.keep(rejected)
    }
}

impl MysqlStore {
    /// A store that is not yet connected.
    pub fn new(dsn: Dsn, table: &str) -> Self {
        let door = Arc::new(Door::new(dsn));
        Self {
            reader: Reader::new(Arc::clone(&door), table),
            door,
            table_name: table.to_owned(),
            gathering: Gathering::default(),
            connections: 1,
            weighs: false,
            writer: tokio::sync::Mutex::new(None),
            committed: AtomicU64::new(0),
            exactly_once: AtomicBool::new(true),
            known: Mutex::new(None),
            truncated: Mutex::new(Truncated::new()),
            told: Mutex::default(),
            lacks: Mutex::new(None),
            spreading: Mutex::default(),
            milestones: Mutex::default(),
        }
    }

    /// The same with records gathered like this.
    #[must_use]
    pub fn with_gathering(mut self, gathering: Gathering) -> Self {
        self.gathering = gathering;
        self
    }

    /// The same for records that have weights: a table without a column for them is told.
    #[must_use]
    pub fn with_weights(mut self, weighs: bool) -> Self {
        self.weighs = weighs;
        self
    }

    /// The same with so many connections that write, where that helps; at least 1.
    #[must_use]
    pub fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    async fn store(
        &self,
        records: &[AccessRecord<'_>],
        end: u64,
        letters: &dyn Letters,
    ) -> Result<()> {
        let letters = Watched {
            letters,
            kept: AtomicBool::new(false),
        };
        match self.try_to_store(records, end, &letters).await? {
            None => Ok(()),
            // Nothing is committed, and nothing put aside that would then be put aside once more.
            Some(altered) if !letters.kept.load(Ordering::Relaxed) => {
                self.open_anew(&altered.journal).await?;
                match self.try_to_store(records, end, &letters).await? {
                    None => Ok(()),
                    Some(altered) => Err(altered.failure.into_error(STORING)),
                }
            }
            Some(altered) => Err(altered.failure.into_error(STORING)),
        }
    }

    /// Stores the batch; answers what was in the way if the tables are not as they were.
    async fn try_to_store(
        &self,
        records: &[AccessRecord<'_>],
        end: u64,
        letters: &dyn Letters,
    ) -> Result<Option<Altered>> {
        let mut place = self.writer.lock().await;
        let mut writer = place.take().ok_or_else(|| unavailable("it is not open"))?;
        let limit = self.door.answer_timeout();
        let mut loads = !records.is_empty() && writer.inserter.loader.is_due();
        let mut spread = Ok(false);
        if loads && writer.spreads(records) && self.spreading().is_due() {
            spread = writer.store_over_all(records, end, limit).await;
            self.spreading().learn(matches!(spread, Ok(true)));
            // What was refused would be so over one connection, too.
            loads = false;
        }
        let stored = match spread {
            Ok(true) => Ok(()),
            Ok(false) => {
                let once = self.exactly_once();
                let stored = writer.store_over_one(records, end, letters, once, loads);
                stored.await
            }
            Err(failure) => Err(NotStored::Failure(failure)),
        };
        match stored {
            Ok(()) => {
                self.note(&writer, end);
                *place = Some(writer);
                Ok(None)
            }
            Err(NotStored::Failure(failure)) if failure.is_about_the_table() => Ok(Some(Altered {
                failure,
                journal: writer.journal,
            })),
            Err(NotStored::Failure(failure)) => Err(failure.into_error(STORING)),
            Err(NotStored::Letters(source)) => Err(Error::Letters {
                store: NAME,
                source,
            }),
        }
    }

    fn spreading(&self) -> MutexGuard<'_, Spreading> {
        self.spreading
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn ping(&self) -> Result<()> {
        let mut place = self.writer.lock().await;
        let mut writer = place.take().ok_or_else(|| unavailable("it is not open"))?;
        for conn in std::iter::once(&mut writer.conn).chain(&mut writer.others) {
            within(PING_LIMIT, conn.ping())
                .await
                .map_err(|failure| failure.into_error("asking whether the server is there"))?;
        }
        if writer.looked.elapsed() >= LOOK_AGAIN {
            match self.look(&mut writer).await {
                Ok(()) => writer.looked = Instant::now(),
                Err(Failure::Altered) => {
                    drop(place);
                    return self.open_anew(&writer.journal).await;
                }
                Err(failure) => return Err(failure.into_error("looking at the tables")),
            }
        }
        *place = Some(writer);
        self.forget_what_was_told();
        Ok(())
    }

    /// Whether the log is to be told this: once until the store works.
    fn is_news(&self, what: &str) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(what.to_owned())
    }

    /// Takes note that the store works: what comes now is another story.
    fn forget_what_was_told(&self) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.clear();
    }

    /// Fails when the tables are not as they were when the store was opened.
    async fn look(&self, writer: &mut Writer) -> std::result::Result<(), Failure> {
        let Writer {
            conn,
            table,
            journal,
            positions,
            ..
        } = writer;
        let limit = self.door.answer_timeout();
        let same = within(limit, table.is_as_it_was(conn)).await?;
        let (_, kept) = self.find(conn, journal).await?;
        let is_where_it_was = match kept {
            Kept::WithTheRows(found) => self.exactly_once() && found == *positions,
            Kept::Not(_) => !self.exactly_once(),
        };
        match (is_where_it_was, same) {
            (false, _) => Err(Failure::Moved),
            (true, false) => Err(Failure::Altered),
            (true, true) => Ok(()),
        }
    }

    /// Takes note of what the table lacks, and tells it when it is news.
    fn note_lacks(&self, table: &Table) {
        let lacks_weight = self.weighs && table.column(Field::SampleWeight).is_none();
        let lacks = table.lacks();
        let lacks = lacks.chain(lacks_weight.then_some(Field::SampleWeight));
        let lacks: Vec<&str> = lacks.map(Field::name).collect();
        let warning = (!lacks.is_empty()).then(|| {
            format!(
                "the table {} has no column for {}: what records have of that is not stored",
                self.table_name,
                lacks.join(", ")
            )
        });
        let mut known = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warning) = &warning
            && known.as_ref() != Some(warning)
        {
            tracing::warn!(
                columns = lacks.join(", "),
                "the table {} lacks columns; what records have of them is not stored",
                self.table_name
            );
        }
        *known = warning;
    }

    /// Takes note of a commit.
    fn note(&self, writer: &Writer, end: u64) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((writer.journal.clone(), end));
        self.committed.fetch_max(end, Ordering::Relaxed);
        self.forget_what_was_told();
        let mut truncated = self
            .truncated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (name, count) in &writer.rows.truncated {
            *truncated.entry(name).or_default() += count;
        }
    }
}

impl Store for MysqlStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn gathering(&self) -> Gathering {
        self.gathering
    }

    fn open<'a>(&'a self, journal: &'a str) -> BoxFuture<'a, Result<Option<u64>>> {
        Box::pin(async { Ok(self.connect(journal).await?.position) })
    }

    fn rewind<'a>(&'a self, journal: &'a str, position: u64) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.put_back(journal, position))
    }

    fn write<'a>(
        &'a self,
        records: &'a [AccessRecord<'a>],
        end: u64,
        letters: &'a dyn Letters,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.store(records, end, letters))
    }

    /// Every write is committed when it returns; what is left to do is to find out whether the
    /// server is still there.
    fn flush(&self, _all: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ping())
    }

    fn milestones(&self) -> Vec<u64> {
        self.milestones
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    fn exactly_once(&self) -> bool {
        self.exactly_once.load(Ordering::Relaxed)
    }

    fn truncated(&self) -> Vec<(&'static str, u64)> {
        let truncated = self
            .truncated
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        truncated
            .iter()
            .map(|(name, count)| (*name, *count))
            .collect()
    }

    fn warnings(&self) -> Vec<String> {
        let lacks = self.lacks.lock().unwrap_or_else(PoisonError::into_inner);
        lacks.iter().cloned().collect()
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(self.reader.answer(query))
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
