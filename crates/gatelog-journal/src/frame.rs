//! Frames: what an append becomes on disk.
//!
//! **Shape.** A header of 28 bytes, then the payload (layout: the crate's documentation). The
//! header's checksum covers the journal's id, the frame's position and the fields before it, so a
//! header is recognised without its payload, and only in its own journal and place.

use uuid::Uuid;

use crate::{Error, Position, Result};

/// Bytes before a frame's payload.
pub(crate) const HEADER_BYTES: usize = 28;

/// The longest payload.
const MAX_PAYLOAD_BYTES: u32 = 256 << 20;

/// Says that it is not known what was durable when the frame was written.
const UNKNOWN: u32 = u32::MAX;

/// A frame read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What was appended.
    pub payload: &'a [u8],
    /// How many records the appender said it holds.
    pub records: u32,
    /// When it was appended: milliseconds since the epoch by the journal's clock, which is the time
    /// of day at its opening and does not step afterwards.
    pub time_ms: u64,
    /// The position behind the frame.
    pub end: Position,
}

/// What a journal's frames are sealed with, so that those of another never pass for its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal(u32);

impl Seal {
    pub(crate) fn of(journal: Uuid) -> Self {
        Self(crc32c::crc32c(journal.as_bytes()))
    }

    /// The checksum of the journal's id and of `bytes`.
    pub(crate) fn checksum(self, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(self.0, bytes)
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    length: u32,
    pub(crate) records: u32,
    /// Bytes between the beginning of the frame's round and the frame.
    behind: u32,
    payload_checksum: u32,
    pub(crate) time_ms: u64,
}

impl Header {
    /// The header that these bytes are at this position.
    pub(crate) fn read(bytes: &[u8; HEADER_BYTES], position: Position, seal: Seal) -> Option<Self> {
        let (numbers, _) = bytes.as_chunks::<4>();
        let &[length, records, behind, payload_checksum, .., stored] = numbers else {
            return None;
        };
        let (fields, _) = bytes.as_chunks::<8>();
        let &[_, _, time] = fields else {
            return None;
        };
        let [length, records, behind, payload_checksum, stored] =
            [length, records, behind, payload_checksum, stored].map(u32::from_le_bytes);
        let header = Self {
            length,
            records,
            behind,
            payload_checksum,
            time_ms: u64::from_le_bytes(time),
        };
        // Nearly all bytes that are no header end here.
        let possible = (1..=MAX_PAYLOAD_BYTES).contains(&length);
        (possible && header.checksum(position, seal) == stored).then_some(header)
    }

    fn fields(&self) -> [[u8; 8]; 3] {
        let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        [
            join(self.length, self.records),
            join(self.behind, self.payload_checksum),
            self.time_ms,
        ]
        .map(u64::to_le_bytes)
    }

    fn checksum(&self, position: Position, seal: Seal) -> u32 {
        let [first, second, third] = self.fields();
        let covered = [position.get().to_le_bytes(), first, second, third];
        seal.checksum(covered.as_flattened())
    }

    /// Bytes that the frame takes on disk.
    pub(crate) fn disk_bytes(&self) -> usize {
        HEADER_BYTES + self.length as usize
    }

    /// The position behind the frame, if this stands at `position`.
    pub(crate) fn end(&self, position: Position) -> Position {
        position.plus(self.disk_bytes() as u64)
    }

    /// Where the frame's round began, if this stands at `position`: all before that was durable
    /// when this was written. `None` if nothing is known about that.
    pub(crate) fn round(&self, position: Position) -> Option<Position> {
        (self.behind != UNKNOWN).then(|| {
            let behind = u64::from(self.behind);
            Position::new(position.get().saturating_sub(behind))
        })
    }

    /// Whether this is the frame's payload.
    pub(crate) fn fits(&self, payload_checksum: u32) -> bool {
        self.payload_checksum == payload_checksum
    }
}

/// A payload with what can be computed about it before its position is known, so that little is
/// left to do while the journal is locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    payload: &'a [u8],
    header: Header,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(payload: &'a [u8], records: u32, time_ms: u64) -> Result<Self> {
        let length = payload.len();
        let possible = u32::try_from(length)
            .ok()
            .filter(|length| (1..=MAX_PAYLOAD_BYTES).contains(length));
        let header = Header {
            length: possible.ok_or(Error::FrameSize { length })?,
            records,
            behind: UNKNOWN,
            payload_checksum: crc32c::crc32c(payload),
            time_ms,
        };
        Ok(Self { payload, header })
    }

    pub(crate) fn disk_bytes(&self) -> usize {
        self.header.disk_bytes()
    }

    pub(crate) fn records(&self) -> u64 {
        u64::from(self.header.records)
    }

    /// Appends the frame as it will stand at `position`. `round` is the rest of its round, if it is
    /// written when all before that round is durable.
    pub(crate) fn write(&self, position: Position, seal: Seal, synced: bool, round: &mut Vec<u8>) {
        let behind = if synced {
            u32::try_from(round.len()).unwrap_or(UNKNOWN)
        } else {
            UNKNOWN
        };
        let header = Header {
            behind,
            ..self.header
        };
        round.extend_from_slice(header.fields().as_flattened());
        round.extend_from_slice(&header.checksum(position, seal).to_le_bytes());
        round.extend_from_slice(self.payload);
    }
}

