//! A segment that all have passed becomes the next one.

use std::fs;

use gatelog_journal::Recovered;

use crate::faulty::{Ask, EIO, Faulty};
use crate::journals::{Bench, append, crash, drain, open_reader, read_all};

/// Appends frames that fill segments, and reads and releases each.
fn run(journal: &gatelog_journal::Journal, reader: &mut gatelog_journal::Reader, frames: u8) {
    for number in 0..frames {
        append(journal, &[number; 1000]);
        assert_eq!(read_all(reader), [[number; 1000]]);
        reader.release(reader.position()).unwrap();
    }
}

#[test]
fn a_passed_segment_s_file_is_used_again_and_its_old_frames_are_never_read() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let mut reader = open_reader(&journal, "r");
    run(&journal, &mut reader, 30);
    assert!(disk.count(Ask::Rename, "spare") >= 8);
    assert_eq!(disk.count(Ask::Remove, ""), 0, "each was used again");
    // The newest file is longer than its frames. After a crash they are told apart, and the rest is
    // no torn write.
    for frames in 0..4 {
        let crashed = crash(&bench);
        let newest = crashed.segments().pop().unwrap();
        let length = fs::metadata(&newest).unwrap().len();
        let later = crashed.open();
        assert_eq!(later.recovered(), &Recovered::default());
        assert_eq!(later.end(), journal.end());
        let mut reader = open_reader(&later, "r");
        assert_eq!(read_all(&mut reader).len(), 0);
        append(&later, b"on");
        assert_eq!(read_all(&mut reader), [b"on"]);
        assert!(length >= 3000, "{length}, {frames} frames");
        append(&journal, &[1; 1000]);
        drain(&mut open_reader(&journal, "r"));
    }
    drop(journal);
    // Closing leaves no tail.
    let newest = bench.segments().pop().unwrap();
    let bytes = fs::read(&newest).unwrap();
    let frames = (bytes.len() - 64) / 1028;
    assert_eq!(bytes.len(), 64 + frames * 1028);
}

#[test]
fn a_torn_write_over_old_frames_is_cut_and_kept() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    run(&journal, &mut reader, 10);
    let before = crash(&bench);
    append(&journal, &[77; 1000]);
    let end = journal.end();
    let after = crash(&bench);
    // Of the last frame, all but its end has been written over what stood there.
    let newest = after.segments().pop().unwrap();
    assert_eq!(
        before.segments().pop(),
        before
            .segments()
            .iter()
            .find(|path| path.file_name() == newest.file_name())
            .cloned()
    );
    let old = fs::read(before.segments().pop().unwrap()).unwrap();
    let mut torn = fs::read(&newest).unwrap();
    let base: u64 = newest
        .file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let frame_end = usize::try_from(64 + end.get() - base).unwrap();
    torn[frame_end - 100..].copy_from_slice(&old[frame_end - 100..]);
    fs::write(&newest, torn).unwrap();
    let later = after.open();
    assert_eq!(later.recovered().torn_bytes, 1028);
    assert_eq!(later.recovered().damaged_bytes, 0);
    assert_eq!(later.end().get(), end.get() - 1028);
}

#[test]
fn a_spare_file_that_cannot_be_used_is_no_failure() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let mut reader = open_reader(&journal, "r");
    run(&journal, &mut reader, 4);
    fs::remove_file(bench.dir().join("spare")).unwrap();
    run(&journal, &mut reader, 6);
    disk.refuse(Ask::Rename, "spare", EIO);
    run(&journal, &mut reader, 6);
    assert_eq!(journal.failure(), None);
    assert!(disk.count(Ask::Remove, "segment") > 0);
}
