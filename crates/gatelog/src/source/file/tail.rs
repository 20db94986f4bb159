//! One open file, and the lines behind its place.
//!
//! **Shape.** A look takes as many whole lines as one batch may have, where the place is; when they are
//! journaled the caller [moves](Tail::advance) the place behind them.
//!
//! **Invariants.** Lines are cut at line breaks alone, so the number of a line does not depend on how
//! much is read at once. What the file begins with is compared after the lines were read: had somebody
//! begun the file anew under our hands, they would not be taken for lines of the old one. It is compared
//! besides where the file was written to and has no more bytes than before.
//!
//! **Limits.** [`BATCH_BYTES`] or [`BATCH_LINES`] at once. A line of more than [`LINE_BYTES`] is one that
//! is too long: it is passed over piece by piece until it ends, [`LOOK_BYTES`] with each look, and only
//! its beginning is kept.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::time::Instant;

use super::places::{Identity, Place};

/// The longest line.
pub const LINE_BYTES: usize = 1 << 20;

/// Bytes that are read at once: one line of any length, and its line break.
pub(super) const BATCH_BYTES: usize = LINE_BYTES + 1;

/// Lines of a batch. The intake tells as many refused ones apart.
pub(super) const BATCH_LINES: usize = 4096;

/// Bytes of a long line that are looked at once.
const PIECE_BYTES: usize = 64 << 10;

/// Bytes of it before other files have their turn, and whoever wants to stop.
const LOOK_BYTES: u64 = 16 << 20;

/// An open file.
#[derive(Debug)]
pub(super) struct Tail {
    /// Which of the sources it belongs to.
    pub(super) source: usize,
    /// Under which name it was found last.
    pub(super) path: PathBuf,
    /// The same without symbolic links.
    pub(super) real: PathBuf,
    pub(super) identity: Identity,
    pub(super) place: Place,
    /// Bytes it had when it was looked at last.
    pub(super) size: u64,
    /// Since when no path leads to it.
    pub(super) superseded: Option<Instant>,
    /// Whether it is no log, and is let go of.
    pub(super) is_passed_over: bool,
    /// When it was found.
    pub(super) found: Instant,
    /// When it was seen to have grown last.
    pub(super) grew: Instant,
    /// Why its lines are not taken, and when it is tried again.
    pub(super) error: Option<String>,
    pub(super) retry: Option<Instant>,
    file: File,
    /// When the file was written to, as far as what it begins with was compared since: seconds and
    /// nanoseconds.
    compared: Option<(i64, i64)>,
    /// Up to where there is no line break behind the place.
    scanned: u64,
}

/// A line in the bytes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Its length in the file, without its line break, where it is too long to be taken.
    pub(super) too_long: Option<u64>,
}

/// Lines behind the place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) lines: Vec<Line>,
    /// Bytes of the file that they take.
    pub(super) bytes: u64,
}

/// What a look at the file has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No whole line.
    Nothing,
    /// Lines, in the buffer.
    Lines(Batch),
    /// The file was begun anew or cut; it has so many bytes now.
    Truncated { size: u64, same_head: bool },
}