/// What stands at the beginning of some bytes of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// The beginning of a frame that needs this many bytes in all.
    Partial(usize),
    /// A frame whose payload is not what was appended.
    Spoilt(Header),
    /// Anything else.
    Nothing,
}

/// Reads the frame that begins `bytes`, which stand at `position`.
pub(crate) fn read(bytes: &[u8], position: Position, seal: Seal) -> Found<'_> {
    let Some((header, rest)) = bytes.split_first_chunk() else {
        return Found::Partial(HEADER_BYTES);
    };
    let Some(header) = Header::read(header, position, seal) else {
        return Found::Nothing;
    };
    let Some(payload) = rest.get(..header.length as usize) else {
        return Found::Partial(header.disk_bytes());
    };
    if !header.fits(crc32c::crc32c(payload)) {
        return Found::Spoilt(header);
    }
    Found::Frame(header.frame(payload, position))
}

/// Reads the frame that begins `bytes`, whose payload has been checked before.
pub(crate) fn read_checked(bytes: &[u8], position: Position, seal: Seal) -> Option<Frame<'_>> {
    let (header, rest) = bytes.split_first_chunk()?;
    let header = Header::read(header, position, seal)?;
    let payload = rest.get(..header.length as usize)?;
    Some(header.frame(payload, position))
}

impl Header {
    fn frame<'a>(&self, payload: &'a [u8], position: Position) -> Frame<'a> {
        Frame {
            payload,
            records: self.records,
            time_ms: self.time_ms,
            end: self.end(position),
        }
    }
}

/// Finds the first header in `bytes`, which stand at `position` in a segment that begins at `base`.
pub(crate) fn find(
    bytes: &[u8],
    position: Position,
    base: Position,
    seal: Seal,
) -> Option<(Position, Header)> {
    // Bytes are looked at one by one, and there may be a segment of them: what is cheap comes first.
    let before = position.since(base);
    let places = bytes.array_windows::<HEADER_BYTES>().enumerate();
    for (offset, place) in places {
        let (fields, _) = place.as_chunks::<4>();
        let &[length, _, behind, ..] = fields else {
            continue;
        };
        let length = u32::from_le_bytes(length);
        if length.wrapping_sub(1) >= MAX_PAYLOAD_BYTES {
            continue;
        }
        let behind = u32::from_le_bytes(behind);
        if behind != UNKNOWN && u64::from(behind) > before + offset as u64 {
            continue;
        }
        let at = position.plus(offset as u64);
        if let Some(header) = Header::read(place, at, seal) {
            return Some((at, header));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seal() -> Seal {
        Seal::of(Uuid::from_u128(7))
    }

    fn written(payload: &[u8], position: Position) -> Vec<u8> {
        let mut bytes = Vec::new();
        let draft = Draft::new(payload, 3, 1_700_000_000_000).unwrap();
        draft.write(position, seal(), true, &mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn a_frame_reads_back_only_in_its_journal_at_its_position_and_unchanged(
            payload in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<u32>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let position = Position::new(u64::from(at));
            let mut bytes = written(&payload, position);
            let end = position.plus(bytes.len() as u64);
            let frame = Frame { payload: &payload, records: 3, time_ms: 1_700_000_000_000, end };
            prop_assert_eq!(read(&bytes, position, seal()), Found::Frame(frame));
            prop_assert_eq!(read(&bytes, position.plus(1), seal()), Found::Nothing);
            prop_assert_eq!(read(&bytes, position, Seal::of(Uuid::from_u128(8))), Found::Nothing);
            for length in 0..bytes.len() {
                let needed = if length < HEADER_BYTES { HEADER_BYTES } else { bytes.len() };
                prop_assert_eq!(read(&bytes[..length], position, seal()), Found::Partial(needed));
            }
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let in_payload = matches!(read(&bytes, position, seal()), Found::Spoilt(_));
            prop_assert_eq!(in_payload, bit / 8 >= HEADER_BYTES);
        }

        #[test]
        fn a_frame_is_found_behind_any_bytes(
            before in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..200),
            at in any::<u32>(),
        ) {
            let base = Position::new(u64::from(at));
            let position = base.plus(before.len() as u64);
            let bytes = [before, written(b"payload", position)].concat();
            let (found, header) = find(&bytes, base, base, seal()).unwrap();
            prop_assert_eq!((found, header.end(found)), (position, base.plus(bytes.len() as u64)));
            prop_assert_eq!(find(&bytes, base.plus(1), base, seal()), None);
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(!matches!(read(&bytes, Position::START, seal()), Found::Frame(_)));
            prop_assert_eq!(find(&bytes, Position::START, Position::START, seal()), None);
        }
    }

    #[test]
    fn a_frame_without_a_payload_is_refused() {
        assert!(Draft::new(&[], 0, 0).is_err());
        assert_eq!(read(&[0; 64], Position::START, seal()), Found::Nothing);
    }

    #[test]
    fn a_frame_tells_where_its_round_began_if_that_means_something() {
        let at = Position::new(1000);
        let draft = Draft::new(b"x", 1, 0).unwrap();
        for (synced, round) in [(true, Some(Position::new(900))), (false, None)] {
            let mut bytes = vec![0; 100];
            draft.write(at, seal(), synced, &mut bytes);
            let header = bytes[100..].first_chunk().unwrap();
            let header = Header::read(header, at, seal()).unwrap();
            assert_eq!(header.round(at), round);
        }
    }
}
