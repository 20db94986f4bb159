//! What is sent, and what is in the table.

use gatelog_testkit::gatelog::Started;
use gatelog_testkit::mariadb::MariaDb;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{FORMS, Form, collector, collector_with};
use crate::service::{lines, setup};

fn cell(rows: &[Vec<Option<String>>]) -> &str {
    rows[0][0].as_deref().unwrap()
}

/// Row 19.
#[test]
fn ai_log_is_kept_as_it_is_and_nothing_is_null() {
    let object =
        json!({"answer": "a\"b\\c\n日😀<&>", "usage": {"list": [1, 2.5, null]}, "t": true});
    let in_text = object.to_string();
    let item = |id: &str, ai_log: Value| json!({"start_time": "2026-03-23T02:10:01Z", "request_id": id, "ai_log": ai_log});
    let body = json!([
        item("object", object.clone()),
        item("text", json!(in_text)),
        item("dash", json!("-")),
        item("empty", json!("")),
        item("null", Value::Null),
        item("shape", json!([1])),
        {"start_time": "2026-03-23T02:10:01Z", "request_id": "none"},
    ]);
    for form in FORMS {
        let collector = collector("ai_log", form);
        let answer = collector.ingest(body.to_string()).unwrap();
        assert_eq!(answer, (200, r#"{"accepted":7}"#.to_owned()));
        collector.wait_for_rows("", 7).unwrap();
        for row in collector.logs("") {
            let whole = matches!(row["request_id"].as_str().unwrap(), "object" | "text");
            let expected = if whole { &object } else { &Value::Null };
            assert_eq!(&row["ai_log"], expected, "{form:?} {}", row["request_id"]);
        }
        let nothing = collector.sql("SELECT COUNT(*) FROM access_logs WHERE ai_log IS NULL");
        assert_eq!(cell(&nothing), "5");
    }
}

/// Row 20.
#[test]
fn every_form_of_a_body_is_taken_and_a_bad_item_is_named() {
    let object =
        |id: &str| format!(r#"{{"request_id":"{id}","start_time":"2026-03-23T02:10:01Z"}}"#);
    let envoy = r#"{"request_id":"envoy","start_time":"2026-03-23T02:10:01.217Z","response_code":"200","duration":"12","bytes_sent":"-","route_name":"-","response_flags":"UF,URX","ai_log":"-"}"#;
    for form in [Form::Own, Form::C] {
        let collector = collector("bodies", form);
        for (body, accepted) in [
            (object("one"), 1),
            (format!("[{},{}]", object("a1"), object("a2")), 2),
            (format!("{}\n{}\n", object("n1"), object("n2")), 2),
            (format!("{}{}", object("c1"), object("c2")), 2),
            (envoy.to_owned(), 1),
            ("[]".to_owned(), 0),
        ] {
            let answer = collector.ingest(&body).unwrap();
            assert_eq!(answer.0, 200, "{body}: {}", answer.1);
            let answer: Value = serde_json::from_str(&answer.1).unwrap();
            assert_eq!(answer["accepted"], accepted, "{body}");
        }
        let bad = format!(
            r#"[{},{{"response_code":"abc"}},{}]"#,
            object("before"),
            object("behind")
        );
        let (status, answer) = collector.ingest(&bad).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["accepted"]), (200, &json!(2)));
        assert_eq!(answer["rejected"][0]["index"], 1);
        collector.wait_for_rows("", 10).unwrap();
        assert_eq!(
            collector.found(""),
            "a1 a2 before behind c1 c2 envoy n1 n2 one"
        );
        let row = &collector.logs("request_id=envoy")[0];
        let numbers = (&row["response_code"], &row["duration"], &row["bytes_sent"]);
        assert_eq!(numbers, (&json!(200), &json!(12), &Value::Null));
        assert_eq!(row["response_flags"], "UF,URX");
        let absent = "SELECT route_name IS NULL AND ai_log IS NULL AND bytes_sent IS NULL
                      FROM access_logs WHERE request_id = 'envoy'";
        assert_eq!(cell(&collector.sql(absent)), "1");
    }
}

/// Row 23.
#[test]
fn what_was_acknowledged_is_in_the_table_when_sigterm_has_ended_it() {
    let dir = TempDir::new().unwrap();
    let mariadb = MariaDb::shared().unwrap();
    let dsn = mariadb.database("drained").unwrap();
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    // One by one, as the Go plugin sends them.
    for number in 0..30 {
        assert_eq!(gatelog.ingest(lines(number..number + 1)).unwrap().0, 200);
    }
    assert!(gatelog.terminate().unwrap().success());
    let rows = mariadb.sql("SELECT COUNT(*) FROM drained.access_logs");
    assert_eq!(cell(&rows.unwrap()), "30");
}

/// Rows 24 and 36.
#[test]
fn a_value_that_does_not_fit_is_cut_and_its_neighbours_are_whole() {
    let item = |id: &str, path: &str, duration: i64| {
        json!({"start_time": "2026-03-23T02:10:01Z", "request_id": id, "path": path,
               "duration": duration})
    };
    let long = "é".repeat(2001);
    let body = json!([
        item("a", "/a", 1),
        item("long", &long, 1 << 31),
        {"start_time": "2040-01-01T00:00:00Z", "request_id": "far"},
        item("z", "/z", 2)
    ]);
    for form in FORMS {
        let collector = collector("cut", form);
        assert_eq!(collector.ingest(body.to_string()).unwrap().0, 200);
        collector.wait_for_rows("", 4).unwrap();
        assert_eq!(collector.found(""), "a far long z", "{form:?}");
        let row = &collector.logs("request_id=long")[0];
        let short = matches!(form, Form::B | Form::C);
        let chars = row["path"].as_str().unwrap().chars().count();
        assert_eq!(chars, if short { 256 } else { 2001 }, "{form:?}");
        let far = collector.logs("request_id=far")[0]["start_time"].clone();
        let clamped = "2038-01-19T03:14:07.000Z";
        let whole = "2040-01-01T00:00:00.000Z";
        assert_eq!(far, if form == Form::B { clamped } else { whole });
    }
}

/// Row 26.
#[test]
fn without_a_readable_start_the_time_of_receipt_stands() {
    let body = r#"[{"request_id":"none"},{"request_id":"empty","start_time":""},
                   {"request_id":"bad","start_time":"yesterday"}]"#;
    for form in FORMS {
        let collector = collector("receipt", form);
        let answer = collector.ingest(body).unwrap();
        assert_eq!(answer, (200, r#"{"accepted":3}"#.to_owned()), "{form:?}");
        collector.wait_for_rows("", 3).unwrap();
        let now = collector.form.moment("2026-01-01 00:00:00");
        let late = collector.sql(&format!(
            "SELECT COUNT(*) FROM access_logs WHERE start_time > {now}"
        ));
        assert_eq!(cell(&late), "3", "{form:?}");
        let (_, metrics) = collector.get("/metrics").unwrap();
        let flagged = metrics
            .lines()
            .any(|line| line.starts_with("gatelog_records_flawed_total") && line.ends_with(" 3"));
        assert!(flagged, "{metrics}");
    }
}

/// Row 27, the writing half.
#[test]
fn an_instant_is_one_whatever_its_offset() {
    let instants = [
        "2026-03-23T02:10:01.217Z",
        "2026-03-23T10:10:01.217+08:00",
        "2026-03-22T23:10:01.217-03:00",
    ];
    let items: Vec<Value> = instants
        .iter()
        .enumerate()
        .map(|(number, start)| json!({"start_time": start, "request_id": number.to_string()}))
        .collect();
    for form in FORMS {
        let collector = collector("offsets", form);
        collector.ingest(json!(items).to_string()).unwrap();
        collector.wait_for_rows("", 3).unwrap();
        let fraction = if form == Form::Own { "217" } else { "000" };
        for row in collector.logs("") {
            let expected = format!("2026-03-23T02:10:01.{fraction}Z");
            assert_eq!(row["start_time"], expected, "{form:?}");
        }
        let distinct = collector.sql("SELECT COUNT(DISTINCT start_time) FROM access_logs");
        assert_eq!(cell(&distinct), "1", "{form:?}");
    }
}

/// Row 35.
#[test]
fn the_go_dsn_works_with_and_without_its_options() {
    let all = "&collation=utf8mb4_bin&timeout=5s&readTimeout=20s&writeTimeout=20s\
        &maxAllowedPacket=4194304&interpolateParams=true&allowAllFiles=true&clientFoundRows=true\
        &multiStatements=true&rejectReadOnly=true&checkConnLiveness=false&tls=preferred";
    for (name, options, told) in [
        ("dsn_all", all, None),
        (
            "dsn_zone",
            "&loc=Asia%2FShanghai",
            Some("option loc has no effect"),
        ),
        ("dsn_other", "&foo=bar", Some("option foo is not known")),
    ] {
        let collector = collector_with(name, Form::A, "", options);
        collector.ingest(lines(0..3)).unwrap();
        let found = collector.wait_for_rows("", 3).unwrap();
        assert_eq!(found["logs"][0]["start_time"], "2026-03-23T02:10:01.000Z");
        match told {
            Some(text) => collector.wait_for_log(text).unwrap(),
            None => assert!(!collector.log().join("\n").contains("has no effect")),
        }
    }
}

#[test]
fn an_authority_that_cannot_be_read_is_named() {
    let dir = TempDir::new().unwrap();
    let started = setup(&dir)
        .variable("MYSQL_DSN", "u:secret@tcp(127.0.0.1:1)/logs?tls=ours")
        .variable("GATELOG_STORE__MYSQL__TLS_CA", "/nowhere/ca.pem")
        .start_or_end()
        .unwrap();
    let Started::Ended(status, log) = started else {
        panic!("it listens");
    };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("store.mysql.tls_ca /nowhere/ca.pem: No such file"),
        "{log}"
    );
    assert!(!log.contains("secret"), "{log}");
}

/// Row 40.
#[test]
fn a_body_that_comes_again_is_in_the_table_once() {
    let collector = collector("again", Form::A);
    for expected in [r#"{"accepted":5}"#, r#"{"accepted":0,"duplicates":5}"#] {
        let key = [("Idempotency-Key", "batch-1")];
        let answer = collector.ingest_with(&key, lines(0..5).as_bytes()).unwrap();
        assert_eq!(answer, (200, expected.to_owned()));
    }
    collector.ingest(lines(5..6)).unwrap();
    collector.wait_for_rows("", 6).unwrap();
    assert_eq!(
        cell(&collector.sql("SELECT COUNT(*) FROM access_logs")),
        "6"
    );
}

/// Row 36: whatever is written to a table, it keeps its shape.
#[test]
fn a_table_that_is_found_keeps_its_columns_and_its_rows() {
    let columns = "SELECT CONCAT_WS(' ', column_name, column_type, is_nullable, column_default,
                     collation_name) FROM information_schema.columns
                   WHERE table_schema = DATABASE() AND table_name = 'access_logs'";
    for form in [Form::A, Form::B, Form::C] {
        let collector = collector("shape", form);
        let before = collector.sql(columns);
        let moment = form.moment("2026-03-23 02:10:01");
        collector.sql(&format!(
            "INSERT INTO access_logs (start_time, request_id) VALUES ({moment}, 'theirs')"
        ));
        collector.ingest(lines(0..3)).unwrap();
        collector.wait_for_rows("", 4).unwrap();
        assert_eq!(collector.sql(columns), before, "{form:?}");
        assert_eq!(collector.found("request_id=theirs"), "theirs");
    }
}
