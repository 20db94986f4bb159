//! Places in the journal.

use std::fmt;

/// A place between two frames: the bytes of all frames before it, since the journal was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Before the first frame.
    pub const START: Position = Position(0);

    /// The position with this number.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The position's number, to be kept elsewhere.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `bytes` further on.
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.saturating_add(bytes))
    }

    /// How far this lies behind `earlier`, in bytes; 0 if it does not.
    pub const fn since(self, earlier: Position) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A distance as the length of something in memory.
pub(crate) fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
