//! What a store will never take: kept once, told, and taken back when it fits.

mod faults;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use gatelog_journal::{Config, Journal};
use gatelog_record::{AccessRecord, RecordId, Timestamp, standard, wire};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{lines, setup};

const DEADLINE: Duration = Duration::from_secs(30);

/// Every tenth record is refused.
fn is_refused(number: u64) -> bool {
    number % 10 == 3
}

/// NDJSON of records whose model is their number.
fn numbered(numbers: std::ops::Range<u64>) -> String {
    let mut body = String::new();
    for (line, number) in lines(numbers.clone()).lines().zip(numbers) {
        let mut record: Value = serde_json::from_str(line).unwrap();
        record["model"] = json!(number.to_string());
        record["response_code"] = json!(if is_refused(number) { 666 } else { 200 });
        body += &(record.to_string() + "\n");
    }
    body
}

/// A database whose table refuses some rows; its DSN.
fn refusing_database(server: &MariaDb, name: &str) -> String {
    let dsn = server.database(name).unwrap();
    server
        .sql(&format!(
            "CREATE TABLE {name}.access_logs (
                 id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time DATETIME(3) NOT NULL,
                 model VARCHAR(64), response_code INT,
                 CONSTRAINT odd CHECK (response_code <> 666)
             ) ENGINE=InnoDB"
        ))
        .unwrap();
    dsn
}

/// How often each number is among the texts.
fn tally(numbers: impl IntoIterator<Item = String>) -> BTreeMap<u64, u32> {
    let mut tally = BTreeMap::new();
    for number in numbers {
        *tally.entry(number.parse().unwrap()).or_default() += 1;
    }
    tally
}

/// Each of these once.
fn once(numbers: impl IntoIterator<Item = u64>) -> BTreeMap<u64, u32> {
    numbers.into_iter().map(|number| (number, 1)).collect()
}

fn stored(server: &MariaDb, database: &str) -> BTreeMap<u64, u32> {
    let rows = server.sql(&format!("SELECT model FROM {database}.access_logs"));
    tally(rows.unwrap().into_iter().map(|row| row[0].clone().unwrap()))
}

/// The letters of all files with this beginning and end.
fn letters(dir: &Path, stem: &str, extension: &str) -> Vec<Value> {
    let mut letters = Vec::new();
    let Ok(files) = fs::read_dir(dir.join("dead-letter")) else {
        return letters;
    };
    for file in files {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(stem) && name.ends_with(extension) {
            for line in fs::read_to_string(path).unwrap().lines() {
                letters.push(serde_json::from_str(line).unwrap());
            }
        }
    }
    letters
}

fn letter_numbers(dir: &Path, stem: &str) -> BTreeMap<u64, u32> {
    let letters = letters(dir, stem, ".ndjson");
    tally(
        letters
            .iter()
            .map(|letter| letter["model"].as_str().unwrap().to_owned()),
    )
}

