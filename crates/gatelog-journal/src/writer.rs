//! The one thread that writes: takes what waits, writes it, makes it durable, answers.
//!
//! **Gathering.** A sync costs the processor about as much as several requests, so a round is worth
//! more the more appends it has. Who was answered in the last round will mostly be back soon, so a
//! round waits for half as many appends as were under way in the last one, but for [`GATHER`] at the
//! most: while one half is synced, the requests of the other half are read. A sender that is alone is
//! never made to wait: its last round had one append, and there is one.
//!
//! **Failure.** After a failed write or sync, or a panic, all that was not durable is given up, and
//! a fresh segment is begun ([`repair`](crate::repair)). The failed file is never synced again to
//! claim what it holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::Duration;

use gatelog_failpoint as failpoint;

use crate::filesystem::Handle;
use crate::segment::{self, Segment};
use crate::shared::{Queue, Shared};
use crate::space::{self, Space};
use crate::{Error, Position, Result, Sync, acknowledge};

/// How long a round may wait for appends. With 64 connections and all of the appends the processors
/// were idle while a round was synced (49,000 requests/s); with half of them 54,000 are answered, with
/// a third or none no more, for more syncs.
const GATHER: Duration = Duration::from_micros(500);

/// A buffer larger than this is given back after its round.
const KEPT_BYTES: usize = 8 << 20;

/// What is written and synced at once.
#[derive(Debug, Default)]
struct Round {
    /// Whole frames, in order.
    bytes: Vec<u8>,
    appends: usize,
    records: u64,
}

/// What the writer's thread works with.
#[derive(Debug)]
pub(crate) struct Writer<'s> {
    pub(crate) shared: &'s Shared,
    /// The newest segment's file.
    pub(crate) newest: Box<dyn Handle>,
    space: Space,
}

/// Writes until the journal is closed and nothing waits any more.
pub(crate) fn run(shared: &Shared, newest: Box<dyn Handle>) {
    let mut writer = Writer {
        shared,
        newest,
        space: Space::new(),
    };
    loop {
        // A panic here would leave all who wait to wait for ever.
        let reason = match catch_unwind(AssertUnwindSafe(|| writer.write_rounds())) {
            Ok(Ok(())) => break,
            Ok(Err(error)) => error.chain(),
            Err(_) => "the writer panicked".to_owned(),
        };
        fail(shared, &reason);
        let repaired = catch_unwind(AssertUnwindSafe(|| writer.repair()));
        if !repaired.unwrap_or(false) {
            return;
        }
    }
    writer.cut_to_end();
}

impl Writer<'_> {
    fn write_rounds(&mut self) -> Result<()> {
        // Its buffer changes places with the queue's, so nothing is allocated once both have grown
        // to what the load needs.
        let mut round = Round::default();
        let mut crowd = 1;
        loop {
            match take(self.shared, &mut round, crowd) {
                Taken::Round => {}
                Taken::Nothing => {
                    self.space.look(self.shared, 0);
                    continue;
                }
                Taken::Seal => {
                    self.seal()?;
                    continue;
                }
                Taken::Closed => return Ok(()),
            }
            self.space.look(self.shared, round.bytes.len() as u64);
            let durable = self.write(&round)?;
            acknowledge::wake_others(self.shared, durable);
            failpoint::pass("journal.answered");
            round.bytes.clear();
            round.bytes.shrink_to(KEPT_BYTES);
            crowd = round.appends + self.shared.queue().appends;
        }
    }

    /// Makes the frames durable, and publishes how far everything is.
    fn write(&mut self, round: &Round) -> Result<Position> {
        let shared = self.shared;
        let bytes = round.bytes.len() as u64;
        let mut segment = newest_segment(shared);
        let full = segment.offset(segment.end) + bytes > shared.config.segment_bytes;
        if full && segment.base < segment.end {
            segment = self.rotate(&segment)?;
        }
        failpoint::disk("journal.write")
            .and_then(|()| {
                self.newest
                    .write_at(&round.bytes, segment.offset(segment.end))
            })
            .map_err(Error::io("write", &segment.path))?;
        failpoint::pass("journal.written");
        if shared.config.sync == Sync::Fsync {
            failpoint::disk("journal.sync")
                .and_then(|()| self.newest.sync_data())
                .map_err(Error::io("sync", &segment.path))?;
        }
        failpoint::pass("journal.synced");
        let end = segment.end.plus(bytes);
        if let Some(newest) = shared.shelf().newest_mut() {
            newest.end = end;
            newest.records.1 += round.records;
            newest.file_bytes = newest.file_bytes.max(newest.offset(end));
        }
        shared.published.send_modify(|now| now.position = end);
        Ok(end)
    }

    fn rotate(&mut self, sealed: &Segment) -> Result<Segment> {
        let shared = self.shared;
        let (base, records) = (sealed.end, sealed.records.1);
        let stale_bytes = shared.take_spare(base);
        let now_ms = shared.clock.now_ms();
        let (segment, file) = segment::create(&shared.home, base, records, now_ms, stale_bytes)?;
        shared.shelf().push(segment.clone());
        self.newest = file;
        Ok(segment)
    }

    /// Begins a new segment, so that the newest can be given back.
    fn seal(&mut self) -> Result<()> {
        let segment = newest_segment(self.shared);
        if segment.base < segment.end {
            self.rotate(&segment)?;
            // Else the next release does it.
            let _deleted = self.shared.delete_passed().is_ok();
        }
        Ok(())
    }

    /// Gives back what the newest segment's file has behind its frames.
    fn cut_to_end(&self) {
        let segment = newest_segment(self.shared);
        let length = segment.offset(segment.end);
        if length < segment.file_bytes {
            // If it is not done, the next start does it.
            let cut = self.newest.set_length(length);
            let _cut = cut.and_then(|()| self.newest.sync_data()).is_ok();
        }
    }
}

