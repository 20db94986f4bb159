//! Readers: frames in order, from a position of the reader's own.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use tokio::sync::watch;

use crate::frame::{self, Found, Frame};
use crate::journal::Shared;
use crate::position_file::PositionFile;
use crate::segment::Segment;
use crate::{Error, Position, Result};

/// Reads the journal at its own pace.
///
/// [`read`](Reader::read) goes on from where it last was; [`release`](Reader::release) says what is
/// done with for good, and lets the journal delete it. Reading blocks on the disk: not for async
/// threads.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    name: String,
    durable: watch::Receiver<Position>,
    position_file: PositionFile,
    released: Position,
    next: Position,
    open: Option<(Segment, File)>,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(
        shared: Arc<Shared>,
        name: String,
        position_file: PositionFile,
        position: Position,
    ) -> Self {
        let durable = shared.durable.subscribe();
        Self {
            shared,
            name,
            durable,
            position_file,
            released: position,
            next: position,
            open: None,
            buffer: Vec::new(),
        }
    }

    /// Where the next read begins.
    pub fn position(&self) -> Position {
        self.next
    }

    /// How many bytes are durable and not yet read.
    pub fn unread_bytes(&self) -> u64 {
        self.durable.borrow().since(self.next)
    }

    /// Goes on from `position`, which a store has kept with its rows; from the oldest frame that is
    /// still there, if that one is gone.
    ///
    /// # Errors
    /// [`Error::BeyondEnd`]: the position is not of this journal as it is now.
    pub fn seek(&mut self, position: Position) -> Result<()> {
        let end = *self.durable.borrow();
        if position > end {
            return Err(Error::BeyondEnd {
                asked: position,
                end,
            });
        }
        self.next = position.max(self.shared.shelf().oldest());
        self.open = None;
        Ok(())
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// [`Error::Closed`] when the journal is gone and all of it was read.
    pub async fn wait(&mut self) -> Result<()> {
        let next = self.next;
        match self.durable.wait_for(|durable| *durable > next).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Closed),
        }
    }

    /// Reads the next frames, about `bytes` of them, at least one if there is one. `None` when all
    /// that is durable was read.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the bytes on disk are no frame: the reader stays where it is.
    /// [`Error::Io`] when the segment cannot be read: try again later.
    pub fn read(&mut self, bytes: usize) -> Result<Option<Chunk<'_>>> {
        let durable = *self.durable.borrow();
        if self.next >= durable {
            return Ok(None);
        }
        self.open_segment()?;
        let Some((segment, file)) = &self.open else {
            return Err(Error::Gap {
                dir: self.shared.dir.clone(),
                from: self.next,
            });
        };
        let end = segment.end.min(durable);
        let available = usize::try_from(end.since(self.next)).unwrap_or(usize::MAX);
        let offset = segment.offset(self.next);
        let damaged = |problem| Error::Damaged {
            path: segment.path.clone(),
            problem,
            at: offset,
        };
        let mut wanted = bytes.max(frame::HEADER_BYTES).min(available);
        loop {
            self.buffer.resize(wanted, 0);
            file.read_exact_at(&mut self.buffer, offset)
                .map_err(Error::io("read", &segment.path))?;
            match frame::read(&self.buffer, self.next) {
                Found::Frame(_) => break,
                Found::Partial(needed) if needed <= available => wanted = needed,
                Found::Partial(_) => return Err(damaged("a frame that ends behind its segment")),
                Found::Nothing(problem) => return Err(damaged(problem)),
            }
        }
        let begin = self.next;
        self.next = whole_frames_end(&self.buffer, begin);
        Ok(Some(Chunk {
            bytes: &self.buffer,
            next: begin,
            end: self.next,
        }))
    }

    /// Opens the segment that holds the next frame, unless it is open already. The newest segment
    /// grows, so its end is looked up each time.
    fn open_segment(&mut self) -> Result<()> {
        let shelf = self.shared.shelf();
        let after = shelf
            .segments
            .partition_point(|segment| segment.base <= self.next);
        let found = after
            .checked_sub(1)
            .and_then(|index| shelf.segments.get(index))
            .cloned();
        drop(shelf);
        let Some(found) = found.filter(|found| self.next < found.end) else {
            self.open = None;
            return Ok(());
        };
        match &mut self.open {
            Some((open, _)) if open.base == found.base => open.end = found.end,
            _ => {
                let file = File::open(&found.path).map_err(Error::io("open", &found.path))?;
                self.open = Some((found, file));
            }
        }
        Ok(())
    }

    /// Says that everything before `position` is done with for good. Kept on disk; segments that
    /// every reader has released are deleted.
    ///
    /// # Errors
    /// [`Error::Io`]: the position or the deletion could not be written. Calling it again later,
    /// also with a later position, makes up for it.
    pub fn release(&mut self, position: Position) -> Result<()> {
        if position > self.released {
            self.position_file.write(position)?;
            self.released = position;
            self.shared
                .shelf()
                .readers
                .insert(self.name.clone(), position);
        }
        self.shared.delete_passed()
    }
}

/// Behind the last whole frame in `bytes`, which begin at `position`.
fn whole_frames_end(bytes: &[u8], position: Position) -> Position {
    let frames = Chunk {
        bytes,
        next: position,
        end: Position::new(u64::MAX),
    };
    frames.last().map_or(position, |frame| frame.end)
}

/// Frames read at once, borrowed from the reader's buffer.
#[derive(Clone, Debug)]
pub struct Chunk<'a> {
    bytes: &'a [u8],
    next: Position,
    end: Position,
}

impl Chunk<'_> {
    /// The position behind the last frame.
    pub fn end(&self) -> Position {
        self.end
    }
}

impl<'a> Iterator for Chunk<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        if self.next >= self.end {
            return None;
        }
        let Found::Frame(frame) = frame::read(self.bytes, self.next) else {
            return None;
        };
        let length = usize::try_from(frame.end.since(self.next)).ok()?;
        self.bytes = self.bytes.get(length..)?;
        self.next = frame.end;
        Some(frame)
    }
}
