//! Bytes that are changed, cut or taken away behind the journal's back.
//!
//! What is damaged may be lost, its neighbours may not; and a loss is told, unless nothing can show
//! that there was something: the end of the newest segment, cut off.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gatelog_journal::{Error, Read};
use gatelog_testkit::conservation::Reading;
use gatelog_testkit::disk::Crash;

use super::world::{DIR, READERS, World};

/// Bytes before a segment's first frame, and before a frame's payload.
const SEGMENT_HEADER_BYTES: usize = 64;
const FRAME_HEADER_BYTES: usize = 28;

/// A frame and where it is.
#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    /// Of its first byte in the file, and behind its last.
    begin: usize,
    end: usize,
}

/// A closed journal, and where its frames are.
struct Written {
    world: World,
    places: Vec<Place>,
}

/// Appends frames of these lengths, each in a round of its own, and ends the process.
fn written(lengths: &[usize]) -> Written {
    let mut world = World::new();
    let opened = world.open().unwrap();
    let mut places = Vec::new();
    for &bytes in lengths {
        world.append(&opened.journal, &[bytes]).unwrap();
        // Rotated or not: it is the last frame of the newest segment.
        let path = world.segments().pop().unwrap();
        let base: usize = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let end = usize::try_from(opened.journal.end().get()).unwrap();
        let end = SEGMENT_HEADER_BYTES + end - base;
        places.push(Place {
            path,
            begin: end - bytes - FRAME_HEADER_BYTES,
            end,
        });
    }
    drop(opened);
    Written {
        world: world.after(Crash::Process),
        places,
    }
}

impl World {
    /// Opens it and reads all that can be read: those that are `lost` may be missing, and whether
    /// anything was told. Then it takes a frame, and gives it back at the next start.
    fn survives_without(&mut self, lost: &[usize]) -> anyhow::Result<bool> {
        self.ledger.write_off(lost.iter().copied());
        let mut told = false;
        for start in 0..2 {
            let opened = self.open().context("it does not open")?;
            if start == 0 {
                let found = opened.journal.recovered();
                told |= found.torn_bytes > 0 || !found.problems.is_empty();
                self.append_in_time(&opened.journal)?;
            }
            for (name, mut reader, mut reading) in opened.readers {
                loop {
                    match reader.read(300)? {
                        Read::Chunk(chunk) => {
                            for frame in chunk {
                                reading.take(&self.ledger, frame.payload).context(name)?;
                            }
                        }
                        Read::Damaged(damage) => {
                            ensure!(damage.to > damage.from, "{damage:?}");
                            told = true;
                        }
                        Read::Nothing => break,
                    }
                }
                reading.end(&self.ledger).context(name)?;
            }
        }
        Ok(told)
    }
}

impl Written {
    /// After this was done to the disk, those that are `lost` may be missing, and no others.
    fn damaged(&self, place: &str, lost: &[usize], how: impl Fn(&World)) -> bool {
        let mut world = self.world.after(Crash::Process);
        how(&world);
        match world.survives_without(lost) {
            Ok(told) => told,
            Err(error) => panic!("{place}: {}", world.explain(&error)),
        }
    }
}

#[test]
fn the_newest_segment_cut_at_any_byte_of_its_last_two_frames_keeps_the_frames_before() {
    let written = written(&[40, 60, 20]);
    let [_, second, third] = written.places.as_slice() else {
        panic!("three frames");
    };
    for bytes in second.begin..third.end {
        let lost: &[usize] = if bytes < second.end { &[1, 2] } else { &[2] };
        let told = written.damaged(&format!("cut at {bytes}"), lost, |world| {
            world.disk.truncate(&third.path, bytes);
        });
        // Between two frames nothing shows that there was one.
        assert_eq!(
            told,
            bytes != second.begin && bytes != third.begin,
            "{bytes}"
        );
    }
}

#[test]
fn zeros_and_noise_behind_the_last_frame_are_no_frames() {
    let written = written(&[40, 60]);
    let path = &written.places[1].path;
    for extra in 1..80 {
        for byte in [0, 0xff, b'{'] {
            written.damaged(&format!("{extra} of {byte}"), &[], |world| {
                world
                    .disk
                    .tamper(path, |bytes| bytes.extend(vec![byte; extra]));
            });
        }
    }
}

/// First, middle and last frames of the first, a middle and the newest segment.
fn of_three_segments() -> Written {
    let written = written(&[100; 20]);
    assert!(written.world.segments().len() >= 3, "{:?}", written.places);
    written
}

