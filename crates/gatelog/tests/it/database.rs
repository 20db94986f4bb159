//! gatelog on a real MariaDB: outages, crashes, and two stores at once.

use std::collections::BTreeMap;
use std::time::Duration;

use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{lines, setup};

#[test]
fn records_taken_while_the_database_is_away_are_written_when_it_is_back() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::start().unwrap());
    let dsn = mariadb.database("outage").unwrap();
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    gatelog.ingest(lines(0..100)).unwrap();
    gatelog.wait_for_rows("", 100).unwrap();
    mariadb.stop().unwrap();
    // Told without a record to write.
    wait::until("the outage to be told", Duration::from_secs(10), || {
        let (status, body) = gatelog.get("/ready").unwrap();
        if status == 503 { Ok(()) } else { Err(body) }
    })
    .unwrap();
    assert_eq!(gatelog.ingest(lines(100..300)).unwrap().0, 200);
    assert_eq!(gatelog.get("/health").unwrap().0, 200);
    mariadb.resume_service().unwrap();
    let found = gatelog.wait_for_rows("", 300).unwrap();
    assert_eq!(found["status"], "success");
    assert_eq!(gatelog.get("/ready").unwrap().0, 200);
}

#[test]
fn after_kill_9_every_record_is_in_the_database_once() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("crash").unwrap();
    let setup = setup(&dir).variable("MYSQL_DSN", dsn);
    for round in 0..5u64 {
        let gatelog = setup.start().unwrap();
        for part in 0..5 {
            let first = round * 1000 + part * 200;
            assert_eq!(gatelog.ingest(lines(first..first + 200)).unwrap().0, 200);
        }
        // In the middle of writing: what is not committed is in the journal.
        gatelog.kill().unwrap();
    }
    let gatelog = setup.start().unwrap();
    gatelog.wait_for_rows("", 5000).unwrap();
    let mut stored = BTreeMap::new();
    for row in gatelog.all_rows("").unwrap() {
        *stored
            .entry(row["path"].as_str().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    assert_eq!(stored.len(), 5000);
    assert!(stored.values().all(|count| *count == 1));
}

#[test]
fn wrong_credentials_are_told_and_records_wait() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    mariadb.database("refused").unwrap();
    let dsn = mariadb.dsn_of("nobody", "not-the-password", "refused");
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    assert_eq!(gatelog.ingest(lines(0..10)).unwrap().0, 200);
    let error = wait::until("the refusal to be told", Duration::from_secs(10), || {
        let ready: Value = serde_json::from_str(&gatelog.get("/ready").unwrap().1).unwrap();
        let error = ready["stores"][0]["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if error.starts_with("mysql cannot be used") {
            Ok(error)
        } else {
            Err(error)
        }
    })
    .unwrap();
    assert!(!error.contains("not-the-password"), "{error}");
    assert!(!gatelog.log().join("\n").contains("not-the-password"));
}

#[test]
fn two_stores_each_have_every_record_and_one_of_them_answers() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("both").unwrap();
    let setup = setup(&dir)
        .config("store: { lake: {} }\nquery_store: lake\n")
        .variable("MYSQL_DSN", dsn);
    let gatelog = setup.start().unwrap();
    gatelog.ingest(lines(0..50)).unwrap();
    gatelog.wait_for_rows("", 50).unwrap();
    wait::until("the rows in MariaDB", Duration::from_secs(30), || {
        let count = mariadb
            .sql("SELECT COUNT(*) FROM both.access_logs")
            .unwrap();
        if count == [[Some("50".to_owned())]] {
            Ok(())
        } else {
            Err(count)
        }
    })
    .unwrap();
    let ready: Value = serde_json::from_str(&gatelog.get("/ready").unwrap().1).unwrap();
    let answering: Vec<_> = ready["stores"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|store| store["answers_queries"] == json!(true))
        .map(|store| store["name"].clone())
        .collect();
    assert_eq!(answering, ["lake"]);
}
