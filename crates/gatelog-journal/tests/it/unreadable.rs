//! Places that the disk cannot read.

use std::time::{Duration, Instant};

use gatelog_journal::{Error, Journal, Position, Read, Reader};

use crate::faulty::{Ask, EIO, Faulty};
use crate::journals::{Bench, append, open_reader, read_over_damage};

/// A journal of 20 frames of 10,028 bytes, three to a segment.
fn filled(bench: &mut Bench, disk: &Faulty) -> (Journal, Vec<Position>) {
    bench.config.segment_bytes = 40_000;
    bench.config.max_bytes = 1 << 20;
    let journal = bench.open_on(disk);
    let ends = (0..20).map(|number| append(&journal, &[number; 10_000]));
    let ends = ends.collect();
    (journal, ends)
}

fn refuses(reader: &mut Reader) -> bool {
    matches!(reader.read(10_000), Err(Error::Io { .. }))
}

#[test]
fn a_sector_that_cannot_be_read_costs_its_frames_and_stops_nobody() {
    let oldest = "00000000000000000000.segment";
    // In a payload and in a header, also of the last frame of a segment; over the end of one; and which
    // frames that costs.
    for (sector, lost) in [
        (15_000..15_100, 1..2),
        (10_093..10_100, 1..2),
        (25_000..25_100, 2..3),
        (20_121..20_122, 2..3),
        (20_000..20_500, 1..3),
    ] {
        let mut bench = Bench::new();
        bench.config.unreadable_patience = Duration::ZERO;
        let disk = Faulty::default();
        let (journal, ends) = filled(&mut bench, &disk);
        disk.make_unreadable(oldest, sector.clone());
        let mut reader = open_reader(&journal, "r");
        let (payloads, damage) = read_over_damage(&mut reader);
        for damage in &damage {
            assert_eq!(damage.problem, "the disk cannot read it");
        }
        let from = damage.first().map(|damage| damage.from);
        let to = damage.last().map(|damage| damage.to);
        let expected = (Some(ends[lost.start - 1]), Some(ends[lost.end - 1]));
        assert_eq!((from, to), expected, "{sector:?}: {damage:?}");
        let numbers: Vec<usize> = payloads.iter().map(|bytes| bytes[0].into()).collect();
        let expected: Vec<usize> = (0..20).filter(|number| !lost.contains(number)).collect();
        assert_eq!(numbers, expected);
        let bytes = ends[lost.end - 1].since(ends[lost.start - 1]);
        assert_eq!(journal.damaged_bytes(), bytes);
    }
}

#[test]
fn a_disk_that_is_away_has_lost_nothing() {
    let mut bench = Bench::new();
    let disk = Faulty::default();
    // Not within the patience,
    let (journal, _) = filled(&mut bench, &disk);
    disk.make_unreadable("00000000000000000000.segment", 15_000..15_100);
    let mut reader = open_reader(&journal, "r");
    assert!(matches!(reader.read(10).unwrap(), Read::Chunk(_)));
    for _ in 0..10 {
        assert!(refuses(&mut reader));
    }
    drop((reader, journal));
    // and never while nothing of the file can be read.
    bench.config.unreadable_patience = Duration::ZERO;
    disk.heal();
    let journal = bench.open_on(&disk);
    let mut reader = open_reader(&journal, "r");
    disk.refuse(Ask::Read, ".segment", EIO);
    for _ in 0..10 {
        assert!(refuses(&mut reader));
    }
    disk.heal();
    let (payloads, damage) = read_over_damage(&mut reader);
    assert_eq!((payloads.len(), damage.len()), (20, 0));
}

#[test]
fn a_place_that_was_read_meanwhile_is_waited_for_anew() {
    const PATIENCE: Duration = Duration::from_millis(300);
    let mut bench = Bench::new();
    bench.config.unreadable_patience = PATIENCE;
    let disk = Faulty::default();
    let (journal, ends) = filled(&mut bench, &disk);
    let away = || disk.make_unreadable("00000000000000000000.segment", 15_000..15_100);
    let mut reader = open_reader(&journal, "r");
    reader.seek(ends[0]).unwrap();
    away();
    assert!(refuses(&mut reader));
    let refused = Instant::now();
    disk.heal();
    assert!(matches!(reader.read(10).unwrap(), Read::Chunk(_)));
    // Long after that it is gone again.
    while refused.elapsed() < PATIENCE {
        std::thread::sleep(PATIENCE / 10);
    }
    away();
    reader.seek(ends[0]).unwrap();
    assert!(refuses(&mut reader));
}
