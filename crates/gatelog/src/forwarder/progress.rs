//! A chunk of the journal as an output sees it: what it wants, and what is passed with each record.

use gatelog_journal::{Frame, Position};
use gatelog_record::AccessRecord;

use crate::dead_letter::UnreadableFrame;
use crate::output::Output;
use crate::pipeline::frames::Decoded;

/// The records of a chunk that an output wants.
#[derive(Debug)]
pub(super) struct Wanted<'f> {
    pub(super) records: Vec<AccessRecord<'f>>,
    /// The position behind the frame of each record.
    pub(super) ends: Vec<Position>,
    pub(super) unreadable: Vec<UnreadableFrame<'f>>,
    /// Where the chunk begins.
    begin: Position,
    /// The position behind the chunk.
    pub(super) end: Position,
}

impl<'f> Wanted<'f> {
    pub(super) fn of(
        frames: impl Iterator<Item = Frame<'f>>,
        begin: Position,
        end: Position,
        output: &dyn Output,
    ) -> Self {
        let decoded = Decoded::of(frames);
        let mut frames = decoded.ends.into_iter().peekable();
        let (mut records, mut ends) = (Vec::new(), Vec::new());
        for (index, record) in decoded.records.into_iter().enumerate() {
            while frames.next_if(|(count, _)| *count <= index).is_some() {}
            if let Some((_, frame_end)) = frames.peek()
                && output.wants(&record)
            {
                records.push(record);
                ends.push(*frame_end);
            }
        }
        Self {
            records,
            ends,
            unreadable: decoded.unreadable,
            begin,
            end,
        }
    }

    /// How many records the frames have that could not be decoded, by their heads.
    pub(super) fn unreadable_records(&self) -> u64 {
        let records = self.unreadable.iter().map(|frame| u64::from(frame.records));
        records.sum()
    }

    /// The first record behind `passed`.
    pub(super) fn first_behind(&self, passed: Position) -> usize {
        self.ends.partition_point(|end| *end <= passed)
    }

    /// The position that is passed when the first `count` records are done with, and how many of
    /// these lie behind it.
    pub(super) fn passed(&self, count: usize) -> (Position, usize) {
        let passed = match self.ends.get(count) {
            None => self.end,
            // The frame of the next record is not done with; all before it is.
            Some(next) => {
                let before = self.ends.partition_point(|end| end < next);
                let last = before.checked_sub(1).and_then(|last| self.ends.get(last));
                last.copied().unwrap_or(self.begin)
            }
        };
        (passed, count - self.first_behind(passed).min(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_passed_with_its_last_record() {
        let position = Position::new;
        let wanted = Wanted {
            records: Vec::new(),
            ends: [10, 10, 20, 30, 30, 30].map(position).into(),
            unreadable: Vec::new(),
            begin: position(5),
            end: position(40),
        };
        let passed: Vec<_> = (0..=6).map(|count| wanted.passed(count)).collect();
        let expected = [(5, 0), (5, 1), (10, 0), (20, 0), (20, 1), (20, 2), (40, 0)];
        assert_eq!(passed, expected.map(|(at, behind)| (position(at), behind)));
        assert_eq!(wanted.first_behind(position(10)), 2);
        assert_eq!(wanted.first_behind(position(9)), 0);
        assert_eq!(wanted.first_behind(position(40)), 6);
    }
}