/// What there is to do.
enum Taken {
    Round,
    /// Nothing, but the disk is full, and may have room again.
    Nothing,
    /// No round, but the newest segment is to be sealed.
    Seal,
    Closed,
}

/// Waits for something to write, gathers appends up to half of `crowd`, and takes all of it.
fn take(shared: &Shared, round: &mut Round, crowd: usize) -> Taken {
    let mut queue = shared.queue();
    queue.wake_at = 1;
    let idle = |queue: &mut Queue| queue.appends == 0 && !queue.closed && !queue.seal;
    queue = if queue.disk_full.is_some() {
        wait(shared, queue, space::PERIOD, idle)
    } else {
        let waited = shared.work.wait_while(queue, idle);
        waited.unwrap_or_else(PoisonError::into_inner)
    };
    let crowd = crowd.div_ceil(2);
    if (1..crowd).contains(&queue.appends) && !queue.closed {
        queue.wake_at = crowd;
        let gathering = |queue: &mut Queue| queue.appends < crowd && !queue.closed;
        queue = wait(shared, queue, GATHER, gathering);
    }
    queue.wake_at = 0;
    if queue.appends == 0 {
        return if queue.closed {
            Taken::Closed
        } else if std::mem::take(&mut queue.seal) {
            Taken::Seal
        } else {
            Taken::Nothing
        };
    }
    std::mem::swap(&mut queue.bytes, &mut round.bytes);
    round.appends = std::mem::take(&mut queue.appends);
    round.records = std::mem::take(&mut queue.records);
    Taken::Round
}

/// Waits while `condition` holds, for `limit` at the most.
pub(crate) fn wait<'q>(
    shared: &Shared,
    queue: std::sync::MutexGuard<'q, Queue>,
    limit: Duration,
    condition: impl FnMut(&mut Queue) -> bool,
) -> std::sync::MutexGuard<'q, Queue> {
    match shared.work.wait_timeout_while(queue, limit, condition) {
        Ok((queue, _)) => queue,
        Err(poisoned) => poisoned.into_inner().0,
    }
}

pub(crate) fn newest_segment(shared: &Shared) -> Segment {
    let newest = shared.shelf().newest().cloned();
    newest.unwrap_or_else(|| Segment {
        path: shared.home.path.clone(),
        base: Position::START,
        end: Position::START,
        records: (0, 0),
        created_ms: 0,
        file_bytes: 0,
        sound: true,
    })
}

/// Gives up all that is not durable, and refuses all that comes until there is a fresh segment.
fn fail(shared: &Shared, reason: &str) {
    let durable = newest_segment(shared).end;
    let mut queue = shared.queue();
    queue.failed = Some(reason.to_owned());
    queue.bytes = Vec::new();
    queue.appends = 0;
    queue.records = 0;
    queue.end = durable;
    queue.generation += 1;
    shared.generations().end(durable, reason);
    let generation = queue.generation;
    // Nothing more is durable, but all who wait are to look.
    shared.published.send_modify(|now| {
        now.generation = generation;
        now.position = durable;
    });
    drop(queue);
    acknowledge::wake_others(shared, Position::new(u64::MAX));
}
