//! The segments, and who still needs them.
//!
//! **Invariants.** Segments leave oldest first, when every reader has released them, and never the
//! newest. Each removal is durable before the next one: whatever a crash takes back, no segment is
//! missing between two others.

use std::collections::{HashMap, VecDeque};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, PoisonError, TryLockError};

use gatelog_failpoint as failpoint;

use crate::directory::SPARE;
use crate::hold::Hold;
use crate::segment::{self, Segment};
use crate::shared::Shared;
use crate::{Error, Position, Result};

/// See above.
#[derive(Debug)]
pub(crate) struct Shelf {
    /// Oldest first; the last is being written.
    segments: VecDeque<Segment>,
    /// Bytes of all files but the newest.
    sealed_bytes: u64,
    /// How long the file is that the next segment is to be made of; 0 when there is none. What is
    /// written over needs no new blocks, and its sync takes half the time.
    spare_bytes: u64,
    holds: HashMap<String, Arc<Hold>>,
}

/// What the segment files take, spare one and all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    /// Behind the last frame that they hold,
    end: Position,
    /// and for how many bytes of frames behind it there is a place in the newest.
    room: u64,
    /// What the newest takes.
    pub(crate) newest_bytes: u64,
}

impl Usage {
    /// What they take at the most when everything up to `end` is written.
    pub(crate) fn bytes_at(self, end: Position) -> u64 {
        let more = end.since(self.end);
        if more <= self.room {
            self.bytes
        } else {
            // With the header of a segment for them, and of an empty one behind it.
            self.bytes + 2 * segment::HEADER_BYTES + more
        }
    }
}

impl Shelf {
    pub(crate) fn new(segments: VecDeque<Segment>) -> Self {
        let bytes: u64 = segments.iter().map(|segment| segment.file_bytes).sum();
        let newest = segments.back().map_or(0, |segment| segment.file_bytes);
        Self {
            segments,
            sealed_bytes: bytes - newest,
            spare_bytes: 0,
            holds: HashMap::new(),
        }
    }

    pub(crate) fn oldest(&self) -> Position {
        self.segments
            .front()
            .map(|segment| segment.base)
            .unwrap_or_default()
    }

    pub(crate) fn newest(&self) -> Option<&Segment> {
        self.segments.back()
    }

    pub(crate) fn newest_mut(&mut self) -> Option<&mut Segment> {
        self.segments.back_mut()
    }

    /// The segment that holds the frame at `position`.
    pub(crate) fn at(&self, position: Position) -> Option<&Segment> {
        let after = self
            .segments
            .partition_point(|segment| segment.base <= position);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        (position < segment.end).then_some(segment)
    }

    /// Puts a segment behind the others. If the last one has the same base, it holds nothing and
    /// its file is no more.
    pub(crate) fn push(&mut self, segment: Segment) {
        if let Some(newest) = self.segments.pop_back()
            && newest.base < segment.base
        {
            self.sealed_bytes += newest.file_bytes;
            self.segments.push_back(newest);
        }
        self.segments.push_back(segment);
    }

    /// The position of the oldest frame, and the one behind the newest.
    pub(crate) fn extent(&self) -> (Position, Position) {
        let end = self.newest().map(|newest| newest.end);
        (self.oldest(), end.unwrap_or_default())
    }

    /// What the files take at present.
    pub(crate) fn usage(&self) -> Usage {
        let newest = self.newest();
        Usage {
            bytes: self.sealed_bytes
                + self.spare_bytes
                + newest.map_or(0, |newest| newest.file_bytes),
            end: newest.map(|newest| newest.end).unwrap_or_default(),
            newest_bytes: newest.map_or(0, |newest| newest.file_bytes),
            room: newest.map_or(0, |newest| {
                newest.file_bytes.saturating_sub(newest.offset(newest.end))
            }),
        }
    }

    pub(crate) fn holds(&self) -> impl Iterator<Item = &Arc<Hold>> {
        self.holds.values()
    }

    pub(crate) fn hold(&self, name: &str) -> Option<&Arc<Hold>> {
        self.holds.get(name)
    }

