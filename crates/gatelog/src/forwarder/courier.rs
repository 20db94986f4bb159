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
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatelog_journal::Cursor;
use tokio::sync::{oneshot, watch};

use super::crew::Crew;
use super::inbox::Ahead;
use super::progress::{Passed, Wanted};
use super::tail::{Tail, Terms};
use super::view::{Taken, VIEW_BYTES};
use crate::backoff::Backoff;
use crate::caught::caught_async;
use crate::output::{Settings, Undelivered};

/// The pause after a failure of the own disk, first and longest.
const DISK_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long an output may go on delivering what the journal has when the process ends.
const DRAIN: Duration = Duration::from_secs(5);

/// How often it is looked whether a batch is full.
const GATHER_TICK: Duration = Duration::from_millis(20);

/// How often an output passes what it does not want.
const IDLE_TICK: Duration = Duration::from_millis(100);

/// How often it is looked, when the process ends, whether the scout has looked at everything.
const LAST_TICK: Duration = Duration::from_millis(5);

/// What the thread works with.
pub(super) struct Courier {
    tail: Arc<Tail>,
    cursor: Cursor,
    crew: Weak<Crew>,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier")
            .field("tail", &self.tail)
            .finish_non_exhaustive()
    }
}

impl Courier {
    /// For one of this crew.
    pub(super) fn new(tail: Arc<Tail>, crew: Weak<Crew>) -> Self {
        Self {
            cursor: tail.cursor(),
            tail,
            crew,
        }
    }

    /// Starts the thread, which begins when `gate` opens and ends without a trace if it never does.
    pub(super) fn start(
        mut self,
        gate: oneshot::Receiver<()>,
        stop: watch::Receiver<bool>,
    ) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::Builder::new()
            .name(self.tail.reader().to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    if gate.await.is_err() {
                        return;
                    }
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
                    self.tail.terms().counts.errors.increment(1);
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
                    if self.tail.is_over() && self.has_ended() {
                        return;
                    }
                    if went == Went::Stopped || went == Went::Idle && *stop.borrow() {
                        return;
                    }
                    self.gather(&mut stop).await;
                }
            }
        }
    }

    /// Whether it belongs no longer to the outputs, and nothing of it is left.
    fn has_ended(&self) -> bool {
        let crew = self.crew.upgrade();
        crew.is_none_or(|crew| crew.end(self.tail.id()))
    }

    /// Does what there is to do before it waits for more.
    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Went, String> {
        let cut = self.tail.cut_letters();
        cut.map_err(|error| format!("the dead letter cannot be read: {error}"))?;
        self.forward(stop).await
    }

    /// Waits until there is something to deliver, and then for a batch to grow.
    async fn gather(&mut self, stop: &mut watch::Receiver<bool>) {
        let at = self.tail.passed().position;
        let mut terms = self.tail.new_terms();
        if self.tail.is_over() {
            return;
        }
        let inbox = self.tail.inbox();
        match inbox.next(at) {
            Ahead::Unknown => return,
            Ahead::At(_) => {}
            Ahead::Nothing if *stop.borrow() => return tokio::time::sleep(LAST_TICK).await,
            Ahead::Nothing => {
                // What it does not want is passed now and then, if there is any.
                let cursor = &mut self.cursor;
                let pass = async {
                    if cursor.seek(at).is_ok() {
                        let _closed = cursor.wait().await.is_err();
                    }
                    tokio::time::sleep(IDLE_TICK).await;
                };
                tokio::select! {
                    () = inbox.arrived() => {}
                    () = pass => return,
                    _ = terms.changed() => return,
                    _ = stop.wait_for(|stop| *stop) => return,
                }
            }
        }
        let settings = &self.tail.terms().settings;
        if settings.max_batch_records <= 1 {
            return;
        }
        // One batch is enough: the others that may be under way are for those who come meanwhile.
        let full = settings.max_batch_records;
        let deadline = Instant::now() + settings.max_coalescing_delay;
        while !inbox.has(full, VIEW_BYTES) {
            let left = deadline.saturating_duration_since(Instant::now());
            let stopped = stop.wait_for(|stop| *stop);
            let pause = tokio::time::timeout(left.min(GATHER_TICK), stopped);
            if left.is_zero() || pause.await.is_ok() {
                return;
            }
        }
    }

    /// Takes and delivers what there is.
    async fn forward(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Went, String> {
        let at = self.tail.passed().position;
        let taken = self.tail.take(at, &mut self.cursor);
        let view = match taken.map_err(|error| error.to_string())? {
            Taken::View(view) => view,
            Taken::Damaged(damage) => {
                self.tail.pass_damage(&damage);
                return Ok(Went::On);
            }
            Taken::Nothing(position) => {
                self.tail.health().set_opened();
                self.tail.pass_nothing(position);
                let end = self.cursor.position().plus(self.cursor.unread_bytes());
                // What the scout has not looked at yet may be for it.
                let has_all = position >= end;
                return Ok(if has_all { Went::Idle } else { Went::On });
            }
        };
        let wanted = view.wanted(self.tail.id());
        if wanted.records.is_empty() {
            // There is nothing to tell by how it is.
            self.tail.health().set_opened();
        }
        let delivery = Delivery {
            tail: &self.tail,
            chunk: &wanted,
        };
        delivery.all(stop).await
    }
}

