//! `content-encoding: zstd`.
//!
//! **Shape.** Frames are taken apart here; the decoder of `ruzstd` is given one whole block at a time,
//! behind a frame header of our own that asks for a window that we have.
//!
//! **Limits.** A block is at most 128 KiB, compressed and not. The decoder keeps its window back until
//! the frame ends: of a body up to 1 MiB everything comes out at the end, or when the body is broken
//! off.
//!
//! **Source.** RFC 8878 §3.1. Checksums are not checked; dictionaries are not known.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::Read as _;

use super::{Decode, Output, WINDOW};
use crate::usage::Unread;

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The first byte of frames to pass over is any of 16; the others are these.
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// The most bytes of a block, and of its header.
const MAX_BLOCK: usize = 128 << 10;
const BLOCK_HEADER: usize = 3;

/// A block that is empty and the last one.
const LAST_BLOCK: [u8; BLOCK_HEADER] = [1, 0, 0];

/// Bytes that are taken out of the decoder at a time.
const PIECE: usize = 4096;

pub(super) struct Zstd {
    place: Place,
    /// What has come of the part that `place` waits for.
    part: Vec<u8>,
    /// Bytes that the part has.
    wanted: usize,
    decoder: Box<FrameDecoder>,
    /// Of the frame that is being decoded.
    frame: Option<Frame>,
    /// Whether a block has come that was not empty.
    has_data: bool,
}

/// What a frame's headers say.
#[derive(Clone, Copy)]
struct Frame {
    has_checksum: bool,
    /// Whether it asked for a larger window than it gets.
    is_narrowed: bool,
    /// Whether the block that comes is its last one.
    is_last: bool,
}

#[derive(Clone, Copy)]
enum Place {
    Magic,
    /// The frame header's first byte, which tells how long it is.
    Descriptor,
    Header,
    /// The length of a frame to pass over.
    SkipLength,
    /// So many bytes to pass over.
    Skip(u32),
    BlockHeader,
    Block,
}

impl Zstd {
    pub(super) fn new() -> Self {
        Self {
            place: Place::Magic,
            part: Vec::new(),
            wanted: MAGIC.len(),
            decoder: Box::new(FrameDecoder::new()),
            frame: None,
            has_data: false,
        }
    }

    fn wait_for(&mut self, place: Place, bytes: usize) {
        self.place = place;
        self.wanted = bytes;
    }

    /// The part that was waited for has come.
    fn step(&mut self, part: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        match self.place {
            Place::Magic if part == MAGIC => self.wait_for(Place::Descriptor, 1),
            Place::Magic => match part {
                [0x50..=0x5f, rest @ ..] if *rest == SKIPPABLE => {
                    self.wait_for(Place::SkipLength, 4);
                }
                _ => return Err(Unread::Broken),
            },
            Place::Descriptor => {
                let [descriptor] = part else {
                    return Err(Unread::Broken);
                };
                self.wait_for(Place::Header, 1 + header_length(*descriptor)?);
                // The byte belongs to the header.
                self.part.push(*descriptor);
            }
            Place::Header => self.begin_frame(part)?,
            Place::SkipLength => {
                let length = part.try_into().map_err(|_| Unread::Broken)?;
                self.skip(u32::from_le_bytes(length));
            }
            Place::Skip(_) => {}
            Place::BlockHeader => self.begin_block(part)?,
            Place::Block => self.block(part, output)?,
        }
        Ok(())
    }

    fn skip(&mut self, bytes: u32) {
        if bytes == 0 {
            self.wait_for(Place::Magic, MAGIC.len());
        } else {
            self.wait_for(Place::Skip(bytes), 0);
        }
    }

    fn begin_frame(&mut self, header: &[u8]) -> Result<(), Unread> {
        let (&descriptor, fields) = header.split_first().ok_or(Unread::Broken)?;
        let asked = window(descriptor, fields)?;
        let window = asked.clamp(1 << 10, WINDOW as u64);
        // A window descriptor: the exponent above 10 in the upper five bits, no mantissa.
        let exponent = window.next_power_of_two().trailing_zeros() - 10;
        let exponent = u8::try_from(exponent).map_err(|_| Unread::Broken)?;
        let [m0, m1, m2, m3] = MAGIC;
        let header = [m0, m1, m2, m3, 0, exponent << 3];
        self.decoder
            .reset(header.as_slice())
            .map_err(|_| Unread::Broken)?;
        self.frame = Some(Frame {
            has_checksum: descriptor & 4 != 0,
            is_narrowed: asked > WINDOW as u64,
            is_last: false,
        });
        self.wait_for(Place::BlockHeader, BLOCK_HEADER);
        Ok(())
    }

