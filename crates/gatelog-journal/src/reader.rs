//! Readers: each at its own pace, from its own position.
//!
//! **Shape.** A [`Reader`] is a [`Cursor`], which reads, and a [`ReaderHandle`], which releases and
//! tells the lag, also on another thread. What a reader has not released is kept in the journal.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use crate::chunk::Read;
use crate::cursor::Cursor;
use crate::filesystem::Mode;
use crate::hold::{Hold, Lag};
use crate::position_file::{self, Place, PositionFile};
use crate::scan::Scan;
use crate::shared::Shared;
use crate::{Position, Result};

/// Where a reader begins that has no position yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest frame that is there.
    Oldest,
    /// Behind the newest one. That position is kept at once.
    Now,
}

/// Reads the journal at its own pace.
///
/// [`read`](Reader::read) goes on from where it last was; [`release`](Reader::release) says what is
/// done with for good, and lets the journal delete it. Reading blocks on the disk: not for async
/// threads. Dropping it gives up nothing of what it holds: under the same name another one goes on.
#[derive(Debug)]
pub struct Reader {
    cursor: Cursor,
    handle: ReaderHandle,
}

/// What a reader holds, to be looked at and released from any thread.
#[derive(Clone, Debug)]
pub struct ReaderHandle {
    shared: Arc<Shared>,
    hold: Arc<Hold>,
}

impl Reader {
    pub(crate) fn register(shared: &Arc<Shared>, name: &str, start: Start) -> Result<Self> {
        let known = shared.shelf().hold(name).cloned();
        let hold = match known {
            Some(hold) => hold,
            None => shared.new_hold(name, start)?,
        };
        let released = hold.released();
        Ok(Self {
            cursor: Cursor::new(Arc::clone(shared), Arc::clone(&hold), released),
            handle: ReaderHandle {
                shared: Arc::clone(shared),
                hold,
            },
        })
    }

    /// Another one that reads, from where this one is: for who has to look at what lies there while
    /// this one is held up.
    pub fn cursor(&self) -> Cursor {
        self.cursor.clone()
    }

    /// What releases, on any thread.
    pub fn handle(&self) -> ReaderHandle {
        self.handle.clone()
    }

    /// Where the next read begins.
    pub fn position(&self) -> Position {
        self.cursor.position()
    }

    /// How many bytes are durable and not yet read.
    pub fn unread_bytes(&self) -> u64 {
        self.cursor.unread_bytes()
    }

    /// Goes on from `position`, which a store has kept with its rows.
    ///
    /// # Errors
    /// As [`Cursor::seek`].
    pub fn seek(&mut self, position: Position) -> Result<()> {
        self.cursor.seek(position)
    }

    /// Goes on from where a store has come in an earlier life of the process, if that can be.
    ///
    /// # Errors
    /// [`Error::ForeignPosition`](crate::Error::ForeignPosition) when the journal did not reach so
    /// far when it was opened, or no frame begins there: what lies there was never stored. Go on from
    /// [`released`](ReaderHandle::released), and tell the store. [`Error::Io`](crate::Error::Io) when
    /// the segment cannot be read.
    pub fn resume(&mut self, position: Position) -> Result<()> {
        self.cursor.resume(position)
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// [`Error::Closed`](crate::Error::Closed) when the journal is closed and all of it was read.
    pub async fn wait(&mut self) -> Result<()> {
        self.cursor.wait().await
    }

    /// Reads the next frames, about `bytes` of them; at least one if there is one.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when the segment cannot be read: try again later.
    pub fn read(&mut self, bytes: usize) -> Result<Read<'_>> {
        self.cursor.read(bytes)
    }

    /// [`read`](Self::read) into the caller's buffer, in place of what is in it: reading may go on
    /// while these frames are still in use.
    ///
    /// # Errors
    /// As there.
    pub fn read_into<'b>(&mut self, bytes: usize, buffer: &'b mut Vec<u8>) -> Result<Read<'b>> {
        self.cursor.read_into(bytes, buffer)
    }

    /// Releases what lies before `position`; see [`ReaderHandle::release`].
    ///
    /// # Errors
    /// As there.
    pub fn release(&self, position: Position) -> Result<()> {
        self.handle.release(position)
    }

    /// How far the reader is behind, by what it has released. It may look into files.
    pub fn lag(&self) -> Lag {
        self.handle.lag()
    }

    /// Gives up what the reader holds, and its position: under this name a reader begins anew.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) when a file could not be removed. What was held is given up
    /// all the same; [`Journal::keep_only`](crate::Journal::keep_only) makes up for the file.
    pub fn retire(self) -> Result<()> {
        self.handle.shared.retire(&self.handle.hold)
    }
}

impl ReaderHandle {
    /// The reader's name.
    pub fn name(&self) -> &str {
        &self.hold.name
    }

    /// Before this, everything is done with.
    pub fn released(&self) -> Position {
        self.hold.released()
    }

    /// Says that everything before `position` is done with for good. Kept on disk, durably within a
    /// second; segments that every reader has released are deleted. A position that is not behind
    /// the released one changes nothing.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io): the position could not be written, or a segment not deleted.
    /// What was released is released all the same. The journal tries again to write the position;
    /// the next call, with any position, tries again to delete.
    pub fn release(&self, position: Position) -> Result<()> {
        let (_, end) = self.shared.shelf().extent();
        let position = position.min(end);
        let mut written = Ok(());
        if self.hold.release(position) && !self.hold.is_retired() {
            written = self.hold.write();
            self.shared.keeper.wake();
        }
        // With the disk full, positions cannot be written, and this is what makes room.
        self.shared.delete_passed()?;
        written
    }

