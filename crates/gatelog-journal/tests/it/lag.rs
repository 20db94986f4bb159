//! What readers hold, how far they are behind, and how they come and go.

use gatelog_journal::{Journal, Position, Read, Start};

use crate::journals::{Bench, append, block_on, crash, drain, flip, open_reader, read_all};

/// Appends a frame of 1000 bytes with this many records.
fn append_records(journal: &Journal, records: u32) -> Position {
    block_on(journal.append(&[7; 1000], records).unwrap()).unwrap()
}

#[test]
fn a_lag_counts_the_records_and_bytes_that_are_not_released() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    let ends: Vec<Position> = (1..=10).map(|n| append_records(&journal, n)).collect();
    let records = |released: usize| (released as u64 + 1..=10).sum::<u64>();
    assert_eq!((reader.lag().records, reader.lag().bytes), (55, 10_280));
    // Released as it is read, and somewhere between, and after a restart.
    let Read::Chunk(chunk) = reader.read(2056).unwrap() else {
        panic!("there is something to read");
    };
    assert_eq!(chunk.end(), ends[1]);
    reader.release(ends[1]).unwrap();
    assert_eq!(reader.lag().records, records(2));
    read_all(&mut reader);
    for released in [3, 7, 8] {
        reader.release(ends[released - 1]).unwrap();
        let lag = reader.lag();
        assert_eq!(lag.records, records(released));
        assert_eq!(lag.bytes, (10 - released as u64) * 1028);
        assert!(lag.seconds < 3600);
        let crashed = crash(&bench);
        let later = crashed.open();
        assert_eq!(open_reader(&later, "r").lag().records, lag.records);
        let mut other = open_reader(&later, "other");
        other.seek(ends[released - 1]).unwrap();
        other.release(ends[released - 1]).unwrap();
        assert_eq!(
            later.lags().iter().map(|lag| lag.records).max(),
            Some(lag.records)
        );
    }
    // Who knows better how far the reader is done tells so.
    let lag = |done: Position| {
        let lag = journal.lags_behind(|_| done).remove(0);
        (lag.records, lag.bytes)
    };
    for (done, left) in [(ends[0], 2), (ends[7], 2), (ends[8], 1), (ends[9], 0)] {
        assert_eq!(lag(done), (records(10 - left), left as u64 * 1028));
    }
    assert_eq!(lag(ends[9].plus(5)), (0, 0));
    reader.release(ends[9]).unwrap();
    let lag = reader.lag();
    assert_eq!((lag.records, lag.bytes, lag.seconds), (0, 0, 0));
}

#[test]
fn frames_know_when_they_were_appended_and_time_does_not_run_back() {
    let bench = Bench::new();
    let mut times = Vec::new();
    for _ in 0..3 {
        let journal = bench.open();
        append(&journal, b"x");
    }
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    if let Read::Chunk(chunk) = reader.read(10_000).unwrap() {
        times.extend(chunk.map(|frame| frame.time_ms));
    }
    assert_eq!(times.len(), 3);
    assert!(
        times.is_sorted() && times[0] > 1_700_000_000_000,
        "{times:?}"
    );
}

#[test]
fn a_reader_that_begins_now_keeps_that_place() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"one");
    let mut reader = journal.reader("new", Start::Now).unwrap();
    append(&journal, b"two");
    assert_eq!(read_all(&mut reader), [b"two"]);
    // It has released nothing; after a crash it begins where it began.
    let crashed = crash(&bench);
    let later = crashed.open();
    let mut reader = later.reader("new", Start::Now).unwrap();
    assert_eq!(read_all(&mut reader), [b"two"]);
}

#[test]
fn a_dropped_reader_holds_on_and_a_retired_one_does_not() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut stays = open_reader(&journal, "stays");
    let goes = open_reader(&journal, "goes");
    for _ in 0..10 {
        append(&journal, &[1; 1000]);
    }
    let all = bench.segments().len();
    drain(&mut stays);
    drop(goes);
    assert_eq!(bench.segments().len(), all);
    let goes = open_reader(&journal, "goes");
    assert_eq!(goes.position(), Position::START);
    goes.retire().unwrap();
    assert_eq!(bench.segments().len(), 1);
    assert!(!bench.dir().join("goes.position").exists());
    assert_eq!(journal.lags().len(), 1);
    // It comes back as a new one.
    let back = journal.reader("goes", Start::Now).unwrap();
    assert_eq!(back.position(), journal.end());
}

#[test]
fn readers_that_are_not_kept_hold_nothing_and_begin_anew() {
    let bench = Bench::new();
    let journal = bench.open();
    for name in ["a", "b", "c"] {
        drop(open_reader(&journal, name));
    }
    for _ in 0..10 {
        append(&journal, &[1; 1000]);
    }
    for name in ["a", "b"] {
        drain(&mut open_reader(&journal, name));
    }
    drop(journal);
    let journal = bench.open();
    // `c` is not registered any more: it held back segments only until the restart, but its file
    // would give it an old place.
    let mut a = open_reader(&journal, "a");
    open_reader(&journal, "b");
    journal.keep_only(&["a"]).unwrap();
    let position = |name: &str| bench.dir().join(format!("{name}.position"));
    assert!(position("a").exists() && !position("b").exists() && !position("c").exists());
    assert_eq!(journal.lags().len(), 1);
    append(&journal, &[1; 1000]);
    assert_eq!(read_all(&mut a).len(), 1);
}

#[test]
fn another_cursor_reads_and_releases_while_the_first_is_held_up() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    for _ in 0..10 {
        append(&journal, &[1; 1000]);
    }
    // The reader has read something, and is now at work on it.
    let Read::Chunk(chunk) = reader.read(1).unwrap() else {
        panic!("there is something to read");
    };
    assert_eq!(chunk.count(), 1);
    let handle = reader.handle();
    let mut cursor = reader.cursor();
    cursor.seek(handle.released()).unwrap();
    let mut moved = 0;
    while handle.lag().bytes > 2100 {
        let Read::Chunk(chunk) = cursor.read(1).unwrap() else {
            panic!("there is something to read");
        };
        let end = chunk.end();
        moved += chunk.count();
        handle.release(end).unwrap();
    }
    assert_eq!((moved, handle.lag().records), (8, 2));
    // What the reader would read next is gone. It goes on behind, and that is no damage.
    assert!(reader.position() < handle.released());
    let rest = read_all(&mut reader);
    assert_eq!(rest.len(), 2, "and not what the other has seen to");
    assert_eq!(journal.damaged_bytes(), 0);
    // What is released stays released.
    reader.release(Position::new(1028)).unwrap();
    assert_eq!(handle.lag().records, 2);
}

#[test]
fn a_lag_is_told_over_damage_too() {
    let bench = Bench::new();
    let journal = bench.open();
    for _ in 0..9 {
        append_records(&journal, 10);
    }
    drop(journal);
    flip(&bench.segments()[1], 64 + 3);
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    assert_eq!(reader.lag().records, 90);
    reader.seek(Position::new(7 * 1028)).unwrap();
    reader.release(reader.position()).unwrap();
    assert_eq!(reader.lag().records, 20);
}
