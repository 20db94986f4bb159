//! What is there when a journal is opened.
//!
//! **Shape.** 1. Each segment's header is looked at, leftovers go, names are made durable. 2. The newest
//! segment is read through, and cut behind its last frame ([`Tail`]). 3. Its last round is written
//! once more and all is synced. Sealed segments are not read: readers find out. 4. A newest segment
//! that is damaged is sealed by a fresh one, and cut only then.
//!
//! **Invariants.** Nothing is cut that is known to have been durable. Doing all of it again, from
//! wherever it was interrupted, comes to the same end.

use std::path::{Path, PathBuf};

use gatelog_failpoint as failpoint;
use uuid::Uuid;

use crate::aside::{self, Kind, MAX_COPY_BYTES};
use crate::clock::Clock;
use crate::directory::{Directory, Home};
use crate::filesystem::{Handle, Mode};
use crate::frame::Seal;
use crate::scan::Scan;
use crate::segment::{self, Found, HEADER_BYTES, Header, Segment};
use crate::tail::Tail;
use crate::{Error, Position, Result, position_file};

/// What was found when the journal was opened, and done about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Bytes of unfinished writes that were cut from the end. They were never acknowledged. A copy
    /// is in a `.torn` file.
    pub torn_bytes: u64,
    /// Bytes that are known to have been durable and are not there any more, or not as they were.
    /// Readers that come by pass over them and tell; there can be more that only they will find.
    pub damaged_bytes: u64,
    /// Files that had the name of a segment and were none of this journal; renamed to `.foreign`.
    pub foreign: Vec<PathBuf>,
    /// A sentence for each thing that is wrong, for the log. Empty after any mere crash.
    pub problems: Vec<String>,
}

/// A journal's segments, the newest open for writing.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) home: Home,
    pub(crate) segments: Vec<Segment>,
    pub(crate) newest: Box<dyn Handle>,
    pub(crate) clock: Clock,
    pub(crate) recovered: Recovered,
}

/// A segment file that may be one of ours.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    base: Position,
    file_bytes: u64,
    header: Option<Header>,
}

/// Makes the directory a journal that can be appended to.
pub(crate) fn recover(directory: Directory) -> Result<Opened> {
    let candidates = candidates(&directory)?;
    directory.remove_leftovers()?;
    // A process that was killed may have left names that only the kernel has. What is appended under
    // such a name would be gone with it.
    directory.sync()?;
    let known = directory.read_id()?;
    let id = id_of(known, &candidates);
    let mut recovered = Recovered::default();
    let mut home = home(directory, id.unwrap_or_else(Uuid::new_v4));
    let mut segments = Vec::new();
    for candidate in candidates {
        segments.extend(recovered.admit(&home, candidate, segments.last())?);
    }
    // A journal always has a segment. One that has lost them all is another journal: stores that
    // have come far in the old one must not take the new one's records for those they have.
    if segments.is_empty() {
        home = self::home(home.directory, Uuid::new_v4());
    }
    if known != Some(home.id) {
        if !segments.is_empty() {
            let problem = "the file `id` was missing or damaged, and is made from a segment";
            recovered.problems.push(problem.to_owned());
        }
        home.write_id(home.id)?;
    }
    recovered.check_ends(&mut segments);
    let mut newest_ms = 0;
    let mut newest = None;
    // The newest, if it is not to be written to any more.
    let mut sealed = None;
    if let Some(segment) = segments.last_mut() {
        let file = home.open(&segment.path, Mode::Write)?;
        let tail = recovered.mend(&home, segment, file.as_ref())?;
        newest_ms = segment.created_ms.max(tail.newest_ms);
        if tail.damaged.is_empty() {
            newest = Some(file);
        } else {
            sealed = Some(file);
        }
    }
    let clock = Clock::start(newest_ms);
    let (end, records) = segments.last().map_or((Position::START, 0), |newest| {
        (newest.end, newest.records.1)
    });
    let (furthest, spoilt) = position_file::survey(&home)?;
    recovered.problems.extend(spoilt.iter().map(|path| {
        let path = path.display();
        format!("{path}: holds no position in this journal; its reader begins at the oldest frame")
    }));
    if furthest > end {
        recovered.lost(end, furthest);
        newest = None;
    }
    let newest = if let Some(newest) = newest {
        newest
    } else {
        let base = end.max(furthest);
        let (segment, file) = segment::create(&home, base, records, clock.now_ms(), 0)?;
        if let Some(last) = segments.last_mut() {
            if let Some(sealed) = sealed {
                // It is only for the room.
                let _cut = cut(last, sealed.as_ref()).is_ok();
            }
            last.end = segment.base;
        }
        segments.push(segment);
        file
    };
    Ok(Opened {
        home,
        segments,
        newest,
        clock,
        recovered,
    })
}

