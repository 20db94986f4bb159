//! The one thread that writes: takes what waits, writes it, makes it durable, answers.
//!
//! **Gathering.** A sync costs the processor about as much as several requests, so a round is worth
//! more the more frames it has. Whoever was answered in the last round will mostly be back soon, so
//! a round waits for as many frames as came in the last one, but for [`GATHER`] at the most. A
//! sender that is alone is never made to wait: its last round had one frame, and there is one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::PoisonError;
use std::time::Duration;

use crate::journal::{Queue, Shared};
use crate::segment::{self, Segment};
use crate::{Error, Position, Result, Sync};

/// What one round writes. The buffers change places with the queue's, so nothing is allocated once
/// they have grown to what the load needs.
#[derive(Default)]
struct Round {
    bytes: Vec<u8>,
    waiting: Vec<(Position, tokio::sync::oneshot::Sender<Position>)>,
}

/// How long a round may wait for frames. About the time in which one processor handles the 64
/// requests that a busy server has under way; a larger one only adds to the answers' latency.
const GATHER: Duration = Duration::from_millis(1);

/// A buffer larger than this is given back after its round.
const KEPT_BYTES: usize = 8 << 20;

/// Writes until the journal is closed and nothing waits any more, or until a write fails.
pub(crate) fn run(shared: &Shared, mut newest: File) {
    let mut round = Round::default();
    let mut crowd = 1;
    while take(shared, &mut round, crowd) {
        crowd = round.waiting.len();
        if let Err(error) = write(shared, &mut newest, &round.bytes) {
            fail(shared, &error);
            return;
        }
        for (end, waiter) in round.waiting.drain(..) {
            // Who no longer waits does not mind.
            let _gone = waiter.send(end).is_err();
        }
        round.bytes.clear();
        round.bytes.shrink_to(KEPT_BYTES);
    }
}

/// Waits for something to write, gathers up to `crowd` frames, and takes all of it; false when the
/// journal is closed.
fn take(shared: &Shared, round: &mut Round, crowd: usize) -> bool {
    let mut queue = shared.queue();
    queue.wake_at = 1;
    queue = shared
        .work
        .wait_while(queue, |queue| queue.waiting.is_empty() && !queue.closed)
        .unwrap_or_else(PoisonError::into_inner);
    if queue.waiting.len() < crowd && !queue.closed {
        queue.wake_at = crowd;
        let gathering = |queue: &mut Queue| queue.waiting.len() < crowd && !queue.closed;
        queue = match shared.work.wait_timeout_while(queue, GATHER, gathering) {
            Ok((queue, _)) => queue,
            Err(poisoned) => poisoned.into_inner().0,
        };
    }
    queue.wake_at = 0;
    std::mem::swap(&mut queue.bytes, &mut round.bytes);
    std::mem::swap(&mut queue.waiting, &mut round.waiting);
    !round.bytes.is_empty()
}

fn write(shared: &Shared, newest: &mut File, bytes: &[u8]) -> Result<()> {
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
    Ok(())
}

fn newest_segment(shared: &Shared) -> Segment {
    let newest = shared.shelf().segments.back().cloned();
    newest.unwrap_or_else(|| Segment {
        path: shared.dir.clone(),
        base: Position::START,
        end: Position::START,
    })
}

/// Refuses all that waits and all that will come.
fn fail(shared: &Shared, error: &Error) {
    let mut reason = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        reason = format!("{reason}: {source}");
    }
    let mut queue = shared.queue();
    queue.failed = Some(reason);
    queue.bytes = Vec::new();
    // Dropping a sender is the answer that it failed. Those of the round were dropped with it.
    queue.waiting.clear();
}
