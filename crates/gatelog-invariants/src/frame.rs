//! Frames: the bytes behind the header of a segment, or instead of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gatelog_testkit::disk::SimulatedDisk;

use crate::program::{Program, must};
use crate::reading::{append, goes_on, open, read_all, reader};
use crate::segment_file::{
    self, End, FRAME_HEADER_BYTES, HEADER_BYTES, Head, OTHER_JOURNAL, Seen, UNKNOWN,
};

/// Segments are as long as they are here.
const SEGMENT_BYTES: u64 = 4096;

/// What a segment is to hold at the most.
const MAX_BYTES: usize = 12 << 10;

/// The bytes say what stands in a segment between two whole ones, or in the newest: frames, whole
/// and spoilt, and anything else.
///
/// - Nothing panics; the journal opens, also a second time with the same result, takes a frame and
///   gives it back.
/// - What is found has no gaps and no overlaps: each frame with what the format says is its payload,
///   each hole from where no frame is to where the next one begins. Neighbours lose nothing.
/// - The newest segment is cut at its first hole, but for what is known to have been durable. What
///   is cut is kept in a file.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let mut program = Program::new(bytes);
    let choices = program.byte();
    let case = Case {
        is_newest: choices & 1 == 1,
        read_bytes: 1 << (choices >> 2 & 15),
        file: Vec::new(),
        base: segment_file::frame(BEFORE, 0).len() as u64,
        behind: i64::from(program.byte()) - 128,
    };
    if choices & 2 == 0 {
        let stale_bytes = u64::from(program.byte()) * u64::from(choices >> 6 & 1) * 16;
        let header = segment_file::header(1, case.base, stale_bytes);
        let file = [header, frames(&mut program, case.base)].concat();
        Case { file, ..case }.behind_a_header(stale_bytes);
    } else {
        let mut file = segment_file::header(program.byte().into(), case.base, 0);
        for _ in 0..program.byte() % 8 {
            let at = program.below(HEADER_BYTES);
            if let Some(byte) = file.get_mut(at) {
                *byte = program.byte();
            }
        }
        file.truncate(usize::from(!program.byte()));
        if file.len() == HEADER_BYTES {
            file.extend(frames(&mut program, case.base));
        }
        Case { file, ..case }.instead_of_a_header();
    }
}

const BEFORE: &[u8] = b"before";
const BEHIND: &[u8] = b"behind";

/// The segment file, and where it is.
struct Case {
    is_newest: bool,
    read_bytes: usize,
    file: Vec<u8>,
    base: u64,
    /// How much more than its frames it should have, by the base of the next one.
    behind: i64,
}

impl Case {
    fn frames(&self) -> &[u8] {
        self.file.get(HEADER_BYTES..).unwrap_or_default()
    }

    /// Where the next segment begins.
    fn limit(&self) -> u64 {
        let length = self.frames().len() as u64;
        self.base + length.saturating_add_signed(self.behind).max(1)
    }

    /// The disk with it, and with what stands in the whole segments around it.
    fn disk(&self) -> (SimulatedDisk, Vec<Seen>, Vec<Seen>) {
        let disk = SimulatedDisk::new(1);
        let (id, text) = segment_file::id_file();
        disk.put(&id, text.as_bytes());
        let put = |base: u64, payload: &[u8]| {
            let frame = segment_file::frame(payload, base);
            let to = base + frame.len() as u64;
            let header = segment_file::header(1, base, 0);
            disk.put(&segment_file::path(base), &[header, frame].concat());
            let payload = Some(payload.to_vec());
            vec![Seen {
                from: base,
                to,
                payload,
            }]
        };
        let before = put(0, BEFORE);
        let behind = if self.is_newest {
            Vec::new()
        } else {
            put(self.limit(), BEHIND)
        };
        disk.put(&segment_file::path(self.base), &self.file);
        (disk, before, behind)
    }

    fn behind_a_header(&self, stale_bytes: u64) {
        let (disk, before, behind) = self.disk();
        let journal = must(open(&disk, SEGMENT_BYTES), "it opens");
        let limit = if self.is_newest {
            let end = journal.end().get();
            match segment_file::end(self.frames(), self.base) {
                End::At(there) => assert_eq!(end, there, "cut elsewhere"),
                End::NotBefore(durable) => assert!(end >= durable, "{end}: {durable} was durable"),
            }
            let torn_bytes = journal.recovered().torn_bytes;
            self.keeps_what_it_cuts(&disk.files(), end, torn_bytes, stale_bytes);
            end
        } else {
            assert_eq!(journal.recovered().torn_bytes, 0);
            self.limit()
        };
        let found = read_all(&mut reader(&journal), self.read_bytes);
        let own = segment_file::readable(self.frames(), self.base, limit);
        let all = [before, own, behind].concat();
        assert_eq!(found, all, "of {:02x?}", self.file);
        drop(journal);
        goes_on(&disk, SEGMENT_BYTES, &all);
    }

