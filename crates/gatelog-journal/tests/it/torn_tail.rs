//! What a crash leaves at the end.

use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use gatelog_journal::Recovered;

use crate::journals::{Bench, append, open_reader, read_all};

/// The copies of what was cut.
fn torn_files(bench: &Bench) -> Vec<PathBuf> {
    let files = fs::read_dir(bench.dir()).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "torn")
        })
        .collect()
}

/// A crash, and nothing else.
fn torn_only(bytes: usize) -> Recovered {
    let mut recovered = Recovered::default();
    recovered.torn_bytes = bytes as u64;
    recovered
}

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
    let third = whole.len() - 28 - 5;
    let second = third - 28 - 6;
    for length in second..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let journal = bench.open();
        let expected: &[&[u8]] = if length < third {
            &[b"first"]
        } else {
            &[b"first", b"second"]
        };
        assert_eq!(
            read_all(&mut open_reader(&journal, "r")),
            expected,
            "cut at {length}"
        );
        let cut = &whole[if length < third { second } else { third }..length];
        // With the whole header it is known that all of it was written; else zeros are nothing.
        let torn = if cut.len() < 28 {
            cut.iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |last| last + 1)
        } else {
            cut.len()
        };
        assert_eq!(journal.recovered(), &torn_only(torn), "cut at {length}");
        // And it goes on.
        append(&journal, b"after");
        drop(journal);
        let journal = bench.open();
        assert_eq!(
            read_all(&mut open_reader(&journal, "r")).last().unwrap(),
            b"after"
        );
    }
}

#[test]
fn what_was_cut_is_kept_beside_and_never_overwritten() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"whole");
    drop(journal);
    let path = bench.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    for count in 1..3 {
        fs::write(&path, [&whole[..], b"half a frame\0\0\0"].concat()).unwrap();
        assert_eq!(bench.open().recovered().torn_bytes, 12);
        let torn = torn_files(&bench);
        assert_eq!(torn.len(), count);
        for path in torn {
            assert_eq!(fs::read(path).unwrap(), b"half a frame");
        }
    }
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
    assert_eq!(journal.recovered(), &Recovered::default());
    assert!(torn_files(&bench).is_empty());
    assert_eq!(read_all(&mut open_reader(&journal, "r")), [b"whole"]);
    drop(journal);
    assert_eq!(fs::metadata(&path).unwrap().len(), length);
}

#[test]
fn what_a_crash_leaves_of_a_segment_that_was_being_made_is_removed() {
    let bench = Bench::new();
    let journal = bench.open();
    let end = append(&journal, b"whole");
    drop(journal);
    for length in [0, 7, 63, 64] {
        let name = format!("{:020}.segment.new", end.get());
        let path = bench.dir().join(name);
        fs::write(&path, vec![b'G'; length]).unwrap();
        let journal = bench.open();
        assert_eq!(journal.recovered(), &Recovered::default());
        assert!(!path.exists());
        assert_eq!(read_all(&mut open_reader(&journal, "r")), [b"whole"]);
    }
}