    /// How far the reader is behind, by what it has released. It may look into files.
    pub fn lag(&self) -> Lag {
        self.shared.lag(&self.hold)
    }
}

impl Shared {
    /// Puts a reader on the shelf.
    fn new_hold(&self, name: &str, start: Start) -> Result<Arc<Hold>> {
        // Nobody takes the file away meanwhile.
        let _alone = self.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        let (oldest, end) = self.shelf().extent();
        let at = |position| Place {
            position,
            records: None,
        };
        let (file, place) = match PositionFile::open(&self.home, name)? {
            // A place before the oldest frame is kept: what is missing there is told.
            Some((file, Some(place))) if place.position <= end => (file, place),
            Some((file, Some(_))) => (file, at(end)),
            // Rather once more than never.
            Some((file, None)) => (file, at(oldest)),
            None => {
                let place = match start {
                    Start::Oldest => at(oldest),
                    Start::Now => at(end),
                };
                (PositionFile::create(&self.home, name, place)?, place)
            }
        };
        let hold = Arc::new(Hold::new(name.to_owned(), file, place));
        // What is there now is kept for it from here on.
        self.shelf().add_hold(Arc::clone(&hold));
        Ok(hold)
    }

    fn retire(&self, hold: &Arc<Hold>) -> Result<()> {
        hold.retire();
        let alone = self.deleting.lock().unwrap_or_else(PoisonError::into_inner);
        let is_registered = {
            let mut shelf = self.shelf();
            let registered = shelf.hold(&hold.name);
            let is_it = registered.is_some_and(|registered| Arc::ptr_eq(registered, hold));
            is_it.then(|| shelf.remove_hold(&hold.name)).is_some()
        };
        let removed = if is_registered {
            let path = self.home.path.join(position_file::file_name(&hold.name));
            self.home.remove(&path)
        } else {
            Ok(())
        };
        drop(alone);
        self.delete_passed()?;
        removed
    }

    pub(crate) fn keep_only(&self, names: &[&str]) -> Result<()> {
        let others: Vec<_> = self
            .shelf()
            .holds()
            .filter(|hold| !names.contains(&hold.name.as_str()))
            .cloned()
            .collect();
        for hold in others {
            self.retire(&hold)?;
        }
        let kept: HashSet<String> = names
            .iter()
            .map(|name| position_file::file_name(name))
            .collect();
        for name in position_file::list(&self.home)? {
            if !kept.contains(&name) {
                self.home.remove(&self.home.path.join(name))?;
            }
        }
        self.home.sync()
    }

    /// How far a reader is behind.
    pub(crate) fn lag(&self, hold: &Hold) -> Lag {
        self.lag_behind(hold, Position::START)
    }

    /// How far a reader is behind that is done with what lies before `done`.
    pub(crate) fn lag_behind(&self, hold: &Hold, done: Position) -> Lag {
        let shelf = self.shelf();
        let begin = hold.released().max(done);
        let (end, all) = shelf
            .newest()
            .map_or((begin, 0), |newest| (newest.end, newest.records.1));
        drop(shelf);
        let begin = begin.min(end);
        let bytes = end.since(begin);
        let mut lag = Lag {
            reader: hold.name.clone(),
            records: 0,
            bytes,
            seconds: 0,
        };
        if bytes > 0 {
            let (records, time_ms) = self.look(hold, begin);
            lag.records = all.saturating_sub(records);
            lag.seconds = self.clock.now_ms().saturating_sub(time_ms) / 1000;
        }
        lag
    }

    /// The records before `position`, and when the first one behind it was appended.
    fn look(&self, hold: &Hold, position: Position) -> (u64, u64) {
        let own = hold.nearest(position);
        let seen = self.seen().nearest(position);
        let known = [seen, own].into_iter().flatten();
        let nearest = known.max_by_key(|(at, mark)| (*at, mark.time_ms.is_some()));
        if let Some((at, mark)) = nearest
            && let Some(time_ms) = mark.time_ms
            && at == position
        {
            return (mark.records, time_ms);
        }
        let Some(segment) = self.shelf().at(position).cloned() else {
            return (
                nearest.map_or(0, |(_, mark)| mark.records),
                self.clock.now_ms(),
            );
        };
        let (from, before) = match nearest {
            Some((at, mark)) if at >= segment.base => (at, mark.records),
            _ => (segment.base, segment.records.0),
        };
        let looked = self.home.open(&segment.path, Mode::Read).and_then(|file| {
            let end = segment.end;
            let mut scan = Scan::new(&segment, file.as_ref(), end, self.home.seal)?;
            let records = before + scan.records(from, position)?;
            let next = scan.header_from(position)?;
            Ok((records, next.map(|(_, header)| header.time_ms)))
        });
        match looked {
            Ok((records, time_ms)) => {
                let time_ms = time_ms.unwrap_or(segment.created_ms);
                hold.mark(position, records, Some(time_ms));
                (records, time_ms)
            }
            // What is known without the file: never less than the truth.
            Err(_) => (before, segment.created_ms),
        }
    }
}
