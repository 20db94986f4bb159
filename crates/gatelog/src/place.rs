//! How far a reader has come, to the record.
//!
//! **Shape.** A [`Place`] lies behind a frame of the journal, or behind one of its records: an output
//! is done with records, not with frames, and a frame may hold thousands of them.

use gatelog_journal::Position;

/// A place in the journal: behind so many records of the frame that ends at a position. Everything
/// before that frame lies before it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    frame_end: Position,
    /// `u32::MAX` for the whole frame, whatever it holds.
    records: u32,
}

impl Place {
    /// Behind everything before this position.
    pub const fn behind(position: Position) -> Self {
        Self {
            frame_end: position,
            records: u32::MAX,
        }
    }

    /// Behind the first `records` records of the frame that ends at this position.
    pub const fn within(frame_end: Position, records: u32) -> Self {
        Self { frame_end, records }
    }

    /// The position behind the frame.
    pub const fn frame_end(self) -> Position {
        self.frame_end
    }

    /// How many records of the frame lie before it; `None` for the whole frame.
    pub const fn records(self) -> Option<u32> {
        if self.records == u32::MAX {
            None
        } else {
            Some(self.records)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_the_journal() {
        let (first, second) = (Position::new(10), Position::new(20));
        let order = [
            Place::within(first, 0),
            Place::within(first, 1),
            Place::behind(first),
            Place::within(second, 0),
            Place::within(second, 7),
            Place::behind(second),
        ];
        assert!(order.is_sorted_by(|a, b| a < b));
    }
}
