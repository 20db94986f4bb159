//! Texts that are made to take long.
//!
//! Each has half a MiB. Where a part of the walk looked at what lies behind it once for each character,
//! one of them took an hour: that the test ends is what it shows.

use gatelog_redact::Rules;

const BYTES: usize = 512 << 10;

/// `part` again and again.
fn much(part: &str) -> String {
    part.repeat(BYTES / part.len())
}

#[test]
fn a_url_is_walked_over_once() {
    let rules = Rules::default();
    for url in [
        format!("/a?token=S;{}", much(" ")),
        format!("/a?token=S;{}", much("; ")),
        format!("/a?token=S{}", much(";a")),
        much("/@"),
        much("%40"),
        format!("/a?token=S&{}", much("a://b:c/")),
        format!("/a?token=S&{}&", much("a://b:c/")),
        format!("/a?token=S&{}", much("a:%2F%2Fb:c/")),
        format!("//{}@h/", much("a=")),
        format!("//{}&@h/", much("token=")),
        format!("//{}%26@h/", much("token%3D")),
        much("token="),
        format!("token=S&{}", much("%")),
        format!("token=S&{}", much("%25")),
    ] {
        let redacted = rules.url(&url);
        assert!(!redacted.contains('S'), "{redacted:.60}");
    }
}

#[test]
fn any_other_text_is_walked_over_once() {
    let rules = crate::rules(serde_json::json!({"body": ["$.user.email"]}));
    for text in [
        format!("see /?token=S {}", much("\\")),
        format!("see /?token=S {}", much("\\u")),
        format!("{{\"a\":\"/?token=S\",\"b\":\"{}\"}}", much("\\\\")),
        much("[{"),
        much("\"email\":["),
        much("token:[\""),
        much("token:\" "),
        much("\" \\"),
        much("data: {\n"),
        much("<"),
    ] {
        assert!(!rules.body(&text).contains('S'), "{text:.60}");
        assert!(!rules.scrub(&text).contains('S'), "{text:.60}");
    }
}
