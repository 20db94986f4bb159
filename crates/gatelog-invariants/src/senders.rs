//! `gatelog::senders`: the checkpoint of what is known of senders.

use gatelog::senders::{Error, Frame, Moment, Name, Run, Senders, Sent};
use gatelog_journal::{Journal, Position};
use gatelog_record::wire::{self, Origin, Stream};
use gatelog_record::{Timestamp, standard};
use gatelog_testkit::disk::SimulatedDisk;

use crate::program::{Program, must};
use crate::reading;
use crate::segment_file::{self, JOURNAL};

/// Where the journal ends.
const END: u64 = 1000;

/// The first byte says whether the rest is the file, or what stands between its head and its checksum,
/// or tells of streams.
///
/// - Any bytes are refused or taken. What is taken has the form that the format asks for, and what it
///   says of streams and numbers is there when it is written again, and from there on all of it.
/// - What is restored can be shown and worked with: a body is new or known, and known when it comes
///   again.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let mut program = Program::new(bytes);
    let file = match program.byte() % 3 {
        0 => program.bytes(usize::MAX).to_vec(),
        1 => whole(program.byte(), program.bytes(usize::MAX)),
        _ => {
            let forgetful = program.byte();
            let mut streams = Vec::new();
            while let Some(kind) = program.step() {
                if streams.len() > 1 << 14 {
                    break;
                }
                stream(kind, &mut program, &mut streams);
            }
            streams.push(0);
            whole(forgetful, &streams)
        }
    };
    let journal = journal();
    let Some((senders, position)) = Senders::of_checkpoint(&file, &journal) else {
        return;
    };
    assert!(position.get() <= END);
    let written = senders.to_checkpoint(&journal, position);
    assert!(written.len() <= file.len(), "it grew: {file:02x?}");
    is_kept(&file, &written);
    let Some((again, there)) = Senders::of_checkpoint(&written, &journal) else {
        panic!("not believed when it was written: {file:02x?}");
    };
    assert_eq!(there, position);
    let rewritten = again.to_checkpoint(&journal, position);
    assert_eq!(streams(&rewritten), streams(&written), "of {file:02x?}");
    works(&again, &journal, &mut Program::new(bytes));
}

/// A journal without frames that ends at [`END`].
fn journal() -> Journal {
    let disk = SimulatedDisk::new(1);
    let (id, text) = segment_file::id_file();
    disk.put(&id, text.as_bytes());
    let header = segment_file::header(1, END, 0);
    disk.put(&segment_file::path(END), &header);
    must(reading::open(&disk, 1 << 20), "it opens")
}

/// A checkpoint with these streams.
fn whole(forgetful: u8, streams: &[u8]) -> Vec<u8> {
    let mut file = b"GATELOGS".to_vec();
    file.extend(1u32.to_le_bytes());
    file.extend(JOURNAL);
    file.extend(END.to_le_bytes());
    file.push(forgetful);
    file.extend_from_slice(streams);
    file.extend(crc32c::crc32c(&file).to_le_bytes());
    file
}

/// A stream of a few short runs, or of what numbers there are.
fn stream(kind: u8, program: &mut Program<'_>, out: &mut Vec<u8>) {
    let is_worker = kind & 1 == 0;
    let number = |program: &mut Program<'_>| match kind & 2 {
        0 => u64::from(program.byte()),
        _ => program.number(),
    };
    out.push(if is_worker { 1 } else { 2 });
    for _ in 0..if is_worker { 3 } else { 1 } {
        let length = program.byte() % 8;
        let text = program.bytes(length.into());
        out.extend([u8::try_from(text.len()).unwrap_or_default(), 0]);
        out.extend_from_slice(text);
    }
    out.extend(number(program).to_le_bytes());
    // Floor and runs, each behind the last.
    let mut at = number(program);
    out.extend(at.to_le_bytes());
    let runs = program.byte() % 8;
    out.extend(u32::from(runs).to_le_bytes());
    for _ in 0..runs * 2 {
        at = at.wrapping_add(number(program));
        out.extend(at.to_le_bytes());
    }
    // A checksum of the body; or received, highest, counted from, refused, duplicates, beyond the
    // window, dropped.
    for _ in 0..if is_worker { 7 } else { 1 } {
        out.extend(number(program).to_le_bytes());
    }
    if !is_worker {
        return;
    }
    // Floor and runs of what was refused.
    let mut at = number(program);
    out.extend(at.to_le_bytes());
    let runs = program.byte() % 4;
    out.extend(u32::from(runs).to_le_bytes());
    for _ in 0..runs * 2 {
        at = at.wrapping_add(number(program));
        out.extend(at.to_le_bytes());
    }
    // Two moments.
    for _ in 0..2 {
        out.extend(number(program).to_le_bytes());
    }
    let gaps = program.byte() % 8;
    out.extend(u32::from(gaps).to_le_bytes());
    for _ in 0..gaps * 3 {
        out.extend(number(program).to_le_bytes());
    }
}

/// A stream in a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stored<'a> {
    name: &'a [u8],
    /// Use, floor and runs, and the body's checksum or what a worker's ledger counts.
    numbers: &'a [u8],
    /// A worker's moments and gaps.
    rest: &'a [u8],
}

