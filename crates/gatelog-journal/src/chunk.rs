//! What a read answers: frames, damage, or nothing.

use crate::Position;
use crate::damage::Damage;
use crate::frame::{self, Frame, Seal};
use crate::position::to_usize;

/// What a read has found.
#[derive(Debug)]
pub enum Read<'c> {
    /// The next frames, at least one.
    Chunk(Chunk<'c>),
    /// There are no frames where some were. Reading goes on behind.
    Damaged(Damage),
    /// All that is durable was read.
    Nothing,
}

/// Frames read at once, borrowed from the cursor's buffer.
#[derive(Clone, Debug)]
pub struct Chunk<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) seal: Seal,
    pub(crate) next: Position,
    pub(crate) end: Position,
}

impl Chunk<'_> {
    /// The position of the next frame; of the first one before any was taken.
    pub fn begin(&self) -> Position {
        self.next
    }

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
        // They were checked when they were read.
        let frame = frame::read_checked(self.bytes, self.next, self.seal)?;
        self.bytes = self.bytes.get(to_usize(frame.end.since(self.next))..)?;
        self.next = frame.end;
        Some(frame)
    }
}
