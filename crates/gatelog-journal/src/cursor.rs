//! Reading frames in order, over damage and all.
//!
//! **Shape.** A [`Cursor`] has a place and reads on from there. It belongs to a reader, which says
//! how far things are done with; one reader may have several cursors.
//!
//! **Invariants.** Every read that answers anything but [`Read::Nothing`] brings the cursor forward,
//! so no reader stands still before damage. What is passed over is told.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::aside::{self, Kind, MAX_COPY_BYTES};
use crate::chunk::{Chunk, Read};
use crate::damage::Damage;
use crate::filesystem::{Handle, Mode};
use crate::frame::{self, Found, Seal};
use crate::hold::Hold;
use crate::position::to_usize;
use crate::scan::Scan;
use crate::segment::{self, Segment};
use crate::shared::Shared;
use crate::ticket::Published;
use crate::unreadable::Unreadable;
use crate::{Error, Position, Result};

/// Reads the journal from a place of its own. Reading blocks on the disk: not for async threads.
#[derive(Debug)]
pub struct Cursor {
    shared: Arc<Shared>,
    hold: Arc<Hold>,
    published: watch::Receiver<Published>,
    next: Position,
    /// Records before `next`, once they are known.
    records: Option<u64>,
    open: Option<Open>,
    buffer: Vec<u8>,
    /// It was told to read again what its reader has released: nothing of that is passed over in
    /// silence.
    again: bool,
    unreadable: Option<Unreadable>,
}

/// A segment that is being read.
#[derive(Debug)]
struct Open {
    segment: Segment,
    file: Box<dyn Handle>,
}

/// What stands where the next frame should be.
enum Next {
    Frames,
    Broken {
        to: Position,
        problem: &'static str,
        /// Records of the frame that is broken, if its header is not.
        records: u64,
    },
}

impl Clone for Cursor {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            hold: Arc::clone(&self.hold),
            published: self.published.clone(),
            next: self.next,
            records: self.records,
            open: None,
            buffer: Vec::new(),
            again: self.again,
            unreadable: None,
        }
    }
}

impl Cursor {
    pub(crate) fn new(shared: Arc<Shared>, hold: Arc<Hold>, next: Position) -> Self {
        let published = shared.published.subscribe();
        let records = hold.records_before(next);
        Self {
            shared,
            hold,
            published,
            next,
            records,
            open: None,
            buffer: Vec::new(),
            again: false,
            unreadable: None,
        }
    }

    /// Where the next read begins.
    pub fn position(&self) -> Position {
        self.next
    }

    /// How many bytes are durable and not yet read.
    pub fn unread_bytes(&self) -> u64 {
        self.shared.durable().since(self.next)
    }

    /// Goes on from `position`. What is not there any more is told as damage; [`Position::START`] is
    /// the oldest frame that is there.
    ///
    /// # Errors
    /// [`Error::ForeignPosition`]: the journal does not reach so far.
    pub fn seek(&mut self, position: Position) -> Result<()> {
        let (oldest, end) = self.shared.shelf().extent();
        if position > end {
            return Err(Error::ForeignPosition {
                asked: position,
                end,
            });
        }
        self.go_to(if position == Position::START {
            oldest
        } else {
            position
        });
        self.again = self.next < self.hold.released();
        Ok(())
    }

    /// [`seek`](Self::seek) to a position of an earlier life; see [`Reader::resume`](crate::Reader::resume).
    pub(crate) fn resume(&mut self, position: Position) -> Result<()> {
        let end = self.shared.opened_at;
        if position > end || !self.is_between_frames(position)? {
            return Err(Error::ForeignPosition {
                asked: position,
                end,
            });
        }
        self.seek(position)
    }

    /// Whether a frame begins or ends at this position, as far as can be known.
    fn is_between_frames(&self, position: Position) -> Result<bool> {
        let Some(segment) = self.shared.shelf().at(position).cloned() else {
            // The end, or a place before the oldest frame.
            return Ok(true);
        };
        let home = &self.shared.home;
        let file = match home.fs.open(&segment.path, Mode::Read) {
            // Readers will tell.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file.map_err(Error::io("open", &segment.path))?,
        };
        let mut scan = Scan::new(&segment, file.as_ref(), segment.end, home.seal)?;
        if scan.header_at(position)?.is_some() {
            return Ok(true);
        }
        // The frame there may be damaged: then the one before it ends there.
        let mut at = segment.base;
        while at < position {
            match scan.header_from(at)? {
                Some((begin, header)) => at = header.end(begin),
                None => return Ok(false),
            }
        }
        Ok(at == position)
    }

    fn go_to(&mut self, position: Position) {
        self.next = position;
        self.records = self.hold.records_before(position).or_else(|| {
            let nearest = self.shared.seen().nearest(position)?;
            (nearest.0 == position).then_some(nearest.1.records)
        });
        self.open = None;
    }

