//! Data directories as each version has left them, in `testdata/on_disk`: read for ever, with all
//! that is in the lake, waits in the journal and is known of senders.

use std::fs;
use std::path::PathBuf;

use gatelog_testkit::gatelog::Gatelog;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{copy_tree, lines, setup};

fn fixture(version: u32) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join(format!("testdata/on_disk/v{version}"))
}

/// What is answered to records that are numbered by their sender.
fn send_numbered(gatelog: &Gatelog, numbers: std::ops::Range<u64>) -> Value {
    let headers = [
        ("gatelog-sender", "gw-1"),
        ("gatelog-boot", "1a2b"),
        ("gatelog-worker", "0"),
        ("gatelog-sequence", &numbers.start.to_string()),
    ];
    send(gatelog, &headers, numbers)
}

fn send_keyed(gatelog: &Gatelog, numbers: std::ops::Range<u64>) -> Value {
    send(gatelog, &[("idempotency-key", "a-key")], numbers)
}

fn send(gatelog: &Gatelog, headers: &[(&str, &str)], numbers: std::ops::Range<u64>) -> Value {
    let (status, answer) = gatelog
        .ingest_with(headers, lines(numbers).as_bytes())
        .unwrap();
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn version_1_is_read_and_goes_on() {
    let dir = TempDir::new().unwrap();
    copy_tree(&fixture(1), dir.path());
    let gatelog = setup(&dir).start().unwrap();
    gatelog.wait_for_rows("", 60).unwrap();
    // Those of the first 20 and of the key are told by a checkpoint, the others by frames.
    for numbers in [0..20, 20..40] {
        let answer = send_numbered(&gatelog, numbers);
        assert_eq!(answer, json!({"accepted": 0, "duplicates": 20}));
    }
    let answer = send_keyed(&gatelog, 40..60);
    assert_eq!(answer, json!({"accepted": 0, "duplicates": 20}));
    assert_eq!(
        send_numbered(&gatelog, 40..41),
        json!({"accepted": 1}),
        "it goes on"
    );
    gatelog.wait_for_rows("", 61).unwrap();
    // What was sent is what is there, in every field that a query shows.
    let mut found = gatelog.all_rows("").unwrap();
    found.retain(|row| row["start_time"] != Value::Null);
    assert_eq!(found.len(), 61);
    let fresh_dir = TempDir::new().unwrap();
    let fresh = setup(&fresh_dir).start().unwrap();
    fresh.ingest(lines(0..60)).unwrap();
    fresh.ingest(lines(40..41)).unwrap();
    fresh.wait_for_rows("", 61).unwrap();
    let mut expected = fresh.all_rows("").unwrap();
    for rows in [&mut found, &mut expected] {
        rows.sort_by_key(ToString::to_string);
    }
    assert_eq!(found, expected);
}

/// How the data directory of a version is made, once, when the version is new.
#[test]
#[ignore = "writes testdata, which never changes"]
fn write() {
    let target = fixture(1);
    if target.exists() {
        println!("{}: is there, and stays as it is", target.display());
        return;
    }
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    send_numbered(&gatelog, 0..20);
    send_keyed(&gatelog, 40..60);
    gatelog.wait_for_rows("", 40).unwrap();
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).start().unwrap();
    send_numbered(&gatelog, 20..40);
    gatelog.kill().unwrap();
    copy_tree(dir.path(), &target);
    for name in ["gatelog.yaml", "journal/lock"] {
        fs::remove_file(target.join(name)).unwrap();
    }
}
