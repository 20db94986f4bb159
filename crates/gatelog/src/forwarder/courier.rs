//! An output's thread: reads, gathers, delivers, tries again.
//!
//! **Failure.** A batch that may be taken later is tried again after a growing pause, or the one
//! that the receiver asks for, until [`Settings::max_retry_time`] or until the watcher has taken
//! its records away; then the delivery is given up, also in the middle of it. Records that are
//! refused are put aside and their neighbours go on. If the dead letter cannot be written, they
//! wait for that. After a panic, too, it goes on from what is confirmed.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatelog_journal::{Cursor, Read};
use metrics::Counter;
use tokio::sync::watch;

use super::progress::{Passed, Wanted};
use super::tail::Tail;
use crate::backoff::Backoff;
use crate::caught::caught_async;
use crate::output::{Settings, Undelivered};
use crate::telemetry::Telemetry;

/// Bytes of frames that are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The pause after a failure of the own disk, first and longest.
const DISK_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long an output may go on delivering what the journal has when the process ends.
const DRAIN: Duration = Duration::from_secs(5);

/// How often it is looked whether a batch is full.
const GATHER_TICK: Duration = Duration::from_millis(20);

/// What the thread works with.
pub(super) struct Courier {
    tail: Arc<Tail>,
    settings: Settings,
    cursor: Cursor,
    /// It is not known that all before the cursor is done with: go back to what is.
    astray: bool,
    /// Bytes of a record in the journal, as last seen.
    record_bytes: u64,
    delivered: Counter,
    rejected: Counter,
    errors: Counter,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier")
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

impl Courier {
    pub(super) fn new(tail: Arc<Tail>, settings: Settings, telemetry: &Telemetry) -> Self {
        let counter = |metric| telemetry.counter_of(metric, &[("output", tail.name())]);
        Self {
            cursor: tail.cursor(),
            delivered: counter("gatelog_output_delivered_total"),
            rejected: counter("gatelog_output_rejected_total"),
            errors: counter("gatelog_output_errors_total"),
            tail,
            settings,
            astray: true,
            record_bytes: 1024,
        }
    }

