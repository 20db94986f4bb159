//! Segment files: their names and headers, and how one is made.
//!
//! **Shape.** A header of 64 bytes, then frames (layout: the crate's documentation). A file is
//! written under another name and takes its own when its header is durable, so a segment without a
//! whole header is no crash's doing.

use std::io;
use std::path::{Path, PathBuf};

use gatelog_failpoint as failpoint;
use uuid::Uuid;

use crate::directory::{DRAFT_SUFFIX, Home};
use crate::filesystem::{Handle, Mode};
use crate::{Error, Position, Result};

/// The version that this program writes and reads.
pub(crate) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"GATELOGJ";

/// Bytes before a segment's first frame.
pub(crate) const HEADER_BYTES: u64 = 64;
const HEADER_LENGTH: usize = 64;

const SUFFIX: &str = ".segment";

/// A segment file: where it is and which positions it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// The position of its first frame.
    pub(crate) base: Position,
    /// The position behind its last frame. Where another segment follows, that one's base.
    pub(crate) end: Position,
    /// Records before its first frame, and before its end.
    pub(crate) records: (u64, u64),
    /// When it was made.
    pub(crate) created_ms: u64,
    /// How long its file is, frames or not.
    pub(crate) file_bytes: u64,
    /// Whether no write to it has failed.
    pub(crate) sound: bool,
}

impl Segment {
    /// The place of `position` in the file.
    pub(crate) fn offset(&self, position: Position) -> u64 {
        HEADER_BYTES + position.since(self.base)
    }
}

/// What stands at the beginning of a segment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) journal: Uuid,
    pub(crate) base: Position,
    /// Records before the first frame.
    pub(crate) records: u64,
    pub(crate) created_ms: u64,
    /// How long the file was when it became this segment: below that, bytes that are no frames can
    /// be from its former use.
    pub(crate) stale_bytes: u64,
}

/// What was found where a header should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A header of this version.
    Header(Header),
    /// One of a later version.
    Newer(u32),
    /// Anything else.
    Nothing,
}

impl Header {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.to_bytes_of(VERSION)
    }

    fn to_bytes_of(self, version: u32) -> Vec<u8> {
        let mut bytes = [
            &MAGIC[..],
            &version.to_le_bytes(),
            self.journal.as_bytes(),
            &self.base.get().to_le_bytes(),
            &self.records.to_le_bytes(),
            &self.created_ms.to_le_bytes(),
            &self.stale_bytes.to_le_bytes(),
        ]
        .concat();
        bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_LENGTH]) -> Option<(Self, u32)> {
        let mut rest = bytes.strip_prefix(&MAGIC)?;
        let version = u32::from_le_bytes(take(&mut rest)?);
        let header = Self {
            journal: Uuid::from_bytes(take(&mut rest)?),
            base: Position::new(u64::from_le_bytes(take(&mut rest)?)),
            records: u64::from_le_bytes(take(&mut rest)?),
            created_ms: u64::from_le_bytes(take(&mut rest)?),
            stale_bytes: u64::from_le_bytes(take(&mut rest)?),
        };
        Some((header, version))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// Reads the header of a segment file.
pub(crate) fn read_header(file: &dyn Handle) -> io::Result<Found> {
    let mut bytes = [0; HEADER_LENGTH];
    match file.read_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Found::Nothing),
        read => read?,
    }
    let Some((header, version)) = Header::from_bytes(&bytes) else {
        return Ok(Found::Nothing);
    };
    if header.to_bytes() == bytes {
        return Ok(Found::Header(header));
    }
    // A header of ours in which only the version is spoilt is no later program's: that one's
    // checksum would be over its own version.
    let stored = bytes.last_chunk::<4>();
    let ours = header.to_bytes().last_chunk::<4>() == stored;
    if version > VERSION && !ours {
        return Ok(Found::Newer(version));
    }
    Ok(Found::Nothing)
}

