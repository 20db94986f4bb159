use std::borrow::Cow;

use gatelog_record::{Field, Headers, Slot};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::output::kong_json::{CustomFields, KongJson, LogFormat};

fn shortened(json: &str, room: usize) -> Value {
    let mut out = Vec::new();
    shorten(json.as_bytes(), room, &AccessRecord::default(), &mut out);
    assert!(out.len() <= room, "{} of {room}", out.len());
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn the_longest_header_goes_first_and_the_path_is_left() {
    let json = format!(
        r#"{{"request":{{"method":"GET","uri":"/{uri}","headers":{{"a":"{a}","b":["{b}","short"],"c":"short"}}}},"started_at":5}}"#,
        uri = "u".repeat(2000),
        a = "a".repeat(6000),
        b = "b".repeat(3000),
    );
    let value = shortened(&json, 7000);
    let request = &value["request"];
    assert_eq!(request["uri"].as_str().unwrap().len(), 2001);
    assert_eq!(request["headers"]["c"], "short");
    assert_eq!(request["headers"]["b"][1], "short");
    let lengths = [&request["headers"]["a"], &request["headers"]["b"][0]].map(|value| {
        value
            .as_str()
            .unwrap()
            .bytes()
            .take_while(|byte| b"ab".contains(byte))
            .count()
    });
    assert!(
        lengths[0].abs_diff(lengths[1]) < 2 && lengths[0] > 2300,
        "{lengths:?}"
    );
    let mark = format!("...[truncated {} bytes]", 6000 - lengths[0]);
    assert!(request["headers"]["a"].as_str().unwrap().ends_with(&mark));
    // Then the path, and both, and whole members.
    let value = shortened(&json, 3600);
    let uri = value["request"]["uri"].as_str().unwrap();
    assert!(uri.contains("...[truncated ") && uri.len() > 1024, "{uri}");
    let value = shortened(&json, 400);
    assert_eq!(value["request"]["method"], "GET");
    assert_eq!(value["started_at"], 5);
    let value = shortened(&json, 260);
    assert_eq!(
        value["request"]["headers"]["..."],
        format!("...[truncated {} bytes]", 6000 + 3000 + 37),
        "{value}"
    );
}

#[test]
fn a_member_that_goes_keeps_its_kind_and_the_id_of_the_request() {
    let headers: Vec<_> = (0..90)
        .map(|at| format!(r#""name-{at}":"value""#))
        .collect();
    let json = format!(
        r#"{{"request":{{"method":"GET","headers":{{{}}}}},"tries":[{}],"body":{{"deep":[{}]}},"started_at":5}}"#,
        headers.join(","),
        [r#"{"ip":"10.0.0.1","port":80}"#; 40].join(","),
        [r#""item""#; 100].join(","),
    );
    let record = AccessRecord {
        request_id: Some("4b6f\"2c".into()),
        ..AccessRecord::default()
    };
    let mut out = Vec::new();
    shorten(json.as_bytes(), 400, &record, &mut out);
    let value: Value = serde_json::from_slice(&out).unwrap();
    let is_mark = |value: &Value| value.as_str().unwrap().starts_with("...[truncated ");
    assert_eq!(value["request"]["headers"]["x-request-id"], "4b6f\"2c");
    assert!(is_mark(&value["request"]["headers"]["..."]), "{value}");
    assert!(is_mark(&value["tries"][0]), "{value}");
    assert!(is_mark(&value["body"]["..."]), "{value}");
    assert_eq!(value["started_at"], 5);
}

#[test]
fn a_cut_is_between_characters_escapes_and_pairs() {
    for (text, most, kept, left_out) in [
        ("abc", 2, 2, 1),
        ("aé", 2, 1, 2),
        ("a€b", 3, 1, 4),
        ("a\u{1F600}", 4, 1, 4),
        ("a\u{1F600}", 5, 5, 0),
        (r"a\n", 2, 1, 1),
        (r"a\\", 2, 1, 1),
        (r"\u001f", 5, 0, 1),
        (r"\u00e9x", 6, 6, 1),
        (r"\ud83d\ude00", 11, 0, 4),
        (r"\ud83d\ude00", 12, 12, 0),
        (r"\ud83dx", 6, 6, 1),
    ] {
        assert_eq!(
            cut(text.as_bytes(), most),
            (kept, left_out),
            "{text} {most}"
        );
    }
}

/// Texts with everything that has a meaning somewhere, some of them long.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z:/?&=%+\\[\\]{}|\"\\\\\n\r\t\u{1}é€\u{1F600},. 0-9-]{0,40}",
        ("[a-z\"\\\\\u{1}é\u{1F600}]{1,8}", 1..2000_usize)
            .prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn any_record() -> impl Strategy<Value = AccessRecord<'static>> {
    let texts = prop::collection::vec(prop::option::of(any_text()), Field::ALL.len());
    let headers = prop::collection::vec((any_text(), any_text()), 0..120);
    (texts, headers, any::<i64>()).prop_map(|(texts, headers, number)| {
        let mut record = AccessRecord::default();
        for (&field, text) in Field::ALL.iter().zip(texts) {
            let Some(text) = text else { continue };
            match record.slot(field) {
                Slot::Text(slot) => *slot = Some(text.into()),
                Slot::Json(slot) => {
                    let text = serde_json::to_string(&text).unwrap();
                    *slot = Some(
                        format!(r#"[{{"a\u00e9":{text} , "b" :[{text}]}},"\ud83d\ude00"]"#).into(),
                    );
                }
                Slot::Integer(slot) => *slot = Some(number),
                Slot::Headers(slot) => {
                    *slot = Headers::new();
                    for (name, value) in &headers {
                        slot.push(name.clone(), value.clone());
                    }
                }
                Slot::Time(slot) => *slot = Some(Timestamp::from_millis(number / 1000)),
                Slot::Id(_) | Slot::Float(_) => {}
            }
        }
        record
    })
}

/// What is left of a text that may have been cut: what stood before the mark.
fn begins(shown: &Value, whole: &str) -> bool {
    let shown = shown.as_str().unwrap();
    match shown.rsplit_once("...[truncated ") {
        Some((kept, _)) => whole.starts_with(kept) && kept.len() < whole.len(),
        None => shown == whole,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_record_fits_any_room(record in any_record(), room in LEAST..20_000_usize, custom: bool) {
        let fields = [("body", "%REQ(:PATH)% %PROTOCOL%"), ("request.x", "%REQ(:PATH)%")];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let fields = fields.into_iter().filter(|_| custom).collect();
        for format in [LogFormat::Seed, LogFormat::Kong3] {
            let mut whole = Vec::new();
            KongJson::new(format, CustomFields::new(&fields).unwrap()).write(&record, &mut whole);
            let mut out = b"before".to_vec();
            shorten(&whole, room, &record, &mut out);
            let out = &out["before".len()..];
            prop_assert!(out.len() <= room, "{} of {}", out.len(), room);
            let text = std::str::from_utf8(out).unwrap();
            let value: Value = serde_json::from_str(text).unwrap();
            if whole.len() <= room {
                prop_assert_eq!(out, whole.as_slice());
            } else {
                prop_assert!(text.contains("...[truncated "), "{}", text);
            }
            prop_assert_eq!(value["response"]["status"].as_i64(), record.response_code);
            prop_assert_eq!(value["started_at"].as_i64(), record.start_time.map(Timestamp::millis));
            prop_assert_eq!(value["latencies"]["request"].as_i64(), record.duration);
            let method = record.method.as_ref().map(Cow::as_ref);
            prop_assert!(method.is_none_or(|method| begins(&value["request"]["method"], method)));
            let id = record.request_id.as_ref().map(Cow::as_ref);
            let shown = &value["request"]["id"];
            prop_assert!(format == LogFormat::Seed || id.is_none_or(|id| begins(shown, id)));
        }
    }
}
