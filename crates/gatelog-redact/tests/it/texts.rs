//! Texts that could not be read.

use gatelog_redact::Rules;
use serde_json::json;

use crate::rules;

#[test]
fn names_with_values_are_found_in_any_text() {
    let rules = rules(json!({"body": ["$.user.email"]}));
    for (text, redacted) in [
        (
            r#"{"authorization": "Bearer S","a":1"#,
            r#"{"authorization": "***","a":1"#,
        ),
        (
            r#"{"a":{"Authorization":"S"x"S","b":1"#,
            r#"{"a":{"Authorization":"***","b":1"#,
        ),
        (
            r#"{"authorization":"S\",S","b":1"#,
            r#"{"authorization":"***","b":1"#,
        ),
        (
            r#"{\"cookie\":\"S\",\"b\":1"#,
            r#"{\"cookie\":\"***\",\"b\":1"#,
        ),
        (
            r#""set-cookie":["S","S"],"b":1"#,
            r#""set-cookie":***,"b":1"#,
        ),
        (
            r#"[["cookie","S"],["b","c"]]"#,
            r#"[["cookie","***],["b","c"]]"#,
        ),
        (
            r#"{"name":"cookie","value":"S"},{"name":"b"}"#,
            r#"{"name":"cookie","***},{"name":"b"}"#,
        ),
        ("Cookie: a=S; b=S\r\nAccept: c", "Cookie: ***\r\nAccept: c"),
        (
            r#"[2026] "GET /a?token=S&b=c HTTP/1.1" 200"#,
            r#"[2026] "GET /a?token=***&b=c HTTP/1.1" 200"#,
        ),
        (
            r#""GET /a?to%6ben=S%20S HTTP/1.1""#,
            r#""GET /a?to%6ben=*** HTTP/1.1""#,
        ),
        (r#"x "Bearer S" y"#, r#"x "Bearer ***" y"#),
        ("key=S next", "key=*** next"),
        (r#"user":{"email":"S""#, r#"user":{"email":"***""#),
        ("http://u:S@h/", "http://***@h/"),
        (r#"{"authorization":"S"#, r#"{"authorization":"***"#),
        ("authorization", "authorization"),
        ("the key is lost: really", "the key is lost: really"),
    ] {
        assert_eq!(rules.scrub(text), redacted);
    }
    assert_eq!(Rules::default().scrub("user.email=a"), "user.email=a");
}