/// The streams of a checkpoint that was believed, by their names.
fn streams(file: &[u8]) -> Vec<Stored<'_>> {
    let mut rest = file.get(37..).unwrap_or_default();
    let mut streams = Vec::new();
    while let Some((stream, behind)) = next_stream(rest) {
        let (floor, runs) = (number(stream.numbers, 8), count(stream.numbers, 16));
        let runs = (0..runs).map(|run| {
            let at = 20 + run * 16;
            (number(stream.numbers, at), number(stream.numbers, at + 8))
        });
        let runs: Vec<_> = runs.collect();
        let whole = |(start, end): &(Option<u64>, Option<u64>)| start < end && *start >= floor;
        assert!(runs.iter().all(whole), "{runs:?} from {floor:?} on");
        assert!(runs.is_sorted_by(|one, next| one.1 < next.0), "{runs:?}");
        streams.push(stream);
        rest = behind;
    }
    assert_eq!(rest.len(), 5, "the end and the checksum");
    streams.sort_unstable();
    streams
}

/// The stream that stands here, and what stands behind it; `None` at the end.
fn next_stream(bytes: &[u8]) -> Option<(Stored<'_>, &[u8])> {
    let is_worker = match bytes.first()? {
        0 => return None,
        kind => *kind == 1,
    };
    let mut at = 1;
    for _ in 0..if is_worker { 3 } else { 1 } {
        let length = bytes.get(at..)?.first_chunk::<2>()?;
        at += 2 + usize::from(u16::from_le_bytes(*length));
    }
    let (name, rest) = bytes.split_at_checked(at)?;
    let mut numbers = 20 + count(rest, 16) * 16 + if is_worker { 56 } else { 8 };
    if is_worker {
        numbers += 12 + count(rest, numbers + 8) * 16;
    }
    let (numbers, rest) = rest.split_at_checked(numbers)?;
    let ledger = if is_worker {
        20 + count(rest, 16) * 24
    } else {
        0
    };
    let (ledger, behind) = rest.split_at_checked(ledger)?;
    let stream = Stored {
        name,
        numbers,
        rest: ledger,
    };
    Some((stream, behind))
}

fn count(bytes: &[u8], at: usize) -> usize {
    let count = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
    count.map_or(0, |count| u32::from_le_bytes(*count) as usize)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let number = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*number))
}

/// Nothing of what a believed checkpoint says is lost, but of a name that is there twice.
fn is_kept(file: &[u8], written: &[u8]) {
    let (before, after) = (streams(file), streams(written));
    if !before.is_sorted_by(|one, next| one.name < next.name) {
        return;
    }
    // Moments beyond all calendars are brought within.
    let known = |streams: &[Stored<'_>]| -> Vec<_> {
        let known = streams.iter().map(|stream| (stream.name, stream.numbers));
        known
            .map(|(name, numbers)| [name, numbers].concat())
            .collect()
    };
    assert_eq!(known(&after), known(&before), "of {file:02x?}");
}

/// Shows what is known, and takes a body, twice.
fn works(senders: &Senders, journal: &Journal, program: &mut Program<'_>) {
    let now = Moment::now();
    drop(senders.listing(journal, 10, now));
    drop(senders.metrics(journal, now));
    let (text, first) = (program.bytes(2), program.number());
    let text = String::from_utf8_lossy(text);
    let stream = Stream::Worker {
        sender: "",
        boot: &text,
        worker: "",
    };
    for stream in [stream, Stream::Key { key: &text }] {
        let Some(name) = Name::new(stream) else {
            continue;
        };
        let first = if matches!(stream, Stream::Key { .. }) {
            0
        } else {
            first
        };
        let Some(end) = first.checked_add(2) else {
            continue;
        };
        let checksum = matches!(stream, Stream::Key { .. }).then_some(7);
        let mut batch = Vec::new();
        let items = 2;
        let origin = Origin {
            stream,
            first,
            items,
            checksum,
        };
        wire::begin_batch_from(&origin, &mut batch);
        for number in 0..2 {
            wire::write_record(&standard::record(number, Timestamp::EPOCH), &mut batch);
        }
        let sent = Sent {
            name,
            first,
            dropped: None,
            checksum,
        };
        let frame = Frame {
            bytes: &batch,
            records: items,
            numbers: Run::new(first, end),
        };
        let known = |frames: &[Frame<'_>]| {
            let taken = match senders.take(journal, &sent, frames, &[], now) {
                Err(Error::OtherBody) if checksum.is_some() => return 0,
                taken => must(taken, "a body"),
            };
            assert_eq!(taken.accepted + taken.duplicates, 2);
            taken.duplicates
        };
        let before = known(&[frame]);
        let (_, metrics) = (
            senders.listing(journal, 10, now),
            senders.metrics(journal, now),
        );
        assert!(metrics.is_ascii() || !text.is_ascii(), "{metrics}");
        assert!(known(&[frame]) >= before, "forgotten");
    }
    assert!(journal.end() >= Position::new(END));
}
