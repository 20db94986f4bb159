//! Which files are followed, and how far: over rotation, truncation and restarts.
//!
//! **Shape.** A [poll](Follower::poll) looks under which names files are now, reads batches of lines of
//! each, hands them to a [`Sink`], and makes the places durable from time to time.
//!
//! ```text
//! paths, patterns ─► look: new · renamed · gone      ┌─► Sink: journaled, or not yet
//!                            └─► tails ─► batches ───┘        │
//!                    places (disk) ◄── how far ◄──────────────┘
//! ```
//!
//! A file is itself by device and inode, as long as it begins as it did ([`fingerprint`](super)). No
//! notification of the system is used: a poll costs a `stat` for each file, and works on every
//! filesystem.
//!
//! **Invariants.** Before a line of a file is handed on, its key and what the file begins with are
//! durable: a line has one name, file key and line number, however often it is handed on. A file whose
//! name leads to another one is read on until it has not grown for [`ROTATE_WAIT`], as its gateway may
//! write to it for a while. A file that comes to be under a path that was looked for before is read from
//! its first line.
//!
//! **Limits.** A file is open as long as it is followed; what is one too many is told and left out.
//! [`TURN_BATCHES`] batches of a file in its turn. At most [`SAVE_BYTES`] or [`SAVE_EVERY`]
//! are read again after a crash.
//!
//! **Failure.** A file that cannot be read is told, and tried again. When the places cannot be written
//! nothing is read on.

mod looking;
mod lost;

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::places::{Entry, Identity, Places};
use super::tail::{Batch, Found, Line, Tail};
use crate::config::Start;

/// How long a file that has another name, or none, is read on behind its last growth.
pub(super) const ROTATE_WAIT: Duration = Duration::from_secs(30);

/// Batches of a file before another one has its turn.
const TURN_BATCHES: usize = 4;

/// Bytes of lines after which the places are saved.
const SAVE_BYTES: u64 = 32 << 20;

/// Time after which they are, if one has moved.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// How long nothing of a file is tried whose lines were not taken.
const RETRY: Duration = Duration::from_millis(500);

/// Lines of a file, to be journaled.
#[derive(Debug)]
pub(super) struct Lines<'b> {
    pub(super) source: usize,
    /// Under which name the file was found.
    pub(super) path: &'b Path,
    /// Which file it is.
    pub(super) key: &'b str,
    /// Number of the first line.
    pub(super) first: u64,
    /// Its place in the file.
    pub(super) offset: u64,
    pub(super) parts: &'b [Line],
    /// What the lines are parts of.
    pub(super) bytes: &'b [u8],
}

/// Takes lines.
pub(super) trait Sink {
    /// Takes lines for good: when it returns they are durable, each once, also when they were handed
    /// on before under the same key and numbers.
    ///
    /// # Errors
    /// Why they are not taken now. They come again.
    fn take(&mut self, lines: &Lines<'_>) -> Result<(), String>;

    /// Takes note that a file is done with.
    fn forget(&mut self, key: &str);
}

/// What happened to a source, for `/metrics`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Events {
    /// Files whose name was given to another one, or that were removed.
    pub(super) rotated: u64,
    /// Files that were begun anew, or cut.
    pub(super) truncated: u64,
    /// Times that something could not be read, or was not taken.
    pub(super) errors: u64,
}

/// A path or pattern that is looked for.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) path: String,
    start: Start,
    is_pattern: bool,
    listed: Option<(Instant, Vec<PathBuf>)>,
    /// Whether this is the first time that anybody looks for it.
    is_new: bool,
    /// What is wrong, by the path that it is about.
    pub(super) errors: Vec<(PathBuf, String)>,
    pub(super) events: Events,
}

