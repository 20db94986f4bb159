//! Readers: each at its own pace, from its own position.

use gatelog_journal::{Error, Position, Read};

use crate::faulty::{Ask, EIO, Faulty};
use crate::journals::{
    Bench, append, block_on, drain, flip, open_reader, read_all, read_over_damage,
};

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
        Err(Error::ForeignPosition { .. })
    ));
}

#[test]
fn a_position_of_an_earlier_life_has_to_be_between_frames_that_were_there_at_the_start() {
    let bench = Bench::new();
    let journal = bench.open();
    let ends: Vec<Position> = (0..10).map(|_| append(&journal, &[1; 1000])).collect();
    drop(journal);
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    for end in &ends {
        reader.resume(*end).unwrap();
        assert_eq!(reader.position(), *end);
    }
    let later = append(&journal, &[1; 1000]);
    let mut foreign = vec![later, Position::new(later.get() + 1000)];
    foreign.extend(ends.iter().map(|end| Position::new(end.get() - 1)));
    for position in foreign {
        assert!(matches!(
            reader.resume(position),
            Err(Error::ForeignPosition { .. })
        ));
    }
    // A frame that is damaged does not make its place a foreign one.
    flip(&bench.segments()[0], 64 + 1028 + 5);
    reader.resume(ends[0]).unwrap();
}

#[test]
fn segments_that_a_reader_has_not_released_and_are_gone_are_told_and_counted() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    let ends: Vec<Position> = (0..20).map(|_| append(&journal, &[1; 1000])).collect();
    assert!(matches!(reader.read(2 * 1028).unwrap(), Read::Chunk(_)));
    reader.release(reader.position()).unwrap();
    drop((reader, journal));
    let oldest = bench.segments();
    for path in &oldest[..2] {
        std::fs::remove_file(path).unwrap();
    }
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    assert_eq!(reader.lag().bytes, ends[19].since(ends[1]));
    let (payloads, damage) = read_over_damage(&mut reader);
    let first = payloads.len();
    assert_eq!((damage[0].from, damage.len()), (ends[1], 1));
    assert_eq!(damage[0].to, ends[19 - first]);
    assert_eq!(journal.damaged_bytes(), damage[0].bytes());
    // One that begins here misses nothing.
    assert_eq!(read_all(&mut open_reader(&journal, "new")).len(), first);
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
