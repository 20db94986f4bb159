//! The bytes of one file.

use super::chance::Chance;
use super::history::Image;

/// What a disk writes at once or not at all.
const SECTOR_BYTES: usize = 512;

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content(pub(crate) Vec<u8>);

/// One change to a file.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Content {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        if let Some(place) = self.0.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
    }
}

impl Image for Content {
    type Change = Change;

    fn apply(&mut self, change: &Change) {
        match change {
            Change::Write { offset, bytes } => self.write(*offset, bytes),
            Change::Length(length) => self.0.resize(*length, 0),
        }
    }

    fn apply_part(&mut self, change: &Change, chance: &mut Chance) {
        let Change::Write { offset, bytes } = change else {
            // Cut or not: there is no part.
            return;
        };
        match chance.below(4) {
            0 => {}
            // The length, and zeros in the place of what was not there before.
            1 => {
                let length = self.0.len().max(offset + bytes.len());
                self.0.resize(length, 0);
            }
            2 => {
                let (head, _) = bytes.split_at(chance.below(bytes.len()));
                self.write(*offset, head);
            }
            _ => {
                let mut at = *offset;
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    let to_border = SECTOR_BYTES - at % SECTOR_BYTES;
                    let (sector, after) = rest.split_at(to_border.min(rest.len()));
                    if chance.quarters(2) {
                        self.write(at, sector);
                    }
                    at += sector.len();
                    rest = after;
                }
            }
        }
    }
}
