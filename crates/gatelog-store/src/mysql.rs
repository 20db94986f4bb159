//! The `access_logs` table in MySQL 8 or MariaDB: the one HiMarket reads.
//!
//! **Shape.** [`MysqlStore`] keeps one connection to write and a small pool to answer queries. A
//! batch is one transaction: its rows, then what was refused into the dead letter, then the
//! journal's position in the table `gatelog_position`, then the commit. Rows go by `LOAD DATA LOCAL`
//! where the server allows it and has nothing against one of them, else in statements of many rows.
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
mod load;
mod partitioning;
mod position;
mod query;
mod reader;
mod retention;
mod row;
mod table;
mod upgrade;
mod value;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use gatelog_record::{AccessRecord, Field, Timestamp};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

pub use self::dsn::{Dsn, DsnError};
pub use self::retention::{Retention, Step};
pub use self::upgrade::{Change, Cost, Plan, Refused, TableSize, Upgrade};

use self::connection::{Door, rows, run, within};
use self::error::{Failure, unavailable};
use self::insert::{Batch, Inserter, NotStored, Rows, Truncated};
use self::position::Kept;
use self::reader::Reader;
use self::table::Table;
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
}

/// An open connection and what belongs to it.
#[derive(Debug)]
struct Writer {
    conn: Conn,
    table: Arc<Table>,
    journal: String,
    inserter: Inserter,
    rows: Rows,
    /// Where the position stands in the database, if it is kept there.
    position: Option<u64>,
    /// When the tables were looked at.
    looked: Instant,
}

