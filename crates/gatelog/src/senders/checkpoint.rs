//! What is known of all senders, on disk.
//!
//! **Shape.** One file, `senders/checkpoint` below the data directory, all numbers little endian;
//! how a stream looks, `form` says:
//!
//! ```text
//! checkpoint = magic "GATELOGS"(8) version(u32) journal id(16) position(u64) forgetful(u8)
//!              stream* 0(u8) crc32c(u32) of all before it
//! ```
//!
//! **Invariants.** It holds the number of every frame before its position, and numbers of durable
//! frames only. The position is read first, so a frame before it is in its stream by the time the
//! stream is looked at. The file is there whole or as it was before: it is written beside, synced,
//! renamed, and the directory is synced.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use gatelog_failpoint as failpoint;
use gatelog_journal::{Journal, Position};

use super::form::{self, Input};
use super::shelf::Shelf;
use super::{LaterVersion, Moment, Senders};

/// The places where a test ends the process or makes the disk fail.
pub const FAILPOINTS: [&str; 4] = [
    "senders.checkpoint_write",
    "senders.checkpoint_written",
    "senders.checkpoint_synced",
    "senders.checkpoint_renamed",
];

const MAGIC: &[u8; 8] = b"GATELOGS";
const VERSION: u32 = 1;

/// Bytes that are gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// The directory of the checkpoint.
fn dir(data_dir: &Path) -> PathBuf {
    data_dir.join("senders")
}

fn path(data_dir: &Path) -> PathBuf {
    dir(data_dir).join("checkpoint")
}

/// Writes a checkpoint; answers its position, behind which frames are still needed, and its size in
/// bytes.
///
/// # Errors
/// The system's; the checkpoint before it is as it was, or this one is in its place.
pub(super) fn write(
    data_dir: &Path,
    senders: &Senders,
    journal: &Journal,
    position: Position,
) -> io::Result<u64> {
    let dir = dir(data_dir);
    fs::create_dir_all(&dir)?;
    let beside = dir.join("checkpoint.new");
    failpoint::disk("senders.checkpoint_write")?;
    let mut out = Output::new(File::create(&beside)?);
    write_to(&mut out, senders, journal, position)?;
    failpoint::pass("senders.checkpoint_written");
    out.file.sync_all()?;
    failpoint::pass("senders.checkpoint_synced");
    fs::rename(&beside, path(data_dir))?;
    failpoint::pass("senders.checkpoint_renamed");
    File::open(&dir)?.sync_all()?;
    Ok(out.bytes)
}

/// Writes all of a checkpoint.
pub(super) fn write_to<W: Write>(
    out: &mut Output<W>,
    senders: &Senders,
    journal: &Journal,
    position: Position,
) -> io::Result<()> {
    out.buffer.extend_from_slice(MAGIC);
    out.buffer.extend_from_slice(&VERSION.to_le_bytes());
    out.buffer.extend_from_slice(journal.id().as_bytes());
    out.buffer.extend_from_slice(&position.get().to_le_bytes());
    let forgetful = senders.forgetful.load(Ordering::Relaxed);
    out.buffer.push(forgetful.into());
    for shelf in [&senders.workers, &senders.keys] {
        write_shelf(shelf, journal, out)?;
    }
    out.buffer.push(form::END);
    out.write_out()?;
    out.buffer.extend_from_slice(&out.checksum.to_le_bytes());
    out.write_out()
}

/// A file that is written in large pieces, and the checksum of what was written.
pub(super) struct Output<W> {
    pub(super) file: W,
    buffer: Vec<u8>,
    checksum: u32,
    bytes: u64,
}

impl<W: Write> Output<W> {
    pub(super) fn new(file: W) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            checksum: 0,
            bytes: 0,
        }
    }

    fn write_out(&mut self) -> io::Result<()> {
        self.checksum = crc32c::crc32c_append(self.checksum, &self.buffer);
        self.bytes += self.buffer.len() as u64;
        self.file.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

fn write_shelf<W: Write>(shelf: &Shelf, journal: &Journal, out: &mut Output<W>) -> io::Result<()> {
    let now = Moment::now();
    for stream in shelf.all() {
        let Some(stream) = stream.upgrade() else {
            continue;
        };
        let used = stream.used.load(Ordering::Relaxed);
        // The stream is copied under its lock and written without it.
        let mut state = shelf.hold(&stream);
        state.settle(|ticket| journal.state(ticket), now);
        state.shrink();
        form::put_stream(&stream.name, used, &state, &mut out.buffer);
        drop(state);
        if out.buffer.len() >= BUFFER_BYTES {
            out.write_out()?;
        }
    }
    Ok(())
}

/// Why there is no usable checkpoint. The window begins with what the journal still has.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// There is none.
    #[error("there is none")]
    Missing,
    /// It cannot be read.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// It is damaged.
    #[error("it is damaged")]
    Damaged,
    /// A later program has written it.
    #[error(transparent)]
    Version(#[from] LaterVersion),
    /// It belongs to another journal, or to a later state of this one.
    #[error("it belongs to another journal")]
    Foreign,
}

/// Reads the checkpoint into `senders`, which is empty; answers its position.
///
/// # Errors
/// [`Unusable`]; `senders` is as it was.
pub(super) fn read(
    data_dir: &Path,
    senders: &Senders,
    journal: &Journal,
) -> Result<Position, Unusable> {
    let path = path(data_dir);
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Io(error),
    })?;
    read_from(&bytes, &path, senders, journal)
}

