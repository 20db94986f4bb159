use std::path::PathBuf;
use std::time::Duration;

use gatelog_journal::Position;
use gatelog_record::{AccessRecord, json, standard};

use super::*;

const NOW: Timestamp = Timestamp::EPOCH;

fn letter<'r, 'a>(record: &'r AccessRecord<'a>, position: u64) -> Letter<'r, 'a> {
    Letter {
        record,
        reason: "too \"odd\"",
        place: Place::behind(Position::new(position)),
    }
}

/// A dead letter with small files, in a directory of its own.
struct Fixture {
    dir: tempfile::TempDir,
    letters: DeadLetters,
    letter: DeadLetter,
    record: AccessRecord<'static>,
}

impl Fixture {
    fn new(max_bytes: u64) -> Self {
        Self::over(tempfile::tempdir().unwrap(), max_bytes)
    }

    fn over(dir: tempfile::TempDir, max_bytes: u64) -> Self {
        let room = Room::open(
            {
                let path = dir.path().join("dead-letter");
                fs::create_dir_all(&path).unwrap();
                path
            },
            max_bytes,
        );
        let letters = DeadLetters {
            room: Arc::new(room.unwrap().with_recount(Duration::ZERO)),
            journal: "here".into(),
        };
        let mut letter = letters.of_store("mysql");
        letter.records = letter.records.with_file_bytes(5000);
        Self {
            letter,
            letters,
            record: standard::record(1, NOW),
            dir,
        }
    }

    /// A process that begins where this one has been killed.
    fn restart(self) -> Self {
        Self::over(self.dir, u64::MAX)
    }

    fn keep(&self, positions: impl IntoIterator<Item = u64>) -> Kept {
        let letters = positions
            .into_iter()
            .map(|position| letter(&self.record, position));
        self.letter.keep(letters, NOW).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("dead-letter").join(name)
    }

    /// The positions of all letters, oldest first.
    fn positions(&self) -> Vec<u64> {
        let mut paths: Vec<_> = fs::read_dir(self.dir.path().join("dead-letter"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // The file without a number is the newest.
        paths.sort_by_key(|path| (path.ends_with("mysql.ndjson"), path.clone()));
        let mut positions = Vec::new();
        for path in paths {
            for line in fs::read_to_string(path).unwrap().lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                positions.push(line["dead_letter_position"].as_u64().unwrap());
            }
        }
        positions
    }

    fn bytes_on_disk(&self) -> u64 {
        fs::read_dir(self.dir.path().join("dead-letter"))
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum()
    }
}

#[test]
fn a_line_is_a_record_again() {
    let fixture = Fixture::new(10_000);
    assert_eq!(
        fixture.keep([7]),
        Kept {
            kept: 1,
            dropped: 0
        }
    );
    let line = fs::read_to_string(fixture.path("mysql.ndjson")).unwrap();
    let (read, _) = json::read(&line).unwrap();
    assert_eq!(read.trace_id, fixture.record.trace_id);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["dead_letter_reason"], "too \"odd\"");
    assert_eq!(line["dead_letter_store"], "mysql");
    assert_eq!(line["dead_letter_journal"], "here");
    assert_eq!(line["dead_letter_position"], 7);
    assert_eq!(line["dead_letter_time"], "1970-01-01T00:00:00.000Z");
}

#[test]
fn a_frame_comes_back_from_its_line() {
    let fixture = Fixture::new(10_000);
    let frame = UnreadableFrame {
        payload: &[9, 0, 255, 10],
        records: 3,
        reason: "another version".to_owned(),
        position: Position::new(5),
    };
    let kept = fixture.letter.keep_frames([frame].iter(), NOW).unwrap();
    assert_eq!(kept.kept, 1);
    let line = fs::read_to_string(fixture.path("mysql.frames")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["frame"], "CQD/Cg==");
    assert_eq!(
        (&line["records"], &line["dead_letter_position"]),
        (&3.into(), &5.into())
    );
    fixture
        .letter
        .cut_behind(Place::behind(Position::new(4)))
        .unwrap();
    assert_eq!(fixture.bytes_on_disk(), 0);
}

