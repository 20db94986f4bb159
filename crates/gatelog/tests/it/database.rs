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
    let setup = setup(&dir)
        .variable("MYSQL_DSN", dsn)
        .variable("GATELOG_STORE__MYSQL__BATCH_DELAY_MS", "0");
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

/// As the Go collector: 50 records, or a second.
#[test]
fn records_are_gathered_by_number_and_by_time() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("gathered").unwrap();
    let gathering = |records: &str, delay_ms: &str| {
        setup(&dir)
            .variable("MYSQL_DSN", &dsn)
            .variable("GATELOG_STORE__MYSQL__BATCH_RECORDS", records)
            .variable("GATELOG_STORE__MYSQL__BATCH_DELAY_MS", delay_ms)
            .start()
            .unwrap()
    };
    let commits = || {
        let rows = mariadb.sql("SHOW GLOBAL STATUS LIKE 'Com_commit'").unwrap();
        rows[0][1].as_deref().unwrap().parse::<u64>().unwrap()
    };
    let by_number = gathering("50", "10000");
    let before = commits();
    for number in 0..50 {
        by_number.ingest(lines(number..number + 1)).unwrap();
    }
    by_number.wait_for_rows("", 50).unwrap();
    assert_eq!(commits() - before, 1);
    // What waits when the process ends is written.
    by_number.ingest(lines(50..53)).unwrap();
    assert!(by_number.terminate().unwrap().success());
    let by_time = gathering("1000000", "300");
    by_time.wait_for_rows("", 53).unwrap();
    by_time.ingest(lines(53..55)).unwrap();
    by_time.wait_for_rows("", 55).unwrap();
}

/// The server ends sessions that are silent for much longer than an answer may take.
#[test]
fn records_may_be_gathered_for_longer_than_an_answer_takes() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("slowly").unwrap() + "&readTimeout=1s&writeTimeout=1s";
    let gatelog = setup(&dir)
        .variable("MYSQL_DSN", dsn)
        .variable("GATELOG_STORE__MYSQL__BATCH_DELAY_MS", "4000")
        .start()
        .unwrap();
    for number in 0..2 {
        gatelog.ingest(lines(number..number + 1)).unwrap();
        gatelog.wait_for_rows("", number + 1).unwrap();
    }
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let errors = "gatelog_store_errors_total{store=\"mysql\"} 0";
    assert!(metrics.contains(errors), "{metrics}");
}

#[test]
fn values_that_are_cut_to_fit_are_counted_by_column() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("narrow").unwrap();
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    let line = format!(
        "{{\"start_time\":\"2026-03-23T02:10:01Z\",\"method\":\"{}\"}}",
        "é".repeat(11)
    );
    gatelog.ingest(&line).unwrap();
    let found = gatelog.wait_for_rows("", 1).unwrap();
    assert_eq!(found["logs"][0]["method"], "é".repeat(10));
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let counted = "gatelog_store_truncated_total{column=\"method\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_table_that_lacks_columns_is_told_and_not_filtered_by_them() {
    let mariadb = MariaDb::shared().unwrap();
    let dsn = mariadb.database("lacks_columns").unwrap();
    mariadb
        .sql("CREATE TABLE lacks_columns.access_logs (start_time DATETIME, path TEXT)")
        .unwrap();
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    gatelog.ingest(lines(0..3)).unwrap();
    gatelog.wait_for_rows("", 3).unwrap();
    gatelog.wait_for_log("lacks columns").unwrap();
    let (status, ready) = gatelog.get("/ready").unwrap();
    assert_eq!(status, 200);
    assert!(
        ready.contains("the table access_logs has no column for trace_id, authority, method, "),
        "{ready}"
    );
    let (status, answer) = gatelog.get("/query?model=m&path=x").unwrap();
    assert_eq!(status, 400);
    assert!(
        answer.contains("the table access_logs has no column model to filter by"),
        "{answer}"
    );
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