/// Reads a checkpoint's bytes, which are from `path`, into `senders`, which is empty; answers its position.
///
/// # Errors
/// [`Unusable`]; `senders` is as it was.
pub(super) fn read_from(
    bytes: &[u8],
    path: &Path,
    senders: &Senders,
    journal: &Journal,
) -> Result<Position, Unusable> {
    let (content, checksum) = bytes.split_last_chunk::<4>().ok_or(Unusable::Damaged)?;
    if crc32c::crc32c(content) != u32::from_le_bytes(*checksum) {
        return Err(Unusable::Damaged);
    }
    let mut input = Input::new(content);
    let version = read_version(&mut input).ok_or(Unusable::Damaged)?;
    if version > VERSION {
        let path = path.to_owned();
        let (found, reads) = (version, VERSION);
        return Err(LaterVersion { path, found, reads }.into());
    }
    let (id, position, forgetful) = read_head(&mut input).ok_or(Unusable::Damaged)?;
    if id != *journal.id().as_bytes() || position > journal.end() {
        return Err(Unusable::Foreign);
    }
    let mut streams = Vec::new();
    while let Some(stream) = input.stream().ok_or(Unusable::Damaged)? {
        streams.push(stream);
    }
    // Those used longest ago first: they go first if there is no longer room for all.
    streams.sort_by_key(|stream| stream.used);
    senders.forgetful.store(forgetful != 0, Ordering::Relaxed);
    for stream in streams {
        senders.restore_stream(stream);
    }
    Ok(position)
}

/// The version of what has the magic and the checksum of a checkpoint, which every version has.
fn read_version(input: &mut Input<'_>) -> Option<u32> {
    (input.array::<8>()? == *MAGIC).then_some(())?;
    input.count().filter(|version| *version > 0)
}

/// The journal's id, the position, and whether workers were forgotten.
fn read_head(input: &mut Input<'_>) -> Option<([u8; 16], Position, u8)> {
    let id = input.array()?;
    Some((id, Position::new(input.number()?), input.byte()?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::rig::{Rig, key, worker};
    use super::*;

    /// What is known, as it would be shown, without what only the process knows.
    fn known(rig: &Rig) -> String {
        let listing = rig.senders.listing(&rig.journal, 10, Moment::now());
        serde_json::to_string(&listing).unwrap()
    }

    #[test]
    fn everything_is_known_after_a_start_with_it_and_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::open(dir.path());
        rig.sends(&worker("1"), 0..50);
        rig.sends(&worker("1"), 100..150);
        rig.sends(&worker("1"), 140..150);
        rig.sends(&key("k"), 0..7);
        let before = known(&rig);
        assert!(before.contains("\"duplicates\":10"), "{before}");
        rig.stop();
        let rig = Rig::open(dir.path());
        // What it was before is awaited no longer.
        let before = before.replace(
            "\"missing\":0,\"awaited\":50",
            "\"missing\":50,\"awaited\":0",
        );
        let after = known(&rig);
        let (after, _gaps) = after.split_once("\"gaps\":").unwrap();
        assert!(before.starts_with(after), "{before} {after}");
        assert_eq!(rig.sends(&worker("1"), 0..150), (50, 100));
        assert_eq!(rig.sends(&key("k"), 0..7), (0, 7));
        drop(rig);
        // Killed: the last checkpoint is older than what came last. Then none is left.
        for _ in 0..2 {
            let rig = Rig::open(dir.path());
            assert_eq!(rig.sends(&worker("1"), 0..150), (0, 150));
            assert_eq!(rig.sends(&key("k"), 0..7), (0, 7));
            drop(rig);
            fs::remove_file(path(dir.path())).unwrap_or_default();
        }
    }

    #[test]
    fn a_damaged_or_foreign_one_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let rig = Rig::open(dir.path());
        rig.sends(&worker("1"), 10..50);
        rig.sends(&key("k"), 0..7);
        let journal = Arc::clone(&rig.journal);
        rig.stop();
        let whole = fs::read(path(dir.path())).unwrap();
        let read = || read(dir.path(), &Senders::default(), &journal);
        assert!(read().is_ok());
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(path(dir.path()), damaged).unwrap();
            assert!(matches!(read(), Err(Unusable::Damaged)), "{at}");
            fs::write(path(dir.path()), &whole[..at]).unwrap();
            assert!(matches!(read(), Err(Unusable::Damaged)), "{at}");
        }
        // With a checksum that fits, whatever stands there is read without a panic.
        for at in 8..whole.len() - 4 {
            let mut damaged = whole.clone();
            damaged[at] = 0xff;
            let content = damaged.len() - 4;
            let checksum = crc32c::crc32c(&damaged[..content]).to_le_bytes();
            damaged[content..].copy_from_slice(&checksum);
            fs::write(path(dir.path()), damaged).unwrap();
            let _any = read().is_ok();
        }
        let mut foreign = whole.clone();
        foreign[12] ^= 1;
        let content = foreign.len() - 4;
        let checksum = crc32c::crc32c(&foreign[..content]).to_le_bytes();
        foreign[content..].copy_from_slice(&checksum);
        fs::write(path(dir.path()), foreign).unwrap();
        assert!(matches!(read(), Err(Unusable::Foreign)));
    }
}