#[test]
fn all_files_together_stay_below_the_cap() {
    let fixture = Fixture::new(6000);
    let line = {
        fixture.keep([1]);
        fixture.bytes_on_disk()
    };
    let room = 6000 / line;
    assert_eq!(fixture.keep(2..100).kept, room - 1);
    assert_eq!(
        fixture.keep([100]),
        Kept {
            kept: 0,
            dropped: 1
        }
    );
    let other = fixture.letters.of_output("loggly", "output-loggly");
    let kept = other
        .keep([letter(&fixture.record, 1)].into_iter(), NOW)
        .unwrap();
    assert_eq!(kept.dropped, 1);
    assert!(fixture.bytes_on_disk() <= 6000);
    assert_eq!(fixture.letters.used_bytes(), fixture.bytes_on_disk());
    // What somebody takes away makes room.
    fs::remove_file(fixture.path("mysql.ndjson")).unwrap();
    assert!(fixture.keep([101]).kept > 0);
    assert_eq!(fixture.letters.used_bytes(), fixture.bytes_on_disk());
}

#[test]
fn letters_behind_the_position_are_cut_through_all_files() {
    let fixture = Fixture::new(u64::MAX);
    for position in 1..=40 {
        fixture.keep([position]);
    }
    let files = fs::read_dir(fixture.path("")).unwrap().count();
    assert!(files > 5, "{files} files");
    assert!(fixture.path("mysql.000001.ndjson").exists());
    let fixture = fixture.restart();
    fixture
        .letter
        .cut_behind(Place::behind(Position::new(17)))
        .unwrap();
    assert_eq!(fixture.positions(), (1..=17).collect::<Vec<_>>());
    assert_eq!(fixture.letters.used_bytes(), fixture.bytes_on_disk());
    for position in 18..=40 {
        fixture.keep([position]);
    }
    assert_eq!(fixture.positions(), (1..=40).collect::<Vec<_>>());
    // Known to be right: nothing is looked at.
    fixture
        .letter
        .cut_behind(Place::behind(Position::new(40)))
        .unwrap();
    fixture
        .letter
        .cut_behind(Place::behind(Position::new(39)))
        .unwrap();
    assert_eq!(fixture.positions(), (1..=39).collect::<Vec<_>>());
    let fixture = fixture.restart();
    fixture
        .letter
        .cut_behind(Place::behind(Position::START))
        .unwrap();
    assert_eq!(fixture.bytes_on_disk(), 0);
}

#[test]
fn an_unfinished_line_is_cut_and_lines_of_others_are_not() {
    let fixture = Fixture::new(u64::MAX);
    fixture.keep([1, 2]);
    let path = fixture.path("mysql.ndjson");
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str("{\"dead_letter_journal\":\"elsewhere\",\"dead_letter_position\":9}\n");
    fs::write(&path, text.clone() + "{\"start_time\":\"2026").unwrap();
    let fixture = fixture.restart();
    fixture
        .letter
        .cut_behind(Place::behind(Position::START))
        .unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn of_a_frame_that_is_done_in_part_only_the_other_letters_are_cut() {
    let fixture = Fixture::new(u64::MAX);
    let places = [(1, 3), (2, 1), (2, 3), (2, 4), (5, 1)];
    let of = |(position, record)| Letter {
        place: Place::within(Position::new(position), record),
        ..letter(&fixture.record, 0)
    };
    let kept = fixture.letter.keep(places.into_iter().map(of), NOW);
    assert_eq!(kept.unwrap().kept, 5);
    for (place, left) in [
        (Place::within(Position::new(2), 4), 4),
        (Place::within(Position::new(2), 2), 2),
        (Place::behind(Position::new(1)), 1),
    ] {
        fixture.letter.cut_behind(place).unwrap();
        assert_eq!(fixture.positions().len(), left, "{place:?}");
    }
}