#[test]
fn what_the_database_refuses_is_kept_and_taken_back_when_it_fits() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::start().unwrap());
    let dsn = mariadb.database("letters").unwrap();
    mariadb
        .sql("SET GLOBAL max_allowed_packet = 1048576")
        .unwrap();
    let setup = setup(&dir).variable("MYSQL_DSN", dsn);
    let gatelog = setup.start().unwrap();
    let large = format!(
        "{{\"request_id\":\"large\",\"start_time\":\"2026-03-23T02:10:01Z\",\"ai_log\":{{\"answer\":\"{}\"}}}}\n",
        "x".repeat(2 << 20)
    );
    let body = format!("{}{large}{}", lines(0..3), lines(3..6));
    assert_eq!(gatelog.ingest(&body).unwrap().1, r#"{"accepted":7}"#);
    gatelog.wait_for_rows("", 6).unwrap();
    let file = dir.path().join("dead-letter/mysql.ndjson");
    let letters = wait::until("the dead letter", Duration::from_secs(10), || {
        std::fs::read_to_string(&file).map_err(|error| error.to_string())
    })
    .unwrap();
    assert_eq!(letters.lines().count(), 1);
    let letter: Value = serde_json::from_str(&letters).unwrap();
    assert_eq!(
        (&letter["request_id"], &letter["dead_letter_store"]),
        (&json!("large"), &json!("mysql"))
    );
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    for line in [
        "gatelog_store_written_total{store=\"mysql\"} 6",
        "gatelog_store_rejected_total{store=\"mysql\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    gatelog.terminate().unwrap();

    mariadb
        .sql("SET GLOBAL max_allowed_packet = 67108864")
        .unwrap();
    let gatelog = setup.start().unwrap();
    assert_eq!(gatelog.ingest(&letters).unwrap().0, 200);
    let found = gatelog.wait_for_rows("request_id=large", 1).unwrap();
    assert_eq!(
        found["logs"][0]["ai_log"]["answer"].as_str().unwrap().len(),
        2 << 20
    );
}

#[test]
fn a_table_without_transactions_is_not_written_again_at_a_restart() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("aria").unwrap();
    mariadb
        .sql("CREATE TABLE aria.access_logs (start_time DATETIME(3) NOT NULL, path TEXT) ENGINE=MyISAM")
        .unwrap();
    let setup = setup(&dir).variable("MYSQL_DSN", dsn);
    let gatelog = setup.start().unwrap();
    gatelog.ingest(lines(0..50)).unwrap();
    gatelog.wait_for_rows("", 50).unwrap();
    let ready: Value = serde_json::from_str(&gatelog.get("/ready").unwrap().1).unwrap();
    assert_eq!(ready["stores"][0]["exactly_once"], json!(false));
    gatelog.terminate().unwrap();
    let gatelog = setup.start().unwrap();
    gatelog.ingest(lines(50..51)).unwrap();
    gatelog.wait_for_rows("", 51).unwrap();
}

#[test]
fn a_database_that_hangs_does_not_hold_up_the_end() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::start().unwrap());
    let dsn = mariadb.database("hanging").unwrap();
    let setup = setup(&dir).variable("MYSQL_DSN", dsn);
    let gatelog = setup.start().unwrap();
    gatelog.ingest(lines(0..10)).unwrap();
    gatelog.wait_for_rows("", 10).unwrap();
    mariadb.freeze().unwrap();
    assert_eq!(gatelog.ingest(lines(10..20)).unwrap().0, 200);
    let told = wait::until("the silence to be told", Duration::from_secs(10), || {
        let (status, body) = gatelog.get("/ready").unwrap();
        if status == 503 { Ok(()) } else { Err(body) }
    });
    let ended = gatelog.terminate();
    mariadb.thaw().unwrap();
    told.unwrap();
    assert!(ended.unwrap().success());
    setup.start().unwrap().wait_for_rows("", 20).unwrap();
}
