//! A journal on a disk in memory, and all that a reader finds in it.

use std::path::Path;

use gatelog_journal::{Config, Error, Journal, Read, Reader, Start};
use gatelog_testkit::disk::SimulatedDisk;

use crate::program::must;
use crate::segment_file::{DIR, Seen};

/// The reader's name.
pub(crate) const READER: &str = "r";

/// Opens the journal.
///
/// # Errors
/// [`Error::Version`], and no other while the power is on.
///
/// # Panics
/// On another error: whatever the files hold, it has to open.
pub(crate) fn open(disk: &SimulatedDisk, segment_bytes: u64) -> Result<Journal, Error> {
    let config = Config {
        segment_bytes,
        max_bytes: 1 << 20,
        reserve_bytes: 0,
        ..Config::default()
    };
    let opened = Journal::open_on(disk.filesystem(), Path::new(DIR), config);
    if let Err(error) = &opened
        && !disk.is_off()
    {
        assert!(matches!(error, Error::Version { .. }), "{error:?}");
    }
    opened
}

/// The reader, where it was.
///
/// # Panics
/// When there is none.
pub(crate) fn reader(journal: &Journal) -> Reader {
    must(journal.reader(READER, Start::Oldest), "the reader")
}

/// Reads to the end, about so many bytes at once.
///
/// # Panics
/// When the reader fails, stands still, or what it finds overlaps or leaves something out.
pub(crate) fn read_all(reader: &mut Reader, bytes: usize) -> Vec<Seen> {
    let mut all = Vec::new();
    loop {
        let mut from = reader.position().get();
        let begin = from;
        match must(reader.read(bytes), "a read") {
            Read::Nothing => return all,
            Read::Chunk(chunk) => {
                let end = chunk.end().get();
                for frame in chunk {
                    let to = frame.end.get();
                    all.push(Seen {
                        from,
                        to,
                        payload: Some(frame.payload.to_vec()),
                    });
                    from = to;
                }
                assert_eq!(from, end, "the frames fill the chunk");
            }
            Read::Damaged(damage) => {
                // Frames that everybody has passed may be gone.
                assert_eq!(damage.from.get(), from, "{damage:?}");
                from = damage.to.get();
                all.push(Seen {
                    from: damage.from.get(),
                    to: from,
                    payload: None,
                });
            }
        }
        assert!(from > begin, "it stands still at {begin}");
        assert_eq!(reader.position().get(), from, "nothing is left out");
    }
}

/// Appends a frame and waits until it is durable; what a reader is to see of it.
///
/// # Errors
/// The journal's.
pub(crate) fn append(journal: &Journal, payloads: &[Vec<u8>]) -> Result<Vec<Seen>, Error> {
    let frames: Vec<_> = payloads
        .iter()
        .map(|payload| (payload.as_slice(), 1))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = must(runtime, "a runtime");
    let mut to = runtime.block_on(journal.append_all(&frames)?)?.get();
    let mut seen: Vec<_> = payloads
        .iter()
        .rev()
        .map(|payload| {
            let end = to;
            to -= (crate::segment_file::FRAME_HEADER_BYTES + payload.len()) as u64;
            Seen {
                from: to,
                to: end,
                payload: Some(payload.clone()),
            }
        })
        .collect();
    seen.reverse();
    Ok(seen)
}

/// The journal takes a frame and gives it back, now and at the next start, behind all that it had.
///
/// # Panics
/// When it does not.
pub(crate) fn goes_on(disk: &SimulatedDisk, segment_bytes: u64, before: &[Seen]) {
    let appended = {
        let journal = must(open(disk, segment_bytes), "it opens again");
        let found = journal.recovered();
        assert_eq!(found.torn_bytes, 0, "torn once more: {found:?}");
        assert!(found.foreign.is_empty(), "{found:?}");
        let mut reader = reader(&journal);
        assert_eq!(read_all(&mut reader, 300), before, "another start");
        let appended = must(append(&journal, &[b"appended".to_vec()]), "an append");
        assert_eq!(read_all(&mut reader, 300), appended);
        appended
    };
    let journal = must(open(disk, segment_bytes), "it opens a third time");
    let all = [before, &appended].concat();
    assert_eq!(read_all(&mut reader(&journal), 1), all, "a third start");
}
