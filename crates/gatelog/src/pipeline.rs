//! From the journal to a store: one thread for each store, each at its own pace.
//!
//! **Shape.** `open` tells how far the store has come; from there frames are read, decoded and
//! written, and what the store has committed is released in the journal. After any error the store
//! is opened again and reading goes on from the position that it answers.
//!
//! **Invariants.** Nothing is released that is not committed. A slow or dead store slows no other:
//! each has its own thread, and reads from the page cache or the disk, not from a shared queue.
//!
//! **Failure.** Errors are logged when they begin, when they change and when they end, and are
//! shown by `/ready`; attempts follow each other after [`FIRST_PAUSE`], doubled up to
//! [`LONGEST_PAUSE`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatelog_journal::{Journal, Position, Reader};
use gatelog_record::{AccessRecord, wire};
use gatelog_store::{Rejected, Store};
use metrics::Counter;
use tokio::sync::watch;

use crate::dead_letter::DeadLetter;
use crate::intake;
use crate::telemetry::Telemetry;

/// Bytes of frames that are written to a store at once.
const CHUNK_BYTES: usize = 1 << 20;

/// How often an idle store is asked whether something is due, and whether it is still there.
const TICK: Duration = Duration::from_millis(500);

/// How long a store may work on one call before `/ready` says so.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The pause after the first of several failures.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a store may go on writing what the journal has when the process ends.
const DRAIN: Duration = Duration::from_secs(5);
/// How long it may take to end after all.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A store's thread, and how the store is.
#[derive(Debug)]
pub struct Pipeline {
    /// The store's name.
    pub name: &'static str,
    /// How the store is.
    pub health: Arc<Health>,
    thread: Option<JoinHandle<()>>,
}

/// How a store is, for `/ready`.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    opened: bool,
    error: Option<String>,
    /// Since when the store has been at work on one call.
    busy_since: Option<Instant>,
}

impl Health {
    /// What is wrong with the store; `None` while it takes records.
    pub fn error(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = state
            .busy_since
            .map(|since| since.elapsed())
            .filter(|busy| *busy > PATIENCE);
        match (&state.error, busy, state.opened) {
            (Some(error), _, _) => Some(error.clone()),
            (None, Some(busy), _) => Some(format!("no answer for {} s", busy.as_secs())),
            (None, None, false) => Some("not opened yet".to_owned()),
            (None, None, true) => None,
        }
    }

    /// Takes note of when the store begins (true) and ends to work on a call.
    fn busy(&self, busy: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.busy_since = busy.then(Instant::now);
    }

    fn set(&self, store: &'static str, error: Option<String>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match (&state.error, &error) {
            (_, Some(now)) if state.error.as_ref() != Some(now) => {
                tracing::warn!(store, error = %now, "the store takes no records; they wait in the journal");
            }
            (Some(_), None) => tracing::info!(store, "the store takes records again"),
            (None, None) if !state.opened => tracing::info!(store, "the store takes records"),
            _ => {}
        }
        state.opened |= error.is_none();
        state.error = error;
    }
}

/// What a store's thread works with.
struct Writer {
    store: Arc<dyn Store>,
    reader: Reader,
    /// How far the reader has been released.
    released: Position,
    /// What was written and not yet committed: how many records up to which position.
    uncommitted: VecDeque<(Position, u64)>,
    journal_id: String,
    health: Arc<Health>,
    dead_letter: DeadLetter,
    stop: watch::Receiver<bool>,
    written: Counter,
    rejected: Counter,
    dropped: Counter,
    errors: Counter,
}

impl Pipeline {
    /// Starts the thread of a store. The thread ends some time after `stop` turns true.
    ///
    /// # Errors
    /// When the reader cannot be registered or the thread cannot be started.
    pub fn start(
        store: Arc<dyn Store>,
        journal: &Journal,
        reader: Reader,
        dead_letter: DeadLetter,
        telemetry: &Telemetry,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<Self> {
        let name = store.name();
        let health = Arc::new(Health::default());
        let counter = |metric| telemetry.counter(metric, Some(("store", name.to_owned())));
        let writer = Writer {
            store,
            released: reader.position(),
            reader,
            uncommitted: VecDeque::new(),
            journal_id: journal.id().to_string(),
            health: Arc::clone(&health),
            dead_letter,
            stop,
            written: counter("gatelog_store_written_total"),
            rejected: counter("gatelog_store_rejected_total"),
            dropped: counter("gatelog_dead_letter_dropped_total"),
            errors: counter("gatelog_store_errors_total"),
        };
        // The store's network and the waiting for frames are async; reading, decoding and writing
        // files are not. A runtime of the thread's own lets both happen here.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name(format!("store-{name}"))
            .spawn(move || runtime.block_on(writer.run()))?;
        Ok(Self {
            name,
            health,
            thread: Some(thread),
        })
    }

    /// Waits for the thread to end, which it does after the `stop` of [`start`](Self::start).
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(store = self.name, "the store's thread ended in a panic");
        }
    }
}

/// Why a round ended.
enum End {
    /// Everything was written and the process ends.
    Stopped,
    /// Something failed: open again.
    Failed(String),
}

