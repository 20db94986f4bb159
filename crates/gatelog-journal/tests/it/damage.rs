//! Bytes that were durable and are not what was written: never a stop, never silent.

use std::fs;

use gatelog_journal::Position;
use proptest::prelude::*;

use crate::journals::{Bench, append, block_on, flip, open_reader, read_all, read_over_damage};

/// What a frame of these tests takes: a header of 28 bytes, and 1000 bytes.
const FRAME: u64 = 1028;
/// Behind a segment's header.
const FIRST: usize = 64;

fn payload(number: u8) -> Vec<u8> {
    vec![number; 1000]
}

/// A journal, closed, with this many frames, each of a round of its own.
fn written(frames: u8) -> Bench {
    let bench = Bench::new();
    let journal = bench.open();
    for number in 0..frames {
        append(&journal, &payload(number));
    }
    bench
}

#[test]
fn a_spoilt_frame_before_the_last_round_of_the_newest_segment_is_damage_and_not_a_torn_tail() {
    for at in [3, 5, 12, 20, 500] {
        let bench = written(3);
        let segment = bench.segments().pop().unwrap();
        flip(&segment, FIRST + 1028 + at);
        let journal = bench.open();
        let recovered = journal.recovered();
        assert_eq!((recovered.torn_bytes, recovered.damaged_bytes), (0, FRAME));
        assert_eq!(recovered.problems.len(), 1);
        assert_eq!(journal.end(), Position::new(3 * FRAME));

        let (frames, damage) = read_over_damage(&mut open_reader(&journal, "a"));
        assert_eq!(frames, [payload(0), payload(2)], "flipped at {at}");
        let [damage] = damage.as_slice() else {
            panic!("{damage:?}");
        };
        assert_eq!(damage.from, Position::new(FRAME));
        assert_eq!(damage.to, Position::new(2 * FRAME));
        let copy = fs::read(damage.copy.as_ref().unwrap()).unwrap();
        assert_eq!(copy.len(), 1028);
        assert_eq!(copy, fs::read(&segment).unwrap()[FIRST + 1028..][..1028]);

        // Another reader is told, too; but it is counted and copied once.
        let (_, again) = read_over_damage(&mut open_reader(&journal, "b"));
        assert_eq!((again.len(), &again[0].copy), (1, &None));
        assert_eq!(journal.damaged_bytes(), FRAME);
    }
}

#[test]
fn damage_and_a_torn_tail_in_one_segment_are_told_apart() {
    let bench = written(3);
    let segment = bench.segments().pop().unwrap();
    flip(&segment, FIRST + 3);
    let mut bytes = fs::read(&segment).unwrap();
    bytes.truncate(bytes.len() - 10);
    fs::write(&segment, bytes).unwrap();
    let journal = bench.open();
    let recovered = journal.recovered();
    assert_eq!(
        (recovered.torn_bytes, recovered.damaged_bytes),
        (FRAME - 10, FRAME)
    );
    append(&journal, &payload(9));
    let (frames, damage) = read_over_damage(&mut open_reader(&journal, "a"));
    assert_eq!((frames, damage.len()), (vec![payload(1), payload(9)], 1));
}

#[test]
fn the_header_of_a_torn_frame_is_enough_to_know_damage_before_it() {
    // Rounds: [0], [1, 2], [3]. 1 is spoilt; 2 is of the same round and proves nothing; of 3 only
    // the header is there.
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"0");
    block_on(journal.append_all(&[(b"1", 1), (b"2", 1)]).unwrap()).unwrap();
    append(&journal, b"3");
    drop(journal);
    let segment = bench.segments().pop().unwrap();
    flip(&segment, FIRST + 29 + 28);
    let mut bytes = fs::read(&segment).unwrap();
    bytes.truncate(FIRST + 3 * 29 + 28);
    fs::write(&segment, bytes).unwrap();
    let journal = bench.open();
    let recovered = journal.recovered();
    assert_eq!((recovered.torn_bytes, recovered.damaged_bytes), (28, 29));
    let (frames, damage) = read_over_damage(&mut open_reader(&journal, "a"));
    assert_eq!(
        (frames, damage.len()),
        (
            vec![b"0", b"2"].into_iter().map(|x| x.to_vec()).collect(),
            1
        )
    );
}

#[test]
fn a_round_of_which_a_part_is_missing_is_cut_there_also_if_more_of_it_was_written() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"0");
    let frames: [(&[u8], u32); 3] = [(b"1", 1), (b"2", 1), (b"3", 1)];
    block_on(journal.append_all(&frames).unwrap()).unwrap();
    drop(journal);
    let segment = bench.segments().pop().unwrap();
    // The second of the round is not there.
    let mut bytes = fs::read(&segment).unwrap();
    bytes[FIRST + 2 * 29..][..29].fill(0);
    fs::write(&segment, bytes).unwrap();
    let journal = bench.open();
    let recovered = journal.recovered();
    assert_eq!((recovered.torn_bytes, recovered.damaged_bytes), (58, 0));
    assert_eq!(
        read_all(&mut open_reader(&journal, "a")),
        [b"0", b"1"],
        "and 3, whole as it is, was never acknowledged"
    );
}

