//! What is done to the files behind the journal's back, and what that may cost.
//!
//! **Invariants.** Frames know their positions, their journal and their length: what an edit does not
//! touch is still read. But
//! - behind a touched frame those of its round, if they are the newest, pass for an unfinished write;
//! - without the file `id` and with a touched header nobody knows any more whose frames these are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::machine::After;
use crate::program::Program;
use crate::segment_file::{DIR, HEADER_BYTES};

/// Bytes of a file that are not what or where they were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    path: PathBuf,
    bytes: Range<usize>,
    is_flip: bool,
}

/// What all edits have touched.
#[derive(Debug)]
pub(crate) struct Touched {
    frames: BTreeSet<usize>,
    pub(crate) headers: bool,
    id: bool,
    edits: usize,
    pub(crate) only_flips: bool,
    /// Where each segment began before.
    bases: BTreeSet<u64>,
}

/// Does one edit.
pub(crate) fn one(program: &mut Program<'_>, after: &After) -> Edit {
    let disk = &after.disk;
    let files = disk.files();
    let (kind, file) = (program.byte(), program.byte());
    // The segments by their order, what is not one by its order from the end.
    let index = match file {
        0..=127 => usize::from(file).checked_rem(files.len()),
        _ => files.len().checked_sub(usize::from(256 - u16::from(file))),
    };
    let Some((path, before)) = index.and_then(|index| files.iter().nth(index)) else {
        return Edit::default();
    };
    let at = program.below(before.len() + 1);
    let count = usize::from(program.byte()).min(before.len() - at);
    let mut bytes = before.clone();
    let mut edit = Edit {
        path: path.clone(),
        bytes: at..usize::MAX,
        is_flip: false,
    };
    match kind % 8 {
        0 => {
            flip(&mut bytes, at, count % 8);
            edit.bytes = at..at + 1;
            edit.is_flip = true;
        }
        1 => bytes.truncate(at),
        kind @ (2 | 3) => {
            let value = if kind == 2 { 0 } else { program.byte() };
            drop(bytes.splice(at..at + count, std::iter::repeat_n(value, count)));
            edit.bytes = at..at + count;
        }
        4 => {
            disk.take_away(path);
            edit.bytes = 0..usize::MAX;
            return edit;
        }
        5 => {
            // Some of them get a name that no file has.
            let named = files.keys().nth(count).filter(|_| kind & 8 == 0);
            let other = || Path::new(DIR).join(format!("{:020}.segment", at * 7));
            edit.path = named.cloned().unwrap_or_else(other);
            edit.bytes = 0..usize::MAX;
            // A copy of a position is a position.
            if is_position(path) {
                return edit;
            }
        }
        6 => drop(bytes.splice(at..at, program.bytes(count).iter().copied())),
        _ => drop(bytes.drain(at..at + count)),
    }
    disk.put(&edit.path, &bytes);
    edit
}

fn flip(bytes: &mut [u8], at: usize, bit: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << bit;
    }
}

fn is_position(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "position")
}

impl Touched {
    pub(crate) fn is_nothing(&self) -> bool {
        self.edits == 0
    }

    /// Before the first edit.
    pub(crate) fn nothing(after: &After) -> Self {
        let files = after.disk.files();
        Self {
            frames: BTreeSet::new(),
            headers: false,
            id: false,
            edits: 0,
            only_flips: true,
            bases: files.keys().filter_map(|path| base(path)).collect(),
        }
    }

    /// Takes note of an edit.
    pub(crate) fn add(&mut self, edit: &Edit, after: &After) {
        self.edits += 1;
        self.only_flips &= edit.is_flip;
        self.id |= edit.path.ends_with("id");
        let touched =
            |bytes: &Range<usize>| bytes.start < edit.bytes.end && edit.bytes.start < bytes.end;
        let Some(base) = base(&edit.path) else {
            return;
        };
        self.headers |= touched(&(0..HEADER_BYTES));
        let next = self.bases.range(base + 1..).next().copied();
        let next = next.unwrap_or(u64::MAX);
        for (number, place) in &after.places {
            if place.from < base || place.from >= next {
                continue;
            }
            let offset = |position: u64| {
                usize::try_from(position - base).unwrap_or(usize::MAX) + HEADER_BYTES
            };
            if touched(&(offset(place.from)..offset(place.to))) {
                self.frames.insert(*number);
            }
        }
    }

    /// Takes what may be lost from what is owed.
    pub(crate) fn write_off(&self, after: &mut After) {
        let all = self.id && self.headers;
        let mut first_of_round = BTreeMap::new();
        for number in &self.frames {
            if let Some(place) = after.places.get(number) {
                first_of_round.entry(place.round).or_insert(*number);
            }
        }
        let lost = after.places.iter().filter(|(number, place)| {
            let behind = first_of_round.get(&place.round);
            all || behind.is_some_and(|first| number >= &first)
        });
        after.ledger.write_off(lost.map(|(number, _)| *number));
    }
}

/// The position that a segment's name says.
fn base(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".segment")?;
    name.parse().ok()
}
