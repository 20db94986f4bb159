//! A service to test with, on the embedded store.

use std::fs;
use std::ops::Deref;
use std::path::Path;

use gatelog_record::{Timestamp, json, standard};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use tempfile::TempDir;

/// A running service with a data directory of its own.
pub(crate) struct TestService {
    gatelog: Gatelog,
    _dir: TempDir,
}

impl Deref for TestService {
    type Target = Gatelog;
    fn deref(&self) -> &Gatelog {
        &self.gatelog
    }
}

pub(crate) fn setup(dir: &TempDir) -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_gatelog"), dir.path())
}

/// A service with this configuration.
pub(crate) fn start_with(config: &str) -> TestService {
    let dir = tempfile::tempdir().unwrap();
    TestService {
        gatelog: setup(&dir).config(config).start().unwrap(),
        _dir: dir,
    }
}

pub(crate) fn start() -> TestService {
    start_with("")
}

/// Standard records as NDJSON.
pub(crate) fn lines(numbers: std::ops::Range<u64>) -> String {
    let start = Timestamp::from_millis(1_774_231_801_217);
    let mut body = String::new();
    for number in numbers {
        json::write(&standard::record(number, start), &mut body);
        body.push('\n');
    }
    body
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