    pub(super) fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    pub(super) fn start(mut self, stop: watch::Receiver<bool>) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name(self.tail.reader().to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut overdue = stop.clone();
                    let overdue = async {
                        let _gone = overdue.wait_for(|stop| *stop).await.is_err();
                        tokio::time::sleep(DRAIN).await;
                    };
                    // What was under way is not confirmed, and comes again.
                    tokio::select! {
                        () = self.run(stop) => {}
                        () = overdue => {}
                    }
                });
            })
    }

    /// Delivers until the process ends.
    async fn run(&mut self, mut stop: watch::Receiver<bool>) {
        let mut disk = Backoff::new(DISK_PAUSE.0, DISK_PAUSE.1);
        let mut failing = false;
        loop {
            let went = caught_async(self.step(&mut stop)).await;
            let went = went.unwrap_or_else(|panic| {
                self.tail.health().busy(false);
                Err(panic)
            });
            match went {
                Err(error) => {
                    failing = true;
                    self.errors.increment(1);
                    self.tail.health().set(Some(error));
                    let stopped = stop.wait_for(|stop| *stop);
                    if tokio::time::timeout(disk.pause(), stopped).await.is_ok() {
                        return;
                    }
                }
                Ok(went) => {
                    if std::mem::take(&mut failing) {
                        disk.reset();
                        self.tail.health().set(None);
                    }
                    if went == Went::Stopped || went == Went::Idle && *stop.borrow() {
                        return;
                    }
                    self.gather(&mut stop).await;
                }
            }
        }
    }

    /// Does what there is to do before it waits for more.
    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Went, String> {
        let cut = self.tail.cut_letters();
        cut.map_err(|error| format!("the dead letter cannot be read: {error}"))?;
        self.forward(stop).await
    }

    /// Waits until there is something to deliver, and then for a batch to grow.
    async fn gather(&mut self, stop: &mut watch::Receiver<bool>) {
        tokio::select! {
            _ = self.cursor.wait() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if self.settings.max_batch_records <= 1 {
            return;
        }
        let full_bytes = self.full_bytes();
        let deadline = Instant::now() + self.settings.max_coalescing_delay;
        while self.cursor.unread_bytes() < full_bytes && Instant::now() < deadline {
            let stopped = stop.wait_for(|stop| *stop);
            if tokio::time::timeout(GATHER_TICK, stopped).await.is_ok() {
                return;
            }
        }
    }

    /// About how many bytes of frames have the records of a full batch.
    fn full_bytes(&self) -> u64 {
        let batch = self
            .record_bytes
            .saturating_mul(self.settings.max_batch_records as u64);
        batch.min(CHUNK_BYTES as u64)
    }

    /// Reads and delivers the next chunk.
    async fn forward(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Went, String> {
        let passed = self.tail.passed().position;
        if self.astray || self.cursor.position() < passed {
            let sought = self.cursor.seek(passed);
            sought.map_err(|error| error.to_string())?;
        }
        // Until it is done with what it reads.
        self.astray = true;
        let begin = self.cursor.position();
        let read = self.cursor.read(CHUNK_BYTES);
        let chunk = match read.map_err(|error| error.to_string())? {
            Read::Chunk(chunk) => chunk,
            Read::Damaged(damage) => {
                self.tail.pass_damage(&damage);
                self.astray = false;
                return Ok(Went::On);
            }
            Read::Nothing => {
                self.tail.health().set_opened();
                self.astray = false;
                return Ok(Went::Idle);
            }
        };
        let end = chunk.end();
        let wanted = Wanted::of(chunk, begin, end, self.tail.output());
        if !wanted.records.is_empty() {
            self.record_bytes = end.since(begin) / wanted.records.len() as u64;
        }
        let delivery = Delivery {
            tail: &self.tail,
            settings: &self.settings,
            delivered: &self.delivered,
            rejected: &self.rejected,
            errors: &self.errors,
            chunk: &wanted,
        };
        let done = delivery.all(stop).await;
        self.astray = !matches!(done, Ok(Went::On));
        done
    }
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    On,
    /// There is nothing to deliver.
    Idle,
    /// The process ends, and what is left would have to be tried again.
    Stopped,
}

/// The delivery of one chunk.
struct Delivery<'d, 'f> {
    tail: &'d Tail,
    settings: &'d Settings,
    delivered: &'d Counter,
    rejected: &'d Counter,
    errors: &'d Counter,
    chunk: &'d Wanted<'f>,
}

/// What is to be done after an attempt.
enum Next {
    /// The next records, behind so many.
    Done(usize),
    /// Again, what is behind so many, after this least pause.
    Later(usize, Option<Duration>),
    /// Nothing: the process ends.
    Stopped,
}

impl Delivery<'_, '_> {
    /// Delivers what the watcher leaves of the chunk.
    async fn all(&self, stop: &mut watch::Receiver<bool>) -> Result<Went, String> {
        self.tail
            .set_aside(&self.chunk.unreadable)
            .map_err(|error| cannot_keep(&error))?;
        let mut backoff = self.backoff();
        let mut next = 0;
        let mut failing_since = None;
        loop {
            next = self.tail.done(self.chunk).max(next);
            let count = self.chunk.records.len();
            if next >= count {
                self.tail.confirm(self.chunk, count);
                return Ok(Went::On);
            }
            let last = count.min(next + self.settings.max_batch_records.max(1));
            let attempt = self.attempt(next, last, &mut failing_since, stop);
            match attempt.await {
                Next::Stopped => return Ok(Went::Stopped),
                Next::Done(done) => {
                    if done > next {
                        (backoff, failing_since) = (self.backoff(), None);
                    }
                    next = done;
                }
                Next::Later(done, after) => {
                    if done > next {
                        (backoff, failing_since) = (self.backoff(), None);
                    }
                    next = done;
                    let pause = backoff.pause().max(after.unwrap_or_default());
                    if self.wait(next, pause, stop).await {
                        return Ok(Went::Stopped);
                    }
                }
            }
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(
            self.settings.initial_retry_delay,
            self.settings.max_retry_delay,
        )
    }

    /// Delivers the records from `first` to before `last`, and takes note of what became of them.
    async fn attempt(
        &self,
        first: usize,
        last: usize,
        failing_since: &mut Option<Instant>,
        stop: &mut watch::Receiver<bool>,
    ) -> Next {
        let health = self.tail.health();
        let batch = self.chunk.records.get(first..last).unwrap_or_default();
        health.busy(true);
        let answer = tokio::select! {
            answer = self.tail.output().deliver(batch) => Some(answer),
            () = self.taken_away(last - 1) => None,
        };
        health.busy(false);
        let Some(answer) = answer else {
            return Next::Done(last);
        };
        gatelog_failpoint::pass("output.delivered");
        match answer {
            Ok(()) => {
                health.set(None);
                self.done(first, last);
                Next::Done(last)
            }
            Err(Undelivered::Refused { reason }) => {
                health.set(None);
                let refused: Vec<_> = (first..last).map(|at| (at, reason.as_str())).collect();
                self.refuse(first, last, &refused, stop).await
            }
            Err(Undelivered::SomeRefused(some)) => {
                health.set(None);
                let refused = some
                    .iter()
                    .map(|refused| (first + refused.index, refused.reason.as_str()))
                    .filter(|(at, _)| *at < last);
                let refused: Vec<_> = refused.collect();
                self.refuse(first, last, &refused, stop).await
            }
            Err(Undelivered::Later {
                delivered,
                after,
                reason,
            }) => {
                self.errors.increment(1);
                let since = *failing_since.get_or_insert_with(Instant::now);
                let first_left = last.min(first + delivered);
                self.done(first, first_left);
                let too_long = self.settings.max_retry_time;
                if too_long.is_some_and(|limit| since.elapsed() > limit) {
                    let reason = format!("max_retry_time: {reason}");
                    let refused: Vec<_> =
                        (first_left..last).map(|at| (at, reason.as_str())).collect();
                    let next = self.refuse(first_left, last, &refused, stop).await;
                    health.set(Some(reason.clone()));
                    return next;
                }
                health.set(Some(reason));
                Next::Later(first_left, after)
            }
        }
    }

    /// Puts the refused aside, however long that takes; the others from `first` to before `last`
    /// are confirmed and must not be sent again.
    async fn refuse(
        &self,
        first: usize,
        last: usize,
        refused: &[(usize, &str)],
        stop: &mut watch::Receiver<bool>,
    ) -> Next {
        let mut disk = Backoff::new(DISK_PAUSE.0, DISK_PAUSE.1);
        let letters = loop {
            match self.tail.refuse(self.chunk, last, refused) {
                Ok(letters) => break letters,
                Err(error) => self.tail.health().set(Some(cannot_keep(&error))),
            }
            if self.wait(last - 1, disk.pause(), stop).await {
                return Next::Stopped;
            }
        };
        if let Some((_, reason)) = refused.first() {
            tracing::warn!(
                output = self.tail.name(),
                records = refused.len(),
                of = last - first,
                reason,
                "the output refuses records; they are in the dead letter, if there is room"
            );
        }
        self.rejected.increment(letters);
        self.delivered
            .increment((last - first - refused.len()) as u64);
        Next::Done(last)
    }

    fn done(&self, first: usize, last: usize) {
        if last > first {
            self.delivered.increment((last - first) as u64);
            self.tail.confirm(self.chunk, last);
        }
    }

    /// Returns when the watcher has passed this record.
    async fn taken_away(&self, index: usize) {
        let mut news = self.tail.news();
        let place = self.chunk.places.get(index);
        let is_behind = |passed: &Passed| place.is_some_and(|place| passed.place >= *place);
        if news.wait_for(is_behind).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits, also for the watcher to take the record at `next` away; true when the process ends.
    async fn wait(&self, next: usize, pause: Duration, stop: &mut watch::Receiver<bool>) -> bool {
        tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = self.taken_away(next) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        }
    }
}

fn cannot_keep(error: &io::Error) -> String {
    format!("the dead letter cannot be written: {error}")
}