fn backoff(settings: &Settings) -> Backoff {
    Backoff::new(settings.initial_retry_delay, settings.max_retry_delay)
}

/// How many records are under way at a time at the most.
fn window_records(settings: &Settings) -> usize {
    let batch = settings.max_batch_records.max(1);
    batch.saturating_mul(settings.concurrency.max(1))
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
        let mut news = self.tail.new_terms();
        let mut terms = Arc::clone(&news.borrow_and_update());
        let mut backoff = backoff(&terms.settings);
        let mut failing_since = None;
        let count = self.chunk.records.len();
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
                terms = Arc::clone(&news.borrow_and_update());
                let size = window_records(&terms.settings);
                window.end = count.min(first.saturating_add(size));
                window.left = (first..window.end).collect();
            }
            let now = Arc::clone(&news.borrow_and_update());
            if !Arc::ptr_eq(&now, &terms) {
                backoff = self::backoff(&now.settings);
                terms = now;
            }
            let before = window.left.len();
            let attempt = self.attempt(&terms, &mut window, &mut failing_since, stop);
            let next = attempt.await;
            if window.left.len() < before {
                backoff = self::backoff(&terms.settings);
                failing_since = failing_since.filter(|_| !window.left.is_empty());
            }
            match next {
                Next::Stopped => return Ok(Went::Stopped),
                Next::On => {}
                Next::Later(after) => {
                    let pause = backoff.pause().max(after.unwrap_or_default());
                    let pause = async {
                        tokio::select! {
                            () = tokio::time::sleep(pause) => {}
                            // With other terms it may go better.
                            _ = news.changed() => {}
                        }
                    };
                    if self.wait(window.next(), pause, stop).await {
                        return Ok(Went::Stopped);
                    }
                }
            }
        }
    }

    /// Delivers what is left of the window, and takes note of what became of it.
    async fn attempt(
        &self,
        terms: &Terms,
        window: &mut Window,
        failing_since: &mut Option<Instant>,
        stop: &mut watch::Receiver<bool>,
    ) -> Next {
        let health = self.tail.health();
        let records = window
            .left
            .iter()
            .filter_map(|place| self.chunk.records.get(*place).copied());
        let records: Vec<_> = records.collect();
        health.busy(true);
        let answer = tokio::select! {
            answer = terms.output.deliver(&records) => Some(answer),
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
        terms.counts.delivered.increment(taken as u64);
        let mut failure = (!left.is_empty()).then_some(reason);
        let mut next = Next::On;
        if let Some(reason) = &mut failure {
            terms.counts.errors.increment(1);
            next = Next::Later(after);
            let since = *failing_since.get_or_insert_with(Instant::now);
            let limit = terms.settings.max_retry_time;
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
            let pause = tokio::time::sleep(disk.pause());
            if self.wait(window.end - 1, pause, stop).await {
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
        self.tail.terms().counts.rejected.increment(letters);
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
    async fn wait(
        &self,
        next: usize,
        pause: impl Future<Output = ()>,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        tokio::select! {
            () = pause => false,
            () = self.taken_away(next) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        }
    }
}

fn cannot_keep(error: &io::Error) -> String {
    format!("the dead letter cannot be written: {error}")
}