/// The path of the segment that begins at `base`.
pub(crate) fn path(directory: &Path, base: Position) -> PathBuf {
    directory.join(format!("{:020}{SUFFIX}", base.get()))
}

/// The base of the segment whose file has this name; `None` for other files.
pub(crate) fn base(name: &str) -> Option<Position> {
    let digits = name.strip_suffix(SUFFIX)?;
    let digits = Some(digits).filter(|digits| digits.len() == 20)?;
    digits.parse().ok().map(Position::new)
}

/// The name under which the segment that begins at `base` is made.
pub(crate) fn draft_path(directory: &Path, base: Position) -> PathBuf {
    path(directory, base).with_extension(format!("segment{DRAFT_SUFFIX}"))
}

/// Makes a segment, durable with its header, in the place of any that has its name; and opens it for
/// writing. `stale_bytes` is how long the file is that stands at [`draft_path`] to be used again; 0
/// for none.
pub(crate) fn create(
    home: &Home,
    base: Position,
    records: u64,
    created_ms: u64,
    stale_bytes: u64,
) -> Result<(Segment, Box<dyn Handle>)> {
    let (path, draft) = (path(&home.path, base), draft_path(&home.path, base));
    let header = Header {
        journal: home.id,
        base,
        records,
        created_ms,
        stale_bytes,
    };
    let file = failpoint::disk("journal.segment_create")
        .and_then(|()| home.fs.open(&draft, Mode::Create))
        .map_err(Error::io("create", &draft))?;
    file.set_length(stale_bytes)
        .and_then(|()| file.write_at(&header.to_bytes(), 0))
        .map_err(Error::io("write", &draft))?;
    failpoint::pass("journal.segment_written");
    file.sync_all().map_err(Error::io("sync", &draft))?;
    failpoint::pass("journal.segment_synced");
    home.fs
        .rename(&draft, &path)
        .map_err(Error::io("make", &path))?;
    failpoint::pass("journal.segment_renamed");
    home.sync()?;
    failpoint::pass("journal.dir_synced");
    let segment = Segment {
        path,
        base,
        end: base,
        records: (records, records),
        created_ms,
        file_bytes: stale_bytes.max(HEADER_BYTES),
        sound: true,
    };
    Ok((segment, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::{Disk, Filesystem};

    fn header() -> Header {
        Header {
            journal: Uuid::from_u128(1),
            base: Position::new(2),
            records: 3,
            created_ms: 4,
            stale_bytes: 5,
        }
    }

    fn found(bytes: &[u8]) -> Found {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk.open(&dir.path().join("x"), Mode::CreateNew).unwrap();
        file.write_at(bytes, 0).unwrap();
        read_header(file.as_ref()).unwrap()
    }

    #[test]
    fn a_header_reads_back_and_no_spoilt_one_does() {
        let bytes = header().to_bytes();
        assert_eq!(bytes.len(), HEADER_LENGTH);
        assert_eq!(found(&bytes), Found::Header(header()));
        assert_eq!(found(&bytes[..63]), Found::Nothing);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(found(&bytes), Found::Nothing, "bit {bit}");
        }
    }

    #[test]
    fn a_later_version_is_told_from_a_spoilt_one() {
        assert_eq!(found(&header().to_bytes_of(2)), Found::Newer(2));
        let mut unlike_ours = header().to_bytes_of(7);
        unlike_ours[40..].fill(9);
        assert_eq!(found(&unlike_ours), Found::Newer(7));
    }

    #[test]
    fn names_that_are_no_segment_s_are_let_be() {
        assert_eq!(
            base("00000000000000000042.segment"),
            Some(Position::new(42))
        );
        for other in ["42.segment", "0000000000000000004x.segment", "id", "lock"] {
            assert_eq!(base(other), None, "{other}");
        }
        assert_eq!(base("99999999999999999999.segment"), None);
    }
}
