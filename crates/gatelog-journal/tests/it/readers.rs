//! Readers: each at its own pace, from its own position.

use gatelog_journal::{Error, Position};

use crate::journals::{Bench, append, block_on, read_all};

#[test]
fn a_reader_goes_on_after_a_restart_from_where_it_released() {
    let bench = Bench::new();
    let journal = bench.open();
    let middle = append(&journal, b"one");
    append(&journal, b"two");
    let mut reader = journal.reader("r").unwrap();
    assert_eq!(read_all(&mut reader).len(), 2);
    reader.release(middle).unwrap();
    drop((reader, journal));
    let journal = bench.open();
    assert_eq!(read_all(&mut journal.reader("r").unwrap()), [b"two"]);
    assert_eq!(read_all(&mut journal.reader("another").unwrap()).len(), 2);
}

#[test]
fn segments_are_kept_for_the_slowest_reader_only() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut quick = journal.reader("quick").unwrap();
    let mut slow = journal.reader("slow").unwrap();
    for _ in 0..20 {
        append(&journal, &[1; 1000]);
    }
    let all = bench.segments().len();
    read_all(&mut quick);
    quick.release(quick.position()).unwrap();
    assert_eq!(bench.segments().len(), all);
    let lag: std::collections::HashMap<_, _> = journal.lag_bytes().into_iter().collect();
    assert_eq!((lag["quick"], lag["slow"]), (0, journal.end().get()));
    read_all(&mut slow);
    slow.release(slow.position()).unwrap();
    assert_eq!(bench.segments().len(), 1);
}

#[test]
fn a_position_that_is_gone_leads_to_the_oldest_frame_and_one_to_come_is_refused() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = journal.reader("r").unwrap();
    for _ in 0..20 {
        append(&journal, &[1; 1000]);
    }
    read_all(&mut reader);
    reader.release(reader.position()).unwrap();
    reader.seek(Position::START).unwrap();
    assert!(reader.position() > Position::START);
    assert!(matches!(
        reader.seek(journal.end().plus(1)),
        Err(Error::BeyondEnd { .. })
    ));
}

#[test]
fn a_frame_larger_than_what_was_asked_for_is_read_whole() {
    let bench = Bench::new();
    let journal = bench.open();
    let large: Vec<u8> = (0..20_000u32)
        .flat_map(u32::to_le_bytes)
        .take(20_000)
        .collect();
    append(&journal, &large);
    append(&journal, b"small");
    let mut reader = journal.reader("r").unwrap();
    assert_eq!(read_all(&mut reader), [large, b"small".to_vec()]);
}

#[test]
fn waiting_ends_with_the_next_frame() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = journal.reader("r").unwrap();
    block_on(async {
        tokio::join!(async { reader.wait().await.unwrap() }, async {
            journal.append(b"x", 1).unwrap().await.unwrap()
        })
    });
    assert_eq!(read_all(&mut reader), [b"x"]);
}

#[test]
fn a_damaged_sealed_frame_is_an_error_that_names_file_and_place() {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..10 {
        append(&journal, &[1; 1000]);
    }
    drop(journal);
    let oldest = &bench.segments()[0];
    let mut bytes = std::fs::read(oldest).unwrap();
    bytes[40 + 1012 + 500] ^= 1;
    std::fs::write(oldest, bytes).unwrap();
    let journal = bench.open();
    let mut reader = journal.reader("r").unwrap();
    assert_eq!(reader.read(1).unwrap().unwrap().count(), 1);
    let error = reader.read(1).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("a frame checksum that does not match at byte 1052"),
        "{error}"
    );
}

#[test]
fn what_could_not_be_deleted_is_tried_again_and_never_leaves_a_gap() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = journal.reader("r").unwrap();
    for _ in 0..20 {
        append(&journal, &[1; 1000]);
    }
    // The oldest cannot be removed: a directory that is not empty stands in its place.
    let oldest = bench.segments()[0].clone();
    let aside = oldest.with_extension("aside");
    std::fs::rename(&oldest, &aside).unwrap();
    std::fs::create_dir_all(oldest.join("x")).unwrap();
    let all = bench.segments().len();
    let end = journal.end();
    reader.seek(end).unwrap();
    assert!(matches!(reader.release(end), Err(Error::Io { .. })));
    assert_eq!(bench.segments().len(), all, "nothing behind it is deleted");
    std::fs::remove_dir_all(&oldest).unwrap();
    std::fs::rename(&aside, &oldest).unwrap();
    reader.release(end).unwrap();
    assert_eq!(bench.segments().len(), 1);
}
