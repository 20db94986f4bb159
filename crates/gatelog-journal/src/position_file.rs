//! How far a reader has come, on disk.
//!
//! **Shape.** Two slots of `sequence(u64) position(u64) crc32c(u32)`, written in turn: a torn write
//! spoils one slot, and the other holds the position before it.
//!
//! **Failure.** Written without a sync: after a power failure an older position may be read, and
//! what lies behind it is delivered again. A store does not rely on it: it commits the position
//! with its rows.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Error, Position, Result};

const SLOT_BYTES: usize = 20;

/// An open position file.
#[derive(Debug)]
pub(crate) struct PositionFile {
    path: PathBuf,
    file: File,
    /// Of the slot written last; its parity says which slot that was.
    sequence: u64,
}

impl PositionFile {
    /// Opens the file of this reader, and says what it holds.
    pub(crate) fn open(dir: &Path, reader: &str) -> Result<(Self, Option<Position>)> {
        let path = dir.join(format!("{reader}.position"));
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::io("open", &path))?;
        let slots = [0u64, 1].map(|slot| {
            let mut bytes = [0; SLOT_BYTES];
            // What cannot be read is no slot: the file is new, or a write was torn.
            file.read_exact_at(&mut bytes, slot * SLOT_BYTES as u64)
                .ok()?;
            read_slot(&bytes)
        });
        let latest = slots.into_iter().flatten().max();
        let (sequence, position) = latest.unzip();
        Ok((
            Self {
                path,
                file,
                sequence: sequence.unwrap_or(0),
            },
            position,
        ))
    }

    /// Puts the position into the older slot.
    pub(crate) fn write(&mut self, position: Position) -> Result<()> {
        self.sequence += 1;
        let slot = self.sequence % 2;
        self.file
            .write_all_at(
                &slot_bytes(self.sequence, position),
                slot * SLOT_BYTES as u64,
            )
            .map_err(Error::io("write", &self.path))
    }
}

fn slot_bytes(sequence: u64, position: Position) -> Vec<u8> {
    let mut bytes = [sequence.to_le_bytes(), position.get().to_le_bytes()].concat();
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn read_slot(bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Position)> {
    let (sequence, rest) = bytes.split_first_chunk::<8>()?;
    let (position, _) = rest.split_first_chunk::<8>()?;
    let (sequence, position) = (
        u64::from_le_bytes(*sequence),
        Position::new(u64::from_le_bytes(*position)),
    );
    (slot_bytes(sequence, position) == bytes && sequence > 0).then_some((sequence, position))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_slot_gives_the_position_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut file, position) = PositionFile::open(dir.path(), "r").unwrap();
        assert_eq!(position, None);
        for bytes in [10, 20, 30] {
            file.write(Position::new(bytes)).unwrap();
        }
        assert_eq!(
            PositionFile::open(dir.path(), "r").unwrap().1,
            Some(Position::new(30))
        );
        // The third write went to slot 1.
        file.file
            .write_all_at(&[0xff; 4], SLOT_BYTES as u64 + 8)
            .unwrap();
        assert_eq!(
            PositionFile::open(dir.path(), "r").unwrap().1,
            Some(Position::new(20))
        );
    }
}
