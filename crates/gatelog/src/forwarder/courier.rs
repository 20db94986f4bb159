//! An output's thread: reads, gathers, delivers, tries again.
//!
//! **Failure.** A batch that may be taken later is tried again after a growing pause, or the one
//! that the receiver asks for, until [`Settings::max_retry_time`] or until the watcher has taken
//! its records away; then the delivery is given up, also in the middle of it. Records that are
//! refused are put aside and their neighbours go on. Of several batches that are under way at a time
//! only those come again that were not taken; what is behind the first of them is confirmed in the
//! memory only, until it is. If the dead letter cannot be written, they
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

/// Records that are delivered together.
struct Window {
    /// The places in the chunk of those that are neither confirmed nor refused, in ascending order.
    left: Vec<usize>,
    /// Those that will never be taken, with the reason. They are put aside when nothing is left, so that
    /// letters are in the order of the journal.
    refused: Vec<(usize, String)>,
    /// The place behind it.
    end: usize,
}

impl Window {
    /// Everything before it is done with.
    fn next(&self) -> usize {
        let refused = self.refused.iter().map(|(place, _)| *place).min();
        let left = self.left.first().copied();
        left.into_iter().chain(refused).min().unwrap_or(self.end)
    }
}

/// What is to be done after an attempt.
enum Next {
    /// What is left of the window, or what is behind it.
    On,
    /// What is left, after this least pause.
    Later(Option<Duration>),
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
        let mut failing_since = None;
        let count = self.chunk.records.len();
        let size = self.settings.max_batch_records.max(1) * self.settings.concurrency.max(1);
        let mut window = Window {
            left: Vec::new(),
            refused: Vec::new(),
            end: 0,
        };
        loop {
            let done = self.tail.done(self.chunk);
            window.left.retain(|place| *place >= done);
            if window.left.is_empty() {
                let first = window.end.max(done);
                if first >= count {
                    self.tail.confirm(self.chunk, count);
                    return Ok(Went::On);
                }
                window.end = count.min(first + size);
                window.left = (first..window.end).collect();
            }
            let before = window.left.len();
            let next = self.attempt(&mut window, &mut failing_since, stop).await;
            if window.left.len() < before {
                backoff = self.backoff();
                failing_since = failing_since.filter(|_| !window.left.is_empty());
            }
            match next {
                Next::Stopped => return Ok(Went::Stopped),
                Next::On => {}
                Next::Later(after) => {
                    let pause = backoff.pause().max(after.unwrap_or_default());
                    if self.wait(window.next(), pause, stop).await {
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

    /// Delivers what is left of the window, and takes note of what became of it.
    async fn attempt(
        &self,
        window: &mut Window,
        failing_since: &mut Option<Instant>,
        stop: &mut watch::Receiver<bool>,
    ) -> Next {
        let health = self.tail.health();
        let records = window
            .left
            .iter()
            .filter_map(|place| self.chunk.records.get(*place));
        let records: Vec<_> = records.collect();
        health.busy(true);
        let answer = tokio::select! {
            answer = self.tail.output().deliver(&records) => Some(answer),
            () = self.taken_away(window.end - 1) => None,
        };
        health.busy(false);
        let Some(answer) = answer else {
            window.left.clear();
            return Next::On;
        };
        gatelog_failpoint::pass("output.delivered");
        let Undelivered {
            later,
            reason,
            after,
            refused,
        } = answer.err().unwrap_or_default();
        let place_of = |index: usize| window.left.get(index).copied();
        let mut left: Vec<_> = later.into_iter().filter_map(place_of).collect();
        let refused = refused.into_iter();
        let mut refused: Vec<_> = refused
            .filter_map(|refused| Some((place_of(refused.index)?, refused.reason)))
            .collect();
        let taken = (window.left.len() - left.len()).saturating_sub(refused.len());
        self.delivered.increment(taken as u64);
        let mut failure = (!left.is_empty()).then_some(reason);
        let mut next = Next::On;
        if let Some(reason) = &mut failure {
            self.errors.increment(1);
            next = Next::Later(after);
            let since = *failing_since.get_or_insert_with(Instant::now);
            let limit = self.settings.max_retry_time;
            if limit.is_some_and(|limit| since.elapsed() > limit) {
                *reason = format!("max_retry_time: {reason}");
                refused.extend(left.drain(..).map(|place| (place, reason.clone())));
                next = Next::On;
            }
        }
        if failure.is_none() {
            health.set(None);
        }
        window.left = left;
        window.refused.append(&mut refused);
        if window.left.is_empty() && !window.refused.is_empty() {
            window.refused.sort_unstable();
            if self.refuse(window, stop).await {
                return Next::Stopped;
            }
            window.refused.clear();
        } else {
            self.tail.confirm(self.chunk, window.next());
        }
        if failure.is_some() {
            health.set(failure);
        }
        next
    }

    /// Puts the refused of a window aside, of which nothing else is left, however long that takes; true
    /// when the process ends first.
    async fn refuse(&self, window: &Window, stop: &mut watch::Receiver<bool>) -> bool {
        let refused = window.refused.iter();
        let refused: Vec<_> = refused
            .map(|(place, reason)| (*place, reason.as_str()))
            .collect();
        let mut disk = Backoff::new(DISK_PAUSE.0, DISK_PAUSE.1);
        let letters = loop {
            match self.tail.refuse(self.chunk, window.end, &refused) {
                Ok(letters) => break letters,
                Err(error) => self.tail.health().set(Some(cannot_keep(&error))),
            }
            if self.wait(window.end - 1, disk.pause(), stop).await {
                return true;
            }
        };
        if let Some((_, reason)) = refused.first() {
            tracing::warn!(
                output = self.tail.name(),
                records = refused.len(),
                reason,
                "the output refuses records; they are in the dead letter, if there is room"
            );
        }
        self.rejected.increment(letters);
        false
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
