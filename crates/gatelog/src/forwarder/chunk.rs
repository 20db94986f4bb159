//! A stretch of the journal, decoded once for all outputs, with what each of them wants of it.

use std::collections::BTreeMap;
use std::ops::Range;

use gatelog_journal::{Cursor, Damage, Frame, Position, Read};
use gatelog_record::AccessRecord;

use self::own::Own;
use super::eras::{Eras, Id};
use crate::dead_letter::UnreadableFrame;
use crate::pipeline::frames::Decoded;
use crate::place::Place;

/// Bytes of frames that are read at once.
pub(super) const CHUNK_BYTES: usize = 256 << 10;

/// What frames hold, to the record.
#[derive(Debug)]
pub(super) struct Contents<'f> {
    /// The records, in order.
    pub(super) records: Vec<AccessRecord<'f>>,
    /// The place behind each record.
    pub(super) places: Vec<Place>,
    /// The frames that could not be decoded.
    pub(super) unreadable: Vec<UnreadableFrame<'f>>,
}

/// Which records of a chunk each output wants: their indices, in ascending order.
pub(super) type Wishes = BTreeMap<Id, Vec<usize>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Where it begins.
    pub(super) begin: Position,
    /// The position behind it.
    pub(super) end: Position,
    /// Of the outputs that were known when it was decoded.
    pub(super) version: u64,
    wishes: Wishes,
    decoded: Own,
}

/// What a read has found.
#[derive(Debug)]
pub(super) enum Found {
    Frames(Frames),
    Damaged(Damage),
    Nothing,
}

/// The bytes of frames, and where each frame's payload is among them.
#[derive(Debug)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    begin: Position,
    end: Position,
    heads: Vec<Head>,
}

/// A frame without its payload.
#[derive(Debug)]
struct Head {
    payload: Range<usize>,
    records: u32,
    time_ms: u64,
    end: Position,
}

#[expect(
    clippy::mem_forget,
    reason = "the macro's own, which frees what it forgets"
)]
mod own {
    use super::{Contents, Frames};

    self_cell::self_cell!(
        /// Records, with the bytes that they borrow their texts from.
        pub(super) struct Own {
            owner: Frames,
            #[covariant]
            dependent: Contents,
        }

        impl {Debug}
    );
}

impl<'f> Contents<'f> {
    pub(super) fn of(frames: impl Iterator<Item = Frame<'f>>) -> Self {
        let decoded = Decoded::of(frames);
        let mut places = Vec::with_capacity(decoded.records.len());
        for (count, frame_end) in decoded.ends {
            // All records of a frame are counted, so that it is right for other wishes, too.
            let before = places.len();
            places.extend((before..count).map(|index| {
                let number = u32::try_from(index + 1 - before).unwrap_or(u32::MAX);
                Place::within(frame_end, number)
            }));
        }
        Self {
            records: decoded.records,
            places,
            unreadable: decoded.unreadable,
        }
    }
}

impl Frames {
    /// Reads the next frames, about as many as belong in a chunk.
    pub(super) fn read(cursor: &mut Cursor) -> gatelog_journal::Result<Found> {
        let mut bytes = Vec::new();
        let chunk = match cursor.read_into(CHUNK_BYTES, &mut bytes)? {
            Read::Chunk(chunk) => chunk,
            Read::Damaged(damage) => return Ok(Found::Damaged(damage)),
            Read::Nothing => return Ok(Found::Nothing),
        };
        let (begin, end) = (chunk.begin(), chunk.end());
        let heads = chunk.map(|frame| {
            let payload_end = usize::try_from(frame.end.since(begin)).unwrap_or(usize::MAX);
            Head {
                payload: payload_end.saturating_sub(frame.payload.len())..payload_end,
                records: frame.records,
                time_ms: frame.time_ms,
                end: frame.end,
            }
        });
        let heads = heads.collect();
        Ok(Found::Frames(Self {
            bytes,
            begin,
            end,
            heads,
        }))
    }

    pub(super) fn begin(&self) -> Position {
        self.begin
    }

    fn iter(&self) -> impl Iterator<Item = Frame<'_>> {
        self.heads.iter().filter_map(|head| {
            Some(Frame {
                payload: self.bytes.get(head.payload.clone())?,
                records: head.records,
                time_ms: head.time_ms,
                end: head.end,
            })
        })
    }
}

impl Chunk {
    /// Decodes frames. `eras` are to be looked at after the frames were read: so they are those that hold
    /// for all of them.
    pub(super) fn of(frames: Frames, eras: &Eras) -> Self {
        let (begin, end) = (frames.begin, frames.end);
        let decoded = Own::new(frames, |frames| Contents::of(frames.iter()));
        let wishes = eras.sort(decoded.borrow_dependent());
        Self {
            begin,
            end,
            version: eras.version(),
            wishes,
            decoded,
        }
    }

    pub(super) fn contents(&self) -> &Contents<'_> {
        self.decoded.borrow_dependent()
    }

    /// What each output wants of it, where it wants something.
    pub(super) fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// Whether an output has something to do with it.
    pub(super) fn concerns(&self, output: Id) -> bool {
        self.wishes.contains_key(&output) || !self.contents().unreadable.is_empty()
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn memory_bytes(&self) -> usize {
        let record = size_of::<AccessRecord<'_>>() + size_of::<Place>();
        self.decoded.borrow_owner().bytes.capacity() + self.contents().records.len() * record
    }
}
