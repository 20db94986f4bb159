use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::*;
use crate::config::plugins::{Kind, Plugin};

/// What makes messages with these keys besides, from a host of this name.
pub(in crate::output::loggly) fn message(config: Value, hostname: &str) -> Message {
    let Value::Object(mut keys) = config else {
        panic!("no object");
    };
    keys.entry("key").or_insert_with(|| json!("TOKEN"));
    let plugin: Map<String, Value> = [
        ("name".to_owned(), json!("loggly")),
        ("config".to_owned(), Value::Object(keys)),
    ]
    .into_iter()
    .collect();
    let plugin: Plugin = serde_json::from_value(Value::Object(plugin)).unwrap();
    let Kind::Loggly(settings) = plugin.kind() else {
        panic!("{plugin:?}");
    };
    Message::new(settings, hostname).unwrap()
}

fn written(message: &Message, record: &AccessRecord<'_>) -> String {
    let mut out = Vec::new();
    let before = SystemTime::now();
    let written = message.write(record, &mut Clock::default(), usize::MAX, &mut out);
    assert_eq!(written, Written::Whole);
    let text = String::from_utf8(out).unwrap();
    // The time of sending, where it always stands.
    let (head, rest) = text.split_once(' ').unwrap();
    let (time, rest) = rest.split_once(' ').unwrap();
    let time = DateTime::parse_from_rfc3339(time).unwrap();
    let since = SystemTime::from(time);
    let second = std::time::Duration::from_secs(1);
    assert!(
        since + second > before && since <= SystemTime::now(),
        "{time}"
    );
    format!("{head} TIME {rest}")
}

fn record(status: Option<i64>) -> AccessRecord<'static> {
    AccessRecord {
        method: Some(Cow::Borrowed("GET")),
        response_code: status,
        ..AccessRecord::default()
    }
}

#[test]
fn the_time_is_in_whole_seconds_of_utc_and_follows_the_clock() {
    let mut clock = Clock::default();
    assert_eq!(clock.at(1_782_893_350), b"2026-07-01T08:09:10Z");
    assert_eq!(clock.at(1_782_893_350), b"2026-07-01T08:09:10Z");
    assert_eq!(clock.at(0), b"1970-01-01T00:00:00Z");
    assert_eq!(clock.at(1_782_893_351), b"2026-07-01T08:09:11Z");
}

#[test]
fn each_byte_is_kongs() {
    let kong = message(json!({"log_format": "kong-3"}), "gw-1");
    assert_eq!(
        written(&kong, &record(Some(200))),
        "<14>1 TIME gw-1 kong - - [TOKEN@41058 tag=\"kong\"] \
         {\"request\":{\"method\":\"GET\"},\"response\":{\"status\":200},\"latencies\":{\"proxy\":-1}}"
    );
}

#[test]
fn tags_are_one_behind_the_other_each_once_and_escaped() {
    let head = |tags: Value| {
        let message = message(json!({"tags": tags}), "-");
        let text = written(&message, &record(None));
        let (head, _) = text.split_once(" {\"request\"").unwrap();
        let tags = head.strip_prefix("<14>1 TIME - kong - - ");
        tags.unwrap().to_owned()
    };
    assert_eq!(head(json!(null)), "[TOKEN@41058 tag=\"kong\"]");
    assert_eq!(head(json!("one")), "[TOKEN@41058 tag=\"one\"]");
    assert_eq!(head(json!([])), "[TOKEN@41058]");
    assert_eq!(
        head(json!(["a", "b", "a"])),
        "[TOKEN@41058 tag=\"a\" tag=\"b\"]"
    );
    assert_eq!(
        head(json!(["q\"b]s\\é ="])),
        "[TOKEN@41058 tag=\"q\\\"b\\]s\\\\é =\"]"
    );
}

#[test]
fn the_priority_is_facility_user_with_the_severity_of_the_status() {
    let words = [
        "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
    ];
    for (number, word) in words.into_iter().enumerate() {
        for (key, status) in [
            ("successful_severity", Some(200)),
            ("client_errors_severity", Some(404)),
            ("server_errors_severity", Some(502)),
            ("successful_severity", None),
        ] {
            let text = written(&message(json!({key: word}), "h"), &record(status));
            assert!(text.starts_with(&format!("<{}>1 ", 8 + number)), "{text}");
        }
    }
}

#[test]
fn this_host_has_a_name_or_a_hyphen() {
    let name = hostname();
    assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
    let uname = std::process::Command::new("uname")
        .arg("-n")
        .output()
        .unwrap();
    assert_eq!(name, String::from_utf8(uname.stdout).unwrap().trim());
}

#[test]
fn what_is_too_long_is_shortened_to_the_very_limit_and_no_more() {
    let kong = message(json!({"log_format": "kong-3"}), "gw-1");
    let mut record = record(Some(200));
    record.request_headers.push("x-long", "v".repeat(5000));
    for limit in [1024, 1500, 3000, 5000] {
        let mut out = b"before".to_vec();
        let written = kong.write(&record, &mut Clock::default(), limit, &mut out);
        assert_eq!(written, Written::Shortened);
        let text = std::str::from_utf8(&out["before".len()..]).unwrap();
        assert!(
            text.len() <= limit && text.len() + 12 > limit,
            "{limit}: {}",
            text.len()
        );
        let (_, json) = text.split_once(" {").unwrap();
        let json: Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        let value = json["request"]["headers"]["x-long"].as_str().unwrap();
        let kept = value.bytes().take_while(|byte| *byte == b'v').count();
        assert_eq!(
            value.split_at(kept).1,
            format!("...[truncated {} bytes]", 5000 - kept)
        );
    }
    let mut out = b"before".to_vec();
    let too_long = kong.write(&record, &mut Clock::default(), 100, &mut out);
    assert_eq!(
        (too_long, out.as_slice()),
        (Written::TooLong, b"before".as_slice())
    );
}
