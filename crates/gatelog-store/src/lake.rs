//! The embedded store: Parquet files, a SQLite catalogue, DataFusion over both and over memory.
//!
//! **Shape.** Records gather in memory, where queries see them at once. When memory holds enough,
//! or its oldest row is old enough, it is sealed and a thread of its own writes it to files, one
//! per day of start time, and commits files and journal position in one transaction.
//!
//! ```text
//! write ─► memory ─► sealed ─► files + catalogue
//!            └─────────┴─────────┴──► snapshot ─► query
//!
//! DIR/lake/catalogue.sqlite       the files of the lake, and the position per journal
//! DIR/lake/2026-11-21/17.parquet  rows that began on that day (UTC), sorted by start time
//! DIR/lake/mixed/18.parquet       rows of days that have no file of their own in their flush
//! ```
//!
//! **Invariants.** A row is in a catalogued file exactly if the committed position lies behind it.
//! Files never change. A query sees one moment: every row written before it began, once.
//!
//! **Failure.** What a crash leaves, by when it comes:
//!
//! | moment | left on disk | after opening |
//! |---|---|---|
//! | rows in memory | nothing of them | the journal gives them again |
//! | a file half written | `N.parquet.tmp` | deleted; the journal gives the rows again |
//! | files whole, not committed | `N.parquet`, not in the catalogue | the same |
//! | in the commit | the catalogue's log | SQLite takes it whole or not at all |
//! | committed | files, catalogue | rows and position are there |
//!
//! A catalogued file that is missing, files that no crash explains, or files beside a new catalogue
//! stop the opening and are named; nothing is deleted then. A flush that fails keeps its rows
//! visible and refuses more until the lake is opened again.
//!
//! **Limits.** Memory holds up to two flushes ([`Config::flush_bytes`]) and the write that filled
//! them; then [`write`](crate::Store::write) waits. A process has the directory to itself: the
//! data directory's lock sees to that. Files are not merged: one per flush and day.
//!
//! **Why.** Row stores collapse at some 100,000 rows when they are asked for aggregates; Parquet
//! opens in every other tool.

mod columns;
mod headers;
mod memory;
mod rows;
mod schema;

mod catalogue;
mod file;
mod flush;
mod leftover;
mod partition;
mod state;

mod failure;
mod query;

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use gatelog_record::AccessRecord;
use tokio::sync::oneshot;

use crate::{BoxFuture, Error, Letters, Page, Query, Rejected, Result, Store};
use catalogue::Catalogue;
use failure::{Failure, NAME};
use flush::{Command, Flusher};
use query::Engine;
use state::{Phase, Shared, State};

/// How the lake uses memory and threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Memory is written to files when its rows take about this many bytes. The rows that are
    /// being written take as many again.
    pub flush_bytes: usize,
    /// Memory is written to files when it has this many rows.
    pub flush_rows: usize,
    /// Memory is written to files when its oldest row is this old: at low load there are as many
    /// files in a day as this goes into it. The rows are safe in the journal, and are seen.
    pub flush_age: Duration,
    /// Threads that queries run on, apart from those that take records in.
    pub query_threads: usize,
    /// Bytes that sorting and counting may take, of all queries together. A query that needs more
    /// is answered with an error.
    pub query_memory_bytes: usize,
    /// Queries that run at a time; others wait.
    pub concurrent_queries: usize,
    /// How long a query may take, the wait for others included.
    pub query_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            flush_bytes: 10 << 20,
            flush_rows: 1 << 16,
            flush_age: Duration::from_mins(5),
            query_threads: 2,
            query_memory_bytes: 256 << 20,
            concurrent_queries: 4,
            query_timeout: Duration::from_secs(30),
        }
    }
}

/// The embedded store.
#[derive(Debug)]
pub struct Lake {
    config: Config,
    shared: Arc<Shared>,
    engine: Engine,
    /// `None` only while it is dropped.
    commands: Option<mpsc::Sender<Command>>,
    flusher: Option<JoinHandle<()>>,
}

impl Lake {
    /// The lake in `dir/lake`, which is created if it is missing. Its rows can be asked for at
    /// once; to be written it has to be [opened](Store::open).
    ///
    /// # Errors
    /// [`Error::Unusable`] and [`Error::Unavailable`]: the directory or the catalogue cannot be
    /// used; the operator has to look at the disk.
    pub fn new(dir: &Path, config: Config) -> Result<Self> {
        let create = |path: &Path| {
            fs::create_dir_all(path)
                .and_then(|()| path.canonicalize())
                .map_err(|error| Failure::io("creating the directory", path, &error))
        };
        let root = create(&dir.join("lake"))?;
        let catalogue = Catalogue::open(&root)?;
        file::sync_directory(&root)?;
        file::sync_directory(dir)?;
        let files = catalogue.files()?;
        let engine = Engine::new(&root, &config)?;
        let shared = Arc::new(Shared::new(files));
        let flusher = Flusher {
            root,
            catalogue,
            shared: Arc::clone(&shared),
            next_id: 1,
            checked: false,
        };
        let (commands, receiver) = mpsc::channel();
        let flusher = thread::Builder::new()
            .name("lake-flush".to_owned())
            .spawn(move || flusher.run(&receiver))
            .map_err(|error| Failure::unavailable(format!("starting a thread: {error}")))?;
        Ok(Self {
            config,
            shared,
            engine,
            commands: Some(commands),
            flusher: Some(flusher),
        })
    }

