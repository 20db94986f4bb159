//! Journals that were restored from an old copy, under stores that have come further since.

use std::collections::BTreeMap;
use std::fs;

use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::mariadb::MariaDb;
use tempfile::TempDir;

use crate::service::{copy_tree, lines, setup};

/// How often each record is in the store, by its path.
fn stored(gatelog: &Gatelog) -> BTreeMap<String, u64> {
    let mut stored = BTreeMap::new();
    for row in gatelog.all_rows("").unwrap() {
        *stored
            .entry(row["path"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    stored
}

/// Ten records, a copy of the journal, forty more; then the copy is put back.
fn restored(dir: &TempDir, setup: &Setup) {
    let journal = dir.path().join("journal");
    let copy = dir.path().join("copy");
    for (numbers, rows) in [(0..10, 10), (10..50, 50)] {
        let gatelog = setup.start().unwrap();
        gatelog.ingest(lines(numbers)).unwrap();
        gatelog.wait_for_rows("", rows).unwrap();
        assert!(gatelog.terminate().unwrap().success());
        if rows == 10 {
            copy_tree(&journal, &copy);
        }
    }
    fs::remove_dir_all(&journal).unwrap();
    fs::rename(&copy, &journal).unwrap();
}

/// Every one of 110 records is there, the last 60 of them sent after the journal was restored.
fn check(gatelog: &Gatelog) {
    gatelog.wait_for_rows("", 110).unwrap();
    let stored = stored(gatelog);
    assert_eq!(stored.len(), 110);
    // What had been committed when the copy was made is known to have been.
    assert!(stored.values().all(|times| *times == 1), "{stored:?}");
    gatelog
        .wait_for_log("records that the journal does not know")
        .unwrap();
    assert_eq!(gatelog.get("/ready").unwrap().0, 200);
}

#[test]
fn a_lake_that_is_further_than_its_journal_misses_nothing() {
    let dir = TempDir::new().unwrap();
    let setup = setup(&dir);
    restored(&dir, &setup);
    let gatelog = setup.start().unwrap();
    gatelog.ingest(lines(50..110)).unwrap();
    check(&gatelog);
    // It stands where the journal does now.
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup.start().unwrap();
    gatelog.ingest(lines(110..111)).unwrap();
    gatelog.wait_for_rows("", 111).unwrap();
    assert!(!gatelog.log().join("\n").contains("does not know"));
}

#[test]
fn a_database_that_is_further_and_comes_back_late_misses_nothing() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::start().unwrap());
    let dsn = mariadb.database("restored").unwrap();
    let setup = setup(&dir).variable("MYSQL_DSN", dsn);
    restored(&dir, &setup);
    mariadb.stop().unwrap();
    // The journal grows beyond the place where the database stands, also over a start.
    for numbers in [50..109, 109..110] {
        let gatelog = setup.start().unwrap();
        assert_eq!(gatelog.ingest(lines(numbers)).unwrap().0, 200);
        gatelog.kill().unwrap();
    }
    let gatelog = setup.start().unwrap();
    mariadb.resume_service().unwrap();
    check(&gatelog);
}