/// Follows files.
pub(super) struct Follower<S> {
    pub(super) watched: Vec<Watched>,
    pub(super) tails: Vec<Tail>,
    /// Files that may be open.
    most: usize,
    /// Whether a file of the source that is looked for was left out, as too many are open.
    left_out: bool,
    sink: S,
    places: Places,
    /// Compressed files, which are not followed, with their lengths: they do not grow.
    passed_over: HashMap<Identity, u64>,
    buffer: Vec<u8>,
    /// Whether a place is not as it is on disk, and since when and how many bytes.
    unsaved: Option<Instant>,
    unsaved_bytes: u64,
    /// Why the places cannot be written.
    pub(super) save_error: Option<String>,
    looked: bool,
}

impl<S: Sink> Follower<S> {
    /// Follows these paths and patterns, with so many files open at most.
    pub(super) fn new(paths: Vec<(String, Start)>, most: usize, places: Places, sink: S) -> Self {
        let watched = paths.into_iter().map(|(path, start)| Watched {
            is_pattern: path.contains(['*', '?', '[']),
            is_new: !places.knows(&path),
            start,
            path,
            listed: None,
            errors: Vec::new(),
            events: Events::default(),
        });
        Self {
            watched: watched.collect(),
            tails: Vec::new(),
            most,
            left_out: false,
            sink,
            places,
            passed_over: HashMap::new(),
            buffer: Vec::new(),
            unsaved: None,
            unsaved_bytes: 0,
            save_error: None,
            looked: false,
        }
    }

    /// Looks at all files once; whether more of their lines is at hand.
    pub(super) fn poll(&mut self, now: Instant, stop: &dyn Fn() -> bool) -> bool {
        self.look(now);
        let mut more = false;
        for index in 0..self.tails.len() {
            for turn in 0..=TURN_BATCHES {
                if turn == TURN_BATCHES {
                    more = true;
                } else if stop() || !self.step(index, now) {
                    break;
                }
            }
        }
        self.leave(now);
        let is_due = |since: Instant| now.duration_since(since) >= SAVE_EVERY;
        if self.unsaved.is_some_and(is_due) || self.unsaved_bytes >= SAVE_BYTES {
            self.save(now);
        }
        more
    }

    /// Makes the places durable at the end.
    pub(super) fn finish(mut self, now: Instant) {
        if self.unsaved.is_some() {
            self.save(now);
        }
    }

    fn touch(&mut self, now: Instant) {
        self.unsaved.get_or_insert(now);
    }

    /// Takes a batch of a file; whether it did and there may be more.
    fn step(&mut self, index: usize, now: Instant) -> bool {
        let Some(tail) = self.tails.get_mut(index) else {
            return false;
        };
        if tail.retry.is_some_and(|retry| now < retry) {
            return false;
        }
        let rest = tail.is_left(now);
        let mut buffer = std::mem::take(&mut self.buffer);
        let found = tail.look(&mut buffer, rest, now);
        let went_on = match found {
            Ok(Found::Nothing) => false,
            Ok(Found::Lines(_)) if self.passes_over(index, &buffer) => false,
            Ok(Found::Lines(_)) if self.may_be_a_copy(index, now) => false,
            Ok(Found::Lines(batch)) => match self.take(index, &batch, &buffer, now) {
                Ok(()) => true,
                Err(error) => {
                    self.fail(index, error, now);
                    false
                }
            },
            Ok(Found::Truncated { size, same_head }) => {
                self.truncated(index, size, same_head, now);
                true
            }
            Err(error) => {
                self.fail(index, error.to_string(), now);
                false
            }
        };
        // Files that rest need no memory.
        self.buffer = if went_on { buffer } else { Vec::new() };
        went_on
    }

    fn take(
        &mut self,
        index: usize,
        batch: &Batch,
        buffer: &[u8],
        now: Instant,
    ) -> Result<(), String> {
        let is_named = self.tails.get(index).is_some_and(|tail| {
            let durable = self.places.of(&tail.place.key);
            durable.is_some_and(|place| place.fingerprint == tail.place.fingerprint)
        });
        let is_due = self.unsaved_bytes >= SAVE_BYTES || self.save_error.is_some();
        if (!is_named || is_due) && !self.save(now) {
            let error = self.save_error.as_deref().unwrap_or("no reason is known");
            return Err(format!("how far files were read cannot be kept: {error}"));
        }
        let Some(tail) = self.tails.get_mut(index) else {
            return Ok(());
        };
        self.sink.take(&Lines {
            source: tail.source,
            path: &tail.path,
            key: &tail.place.key,
            first: tail.place.line,
            offset: tail.place.offset,
            parts: &batch.lines,
            bytes: buffer,
        })?;
        if tail.error.is_some() {
            tracing::info!(file = %tail.path.display(), "lines of a log file are taken again");
        }
        tail.advance(batch);
        self.unsaved_bytes += batch.bytes;
        self.touch(now);
        Ok(())
    }

