use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

/// A journal that knows lines by file and number, as the senders' numbers do.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    known: BTreeMap<(String, u64), String>,
    journaled: Vec<String>,
    full: bool,
    forgotten: Vec<String>,
}

impl Sink for Ledger {
    fn take(&mut self, lines: &Lines<'_>) -> Result<(), String> {
        let mut book = self.0.lock().unwrap();
        if book.full {
            return Err("full".to_owned());
        }
        for (number, line) in (lines.first..).zip(lines.parts) {
            let text = String::from_utf8(lines.bytes[line.begin..line.end].to_vec()).unwrap();
            let known = book
                .known
                .insert((lines.key.to_owned(), number), text.clone());
            match known {
                None => book.journaled.push(text),
                Some(known) => assert_eq!(known, text, "another line has its number"),
            }
        }
        Ok(())
    }

    fn forget(&mut self, key: &str) {
        self.0.lock().unwrap().forgotten.push(key.to_owned());
    }
}

/// A directory with a log and what follows it, at a time of its own.
struct Rig {
    dir: tempfile::TempDir,
    data: tempfile::TempDir,
    ledger: Ledger,
    pattern: &'static str,
    start: Start,
    now: Instant,
    /// Files that may be open.
    most: usize,
    follower: Option<Follower<Ledger>>,
}

impl Rig {
    fn new(pattern: &'static str, start: Start) -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            data: tempfile::tempdir().unwrap(),
            ledger: Ledger::default(),
            pattern,
            start,
            now: Instant::now(),
            most: 100,
            follower: None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lets time pass, and polls until there is nothing more.
    fn poll(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds) + Duration::from_millis(600);
        let path = self.path(self.pattern).display().to_string();
        let follower = self.follower.get_or_insert_with(|| {
            let places = Places::open(self.data.path()).unwrap();
            Follower::new(
                vec![(path, self.start)],
                self.most,
                places,
                self.ledger.clone(),
            )
        });
        while follower.poll(self.now, &|| false) {}
    }

    fn follower(&self) -> &Follower<Ledger> {
        self.follower.as_ref().unwrap()
    }

    fn crash(&mut self) {
        self.follower = None;
    }

    fn stop(&mut self) {
        if let Some(follower) = self.follower.take() {
            follower.finish(self.now);
        }
    }

    fn append(&self, name: &str, text: &str) {
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .create(true)
            .append(true)
            .open(self.path(name))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn journaled(&self) -> Vec<String> {
        self.ledger.0.lock().unwrap().journaled.clone()
    }
}

#[test]
fn a_file_that_was_there_is_read_from_its_end_and_one_that_comes_later_from_its_beginning() {
    let mut rig = Rig::new("a.log", Start::End);
    rig.append("a.log", "old\nhalf");
    rig.poll(0);
    rig.append("a.log", " a line\nnew\n");
    rig.poll(0);
    assert_eq!(rig.journaled(), ["half a line", "new"]);
    rig.stop();
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "meanwhile\n");
    rig.poll(0);
    assert_eq!(rig.journaled()[2..], ["meanwhile"]);
    let mut rig = Rig::new("a.log", Start::End);
    rig.poll(0);
    rig.append("a.log", "first\n");
    rig.poll(0);
    assert_eq!(rig.journaled(), ["first"]);
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "old\n");
    rig.poll(0);
    assert_eq!(rig.journaled(), ["old"]);
}

#[test]
fn a_renamed_file_is_read_until_nobody_writes_to_it() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "1\n");
    rig.poll(0);
    rig.append("a.log", "2\n");
    rig.rename("a.log", "a.log.1");
    rig.poll(0);
    // The gateway has not opened the new one.
    rig.append("a.log", "");
    rig.append("a.log.1", "3\n");
    rig.poll(20);
    rig.append("a.log.1", "4\nlast");
    rig.append("a.log", "5\n");
    rig.poll(20);
    assert_eq!(rig.journaled(), ["1", "2", "3", "4", "5"]);
    assert_eq!(rig.follower().tails.len(), 2);
    rig.poll(31);
    assert_eq!(rig.journaled()[5..], ["last"], "it was written to its end");
    assert_eq!(rig.follower().tails.len(), 1);
    assert_eq!(rig.follower().watched[0].events.rotated, 1);
    fs::remove_file(rig.path("a.log")).unwrap();
    rig.poll(0);
    rig.poll(31);
    assert_eq!(rig.follower().tails.len(), 0, "its space is wanted back");
}

