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

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirEntryExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::fingerprint::Fingerprint;
use super::places::{Entry, Identity, Place, Places};
use super::tail::{Batch, Found, Line, Tail, last_line_end};
use crate::config::Start;

/// How long a file that has another name, or none, is read on behind its last growth.
pub(super) const ROTATE_WAIT: Duration = Duration::from_secs(30);

/// Batches of a file before another one has its turn.
const TURN_BATCHES: usize = 4;

/// Bytes of lines after which the places are saved.
const SAVE_BYTES: u64 = 32 << 20;

/// Time after which they are, if one has moved.
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// How often patterns are looked through.
const LIST_EVERY: Duration = Duration::from_secs(1);

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

/// What is looked for that is not where it was.
#[derive(Clone, Copy, Debug)]
enum Which {
    /// This file, or a copy of it.
    Renamed(Identity),
    /// What was in this file before it was truncated.
    CopyOf(Identity),
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

    /// Looks where files are.
    fn look(&mut self, now: Instant) {
        let mut seen = HashSet::new();
        for source in 0..self.watched.len() {
            let Some(watched) = self.watched.get_mut(source) else {
                continue;
            };
            let before = std::mem::take(&mut watched.errors);
            let pattern = PathBuf::from(&watched.path);
            let mut errors = Vec::new();
            for path in watched.paths(now) {
                if let Err(error) = self.find(source, &path, &mut seen, now) {
                    errors.push((path, error.to_string()));
                }
            }
            if std::mem::take(&mut self.left_out) {
                errors.push((pattern, too_many(self.most)));
            }
            let Some(watched) = self.watched.get_mut(source) else {
                continue;
            };
            for (path, error) in errors.iter().filter(|error| !before.contains(error)) {
                watched.events.errors += 1;
                tracing::warn!(file = %path.display(), error, "a log file cannot be followed");
            }
            watched.errors = errors;
        }
        self.passed_over
            .retain(|identity, _| seen.contains(identity));
        for tail in &mut self.tails {
            if seen.contains(&tail.identity) {
                tail.superseded = None;
            } else if tail.superseded.is_none() {
                tail.superseded = Some(now);
                tail.grew = now;
                if let Some(watched) = self.watched.get_mut(tail.source) {
                    watched.events.rotated += 1;
                }
                tracing::info!(
                    file = %tail.path.display(),
                    offset = tail.place.offset,
                    "a log file was renamed or removed; it is read to its end"
                );
            }
        }
        if !self.looked {
            self.looked = true;
            self.find_renamed(now);
        }
        let is_new = self.watched.iter().any(|watched| watched.is_new);
        if is_new && self.save(now) {
            for watched in &mut self.watched {
                watched.is_new = false;
            }
        }
    }

