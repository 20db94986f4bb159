//! Whole records.

use gatelog_record::{AccessRecord, Field, Slot, Timestamp, json, standard};
use gatelog_redact::Rules;

use crate::rules;

fn redacted(rules: &Rules, item: &str) -> String {
    let (mut record, _) = json::read(item).unwrap();
    assert!(rules.apply(&mut record), "{item}");
    let mut out = String::new();
    json::write(&record, &mut out);
    out
}

#[test]
fn every_field_is_redacted_by_what_it_holds() {
    let rules = rules(serde_json::json!({"body": ["$.user.email"]}));
    for (item, expected) in [
        (r#"{"path":"/a?token=S"}"#, r#"{"path":"/a?token=***"}"#),
        (r#"{"query":"token=S&a=1"}"#, r#"{"query":"token=***&a=1"}"#),
        (r#"{"authority":"u:S@h"}"#, r#"{"authority":"***@h"}"#),
        (
            r#"{"user_agent":"x https://h/?key=S"}"#,
            r#"{"user_agent":"x https://h/?key=***"}"#,
        ),
        (
            r#"{"request_headers":{"Cookie":["S","S"],"a":"b"}}"#,
            r#"{"request_headers":{"Cookie":["***","***"],"a":"b"}}"#,
        ),
        (
            r#"{"resp_headers":{"set-cookie":"S","location":"/?sig=S"}}"#,
            r#"{"response_headers":{"set-cookie":"***","location":"/?sig=***"}}"#,
        ),
        (
            r#"{"req_body":"{\"user\":{\"email\":\"S\"}}"}"#,
            r#"{"request_body":"{\"user\":{\"email\":\"***\"}}"}"#,
        ),
        (
            r#"{"response_body":"{\"user\":{\"email\":\"S"}"#,
            r#"{"response_body":"{\"user\":{\"email\":\"***\""}"#,
        ),
        (
            r#"{"ai_log":{"user":{"email":"S"},"u":"/?key=S"}}"#,
            r#"{"ai_log":{"user":{"email":"***"},"u":"/?key=***"}}"#,
        ),
        (
            r#"{"tries":[{"u":"https://h/?key=S"}]}"#,
            r#"{"tries":[{"u":"https://h/?key=***"}]}"#,
        ),
    ] {
        assert_eq!(redacted(&rules, item), expected);
    }
}

#[test]
fn columns_copied_from_ai_log_are_redacted_with_it() {
    let with = |path: &str, how: &str| rules(serde_json::json!({"body": [path], "how": how}));
    let item = r#"{"ai_log":{"session_id":"S","total_token":3}}"#;
    assert_eq!(
        redacted(&with("$..session_id", "mask"), item),
        r#"{"total_tokens":3,"ai_log":{"session_id":"***","total_token":3},"ai_session_id":"***"}"#
            .replace(
                r#""total_tokens":3,"ai_log":{"session_id":"***","total_token":3}"#,
                r#""ai_log":{"session_id":"***","total_token":3},"total_tokens":3"#
            )
    );
    assert_eq!(redacted(&with("$.*", "drop"), item), r#"{"ai_log":{}}"#);
}

#[test]
fn what_is_dropped_altogether_is_absent() {
    let rules = rules(serde_json::json!({"how": "drop"}));
    let (mut record, _) =
        json::read(r#"{"query":"token=S","req_headers":{"cookie":"S"},"method":"GET"}"#).unwrap();
    assert!(rules.apply(&mut record));
    let expected = AccessRecord {
        method: Some("GET".into()),
        ..AccessRecord::default()
    };
    assert_eq!(record, expected);
}

#[test]
fn a_record_without_secrets_is_left_alone() {
    let rules = rules(serde_json::json!({"body": ["$.user.email"]}));
    for number in 0..100 {
        let record = standard::record(number, Timestamp::EPOCH);
        let mut after = record.clone();
        assert!(!rules.apply(&mut after));
        assert_eq!(after, record);
    }
}

/// A new field is a text in which a URL may stand too, until somebody says otherwise.
#[test]
fn no_text_is_left_out() {
    let rules = Rules::default();
    for &field in Field::ALL {
        let mut record = AccessRecord::default();
        let url = "https://h/?token=S&a=b";
        match record.slot(field) {
            Slot::Text(slot) => *slot = Some(url.into()),
            Slot::Json(slot) => *slot = Some(format!("{{\"a\":\"{url}\"}}").into()),
            Slot::Headers(headers) => headers.push("a", url),
            _ => continue,
        }
        assert!(rules.apply(&mut record), "{}", field.name());
        let mut text = String::new();
        json::write(&record, &mut text);
        assert!(text.contains("?token=***&a=b"), "{text}");
    }
}

/// What a gateway logs besides has credentials under their names, at any depth.
#[test]
fn names_count_as_keys_in_what_kong_logged() {
    let item = concat!(
        r#"{"kong":{"authenticated_entity":{"id":"1","key":"S","consumer_id":"2"},"#,
        r#""request":{"url":"http://bob:S@a:80"},"upstream_uri":"/b?a=1&token=S","#,
        r#""own":[{"set-cookie":["S"]},{"X-Api-Key":{"a":"S"},"prompt_tokens":3}]}}"#
    );
    for how in ["mask", "drop"] {
        let rules = rules(serde_json::json!({"how": how, "body": ["$..consumer_id"]}));
        let text = redacted(&rules, item);
        assert!(!text.contains('S'), "{text}");
        assert!(!text.contains("\"2\""), "{text}");
        for kept in ["\"id\":\"1\"", "\"prompt_tokens\":3", "/b?a=1", "@a:80"] {
            assert!(
                text.contains(kept) || (how == "drop" && kept == "@a:80"),
                "{text}"
            );
        }
    }
    let clean = r#"{"kong":{"workspace":"w","route":{"id":"r"}}}"#;
    let (mut record, _) = json::read(clean).unwrap();
    assert!(!Rules::default().apply(&mut record));
}