    fn keeps_what_it_cuts(
        &self,
        files: &BTreeMap<PathBuf, Vec<u8>>,
        end: u64,
        torn_bytes: u64,
        stale_bytes: u64,
    ) {
        let cut = usize::try_from(end - self.base).unwrap_or(usize::MAX);
        let cut = self.frames().get(cut..).unwrap_or_default();
        let torn = cut.get(..usize::try_from(torn_bytes).unwrap_or(usize::MAX));
        let Some(torn) = torn else {
            panic!("{torn_bytes} torn of {} bytes", cut.len());
        };
        let mut copies = files
            .iter()
            .filter(|(path, _)| path.to_string_lossy().ends_with(".torn"));
        let copy = copies.next().map(|(_, bytes)| bytes.as_slice());
        assert_eq!(copy.unwrap_or_default(), torn, "the copy");
        if stale_bytes == 0 {
            let rest = cut.get(torn.len()..).unwrap_or_default();
            assert!(rest.iter().all(|byte| *byte == 0), "cut and not told");
        }
    }

    fn instead_of_a_header(&self) {
        let (disk, before, behind) = self.disk();
        let untouched = disk.files();
        let version = segment_file::version(&self.file);
        let Ok(journal) = open(&disk, SEGMENT_BYTES) else {
            assert_ne!(version, Some(1), "refused");
            let mut files = disk.files();
            files.retain(|path, _| untouched.contains_key(path));
            assert_eq!(files, untouched, "a later version's files are let be");
            return;
        };
        assert!(version.is_none_or(|version| version < 2), "not refused");
        let told = !journal.recovered().problems.is_empty();
        assert!(told || version == Some(1), "not told: {:02x?}", self.file);
        let mut reader = reader(&journal);
        let found = read_all(&mut reader, self.read_bytes);
        for seen in before.iter().chain(&behind) {
            assert!(found.contains(seen), "{seen:?} is lost: {found:?}");
        }
        let frames = segment_file::readable(self.frames(), self.base, u64::MAX >> 1);
        for seen in found.iter().filter(|seen| seen.payload.is_some()) {
            let known = frames.contains(seen) || before.contains(seen) || behind.contains(seen);
            assert!(known, "invented: {seen:?}");
        }
        let appended = must(append(&journal, &[b"at once".to_vec()]), "an append");
        assert_eq!(read_all(&mut reader, 300), appended);
        drop((reader, journal));
        goes_on(&disk, SEGMENT_BYTES, &[found, appended].concat());
    }
}

/// What the program puts into a segment.
fn frames(program: &mut Program<'_>, base: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut round = 0;
    while let Some(step) = program.step() {
        if bytes.len() > MAX_BYTES {
            break;
        }
        piece(step, program, base, &mut round, &mut bytes);
    }
    bytes
}

/// One piece: the lower three bits of the step say what, two more how a frame tells of its round.
fn piece(step: u8, program: &mut Program<'_>, base: u64, round: &mut usize, out: &mut Vec<u8>) {
    let kind = step % 8;
    let begin = out.len();
    let length = usize::from(program.byte());
    if kind == 0 {
        out.extend_from_slice(program.bytes(length));
        return;
    }
    if kind == 1 {
        out.resize(begin + length * 3, 0);
        return;
    }
    let payload = program.bytes(length.max(1));
    let payload = if payload.is_empty() { b"-" } else { payload };
    let mut head = Head::of(payload, base + begin as u64);
    head.behind = match step >> 3 & 3 {
        0 => {
            *round = begin;
            0
        }
        1 => u32::try_from(begin - *round).unwrap_or(UNKNOWN),
        2 => UNKNOWN,
        _ => program.short().into(),
    };
    match kind {
        2 => head.length = u32::from(program.short()) << (program.byte() % 13),
        3 => head.position += u64::from(program.byte()),
        4 => head.journal = OTHER_JOURNAL,
        _ => {}
    }
    out.extend(head.bytes());
    out.extend_from_slice(payload);
    let at = match kind {
        // Anywhere, and in the payload.
        5 => program.below(FRAME_HEADER_BYTES + payload.len()),
        6 => FRAME_HEADER_BYTES + program.below(payload.len()),
        _ => return,
    };
    if let Some(byte) = out.get_mut(begin + at) {
        *byte ^= 1 << (program.byte() % 8);
    }
}
