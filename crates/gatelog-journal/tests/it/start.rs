//! Files that are missing, foreign, empty or of a later version when the journal is opened.

use std::fs;

use gatelog_journal::{Error, Journal, Position, Recovered, Start};

use crate::faulty::{Ask, Faulty};
use crate::journals::{Bench, append, drain, flip, open_reader, read_all, read_over_damage};

fn files(bench: &Bench, extension: &str) -> usize {
    let entries = fs::read_dir(bench.dir()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(extension)).count()
}

#[test]
fn files_that_are_none_of_the_journal_s_are_let_be() {
    let bench = Bench::new();
    append(&bench.open(), b"one");
    fs::write(bench.dir().join("notes.txt"), "mine").unwrap();
    fs::write(bench.dir().join("1.segment"), "mine too").unwrap();
    let journal = bench.open();
    assert_eq!(journal.recovered(), &Recovered::default());
    assert_eq!(read_all(&mut open_reader(&journal, "a")), [b"one"]);
    assert_eq!(
        fs::read(bench.dir().join("1.segment")).unwrap(),
        b"mine too"
    );
}

#[test]
fn a_segment_of_another_journal_is_put_out_of_the_way() {
    let (one, other) = (Bench::new(), Bench::new());
    append(&one.open(), b"one");
    append(&other.open(), b"other");
    let foreign = other.dir().join("00000000000000001000.segment");
    for count in 1..3 {
        fs::copy(&one.segments()[0], &foreign).unwrap();
        let journal = other.open();
        assert_eq!(journal.recovered().foreign.len(), 1);
        assert_eq!(journal.recovered().problems.len(), 1);
        assert_eq!(read_all(&mut open_reader(&journal, "a")), [b"other"]);
        assert_eq!(files(&other, ".foreign"), count);
        assert!(!foreign.exists());
    }
}

#[test]
fn an_empty_segment_is_removed() {
    let bench = Bench::new();
    append(&bench.open(), b"one");
    let empty = bench.dir().join("00000000000000001000.segment");
    fs::write(&empty, b"").unwrap();
    let journal = bench.open();
    assert!(!empty.exists());
    assert_eq!(journal.recovered().problems.len(), 1);
    assert_eq!(read_all(&mut open_reader(&journal, "a")), [b"one"]);
}

#[test]
fn a_segment_whose_header_is_spoilt_is_known_by_its_frames() {
    for (segment, offset) in [(0, 0), (0, 9), (1, 30), (2, 20), (2, 61)] {
        let bench = Bench::new();
        let journal = bench.open();
        for _ in 0..8 {
            append(&journal, &[1; 1000]);
        }
        drop(journal);
        flip(&bench.segments()[segment], offset);
        let journal = bench.open();
        let recovered = journal.recovered();
        assert_eq!((recovered.damaged_bytes, recovered.problems.len()), (64, 1));
        assert_eq!(read_all(&mut open_reader(&journal, "a")).len(), 8);
        drop(journal);
        assert_eq!(bench.open().recovered(), &Recovered::default());
    }
}

#[test]
fn a_later_version_is_refused_with_both_versions_named() {
    let bench = Bench::new();
    append(&bench.open(), b"one");
    let segment = &bench.segments()[0];
    let mut bytes = fs::read(segment).unwrap();
    bytes[8] = 2;
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    fs::write(segment, &bytes).unwrap();
    let error = Journal::open(bench.dir(), bench.config).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(
            error,
            Error::Version {
                found: 2,
                reads: 1,
                ..
            }
        ),
        "{text}"
    );
    assert!(
        text.ends_with(
            "00000000000000000000.segment has format version 2; this program reads version 1"
        ),
        "{text}"
    );
    assert_eq!(fs::read(segment).unwrap(), bytes, "nothing was touched");
}

#[test]
fn a_missing_or_spoilt_id_is_made_from_a_segment() {
    for text in [
        None,
        Some(""),
        Some("not an id, but of more than 36 characters"),
    ] {
        let bench = Bench::new();
        let journal = bench.open();
        let id = journal.id();
        append(&journal, b"one");
        drop(journal);
        let path = bench.dir().join("id");
        let before = fs::read(&path).unwrap();
        match text {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        let journal = bench.open();
        assert_eq!((journal.id(), journal.recovered().problems.len()), (id, 1));
        assert_eq!(read_all(&mut open_reader(&journal, "a")), [b"one"]);
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_journal_without_segments_is_another_one() {
    let bench = Bench::new();
    let journal = bench.open();
    let id = journal.id();
    append(&journal, b"one");
    drain(&mut open_reader(&journal, "a"));
    drop(journal);
    fs::remove_file(&bench.segments()[0]).unwrap();
    let journal = bench.open();
    assert_ne!(journal.id(), id);
    append(&journal, b"two");
    assert_eq!(read_all(&mut open_reader(&journal, "a")), [b"two"]);
}

#[test]
fn positions_that_readers_have_been_at_are_never_used_again() {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..8 {
        append(&journal, &[1; 1000]);
    }
    let (end, id) = (journal.end(), journal.id());
    open_reader(&journal, "b");
    drain(&mut open_reader(&journal, "a"));
    drop(journal);
    // The newest segment is lost, and the one before is torn.
    fs::remove_file(bench.segments().pop().unwrap()).unwrap();
    let last = bench.segments().pop().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes.truncate(bytes.len() - 100);
    fs::write(&last, bytes).unwrap();
    let journal = bench.open();
    assert_eq!((journal.id(), journal.end()), (id, end));
    assert!(journal.recovered().damaged_bytes > 2000);
    append(&journal, b"after");
    assert_eq!(read_all(&mut open_reader(&journal, "a")), [b"after"]);
    let (frames, damage) = read_over_damage(&mut open_reader(&journal, "b"));
    assert_eq!((frames.len(), damage.len()), (6, 1));
}

#[test]
fn with_both_slots_of_its_position_spoilt_a_reader_begins_at_the_oldest_frame() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"one");
    drain(&mut open_reader(&journal, "a"));
    drop(journal);
    let path = bench.dir().join("a.position");
    let length = fs::metadata(&path).unwrap().len();
    fs::write(&path, vec![0xff; usize::try_from(length).unwrap()]).unwrap();
    let journal = bench.open();
    let problems = &journal.recovered().problems;
    assert!(
        problems.len() == 1 && problems[0].contains("a.position"),
        "{problems:?}"
    );
    let now = journal.reader("a", Start::Now).unwrap();
    assert_eq!(now.position(), Position::START);
}

#[test]
fn the_last_round_is_written_once_more_before_it_is_synced() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"one");
    append(&journal, b"two");
    drop(journal);
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let segment = "00000000000000000000.segment";
    assert_eq!(disk.count(Ask::Write, segment), 1);
    assert_eq!(disk.count(Ask::Sync, segment), 1);
    assert_eq!(read_all(&mut open_reader(&journal, "a")), [b"one", b"two"]);
}