    fn command(&self, command: Command) -> std::result::Result<(), Failure> {
        self.commands
            .as_ref()
            .and_then(|commands| commands.send(command).ok())
            .ok_or_else(|| Failure::unavailable("the flush thread has ended"))
    }

    /// Hands the rows in memory to the flush thread.
    fn seal(&self, state: &mut State) -> std::result::Result<(), Failure> {
        let journal = state.phase.journal()?;
        let sealed = Arc::new(state.memory.seal(journal)?);
        state.sealed = Some(Arc::clone(&sealed));
        self.command(Command::Store(sealed))
    }

    fn is_full(&self, state: &State) -> bool {
        state.memory.rows() >= self.config.flush_rows
            || state.memory.bytes() >= self.config.flush_bytes
    }

    fn is_due(&self, state: &State) -> bool {
        let age = state.memory.since().map(|since| since.elapsed());
        self.is_full(state) || age.is_some_and(|age| age >= self.config.flush_age)
    }

    /// Appends the records if there is room; answers whether there was.
    fn try_write(
        &self,
        records: &[AccessRecord<'_>],
        end: u64,
    ) -> std::result::Result<bool, Failure> {
        let mut state = self.shared.lock();
        state.phase.journal()?;
        if self.is_full(&state) {
            if state.sealed.is_some() {
                return Ok(false);
            }
            self.seal(&mut state)?;
        }
        let records = records.iter().filter(|record| record.record_id.is_some());
        state.memory.append(records, end)?;
        self.shared.taken.store(end, Ordering::Release);
        if state.sealed.is_none() && self.is_due(&state) {
            self.seal(&mut state)?;
        }
        Ok(true)
    }

    /// Seals what is due, or all; answers whether nothing of it is left to be stored.
    fn try_flush(&self, all: bool) -> std::result::Result<bool, Failure> {
        let mut state = self.shared.lock();
        let state = &mut *state;
        state.phase.journal()?;
        if state.sealed.is_some() {
            return Ok(!all);
        }
        if self.is_due(state) || all && state.memory.since().is_some() {
            self.seal(state)?;
            return Ok(!all);
        }
        Ok(true)
    }
}

impl Phase {
    /// The journal that rows come from, if the lake can be written.
    fn journal(&self) -> std::result::Result<&str, Failure> {
        match self {
            Phase::Open { journal } => Ok(journal),
            Phase::Closed => Err(Failure::unavailable("it is not open")),
            Phase::Failed(failure) => Err(failure.clone()),
        }
    }
}

impl Lake {
    /// Opens it where it stands, or at `rewound`.
    async fn open_from(&self, journal: &str, rewound: Option<u64>) -> Result<Option<u64>> {
        // Nothing may be written between the position that is answered and the answer.
        self.shared.lock().phase = Phase::Closed;
        let (answer, position) = oneshot::channel();
        self.command(Command::Open {
            journal: journal.to_owned(),
            rewound,
            answer,
        })?;
        let position = position
            .await
            .map_err(|_| Failure::unavailable("the flush thread has ended"))?;
        Ok(position?)
    }
}

impl Store for Lake {
    fn name(&self) -> &'static str {
        NAME
    }

    fn open<'a>(&'a self, journal: &'a str) -> BoxFuture<'a, Result<Option<u64>>> {
        Box::pin(self.open_from(journal, None))
    }

    fn rewind<'a>(&'a self, journal: &'a str, position: u64) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.open_from(journal, Some(position)).await?;
            Ok(())
        })
    }

    fn write<'a>(
        &'a self,
        records: &'a [AccessRecord<'a>],
        end: u64,
        letters: &'a dyn Letters,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.shared.lock().phase.journal()?;
            let without_id: Vec<Rejected> = records
                .iter()
                .enumerate()
                .filter(|(_, record)| record.record_id.is_none())
                .map(|(index, _)| Rejected {
                    index,
                    reason: "it has no record id".to_owned(),
                })
                .collect();
            if !without_id.is_empty() {
                letters.keep(&without_id).map_err(|source| Error::Letters {
                    store: NAME,
                    source,
                })?;
                gatelog_failpoint::pass("lake.letter_written");
            }
            let mut changed = self.shared.changed.subscribe();
            while !self.try_write(records, end)? {
                changed.changed().await.map_err(closed)?;
            }
            Ok(())
        })
    }

    fn flush(&self, all: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut changed = self.shared.changed.subscribe();
            while !self.try_flush(all)? {
                changed.changed().await.map_err(closed)?;
            }
            Ok(())
        })
    }

    fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::Acquire)
    }

    fn taken(&self) -> u64 {
        let taken = self.shared.taken.load(Ordering::Acquire);
        taken.max(self.committed())
    }

    fn query<'a>(&'a self, query: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(async move { Ok(self.engine.answer(&self.shared, query).await?) })
    }
}

/// Only when the lake is dropped while it is written, which its borrow forbids.
fn closed(_: tokio::sync::watch::error::RecvError) -> Error {
    Failure::unavailable("it was closed").into()
}

/// Waits for a flush that is under way, so that the directory is free when the lake is gone.
impl Drop for Lake {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(flusher) = self.flusher.take()
            && flusher.join().is_err()
        {
            tracing::error!("the lake's flush thread panicked");
        }
    }
}
