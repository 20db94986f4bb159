//! Segment files: names, headers, and which of them there are.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::{Error, Position, Result};

/// The version that this program writes and reads.
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"GATELOGJ";

/// Bytes before a segment's first frame.
pub(crate) const HEADER_BYTES: u64 = 40;
type Header = [u8; 40];

const SUFFIX: &str = ".segment";

/// A segment file: where it is and which positions it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    /// The position of its first frame.
    pub(crate) base: Position,
    /// The position behind its last frame.
    pub(crate) end: Position,
}

impl Segment {
    /// The place of `position` in the file.
    pub(crate) fn offset(&self, position: Position) -> u64 {
        HEADER_BYTES + position.since(self.base)
    }

    /// Bytes on disk.
    pub(crate) fn disk_bytes(&self) -> u64 {
        HEADER_BYTES + self.end.since(self.base)
    }
}

/// Makes the segment that begins at `base`, durable with its header, and opens it for writing.
pub(crate) fn create(dir: &Path, journal: Uuid, base: Position) -> Result<(Segment, File)> {
    let path = dir.join(format!("{:020}{SUFFIX}", base.get()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(Error::io("create", &path))?;
    file.write_all_at(&header(journal, base), 0)
        .map_err(Error::io("write", &path))?;
    file.sync_all().map_err(Error::io("sync", &path))?;
    sync_dir(dir)?;
    Ok((
        Segment {
            path,
            base,
            end: base,
        },
        file,
    ))
}

fn header(journal: Uuid, base: Position) -> Header {
    let mut header: Header = [0; _];
    let fields = [
        &MAGIC[..],
        &VERSION.to_le_bytes(),
        journal.as_bytes(),
        &base.get().to_le_bytes(),
    ]
    .concat();
    let checksum = crc32c::crc32c(&fields);
    for (place, byte) in header
        .iter_mut()
        .zip(fields.iter().chain(&checksum.to_le_bytes()))
    {
        *place = *byte;
    }
    header
}

/// Whether a segment's header is what it has to be.
pub(crate) fn check_header(segment: &Segment, file: &File, journal: Uuid) -> Result<bool> {
    let mut found: Header = [0; _];
    match file.read_exact_at(&mut found, 0) {
        Ok(()) => Ok(found == header(journal, segment.base)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::io("read", &segment.path)(error)),
    }
}

/// All segments in the directory by position, each as long as its file is. Other files are let be.
pub(crate) fn list(dir: &Path) -> Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let entry = entry.map_err(Error::io("list", dir))?;
        let path = entry.path();
        let name = entry.file_name();
        let base = name
            .to_str()
            .and_then(|name| name.strip_suffix(SUFFIX))
            .filter(|digits| digits.len() == 20)
            .and_then(|digits| digits.parse().ok());
        let Some(base) = base.map(Position::new) else {
            continue;
        };
        let length = entry.metadata().map_err(Error::io("look at", &path))?.len();
        segments.push(Segment {
            path,
            base,
            end: base.plus(length.saturating_sub(HEADER_BYTES)),
        });
    }
    segments.sort_unstable_by_key(|segment| segment.base);
    Ok(segments)
}

/// Makes the directory's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync", dir))
}