    pub(crate) fn add_hold(&mut self, hold: Arc<Hold>) {
        self.holds.insert(hold.name.clone(), hold);
    }

    pub(crate) fn remove_hold(&mut self, name: &str) -> Option<Arc<Hold>> {
        self.holds.remove(name)
    }

    /// The oldest segment, if every reader has passed it.
    fn passed(&self) -> Option<&Segment> {
        let passed = self.holds.values().map(|hold| hold.released()).min()?;
        let oldest = self.segments.front().filter(|_| self.segments.len() > 1)?;
        (oldest.end <= passed).then_some(oldest)
    }

    fn pop_oldest(&mut self) {
        if let Some(oldest) = self.segments.pop_front() {
            self.sealed_bytes -= oldest.file_bytes;
        }
    }
}

impl Shared {
    /// Deletes the segments that every reader has passed. One leaves the shelf when its file is
    /// gone for good, so what could not be deleted is tried again.
    pub(crate) fn delete_passed(&self) -> Result<()> {
        if self.shelf().passed().is_none() {
            return Ok(());
        }
        let _one_at_a_time = self.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let shelf = self.shelf();
            let Some(passed) = shelf.passed().cloned() else {
                return Ok(());
            };
            let keep = shelf.spare_bytes == 0 && self.is_worth_keeping(&passed);
            let holds: Vec<_> = shelf.holds.values().cloned().collect();
            drop(shelf);
            // That it was released is durable first: what is found to be missing later is lost.
            for hold in holds {
                match hold.sync() {
                    // This is what makes room.
                    Err(Error::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => {}
                    synced => synced?,
                }
            }
            let kept = self.unlink(&passed, keep)?;
            let mut shelf = self.shelf();
            shelf.pop_oldest();
            if kept {
                shelf.spare_bytes = passed.file_bytes;
            }
            drop(shelf);
            self.forget_damage(passed.end);
        }
    }

    /// Whether a segment's file is to be used again: if it is of full size, so that the next one
    /// needs no block more or less. Where a write has failed, none is to be tried again.
    fn is_worth_keeping(&self, segment: &Segment) -> bool {
        let full = self.config.segment_bytes;
        let fits = (full - full / 4..=full).contains(&segment.file_bytes);
        fits && segment.sound && !self.is_short_of_disk()
    }

    /// Takes away the name of a segment; true if its file is now the spare one.
    fn unlink(&self, segment: &Segment, keep: bool) -> Result<bool> {
        failpoint::disk("journal.before_unlink").map_err(Error::io("remove", &segment.path))?;
        let spare = self.home.path.join(SPARE);
        let kept = keep && self.home.fs.rename(&segment.path, &spare).is_ok();
        if !kept {
            self.home.remove(&segment.path)?;
        }
        failpoint::pass("journal.unlinked");
        // A spare file will be written to: by then the segment's name must not lead to it any more.
        self.home.sync()?;
        failpoint::pass("journal.unlink_synced");
        Ok(kept)
    }

    /// Gives the spare file the name under which the segment at `base` is made; how long it is, 0
    /// for none.
    pub(crate) fn take_spare(&self, base: Position) -> u64 {
        let draft = segment::draft_path(&self.home.path, base);
        let take = |spare: &Path, bytes| match self.home.fs.rename(spare, &draft) {
            Ok(()) => bytes,
            Err(_) => 0,
        };
        self.with_spare(take).unwrap_or(0)
    }

    /// Removes the spare file, if there is one: its blocks are wanted.
    pub(crate) fn drop_spare(&self) {
        // If it stays, the next one takes its place, or the next start removes it.
        self.with_spare(|spare, _| drop(self.home.remove(spare)));
    }

    /// Does this with the spare file and its length, if there is one. While a segment is being deleted,
    /// which may become the spare file, there is none: the writer does not wait for that, nor appends
    /// for this.
    fn with_spare<T>(&self, act: impl FnOnce(&Path, u64) -> T) -> Option<T> {
        let _alone = match self.deleting.try_lock() {
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Ok(alone) => alone,
        };
        let bytes = std::mem::take(&mut self.shelf().spare_bytes);
        (bytes > 0).then(|| act(&self.home.path.join(SPARE), bytes))
    }
}
