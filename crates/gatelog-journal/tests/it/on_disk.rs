//! Journals as each version has left them, in `testdata/on_disk`: read for ever, with all they hold.

use std::fs;
use std::path::PathBuf;

use gatelog_journal::{Position, Read, Reader};

use crate::journals::{Bench, append, block_on, copy_files, crash, open_reader, read_all};

/// Frames in the journal of a version; the last of them was not written to its end.
const FRAMES: u32 = 60;
const READ_BY_LAKE: u32 = 13;

fn fixture(version: u32) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("testdata/on_disk/v{version}"))
}

/// What the frame of this number holds, and how many records that is said to be.
fn frame(number: u32) -> (Vec<u8>, u32) {
    let length = 100 + number * 37 % 300;
    let bytes = (0..length).map(|at| (number * 7 + at).to_le_bytes()[0]);
    (bytes.collect(), number % 5)
}

/// Reads everything, and checks that it is the frames from this one on.
fn read_from(reader: &mut Reader, first: u32) {
    let mut number = first;
    loop {
        match reader.read(1000).unwrap() {
            Read::Chunk(chunk) => {
                for found in chunk {
                    let (payload, records) = frame(number);
                    assert_eq!((found.payload, found.records), (&payload[..], records));
                    // Written in 2026 or later.
                    assert!(found.time_ms > 1_767_225_600_000, "{}", found.time_ms);
                    number += 1;
                }
            }
            Read::Nothing => break,
            Read::Damaged(damage) => panic!("{damage:?}"),
        }
    }
    assert_eq!(number, FRAMES - 1);
}

#[test]
fn version_1_is_read_and_goes_on() {
    let bench = Bench::new();
    copy_files(&fixture(1), bench.dir());
    let journal = bench.open();
    let recovered = journal.recovered();
    assert_eq!((recovered.torn_bytes, recovered.damaged_bytes), (50, 0));
    assert!(recovered.problems.is_empty(), "{recovered:?}");
    let id = fs::read_to_string(fixture(1).join("id")).unwrap();
    assert_eq!(journal.id().to_string(), id.trim());
    read_from(&mut open_reader(&journal, "new"), 0);
    let mut lake = open_reader(&journal, "lake");
    let lag = lake.lag();
    let unread = READ_BY_LAKE..FRAMES - 1;
    let records: u32 = unread.clone().map(|number| frame(number).1).sum();
    let bytes: u64 = unread.map(|number| frame(number).0.len() as u64 + 28).sum();
    assert_eq!((lag.records, lag.bytes), (u64::from(records), bytes));
    read_from(&mut lake, READ_BY_LAKE);
    append(&journal, b"on");
    assert_eq!(read_all(&mut lake), [b"on"]);
    assert!(bench.segments().len() > 3);
}

/// Read by the crate's documentation alone.
#[test]
fn version_1_is_as_documented() {
    let number = |bytes: &[u8], at: usize, length: usize| {
        let mut whole = [0; 8];
        whole[..length].copy_from_slice(&bytes[at..at + length]);
        u64::from_le_bytes(whole)
    };
    let bench = Bench::new();
    copy_files(&fixture(1), bench.dir());
    let id = fs::read_to_string(bench.dir().join("id")).unwrap();
    let id = uuid::Uuid::parse_str(id.trim()).unwrap();
    let seal = crc32c::crc32c(id.as_bytes());
    let (mut position, mut frames, mut records) = (0, 0, 0);
    let mut ends = vec![0];
    for path in bench.segments() {
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"GATELOGJ");
        assert_eq!(number(&bytes, 8, 4), 1);
        assert_eq!(&bytes[12..28], id.as_bytes());
        assert_eq!(number(&bytes, 28, 8), position);
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(stem, format!("{position:020}"));
        assert_eq!(number(&bytes, 36, 8), records);
        assert!(number(&bytes, 44, 8) > 1_767_225_600_000);
        assert_eq!(number(&bytes, 52, 8), 0);
        let checksum = u64::from(crc32c::crc32c(&bytes[..60]));
        assert_eq!(number(&bytes, 60, 4), checksum);
        let mut at = 64;
        while at < bytes.len() && frames < FRAMES - 1 {
            let (payload, of_frame) = frame(frames);
            assert_eq!(number(&bytes, at, 4), payload.len() as u64);
            assert_eq!(number(&bytes, at + 4, 4), u64::from(of_frame));
            // Each was appended alone.
            assert_eq!(number(&bytes, at + 8, 4), 0);
            let checksum = u64::from(crc32c::crc32c(&payload));
            assert_eq!(number(&bytes, at + 12, 4), checksum);
            let mut checksum = crc32c::crc32c_append(seal, &position.to_le_bytes());
            checksum = crc32c::crc32c_append(checksum, &bytes[at..at + 24]);
            assert_eq!(number(&bytes, at + 24, 4), u64::from(checksum));
            assert_eq!(&bytes[at + 28..at + 28 + payload.len()], &payload[..]);
            at += 28 + payload.len();
            position += 28 + payload.len() as u64;
            ends.push(position);
            records += u64::from(of_frame);
            frames += 1;
        }
    }
    assert_eq!(frames, FRAMES - 1);

    let slots = fs::read(bench.dir().join("lake.position")).unwrap();
    let newest = [0, 4096]
        .into_iter()
        .max_by_key(|at| number(&slots, *at, 8));
    let at = newest.unwrap();
    assert_eq!(number(&slots, at, 8) % 2 * 4096, at as u64);
    assert_eq!(number(&slots, at + 8, 8), ends[READ_BY_LAKE as usize]);
    let before: u32 = (0..READ_BY_LAKE).map(|number| frame(number).1).sum();
    assert_eq!(number(&slots, at + 16, 8), u64::from(before));
    let checksum = crc32c::crc32c_append(seal, &slots[at..at + 24]);
    assert_eq!(number(&slots, at + 24, 4), u64::from(checksum));
}

/// How the journal of a version is made, once, when the version is new.
#[test]
#[ignore = "writes testdata, which never changes"]
fn write() {
    let target = fixture(1);
    if target.exists() {
        println!("{}: is there, and stays as it is", target.display());
        return;
    }
    let bench = Bench::new();
    let journal = bench.open();
    let mut lake = open_reader(&journal, "lake");
    for number in 0..FRAMES {
        let (payload, records) = frame(number);
        block_on(journal.append(&payload, records).unwrap()).unwrap();
        // Two slots are written.
        if [5, READ_BY_LAKE].contains(&(number + 1)) {
            while let Read::Chunk(_) = lake.read(1).unwrap() {}
            lake.release(lake.position()).unwrap();
        }
    }
    assert!(journal.end() > Position::new(3 * 4096));
    let crashed = crash(&bench);
    // Of the last frame, 50 bytes have come to the disk.
    let newest = crashed.segments().pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    let cut = frame(FRAMES - 1).0.len() + 28 - 50;
    fs::write(&newest, &bytes[..bytes.len() - cut]).unwrap();
    fs::create_dir_all(&target).unwrap();
    copy_files(crashed.dir(), &target);
    fs::remove_file(target.join("lock")).unwrap();
}
