//! What is there when a journal is opened.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use uuid::Uuid;

use crate::frame::{self, Found};
use crate::segment::{self, Segment};
use crate::{Error, Position, Result};

/// Bytes read at once while the newest segment is checked.
const CHUNK_BYTES: usize = 1 << 20;

/// The segments of a journal, the newest open for writing.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Segment>,
    pub(crate) newest: File,
    /// Bytes that were cut from the newest segment's end.
    pub(crate) torn_bytes: u64,
}

/// Takes the directory's lock for as long as the file lives.
pub(crate) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Locked { path }),
        Err(fs::TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

/// The journal's id; made when the directory is new.
pub(crate) fn journal_id(dir: &Path) -> Result<Uuid> {
    let path = dir.join("id");
    match fs::read_to_string(&path) {
        Ok(text) => {
            let damaged = Error::Damaged {
                path,
                problem: "not the id of a journal",
                at: 0,
            };
            Uuid::try_parse(text.trim()).map_err(|_| damaged)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = Uuid::new_v4();
            let draft = dir.join("id.new");
            fs::write(&draft, format!("{id}\n")).map_err(Error::io("write", &draft))?;
            File::open(&draft)
                .and_then(|file| file.sync_all())
                .map_err(Error::io("sync", &draft))?;
            fs::rename(&draft, &path).map_err(Error::io("rename", &path))?;
            segment::sync_dir(dir)?;
            Ok(id)
        }
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Finds the segments, checks that none is missing, and cuts the newest behind its last whole
/// frame.
pub(crate) fn recover(dir: &Path, journal: Uuid) -> Result<Recovered> {
    let mut segments = segment::list(dir)?;
    while let Some(newest) = segments.pop() {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&newest.path)
            .map_err(Error::io("open", &newest.path))?;
        if segment::check_header(&newest, &file, journal)? {
            check_sequence(dir, &segments, &newest)?;
            let (newest, torn_bytes) = cut(newest, &file)?;
            // Whole frames may be in the kernel only; readers must not see them before they are
            // durable.
            file.sync_all().map_err(Error::io("sync", &newest.path))?;
            segments.push(newest);
            return Ok(Recovered {
                segments,
                newest: file,
                torn_bytes,
            });
        }
        if newest.disk_bytes() > segment::HEADER_BYTES {
            // It holds frames, so this is not a crash in a rotation.
            return Err(Error::Damaged {
                path: newest.path,
                problem: "not the header of a segment of this journal",
                at: 0,
            });
        }
        fs::remove_file(&newest.path).map_err(Error::io("remove", &newest.path))?;
    }
    let (first, newest) = segment::create(dir, journal, Position::START)?;
    Ok(Recovered {
        segments: vec![first],
        newest,
        torn_bytes: 0,
    })
}

fn check_sequence(dir: &Path, sealed: &[Segment], newest: &Segment) -> Result<()> {
    let followers = sealed.iter().skip(1).chain(std::iter::once(newest));
    for (segment, follower) in sealed.iter().zip(followers) {
        if segment.end < follower.base {
            return Err(Error::Gap {
                dir: dir.to_owned(),
                from: segment.end,
            });
        }
        if segment.end > follower.base {
            return Err(Error::Damaged {
                path: segment.path.clone(),
                problem: "bytes behind the last frame",
                at: segment.offset(follower.base),
            });
        }
    }
    Ok(())
}

/// Cuts the segment behind its last whole frame, and keeps what was cut in a file beside it.
fn cut(mut segment: Segment, file: &File) -> Result<(Segment, u64)> {
    let whole = last_whole_frame(&segment, file)?;
    let torn_bytes = segment.end.since(whole);
    if torn_bytes > 0 {
        let torn = segment.path.with_extension("torn");
        let mut tail = vec![0; usize::try_from(torn_bytes).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut tail, segment.offset(whole))
            .map_err(Error::io("read", &segment.path))?;
        fs::write(&torn, &tail).map_err(Error::io("write", &torn))?;
        file.set_len(segment.offset(whole))
            .map_err(Error::io("cut", &segment.path))?;
        segment.end = whole;
    }
    Ok((segment, torn_bytes))
}

fn last_whole_frame(segment: &Segment, file: &File) -> Result<Position> {
    let mut position = segment.base;
    let mut bytes = Vec::new();
    let mut wanted = CHUNK_BYTES;
    while position < segment.end {
        let available = usize::try_from(segment.end.since(position)).unwrap_or(usize::MAX);
        bytes.resize(wanted.min(available), 0);
        file.read_exact_at(&mut bytes, segment.offset(position))
            .map_err(Error::io("read", &segment.path))?;
        let begun = position;
        let mut rest = bytes.as_slice();
        loop {
            match frame::read(rest, position) {
                Found::Frame(frame) => {
                    let length = usize::try_from(frame.end.since(position)).unwrap_or(usize::MAX);
                    rest = rest.get(length..).unwrap_or_default();
                    position = frame.end;
                }
                Found::Partial(needed) if needed <= available && position == begun => {
                    wanted = needed;
                    break;
                }
                Found::Partial(_) if position > begun => {
                    wanted = CHUNK_BYTES;
                    break;
                }
                Found::Partial(_) | Found::Nothing(_) => return Ok(position),
            }
        }
    }
    Ok(position)
}
