//! Where files are: which are new, which have another name, which are not for us.
//!
//! **Invariants.** A compressed file is not followed, also when it is found while it is still empty. A copy
//! that is made of a file before that is truncated is not taken for another file.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::fingerprint::Fingerprint;
use super::super::places::{Identity, Place};
use super::super::tail::{Tail, last_line_end};
use super::{Follower, ROTATE_WAIT, Sink, Watched, open};
use crate::config::Start;

/// How often patterns are looked through.
const LIST_EVERY: Duration = Duration::from_secs(1);

impl<S: Sink> Follower<S> {
    /// Looks where files are.
    pub(super) fn look(&mut self, now: Instant) {
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
        let opened = Identity::of(&file.metadata()?);
        if opened != identity {
            // Another file has taken the name since: at the next look it may have one of its own.
            return Ok(());
        }
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

    /// Takes note of a compressed file.
    pub(super) fn pass_over(&mut self, path: &Path, identity: Identity, size: u64) {
        if self.passed_over.insert(identity, size).is_none() {
            tracing::info!(
                file = %path.display(),
                "a compressed file is not followed; `gatelog import` reads it"
            );
        }
    }

    /// Whether a file is compressed that was empty when it was found, as that of a `gzip` under way is.
    /// These are its bytes behind the place.
    pub(super) fn passes_over(&mut self, index: usize, bytes: &[u8]) -> bool {
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
    pub(super) fn may_be_a_copy(&self, index: usize, now: Instant) -> bool {
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