fn home(directory: Directory, id: Uuid) -> Home {
    Home {
        directory,
        id,
        seal: Seal::of(id),
    }
}

/// The journal's id, if anything tells it. A journal always has a segment, so an id that no header
/// has, while there are headers, is damaged: the file has no checksum, and an id with a flipped bit
/// is one too.
fn id_of(known: Option<Uuid>, candidates: &[Candidate]) -> Option<Uuid> {
    let mut ids = candidates
        .iter()
        .rev()
        .filter_map(|found| Some(found.header?.journal));
    let newest = ids.clone().next();
    known
        .filter(|known| newest.is_none() || ids.any(|id| id == *known))
        .or(newest)
}

/// The files with the name of a segment, by position.
fn candidates(directory: &Directory) -> Result<Vec<Candidate>> {
    let mut candidates = Vec::new();
    // Names have as many digits as positions can have, so their order is that of the positions.
    for name in directory.names()? {
        let Some(base) = segment::base(&name) else {
            continue;
        };
        let path = directory.path.join(name);
        let file = directory.open(&path, Mode::Read)?;
        let file_bytes = file.length().map_err(Error::io("look at", &path))?;
        let found = segment::read_header(file.as_ref()).map_err(Error::io("read", &path))?;
        let header = match found {
            Found::Header(header) => Some(header),
            Found::Nothing => None,
            Found::Newer(found) => {
                let reads = segment::VERSION;
                return Err(Error::Version { path, found, reads });
            }
        };
        candidates.push(Candidate {
            path,
            base,
            file_bytes,
            header,
        });
    }
    Ok(candidates)
}

impl Recovered {
    /// The segment that a file is, if it is one of this journal; else the file is put out of the way.
    fn admit(
        &mut self,
        home: &Home,
        candidate: Candidate,
        before: Option<&Segment>,
    ) -> Result<Option<Segment>> {
        let Candidate {
            path,
            base,
            file_bytes,
            header,
        } = candidate;
        let ours = |header: &Header| header.journal == home.id && header.base == base;
        let frames_end = base.plus(file_bytes.saturating_sub(HEADER_BYTES));
        let segment = |header: Header| Segment {
            path: path.clone(),
            base,
            end: frames_end,
            records: (header.records, header.records),
            created_ms: header.created_ms,
            file_bytes,
            sound: true,
        };
        if let Some(header) = header.filter(ours) {
            return Ok(Some(segment(header)));
        }
        if header.is_none() && file_bytes <= HEADER_BYTES {
            // There never was a frame in it.
            self.problems
                .push(format!("{}: was empty, and is removed", path.display()));
            home.remove(&path)?;
            return Ok(None);
        }
        // Its frames know where they belong, so they can do without the header.
        let repaired = Header {
            journal: home.id,
            base,
            records: before.map_or(0, |before| before.records.1),
            created_ms: before.map_or(0, |before| before.created_ms),
            stale_bytes: file_bytes,
        };
        let candidate = segment(repaired);
        let file = home.open(&path, Mode::Write)?;
        let first =
            Scan::new(&candidate, file.as_ref(), frames_end, home.seal)?.header_from(base)?;
        if first.is_some() {
            self.damaged_bytes += HEADER_BYTES;
            self.problems.push(format!(
                "{}: its header was damaged, and is written anew",
                path.display()
            ));
            file.write_at(&repaired.to_bytes(), 0)
                .and_then(|()| file.sync_data())
                .map_err(Error::io("write", &path))?;
            return Ok(Some(candidate));
        }
        self.put_away(home, &path)?;
        Ok(None)
    }

    fn put_away(&mut self, home: &Home, path: &Path) -> Result<()> {
        let taken = home.names()?;
        let mut name = path.with_extension("foreign");
        for copy in 2.. {
            let file_name = name.file_name().and_then(|name| name.to_str());
            if !taken.iter().any(|taken| Some(taken.as_str()) == file_name) {
                break;
            }
            name = path.with_extension(format!("{copy}.foreign"));
        }
        home.fs
            .rename(path, &name)
            .map_err(Error::io("rename", path))?;
        home.sync()?;
        self.problems.push(format!(
            "{}: is no segment of this journal, and is now {}",
            path.display(),
            name.display()
        ));
        self.foreign.push(name);
        Ok(())
    }