    fn begin_block(&mut self, header: &[u8]) -> Result<(), Unread> {
        let &[low, middle, high] = header else {
            return Err(Unread::Broken);
        };
        if let Some(frame) = &mut self.frame {
            frame.is_last = low & 1 != 0;
        }
        let size = u32::from_le_bytes([low, middle, high, 0]) >> 3;
        let size = usize::try_from(size).map_err(|_| Unread::Broken)?;
        let bytes = match (low >> 1) & 3 {
            // One byte, repeated.
            1 => 1,
            0 | 2 => size,
            _ => return Err(Unread::Broken),
        };
        if size > MAX_BLOCK {
            return Err(Unread::Broken);
        }
        self.has_data |= size > 0;
        self.wait_for(Place::Block, BLOCK_HEADER + bytes);
        self.part.extend_from_slice(header);
        Ok(())
    }

    fn block(&mut self, block: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        self.decode(block, output)?;
        match self.frame {
            Some(frame) if frame.is_last => {
                self.frame = None;
                self.skip(if frame.has_checksum { 4 } else { 0 });
            }
            _ => self.wait_for(Place::BlockHeader, BLOCK_HEADER),
        }
        Ok(())
    }

    fn decode(&mut self, block: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        self.decoder
            .decode_blocks(block, one)
            .map_err(|_| self.reason(output))?;
        let mut buffer = [0; PIECE];
        loop {
            let bytes = self.decoder.read(&mut buffer).map_err(|_| Unread::Broken)?;
            if bytes == 0 {
                return Ok(());
            }
            output.give(buffer.get(..bytes).unwrap_or_default())?;
        }
    }

    /// Why a block could not be decoded: it may have referred to what we have not kept.
    fn reason(&self, output: &Output<'_>) -> Unread {
        let is_narrowed = self.frame.is_some_and(|frame| frame.is_narrowed);
        if is_narrowed && output.counts.expanded > 0 {
            Unread::Window
        } else {
            Unread::Broken
        }
    }
}

impl Decode for Zstd {
    fn feed(&mut self, piece: &[u8], output: &mut Output<'_>) -> Result<(), Unread> {
        let mut rest = piece;
        while !rest.is_empty() {
            if let Place::Skip(bytes) = self.place {
                let there = u32::try_from(rest.len()).unwrap_or(u32::MAX);
                let passed = bytes.min(there);
                rest = rest.get(passed as usize..).unwrap_or_default();
                self.skip(bytes - passed);
                continue;
            }
            let missing = self.wanted.saturating_sub(self.part.len());
            let (taken, behind) = rest.split_at(missing.min(rest.len()));
            self.part.extend_from_slice(taken);
            rest = behind;
            // A part may be complete without a byte more.
            while self.part.len() >= self.wanted && !matches!(self.place, Place::Skip(_)) {
                let part = std::mem::take(&mut self.part);
                self.step(&part, output)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, output: &mut Output<'_>) -> Result<(), Unread> {
        if self.frame.is_some() {
            self.decode(&LAST_BLOCK, output)?;
            self.frame = None;
        }
        Ok(())
    }

    fn holds_back(&self) -> bool {
        self.frame.is_some() && self.has_data
    }
}

/// Bytes of a frame header behind its first.
fn header_length(descriptor: u8) -> Result<usize, Unread> {
    // The reserved bit.
    if descriptor & 8 != 0 {
        return Err(Unread::Broken);
    }
    let window = usize::from(!is_single_segment(descriptor));
    Ok(window + dictionary_length(descriptor) + size_length(descriptor))
}

fn is_single_segment(descriptor: u8) -> bool {
    descriptor & 0x20 != 0
}

fn dictionary_length(descriptor: u8) -> usize {
    match descriptor & 3 {
        3 => 4,
        bytes => usize::from(bytes),
    }
}

fn size_length(descriptor: u8) -> usize {
    match descriptor >> 6 {
        0 => usize::from(is_single_segment(descriptor)),
        flag => 1 << flag,
    }
}

/// The window that a frame asks for, in bytes.
fn window(descriptor: u8, fields: &[u8]) -> Result<u64, Unread> {
    let number = |bytes: &[u8]| {
        let digits = bytes.iter().rev();
        digits.fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
    };
    let (window, fields) = fields
        .split_at_checked(usize::from(!is_single_segment(descriptor)))
        .ok_or(Unread::Broken)?;
    let (dictionary, size) = fields
        .split_at_checked(dictionary_length(descriptor))
        .ok_or(Unread::Broken)?;
    if number(dictionary) != 0 {
        return Err(Unread::Coding);
    }
    Ok(match window {
        [window] => {
            let base = 1 << (10 + u64::from(window >> 3));
            base + base / 8 * u64::from(window & 7)
        }
        _ if size.len() == 2 => number(size) + 256,
        _ => number(size),
    })
}
