//! `content-encoding: deflate`: zlib, or what some servers send, DEFLATE without it.
//!
//! **Source.** RFC 9110 §8.4.1.2, RFC 1950.

use miniz_oxide::DataFormat;
use miniz_oxide::inflate::stream::InflateState;

use super::{Decode, Output, inflate};
use crate::usage::Unread;

pub(super) struct Deflate {
    /// The first byte, until the second tells what it begins.
    first: Option<u8>,
    state: Option<Box<InflateState>>,
    ended: bool,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self {
            first: None,
            state: None,
            ended: false,
        }
    }

    fn expand(&mut self, piece: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        if let (Some(state), false) = (&mut self.state, self.ended) {
            let (_, ended) = inflate::expand(state, piece, output)?;
            self.ended = ended;
        }
        Ok(())
    }
}

impl Decode for Deflate {
    fn feed(&mut self, piece: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        let Some((&byte, behind)) = piece.split_first() else {
            return Ok(());
        };
        if self.state.is_some() {
            return self.expand(piece, output);
        }
        let Some(first) = self.first else {
            self.first = Some(byte);
            return self.feed(behind, output);
        };
        let is_zlib = first & 0x0f == 8 && u16::from_be_bytes([first, byte]).is_multiple_of(31);
        self.state = Some(if is_zlib {
            InflateState::new_boxed(DataFormat::ZLibIgnoreChecksum)
        } else {
            inflate::raw()
        });
        self.expand(&[first], output)?;
        self.expand(piece, output)
    }
}