fn every_flip_costs_one_frame(every: usize) {
    let written = of_three_segments();
    let last = written.places.len() - 1;
    for (number, place) in written.places.iter().enumerate() {
        for bit in (place.begin * 8..place.end * 8).step_by(every) {
            let name = format!("frame {number}, bit {bit}");
            let told = written.damaged(&name, &[number], |world| world.disk.flip(&place.path, bit));
            assert!(told, "{name}");
        }
        // A length of nothing, of everything, and past the end of the file.
        for length in [0u32, u32::MAX, 1 << 28, 5000, 101] {
            let name = format!("frame {number}, length {length}");
            let told = written.damaged(&name, &[number], |world| {
                world.disk.tamper(&place.path, |bytes| {
                    bytes[place.begin..place.begin + 4].copy_from_slice(&length.to_le_bytes());
                });
            });
            assert!(told || number == last, "{name}");
        }
    }
    for path in written.world.segments() {
        for bit in (0..SEGMENT_HEADER_BYTES * 8).step_by(every) {
            // Frames know where they belong: a header costs none.
            let name = format!("{}, bit {bit}", path.display());
            let told = written.damaged(&name, &[], |world| world.disk.flip(&path, bit));
            assert!(told, "{name}");
        }
    }
}

#[test]
fn a_flipped_bit_costs_its_frame_at_the_most_and_is_told() {
    every_flip_costs_one_frame(37);
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn every_flipped_bit_costs_its_frame_at_the_most_and_is_told() {
    every_flip_costs_one_frame(1);
}

#[test]
fn a_segment_that_is_missing_empty_or_cut_costs_its_own_frames() {
    let written = of_three_segments();
    let segments = written.world.segments();
    for (index, path) in segments.iter().enumerate() {
        let of_it = |place: &&Place| place.path == *path;
        let lost: Vec<_> = (0..written.places.len())
            .filter(|number| of_it(&&written.places[*number]))
            .collect();
        let is_newest = index + 1 == segments.len();
        for (name, left) in [
            ("missing", None),
            ("empty", Some(0)),
            ("cut", Some(100)),
            ("a header", Some(64)),
        ] {
            let place = format!("{}: {name}", path.display());
            let told = written.damaged(&place, &lost, |world| match left {
                None => world.disk.take_away(path),
                Some(bytes) => world.disk.truncate(path, bytes),
            });
            // Of the newest nobody knows how much there was; the oldest may have been deleted.
            let unknown = is_newest || (index == 0 && left.is_none());
            assert!(told || unknown, "{place}");
        }
    }
}

#[test]
fn foreign_files_cost_nothing_and_are_let_be_or_put_away() {
    let written = of_three_segments();
    let other = of_three_segments();
    let theirs = other.world.disk.files()[&other.places[0].path].clone();
    let newest = written.world.segments().pop().unwrap();
    for (name, bytes) in [
        ("notes.txt", b"mine".to_vec()),
        ("1.segment", b"mine too".to_vec()),
        ("99999999999999999999.segment", vec![7; 200]),
        ("18446744073709551615.segment", vec![0; 5000]),
        ("00000000000000000001.segment", vec![1; 30]),
        ("00000000000000000001.segment", theirs.clone()),
        ("00000000000000900000.segment", theirs.clone()),
        ("spare", theirs.clone()),
        ("lake.position", vec![255; 9000]),
        ("id.new", b"half".to_vec()),
        ("00000000000000000000.segment.new", theirs),
        ("x.torn", vec![]),
    ] {
        written.damaged(name, &[], |world| {
            world.disk.put(&Path::new(DIR).join(name), &bytes);
        });
    }
    // In the place of the newest: its own frames are lost, the others are not.
    let lost: Vec<_> = (0..20)
        .filter(|at| written.places[*at].path == newest)
        .collect();
    let told = written.damaged("foreign newest", &lost, |world| {
        let theirs = other.world.disk.files()[&other.places[0].path].clone();
        world.disk.put(&newest, &theirs);
    });
    assert!(told);
}

#[test]
fn the_id_missing_or_spoilt_costs_nothing() {
    let written = of_three_segments();
    let id = Path::new(DIR).join("id");
    written.damaged("missing", &[], |world| world.disk.take_away(&id));
    for bytes in [&b""[..], b"garbage", b"00000000-0000-0000-0000-00000000000"] {
        written.damaged("spoilt", &[], |world| world.disk.put(&id, bytes));
    }
    // In most places an id with another bit is an id, too.
    for bit in 0..36 * 8 {
        written.damaged("flipped", &[], |world| world.disk.flip(&id, bit));
    }
}

#[test]
fn a_reader_whose_position_is_lost_or_half_lost_begins_earlier_and_misses_nothing() {
    let mut world = World::new();
    let mut opened = world.open().unwrap();
    // Both slots hold something, and a part of the frames is released.
    for _ in 0..3 {
        world.append(&opened.journal, &[50]).unwrap();
        world.read(&mut opened, &READERS).unwrap();
    }
    world.append(&opened.journal, &[50]).unwrap();
    drop(opened);
    let path = Path::new(DIR).join("lake.position");
    let length = world.disk.files()[&path].len();
    let survives = |how: &dyn Fn(&World)| {
        let mut world = world.after(Crash::Process);
        how(&world);
        let told = world
            .survives_with_problems()
            .unwrap_or_else(|error| panic!("{}", world.explain(&error)));
        assert!(
            told.iter().all(|told| told.contains("lake.position")),
            "{told:?}"
        );
    };
    survives(&|world| world.disk.take_away(&path));
    for bytes in (0..length).step_by(7) {
        survives(&|world| world.disk.truncate(&path, bytes));
        survives(&|world| world.disk.flip(&path, bytes * 8));
    }
    // Both slots at once.
    survives(&|world| {
        world
            .disk
            .tamper(&path, |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 5));
    });
}

