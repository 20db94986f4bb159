//! `content-encoding: gzip`, with any header and any number of members.
//!
//! **Source.** RFC 1952. Checksums are not checked.

use miniz_oxide::inflate::stream::InflateState;

use super::{Decode, Output, inflate};
use crate::usage::Unread;

/// Flags of a header, for what stands behind its fixed part.
const HEADER_CHECKSUM: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

pub(super) struct Gzip {
    place: Place,
    /// Flags of the header whose parts have not come yet.
    flags: u8,
    state: Option<Box<InflateState>>,
}

#[derive(Clone, Copy)]
enum Place {
    /// In the fixed part, before this byte.
    Fixed(u8),
    ExtraLength,
    ExtraLengthHigh(u8),
    /// As many bytes to pass over.
    Pass(u16),
    /// Until a zero.
    Text,
    Body,
    /// As many bytes are left of checksum and length.
    Trailer(u8),
    /// Behind the last member.
    Ended,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Fixed(0),
            flags: 0,
            state: None,
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), Unread> {
        self.place = match self.place {
            Place::Fixed(at) => match (at, byte) {
                (0, 0x1f) | (1, 0x8b) | (2, 8) | (4..=8, _) => Place::Fixed(at + 1),
                (3, flags) if flags & RESERVED == 0 => {
                    self.flags = flags;
                    Place::Fixed(4)
                }
                (9, _) => self.next_part(),
                // Behind the first member, what is no other is padding.
                (0, _) if self.state.is_some() => Place::Ended,
                _ => return Err(Unread::Broken),
            },
            Place::ExtraLength => Place::ExtraLengthHigh(byte),
            Place::ExtraLengthHigh(low) => match u16::from_le_bytes([low, byte]) {
                0 => self.next_part(),
                length => Place::Pass(length),
            },
            Place::Pass(left) if left > 1 => Place::Pass(left - 1),
            Place::Text if byte != 0 => Place::Text,
            Place::Pass(_) | Place::Text => self.next_part(),
            Place::Trailer(left) if left > 1 => Place::Trailer(left - 1),
            Place::Trailer(_) => Place::Fixed(0),
            place @ (Place::Body | Place::Ended) => place,
        };
        Ok(())
    }

    /// The header's next part that its flags announce.
    fn next_part(&mut self) -> Place {
        for (flag, place) in [
            (EXTRA, Place::ExtraLength),
            (NAME, Place::Text),
            (COMMENT, Place::Text),
            (HEADER_CHECKSUM, Place::Pass(2)),
        ] {
            if self.flags & flag != 0 {
                self.flags &= !flag;
                return place;
            }
        }
        match &mut self.state {
            Some(state) => state.reset(miniz_oxide::DataFormat::Raw),
            None => self.state = Some(inflate::raw()),
        }
        Place::Body
    }
}

impl Decode for Gzip {
    fn feed(&mut self, piece: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        let mut rest = piece;
        while let Some((&byte, behind)) = rest.split_first() {
            rest = match (self.place, &mut self.state) {
                (Place::Body, Some(state)) => {
                    let (used, ended) = inflate::expand(state, rest, output)?;
                    if ended {
                        self.place = Place::Trailer(8);
                    }
                    rest.get(used..).unwrap_or_default()
                }
                (Place::Ended, _) => return Ok(()),
                _ => {
                    self.byte(byte)?;
                    behind
                }
            };
        }
        Ok(())
    }
}
