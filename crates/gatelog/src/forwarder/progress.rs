//! A stretch of the journal as an output sees it: what it wants, and what is passed with each record.

use gatelog_journal::Position;
use gatelog_record::AccessRecord;

use super::chunk::Contents;
use crate::dead_letter::UnreadableFrame;
use crate::place::Place;

/// How far an output has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    /// Everything before it is done with.
    pub(super) place: Place,
    /// A position between frames at it or before it: what the journal need not keep.
    pub(super) position: Position,
}

impl Passed {
    /// Everything before a position.
    pub(super) const fn behind(position: Position) -> Self {
        Self {
            place: Place::behind(position),
            position,
        }
    }
}

/// The records that an output wants of a stretch of the journal.
#[derive(Debug)]
pub(super) struct Wanted<'c> {
    pub(super) records: Vec<&'c AccessRecord<'c>>,
    /// The place behind each record.
    pub(super) places: Vec<Place>,
    pub(super) unreadable: Vec<UnreadableFrame<'c>>,
    /// Where the stretch begins.
    begin: Position,
    /// The position behind it.
    end: Position,
}

impl<'c> Wanted<'c> {
    /// Nothing of a stretch.
    pub(super) fn nothing(begin: Position, end: Position) -> Self {
        Self {
            records: Vec::new(),
            places: Vec::new(),
            unreadable: Vec::new(),
            begin,
            end,
        }
    }

    /// Adds those of its records that are wished for, from a position between frames on.
    pub(super) fn add(
        &mut self,
        contents: &'c Contents<'c>,
        wishes: Option<&Vec<usize>>,
        from: Position,
    ) {
        let before = Place::behind(from);
        for index in wishes.into_iter().flatten() {
            if let Some(record) = contents.records.get(*index)
                && let Some(place) = contents.places.get(*index)
                && *place > before
            {
                self.records.push(record);
                self.places.push(*place);
            }
        }
        let unreadable = contents.unreadable.iter();
        let unreadable = unreadable.filter(|frame| frame.position > from);
        self.unreadable.extend(unreadable.cloned());
    }

    /// How many records the frames have that could not be decoded, by their heads.
    pub(super) fn unreadable_records(&self) -> u64 {
        let records = self.unreadable.iter().map(|frame| u64::from(frame.records));
        records.sum()
    }

    /// The first record behind `passed`.
    pub(super) fn first_behind(&self, passed: Place) -> usize {
        self.places.partition_point(|place| *place <= passed)
    }

    /// What is passed when the first `count` records are done with.
    pub(super) fn passed(&self, count: usize) -> Passed {
        let Some(next) = self.places.get(count) else {
            return Passed::behind(self.end);
        };
        // The frame of the next record is not done with; all before it is.
        let frame_end = next.frame_end();
        let before = self
            .places
            .partition_point(|place| place.frame_end() < frame_end);
        let last = before.checked_sub(1).and_then(|last| self.places.get(last));
        let records = next.records().unwrap_or(u32::MAX);
        Passed {
            // Up to the next record: those that are not wanted are done with.
            place: Place::within(frame_end, records.saturating_sub(1)),
            position: last.map_or(self.begin, |last| last.frame_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_passed_with_its_last_record() {
        let place = |(end, records)| Place::within(Position::new(end), records);
        let wanted = Wanted {
            records: Vec::new(),
            places: [(10, 1), (10, 2), (20, 1), (30, 1), (30, 4), (30, 5)]
                .map(place)
                .into(),
            unreadable: Vec::new(),
            begin: Position::new(5),
            end: Position::new(40),
        };
        let passed: Vec<_> = (0..=5).map(|count| wanted.passed(count)).collect();
        let expected = [
            (5, (10, 0)),
            (5, (10, 1)),
            (10, (20, 0)),
            (20, (30, 0)),
            (20, (30, 3)),
            (20, (30, 4)),
        ];
        let expected = expected.map(|(position, at)| Passed {
            place: place(at),
            position: Position::new(position),
        });
        assert_eq!(passed, expected);
        assert_eq!(wanted.passed(6), Passed::behind(Position::new(40)));
        for (count, passed) in passed.iter().enumerate() {
            assert_eq!(wanted.first_behind(passed.place), count);
        }
        let first_behind = |position| wanted.first_behind(Place::behind(Position::new(position)));
        assert_eq!([9, 10, 40].map(first_behind), [0, 2, 6]);
    }
}
