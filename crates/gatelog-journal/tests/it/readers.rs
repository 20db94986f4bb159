//! Readers: each at its own pace, from its own position.

use gatelog_journal::{Error, Position};

use crate::faulty::{Ask, EIO, Faulty};
use crate::journals::{Bench, append, block_on, drain, open_reader, read_all};

#[test]
fn a_reader_goes_on_after_a_restart_from_where_it_released() {
    let bench = Bench::new();
    let journal = bench.open();
    let middle = append(&journal, b"one");
    append(&journal, b"two");
    let mut reader = open_reader(&journal, "r");
    assert_eq!(read_all(&mut reader).len(), 2);
    reader.release(middle).unwrap();
    drop((reader, journal));
    let journal = bench.open();
    assert_eq!(read_all(&mut open_reader(&journal, "r")), [b"two"]);
    assert_eq!(read_all(&mut open_reader(&journal, "another")).len(), 2);
}

#[test]
fn segments_are_kept_for_the_slowest_reader_only() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut quick = open_reader(&journal, "quick");
    let mut slow = open_reader(&journal, "slow");
    for _ in 0..20 {
        append(&journal, &[1; 1000]);
    }
    let all = bench.segments().len();
    drain(&mut quick);
    assert_eq!(bench.segments().len(), all);
    assert_eq!(
        (quick.lag().bytes, slow.lag().bytes),
        (0, journal.end().get())
    );
    drain(&mut slow);
    assert_eq!(bench.segments().len(), 1);
}

#[test]
fn a_position_that_is_gone_leads_to_the_oldest_frame_and_one_to_come_is_refused() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
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
    let mut reader = open_reader(&journal, "r");
    assert_eq!(read_all(&mut reader), [large, b"small".to_vec()]);
}

#[test]
fn waiting_ends_with_the_next_frame() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    block_on(async {
        tokio::join!(async { reader.wait().await.unwrap() }, async {
            journal.append(b"x", 1).unwrap().await.unwrap()
        })
    });
    assert_eq!(read_all(&mut reader), [b"x"]);
}

#[test]
fn what_could_not_be_deleted_is_tried_again_and_never_leaves_a_gap() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let mut reader = open_reader(&journal, "r");
    for _ in 0..20 {
        append(&journal, &[1; 1000]);
    }
    let oldest = "00000000000000000000.segment";
    disk.refuse(Ask::Remove, oldest, EIO);
    disk.refuse(Ask::Rename, "spare", EIO);
    let all = bench.segments().len();
    let end = journal.end();
    reader.seek(end).unwrap();
    assert!(matches!(reader.release(end), Err(Error::Io { .. })));
    assert_eq!(bench.segments().len(), all, "nothing behind it is deleted");
    assert_eq!(reader.lag().bytes, 0, "released all the same");
    disk.heal();
    reader.release(end).unwrap();
    assert_eq!(bench.segments().len(), 1);
}
