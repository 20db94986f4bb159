//! How far an output has come in a frame that it is not done with, on disk.
//!
//! The journal keeps a reader's position, which is one between frames. A frame may hold more records
//! than an output takes in an hour; without this file all of them would be delivered again after a
//! restart, not those of the last second.
//!
//! **Shape.** `outputs/READER.progress` has two slots, 4 KiB apart:
//!
//! ```text
//! sequence u64 | position u64 | frame_end u64 | records u32 | crc32c u32      little-endian
//! ```
//!
//! All before `position` is done with, and so are the first `records` records of the frame that ends at
//! `frame_end`, and what lies between. The checksum covers the journal's id, too.
//!
//! **Invariants.** A slot is written when something is confirmed, which the end of the process does
//! not undo, and is [synced](ProgressFile::sync) within a second, for the end of the machine. Until it
//! is synced only that slot is written, so the other one holds what was synced last. The file is asked
//! only at the start, where it counts if it lies before the end of its own journal and behind the
//! reader's position: whole frames are the journal's business, and leave an older file behind. A file
//! that does not count because it is of another journal, or lies behind the end of it, is removed: it
//! must not come to count later.
//!
//! **Failure.** A disk that refuses holds up nothing: it is told, and tried again. Until then more than
//! a second's records may come again after a crash.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use gatelog_failpoint as failpoint;
use gatelog_journal::{Journal, Position};

use super::progress::Passed;
use crate::place::Place;

const SLOT_BYTES: usize = 32;
const SLOT_DISTANCE: u64 = 4096;
const SUFFIX: &str = ".progress";

/// An output's file. Its methods block on the disk.
#[derive(Debug)]
pub(super) struct ProgressFile {
    path: PathBuf,
    /// The bytes of the journal's id.
    journal: [u8; 16],
    file: Option<File>,
    /// Whether the file's name is durable.
    named: bool,
    /// Of the newest slot.
    sequence: u64,
    /// The slot that is written until it is synced.
    slot: u64,
    /// What is not durable.
    unsynced: Option<Unsynced>,
    /// It was removed, and is not made again.
    removed: bool,
}

/// See [`ProgressFile::unsynced`].
#[derive(Clone, Copy, Debug)]
struct Unsynced {
    passed: Passed,
    /// Whether the file has it.
    written: bool,
}

impl ProgressFile {
    /// The file of this reader below the data directory, and what counts of what it holds.
    pub(super) fn open(dir: &Path, reader: &str, journal: &Journal) -> (Self, Option<Passed>) {
        let mut opened = Self {
            path: dir.join(format!("{reader}{SUFFIX}")),
            journal: journal.id().into_bytes(),
            file: None,
            named: false,
            sequence: 0,
            slot: 0,
            unsynced: None,
            removed: false,
        };
        let path = opened.path.display();
        let found = match opened.read() {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (opened, None),
            Err(error) => {
                tracing::warn!(file = %path, %error, "an output's progress cannot be read; what it has of a frame comes again");
                return (opened, None);
            }
        };
        let end = journal.end();
        match found {
            Some((slot, sequence, passed)) if passed.place <= Place::behind(end) => {
                opened.sequence = sequence;
                opened.slot = 1 - slot;
                (opened, Some(passed))
            }
            _ => {
                if let Err(error) = fs::remove_file(&opened.path) {
                    tracing::warn!(file = %path, %error, "an output's progress in another journal cannot be removed");
                }
                (opened, None)
            }
        }
    }

