//! `/ready`, `/metrics` and the log.

use std::time::Duration;

use gatelog_testkit::wait;
use serde_json::{Value, json};

use crate::service::{lines, start, start_with};

#[test]
fn ready_tells_the_journal_and_the_stores() {
    let service = start();
    service.ingest(lines(0..10)).unwrap();
    let ready = wait::until("the store to be ready", Duration::from_secs(10), || {
        let (status, body) = service.get("/ready").unwrap();
        if status == 200 { Ok(body) } else { Err(body) }
    });
    let ready: Value = serde_json::from_str(&ready.unwrap()).unwrap();
    assert_eq!(ready["ready"], json!(true));
    assert_eq!(ready["stores"][0]["name"], "lake");
    assert_eq!(ready["stores"][0]["exactly_once"], json!(true));
    assert_eq!(ready["stores"][0]["answers_queries"], json!(true));
    assert_eq!(ready["journal"]["max_bytes"], json!(10u64 << 30));
}

#[test]
fn a_store_that_is_not_there_is_told_while_records_are_taken() {
    let service = start_with("store: { mysql: { dsn: \"u:secret@tcp(127.0.0.1:1)/d\" } }\n");
    assert_eq!(service.ingest(lines(0..10)).unwrap().0, 200);
    let ready = wait::until("the failure to be told", Duration::from_secs(10), || {
        let ready: Value = serde_json::from_str(&service.get("/ready").unwrap().1).unwrap();
        let error = ready["stores"][0]["error"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        if error.starts_with("mysql is not available") {
            Ok(ready)
        } else {
            Err(error)
        }
    })
    .unwrap();
    assert_eq!(ready["ready"], json!(false));
    assert!(ready["stores"][0]["lag_bytes"].as_u64().unwrap() > 5000);
    assert_eq!(service.get("/ready").unwrap().0, 503);
    assert_eq!(service.get("/health").unwrap().0, 200);
    let (status, body) = service.get("/query").unwrap();
    assert_eq!(status, 503);
    assert!(body.starts_with(r#"{"total":0,"logs":null,"status":"error","error":"mysql is not"#));
    assert!(!service.log().join("\n").contains("secret"));
}

/// Though it keeps rows for minutes before they are written to a file.
#[test]
fn an_idle_lake_has_no_lag() {
    let service = start();
    service.ingest(lines(0..10)).unwrap();
    service.wait_for_rows("", 10).unwrap();
    let (_, ready) = service.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let store = &ready["stores"][0];
    for number in ["lag_records", "lag_bytes", "lag_seconds"] {
        assert_eq!(store[number], 0, "{number}: {store}");
    }
    let metrics = service.get("/metrics").unwrap().1;
    for number in ["records", "bytes", "seconds"] {
        let line = format!("gatelog_reader_lag_{number}{{reader=\"lake\"}} 0\n");
        assert!(metrics.contains(&line), "{line} in:\n{metrics}");
    }
}

#[test]
fn the_log_begins_with_the_version_and_the_data_directory() {
    let service = start();
    let log = service.log();
    let first: Value = serde_json::from_str(&log[0]).unwrap();
    assert_eq!(first["message"], "gatelog starts");
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        first["data_dir"].as_str().unwrap().starts_with('/'),
        "{first}"
    );
    // Nothing is said of what is not there.
    assert!(!log.join("\n").contains("senders"), "{log:?}");
}

#[test]
fn metrics_count_what_happened() {
    let service = start();
    service.ingest(format!("{}7\n{{}}\n", lines(0..5))).unwrap();
    service.ingest("nonsense").unwrap();
    service.wait_for_rows("", 5).unwrap();
    let (status, metrics) = service.get("/metrics").unwrap();
    assert_eq!(status, 200);
    for line in [
        "gatelog_ingest_requests_total{status=\"200\"} 1",
        "gatelog_ingest_requests_total{status=\"400\"} 1",
        "gatelog_records_accepted_total 5",
        "gatelog_records_rejected_total{reason=\"not_an_object\"} 1",
        "gatelog_records_rejected_total{reason=\"no_known_key\"} 1",
        "gatelog_records_rejected_total{reason=\"syntax\"} 1",
        "gatelog_reader_lag_bytes{reader=\"lake\"} ",
        "gatelog_journal_bytes ",
        "# HELP gatelog_journal_bytes Bytes the journal holds.",
    ] {
        assert!(metrics.contains(line), "{line} in:\n{metrics}");
    }
}

#[test]
fn the_log_is_one_json_object_a_line_without_record_contents() {
    let service = start();
    service.ingest(lines(0..5)).unwrap();
    service.ingest("{\"method\":").unwrap();
    service.wait_for_rows("", 5).unwrap();
    let log = service.log();
    assert!(!log.is_empty());
    for line in &log {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(
            event["message"].is_string() && event["level"].is_string(),
            "{line}"
        );
        assert!(!line.contains("ai.example.com"), "{line}");
    }
}
