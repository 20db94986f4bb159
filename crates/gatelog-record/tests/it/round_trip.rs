//! Both travelling forms give the record back.

use gatelog_record::{
    AccessRecord, Field, Headers, RecordId, Slot, Timestamp, WireError, json, standard, wire,
};
use proptest::prelude::*;

/// Any record that a decoder could have made: texts are neither empty nor `-`.
fn any_record() -> impl Strategy<Value = AccessRecord<'static>> {
    let text = "[^-].{0,12}";
    // Few names, so that they repeat.
    let headers = prop::collection::vec(("[a-c]{1,2}", ".{0,8}"), 0..6);
    let one = (
        0..Field::ALL.len(),
        text,
        any::<i64>(),
        0..253_402_300_799_999_999i64,
        any::<u128>(),
    );
    (prop::collection::vec(one, 0..30), headers, 1e-9..1e9f64).prop_map(|(fields, pairs, float)| {
        let mut record = AccessRecord::default();
        for (index, text, number, micros, bits) in fields {
            match record.slot(Field::ALL[index]) {
                Slot::Text(slot) => *slot = Some(text.into()),
                Slot::Integer(slot) => *slot = Some(number),
                Slot::Float(slot) => *slot = Some(float),
                Slot::Time(slot) => *slot = Some(Timestamp::from_micros(micros)),
                Slot::Id(slot) => *slot = Some(RecordId::from_bits(bits)),
                Slot::Json(slot) => *slot = Some(r#"{"a":[1,"two"]}"#.into()),
                Slot::Headers(slot) => {
                    let mut headers = Headers::new();
                    for (name, value) in &pairs {
                        headers.push(name.clone(), value.clone());
                    }
                    *slot = headers;
                }
            }
        }
        record.response_flags = None;
        record.ai_log = None;
        record.tries = record.tries.map(|_| "[1]".into());
        record
    })
}

fn through_wire(record: &AccessRecord<'_>) -> AccessRecord<'static> {
    let mut batch = Vec::new();
    wire::begin_batch(&mut batch);
    wire::write_record(record, &mut batch);
    let mut records = wire::read_batch(&batch).unwrap();
    let read = records.next().unwrap().unwrap().into_owned();
    assert!(records.next().is_none());
    read
}

proptest! {
    #[test]
    fn the_wire_form_gives_the_record_back(record in any_record()) {
        prop_assert_eq!(through_wire(&record), record);
    }

    #[test]
    fn the_json_form_gives_the_record_back(mut record in any_record()) {
        // An object without a key is no record.
        record.method = Some("GET".into());
        // A header value of `-` is read as empty.
        for headers in [&mut record.request_headers, &mut record.response_headers] {
            let mut kept = Headers::new();
            for (name, value) in headers.iter().filter(|(_, value)| *value != "-") {
                kept.push(name.to_owned(), value.to_owned());
            }
            *headers = kept;
        }
        let mut text = String::new();
        json::write(&record, &mut text);
        let (read, _) = json::read(&text).unwrap();
        prop_assert_eq!(read, record);
    }

    #[test]
    fn no_bytes_make_the_wire_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut batch = vec![wire::VERSION];
        batch.extend(bytes);
        for record in wire::read_batch(&batch).unwrap() {
            drop(record);
        }
    }

    #[test]
    fn no_text_makes_the_json_reader_panic(text in r#"([{}\[\]":,\\ ]|path|1|null|\\u12){0,40}"#) {
        let (_, end) = json::read_next(&text);
        prop_assert!(end <= text.len());
    }

    /// serde_json's own tree is the oracle for texts and integers.
    #[test]
    fn texts_are_read_as_serde_json_reads_them(path in ".{1,30}", code in any::<i64>()) {
        prop_assume!(path != "-");
        let text = serde_json::json!({"path": path, "response_code": code, "x": [path]}).to_string();
        let (record, _) = json::read(&text).unwrap();
        prop_assert_eq!(record.path.as_deref(), Some(path.as_str()));
        prop_assert_eq!(record.response_code, Some(code));
    }
}

#[test]
fn the_standard_record_survives_both_forms() {
    for number in 0..50 {
        let record = standard::record(number, Timestamp::from_millis(1_774_231_801_217));
        let mut text = String::new();
        json::write(&record, &mut text);
        let (read, _) = json::read(&text).unwrap();
        assert_eq!(through_wire(&read), read);
        // The scalars of ai_log are promoted on reading.
        assert_eq!(read.ai_response_type.as_deref(), Some("stream"));
        assert_eq!(read.trace_id, record.trace_id);
    }
}

#[test]
fn a_cut_batch_gives_the_whole_records_before_the_cut_and_then_an_error() {
    let record = standard::record(1, Timestamp::EPOCH);
    let mut batch = Vec::new();
    wire::begin_batch(&mut batch);
    wire::write_record(&record, &mut batch);
    let one = batch.len();
    wire::write_record(&record, &mut batch);
    for cut in one + 1..batch.len() {
        let read: Vec<_> = wire::read_batch(&batch[..cut]).unwrap().collect();
        assert_eq!(read.len(), 2, "cut at {cut}");
        assert_eq!(read[0].as_ref(), Ok(&record));
        assert!(read[1].is_err());
    }
}

#[test]
fn a_field_of_a_later_version_is_passed_over_and_a_later_version_is_named() {
    let record = AccessRecord {
        method: Some("GET".into()),
        ..AccessRecord::default()
    };
    let mut batch = vec![wire::VERSION];
    wire::write_record(&record, &mut batch);
    // Field 2000, length delimited, behind the method; the record's length grows by five.
    batch.extend([0x82, 0x7d, 2, 9, 9]);
    batch[2] += 5;
    assert_eq!(wire::read_batch(&batch).unwrap().next(), Some(Ok(record)));
    batch[0] = 9;
    assert_eq!(
        wire::read_batch(&batch).unwrap_err(),
        WireError::UnknownVersion(9)
    );
}

#[test]
fn header_names_that_repeat_share_an_array_or_repeat_and_keep_their_order() {
    let mut headers = Headers::new();
    for (name, value) in [("a", "1"), ("a", ""), ("b", "x"), ("a", "2")] {
        headers.push(name, value);
    }
    let mut text = String::new();
    json::write_headers(&headers, &mut text);
    assert_eq!(text, r#"{"a":["1",""],"b":"x","a":"2"}"#);
    let item = format!(r#"{{"request_headers":{text}}}"#);
    assert_eq!(json::read(&item).unwrap().0.request_headers, headers);
    let mut none = String::new();
    json::write_headers(&Headers::new(), &mut none);
    assert_eq!(none, "{}");
}

#[test]
fn a_record_is_written_on_one_line_however_its_json_came() {
    let item = "{\"ai_log\":{\r\n  \"model\":\"a\\nb\"\n},\"tries\":[1,\n2]}";
    let (record, _) = json::read(item).unwrap();
    let mut text = String::new();
    json::write(&record, &mut text);
    assert!(!text.contains(['\n', '\r']), "{text}");
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        object["ai_log"],
        serde_json::json!({"model": "a\nb"}),
        "an escaped break stays"
    );
    assert_eq!(object["tries"], serde_json::json!([1, 2]));
}

#[test]
fn after_a_syntax_error_the_end_is_how_far_was_read() {
    for (text, seen) in [
        (r#"{"path":tru} and more"#, 12),
        ("{\"path\":\n\n  x, and more", 13),
        (r#"{"a":[{"a":["#, 12),
        ("nonsense", 2),
    ] {
        assert_eq!(json::read_next(text).1, seen, "{text}");
    }
}