    /// The slot with what was written last, its sequence and what it says.
    fn read(&self) -> io::Result<Option<(u64, u64, Passed)>> {
        let file = File::open(&self.path)?;
        let mut latest: Option<(u64, u64, Passed)> = None;
        for slot in [0, 1] {
            let mut bytes = [0; SLOT_BYTES];
            match file.read_exact_at(&mut bytes, slot * SLOT_DISTANCE) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
                read => read?,
            }
            if let Some((sequence, passed)) = self.decode(&bytes)
                && latest.is_none_or(|(_, known, _)| known < sequence)
            {
                latest = Some((slot, sequence, passed));
            }
        }
        Ok(latest)
    }

    /// Writes how far it has come. Not durable before [`sync`](Self::sync), which makes up for what
    /// failed here.
    pub(super) fn write(&mut self, passed: Passed) -> io::Result<()> {
        if self.removed {
            return Ok(());
        }
        self.unsynced = Some(Unsynced {
            passed,
            written: false,
        });
        let sequence = self.sequence + 1;
        let bytes = self.encode(sequence, passed);
        let offset = self.slot * SLOT_DISTANCE;
        failpoint::disk("output.progress_write")?;
        self.file()?.write_all_at(&bytes, offset)?;
        self.sequence = sequence;
        if let Some(unsynced) = &mut self.unsynced {
            unsynced.written = true;
        }
        failpoint::pass("output.progress_written");
        Ok(())
    }

    /// Makes durable what was written, and what could not be written before.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(Unsynced { passed, written }) = self.unsynced else {
            return Ok(());
        };
        if !written {
            self.write(passed)?;
        }
        let synced =
            failpoint::disk("output.progress_sync").and_then(|()| self.file()?.sync_data());
        if let Err(error) = synced {
            // To sync once more would prove nothing: it has to be written once more.
            self.unsynced = Some(Unsynced {
                passed,
                written: false,
            });
            return Err(error);
        }
        if !self.named {
            let dir = self.path.parent().unwrap_or(Path::new("."));
            File::open(dir)?.sync_all()?;
            self.named = true;
        }
        self.slot = 1 - self.slot;
        self.unsynced = None;
        failpoint::pass("output.progress_synced");
        Ok(())
    }

    /// Removes it for good: the output has ended.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.removed = true;
        self.unsynced = None;
        self.file = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn file(&mut self) -> io::Result<&File> {
        let file = if let Some(file) = self.file.take() {
            file
        } else {
            if let Some(dir) = self.path.parent() {
                fs::create_dir_all(dir)?;
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(false);
            options.open(&self.path)?
        };
        Ok(self.file.insert(file))
    }

    fn encode(&self, sequence: u64, passed: Passed) -> [u8; SLOT_BYTES] {
        // Only what a frame has is kept here; of a whole frame the journal tells.
        let records = passed.place.records().unwrap_or(0);
        let numbers = [
            sequence,
            passed.position.get(),
            passed.place.frame_end().get(),
        ];
        let mut bytes = numbers.map(u64::to_le_bytes).concat();
        bytes.extend(records.to_le_bytes());
        let checksum = crc32c::crc32c_append(crc32c::crc32c(&self.journal), &bytes);
        bytes.extend(checksum.to_le_bytes());
        let mut slot = [0; SLOT_BYTES];
        for (to, from) in slot.iter_mut().zip(bytes) {
            *to = from;
        }
        slot
    }

    fn decode(&self, bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Passed)> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        let _: &[u8] = rest;
        let &[sequence, position, frame_end, last] = numbers else {
            return None;
        };
        let records = last.first_chunk().copied().map(u32::from_le_bytes)?;
        let passed = Passed {
            place: Place::within(Position::new(u64::from_le_bytes(frame_end)), records),
            position: Position::new(u64::from_le_bytes(position)),
        };
        let sequence = u64::from_le_bytes(sequence);
        (self.encode(sequence, passed) == *bytes && sequence > 0).then_some((sequence, passed))
    }
}

/// The directory of the files, below the data directory.
pub(super) fn dir(data_dir: &Path) -> PathBuf {
    data_dir.join("outputs")
}

/// Removes the files of other readers than these: under their names outputs begin anew.
pub(super) fn keep_only(dir: &Path, readers: &[&str]) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let reader = name.and_then(|name| name.strip_suffix(SUFFIX));
        if reader.is_some_and(|reader| !readers.contains(&reader)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gatelog_journal::Config;

    use super::*;

    fn passed(records: u32) -> Passed {
        Passed {
            place: Place::within(Position::new(50), records),
            position: Position::new(10),
        }
    }

    /// A journal that ends at 50 or behind it.
    fn journal(dir: &Path) -> Journal {
        let journal = Journal::open(&dir.join("journal"), Config::default()).unwrap();
        let appended = journal.append(&[0; 100], 1).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(appended).unwrap();
        journal
    }

    #[test]
    fn what_was_synced_last_stands_in_a_slot_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(dir.path());
        let found = || ProgressFile::open(dir.path(), "r", &journal).1;
        let (mut file, nothing) = ProgressFile::open(dir.path(), "r", &journal);
        assert_eq!(nothing, None);
        for records in 1..=3 {
            file.write(passed(records)).unwrap();
            assert_eq!(found(), Some(passed(records)));
        }
        file.sync().unwrap();
        for records in 4..=9 {
            file.write(passed(records)).unwrap();
        }
        assert_eq!(found(), Some(passed(9)));
        // The machine ends while the slot is written.
        let spoilt = OpenOptions::new().write(true).open(&file.path).unwrap();
        spoilt.write_all_at(&[0xff; 4], SLOT_DISTANCE + 24).unwrap();
        assert_eq!(found(), Some(passed(3)));
        // The next process writes where nothing was found.
        let (mut file, _) = ProgressFile::open(dir.path(), "r", &journal);
        file.write(passed(10)).unwrap();
        spoilt.write_all_at(&[0xff; 4], SLOT_DISTANCE + 24).unwrap();
        assert_eq!(found(), Some(passed(3)));
    }

    #[test]
    fn what_is_of_another_journal_or_behind_the_end_counts_neither_now_nor_later() {
        let dir = tempfile::tempdir().unwrap();
        let journal = journal(dir.path());
        let end = journal.end().get();
        let (mut file, _) = ProgressFile::open(dir.path(), "r", &journal);
        let beyond = Passed {
            place: Place::within(Position::new(end + 1), 1),
            position: Position::new(10),
        };
        file.write(beyond).unwrap();
        assert_eq!(ProgressFile::open(dir.path(), "r", &journal).1, None);
        assert!(!file.path.exists());
        let (mut file, _) = ProgressFile::open(dir.path(), "r", &journal);
        file.journal[0] ^= 1;
        file.write(passed(1)).unwrap();
        assert_eq!(ProgressFile::open(dir.path(), "r", &journal).1, None);
        assert!(!file.path.exists());
    }

    #[test]
    fn files_of_outputs_that_are_gone_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        keep_only(&dir.path().join("outputs"), &[]).unwrap();
        for name in ["a.progress", "b.progress", "notes"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        keep_only(dir.path(), &["a"]).unwrap();
        let left = ["a.progress", "b.progress", "notes"].map(|name| dir.path().join(name).exists());
        assert_eq!(left, [true, false, true]);
    }
}
