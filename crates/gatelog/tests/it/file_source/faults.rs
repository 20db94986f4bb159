//! Faults while files are followed: SIGKILL wherever something is made durable, a full journal, a disk
//! that refuses.

use std::os::unix::process::ExitStatusExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use gatelog_testkit::gatelog::Started;

use super::*;

/// Lines of which every tenth is no record.
fn mixed(numbers: std::ops::Range<u64>) -> String {
    numbers
        .map(|number| {
            if number % 10 == 3 {
                format!("nonsense {number}\n")
            } else {
                lines(number..number + 1)
            }
        })
        .collect()
}

/// Each line is a row or a letter, once.
fn expect_each_once(gatelog: &Gatelog, log: &Log, total: u64) {
    let is_letter = |number: &u64| number % 10 == 3;
    let letters = (0..total).filter(is_letter).count();
    gatelog.wait_for_rows("", total - letters as u64).unwrap();
    log.wait_for_letters(letters);
    let mut tally = tally(gatelog);
    for letter in log.letters() {
        let line = letter["line"].as_str().unwrap().to_owned();
        let number = line.rsplit(' ').next().unwrap().parse().unwrap();
        *tally.entry(number).or_default() += 1;
    }
    let once: BTreeMap<u64, u32> = (0..total).map(|number| (number, 1)).collect();
    assert_eq!(tally, once);
}

#[test]
fn after_a_kill_wherever_something_becomes_durable_each_line_is_there_once() {
    let log = Log::new(", start: beginning");
    let mut total = 0;
    for (step, name) in [
        "source.journaled",
        "source.letters_kept",
        "source.place_saved",
        "source.place_sync",
        "journal.synced",
        "dead_letter.sync",
    ]
    .into_iter()
    .enumerate()
    {
        for nth in [1, 2] {
            log.append(mixed(total..total + 40));
            total += 40;
            let failpoint = format!("{name}=kill@{nth}");
            let started = log.setup().variable("FAILPOINT", failpoint).start_or_end();
            if let Started::Listening(mut gatelog) = started.unwrap() {
                // The second time comes with the next lines, or with the end.
                let mut ended = gatelog.ended();
                while ended.is_none() {
                    log.append(mixed(total..total + 10));
                    total += 10;
                    std::thread::sleep(Duration::from_millis(50));
                    ended = gatelog.ended();
                    assert!(total < 10_000, "{name} is not reached");
                }
                assert_eq!(ended.unwrap().signal(), Some(9), "{name}");
            }
        }
        if step % 2 == 0 {
            // Rotated while nobody looks.
            let old = log.dir.path().join(format!("access.log.{step}"));
            fs::rename(log.path(), old).unwrap();
        }
    }
    log.append(mixed(total..total + 10));
    let gatelog = log.setup().start().unwrap();
    expect_each_once(&gatelog, &log, total + 10);
}

/// A gateway that writes all the time, rotation of both kinds, and a process that is killed again and
/// again.
#[test]
fn killed_under_load_and_rotation_each_line_is_there_once() {
    let log = Log::new(", start: beginning");
    let (written, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let total = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rotated = 0;
            while !stop.load(Ordering::Relaxed) {
                let from = written.load(Ordering::Relaxed);
                log.append(mixed(from..from + 7));
                written.store(from + 7, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
                if (from / 7) % 150 == 149 {
                    rotated += 1;
                    let old = log.dir.path().join(format!("access.log.{rotated}"));
                    fs::rename(log.path(), old).unwrap();
                }
            }
        });
        for life in 0..5u64 {
            let gatelog = log.setup().start().unwrap();
            let before = written.load(Ordering::Relaxed);
            wait::until("lines to be taken", DEADLINE, || {
                let seen = source(&gatelog)["files"][0]["offset"].as_u64();
                let wrote = written.load(Ordering::Relaxed) - before;
                if seen > Some(0) && wrote > 200 + 150 * life {
                    Ok(())
                } else {
                    Err(seen)
                }
            })
            .unwrap();
            gatelog.kill().unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        written.load(Ordering::Relaxed)
    });
    let total = total.max(written.load(Ordering::Relaxed));
    let gatelog = log.setup().start().unwrap();
    expect_each_once(&gatelog, &log, total);
}

/// More than a journal of 64 MiB takes, each of 512 KiB.
const RECORDS: u64 = 160;

#[test]
fn while_the_journal_is_full_lines_wait_in_their_file() {
    let log = Log::new(", start: beginning");
    let config = format!(
        "sources: [{{file: {{path: {}, start: beginning}}}}]\n",
        log.path().display()
    );
    let gone =
        "journal: { max_bytes: 64MiB }\nstore: { mysql: { dsn: \"u:p@tcp(127.0.0.1:1)/d\" } }\n";
    let gatelog = setup(&log.data)
        .config(config.clone() + gone)
        .start()
        .unwrap();
    for number in 0..RECORDS {
        let filling = "x".repeat(512 << 10);
        log.append(format!(
            "{{\"path\":\"/filler?n={number}\",\"request_body\":\"{filling}\"}}\n"
        ));
    }
    let full = |source: &Value| {
        let error = source["files"][0]["error"].as_str().unwrap_or_default();
        error.contains("the journal is full")
    };
    let source = wait_for_source(&gatelog, "a full journal", full);
    assert!(source["lag_bytes"].as_u64().unwrap() > 1 << 20, "{source}");
    gatelog
        .wait_for_log("lines of a log file are not taken")
        .unwrap();
    gatelog
        .wait_for_log("the journal takes no records")
        .unwrap();
    // It ends although it waits, and goes on where there is a store.
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&log.data).config(config).start().unwrap();
    expect_once(&gatelog, 0..RECORDS);
}

#[test]
fn a_disk_that_refuses_places_or_letters_loses_and_doubles_nothing() {
    for (name, over) in [
        ("source.place_sync=eio@2x6", "read can be kept again"),
        ("dead_letter.sync=enospc@1x6", "log file are taken again"),
    ] {
        let log = Log::new(", start: beginning");
        log.append(mixed(0..50));
        let gatelog = log.setup().variable("FAILPOINT", name).start().unwrap();
        log.append(mixed(50..100));
        gatelog.wait_for_log(over).unwrap();
        log.append(mixed(100..110));
        expect_each_once(&gatelog, &log, 110);
    }
}