#[test]
fn what_was_not_read_of_a_renamed_or_copied_file_is_read_after_a_restart() {
    for is_copied in [false, true] {
        let mut rig = Rig::new("a.log", Start::Beginning);
        rig.append("a.log", "1\n");
        rig.poll(2);
        rig.stop();
        rig.append("a.log", "2\n");
        if is_copied {
            fs::copy(rig.path("a.log"), rig.path("a.log.1")).unwrap();
            fs::write(rig.path("a.log"), "3 is longer than all before\n").unwrap();
        } else {
            rig.rename("a.log", "a.log.1");
            rig.append("a.log", "3 is longer than all before\n");
        }
        rig.poll(0);
        let mut journaled = rig.journaled();
        journaled.sort();
        assert_eq!(journaled, ["1", "2", "3 is longer than all before"]);
    }
}

#[test]
fn a_symbolic_link_is_followed_to_where_it_leads_now() {
    let mut rig = Rig::new("link", Start::Beginning);
    let link = |target: &str, rig: &Rig| {
        std::os::unix::fs::symlink(rig.path(target), rig.path("link.new")).unwrap();
        rig.rename("link.new", "link");
    };
    rig.append("0.log", "1\n");
    link("0.log", &rig);
    rig.poll(0);
    rig.append("0.log", "2\n");
    link("1.log", &rig);
    rig.poll(0);
    rig.append("1.log", "3\n");
    rig.append("0.log", "4\n");
    rig.poll(0);
    let mut journaled = rig.journaled();
    journaled.sort();
    assert_eq!(journaled, ["1", "2", "3", "4"]);
}

#[test]
fn a_pattern_finds_files_and_takes_no_copy_for_another_one() {
    let mut rig = Rig::new("*.log*", Start::End);
    rig.append("a.log", "1\n");
    rig.append("b.log", "2\n");
    rig.append("other", "3\n");
    rig.poll(2);
    rig.append("a.log", "4\n");
    rig.append("c.log", "5\n");
    fs::write(rig.path("d.log.gz"), b"\x1f\x8b....\n").unwrap();
    rig.poll(2);
    assert_eq!(rig.journaled(), ["4", "5"]);
    // copytruncate, seen between the two.
    rig.append("a.log", "6\n");
    fs::copy(rig.path("a.log"), rig.path("a.log.1")).unwrap();
    rig.poll(2);
    assert_eq!(rig.journaled()[2..], ["6"]);
    fs::write(rig.path("a.log"), "").unwrap();
    rig.append("a.log", "7\n");
    rig.poll(2);
    rig.poll(60);
    assert_eq!(rig.journaled()[3..], ["7"]);
    // Renamed within the pattern.
    rig.rename("c.log", "c.log.1");
    rig.append("c.log", "8\n");
    rig.poll(60);
    assert_eq!(rig.journaled()[4..], ["8"]);
}

#[test]
fn a_file_that_has_the_inode_of_another_one_is_read_from_its_beginning() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "1\n2\n");
    rig.poll(2);
    rig.stop();
    // The same inode, other content, and as long.
    fs::write(rig.path("a.log"), "3\n4\n").unwrap();
    rig.poll(2);
    assert_eq!(rig.journaled(), ["1", "2", "3", "4"]);
}

#[test]
fn lines_wait_while_they_are_not_taken_and_while_places_cannot_be_kept() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "1\n");
    rig.ledger.0.lock().unwrap().full = true;
    rig.poll(0);
    assert_eq!(rig.follower().tails[0].error.as_deref(), Some("full"));
    rig.ledger.0.lock().unwrap().full = false;
    rig.poll(0);
    assert_eq!(rig.journaled(), ["1"]);
    assert_eq!(rig.follower().tails[0].error, None);
    let beside = rig.data.path().join("files.places.new");
    fs::create_dir(&beside).unwrap();
    rig.append("a.log", "2\n");
    rig.poll(2);
    assert!(rig.follower().save_error.is_some());
    assert_eq!(rig.journaled(), ["1"]);
    fs::remove_dir(&beside).unwrap();
    rig.poll(2);
    assert_eq!(rig.journaled(), ["1", "2"]);
}

