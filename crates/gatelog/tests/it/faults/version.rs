//! Fault 22: data of a later version is refused with a text that says so, and is not touched.

use std::fs;
use std::path::{Path, PathBuf};

use gatelog_testkit::gatelog::Started;
use tempfile::TempDir;

use super::rig::start;
use crate::service::{lines, setup};

/// A data directory that a process has used and left.
fn used() -> TempDir {
    let dir = TempDir::new().unwrap();
    let gatelog = start(&setup(&dir));
    gatelog.ingest(lines(0..20)).unwrap();
    gatelog.wait_for_rows("", 20).unwrap();
    assert!(gatelog.terminate().unwrap().success());
    dir
}

fn refused(dir: &TempDir) -> String {
    match setup(dir).start_or_end().unwrap() {
        Started::Ended(status, log) => {
            assert_eq!(status.code(), Some(1), "{log}");
            log
        }
        Started::Listening(_) => panic!("it listens"),
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join("journal")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|suffix| suffix == "segment"));
    paths.sort();
    paths
}

#[test]
fn a_journal_of_a_later_version_is_refused() {
    let dir = used();
    let segment = segments(dir.path()).pop().unwrap();
    let before = fs::read(&segment).unwrap();
    // Magic (8 bytes), version, and a checksum of the header in its last 4 of 64 bytes.
    let mut bytes = before.clone();
    bytes[8..12].copy_from_slice(&2u32.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..60]);
    bytes[60..64].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&segment, &bytes).unwrap();
    let log = refused(&dir);
    for part in ["version 2", "reads version 1", segment.to_str().unwrap()] {
        assert!(log.contains(part), "{part} in: {log}");
    }
    assert_eq!(fs::read(&segment).unwrap(), bytes, "it was changed");
    fs::write(&segment, before).unwrap();
    start(&setup(&dir)).wait_for_rows("", 20).unwrap();
}

#[test]
fn a_lake_of_a_later_version_is_refused() {
    let dir = used();
    let catalogue = dir.path().join("lake/catalogue.sqlite");
    let before = fs::read(&catalogue).unwrap();
    // SQLite's header has the user version at byte 60, in network order.
    let mut bytes = before.clone();
    assert_eq!(bytes[60..64], 1u32.to_be_bytes());
    bytes[60..64].copy_from_slice(&2u32.to_be_bytes());
    fs::write(&catalogue, &bytes).unwrap();
    let log = refused(&dir);
    assert!(log.contains("the catalogue has version 2"), "{log}");
    fs::write(&catalogue, before).unwrap();
    start(&setup(&dir)).wait_for_rows("", 20).unwrap();
}

#[test]
fn a_checkpoint_of_senders_of_a_later_version_is_refused() {
    let dir = used();
    let checkpoint = dir.path().join("senders/checkpoint");
    let before = fs::read(&checkpoint).unwrap();
    // Magic (8 bytes), version, and a checksum of all before it at the end.
    let mut bytes = before.clone();
    bytes[8..12].copy_from_slice(&2u32.to_le_bytes());
    let content = bytes.len() - 4;
    let checksum = crc32c::crc32c(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&checkpoint, &bytes).unwrap();
    let log = refused(&dir);
    for part in ["version 2", "reads version 1", checkpoint.to_str().unwrap()] {
        assert!(log.contains(part), "{part} in: {log}");
    }
    assert_eq!(fs::read(&checkpoint).unwrap(), bytes, "it was changed");
    fs::write(&checkpoint, before).unwrap();
    start(&setup(&dir)).wait_for_rows("", 20).unwrap();
}
