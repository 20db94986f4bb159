//! The part of a file that is in memory.
//!
//! **Invariants.** Bytes that were consumed are gone; those left stand at the front, with their place
//! in the file.
//!
//! **Limits.** [`USUAL_BYTES`]; it grows for an item that is longer, up to [`MOST_BYTES`].

use std::io::{self, Read};

use super::piece::newlines;
use crate::decode::MAX_ITEM_BYTES;

/// How much is read at once.
const USUAL_BYTES: usize = 1 << 20;

/// The longest item, and what tells that it has ended.
const MOST_BYTES: usize = MAX_ITEM_BYTES + (64 << 10);

/// A window that moves over a file.
pub(super) struct Window {
    input: Box<dyn Read>,
    buffer: Vec<u8>,
    wanted: usize,
    at_end: bool,
    /// The first byte's place in the file, from 0.
    pub(super) offset: u64,
    /// Its line, from 1.
    pub(super) line: u64,
    in_line: bool,
}

impl Window {
    pub(super) fn new(input: Box<dyn Read>) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            wanted: USUAL_BYTES,
            at_end: false,
            offset: 0,
            line: 1,
            in_line: false,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// Whether nothing comes behind it.
    pub(super) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Whether it cannot grow.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= MOST_BYTES
    }

    /// Reads until the window is as large as is wanted.
    ///
    /// # Errors
    /// The system's, and the decompressor's. The window is at its end then, with what came before.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        let missing = self.wanted.saturating_sub(self.buffer.len());
        if missing == 0 || self.at_end {
            return Ok(());
        }
        // What was read before an error stays in the buffer.
        let before = self.buffer.len();
        let read = self
            .input
            .by_ref()
            .take(missing as u64)
            .read_to_end(&mut self.buffer);
        self.at_end = self.buffer.len() - before < missing || read.is_err();
        read.map(drop)
    }

    /// Lets the next [`fill`](Self::fill) read more beside what is here.
    pub(super) fn grow(&mut self) {
        self.wanted = self.wanted.saturating_mul(4).min(MOST_BYTES);
    }

    /// Forgets the first bytes.
    pub(super) fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.buffer.len());
        if bytes == 0 {
            return;
        }
        let gone = self.buffer.get(..bytes).unwrap_or_default();
        self.line += newlines(gone);
        self.in_line = gone.last() != Some(&b'\n');
        self.offset += bytes as u64;
        self.buffer.drain(..bytes);
        self.wanted = USUAL_BYTES;
        self.buffer.shrink_to(USUAL_BYTES);
    }

    /// Lines consumed so far, a last one without a line break included.
    pub(super) fn lines(&self) -> u64 {
        self.line - 1 + u64::from(self.in_line)
    }
}
