//! Frames: what an append becomes on disk.

use crate::{Error, Position, Result};

/// Bytes before a frame's payload: length, record count, checksum.
pub(crate) const HEADER_BYTES: usize = 12;

/// The longest payload.
const MAX_PAYLOAD_BYTES: usize = 256 << 20;

/// A frame read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What was appended.
    pub payload: &'a [u8],
    /// How many records the appender said it holds.
    pub records: u32,
    /// The position behind the frame.
    pub end: Position,
}

/// A payload with what can be computed about it before its position is known, so that little is
/// left to do while the journal is locked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'a> {
    payload: &'a [u8],
    length: u32,
    records: u32,
    payload_checksum: u32,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(payload: &'a [u8], records: u32) -> Result<Self> {
        if payload.is_empty() || payload.len() > MAX_PAYLOAD_BYTES {
            return Err(Error::FrameSize {
                length: payload.len(),
            });
        }
        let length = u32::try_from(payload.len()).map_err(|_| Error::FrameSize {
            length: payload.len(),
        })?;
        Ok(Self {
            payload,
            length,
            records,
            payload_checksum: crc32c::crc32c(payload),
        })
    }

    /// Bytes that the frame takes on disk.
    pub(crate) fn disk_bytes(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Appends the frame as it will stand at `position`.
    pub(crate) fn write(&self, position: Position, out: &mut Vec<u8>) {
        let checksum = checksum(position, self.length, self.records, self.payload_checksum);
        out.extend_from_slice(&self.length.to_le_bytes());
        out.extend_from_slice(&self.records.to_le_bytes());
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(self.payload);
    }
}

fn checksum(position: Position, length: u32, records: u32, payload_checksum: u32) -> u32 {
    let mut checksum = crc32c::crc32c(&position.get().to_le_bytes());
    for part in [length, records, payload_checksum] {
        checksum = crc32c::crc32c_append(checksum, &part.to_le_bytes());
    }
    checksum
}

/// What stands at the beginning of some bytes of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A whole frame.
    Frame(Frame<'a>),
    /// The beginning of a frame that needs this many bytes in all.
    Partial(usize),
    /// Anything else.
    Nothing(&'static str),
}

/// Reads the frame that begins `bytes`, which stand at `position`.
pub(crate) fn read(bytes: &[u8], position: Position) -> Found<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Found::Partial(HEADER_BYTES);
    };
    let [l0, l1, l2, l3, r0, r1, r2, r3, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let records = u32::from_le_bytes([r0, r1, r2, r3]);
    let stored = u32::from_le_bytes([c0, c1, c2, c3]);
    let payload_bytes = length as usize;
    if payload_bytes == 0 || payload_bytes > MAX_PAYLOAD_BYTES {
        return Found::Nothing("a frame length that cannot be");
    }
    let Some(payload) = rest.get(..payload_bytes) else {
        return Found::Partial(HEADER_BYTES + payload_bytes);
    };
    if checksum(position, length, records, crc32c::crc32c(payload)) != stored {
        return Found::Nothing("a frame checksum that does not match");
    }
    let end = position.plus((HEADER_BYTES + payload_bytes) as u64);
    Found::Frame(Frame {
        payload,
        records,
        end,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_frame_reads_back_only_at_its_own_position_and_unchanged(
            payload in prop::collection::vec(any::<u8>(), 1..200),
            at in any::<u32>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let position = Position::new(u64::from(at));
            let mut bytes = Vec::new();
            Draft::new(&payload, 3).unwrap().write(position, &mut bytes);
            let end = position.plus(bytes.len() as u64);
            prop_assert_eq!(
                read(&bytes, position),
                Found::Frame(Frame { payload: &payload, records: 3, end })
            );
            prop_assert!(!matches!(read(&bytes, position.plus(1)), Found::Frame(_)));
            prop_assert_eq!(read(&bytes[..bytes.len() - 1], position), Found::Partial(bytes.len()).min_header(bytes.len() - 1));
            let bit = flip.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!matches!(read(&bytes, position), Found::Frame(_)));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(!matches!(read(&bytes, Position::START), Found::Frame(_)));
        }
    }

    impl Found<'_> {
        /// With fewer bytes than a header, that is all that is known to be needed.
        fn min_header(self, available: usize) -> Self {
            if available < HEADER_BYTES {
                Found::Partial(HEADER_BYTES)
            } else {
                self
            }
        }
    }

    #[test]
    fn a_frame_without_a_payload_is_refused() {
        assert!(Draft::new(&[], 0).is_err());
        assert_eq!(
            read(&[0; 64], Position::START),
            Found::Nothing("a frame length that cannot be")
        );
    }
}
