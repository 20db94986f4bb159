//! Fault 2: SIGKILL at every place that the code names, under load, and a start behind it.
//!
//! A name that is listed and not reached fails, here or where it is reached: those of letters and of
//! MySQL's commits in `dead_letter::faults`, those of outputs and of the dead letter's files in
//! `outputs::killed`. In every run a few steps of each kind are killed at, in the long set every name
//! of the journal, of senders and of the lake, each up to five times. The lists are held against the
//! code here, in `gatelog_journal` and in `gatelog_store`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gatelog::command::chaos::load::Manner;
use gatelog_testkit::failpoints::called;
use gatelog_testkit::gatelog::{Gatelog, Setup, Started};
use tempfile::TempDir;

use super::rig::{LANES, Rig, start};
use crate::service::setup;

/// With records that fill the lake's memory and the journal's segments.
const BULKY: [Manner; 3] = [Manner::Bulky, Manner::Numbered, Manner::Keyed];

/// How long a process lives at most before it is asked to end, which is another way to come by.
const LIFE: Duration = Duration::from_secs(3);

/// How long where segments have to be filled.
const BULKY_LIFE: Duration = Duration::from_secs(30);

/// What leads to a failpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// Records, and an end by SIGTERM.
    Load,
    /// Records that fill segments.
    Bulky,
    /// A start behind a write that was cut off.
    Recovery,
    /// A sync that fails.
    Repair,
}

fn way(name: &str) -> Way {
    let has = |part| name.contains(part);
    if has("journal.recovery.") {
        Way::Recovery
    } else if has("journal.repair.") {
        Way::Repair
    } else if has("unlink") || has("lake.") {
        Way::Bulky
    } else {
        Way::Load
    }
}

/// The names that are reached here.
fn names() -> Vec<&'static str> {
    let journal = gatelog_journal::FAILPOINTS.iter();
    let senders = gatelog::senders::FAILPOINTS.iter();
    let store = gatelog_store::FAILPOINTS.iter();
    let here = |name: &&str| !name.starts_with("store.") && !name.ends_with("letter_written");
    journal
        .chain(senders)
        .chain(store)
        .copied()
        .filter(here)
        .collect()
}

/// Lets the process live under load until it is killed, or ends it; how it ended.
fn live(rig: &Rig, setup: &Setup, life: Duration) -> ExitStatus {
    let mut gatelog: Gatelog = match setup.start_or_end().unwrap() {
        Started::Ended(status, _) => return status,
        Started::Listening(gatelog) => gatelog,
    };
    rig.up(&gatelog);
    let begun = Instant::now();
    while gatelog.ended().is_none() && begun.elapsed() < life {
        std::thread::sleep(Duration::from_millis(10));
    }
    if gatelog.ended().is_none() {
        gatelog.signal("TERM").unwrap();
    }
    rig.down();
    gatelog.wait_for_end(Duration::from_secs(40)).unwrap()
}

/// Kills the process the `nth` time it comes by, under load, and checks what the next one finds.
/// False when it did not come by so often.
fn killed_at(name: &str, nth: u32) -> bool {
    let begun = Instant::now();
    let dir = TempDir::new().unwrap();
    let way = way(name);
    let rig = Rig::with(if way == Way::Bulky { &BULKY } else { &LANES });
    if way == Way::Recovery {
        let cut = setup(&dir).variable("FAILPOINT", "journal.written=kill@20");
        assert_eq!(live(&rig, &cut, BULKY_LIFE).signal(), Some(9));
        tear(&dir.path().join("journal"));
    }
    let order = match way {
        Way::Repair => format!("journal.sync=eio@20x50,{name}=kill@{nth}"),
        _ => format!("{name}=kill@{nth}"),
    };
    let life = match way {
        Way::Bulky => BULKY_LIFE,
        _ => LIFE,
    };
    let setup = setup(&dir);
    let killing = setup.clone().variable("FAILPOINT", order);
    // What is not reached in one life may be at the end of it, or in the next.
    let mut reached = false;
    for _ in 0..2 {
        let status = live(&rig, &killing, life);
        reached = status.signal() == Some(9);
        if reached {
            break;
        }
        assert!(status.success(), "{name}@{nth}: {status}");
    }
    let gatelog = start(&setup);
    let verdict = rig.finish_clean(&gatelog);
    let told = if reached { "killed" } else { "not reached" };
    println!(
        "{name}@{nth}: {told}, {} stored, {:?}",
        verdict.stored,
        begun.elapsed()
    );
    reached
}

/// Takes the end of the last frame away, as a crash of the machine may.
fn tear(journal: &Path) {
    let files = fs::read_dir(journal)
        .unwrap()
        .map(|file| file.unwrap().path());
    let newest = files
        .filter(|path| path.extension().is_some_and(|name| name == "segment"))
        .max();
    let path = newest.unwrap();
    let bytes = fs::read(&path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0; 16], end as u64 - 16).unwrap();
}

#[test]
fn the_lists_name_the_failpoints_in_the_code_and_no_others() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let disk = called(&sources, "failpoint::disk").unwrap();
    let all = &called(&sources, "failpoint::pass").unwrap() | &disk;
    let lists = [gatelog::FAILPOINTS, &gatelog::senders::FAILPOINTS].concat();
    let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected: BTreeSet<String> = listed(&lists);
    assert_eq!(all, expected);
    assert_eq!(lists.len(), expected.len(), "one is listed twice");
    let of_senders = |name: &String| name.starts_with("senders.");
    let expected: BTreeSet<String> = listed(gatelog::DISK_FAILPOINTS);
    let disk: BTreeSet<_> = disk.into_iter().filter(|name| !of_senders(name)).collect();
    assert_eq!(disk, expected);
}

#[test]
fn a_kill_at_the_steps_of_a_write_loses_and_doubles_nothing() {
    for (name, nth) in [
        ("journal.write", 5),
        ("journal.written", 20),
        ("journal.sync", 10),
        ("journal.synced", 20),
        ("journal.answered", 30),
    ] {
        assert!(killed_at(name, nth), "{name} was not reached");
    }
}

#[test]
fn a_kill_at_the_steps_of_a_first_start_loses_and_doubles_nothing() {
    for name in [
        "journal.segment_written",
        "journal.segment_renamed",
        "journal.dir_synced",
    ] {
        assert!(killed_at(name, 1), "{name} was not reached");
    }
}

#[test]
fn a_kill_at_the_steps_of_recovery_and_repair_loses_and_doubles_nothing() {
    for name in ["journal.recovery.cut", "journal.repair.created"] {
        assert!(killed_at(name, 1), "{name} was not reached");
    }
}

#[test]
fn a_kill_around_a_commit_of_the_lake_loses_and_doubles_nothing() {
    for name in ["lake.before_commit", "lake.committed"] {
        assert!(killed_at(name, 1), "{name} was not reached");
    }
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn a_kill_at_every_failpoint_loses_and_doubles_nothing() {
    let names = Mutex::new(names().into_iter());
    let never = Mutex::new(Vec::new());
    let next = || names.lock().unwrap().next();
    let kill = || {
        while let Some(name) = next() {
            for nth in 1..=3 {
                if !killed_at(name, nth) {
                    // Some steps come once in a life, or twice.
                    never.lock().unwrap().extend((nth == 1).then_some(name));
                    break;
                }
            }
        }
    };
    // They mostly wait.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(kill);
        }
    });
    let never = never.into_inner().unwrap();
    assert!(never.is_empty(), "not reached: {never:?}");
}
