//! Headers.

use gatelog_redact::{HEADERS, Rules};
use serde_json::json;

use crate::rules;

#[test]
fn secret_headers_are_masked_however_their_names_are_written() {
    let rules = rules(json!({"headers": ["X-Session"]}));
    for name in HEADERS.into_iter().chain(["x-session"]) {
        for name in [
            name.to_owned(),
            name.to_uppercase(),
            name.replace('-', "_"),
            format!("{name} "),
        ] {
            assert_eq!(
                rules.header(&name, "Bearer S").as_deref(),
                Some("***"),
                "{name}"
            );
        }
    }
    assert_eq!(rules.header("authorization", "").as_deref(), Some(""));
    assert_eq!(rules.header("x-authorization", "a").as_deref(), Some("a"));
}

#[test]
fn urls_in_other_headers_are_redacted() {
    let rules = Rules::default();
    for (name, value, redacted) in [
        (
            "referer",
            "https://h/a?token=S&b=c",
            "https://h/a?token=***&b=c",
        ),
        ("x-envoy-original-path", "/a?key=S", "/a?key=***"),
        ("location", "https://u:S@h/", "https://***@h/"),
        (":path", "u:S@h:443", "***@h:443"),
        ("from", "me@example.com", "me@example.com"),
        (
            "x-sig",
            "keyid=\"k\", signature=\"S\"",
            "keyid=\"k\", signature=***",
        ),
        ("cache-control", "max-age=3, private", "max-age=3, private"),
    ] {
        assert_eq!(rules.header(name, value).unwrap(), redacted);
    }
}

#[test]
fn a_dropped_header_is_left_out() {
    let rules = rules(json!({"how": "drop"}));
    assert_eq!(rules.header("cookie", "S"), None);
    assert_eq!(rules.header("accept", "a").as_deref(), Some("a"));
}

#[test]
fn headers_that_hold_a_host_may_hold_a_user() {
    let rules = Rules::default();
    for name in [
        "Host",
        ":authority",
        "X-Envoy-Original-Host",
        "x-forwarded-host",
        "x-envoy-original-path",
    ] {
        assert_eq!(
            rules.header(name, "u:S@h:80").unwrap(),
            "***@h:80",
            "{name}"
        );
    }
}
