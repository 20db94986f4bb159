//! `POST /ingest`: what is taken, what is refused, and that neighbours are kept.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::service::{TestService, lines, start, start_with};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Status and body as JSON.
fn ingest(service: &TestService, body: impl AsRef<[u8]>) -> (u16, Value) {
    let (status, body) = service.ingest(body).unwrap();
    (
        status,
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("not JSON: {body}")),
    )
}

#[test]
fn an_object_an_array_and_lines_are_taken_with_and_without_compression() {
    let service = start();
    let line = lines(0..1);
    assert_eq!(ingest(&service, line.trim()), (200, json!({"accepted": 1})));
    let array = format!("[{}]", lines(1..4).trim().replace('\n', ","));
    assert_eq!(ingest(&service, &array), (200, json!({"accepted": 3})));
    assert_eq!(ingest(&service, lines(4..9)), (200, json!({"accepted": 5})));
    let packed = gzip(lines(9..20).as_bytes());
    let (status, body) = service
        .ingest_with(&[("content-encoding", "gzip")], &packed)
        .unwrap();
    assert_eq!((status, body.as_str()), (200, r#"{"accepted":11}"#));
    assert_eq!(ingest(&service, "[]"), (200, json!({"accepted": 0})));
    service.wait_for_rows("", 20).unwrap();
}

#[test]
fn every_sample_record_is_taken_and_shown() {
    let service = start();
    let samples = include_str!("../../../gatelog-record/testdata/sample_records.jsonl");
    for (index, line) in samples.lines().enumerate() {
        assert_eq!(
            ingest(&service, line),
            (200, json!({"accepted": 1})),
            "line {}",
            index + 1
        );
    }
    service.wait_for_rows("", 40).unwrap();
    let rows = service.all_rows("").unwrap();
    assert_eq!(rows.len(), 40);
    // The one that the old collector stored and then hid, and the one it refused.
    let by_id = |id: &str| rows.iter().find(|row| row["request_id"] == id).unwrap();
    assert!(by_id("a1b2001f-9c1e-4f3a-8b7d-5f000003bef1")["ai_log"].is_null());
    let strings = by_id("a1b20024-9c1e-4f3a-8b7d-5f000004599c");
    assert_eq!(strings["response_code"], 200);
    assert_eq!(strings["start_time"], "2026-03-23T02:10:36.217Z");
    assert_eq!(strings["ai_log"]["response_type"], "stream");
}

#[test]
fn bad_items_are_named_and_their_neighbours_stored() {
    let service = start();
    let body = format!(
        "{}{{\"response_code\":\"abc\"}}\n7\n{{}}\n{{\"method\":\n{}",
        lines(0..2),
        lines(2..4)
    );
    let (status, answer) = ingest(&service, &body);
    assert_eq!(status, 200);
    assert_eq!(answer["accepted"], 4);
    let rejected = answer["rejected"].as_array().unwrap();
    let at: Vec<_> = rejected
        .iter()
        .map(|item| item["index"].as_u64().unwrap())
        .collect();
    assert_eq!(at, [2, 3, 4, 5]);
    let error = rejected[0]["error"].as_str().unwrap();
    assert!(
        error.contains("response_code: expected an integer"),
        "{error}"
    );
    assert!(error.contains("found \"abc\""), "{error}");
    service.wait_for_rows("", 4).unwrap();
}

#[test]
fn a_body_of_which_nothing_is_taken_is_answered_400() {
    let service = start();
    for (body, error) in [
        ("", "the body is empty"),
        ("hello", "malformed JSON"),
        ("{}", "no known key"),
        ("[1]", "expected an object, found a number"),
        (r#"{"method":"#, "malformed JSON: EOF"),
    ] {
        let (status, answer) = ingest(&service, body);
        assert_eq!(
            (status, &answer["accepted"]),
            (400, &json!(0)),
            "{body}: {answer}"
        );
        let found = answer["rejected"][0]["error"].as_str().unwrap();
        assert!(found.starts_with(error), "{body}: {found}");
    }
    // Of very many the later ones are told as one; the last is the array that does not end.
    let (status, answer) = ingest(&service, format!("[{}", "1,".repeat(5000)));
    let rejected = answer["rejected"].as_array().unwrap();
    assert_eq!((status, rejected.len()), (400, 1001));
    assert_eq!(
        rejected[1000],
        json!({"index": 1000, "error": "4001 items up to index 5000 refused too"})
    );
}

#[test]
fn records_behind_very_many_bad_items_are_taken() {
    let service = start();
    let bad = "{\"a\":tru}\n{}\n".repeat(750);
    let body = format!("{bad}{}{bad}{}", lines(0..10), lines(10..15));
    let (status, answer) = ingest(&service, &body);
    assert_eq!((status, &answer["accepted"]), (200, &json!(15)));
    let rejected = answer["rejected"].as_array().unwrap();
    assert_eq!(rejected.len(), 1002);
    assert_eq!(
        rejected[1000..],
        [
            json!({"index": 1000, "error": "500 items up to index 1499 refused too"}),
            json!({"index": 1510, "error": "1500 items up to index 3009 refused too"}),
        ]
    );
    service.wait_for_rows("", 15).unwrap();
}

#[test]
fn nesting_is_limited_and_harmless() {
    let service = start();
    for deep in [
        format!(
            r#"{{"method":"GET","ai_log":{}{}}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        ),
        "[".repeat(100_000),
        format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000)),
    ] {
        assert_eq!(ingest(&service, &deep).0, 400);
    }
    assert_eq!(ingest(&service, lines(0..1)).0, 200);
}

#[test]
fn odd_records_are_kept_and_flagged() {
    let service = start();
    let mut body = br#"{"request_id":"no-time","start_time":"garbage","path":"/"}
{"request_id":"odd-log","start_time":"2026-03-23T02:10:01Z","ai_log":[1]}
{"request_id":"not-utf8","start_time":"2026-03-23T02:10:01Z","path":"/a"#
        .to_vec();
    body.extend(b"\xff\xfe\"}\n");
    body.extend(br#"{"request_id":"clean","start_time":"2026-03-23T02:10:01Z"}"#);
    assert_eq!(ingest(&service, &body), (200, json!({"accepted": 4})));
    service.wait_for_rows("", 4).unwrap();
    let rows = service.all_rows("fields=all").unwrap();
    let row = |id: &str| rows.iter().find(|row| row["request_id"] == id).unwrap();
    assert_eq!(row("no-time")["flaws"], 1);
    assert_eq!(row("no-time")["start_time"], row("no-time")["receive_time"]);
    assert_eq!(row("odd-log")["flaws"], 2);
    assert!(row("odd-log")["ai_log"].is_null());
    assert_eq!(row("not-utf8")["flaws"], 4);
    assert_eq!(row("not-utf8")["path"], "/a\u{fffd}\u{fffd}");
    assert!(row("clean")["flaws"].is_null());
    let (_, metrics) = service.get("/metrics").unwrap();
    for flaw in ["start_time", "ai_log", "utf8"] {
        let line = format!("gatelog_records_flawed_total{{flaw=\"{flaw}\"}} 1");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
}

#[test]
fn large_bodies_and_bombs_are_refused_and_others_still_served() {
    let service = start_with("ingest: { max_body_bytes: 1MiB, max_decompressed_bytes: 2MiB }\n");
    let (status, answer) = ingest(&service, vec![b' '; (1 << 20) + 1]);
    assert_eq!(status, 413);
    assert_eq!(answer["error"], "the body is larger than 1048576 bytes");
    let bomb = gzip(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let (status, answer) = service
        .ingest_with(&[("content-encoding", "gzip")], &bomb)
        .unwrap();
    assert_eq!(status, 413, "{answer}");
    let garbage = service
        .ingest_with(&[("content-encoding", "gzip")], b"garbage")
        .unwrap();
    assert_eq!(garbage.0, 400, "{}", garbage.1);
    let unknown = service
        .ingest_with(&[("content-encoding", "br")], b"{}")
        .unwrap();
    assert_eq!(unknown.0, 415, "{}", unknown.1);
    assert_eq!(ingest(&service, lines(0..1)).0, 200);
    let memory = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let peak_kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok())
        .unwrap();
    assert!(peak_kib < 200 << 10, "{peak_kib} KiB");
}

#[test]
fn a_large_body_is_taken_whole() {
    let service = start();
    assert_eq!(
        ingest(&service, lines(0..3000)),
        (200, json!({"accepted": 3000}))
    );
    service.wait_for_rows("", 3000).unwrap();
}

#[test]
fn other_methods_and_paths_are_refused() {
    let service = start();
    assert_eq!(service.get("/ingest").unwrap().0, 405);
    assert_eq!(service.get("/nothing").unwrap().0, 404);
    assert_eq!(service.get("/health").unwrap(), (200, "ok".to_owned()));
}

#[test]
fn a_full_journal_answers_503_until_the_store_has_caught_up() {
    // The database is never there, so the journal keeps everything.
    let service = start_with(
        "journal: { max_bytes: 64MiB }\nstore: { mysql: { dsn: \"u:p@tcp(127.0.0.1:1)/d\" } }\n",
    );
    let body = lines(0..2000);
    let refused = (0..100)
        .map(|_| service.ingest(&body).unwrap())
        .find(|(status, _)| *status != 200)
        .expect("the cap is reached");
    assert_eq!(refused.0, 503);
    assert!(refused.1.contains("the journal is full"), "{}", refused.1);
    assert_eq!(service.get("/health").unwrap().0, 200);
    let (status, ready) = service.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let told = ready["journal"]["error"].as_str().unwrap();
    assert_eq!(status, 503);
    assert!(
        told.starts_with("the journal is full: ") && told.contains(" of 67108864 bytes"),
        "{told}"
    );
}

#[test]
fn a_disk_at_its_reserve_is_told_with_what_is_free() {
    let service = start_with("journal: { reserve_bytes: 1EiB }\n");
    assert_eq!(service.ingest(lines(0..1)).unwrap().0, 503);
    let (status, ready) = service.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let told = ready["journal"]["error"].as_str().unwrap();
    let free = told.strip_prefix("the disk is full: ").unwrap_or(told);
    let (free, rest) = free.split_once(' ').unwrap();
    assert_eq!(status, 503);
    assert!(free.parse::<u64>().unwrap() > 0, "{told}");
    assert_eq!(
        rest,
        "bytes are free, 1152921504606846976 are kept for stores"
    );
}