/// What an opening has found.
struct Opened {
    /// How far the journal is stored.
    position: Option<u64>,
    /// The same, as the database had it.
    stored: Option<u64>,
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
            writer: tokio::sync::Mutex::new(None),
            committed: AtomicU64::new(0),
            exactly_once: AtomicBool::new(true),
            known: Mutex::new(None),
            truncated: Mutex::new(Truncated::new()),
            told: Mutex::default(),
            lacks: Mutex::new(None),
        }
    }

    /// The same with records gathered like this.
    #[must_use]
    pub fn with_gathering(mut self, gathering: Gathering) -> Self {
        self.gathering = gathering;
        self
    }

    async fn connect(&self, journal: &str) -> Result<Opened> {
        let mut place = self.writer.lock().await;
        *place = None;
        let mut conn = self.door.connect(self.gathering.delay).await?;
        let limit = self.door.answer_timeout();
        let settings = "SELECT VERSION(), @@max_allowed_packet, @@local_infile";
        let settings = rows(&mut conn, settings, ());
        let settings: Vec<(String, u64, bool)> = within(limit, settings)
            .await
            .map_err(|failure| failure.into_error(&self.door.connecting()))?;
        let (version, max_packet, local_infile) = settings
            .into_iter()
            .next()
            .ok_or_else(|| unavailable("the server does not tell its settings"))?;
        let max_packet = self.door.max_packet_bytes(max_packet);
        let (mut table, is_new) = Table::ensure(&mut conn, &self.table_name, limit).await?;
        within(limit, table.learn_charsets(&mut conn, max_packet))
            .await
            .map_err(|failure| failure.into_error("asking for the columns' characters"))?;
        partitioning::check(&mut conn, &table, now(), limit).await?;
        let table = Arc::new(table);
        let (transactional, kept) = self
            .find(&mut conn, journal)
            .await
            .map_err(|failure| failure.into_error("looking for the journal's position"))?;
        let stored = kept.position();
        let position = self.settle(journal, kept, is_new);
        if let Some(position) = position.filter(|_| self.exactly_once() && position != stored) {
            // The process that follows has only what is stored.
            let statement = position::put(journal, position);
            run(&mut conn, limit, statement.as_bytes())
                .await
                .map_err(|failure| failure.into_error("storing the journal's position"))?;
        }
        if self.is_news("connected") {
            tracing::info!(
                version,
                table = self.table_name,
                exactly_once = self.exactly_once(),
                local_infile,
                position,
                "connected to the database"
            );
        }
        let loads = local_infile && transactional == Some(true);
        let inserter = Inserter::new(&table, max_packet, limit, loads);
        self.note_lacks(&table);
        self.reader.set_table(Arc::clone(&table));
        *place = Some(Writer {
            conn,
            table,
            journal: journal.to_owned(),
            inserter,
            rows: Rows::default(),
            position,
            looked: Instant::now(),
        });
        Ok(Opened { position, stored })
    }

    /// Whether the records' engine has transactions, and whether and where the position is kept.
    async fn find(
        &self,
        conn: &mut Conn,
        journal: &str,
    ) -> std::result::Result<(Option<bool>, Kept), Failure> {
        let limit = self.door.answer_timeout();
        let transactional = position::transactional(conn, &self.table_name, limit).await?;
        let records = (self.table_name.as_str(), transactional);
        let kept = position::find(conn, records, journal, limit).await?;
        Ok((transactional, kept))
    }

    /// Takes note of where the position is kept from now on; answers the position. `is_new` tells of
    /// a table of records that was missing and has been made.
    fn settle(&self, journal: &str, kept: Kept, is_new: bool) -> Option<u64> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let remembered = known
            .as_ref()
            .filter(|(name, _)| name == journal)
            .map(|(_, position)| *position);
        let position = match kept {
            Kept::WithTheRows(stored) => {
                // What was stored while positions were not kept is known here alone, and lies
                // behind the position that was kept before.
                let before = self.exactly_once.swap(true, Ordering::Relaxed);
                // The position is gone and the records are there. With neither it is another
                // database, which gets what the journal still has.
                let lost = stored.is_none() && remembered.is_some() && !is_new;
                if before && lost {
                    tracing::warn!(
                        position = remembered,
                        "the database has lost the journal's position; it goes on from the one that \
                         this process knows"
                    );
                }
                stored.max(remembered.filter(|_| !before || lost))
            }
            Kept::Not(reason) => {
                self.exactly_once.store(false, Ordering::Relaxed);
                if self.is_news(&reason) {
                    tracing::warn!(
                        table = self.table_name,
                        reason,
                        "the position is not kept with the rows: after a crash records may be \
                         stored twice"
                    );
                }
                remembered
            }
        };
        *known = position.map(|position| (journal.to_owned(), position));
        self.committed
            .fetch_max(position.unwrap_or(0), Ordering::Relaxed);
        position
    }

    /// Puts the position of this journal back, behind an opening.
    async fn put_back(&self, journal: &str, position: u64) -> Result<()> {
        self.connect(journal).await?;
        let mut place = self.writer.lock().await;
        let mut writer = place.take().ok_or_else(|| unavailable("it is not open"))?;
        if self.exactly_once() {
            let statement = position::put(journal, position);
            let limit = self.door.answer_timeout();
            run(&mut writer.conn, limit, statement.as_bytes())
                .await
                .map_err(|failure| failure.into_error("putting the journal's position back"))?;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some((journal.to_owned(), position));
        drop(known);
        writer.position = Some(position);
        self.committed.store(position, Ordering::Relaxed);
        *place = Some(writer);
        Ok(())
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
        let batch = Batch {
            table: &writer.table,
            records,
            now: now(),
        };
        let moves = self.exactly_once() && writer.position != Some(end);
        let step = moves.then(|| position::step(&writer.journal, writer.position, end));
        let stored = writer
            .inserter
            .transaction(&mut writer.conn, &batch, &mut writer.rows, letters, step)
            .await;
        match stored {
            Ok(()) => {
                writer.position = Some(end);
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

    async fn ping(&self) -> Result<()> {
        let mut place = self.writer.lock().await;
        let mut writer = place.take().ok_or_else(|| unavailable("it is not open"))?;
        within(PING_LIMIT, writer.conn.ping())
            .await
            .map_err(|failure| failure.into_error("asking whether the server is there"))?;
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

    /// Opens the store with the table as it is now. Nothing is half done, so all goes on from where it
    /// was, if the position is still there.
    async fn open_anew(&self, journal: &str) -> Result<()> {
        tracing::info!(
            table = self.table_name,
            "somebody has altered the tables: the store is opened again"
        );
        let before = self.committed.load(Ordering::Relaxed);
        let Opened { position, stored } = self.connect(journal).await?;
        let was_there = stored == position || !self.exactly_once();
        if was_there && position.unwrap_or(0) == before {
            return Ok(());
        }
        *self.writer.lock().await = None;
        Err(Failure::Moved.into_error("looking at the tables"))
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
            position,
            ..
        } = writer;
        let limit = self.door.answer_timeout();
        let same = within(limit, table.is_as_it_was(conn)).await?;
        let (_, kept) = self.find(conn, journal).await?;
        let is_where_it_was = match kept {
            Kept::WithTheRows(found) => self.exactly_once() && found == *position,
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
        let lacks: Vec<&str> = table.lacks().map(Field::name).collect();
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
