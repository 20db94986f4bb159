//! SIGKILL at every place that the code of outputs names.
//!
//! Outputs have no configuration yet, so the process that is killed is this test binary: it runs
//! [`faults::child_process`] alone, which sends what a journal has to a file.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use super::*;

const NAME: &str = "killed";
const DIR: &str = "GATELOG_TEST_OUTPUT_DIR";
const MANNER: &str = "GATELOG_TEST_OUTPUT_MANNER";

/// What is in the journal, in frames of so many.
const RECORDS: u64 = 60;
const FRAME: u64 = 12;
/// The records of a batch: frames are done with in parts.
const BATCH: usize = 5;

/// Takes what is no multiple of ten, and writes it down for whoever starts this.
fn writing_down(dir: &Path) -> Arc<Receiver> {
    let mut file = fs::OpenOptions::new();
    let file = file.create(true).append(true).open(dir.join("seen"));
    let (file, manner) = (file.unwrap(), std::env::var(MANNER).unwrap());
    writeln!(&file, "start").unwrap();
    Receiver::new(NAME, move |numbers, _| {
        if manner == "hangs" {
            return Does::Hangs;
        }
        if manner == "slow" {
            std::thread::sleep(Duration::from_millis(20));
        }
        let refused = |number: &u64| manner == "refuses" && number.is_multiple_of(10);
        let taken = numbers.iter().filter(|number| !refused(number));
        for number in taken {
            writeln!(&file, "{number}").unwrap();
        }
        let refused: Vec<_> = (0..numbers.len())
            .filter(|index| refused(&numbers[*index]))
            .collect();
        if refused.is_empty() {
            Does::Takes
        } else {
            super::refused(refused, "400")
        }
    })
}

/// A directory with a journal, and a process over it.
struct Victim {
    dir: TempDir,
    manner: &'static str,
}

impl Victim {
    /// With these frames in its journal.
    fn new(manner: &'static str, records: u64, frame: u64) -> Self {
        let dir = TempDir::new().unwrap();
        let rig = Rig::over(dir.path(), Config::default());
        for first in (0..records).step_by(usize::try_from(frame).unwrap()) {
            assert!(rig.append(first..records.min(first + frame)));
        }
        Self { dir, manner }
    }

    /// Runs it to its end; whether it was killed at this failpoint.
    fn run(&self, failpoint: Option<&str>) -> bool {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "outputs::killed::faults::child_process"])
            .args(["--ignored", "--nocapture"])
            .env(DIR, self.dir.path())
            .env(MANNER, self.manner)
            .env_remove("FAILPOINT")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(failpoint) = failpoint {
            command.env("FAILPOINT", failpoint);
        }
        let output = command.output().unwrap();
        let killed = output.status.signal() == Some(9);
        assert!(killed || output.status.success(), "{output:?}");
        killed
    }

    /// What was delivered in each life.
    fn seen(&self) -> Vec<Vec<u64>> {
        let text = fs::read_to_string(self.dir.path().join("seen")).unwrap();
        let lives = text.split("start\n").skip(1);
        lives
            .map(|life| life.lines().map(|line| line.parse().unwrap()).collect())
            .collect()
    }

    /// How often each number is in the dead letter.
    fn letters(&self) -> BTreeMap<u64, u32> {
        let rig = Rig::over(self.dir.path(), Config::default());
        let mut letters = BTreeMap::new();
        for ((number, _), count) in rig.letters(NAME) {
            *letters.entry(number).or_default() += count;
        }
        letters
    }
}

/// Kills it there, and checks what is there after the next life.
fn killed_at(manner: &'static str, name: &str, nth: u32) {
    let victim = Victim::new(manner, RECORDS, FRAME);
    if name == "dead_letter.rotated" {
        // A file that is large enough to be renamed, with a last line that is nobody's.
        let dir = victim.dir.path().join("dead-letter");
        fs::create_dir(&dir).unwrap();
        let file = fs::File::create(dir.join("output-killed.ndjson")).unwrap();
        file.write_all_at(b"\n{}\n", 64 << 20).unwrap();
    }
    let killed = victim.run(Some(&format!("{name}=kill@{nth}")));
    assert!(killed, "{name}@{nth} was not reached");
    if name == "dead_letter.rotated" {
        let rotated = victim
            .dir
            .path()
            .join("dead-letter/output-killed.000001.ndjson");
        fs::remove_file(rotated).unwrap();
    }
    assert!(!victim.run(None));
    let (lives, letters) = (victim.seen(), victim.letters());
    let place = format!("{name}@{nth}: {lives:?} {letters:?}");
    assert!(letters.values().all(|count| *count == 1), "{place}");
    let mut seen = BTreeMap::new();
    for number in lives.iter().flatten() {
        *seen.entry(*number).or_insert(0) += 1;
    }
    for number in 0..RECORDS {
        let is_letter = manner == "hangs" || manner == "refuses" && number.is_multiple_of(10);
        assert_eq!(
            letters.contains_key(&number),
            is_letter,
            "{number}, {place}"
        );
        assert_eq!(seen.contains_key(&number), !is_letter, "{number}, {place}");
    }
    // Again only what was under way.
    let again: u64 = seen.values().map(|count| count - 1).sum();
    let under_way = match name {
        "output.progress_written" => 0,
        // Between the delivery and the note that it is done, or at any time.
        _ => BATCH,
    };
    assert!(again <= under_way as u64, "{again}, {place}");
}

mod faults {
    use super::*;

    /// No test: what the others start.
    #[test]
    #[ignore = "a process of the tests beside it"]
    fn child_process() {
        let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else {
            return;
        };
        let limit = if std::env::var(MANNER).unwrap() == "hangs" {
            0
        } else {
            u64::MAX
        };
        let mut rig = Rig::over(&dir, Config::default());
        let settings = Settings {
            max_batch_records: BATCH,
            max_backlog: bytes(limit),
            ..settings()
        };
        rig.start(vec![(writing_down(&dir), settings)]);
        rig.wait_for_end(NAME);
    }

    #[test]
    fn killed_behind_a_delivery() {
        for nth in [1, 2, 7] {
            killed_at("takes", "output.delivered", nth);
        }
        killed_at("refuses", "output.delivered", 3);
    }

    #[test]
    fn killed_while_the_progress_is_kept() {
        killed_at("takes", "output.progress_write", 3);
        killed_at("takes", "output.progress_written", 4);
        killed_at("takes", "output.progress_sync", 1);
        killed_at("takes", "output.progress_synced", 1);
    }

    #[test]
    fn killed_around_a_letter() {
        for (name, nth) in [
            ("output.letter_written", 1),
            ("output.letter_written", 4),
            ("dead_letter.write", 2),
            ("dead_letter.sync", 2),
            ("dead_letter.rotated", 1),
        ] {
            killed_at("refuses", name, nth);
        }
    }

    #[test]
    fn killed_when_too_much_waits() {
        killed_at("hangs", "output.shed", 1);
    }

    /// One frame that takes long: its file is made durable while that goes on, and the next process
    /// goes on where the one before was.
    #[test]
    fn killed_in_the_middle_of_a_frame() {
        let victim = Victim::new("slow", 400, 400);
        assert!(victim.run(Some("output.progress_synced=kill@1")));
        let before = victim.seen().remove(0).len();
        assert!(before < 400, "{before}");
        assert!(!victim.run(None));
        let lives = victim.seen();
        assert_eq!(*lives[1].last().unwrap(), 399);
        let first = usize::try_from(lives[1][0]).unwrap();
        assert!(
            first + BATCH >= before && first <= before,
            "{first} {before}"
        );
        assert!(first > 0);
    }
}
