//! The position file: how far a reader has come.

use std::path::Path;

use gatelog_journal::Position;
use gatelog_testkit::disk::SimulatedDisk;

use crate::program::{Program, must};
use crate::reading::{READER, append, open, read_all, reader};
use crate::segment_file::{self, DIR, JOURNAL, OTHER_JOURNAL};

const SEGMENT_BYTES: u64 = 4096;

/// Between the beginnings of the two slots.
const SLOT_DISTANCE: usize = 4096;

/// No count comes so far; one that has is damage.
const UNREACHED: u64 = 1 << 62;

/// The first byte says whether the rest is the file, or tells what is in its slots.
///
/// - The journal opens, and the reader begins where the newer whole slot says; where none is whole,
///   at the oldest frame. No position lies behind the journal's end: that is where it goes on.
/// - The lag is told. What the reader releases then is where it begins at the next start, and what is
///   appended then is read.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let mut program = Program::new(bytes);
    let file = if program.byte() & 1 == 0 {
        let bytes = program.bytes(usize::MAX);
        // Noise for the other slot, too.
        let second = bytes.get(28..).unwrap_or_default();
        let mut file = bytes.to_vec();
        file.resize(SLOT_DISTANCE, 0);
        [file.as_slice(), second].concat()
    } else {
        slots(&mut program)
    };
    let (disk, end) = disk(&file);
    let journal = must(open(&disk, SEGMENT_BYTES), "it opens");
    let mut reader = reader(&journal);
    let place = newer_slot(&file);
    assert_eq!(reader.position().get(), place.unwrap_or(0));
    assert_eq!(journal.end().get(), place.unwrap_or(0).max(end));
    let lag = reader.lag();
    assert_eq!(lag.bytes, journal.end().since(reader.position()));
    assert!(lag.bytes > 0 || lag.records == 0, "{lag:?}");
    read_all(&mut reader, 100);
    assert_eq!(reader.position(), journal.end());
    let appended = must(append(&journal, &[b"behind".to_vec()]), "an append");
    must(reader.release(journal.end()), "a release");
    drop((reader, journal));
    let journal = must(open(&disk, SEGMENT_BYTES), "it opens again");
    let mut reader = self::reader(&journal);
    let released = appended.last().map_or(0, |seen| seen.to);
    assert_eq!(reader.position(), Position::new(released));
    assert_eq!(reader.lag().records, 0);
    let appended = must(append(&journal, &[b"further".to_vec()]), "an append");
    assert_eq!(read_all(&mut reader, 100), appended);
}

/// Three segments of two frames, with the position file; and where they end.
fn disk(file: &[u8]) -> (SimulatedDisk, u64) {
    let disk = SimulatedDisk::new(1);
    let (id, text) = segment_file::id_file();
    disk.put(&id, text.as_bytes());
    let mut base = 0;
    for _ in 0..3 {
        let mut bytes = segment_file::header(1, base, 0);
        let path = segment_file::path(base);
        for payload in [&b"a frame"[..], b"and another"] {
            let frame = segment_file::frame(payload, base);
            base += frame.len() as u64;
            bytes.extend(frame);
        }
        disk.put(&path, &bytes);
    }
    disk.put(&Path::new(DIR).join(format!("{READER}.position")), file);
    (disk, base)
}

/// A file of slots that are whole, or nearly.
fn slots(program: &mut Program<'_>) -> Vec<u8> {
    let mut file = vec![0; SLOT_DISTANCE + 28];
    for at in [0, SLOT_DISTANCE] {
        let choices = program.byte();
        let sequence = program.number();
        let position = match choices & 3 {
            0 => u64::from(program.short()),
            1 => program.number() >> 1,
            _ => u64::from(program.byte()),
        };
        let records = program.number();
        let mut slot = slot(sequence, position, records, choices & 4 != 0);
        if choices & 8 != 0 {
            let bit = program.below(slot.len() * 8);
            if let Some(byte) = slot.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        if let Some(place) = file.get_mut(at..at + slot.len()) {
            place.copy_from_slice(&slot);
        }
    }
    let cut = program.short();
    if cut > 0 {
        file.truncate(cut.into());
    }
    file
}

fn slot(sequence: u64, position: u64, records: u64, is_foreign: bool) -> Vec<u8> {
    let journal = if is_foreign { OTHER_JOURNAL } else { JOURNAL };
    let mut slot = Vec::new();
    for number in [sequence, position, records] {
        slot.extend(number.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&[&journal[..], &slot].concat());
    slot.extend(checksum.to_le_bytes());
    slot
}

/// The position in the whole slot with the highest number.
fn newer_slot(file: &[u8]) -> Option<u64> {
    let read = |at: usize| {
        let bytes = file.get(at..at + 28)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let &[sequence, position, records] = numbers else {
            return None;
        };
        let [sequence, position, records] = [sequence, position, records].map(u64::from_le_bytes);
        let unknown = records == u64::MAX;
        let counts = [sequence, position, if unknown { 0 } else { records }];
        let is_possible = sequence > 0 && counts.iter().all(|count| *count < UNREACHED);
        let is_whole = is_possible && slot(sequence, position, records, false) == bytes;
        is_whole.then_some((sequence, position))
    };
    let (first, second) = (read(0), read(SLOT_DISTANCE));
    let (_, position) = match (first, second) {
        (Some(first), Some(second)) if second.0 <= first.0 => first,
        (first, second) => second.or(first)?,
    };
    Some(position)
}