#[test]
fn a_file_that_is_truncated_before_its_first_line_was_taken_is_read_from_its_copy() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "1\n");
    rig.ledger.0.lock().unwrap().full = true;
    rig.poll(0);
    fs::copy(rig.path("a.log"), rig.path("a.log.1")).unwrap();
    fs::write(rig.path("a.log"), "").unwrap();
    rig.poll(0);
    rig.ledger.0.lock().unwrap().full = false;
    rig.poll(0);
    assert_eq!(rig.journaled(), ["1"]);
    // Empty as it is now, it is known by its inode alone.
    rig.crash();
    rig.rename("a.log", "a.log.2");
    rig.append("a.log.2", "2\n");
    rig.poll(0);
    assert_eq!(rig.journaled(), ["1", "2"]);
}

#[test]
fn a_file_that_is_begun_anew_and_is_as_long_as_before_is_read_at_once() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "1\n2\n");
    rig.poll(2);
    // Truncated and written to, between two looks.
    fs::write(rig.path("a.log"), "3\n4\n").unwrap();
    let file = File::options().write(true).open(rig.path("a.log")).unwrap();
    let later = SystemTime::now() + Duration::from_secs(1);
    file.set_modified(later).unwrap();
    rig.poll(0);
    assert_eq!(rig.journaled(), ["1", "2", "3", "4"]);
    assert_eq!(rig.follower().watched[0].events.truncated, 1);
}

#[test]
fn a_file_is_left_when_its_end_is_on_disk() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "1\n");
    rig.poll(2);
    rig.append("a.log", "2\n");
    rig.rename("a.log", "a.log.1");
    rig.append("a.log", "3\n");
    rig.ledger.0.lock().unwrap().full = true;
    rig.poll(1);
    rig.poll(40);
    rig.ledger.0.lock().unwrap().full = false;
    rig.poll(1);
    assert_eq!(rig.journaled(), ["1", "2", "3"]);
    assert_eq!(rig.follower().tails.len(), 1, "it was left");
    rig.crash();
    let places = Places::open(rig.data.path()).unwrap();
    let places = places.files().iter();
    let mut ends: Vec<_> = places.map(|entry| entry.place.offset).collect();
    ends.sort_unstable();
    assert_eq!(ends, [2, 4]);
}

#[test]
fn a_file_that_is_compressed_as_it_grows_is_let_go_of() {
    let mut rig = Rig::new("*", Start::Beginning);
    rig.append("a.log", "1\n");
    rig.append("a.log.1.gz", "");
    rig.poll(2);
    fs::write(rig.path("a.log.1.gz"), b"\x1f\x8b....\n....\n").unwrap();
    rig.poll(2);
    rig.poll(40);
    assert_eq!(rig.journaled(), ["1"]);
    assert_eq!(rig.follower().tails.len(), 1);
}

#[test]
fn a_file_that_is_cut_or_begun_anew_has_another_key() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.append("a.log", "1\n2\n3\n");
    rig.poll(2);
    rig.append("a.log", &"x".repeat(2000));
    rig.append("a.log", "\n");
    rig.poll(2);
    let key = |rig: &Rig| rig.follower().tails[0].place.key.clone();
    let first = key(&rig);
    let file = File::options().write(true).open(rig.path("a.log")).unwrap();
    file.set_len(1200).unwrap();
    rig.poll(2);
    // What was put aside of the lines that are gone does not come again.
    let second = key(&rig);
    assert_ne!(first, second);
    file.set_len(0).unwrap();
    rig.poll(2);
    rig.append("a.log", "4\n");
    rig.poll(2);
    assert_eq!(rig.journaled()[4..], ["4"]);
    let forgotten = rig.ledger.0.lock().unwrap().forgotten.clone();
    assert_eq!(forgotten, [first, second]);
}

#[test]
fn more_files_than_may_be_open_are_told_in_one_word() {
    let mut rig = Rig::new("*.log", Start::Beginning);
    for name in ["a.log", "b.log", "c.log", "d.log"] {
        rig.append(name, &format!("{name}\n"));
    }
    rig.most = 2;
    rig.poll(2);
    assert_eq!(rig.follower().tails.len(), 2);
    let errors = &rig.follower().watched[0].errors;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].1.contains("2 files"), "{errors:?}");
    fs::remove_file(rig.path("a.log")).unwrap();
    rig.poll(2);
    rig.poll(40);
    rig.poll(2);
    assert_eq!(rig.journaled(), ["a.log", "b.log", "c.log"]);
}

