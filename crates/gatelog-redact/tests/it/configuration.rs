//! What a configuration may say.

use gatelog_redact::{Redact, Rules};
use serde_json::json;

#[test]
fn wrong_entries_are_named() {
    for (config, key, told) in [
        (
            json!({"headers": [""]}),
            "redact.headers",
            "\"\": a name has 1 to 64 characters",
        ),
        (
            json!({"headers": ["a b"]}),
            "redact.headers",
            "\"a b\": a name cannot have ' '",
        ),
        (
            json!({"query": ["a=b"]}),
            "redact.query",
            "\"a=b\": a name cannot have '='",
        ),
        (json!({"query": [" "]}), "redact.query", "1 to 64"),
        (
            json!({"body": ["user"]}),
            "redact.body",
            "\"user\": byte 0: a path begins with `$`",
        ),
        (
            json!({"hash_key": "short"}),
            "redact.hash_key",
            "at least 16 bytes",
        ),
    ] {
        let config: Redact = serde_json::from_value(config).unwrap();
        let error = Rules::check(&config).unwrap_err();
        assert_eq!(error.key(), key);
        assert!(error.to_string().contains(told), "{error}");
    }
    for wrong in [
        json!({"header": []}),
        json!({"how": "hide"}),
        json!({"how": "Mask"}),
    ] {
        assert!(serde_json::from_value::<Redact>(wrong).is_err());
    }
}

#[test]
fn a_hash_needs_its_key() {
    let config: Redact = serde_json::from_value(json!({"how": "hash"})).unwrap();
    assert!(Rules::check(&config).is_ok());
    assert_eq!(Rules::new(&config, None).unwrap_err().key(), "redact.how");
    let config: Redact =
        serde_json::from_value(json!({"how": "hash", "hash_key": "0123456789abcdef"})).unwrap();
    assert!(Rules::new(&config, None).is_ok());
    assert!(!format!("{config:?}").contains("0123"));
}
