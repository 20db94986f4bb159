//! From the journal to a store: one thread for each store, each at its own pace.
//!
//! **Shape.** `open` tells how far the store has come; from there frames are read, decoded and
//! written, the next ones read while these are written, and what the store has committed is released
//! in the journal. After any error, and after
//! a panic, the store is opened again and reading goes on from the position that it answers.
//!
//! **Invariants.** Nothing is released that is not committed. What the store refuses is in its dead
//! letter, durably, before the position behind it is committed; letters behind the position from
//! which reading goes on are cut, as they come again. So each record is once in the store or once
//! in the dead letter. A slow or dead store slows no other: each has its own thread, and reads
//! from the page cache or the disk, not from a shared queue.
//!
//! **Failure.** Errors are logged when they begin, when they change and when they end, and are
//! shown by `/ready`; attempts follow each other after [`FIRST_PAUSE`], doubled up to
//! [`LONGEST_PAUSE`]. While writing fails less is written at once, so that a slow network carries it
//! before it is given up. A frame that cannot be decoded is put aside with its bytes, and its
//! neighbours are written.

mod feed;
pub(crate) mod frames;
mod letters;

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatelog_journal::{Journal, Position, Reader};
use gatelog_store::Store;
use metrics::Counter;
use tokio::sync::watch;

use self::feed::{Batch, Feed};
use self::letters::BatchLetters;
use crate::backoff::Backoff;
use crate::caught::caught_async;
use crate::dead_letter::{DeadLetter, Kept};
use crate::health::Health;
use crate::loss::Losses;
use crate::place::Place;
use crate::telemetry::Telemetry;

/// How often an idle store is asked whether something is due, and whether it is still there.
const TICK: Duration = Duration::from_millis(500);

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

/// What a store's thread works with.
struct Writer {
    store: Arc<dyn Store>,
    feed: Feed,
    /// How far the reader has been released.
    released: Position,
    /// What was written and not yet committed.
    uncommitted: VecDeque<Written>,
    /// Whether the store was opened in this life of the process.
    was_open: bool,
    /// Why the journal could not let go of what was released last.
    refused: Option<String>,
    journal_id: String,
    health: Arc<Health>,
    dead_letter: DeadLetter,
    stop: watch::Receiver<bool>,
    written: Counter,
    rejected: Counter,
    losses: Losses,
    errors: Counter,
}

/// A batch that the store has taken, to be counted when it is committed: until then it may have to
/// be written again.
struct Written {
    end: Position,
    records: u64,
    letters: Kept,
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
        let health = Arc::new(Health::new("store", name));
        let counter = |metric| telemetry.counter(metric, Some(("store", name.to_owned())));
        let writer = Writer {
            released: reader.position(),
            feed: Feed::new(reader, store.gathering(), stop.clone()),
            store,
            uncommitted: VecDeque::new(),
            was_open: false,
            refused: None,
            journal_id: journal.id().to_string(),
            health: Arc::clone(&health),
            dead_letter,
            stop,
            written: counter("gatelog_store_written_total"),
            rejected: counter("gatelog_store_rejected_total"),
            losses: Losses::new(name, Arc::clone(&health), telemetry),
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

/// From an opening of the store to what ends it.
struct Round {
    /// Where the store stood then.
    opened: Position,
    /// Whether it has stored something, or said that it could.
    proven: bool,
    /// When writing ends although there is more.
    deadline: Option<Instant>,
    flushed: Instant,
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
        let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            let before = self.store.committed();
            let end = caught_async(self.write_until_it_fails()).await;
            let end = end.unwrap_or_else(|panic| {
                self.health.busy(false);
                End::Failed(panic)
            });
            match end {
                End::Stopped => return,
                End::Failed(error) => {
                    self.errors.increment(1);
                    self.health.set(Some(error));
                }
            }
            if self.store.committed() > before {
                backoff.reset();
            }
            // What was not written stays in the journal and is written after the next start.
            let stopped = self.stop.wait_for(|stop| *stop);
            let paused = tokio::time::timeout(backoff.pause(), stopped);
            if paused.await.is_ok() {
                return;
            }
        }
    }

    async fn write_until_it_fails(&mut self) -> End {
        let opened = match self.open().await {
            Ok(opened) => opened,
            Err(error) => return End::Failed(error),
        };
        let mut round = Round {
            opened,
            proven: false,
            deadline: None,
            flushed: Instant::now(),
        };
        // The batch that is written lies in one, the next in the other.
        let (mut this, mut other) = (Vec::new(), Vec::new());
        let mut batch = None;
        loop {
            let next = match self.turn(batch, &mut other, &mut round).await {
                Ok(next) => next,
                Err(end) => return end,
            };
            batch = match self.turn(next, &mut this, &mut round).await {
                Ok(next) => next,
                Err(end) => return end,
            };
        }
    }

