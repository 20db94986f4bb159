//! `content-encoding: br`.
//!
//! **Limits.** The window is in the stream's first bits. One above 1 MiB is written over by 1 MiB; from
//! there on, references past the window mean something else, so such a stream is read as far as 1 MiB.
//!
//! **Source.** RFC 7932 §9.1.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Decode, Output, WINDOW};
use crate::usage::Unread;

/// Bytes that are expanded at a time.
const PIECE: usize = 4096;

/// How far back a stream may refer: all of the window but 16 bytes.
const REACH: usize = WINDOW - 16;

pub(super) struct Brotli {
    state: Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
    begun: bool,
    ended: bool,
    /// What may come out before references may be wrong.
    reach: usize,
}

impl Brotli {
    pub(super) fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
            begun: false,
            ended: false,
            reach: usize::MAX,
        }
    }

    /// The stream's first byte, with a window that we have.
    fn first(&mut self, byte: u8) -> u8 {
        // One set bit and three more: 17 and them are the bits of the window, if they are not 0.
        let bits = (byte >> 1) & 7;
        if byte & 1 == 1 && bits > 3 {
            self.reach = REACH;
            return byte & !0b1110 | 3 << 1;
        }
        byte
    }

    fn expand(&mut self, piece: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        let mut buffer = [0; PIECE];
        let (mut left, mut at) = (piece.len(), 0);
        while !self.ended {
            let (mut room, mut written, mut total) = (PIECE, 0, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut at,
                piece,
                &mut room,
                &mut written,
                &mut buffer,
                &mut total,
                &mut self.state,
            );
            self.reach = self.reach.checked_sub(written).ok_or(Unread::Window)?;
            output.give(buffer.get(..written).unwrap_or_default())?;
            match result {
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::ResultFailure => return Err(Unread::Broken),
            }
        }
        Ok(())
    }
}

impl Decode for Brotli {
    fn feed(&mut self, piece: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        let mut rest = piece;
        if let (false, Some((&byte, behind))) = (self.begun, piece.split_first()) {
            self.begun = true;
            let first = self.first(byte);
            self.expand(&[first], output)?;
            rest = behind;
        }
        if rest.is_empty() {
            return Ok(());
        }
        self.expand(rest, output)
    }
}