#[test]
fn a_segment_of_a_later_version_is_refused_with_words_and_left_alone() {
    let written = of_three_segments();
    let mut world = written.world.after(Crash::Process);
    let path = world.segments().pop().unwrap();
    let before = world.disk.files()[&path].clone();
    // As a later program would write it: its checksum covers its own version.
    let mut later = before.clone();
    later[8] = 2;
    let checksum = crc32c::crc32c(&later[..60]).to_le_bytes();
    later[60..64].copy_from_slice(&checksum);
    world.disk.put(&path, &later);
    for _ in 0..2 {
        let refused = world.open().map(drop).unwrap_err();
        let Error::Version {
            found: 2, reads: 1, ..
        } = &refused
        else {
            panic!("{refused:?}");
        };
    }
    assert_eq!(world.disk.files()[&path], later);
    // With its old bytes back nothing is lost.
    world.disk.put(&path, &before);
    world.survives().unwrap();
}

#[test]
fn damage_is_met_once_by_each_reader_and_none_stands_still() {
    let written = of_three_segments();
    let world = written.world.after(Crash::Process);
    let place = &written.places[5];
    world
        .disk
        .flip(&place.path, (place.begin + FRAME_HEADER_BYTES) * 8);
    let mut opened = world.open().unwrap();
    for (name, reader, _) in &mut opened.readers {
        let mut damages = Vec::new();
        let mut reading = Reading::default();
        let mut ledger = world.ledger.clone();
        ledger.write_off([5]);
        loop {
            match reader.read(1).unwrap() {
                Read::Chunk(chunk) => {
                    chunk.for_each(|frame| reading.take(&ledger, frame.payload).unwrap());
                }
                Read::Damaged(damage) => damages.push(damage),
                Read::Nothing => break,
            }
        }
        reading.end(&ledger).unwrap();
        assert_eq!(damages.len(), 1, "{name}: {damages:?}");
        assert_eq!(damages[0].path, place.path);
        assert_eq!(damages[0].bytes(), (place.end - place.begin) as u64);
    }
    assert_eq!(opened.journal.damaged_bytes(), 128, "counted once");
}

#[test]
fn a_hole_that_only_a_torn_frame_shows_to_be_damage_stays_one_at_every_start() {
    let mut world = World::new();
    let opened = world.open().unwrap();
    world.append(&opened.journal, &[40]).unwrap();
    // One round: only what was written behind it can tell that it had been durable.
    world.append(&opened.journal, &[50, 60]).unwrap();
    let end = usize::try_from(opened.journal.end().get()).unwrap();
    world.append(&opened.journal, &[70]).unwrap();
    let path = world.segments().pop().unwrap();
    drop(opened);
    let mut world = world.after(Crash::Process);
    let spoilt = SEGMENT_HEADER_BYTES + 40 + 2 * FRAME_HEADER_BYTES;
    world.disk.flip(&path, spoilt * 8);
    let torn = SEGMENT_HEADER_BYTES + end + FRAME_HEADER_BYTES + 5;
    world.disk.truncate(&path, torn);
    world.ledger.write_off([1, 3]);
    for start in 0..3 {
        let mut opened = world.open().unwrap();
        assert_eq!(opened.journal.end().get(), end as u64, "start {start}");
        for (name, reader, reading) in &mut opened.readers {
            let mut holes = 0;
            loop {
                match reader.read(300).unwrap() {
                    Read::Chunk(chunk) => {
                        chunk.for_each(|frame| reading.take(&world.ledger, frame.payload).unwrap());
                    }
                    Read::Damaged(_) => holes += 1,
                    Read::Nothing => break,
                }
            }
            reading.end(&world.ledger).unwrap();
            assert_eq!(holes, 1, "{name} at start {start}");
        }
    }
    // It takes up where it was.
    let opened = world.open().unwrap();
    world.append_in_time(&opened.journal).unwrap();
}
