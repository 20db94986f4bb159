//! A piece of a file: one record, or what is none.

use std::ops::Range;

/// One item or line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it stands in the window.
    pub(super) at: Range<usize>,
    pub(super) content: Content,
}

/// What a piece is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A record that is sent as it is.
    AsItIs,
    /// A record that is sent in this form.
    Wire(String),
    /// No record, for this reason.
    Rejected(String),
    /// More of what was rejected before it.
    More,
}

/// What a window holds.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// In order.
    pub(super) pieces: Vec<Piece>,
    /// Bytes that need not be seen again: behind them more of the file is needed.
    pub(super) consumed: usize,
}

impl Cut {
    pub(super) fn push(&mut self, at: Range<usize>, content: Content) {
        self.pieces.push(Piece { at, content });
    }
}

/// How many line breaks there are.
pub(super) fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}
