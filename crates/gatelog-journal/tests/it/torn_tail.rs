//! What a crash leaves at the end.

use std::fs::{self, OpenOptions};

use gatelog_journal::{Error, Journal};

use crate::journals::{Bench, append, read_all};

#[test]
fn a_newest_segment_cut_anywhere_in_its_last_two_frames_keeps_the_whole_frames() {
    let bench = Bench::new();
    let journal = bench.open();
    for payload in [&b"first"[..], b"second", b"third"] {
        append(&journal, payload);
    }
    drop(journal);
    let path = bench.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let third = whole.len() - 12 - 5;
    let second = third - 12 - 6;
    for length in second..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let journal = bench.open();
        let expected: &[&[u8]] = if length < third {
            &[b"first"]
        } else {
            &[b"first", b"second"]
        };
        assert_eq!(
            read_all(&mut journal.reader("r").unwrap()),
            expected,
            "cut at {length}"
        );
        let torn = length - if length < third { second } else { third };
        assert_eq!(journal.torn_bytes(), torn as u64, "cut at {length}");
        // And it goes on.
        append(&journal, b"after");
        drop(journal);
        let journal = bench.open();
        assert_eq!(
            read_all(&mut journal.reader("r").unwrap()).last().unwrap(),
            b"after"
        );
    }
}

#[test]
fn what_was_cut_is_kept_beside() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"whole");
    drop(journal);
    let path = bench.segments().pop().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"half a frame");
    fs::write(&path, bytes).unwrap();
    assert_eq!(bench.open().torn_bytes(), 12);
    assert_eq!(
        fs::read(path.with_extension("torn")).unwrap(),
        b"half a frame"
    );
}

#[test]
fn zeros_behind_the_last_frame_are_no_frame() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"whole");
    drop(journal);
    let path = bench.segments().pop().unwrap();
    let length = fs::metadata(&path).unwrap().len();
    OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(length + 3000)
        .unwrap();
    let journal = bench.open();
    assert_eq!(read_all(&mut journal.reader("r").unwrap()), [b"whole"]);
}

#[test]
fn a_segment_whose_header_a_crash_cut_short_is_made_again() {
    let bench = Bench::new();
    let journal = bench.open();
    let end = append(&journal, b"whole");
    drop(journal);
    for length in [0, 7, 39] {
        let path = bench.dir().join(format!("{:020}.segment", end.get()));
        fs::write(&path, vec![b'G'; length]).unwrap();
        let journal = bench.open();
        assert_eq!(read_all(&mut journal.reader("r").unwrap()), [b"whole"]);
    }
}

#[test]
fn a_missing_segment_is_named_and_foreign_files_are_let_be() {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..20 {
        append(&journal, &[1; 1000]);
    }
    drop(journal);
    fs::write(bench.dir().join("notes.txt"), "mine").unwrap();
    fs::write(bench.dir().join("1.segment"), "mine too").unwrap();
    let segments = bench.segments();
    fs::remove_file(&segments[1]).unwrap();
    let error = Journal::open(bench.dir(), bench.config).unwrap_err();
    assert!(matches!(error, Error::Gap { .. }), "{error}");
}

#[test]
fn a_segment_of_another_journal_is_refused() {
    let (one, other) = (Bench::new(), Bench::new());
    append(&one.open(), b"one");
    append(&other.open(), b"other");
    fs::copy(&one.segments()[0], &other.segments()[0]).unwrap();
    let error = Journal::open(other.dir(), other.config).unwrap_err();
    assert!(matches!(error, Error::Damaged { at: 0, .. }), "{error}");
}
