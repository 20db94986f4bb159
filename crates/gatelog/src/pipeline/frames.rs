//! Frames of the journal as records.

use gatelog_journal::{Frame, Position};
use gatelog_record::{AccessRecord, WireError, wire};

use crate::dead_letter::UnreadableFrame;

/// What frames hold. A frame is decoded whole or set aside whole: its bytes may be of a newer
/// gatelog, which reads them.
#[derive(Debug, Default)]
pub(crate) struct Decoded<'f> {
    /// The records, in order.
    pub(crate) records: Vec<AccessRecord<'f>>,
    /// The frames that have records: how many records there are up to and with the frame, and the
    /// position behind it.
    pub(crate) ends: Vec<(usize, Position)>,
    /// The frames that could not be decoded.
    pub(crate) unreadable: Vec<UnreadableFrame<'f>>,
}

impl<'f> Decoded<'f> {
    /// Decodes frames.
    pub(crate) fn of(frames: impl Iterator<Item = Frame<'f>>) -> Self {
        let mut decoded = Self::default();
        for frame in frames {
            decoded.append(frame);
        }
        decoded
    }

    /// Nothing yet, with room for records.
    pub(crate) fn with_room(records: Vec<AccessRecord<'f>>) -> Self {
        Self {
            records,
            ..Self::default()
        }
    }

    /// Decodes one more frame.
    pub(crate) fn append(&mut self, frame: Frame<'f>) {
        let before = self.records.len();
        match append(frame.payload, &mut self.records) {
            Ok(()) => self.ends.push((self.records.len(), frame.end)),
            Err(error) => {
                self.records.truncate(before);
                self.unreadable.push(UnreadableFrame {
                    payload: frame.payload,
                    records: frame.records,
                    reason: error.to_string(),
                    position: frame.end,
                });
            }
        }
    }
}

fn append<'f>(payload: &'f [u8], records: &mut Vec<AccessRecord<'f>>) -> Result<(), WireError> {
    for record in wire::read_batch(payload)? {
        records.push(record?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatelog_record::{Timestamp, standard};

    use super::*;

    #[test]
    fn a_frame_that_cannot_be_decoded_leaves_its_neighbours() {
        let mut good = Vec::new();
        wire::begin_batch(&mut good);
        for number in 0..2 {
            wire::write_record(&standard::record(number, Timestamp::EPOCH), &mut good);
        }
        // Its first record is whole.
        let bad = [&good[..], &[0x0a, 0xff]].concat();
        let newer = [9, 1, 2, 3];
        let payloads: [&[u8]; 4] = [&good, &bad, &newer, &good];
        let frames = payloads.iter().zip(1..).map(|(payload, end)| Frame {
            payload,
            records: 2,
            time_ms: 0,
            end: Position::new(end),
        });
        let decoded = Decoded::of(frames);
        assert_eq!(decoded.records.len(), 4);
        let ends = [(2, Position::new(1)), (4, Position::new(4))];
        assert_eq!(decoded.ends, ends);
        let unreadable: Vec<_> = decoded
            .unreadable
            .iter()
            .map(|frame| frame.payload)
            .collect();
        assert_eq!(unreadable, [&bad[..], &newer[..]]);
        assert!(
            decoded.unreadable[1].reason.contains('9'),
            "{:?}",
            decoded.unreadable[1]
        );
    }
}