    /// Writes a batch, if there is one, and does what is due behind it; answers the next one, which is
    /// read into `buffer` meanwhile.
    async fn turn<'b>(
        &mut self,
        batch: Option<Batch<'_>>,
        buffer: &'b mut Vec<u8>,
        round: &mut Round,
    ) -> Result<Option<Batch<'b>>, End> {
        let wrote = batch.is_some();
        let next = match batch {
            Some(batch) => self.write_batch(batch, buffer).await,
            None => self.feed.next(buffer).await.map_err(|e| e.to_string()),
        };
        let next = next.map_err(End::Failed)?;
        if !wrote && next.is_some() {
            return Ok(next);
        }
        let stopping = *self.stop.borrow();
        let overdue = stopping
            && Instant::now() > *round.deadline.get_or_insert_with(|| Instant::now() + DRAIN);
        let ends = stopping && (!wrote || overdue);
        // An opened store may still fail to store; it is well when it has.
        round.proven |= self.store.committed() > round.opened.get();
        let due = round.flushed.elapsed() >= TICK;
        if ends || due || !wrote && !round.proven {
            let all = ends || !round.proven;
            self.flush(all).await.map_err(End::Failed)?;
            round.flushed = Instant::now();
            round.proven = true;
        }
        if round.proven {
            self.health.set(None);
        }
        if ends {
            return Err(End::Stopped);
        }
        if !wrote {
            tokio::select! {
                _ = self.feed.reader.wait() => {}
                () = tokio::time::sleep(TICK) => {}
                _ = self.stop.changed() => {}
            }
        }
        Ok(next)
    }

    /// Opens the store, and goes to the place in the journal from where it has to be written.
    async fn open(&mut self) -> Result<Position, String> {
        self.health.busy(true);
        let opened = self.store.open(&self.journal_id).await;
        self.health.busy(false);
        let mut position = match opened.map_err(|error| error.to_string())? {
            Some(position) => Position::new(position),
            // It keeps no position with its rows: the journal's own is the best there is.
            None if !self.store.exactly_once() => self.released,
            None => Position::START,
        };
        let milestones = self.store.milestones();
        let places = milestones.iter().copied().map(Position::new);
        let mut is_known = true;
        for place in places.chain([position]) {
            let went = if self.was_open {
                self.feed.reader.seek(place)
            } else {
                self.feed.reader.resume(place)
            };
            match went {
                Err(gatelog_journal::Error::ForeignPosition { .. }) => is_known = false,
                went => went.map_err(|error| error.to_string())?,
            }
        }
        if !is_known {
            position = self.rewind(position).await?;
        }
        self.was_open = true;
        self.feed.end_at(milestones);
        self.uncommitted.clear();
        let from = self.feed.reader.position();
        let cut = self.dead_letter.cut_behind(Place::behind(from));
        cut.map_err(|error| format!("the dead letter cannot be read: {error}"))?;
        Ok(position)
    }

    /// Puts a store back that is further than the journal, to what it is known to have of this one.
    /// Records may be stored twice that way, and none is left out.
    async fn rewind(&mut self, position: Position) -> Result<Position, String> {
        let known = self.released;
        tracing::error!(
            store = self.store.name(),
            store_position = position.get(),
            position = known.get(),
            "the store has records that the journal does not know: was the data directory restored \
             from an old copy? It is written from the position on; some may be stored twice"
        );
        let rewound = self.store.rewind(&self.journal_id, known.get()).await;
        rewound.map_err(|error| error.to_string())?;
        self.feed
            .reader
            .seek(known)
            .map_err(|error| error.to_string())?;
        Ok(known)
    }

    /// Writes a batch, and reads the next one meanwhile if there is one.
    async fn write_batch<'b>(
        &mut self,
        batch: Batch<'_>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Batch<'b>>, String> {
        let Batch { decoded, end, .. } = &batch;
        let (records, end) = (&decoded.records, *end);
        if let Some(damage) = &batch.damage {
            self.losses.damaged(damage);
        }
        self.losses
            .set_aside(&self.dead_letter, &decoded.unreadable)
            .map_err(|error| format!("the dead letter cannot be written: {error}"))?;
        let letters = BatchLetters::new(&self.dead_letter, self.store.name(), records, end);
        self.health.busy(true);
        let (written, next) = tokio::join!(
            self.store.write(records, end.get(), &letters),
            caught_async(self.feed.ahead(records.len(), buffer)),
        );
        self.health.busy(false);
        if let Err(error) = written {
            self.feed.failed(&batch);
            return Err(error.to_string());
        }
        let letters = letters.kept();
        self.uncommitted.push_back(Written {
            end,
            records: records.len() as u64 - letters.kept - letters.dropped,
            letters,
        });
        self.release();
        self.feed.written(batch);
        next?.map_err(|error| error.to_string())
    }

    async fn flush(&mut self, all: bool) -> Result<(), String> {
        self.health.busy(true);
        let flushed = self.store.flush(all).await;
        self.health.busy(false);
        flushed.map_err(|error| error.to_string())?;
        self.release();
        Ok(())
    }

    /// Lets the journal forget what is stored for good, and counts it.
    fn release(&mut self) {
        let committed = Position::new(self.store.committed());
        let is_committed = |written: &mut Written| written.end <= committed;
        while let Some(written) = self.uncommitted.pop_front_if(is_committed) {
            let letters = written.letters;
            self.written.increment(written.records);
            self.rejected.increment(letters.kept + letters.dropped);
            self.losses.dropped(letters);
        }
        self.released = self.released.max(committed);
        // The journal tries again. The store's own position does not depend on it.
        let refused = self.feed.reader.release(committed).err();
        let refused = refused.map(|error| error.to_string());
        if refused != self.refused
            && let Some(error) = &refused
        {
            tracing::warn!(store = self.store.name(), %error, "the journal cannot let go");
        }
        self.refused = refused;
    }
}