    /// The frames of a sealed segment end where the next one begins, whatever its file holds.
    fn check_ends(&mut self, segments: &mut [Segment]) {
        let followers: Vec<_> = segments.iter().skip(1).cloned().collect();
        for (segment, follower) in segments.iter_mut().zip(followers) {
            let missing = follower.base.since(segment.end);
            segment.end = follower.base;
            segment.records.1 = follower.records.0.max(segment.records.0);
            if missing > 0 {
                self.damaged_bytes += missing;
                self.problems.push(format!(
                    "{}: {missing} bytes are missing behind it",
                    segment.path.display()
                ));
            }
        }
    }

    /// Readers have been further than the journal is now.
    fn lost(&mut self, end: Position, furthest: Position) {
        self.damaged_bytes += furthest.since(end);
        self.problems.push(format!(
            "the journal ends at {end}, but readers have been at {furthest}: what was between is \
             lost, and positions go on from there"
        ));
    }

    /// Finds where the newest segment ends, makes its frames durable, and cuts it behind them. One
    /// that is damaged is not cut: what proves that the damaged place had been durable may be a part
    /// of what is cut, and the next start would take the place, with the frames behind it, for an
    /// unfinished write. It has to be sealed first.
    fn mend(&mut self, home: &Home, segment: &mut Segment, file: &dyn Handle) -> Result<Tail> {
        let stale_bytes = match segment::read_header(file) {
            Ok(Found::Header(header)) => header.stale_bytes,
            _ => 0,
        };
        let mut scan = Scan::new(segment, file, segment.end, home.seal)?;
        let tail = Tail::find(&mut scan, segment.base)?;
        let torn_end = tail.torn_end(&mut scan, segment.base, stale_bytes)?;
        self.torn_bytes = torn_end.since(tail.end);
        if self.torn_bytes > 0 {
            let torn = scan.bytes(tail.end, MAX_COPY_BYTES)?;
            let length = usize::try_from(self.torn_bytes).unwrap_or(usize::MAX);
            let torn = torn.get(..length).unwrap_or(torn);
            let (base, offset) = (segment.base.get(), segment.offset(tail.end));
            // Without a copy it goes on: what is cut was never acknowledged.
            let _copy = aside::keep(home, Kind::Torn, base, offset, torn);
        }
        for (from, to) in &tail.damaged {
            self.damaged_bytes += to.since(*from);
            self.problems.push(format!(
                "{}: {} bytes from byte {} on are damaged",
                segment.path.display(),
                to.since(*from),
                segment.offset(*from)
            ));
        }
        segment.end = tail.end;
        segment.records.1 = segment.records.0 + tail.records;
        if tail.damaged.is_empty() {
            cut(segment, file)?;
        }
        failpoint::pass("journal.recovery.cut");
        if let Some(round) = tail.last_round {
            rewrite(segment, file, round)?;
        }
        failpoint::pass("journal.recovery.rewritten");
        // Whole frames may be in the kernel only; readers must not see them before they are durable.
        file.sync_all().map_err(Error::io("sync", &segment.path))?;
        failpoint::pass("journal.recovery.synced");
        Ok(tail)
    }
}

/// Gives back what a segment's file has behind its last frame.
fn cut(segment: &mut Segment, file: &dyn Handle) -> Result<()> {
    let length = segment.offset(segment.end);
    if length < segment.file_bytes {
        file.set_length(length)
            .map_err(Error::io("cut", &segment.path))?;
        segment.file_bytes = length;
    }
    Ok(())
}

/// Writes the bytes from `from` on once more. A sync of them may have failed before this process was
/// started; the kernel then takes them for clean although the disk does not have them.
fn rewrite(segment: &Segment, file: &dyn Handle, from: Position) -> Result<()> {
    const PIECE_BYTES: u64 = 1 << 20;
    let mut from = from.max(segment.base);
    let mut bytes = Vec::new();
    while from < segment.end {
        let piece = segment.end.since(from).min(PIECE_BYTES);
        bytes.resize(usize::try_from(piece).unwrap_or(usize::MAX), 0);
        let offset = segment.offset(from);
        file.read_at(&mut bytes, offset)
            .map_err(Error::io("read", &segment.path))?;
        file.write_at(&bytes, offset)
            .map_err(Error::io("write", &segment.path))?;
        from = from.plus(piece);
    }
    Ok(())
}