impl Tail {
    pub(super) fn new(
        source: usize,
        path: PathBuf,
        file: File,
        place: Place,
        now: Instant,
    ) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        Ok(Self {
            source,
            path,
            real,
            identity: Identity::of(&metadata),
            size: metadata.len(),
            scanned: place.offset,
            place,
            superseded: None,
            is_passed_over: false,
            found: now,
            grew: now,
            error: None,
            retry: None,
            file,
            compared: None,
        })
    }

    /// The file itself.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Bytes that are not done with.
    pub(super) fn lag_bytes(&self) -> u64 {
        self.size.saturating_sub(self.place.offset)
    }

    /// Whether the file has no name any more.
    pub(super) fn is_deleted(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Reads lines into the buffer; with `rest` the last one is taken without its line break.
    pub(super) fn look(
        &mut self,
        buffer: &mut Vec<u8>,
        rest: bool,
        now: Instant,
    ) -> io::Result<Found> {
        let metadata = self.file.metadata()?;
        let size = metadata.len();
        let written = (metadata.mtime(), metadata.mtime_nsec());
        let known = self.size.max(self.place.offset);
        if size != self.size {
            self.grew = now;
        }
        self.size = size;
        if size < known.max(self.place.fingerprint.bytes) {
            let same_head = self.place.fingerprint.grown(&self.file)?.is_some();
            return Ok(Found::Truncated { size, same_head });
        }
        if size <= self.scanned && !rest || size == self.place.offset {
            if self.compared == Some(written) {
                return Ok(Found::Nothing);
            }
            let same_head = self.place.fingerprint.grown(&self.file)?.is_some();
            self.compared = Some(written);
            return Ok(if same_head {
                Found::Nothing
            } else {
                Found::Truncated { size, same_head }
            });
        }
        fill(&self.file, self.place.offset, BATCH_BYTES, buffer)?;
        let batch = self.batch(buffer, rest)?;
        let Some(grown) = self.place.fingerprint.grown(&self.file)? else {
            let size = self.file.metadata()?.len();
            let same_head = false;
            return Ok(Found::Truncated { size, same_head });
        };
        self.compared = Some(written);
        self.place.fingerprint = grown;
        Ok(match batch {
            None => Found::Nothing,
            Some(batch) => Found::Lines(batch),
        })
    }

    /// The lines of the buffer, which stands at the place.
    fn batch(&mut self, buffer: &[u8], rest: bool) -> io::Result<Option<Batch>> {
        let mut batch = Batch::default();
        let mut begin = 0;
        while batch.lines.len() < BATCH_LINES {
            let behind = buffer.get(begin..).unwrap_or_default();
            let Some(length) = behind.iter().position(|byte| *byte == b'\n') else {
                break;
            };
            batch.push(begin, begin + length);
            begin += length + 1;
        }
        batch.bytes = begin as u64;
        if !batch.lines.is_empty() {
            return Ok(Some(batch));
        }
        if buffer.len() > LINE_BYTES {
            return self.too_long(rest);
        }
        self.scanned = self.place.offset + buffer.len() as u64;
        if rest && !buffer.is_empty() {
            batch.push(0, buffer.len());
            batch.bytes = buffer.len() as u64;
            return Ok(Some(batch));
        }
        Ok(None)
    }

    /// Looks for the end of a long line.
    fn too_long(&mut self, rest: bool) -> io::Result<Option<Batch>> {
        let mut piece = Vec::new();
        self.scanned = self.scanned.max(self.place.offset);
        let enough = self.scanned + LOOK_BYTES;
        let (length, line_break) = loop {
            fill(&self.file, self.scanned, PIECE_BYTES, &mut piece)?;
            let end = piece.iter().position(|byte| *byte == b'\n');
            self.scanned += end.unwrap_or(piece.len()) as u64;
            let length = self.scanned - self.place.offset;
            if end.is_some() {
                break (length, 1);
            }
            if piece.is_empty() {
                if rest {
                    break (length, 0);
                }
                return Ok(None);
            }
            if self.scanned >= enough {
                return Ok(None);
            }
        };
        Ok(Some(Batch {
            lines: vec![Line {
                begin: 0,
                end: LINE_BYTES,
                too_long: Some(length),
            }],
            bytes: length + line_break,
        }))
    }

    /// Moves the place behind a batch that is journaled.
    pub(super) fn advance(&mut self, batch: &Batch) {
        self.place.offset += batch.bytes;
        self.place.line += batch.lines.len() as u64;
        self.scanned = self.place.offset;
        self.error = None;
        self.retry = None;
    }

    /// Goes on at another place.
    pub(super) fn begin_at(&mut self, place: Place) {
        self.scanned = place.offset;
        self.place = place;
    }
}

impl Batch {
    fn push(&mut self, begin: usize, end: usize) {
        self.lines.push(Line {
            begin,
            end,
            too_long: None,
        });
    }
}

/// Reads up to so many bytes at a place into the buffer, in place of what it had.
pub(super) fn fill(file: &File, at: u64, most: usize, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.resize(most, 0);
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok(())
}