impl Writer {
    async fn run(mut self) {
        let mut stop = self.stop.clone();
        let overdue = async {
            let _gone = stop.wait_for(|stop| *stop).await.is_err();
            tokio::time::sleep(DRAIN_LIMIT).await;
        };
        let name = self.store.name();
        tokio::select! {
            () = self.write() => {}
            () = overdue => {
                tracing::warn!(store = name, "the store did not end in time; the journal has the rest");
            }
        }
    }

    async fn write(&mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let before = self.store.committed();
            match self.write_until_it_fails().await {
                End::Stopped => return,
                End::Failed(error) => {
                    self.errors.increment(1);
                    self.health.set(self.store.name(), Some(error));
                }
            }
            if self.store.committed() > before {
                pause = FIRST_PAUSE;
            }
            // What was not written stays in the journal and is written after the next start.
            let stopped = self.stop.wait_for(|stop| *stop);
            if tokio::time::timeout(pause, stopped).await.is_ok() {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn write_until_it_fails(&mut self) -> End {
        let opened = match self.open().await {
            Ok(opened) => opened,
            Err(error) => return End::Failed(error),
        };
        let mut proven = false;
        let mut deadline = None;
        let mut flushed = Instant::now();
        loop {
            let wrote = match self.write_chunk().await {
                Ok(wrote) => wrote,
                Err(error) => return End::Failed(error),
            };
            let stopping = *self.stop.borrow();
            let overdue = stopping
                && Instant::now() > *deadline.get_or_insert_with(|| Instant::now() + DRAIN);
            let ends = stopping && (!wrote || overdue);
            // An opened store may still fail to store; it is well when it has.
            proven |= self.store.committed() > opened.get();
            let due = flushed.elapsed() >= TICK;
            if ends || due || !wrote && !proven {
                if let Err(error) = self.flush(ends || !proven).await {
                    return End::Failed(error);
                }
                flushed = Instant::now();
                proven = true;
            }
            if proven {
                self.health.set(self.store.name(), None);
            }
            if ends {
                return End::Stopped;
            }
            if !wrote {
                tokio::select! {
                    _ = self.reader.wait() => {}
                    () = tokio::time::sleep(TICK) => {}
                    _ = self.stop.changed() => {}
                }
            }
        }
    }

    /// Opens the store, and goes to the place in the journal from where it has to be written.
    async fn open(&mut self) -> Result<Position, String> {
        self.health.busy(true);
        let opened = self.store.open(&self.journal_id).await;
        self.health.busy(false);
        let position = match opened.map_err(|error| error.to_string())? {
            Some(position) => Position::new(position),
            // It keeps no position with its rows: the journal's own is the best there is.
            None if !self.store.exactly_once() => self.released,
            None => Position::START,
        };
        self.reader
            .seek(position)
            .map_err(|error| error.to_string())?;
        self.uncommitted.clear();
        if self.reader.position() > position && position > Position::START {
            tracing::error!(
                store = self.store.name(),
                missing_bytes = self.reader.position().since(position),
                "the journal no longer holds what the store has not written"
            );
        }
        Ok(position)
    }

    /// Writes the next frames; false when there are none.
    async fn write_chunk(&mut self) -> Result<bool, String> {
        let Some(chunk) = self
            .reader
            .read(CHUNK_BYTES)
            .map_err(|error| error.to_string())?
        else {
            return Ok(false);
        };
        let end = chunk.end();
        let mut records = Vec::new();
        for frame in chunk {
            for record in wire::read_batch(frame.payload).map_err(|error| error.to_string())? {
                records.push(record.map_err(|error| error.to_string())?);
            }
        }
        self.health.busy(true);
        let rejected = self.store.write(&records, end.get()).await;
        self.health.busy(false);
        let rejected = rejected.map_err(|error| error.to_string())?;
        let taken = (records.len() - rejected.len()) as u64;
        if !rejected.is_empty() {
            self.rejected.increment(rejected.len() as u64);
            let kept = keep(&self.dead_letter, &records, &rejected);
            self.dropped.increment(rejected.len() as u64 - kept);
        }
        self.uncommitted.push_back((end, taken));
        self.release()?;
        Ok(true)
    }

    async fn flush(&mut self, all: bool) -> Result<(), String> {
        self.health.busy(true);
        let flushed = self.store.flush(all).await;
        self.health.busy(false);
        flushed.map_err(|error| error.to_string())?;
        self.release()
    }

    /// Lets the journal forget what is stored for good, and counts it.
    fn release(&mut self) -> Result<(), String> {
        let committed = Position::new(self.store.committed());
        while let Some((_, records)) = self.uncommitted.pop_front_if(|(end, _)| *end <= committed) {
            self.written.increment(records);
        }
        self.released = self.released.max(committed);
        self.reader
            .release(committed)
            .map_err(|error| error.to_string())
    }
}

/// Puts what the store refused into its dead letter, and answers how many were kept.
fn keep(dead_letter: &DeadLetter, records: &[AccessRecord<'_>], rejected: &[Rejected]) -> u64 {
    let letters = rejected
        .iter()
        .filter_map(|Rejected { index, reason }| Some((records.get(*index)?, reason.as_str())));
    dead_letter
        .push(letters, intake::now())
        .unwrap_or_else(|error| {
            tracing::error!(%error, records = rejected.len(), "the dead letter cannot be written");
            0
        })
}