    fn fail(&mut self, index: usize, error: String, now: Instant) {
        let Some(tail) = self.tails.get_mut(index) else {
            return;
        };
        if let Some(watched) = self.watched.get_mut(tail.source) {
            watched.events.errors += 1;
        }
        if tail.error.as_ref() != Some(&error) {
            tracing::warn!(file = %tail.path.display(), error, "lines of a log file are not taken; they wait in the file");
        }
        tail.error = Some(error);
        tail.retry = Some(now + RETRY);
    }

    /// Lets go of files that were renamed or removed and have not grown for a while.
    fn leave(&mut self, now: Instant) {
        self.tails.retain(|tail| !tail.is_passed_over);
        let leaves = |tail: &Tail| {
            tail.is_left(now) && tail.lag_bytes() == 0 && (tail.is_deleted() || tail.path.exists())
        };
        if !self.tails.iter().any(leaves) {
            return;
        }
        // The place on disk stays as it is then. Behind an older one letters would be cut at the next
        // start, and nothing would come again.
        if self.unsaved.is_some() && !self.save(now) {
            return;
        }
        let mut left = Vec::new();
        self.tails.retain(|tail| {
            let leaves = leaves(tail);
            if leaves {
                left.push((tail.path.clone(), tail.place.clone()));
            }
            !leaves
        });
        for (path, place) in left {
            tracing::info!(file = %path.display(), bytes = place.offset, "a renamed or removed log file was read to its end");
            self.sink.forget(&place.key);
            self.touch(now);
        }
    }

    /// Makes the places durable; whether they are.
    fn save(&mut self, now: Instant) -> bool {
        let seen = SystemTime::now().duration_since(UNIX_EPOCH);
        let seen = seen.unwrap_or_default().as_secs();
        let path = |source: usize| self.watched.get(source).map(|watched| watched.path.clone());
        let entries = self.tails.iter().map(|tail| Entry {
            path: path(tail.source).unwrap_or_default(),
            file: tail.real.clone(),
            identity: tail.identity,
            place: tail.place.clone(),
            seen,
        });
        let paths = self.watched.iter().map(|watched| watched.path.clone());
        let paths: BTreeSet<String> = paths.collect();
        match self.places.save(paths, entries.collect(), seen) {
            Ok(()) => {
                if self.save_error.take().is_some() {
                    tracing::info!("how far files were read can be kept again");
                }
                self.unsaved = None;
                self.unsaved_bytes = 0;
                true
            }
            Err(error) => {
                let error = error.to_string();
                if self.save_error.as_ref() != Some(&error) {
                    tracing::warn!(
                        error,
                        "how far files were read cannot be kept; nothing more is read"
                    );
                }
                self.save_error = Some(error);
                self.touch(now);
                false
            }
        }
    }
}

impl Tail {
    /// Whether no line of it was taken.
    fn is_fresh(&self) -> bool {
        self.place.offset == 0 && self.place.line == 0
    }

    /// Whether nobody is expected to write to it any more.
    fn is_left(&self, now: Instant) -> bool {
        self.superseded.is_some() && now.duration_since(self.grew) >= ROTATE_WAIT
    }
}

/// Opens a file for reading; a pipe that took its place is not waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let mut options = fs::OpenOptions::new();
    let flags = i32::try_from(flags).unwrap_or_default();
    options.read(true).custom_flags(flags).open(path)
}

#[cfg(test)]
mod tests;