#[test]
fn what_is_no_file_is_told_and_a_missing_one_is_not() {
    let mut rig = Rig::new("a.log", Start::Beginning);
    rig.poll(0);
    assert_eq!(rig.follower().watched[0].errors, []);
    fs::create_dir(rig.path("a.log")).unwrap();
    rig.poll(0);
    assert_eq!(rig.follower().watched[0].errors[0].1, "it is no file");
    assert_eq!(rig.follower().watched[0].events.errors, 1);
    rig.poll(0);
    assert_eq!(rig.follower().watched[0].events.errors, 1);
}

#[derive(Clone, Debug)]
enum Op {
    Append(usize),
    /// Part of a line.
    Part,
    Rename,
    /// The gateway goes on with the renamed file.
    AppendToRenamed,
    CopyTruncate,
    Poll(u64),
    Full(bool),
    Crash,
    Stop,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (1usize..40).prop_map(Op::Append),
        1 => Just(Op::Part),
        1 => Just(Op::Rename),
        1 => Just(Op::AppendToRenamed),
        1 => Just(Op::CopyTruncate),
        4 => (0u64..40).prop_map(Op::Poll),
        1 => any::<bool>().prop_map(Op::Full),
        1 => Just(Op::Crash),
        1 => Just(Op::Stop),
    ]
}

/// What a gateway and those who rotate its log do.
struct Gateway {
    rig: Rig,
    written: Vec<String>,
    /// What of the last line is in the file.
    part: String,
    /// The newest renamed file, and whether it may still be written to.
    renamed: usize,
    is_fresh: bool,
    copies: usize,
}

impl Gateway {
    fn line(&mut self) -> String {
        let number = self.written.len();
        let line = format!("line {number} {}", "x".repeat(number * 7 % 90));
        self.written.push(line.clone());
        line
    }

    fn append(&mut self, name: &str) {
        let line = self.line();
        self.rig.append(name, &format!("{line}\n"));
    }

    /// Ends the line of which a part is in the file.
    fn end_part(&mut self) {
        if !self.part.is_empty() {
            let part = std::mem::take(&mut self.part);
            self.written.push(format!("{part} and the rest"));
            self.rig.append("a.log", " and the rest\n");
        }
    }

    fn does(&mut self, op: &Op) {
        match op {
            Op::Append(lines) => {
                self.end_part();
                for _ in 0..*lines {
                    self.append("a.log");
                }
            }
            Op::Part => {
                self.end_part();
                self.part = format!("part {}", self.written.len());
                self.rig.append("a.log", &self.part);
            }
            Op::Rename => {
                self.end_part();
                // One that comes and goes between two looks is not seen.
                self.rig.poll(0);
                if self.rig.path("a.log").exists() {
                    self.renamed += 1;
                    let name = format!("a.log.{}", self.renamed);
                    self.rig.rename("a.log", &name);
                    self.is_fresh = true;
                }
            }
            Op::AppendToRenamed if self.is_fresh => {
                let name = format!("a.log.{}", self.renamed);
                self.append(&name);
            }
            Op::AppendToRenamed => {}
            Op::CopyTruncate => {
                self.end_part();
                if self.rig.path("a.log").exists() {
                    self.rig.poll(0);
                    self.copies += 1;
                    let name = format!("copy.{}", self.copies);
                    fs::copy(self.rig.path("a.log"), self.rig.path(&name)).unwrap();
                    fs::write(self.rig.path("a.log"), "").unwrap();
                    self.rig.poll(0);
                }
            }
            Op::Poll(seconds) => {
                self.rig.poll(*seconds);
                // It was left, or may have been.
                self.is_fresh &= *seconds < 5;
            }
            Op::Full(full) => self.rig.ledger.0.lock().unwrap().full = *full,
            Op::Crash => self.rig.crash(),
            Op::Stop => self.rig.stop(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Every line that was written is journaled once, whatever comes between.
    #[test]
    fn each_line_once(ops in prop::collection::vec(op(), 1..60)) {
        let rig = Rig::new("a.log", Start::Beginning);
        let mut gateway = Gateway {
            rig,
            written: Vec::new(),
            part: String::new(),
            renamed: 0,
            is_fresh: false,
            copies: 0,
        };
        for op in &ops {
            gateway.does(op);
        }
        gateway.end_part();
        gateway.rig.ledger.0.lock().unwrap().full = false;
        gateway.rig.poll(1);
        gateway.rig.poll(1);
        let mut journaled = gateway.rig.journaled();
        let mut written = gateway.written;
        journaled.sort();
        written.sort();
        prop_assert_eq!(journaled, written);
    }
}
