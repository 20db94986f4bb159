//! The one thread that writes: takes what waits, writes it, makes it durable, answers.
//!
//! **Gathering.** A sync costs the processor about as much as several requests, so a round is worth
//! more the more appends it has. Who was answered in the last round will mostly be back soon, so a
//! round waits for as many appends as were under way in the last one, but for [`GATHER`] at the most.
//! A sender that is alone is never made to wait: its last round had one append, and there is one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::journal::{Queue, Shared};
use crate::segment::{self, Segment};
use crate::{Error, Position, Result, Sync, acknowledge};

/// How long a round may wait for appends. With 64 connections a longer wait (1 ms) left the
/// processors idle, a shorter one (300 us, for half of the appends) spent more of them on syncs.
const GATHER: Duration = Duration::from_micros(500);

/// A buffer larger than this is given back after its round.
const KEPT_BYTES: usize = 8 << 20;

/// Writes until the journal is closed and nothing waits any more, or until a write fails.
pub(crate) fn run(shared: &Shared, newest: File) {
    // A panic here would leave all who wait to wait for ever.
    let ended = catch_unwind(AssertUnwindSafe(|| write_rounds(shared, newest)));
    if ended.is_err() {
        fail(shared, "the writer panicked".to_owned());
    }
}

fn write_rounds(shared: &Shared, mut newest: File) {
    // It changes places with the queue's buffer, so nothing is allocated once both have grown to
    // what the load needs.
    let mut bytes = Vec::new();
    let mut crowd = 1usize;
    while let Some(appends) = take(shared, &mut bytes, crowd) {
        match write(shared, &mut newest, &bytes) {
            Ok(durable) => acknowledge::wake_others(shared, durable),
            Err(error) => return fail(shared, reason(&error)),
        }
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES);
        crowd = appends + shared.queue().appends;
    }
}

/// Waits for something to write, gathers up to `crowd` appends, and takes all of it: how many there
/// are, or `None` when the journal is closed.
fn take(shared: &Shared, bytes: &mut Vec<u8>, crowd: usize) -> Option<usize> {
    let mut queue = shared.queue();
    queue.wake_at = 1;
    queue = shared
        .work
        .wait_while(queue, |queue| queue.appends == 0 && !queue.closed)
        .unwrap_or_else(PoisonError::into_inner);
    if queue.appends < crowd && !queue.closed {
        queue.wake_at = crowd;
        let gathering = |queue: &mut Queue| queue.appends < crowd && !queue.closed;
        queue = match shared.work.wait_timeout_while(queue, GATHER, gathering) {
            Ok((queue, _)) => queue,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
    queue.wake_at = 0;
    std::mem::swap(&mut queue.bytes, bytes);
    let appends = std::mem::take(&mut queue.appends);
    (appends > 0).then_some(appends)
}

/// Makes the frames durable, and publishes how far everything is.
fn write(shared: &Shared, newest: &mut File, bytes: &[u8]) -> Result<Position> {
    let mut segment = newest_segment(shared);
    let full = segment.disk_bytes() + bytes.len() as u64 > shared.config.segment_bytes;
    if full && segment.base < segment.end {
        (segment, *newest) = segment::create(&shared.dir, shared.id, segment.end)?;
        shared.shelf().segments.push_back(segment.clone());
    }
    let offset = segment.offset(segment.end);
    newest
        .write_all_at(bytes, offset)
        .map_err(Error::io("write", &segment.path))?;
    if shared.config.sync == Sync::Fsync {
        newest
            .sync_data()
            .map_err(Error::io("sync", &segment.path))?;
    }
    let end = segment.end.plus(bytes.len() as u64);
    if let Some(newest) = shared.shelf().segments.back_mut() {
        newest.end = end;
    }
    shared.durable.send_replace(end);
    Ok(end)
}

fn newest_segment(shared: &Shared) -> Segment {
    let newest = shared.shelf().segments.back().cloned();
    newest.unwrap_or_else(|| Segment {
        path: shared.dir.clone(),
        base: Position::START,
        end: Position::START,
    })
}

fn reason(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Refuses all that waits and all that will come.
fn fail(shared: &Shared, reason: String) {
    let mut queue = shared.queue();
    queue.failed = Some(reason);
    queue.bytes = Vec::new();
    queue.appends = 0;
    drop(queue);
    shared.failed.store(true, Ordering::Release);
    // Nothing more is durable, but all who wait are to look.
    shared.durable.send_modify(|_| ());
    acknowledge::wake_others(shared, Position::new(u64::MAX));
}
