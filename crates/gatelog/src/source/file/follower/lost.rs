//! Files that are not where they were: renamed, copied, cut.
//!
//! **Shape.** What a file begins with is looked for beside where it was, and reading goes on there.

use std::fs::{self, File};
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::fingerprint::Fingerprint;
use super::super::places::{Entry, Identity, Place};
use super::super::tail::Tail;
use super::{Follower, Sink, open};

/// What is looked for that is not where it was.
#[derive(Clone, Copy, Debug)]
enum Which {
    /// This file, or a copy of it.
    Renamed(Identity),
    /// What was in this file before it was truncated.
    CopyOf(Identity),
}

impl<S: Sink> Follower<S> {
    /// Finds files that were renamed or copied while nobody looked, beside where they were.
    pub(super) fn find_renamed(&mut self, now: Instant) {
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

    /// Goes on with a file that was begun anew, or that somebody has cut.
    pub(super) fn truncated(&mut self, index: usize, size: u64, same_head: bool, now: Instant) {
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
