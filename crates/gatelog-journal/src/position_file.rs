//! How far a reader has come, on disk.
//!
//! **Shape.** The file is made whole, with a first place, before it has its name. Two slots of
//! `sequence(u64) position(u64) records(u64) crc32c(u32)`, 4 KiB apart. What is written goes to the one
//! that is not known to be durable: a torn write spoils that one, and the other holds the position
//! before it. The checksum covers the journal's id, too: the position in another journal is none in
//! this one.
//!
//! **Failure.** What is written is synced within a second. After a power failure an older position
//! may be read, and what lies behind it is delivered again. A store does not rely on it: it commits
//! the position with its rows. With both slots spoilt the reader begins at the oldest frame.

use std::io;
use std::path::PathBuf;

use gatelog_failpoint as failpoint;

use crate::directory::{DRAFT_SUFFIX, Home};
use crate::filesystem::{Handle, Mode};
use crate::{Error, Position, Result};

const SLOT_BYTES: usize = 28;
const SLOT_DISTANCE: u64 = 4096;
const SUFFIX: &str = ".position";

/// Whatever is counted here, nobody comes so far. Below it there is room to go on counting.
const UNREACHED: u64 = 1 << 62;

/// Where a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: Position,
    /// How many records lie before it, if that is known.
    pub(crate) records: Option<u64>,
}

/// An open position file.
#[derive(Debug)]
pub(crate) struct PositionFile {
    home: Home,
    path: PathBuf,
    file: Box<dyn Handle>,
    /// Of the slot written last; its parity says which slot that was.
    sequence: u64,
    /// Of the last slot that is known to be durable.
    durable: u64,
    /// What the file is to hold and could not be given.
    unwritten: Option<Place>,
    /// What it was given and may not be durable.
    unsynced: Option<Place>,
}

impl PositionFile {
    /// Opens the file of this reader and says what it holds, nothing if it is spoilt; `None` for a
    /// reader that has no file.
    pub(crate) fn open(home: &Home, reader: &str) -> Result<Option<(Self, Option<Place>)>> {
        let path = home.path.join(file_name(reader));
        let file = match home.fs.open(&path, Mode::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Error::io("open", &path))?,
        };
        let found = read(home, file.as_ref()).map_err(Error::io("read", &path))?;
        let (sequence, place) = found.unzip();
        // It may be known to the kernel only; and if a sync of it has failed before, a sync proves
        // nothing, and it has to be written once more.
        file.sync_data().map_err(Error::io("sync", &path))?;
        let mut opened = Self::new(home, path, file, sequence.unwrap_or(0));
        opened.unwritten = place;
        Ok(Some((opened, place)))
    }

    /// Makes the file of a new reader, durably.
    pub(crate) fn create(home: &Home, reader: &str, place: Place) -> Result<Self> {
        let name = file_name(reader);
        let draft = home.path.join(format!("{name}{DRAFT_SUFFIX}"));
        let file = home.open(&draft, Mode::Create)?;
        file.set_length(0).map_err(Error::io("write", &draft))?;
        let mut made = Self::new(home, draft, file, 0);
        made.write(place)?;
        made.sync()?;
        let path = home.path.join(name);
        let renamed = home.fs.rename(&made.path, &path);
        renamed.map_err(Error::io("make", &path))?;
        home.sync()?;
        made.path = path;
        Ok(made)
    }

    fn new(home: &Home, path: PathBuf, file: Box<dyn Handle>, sequence: u64) -> Self {
        Self {
            home: home.clone(),
            path,
            file,
            sequence,
            durable: sequence,
            unwritten: None,
            unsynced: None,
        }
    }

    /// Puts the place into the slot that is not known to be durable.
    pub(crate) fn write(&mut self, place: Place) -> Result<()> {
        self.unwritten = Some(place);
        let in_its_slot = (self.sequence + 1) % 2 == self.durable % 2;
        let sequence = self.sequence + if in_its_slot { 2 } else { 1 };
        let bytes = slot_bytes(&self.home, sequence, place);
        failpoint::disk("journal.position_write")
            .and_then(|()| self.file.write_at(&bytes, (sequence % 2) * SLOT_DISTANCE))
            .map_err(Error::io("write", &self.path))?;
        failpoint::pass("journal.position_written");
        self.sequence = sequence;
        self.unwritten = None;
        self.unsynced = Some(place);
        Ok(())
    }

    /// Makes durable what was written, and what could not be written before.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if let Some(place) = self.unwritten {
            self.write(place)?;
        }
        let Some(place) = self.unsynced.take() else {
            return Ok(());
        };
        let synced = failpoint::disk("journal.position_sync").and_then(|()| self.file.sync_data());
        if let Err(error) = synced {
            // To sync once more would prove nothing: it has to be written once more.
            self.unwritten = Some(place);
            return Err(Error::io("sync", &self.path)(error));
        }
        self.durable = self.sequence;
        failpoint::pass("journal.position_synced");
        Ok(())
    }
}

/// The readers that have a file in the directory, and their files' names.
pub(crate) fn list(home: &Home) -> Result<Vec<String>> {
    let mut names = home.names()?;
    names.retain(|name| name.ends_with(SUFFIX));
    Ok(names)
}

/// The furthest position that any reader has reached, and the files that are spoilt.
pub(crate) fn survey(home: &Home) -> Result<(Position, Vec<PathBuf>)> {
    let mut furthest = Position::START;
    let mut spoilt = Vec::new();
    for name in list(home)? {
        let path = home.path.join(name);
        let file = home.open(&path, Mode::Read)?;
        match read(home, file.as_ref()).map_err(Error::io("read", &path))? {
            Some((_, place)) => furthest = furthest.max(place.position),
            None => spoilt.push(path),
        }
    }
    Ok((furthest, spoilt))
}