    /// Takes note of what is at a path.
    fn find(
        &mut self,
        source: usize,
        path: &Path,
        seen: &mut HashSet<Identity>,
        now: Instant,
    ) -> io::Result<()> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata?,
        };
        let is_pattern = self
            .watched
            .get(source)
            .is_some_and(|watched| watched.is_pattern);
        if !metadata.is_file() {
            return if is_pattern {
                Ok(())
            } else {
                Err(io::Error::other("it is no file"))
            };
        }
        let identity = Identity::of(&metadata);
        if self.passed_over.get(&identity) == Some(&metadata.len()) {
            seen.insert(identity);
            return Ok(());
        }
        if let Some(tail) = self.tails.iter_mut().find(|tail| tail.identity == identity) {
            if seen.insert(identity) && tail.path != path {
                path.clone_into(&mut tail.path);
                tail.real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            }
            return Ok(());
        }
        if self.tails.len() >= self.most {
            self.left_out = true;
            return Ok(());
        }
        let file = open(path)?;
        let identity = Identity::of(&file.metadata()?);
        if is_compressed(&head(&file)?) {
            self.pass_over(path, identity, metadata.len());
            seen.insert(identity);
            return Ok(());
        }
        seen.insert(identity);
        let place = self.place_of(source, identity, &file)?;
        tracing::info!(file = %path.display(), offset = place.offset, "a log file is followed");
        let tail = Tail::new(source, path.to_owned(), file, place, now)?;
        self.tails.push(tail);
        self.touch(now);
        Ok(())
    }

    /// Where to go on in a file that was just found.
    fn place_of(&self, source: usize, identity: Identity, file: &File) -> io::Result<Place> {
        for entry in self.places.files() {
            if entry.identity == identity
                && let Some(fingerprint) = entry.place.fingerprint.grown(file)?
            {
                return Ok(Place {
                    fingerprint,
                    ..entry.place.clone()
                });
            }
        }
        let fingerprint = Fingerprint::default().grown(file)?.unwrap_or_default();
        let from_end = self
            .watched
            .get(source)
            .is_some_and(|watched| watched.is_new && watched.start == Start::End);
        let offset = if from_end { last_line_end(file)? } else { 0 };
        Ok(Place::begin(offset, fingerprint))
    }

    /// Finds files that were renamed or copied while nobody looked, beside where they were.
    fn find_renamed(&mut self, now: Instant) {
        let is_open = |entry: &&Entry| {
            let mut tails = self.tails.iter();
            tails.any(|tail| tail.place.key == entry.place.key)
        };
        let files = self.places.files().iter();
        let lost: Vec<Entry> = files.filter(|entry| !is_open(entry)).cloned().collect();
        for entry in lost {
            // What is no longer configured is no longer followed.
            let mut watched = self.watched.iter();
            let Some(source) = watched.position(|watched| watched.path == entry.path) else {
                continue;
            };
            let which = Which::Renamed(entry.identity);
            self.find_content(source, &entry.file, which, &entry.place, now);
        }
    }

    /// Reads a file to its end to which no path leads.
    fn read_on(&mut self, source: usize, path: PathBuf, file: File, place: Place, now: Instant) {
        tracing::info!(
            file = %path.display(),
            offset = place.offset,
            "a log file that was renamed or copied is read to its end"
        );
        if let Ok(mut tail) = Tail::new(source, path, file, place, now) {
            tail.superseded = Some(now);
            self.tails.push(tail);
            self.touch(now);
        }
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

    /// Takes note of a compressed file.
    fn pass_over(&mut self, path: &Path, identity: Identity, size: u64) {
        if self.passed_over.insert(identity, size).is_none() {
            tracing::info!(
                file = %path.display(),
                "a compressed file is not followed; `gatelog import` reads it"
            );
        }
    }

    /// Whether a file is compressed that was empty when it was found, as that of a `gzip` under way is.
    /// These are its bytes behind the place.
    fn passes_over(&mut self, index: usize, bytes: &[u8]) -> bool {
        let fresh = self.tails.get_mut(index).filter(|tail| tail.is_fresh());
        let Some(tail) = fresh.filter(|_| is_compressed(bytes)) else {
            return false;
        };
        tail.is_passed_over = true;
        let (path, identity, size) = (tail.path.clone(), tail.identity, tail.size);
        self.pass_over(&path, identity, size);
        true
    }

    /// Whether a file that a pattern has found begins as another one of its directory does: before a
    /// file is truncated a copy is made of it, of which the lines are not to be taken again.
    fn may_be_a_copy(&self, index: usize, now: Instant) -> bool {
        let Some(tail) = self.tails.get(index) else {
            return false;
        };
        let source = self.watched.get(tail.source);
        let is_young = now.duration_since(tail.found) < ROTATE_WAIT;
        if !is_young || !tail.is_fresh() || !source.is_some_and(|source| source.is_pattern) {
            return false;
        }
        self.tails.iter().any(|other| {
            let is_near =
                other.identity != tail.identity && other.real.parent() == tail.real.parent();
            let begins_so = || tail.place.fingerprint.grown(other.file()).ok().flatten();
            is_near && !other.is_fresh() && begins_so().is_some()
        })
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

    /// Goes on with a file that was begun anew, or that somebody has cut.
    fn truncated(&mut self, index: usize, size: u64, same_head: bool, now: Instant) {
        let Some(tail) = self.tails.get_mut(index) else {
            return;
        };
        if let Some(watched) = self.watched.get_mut(tail.source) {
            watched.events.truncated += 1;
        }
        let before = tail.place.clone();
        let is_cut = same_head && before.fingerprint.bytes > 0;
        if is_cut {
            // What is left was read. The key is another one: letters of lines that were cut off do not
            // come again.
            let offset = size.min(before.offset);
            tail.begin_at(Place::begin(offset, before.fingerprint));
        } else {
            tail.begin_at(Place::begin(0, Fingerprint::default()));
        }
        let (source, identity) = (tail.source, tail.identity);
        let (path, real) = (tail.path.clone(), tail.real.clone());
        tracing::warn!(
            file = %path.display(),
            read_bytes = before.offset,
            size,
            "a log file was truncated; it is read on from {}",
            if is_cut { "where it was" } else { "its beginning" }
        );
        if !is_cut {
            self.find_content(source, &real, Which::CopyOf(identity), &before, now);
        }
        if !self.tails.iter().any(|tail| tail.place.key == before.key) {
            self.sink.forget(&before.key);
        }
        self.save(now);
    }

    /// Finds a file that begins as one did that is not where it was, and goes on there: it was renamed,
    /// or copied before it was truncated.
    fn find_content(&mut self, source: usize, was: &Path, it: Which, place: &Place, now: Instant) {
        let is_it = |found: Identity, path: &Path| {
            let may_be = match it {
                // One that was empty is known by nothing else.
                Which::Renamed(identity) => found == identity || place.fingerprint.bytes > 0,
                Which::CopyOf(identity) => found != identity && place.fingerprint.bytes > 0,
            };
            let is_long = || fs::metadata(path).is_ok_and(|found| found.len() >= place.offset);
            let begins_so = |file: File| place.fingerprint.grown(&file).ok().flatten().is_some();
            may_be && is_long() && open(path).is_ok_and(begins_so)
        };
        let Some((path, file)) = beside(was, is_it) else {
            return;
        };
        let found = file.metadata().map(|metadata| Identity::of(&metadata));
        let Ok(found) = found else { return };
        match self.tails.iter_mut().find(|tail| tail.identity == found) {
            // A pattern has it, and it was taken for another file.
            Some(tail) if tail.is_fresh() => tail.begin_at(place.clone()),
            Some(_) => {}
            None => self.read_on(source, path, file, place.clone(), now),
        }
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

impl Watched {
    /// The paths to look at.
    fn paths(&mut self, now: Instant) -> Vec<PathBuf> {
        if !self.is_pattern {
            return vec![PathBuf::from(&self.path)];
        }
        match &self.listed {
            Some((at, paths)) if now.duration_since(*at) < LIST_EVERY => paths.clone(),
            _ => {
                let found = glob::glob(&self.path).into_iter().flatten();
                // What cannot be looked into has no files for us.
                let paths: Vec<PathBuf> = found.filter_map(Result::ok).collect();
                self.listed = Some((now, paths.clone()));
                paths
            }
        }
    }
}

/// Opens a file for reading; a pipe that took its place is not waited for.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let mut options = fs::OpenOptions::new();
    let flags = i32::try_from(flags).unwrap_or_default();
    options.read(true).custom_flags(flags).open(path)
}

fn too_many(most: usize) -> String {
    format!(
        "{most} files are open, as many as may be; others are followed when one of these is rotated away"
    )
}

/// The first bytes of a file.
fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(4).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether these are the first bytes of gzip or zstd.
fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b") || bytes.starts_with(b"\x28\xb5\x2f\xfd")
}

/// The file in the directory of another one that is the one looked for.
fn beside(path: &Path, is_it: impl Fn(Identity, &Path) -> bool) -> Option<(PathBuf, File)> {
    let directory = path.parent()?;
    let device = |path: &Path| fs::symlink_metadata(path).map(|metadata| Identity::of(&metadata));
    for entry in fs::read_dir(directory).ok()?.filter_map(Result::ok) {
        let path = entry.path();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || entry.ino() == 0 {
            continue;
        }
        if device(&path).is_ok_and(|found| is_it(found, &path)) {
            return open(&path).ok().map(|file| (path, file));
        }
    }
    None
}

#[cfg(test)]
mod tests;