    /// Waits until there is something to read.
    ///
    /// # Errors
    /// [`Error::Closed`] when the journal is closed and all of it was read.
    pub async fn wait(&mut self) -> Result<()> {
        let next = self.next;
        let ready = |now: &Published| now.position > next || now.closed;
        match self.published.wait_for(ready).await {
            Ok(now) if now.position > next => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    /// Reads the next frames, about `bytes` of them.
    ///
    /// # Errors
    /// [`Error::Io`] when the segment cannot be read: try again later.
    pub fn read(&mut self, bytes: usize) -> Result<Read<'_>> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let taken = self.take(bytes, &mut buffer);
        self.buffer = buffer;
        Ok(taken?.into_read(&self.buffer, self.shared.home.seal))
    }

    /// [`read`](Self::read) into the caller's buffer, in place of what is in it: reading may go on
    /// while these frames are still in use.
    ///
    /// # Errors
    /// As there.
    pub fn read_into<'b>(&mut self, bytes: usize, buffer: &'b mut Vec<u8>) -> Result<Read<'b>> {
        let taken = self.take(bytes, buffer)?;
        Ok(taken.into_read(buffer, self.shared.home.seal))
    }

    /// Takes the next frames into the buffer and goes on behind them.
    fn take(&mut self, bytes: usize, buffer: &mut Vec<u8>) -> Result<Taken> {
        let next = loop {
            let Some(open) = self.open_next()? else {
                return Ok(Taken::Nothing);
            };
            let next = match open {
                Opened::Segment => self.fill(bytes, buffer)?,
                Opened::Missing(path, to) => {
                    let problem = "the file is missing";
                    let place = (self.next, to);
                    let damage = self.shared.note_damage(path, place, problem, || None);
                    self.go_to(to);
                    return Ok(Taken::Damaged(damage));
                }
            };
            if matches!(next, Next::Frames) || self.is_still_there() {
                break next;
            }
            // It was deleted meanwhile, and its file may be another segment by now.
            self.open = None;
        };
        match next {
            Next::Frames => Ok(self.take_frames(buffer)),
            Next::Broken {
                to,
                problem,
                records,
            } => Ok(self.pass_over(to, problem, records)),
        }
    }

    /// Whether nobody asks for the next frame any more.
    fn is_done_with(&self) -> bool {
        self.hold.is_retired() || !self.again && self.next < self.hold.released()
    }

    /// Whether the open segment is one of the journal's.
    fn is_still_there(&self) -> bool {
        let shelf = self.shared.shelf();
        let there = shelf.at(self.next).map(|segment| segment.base);
        there == self.open.as_ref().map(|open| open.segment.base)
    }

    /// Opens the segment that holds the next frame, unless it is open already; `None` when all was
    /// read.
    fn open_next(&mut self) -> Result<Option<Opened>> {
        loop {
            let shelf = self.shared.shelf();
            let (oldest, released) = (shelf.oldest(), self.hold.released());
            if self.next < oldest {
                // What this reader has released is done with. The rest should be there.
                if !self.again {
                    self.next = self.next.max(released);
                }
                self.records = None; // Known when a segment is opened.
                if self.next < oldest && !self.hold.is_retired() {
                    let path = segment::path(&self.shared.home.path, self.next);
                    return Ok(Some(Opened::Missing(path, oldest)));
                }
                self.next = self.next.max(oldest);
            }
            let Some(found) = shelf.at(self.next).cloned() else {
                return Ok(None);
            };
            drop(shelf);
            if let Some(open) = &mut self.open
                && open.segment.base == found.base
            {
                // The newest grows.
                open.segment = found;
                return Ok(Some(Opened::Segment));
            }
            if self.next == found.base {
                self.records = Some(found.records.0);
            }
            match self.shared.home.fs.open(&found.path, Mode::Read) {
                Ok(file) => {
                    self.open = Some(Open {
                        segment: found,
                        file,
                    });
                    return Ok(Some(Opened::Segment));
                }
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("open", found.path)(error));
                }
                // It may have been deleted just now, as passed.
                Err(_) if self.shared.shelf().oldest() > found.base => {}
                Err(_) if self.is_done_with() => self.go_to(found.end),
                Err(_) => return Ok(Some(Opened::Missing(found.path, found.end))),
            }
        }
    }

    /// Fills the buffer with the next frame or, if there is room, with more.
    ///
    /// What the disk cannot read it is asked for again, frame by frame and later, for a while: a disk
    /// that is away for a moment has lost nothing.
    fn fill(&mut self, bytes: usize, buffer: &mut Vec<u8>) -> Result<Next> {
        let Some(Open { segment, file }) = &self.open else {
            return Ok(Next::Frames);
        };
        let mut alone = false;
        let offset = segment.offset(self.next);
        let mut available = to_usize(segment.end.since(self.next));
        let mut problem = "no frame where one was";
        let mut wanted = bytes.max(frame::HEADER_BYTES);
        loop {
            buffer.resize(wanted.min(available), 0);
            match file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    let length = file.length().map_err(Error::io("look at", &segment.path))?;
                    let there = to_usize(length.saturating_sub(offset));
                    if there >= buffer.len() {
                        return Err(Error::io("read", &segment.path)(error));
                    }
                    available = there;
                    problem = "the file is shorter than it was";
                    continue;
                }
                // The place may be in a later frame.
                Err(_) if !alone => {
                    alone = true;
                    wanted = frame::HEADER_BYTES;
                    continue;
                }
                Err(error) => {
                    let patience = self.shared.config.unreadable_patience;
                    let unreadable = Unreadable::again(self.unreadable, self.next);
                    self.unreadable = Some(unreadable);
                    let found = unreadable
                        .lasts(patience)
                        .then(|| {
                            self.shared
                                .behind_unreadable(segment, file.as_ref(), self.next)
                        })
                        .flatten();
                    let error = Error::io("read", &segment.path)(error);
                    let (to, records) = found.ok_or(error)?;
                    return Ok(Next::Broken {
                        to,
                        problem: "the disk cannot read it",
                        records,
                    });
                }
                Ok(()) => {}
            }
            let seal = self.shared.home.seal;
            match frame::read(buffer, self.next, seal) {
                Found::Frame(_) => return Ok(Next::Frames),
                Found::Partial(needed) if needed <= available => wanted = needed,
                Found::Spoilt(header) => {
                    return Ok(Next::Broken {
                        to: header.end(self.next).min(segment.end),
                        problem: "a payload that is not what was appended",
                        records: u64::from(header.records),
                    });
                }
                Found::Partial(_) | Found::Nothing => {
                    let mut scan = Scan::new(segment, file.as_ref(), segment.end, seal)?;
                    let found = scan.next_header(self.next.plus(1))?;
                    let to = found.map_or(segment.end, |(position, _)| position);
                    return Ok(Next::Broken {
                        to,
                        problem,
                        records: 0,
                    });
                }
            }
        }
    }

    /// The whole frames in the buffer, which begins with one.
    fn take_frames(&mut self, buffer: &[u8]) -> Taken {
        self.unreadable = None;
        let seal = self.shared.home.seal;
        let mut records = 0;
        let mut first_ms = None;
        let mut end = self.next;
        let mut rest = buffer;
        while let Found::Frame(frame) = frame::read(rest, end, seal) {
            records += u64::from(frame.records);
            first_ms = first_ms.or(Some(frame.time_ms));
            rest = rest
                .get(to_usize(frame.end.since(end))..)
                .unwrap_or_default();
            end = frame.end;
        }
        let begin = std::mem::replace(&mut self.next, end);
        if let Some(before) = self.records {
            self.hold.mark(begin, before, first_ms);
            self.hold.mark(end, before + records, None);
            let mut seen = self.shared.seen();
            seen.mark(begin, before, first_ms);
            seen.mark(end, before + records, None);
            self.records = Some(before + records);
        }
        Taken::Frames { begin, end }
    }

    fn pass_over(&mut self, to: Position, problem: &'static str, records: u64) -> Taken {
        let from = std::mem::replace(&mut self.next, to);
        self.records = self.records.map(|before| before + records);
        let Some(Open { segment, file }) = &self.open else {
            return Taken::Nothing;
        };
        let copy = || {
            let seal = self.shared.home.seal;
            let scan = Scan::new(segment, file.as_ref(), to, seal).ok()?;
            let mut scan = scan.over_errors();
            let bytes = scan.bytes(from, MAX_COPY_BYTES).ok()?;
            let (base, offset) = (segment.base.get(), segment.offset(from));
            aside::keep(&self.shared.home, Kind::Damaged, base, offset, bytes)
        };
        let path = segment.path.clone();
        let damage = self.shared.note_damage(path, (from, to), problem, copy);
        Taken::Damaged(damage)
    }
}

/// What a read took.
enum Taken {
    /// The frames with which the buffer begins, from one position to the other.
    Frames {
        begin: Position,
        end: Position,
    },
    Damaged(Damage),
    Nothing,
}

impl Taken {
    fn into_read(self, buffer: &[u8], seal: Seal) -> Read<'_> {
        match self {
            Self::Frames { begin, end } => Read::Chunk(Chunk {
                bytes: buffer,
                seal,
                next: begin,
                end,
            }),
            Self::Damaged(damage) => Read::Damaged(damage),
            Self::Nothing => Read::Nothing,
        }
    }
}

/// What was opened.
enum Opened {
    Segment,
    /// This file should be there, with frames up to this position.
    Missing(PathBuf, Position),
}