/// The name of a reader's file. What could be no part of a name is written as `%` and its code.
pub(crate) fn file_name(reader: &str) -> String {
    let mut name = String::new();
    for byte in reader.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.extend(["%".to_owned(), format!("{byte:02x}")]);
        }
    }
    name + SUFFIX
}

/// The newer of the slots that hold something, and its number.
fn read(home: &Home, file: &dyn Handle) -> io::Result<Option<(u64, Place)>> {
    let mut latest = None;
    for slot in [0, 1] {
        let mut bytes = [0; SLOT_BYTES];
        match file.read_at(&mut bytes, slot * SLOT_DISTANCE) {
            // The file is new.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            read => read?,
        }
        let found = read_slot(home, &bytes);
        if found.map(|(sequence, _)| sequence) > latest.map(|(sequence, _)| sequence) {
            latest = found;
        }
    }
    Ok(latest)
}

fn slot_bytes(home: &Home, sequence: u64, place: Place) -> Vec<u8> {
    let records = place.records.unwrap_or(u64::MAX);
    let mut bytes = [sequence, place.position.get(), records]
        .map(u64::to_le_bytes)
        .concat();
    bytes.extend(home.seal.checksum(&bytes).to_le_bytes());
    bytes
}

fn read_slot(home: &Home, bytes: &[u8; SLOT_BYTES]) -> Option<(u64, Place)> {
    let (numbers, _) = bytes.as_chunks::<8>();
    let &[sequence, position, records] = numbers else {
        return None;
    };
    let sequence = u64::from_le_bytes(sequence);
    let place = Place {
        position: Position::new(u64::from_le_bytes(position)),
        records: Some(u64::from_le_bytes(records)).filter(|records| *records != u64::MAX),
    };
    let counts = [sequence, place.position.get(), place.records.unwrap_or(0)];
    let possible = sequence > 0 && counts.iter().all(|count| *count < UNREACHED);
    (possible && slot_bytes(home, sequence, place) == bytes).then_some((sequence, place))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::directory::Directory;
    use crate::filesystem::Disk;
    use crate::frame::Seal;

    fn home(path: &std::path::Path, id: u128) -> Home {
        let id = Uuid::from_u128(id);
        Home {
            directory: Directory {
                fs: Arc::new(Disk),
                path: path.to_owned(),
            },
            id,
            seal: Seal::of(id),
        }
    }

    fn place(position: u64) -> Place {
        Place {
            position: Position::new(position),
            records: (position != 20).then_some(position / 10),
        }
    }

    #[test]
    fn a_spoilt_slot_gives_the_place_before_it_and_two_give_none() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path(), 1);
        let found = || PositionFile::open(&home, "r").unwrap().unwrap().1;
        assert!(PositionFile::open(&home, "r").unwrap().is_none());
        let mut file = PositionFile::create(&home, "r", place(10)).unwrap();
        assert_eq!(found(), Some(place(10)));
        for position in [20, 30] {
            file.write(place(position)).unwrap();
            assert_eq!(found(), Some(place(position)));
            file.sync().unwrap();
        }
        assert_eq!(survey(&home).unwrap(), (Position::new(30), Vec::new()));
        // The third was written to slot 1.
        file.file.write_at(&[0xff; 4], SLOT_DISTANCE + 8).unwrap();
        assert_eq!(found(), Some(place(20)));
        file.file.write_at(&[0xff; 4], 8).unwrap();
        assert_eq!(found(), None);
        assert_eq!(survey(&home).unwrap().1, [dir.path().join("r.position")]);
    }

    #[test]
    fn what_is_durable_is_not_written_over_before_something_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path(), 1);
        let mut file = PositionFile::create(&home, "r", place(10)).unwrap();
        for position in [20, 30, 40] {
            file.write(place(position)).unwrap();
        }
        let found = || PositionFile::open(&home, "r").unwrap().unwrap().1;
        assert_eq!(found(), Some(place(40)));
        // As a power failure may: what was not synced is torn.
        file.file.write_at(&[0xff; 4], 8).unwrap();
        assert_eq!(found(), Some(place(10)));
    }

    #[test]
    fn a_position_in_another_journal_is_none() {
        let dir = tempfile::tempdir().unwrap();
        PositionFile::create(&home(dir.path(), 1), "r", place(10)).unwrap();
        let opened = PositionFile::open(&home(dir.path(), 2), "r").unwrap();
        assert_eq!(opened.unwrap().1, None);
    }

    #[test]
    fn a_reader_s_name_never_leads_elsewhere() {
        assert_eq!(file_name("lake-1.x_Y"), "lake-1.x_Y.position");
        assert_eq!(file_name("../a b"), "..%2fa%20b.position");
    }

    #[test]
    fn counts_that_leave_no_room_to_go_on_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let home = home(dir.path(), 1);
        let found = |sequence, position, records| {
            let place = Place {
                position: Position::new(position),
                records: Some(records),
            };
            let slot = slot_bytes(&home, sequence, place);
            read_slot(&home, slot.as_slice().try_into().unwrap()).is_some()
        };
        assert!(found(UNREACHED - 1, UNREACHED - 1, UNREACHED - 1));
        assert!(!found(u64::MAX, 1, 1) && !found(1, u64::MAX - 9, 1));
        assert!(!found(1, 1, u64::MAX - 1) && !found(0, 1, 1));
    }
}