/// Where the last line of a file ends that has a line break; its end if none is near.
pub(super) fn last_line_end(file: &File) -> io::Result<u64> {
    let size = file.metadata()?.len();
    let begin = size.saturating_sub(BATCH_BYTES as u64);
    let mut buffer = Vec::new();
    fill(file, begin, BATCH_BYTES, &mut buffer)?;
    let last = buffer.iter().rposition(|byte| *byte == b'\n');
    Ok(match last {
        Some(last) => begin + last as u64 + 1,
        None if begin == 0 => 0,
        None => size,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::super::fingerprint::Fingerprint;
    use super::*;

    #[test]
    fn lines_are_cut_at_line_breaks_and_long_ones_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut log = File::create(&path).unwrap();
        let now = Instant::now();
        let place = Place::begin(0, Fingerprint::default());
        let opened = File::open(&path).unwrap();
        let mut tail = Tail::new(0, path.clone(), opened, place, now).unwrap();
        let mut buffer = Vec::new();
        let mut look = |tail: &mut Tail, rest| tail.look(&mut buffer, rest, now).unwrap();
        assert_eq!(look(&mut tail, true), Found::Nothing);
        log.write_all(b"one\n\ntwo\nth").unwrap();
        let Found::Lines(batch) = look(&mut tail, false) else {
            panic!("lines")
        };
        let ends: Vec<_> = batch
            .lines
            .iter()
            .map(|line| (line.begin, line.end))
            .collect();
        assert_eq!((ends, batch.bytes), (vec![(0, 3), (4, 4), (5, 8)], 9));
        tail.advance(&batch);
        assert_eq!(look(&mut tail, false), Found::Nothing);
        // A line that is just not too long, and one that is.
        log.write_all(&vec![b'x'; LINE_BYTES - 2]).unwrap();
        log.write_all(b"\n").unwrap();
        let Found::Lines(batch) = look(&mut tail, false) else {
            panic!("lines")
        };
        assert_eq!(batch.lines[0].end, LINE_BYTES);
        tail.advance(&batch);
        log.write_all(&vec![b'y'; 3 << 20]).unwrap();
        assert_eq!(look(&mut tail, false), Found::Nothing);
        log.write_all(b"y\nfour").unwrap();
        let Found::Lines(batch) = look(&mut tail, false) else {
            panic!("lines")
        };
        assert_eq!(batch.lines[0].too_long, Some((3 << 20) + 1));
        tail.advance(&batch);
        assert_eq!(tail.place.line, 5);
        let Found::Lines(batch) = look(&mut tail, true) else {
            panic!("lines")
        };
        assert_eq!((batch.lines.len(), batch.bytes), (1, 4));
        fs::write(&path, "anew\n").unwrap();
        let found = look(&mut tail, false);
        let same_head = false;
        assert_eq!(found, Found::Truncated { size: 5, same_head });
    }

    #[test]
    fn a_long_line_is_looked_through_in_parts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let log = File::create(&path).unwrap();
        let now = Instant::now();
        let place = Place::begin(0, Fingerprint::default());
        let mut tail = Tail::new(0, path.clone(), File::open(&path).unwrap(), place, now).unwrap();
        let mut buffer = Vec::new();
        let length = 2 * LOOK_BYTES + 7;
        log.set_len(length).unwrap();
        log.write_all_at(b"\n", length).unwrap();
        for _ in 0..2 {
            let found = tail.look(&mut buffer, false, now).unwrap();
            assert_eq!(found, Found::Nothing);
        }
        let Found::Lines(batch) = tail.look(&mut buffer, false, now).unwrap() else {
            panic!("lines")
        };
        assert_eq!(batch.lines[0].too_long, Some(length));
        assert_eq!(batch.bytes, length + 1);
    }

    #[test]
    fn the_last_whole_line_of_a_file_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for (content, end) in [("", 0), ("a", 0), ("a\n", 2), ("a\nbc", 2), ("\n", 1)] {
            fs::write(&path, content).unwrap();
            let file = File::open(&path).unwrap();
            assert_eq!(last_line_end(&file).unwrap(), end, "{content:?}");
        }
    }
}
