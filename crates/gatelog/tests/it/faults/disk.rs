//! Faults 8 and 9: a disk that fails to sync, and a disk that is full.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::wait;
use serde_json::Value;
use tempfile::{NamedTempFile, TempDir};

use super::raw::{exchange, post, status};
use super::rig::{Rig, start};
use crate::service::setup;

/// Whether a process may mount in a namespace of its own.
pub(crate) fn may_mount() -> bool {
    let dir = TempDir::new().unwrap();
    Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "tmpfs"])
        .arg(dir.path())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What `/ready` says is wrong with the journal.
fn journal_error(gatelog: &Gatelog) -> Option<String> {
    let (code, body) = gatelog.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&body).unwrap();
    let error = ready["journal"]["error"].as_str().map(str::to_owned);
    assert!(error.is_none() || code == 503, "{code} {body}");
    error
}

/// Under load the disk begins to refuse the 30th time: records are refused, `/ready` says why, and it
/// goes on by itself when the disk does.
fn refuses_and_recovers(refusal: &str, word: &str) {
    let dir = TempDir::new().unwrap();
    let fault = NamedTempFile::new().unwrap();
    let failpoint = format!("{refusal}@30~{}", fault.path().display());
    let rig = Rig::new();
    let gatelog = start(&setup(&dir).variable("FAILPOINT", failpoint));
    rig.up(&gatelog);
    let said = wait::until("the failure to be told", Duration::from_secs(20), || {
        journal_error(&gatelog).ok_or("nothing")
    });
    let said = said.unwrap();
    assert!(said.contains(word), "{said}");
    wait::until("batches to be refused", Duration::from_secs(10), || {
        let books = rig.books.open();
        if books.refused > 0 {
            Ok(())
        } else {
            Err(books.unanswered)
        }
    })
    .unwrap();
    drop(fault);
    wait::until("the failure to be over", Duration::from_secs(30), || {
        journal_error(&gatelog).map_or(Ok(()), Err)
    })
    .unwrap();
    rig.wait_for_batches(20);
    rig.finish_clean(&gatelog);
    // What is on disk is what was said.
    assert!(gatelog.terminate().unwrap().success());
    drop(start(&setup(&dir)));
}

#[test]
fn a_sync_that_fails_is_told_and_is_no_acknowledgement() {
    refuses_and_recovers("journal.sync=eio", "Input/output error");
}

#[test]
fn a_write_that_finds_no_space_is_told_and_is_no_acknowledgement() {
    refuses_and_recovers("journal.write=enospc", "No space left on device");
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn many_refusals_in_a_row_at_every_step_of_a_write_are_survived() {
    for name in ["journal.write", "journal.sync"] {
        for failure in ["eio", "enospc"] {
            for (first, times) in [(1, 1), (2, 1), (10, 30), (50, 3)] {
                let failpoint = format!("{name}={failure}@{first}x{times}");
                println!("{failpoint}");
                let dir = TempDir::new().unwrap();
                let rig = Rig::new();
                let gatelog = start(&setup(&dir).variable("FAILPOINT", failpoint));
                rig.up(&gatelog);
                rig.wait_for_batches(60);
                rig.finish_clean(&gatelog);
            }
        }
    }
}

/// The process in a mount namespace of its own, with the data directory on a file system of so many
/// MiB.
fn on_small_disk(dir: &TempDir, mib: u64, rig: &Rig) -> Gatelog {
    let path = dir.path().to_str().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={mib}m tmpfs {path} && : > {path}/gatelog.yaml && exec \"$0\" \"$@\""
    );
    let setup = setup(dir)
        .wrapped(&["unshare", "-rm", "/bin/sh", "-c", &script])
        .variable("GATELOG_JOURNAL__RESERVE_BYTES", "8MiB");
    let gatelog = start(&setup);
    rig.up(&gatelog);
    gatelog
}

/// Fills what is left; the file is on the process's file system, which is reached through it.
fn fill(gatelog: &Gatelog, dir: &TempDir) -> std::path::PathBuf {
    let root = format!("/proc/{}/root{}", gatelog.pid(), dir.path().display());
    let path = std::path::Path::new(&root).join("filler");
    let mut file = File::create(&path).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![0; size]).is_err() {
            size /= 2;
        }
    }
    path
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    if !may_mount() {
        println!("skipped: mounting is not permitted here");
        return;
    }
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    let gatelog = on_small_disk(&dir, 96, &rig);
    for round in 0..2 {
        rig.wait_for_batches(20);
        let filler = fill(&gatelog, &dir);
        // What the journal has already, it may still fill.
        wait::until("records to be refused", Duration::from_secs(30), || {
            let answer = exchange(
                &gatelog,
                &post("", b"{\"path\":\"/filler\",\"authority\":1}"),
            );
            match status(&answer) {
                503 => Ok(answer),
                _ => Err(answer),
            }
        })
        .map(|answer| assert!(answer.contains("retry-after: "), "{answer}"))
        .unwrap();
        let told = journal_error(&gatelog);
        println!("round {round}: {told:?}");
        assert_eq!(gatelog.get("/health").unwrap().0, 200);
        std::fs::remove_file(filler).unwrap();
        rig.wait_for_batches(20);
    }
    let verdict = rig.finish(&gatelog);
    let of_ours = (
        verdict.lost.count,
        verdict.doubled.count,
        verdict.damaged.count,
    );
    assert_eq!(of_ours, (0, 0, 0), "{verdict:?}");
}
