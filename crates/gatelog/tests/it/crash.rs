//! What a crash leaves: every acknowledged record, once.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatelog_testkit::wait;
use tempfile::TempDir;

use crate::service::{lines, setup};

/// Sends from several threads and kills the process in the middle, several times. What was
/// acknowledged is there once, what was not is there once or not at all, and nothing else is.
#[test]
fn after_kill_9_under_load_every_acknowledged_record_is_stored_once() {
    let dir = TempDir::new().unwrap();
    let acknowledged = Mutex::new(Vec::new());
    let mut next = 0;
    for _ in 0..4 {
        let gatelog = setup(&dir).start().unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let (gatelog, stop, acknowledged) = (&gatelog, &stop, &acknowledged);
                scope.spawn(move || {
                    let mut number = next + thread * 100_000;
                    while !stop.load(Ordering::Relaxed) {
                        let count = 1 + number % 20;
                        let answer = gatelog.ingest(lines(number..number + count));
                        if answer.is_ok_and(|(status, _)| status == 200) {
                            acknowledged.lock().unwrap().push(number..number + count);
                        } else {
                            break;
                        }
                        number += count;
                    }
                });
            }
            let before = acknowledged.lock().unwrap().len();
            wait::until("some to be acknowledged", Duration::from_secs(30), || {
                let more = acknowledged.lock().unwrap().len() - before;
                if more > 100 { Ok(()) } else { Err(more) }
            })
            .unwrap();
            let pid = gatelog.pid().to_string();
            let killed = std::process::Command::new("kill")
                .args(["-9", &pid])
                .status()
                .unwrap();
            assert!(killed.success());
            stop.store(true, Ordering::Relaxed);
        });
        next += 1_000_000;
    }
    let gatelog = setup(&dir).start().unwrap();
    let expected: Vec<u64> = acknowledged
        .into_inner()
        .unwrap()
        .into_iter()
        .flatten()
        .collect();
    wait::until("the store to catch up", Duration::from_mins(1), || {
        let (status, ready) = gatelog.get("/ready").unwrap();
        let total = gatelog.query("page_size=1").unwrap()["total"]
            .as_u64()
            .unwrap();
        if status == 200 && total >= expected.len() as u64 {
            Ok(())
        } else {
            Err((total, ready))
        }
    })
    .unwrap();
    let mut stored = BTreeMap::new();
    for row in gatelog.all_rows("").unwrap() {
        let path = row["path"].as_str().unwrap();
        let number: u64 = path.rsplit('=').next().unwrap().parse().unwrap();
        *stored.entry(number).or_insert(0) += 1;
    }
    let lost: Vec<_> = expected
        .iter()
        .filter(|number| !stored.contains_key(number))
        .collect();
    let doubled: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        expected.len()
    );
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
}

#[test]
fn after_sigterm_everything_is_there_and_the_exit_is_clean() {
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    gatelog.ingest(lines(0..500)).unwrap();
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).start().unwrap();
    gatelog.wait_for_rows("", 500).unwrap();
}