#[test]
fn damage_in_a_sealed_segment_costs_the_frames_it_is_in() {
    let bench = written(10);
    // Two frames of the second segment, with the header between them.
    let second = &bench.segments()[1];
    let mut bytes = fs::read(second).unwrap();
    bytes[FIRST + 900..FIRST + 1100].fill(0xa5);
    fs::write(second, bytes).unwrap();
    let journal = bench.open();
    let (frames, damage) = read_over_damage(&mut open_reader(&journal, "a"));
    let expected: Vec<_> = (0..10)
        .filter(|n| ![3, 4].contains(n))
        .map(payload)
        .collect();
    assert_eq!(frames, expected);
    assert!(damage.iter().all(|damage| damage.path == *second));
    assert_eq!(journal.damaged_bytes(), 2 * FRAME);
}

#[test]
fn a_sealed_segment_that_was_cut_short_or_is_missing_is_a_hole() {
    for length in [Some(FIRST as u64 + FRAME + 500), Some(64), None] {
        let bench = written(10);
        let second = &bench.segments()[1];
        let lost: &[u8] = if let Some(length) = length {
            let file = fs::OpenOptions::new().write(true).open(second).unwrap();
            file.set_len(length).unwrap();
            if length > 64 { &[4, 5] } else { &[3, 4, 5] }
        } else {
            fs::remove_file(second).unwrap();
            &[3, 4, 5]
        };
        let journal = bench.open();
        let missing = length.map_or(3 * FRAME, |length| 3 * FRAME + 64 - length);
        assert_eq!(journal.recovered().damaged_bytes, missing);
        assert_eq!(journal.recovered().problems.len(), 1);
        let (frames, damage) = read_over_damage(&mut open_reader(&journal, "a"));
        let expected: Vec<_> = (0..10).filter(|n| !lost.contains(n)).map(payload).collect();
        assert_eq!(frames, expected, "{length:?}");
        let bytes: u64 = damage.iter().map(gatelog_journal::Damage::bytes).sum();
        assert_eq!(bytes, lost.len() as u64 * FRAME);
        assert_eq!(journal.damaged_bytes(), bytes);
        // A place within the hole is as good as any.
        let mut reader = open_reader(&journal, "b");
        reader.seek(Position::new(4 * FRAME)).unwrap();
        assert_eq!(read_over_damage(&mut reader).0.last().unwrap(), &payload(9));
    }
}

#[test]
fn a_segment_that_vanishes_while_it_is_read_is_a_hole() {
    let bench = written(10);
    let journal = bench.open();
    let mut reader = open_reader(&journal, "a");
    fs::remove_file(&bench.segments()[1]).unwrap();
    let (frames, damage) = read_over_damage(&mut reader);
    assert_eq!((frames.len(), damage.len()), (7, 1));
    assert_eq!(damage[0].problem, "the file is missing");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written over the files: the journal opens, or says that a later version was there;
    /// readers come to the end; they read nothing that was not appended, in its order; and what is
    /// outside the damage is read, unless it is in the last round.
    #[test]
    fn no_damage_stops_the_journal_or_makes_it_invent(
        lengths in prop::collection::vec(1usize..1500, 1..12),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 1usize..300, any::<u8>()), 1..4),
    ) {
        let bench = Bench::new();
        let journal = bench.open();
        let mut appended = Vec::new();
        for (number, length) in lengths.iter().enumerate() {
            let payload = vec![u8::try_from(number).unwrap() + 1; *length];
            let end = append(&journal, &payload).get();
            appended.push((end - 28 - *length as u64..end, payload));
        }
        let id = journal.id();
        drop(journal);
        let mut spoilt = Vec::new();
        for (place, length, byte) in damage {
            let segments = bench.segments();
            let segment = place.get(&segments);
            let mut bytes = fs::read(segment).unwrap();
            let from = place.index(bytes.len());
            let to = (from + length).min(bytes.len());
            bytes[from..to].fill(byte);
            fs::write(segment, bytes).unwrap();
            let name = segment.file_stem().unwrap().to_str().unwrap();
            let base: u64 = name.parse().unwrap();
            spoilt.push(base + from.saturating_sub(64) as u64..base + to.saturating_sub(64) as u64);
        }
        let journal = match gatelog_journal::Journal::open(bench.dir(), bench.config) {
            Ok(journal) => journal,
            Err(gatelog_journal::Error::Version { .. }) => return Ok(()),
            Err(error) => panic!("{error}"),
        };
        let found = read_over_damage(&mut open_reader(&journal, "a")).0;
        let mut rest = found.iter();
        let is_spoilt = |range: &std::ops::Range<u64>| {
            spoilt.iter().any(|spoilt| spoilt.start < range.end && range.start < spoilt.end)
        };
        let last = appended.len() - 1;
        let mut next = rest.next();
        for (index, (range, payload)) in appended.iter().enumerate() {
            if next == Some(payload) {
                next = rest.next();
            } else {
                prop_assert!(journal.id() != id || index == last || is_spoilt(range), "{index} of {last} is missing");
            }
        }
        prop_assert_eq!(next, None, "not appended, or not in order");
    }
}
