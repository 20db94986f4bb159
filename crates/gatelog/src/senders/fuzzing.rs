//! For the fuzz targets only: a checkpoint as bytes, without a file.

use std::path::Path;

use gatelog_journal::{Journal, Position};

use super::Senders;
use super::checkpoint::{self, Output};

impl Senders {
    /// What a checkpoint of these bytes restores, and its position; `None` if it is not believed.
    #[doc(hidden)]
    pub fn of_checkpoint(bytes: &[u8], journal: &Journal) -> Option<(Self, Position)> {
        let senders = Self::default();
        let position =
            checkpoint::read_from(bytes, Path::new("checkpoint"), &senders, journal).ok()?;
        Some((senders, position))
    }

    /// A checkpoint of all that is known.
    #[doc(hidden)]
    pub fn to_checkpoint(&self, journal: &Journal, position: Position) -> Vec<u8> {
        let mut out = Output::new(Vec::new());
        // Writing into memory does not fail.
        let _written = checkpoint::write_to(&mut out, self, journal, position).is_ok();
        out.file
    }
}