fn ready(gatelog: &Gatelog) -> (u16, Value) {
    let (status, body) = gatelog.get("/ready").unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// Waits until the stores have committed everything.
fn wait_for_stores(gatelog: &Gatelog) {
    wait::until("the stores to have everything", DEADLINE, || {
        let (status, ready) = ready(gatelog);
        let stores = ready["stores"].as_array().unwrap();
        let all = stores.iter().all(|store| store["lag_bytes"] == 0);
        if status == 200 && all {
            Ok(())
        } else {
            Err(ready)
        }
    })
    .unwrap();
}

/// A journal as a process left it, with these payloads.
fn journal(dir: &TempDir, payloads: &[Vec<u8>]) {
    let journal = Journal::open(&dir.path().join("journal"), Config::default()).unwrap();
    for payload in payloads {
        drop(journal.append(payload, 2).unwrap());
    }
}

/// A payload of two records, one of them without the id that the lake needs.
fn payload(number: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    wire::begin_batch(&mut payload);
    for (number, id) in [
        (number, None),
        (number + 1, Some(RecordId::from_bits(number.into()))),
    ] {
        let start = Timestamp::from_millis(1_774_231_801_217);
        let record = AccessRecord {
            model: Some(number.to_string().into()),
            record_id: id,
            receive_time: Some(start),
            ..standard::record(number, start)
        };
        wire::write_record(&record, &mut payload);
    }
    payload
}

#[test]
fn letters_are_taken_back_as_they_are_when_the_table_takes_them() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = refusing_database(mariadb, "taken_back");
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    assert_eq!(gatelog.ingest(numbered(0..100)).unwrap().0, 200);
    wait_for_stores(&gatelog);
    assert_eq!(
        letter_numbers(dir.path(), "mysql"),
        once((0..100).filter(|n| is_refused(*n)))
    );
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    for line in [
        "gatelog_store_written_total{store=\"mysql\"} 90",
        "gatelog_store_rejected_total{store=\"mysql\"} 10",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let refusal = "the store refuses records";
    gatelog.wait_for_log(refusal).unwrap();
    let log = gatelog.log();
    let told = log.iter().filter(|line| line.contains(refusal)).count();
    assert!(told == 1, "{told} lines");

    mariadb
        .sql("ALTER TABLE taken_back.access_logs DROP CONSTRAINT odd")
        .unwrap();
    let file = fs::read_to_string(dir.path().join("dead-letter/mysql.ndjson")).unwrap();
    assert_eq!(gatelog.ingest(&file).unwrap().1, r#"{"accepted":10}"#);
    wait_for_stores(&gatelog);
    assert_eq!(stored(mariadb, "taken_back"), once(0..100));
}

#[test]
fn a_frame_that_cannot_be_decoded_is_put_aside_and_stops_nobody() {
    let dir = TempDir::new().unwrap();
    journal(&dir, &[payload(0), vec![9, 1, 2, 3], payload(2)]);
    let gatelog = setup(&dir).start().unwrap();
    gatelog.wait_for_rows("", 2).unwrap();
    wait_for_stores(&gatelog);
    let (status, ready) = ready(&gatelog);
    assert_eq!(status, 200, "{ready}");
    let warning = ready["stores"][0]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("1 frames"), "{warning}");
    let frames = letters(dir.path(), "lake", ".frames");
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0]["frame"], "CQECAw==");
    assert_eq!(letter_numbers(dir.path(), "lake"), once([0, 2]));
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let counted = "gatelog_frames_unreadable_total{reader=\"lake\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    // As many after a crash: the lake had committed none of it.
    gatelog.kill().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    gatelog.wait_for_rows("", 2).unwrap();
    gatelog.terminate().unwrap();
    assert_eq!(letters(dir.path(), "lake", ".frames").len(), 1);
    assert_eq!(letter_numbers(dir.path(), "lake"), once([0, 2]));
}

#[test]
fn what_a_full_dead_letter_drops_is_counted() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = refusing_database(mariadb, "no_room");
    let gatelog = setup(&dir)
        .config("dead_letter: { max_bytes: 8KiB }\n")
        .variable("MYSQL_DSN", dsn)
        .start()
        .unwrap();
    assert_eq!(gatelog.ingest(numbered(0..100)).unwrap().0, 200);
    wait_for_stores(&gatelog);
    let kept = letters(dir.path(), "mysql", ".ndjson").len();
    assert!((1..10).contains(&kept), "{kept} letters");
    assert_eq!(stored(mariadb, "no_room").len(), 90);
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let dropped = 10 - kept;
    let counted =
        format!("gatelog_dead_letter_dropped_total{{reader=\"mysql\",reason=\"full\"}} {dropped}");
    assert!(metrics.contains(&counted), "{counted} in {metrics}");
    gatelog.wait_for_log("the dead letter is full").unwrap();
}
