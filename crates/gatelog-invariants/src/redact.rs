//! `gatelog_redact`: texts of any kind, and secrets between them.

use gatelog_record::json;
use gatelog_redact::{Redact, Rules};

use crate::program::must;

/// What stands in every secret here.
const SECRET: &str = "QXZJVKQXZJVK";

/// The first byte chooses what becomes of secrets; the rest is text.
///
/// - Nothing panics, and what passes twice is as after the first time.
/// - A whole JSON document stays one.
/// - A secret that is put behind any text, under a name that the rules have, does not come out.
/// - A record stays one that can be written and read.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let (choice, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let text = String::from_utf8_lossy(rest);
    let how = if choice % 2 == 0 { "mask" } else { "drop" };
    let config =
        format!(r#"{{"body":["$.user.email","$..pin"],"query":["session"],"how":"{how}"}}"#);
    let config: Redact = must(serde_json::from_str(&config), "the configuration");
    let rules = must(Rules::new(&config, None), "the rules");
    passes_twice(&rules, &text, how);
    stays_json(&rules, &text);
    hides(&rules, &text);
    if let Ok((mut record, _)) = json::read(&text) {
        rules.apply(&mut record);
        let mut written = String::new();
        json::write(&record, &mut written);
        assert!(written == "{}" || json::read(&written).is_ok(), "{written}");
    }
}

fn passes_twice(rules: &Rules, text: &str, how: &str) {
    let (url, body) = (rules.url(text), rules.body(text));
    let scrubbed = rules.scrub(text);
    if how == "mask" {
        assert_eq!(rules.url(&url), url, "of {text}");
        assert_eq!(rules.body(&body), body, "of {text}");
        drop(rules.scrub(&scrubbed));
    }
}

fn stays_json(rules: &Rules, text: &str) {
    let is_json = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    if text.trim_ascii_start().starts_with(['{', '[']) && is_json(text) {
        let redacted = rules.body(text);
        assert!(is_json(&redacted), "{redacted}");
    }
}

fn hides(rules: &Rules, text: &str) {
    if text.contains("QXZ") {
        return;
    }
    let url = format!("{text}&session={SECRET}");
    let told = rules.url(&url);
    assert!(!told.contains(SECRET), "{told}");
    let line = format!("{text}\nauthorization: Bearer {SECRET}");
    let told = rules.scrub(&line);
    assert!(!told.contains(SECRET), "{told}");
    for body in [
        format!(r#"{{"user":{{"x":"a","email":"{SECRET}"#),
        format!(r#"[{text},{{"pin":"{SECRET}"}}]"#),
        format!("data: {{\"pin\":\"{SECRET}\"}}\n{text}"),
        format!("{{\"pin\":\"{SECRET}{text}"),
    ] {
        let told = rules.body(&body);
        assert!(!told.contains(SECRET), "{told}");
    }
}
