use std::collections::BTreeSet;

use super::*;
use crate::config::plugins::{Kind, Plugin};

/// The least that each plugin needs.
fn least(name: &str) -> Map<String, Value> {
    let config = match name {
        "file-log" => json!({"path": "/tmp/x"}),
        "http-log" => json!({"http_endpoint": "http://localhost/"}),
        "loggly" => json!({"key": "k"}),
        _ => json!({}),
    };
    config.as_object().unwrap().clone()
}

fn read(name: &str, config: &Map<String, Value>) -> Result<Plugin, String> {
    serde_json::from_value(json!({"name": name, "config": config}))
        .map_err(|error| error.to_string())
}

#[test]
fn tables_have_the_names_that_are_read() {
    for name in Kind::NAMES {
        let mut config = least(name);
        config.insert("no-such-key".to_owned(), json!(1));
        let error = read(name, &config).unwrap_err();
        let known = error.split("expected one of: ").nth(1).unwrap();
        let known: BTreeSet<_> = known.split(", ").collect();
        let fields: BTreeSet<_> = fields(name).iter().map(|field| field.name).collect();
        assert_eq!(fields, known, "{name}");
    }
}

/// Settings beside the least, on which defaults depend.
const MORE: [(&str, &str); 7] = [
    ("file-log", r#"{"access_log_format": "%PROTOCOL%"}"#),
    (
        "file-log",
        r#"{"accessLogFormat": "hango", "omit_empty_values": true}"#,
    ),
    (
        "file-log",
        r#"{"access_log_json_format": {"a": "%PROTOCOL%"}}"#,
    ),
    (
        "file-log",
        r#"{"custom_fields": {"a": "%PROTOCOL%"}, "max_backlog": {"age": "2h"}}"#,
    ),
    (
        "http-log",
        r#"{"queue": {"max_batch_size": 10}, "headers": {"a": "b"}}"#,
    ),
    ("loggly", r#"{"transport": "tcp"}"#),
    (
        "loggly",
        r#"{"transport": "tls", "tls": {"server_name": "x"}}"#,
    ),
];

#[test]
fn what_is_shown_can_be_sent_back() {
    let least_of_all = Kind::NAMES.map(|name| (name, "{}"));
    for (name, more) in least_of_all.into_iter().chain(MORE) {
        let fields = fields(name);
        let mut config = least(name);
        let more: Map<String, Value> = serde_json::from_str(more).unwrap();
        config.extend(more);
        let all = shown(fields, &config);
        for field in fields.iter().filter(|field| !field.quiet) {
            assert!(all.contains_key(field.name), "{name}: {}", field.name);
        }
        // As the Admin API takes it: `null` is as if it were not there.
        let sent = merged(fields, Map::new(), all.clone());
        let read_back = read(name, &sent).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The defaults that are told are those that work.
        let expected = read(name, &config).unwrap();
        assert_eq!(read_back.kind(), expected.kind(), "{name}");
        assert_eq!(shown(fields, &all), all);
    }
}

#[test]
fn settings_are_changed_one_by_one_and_lists_as_a_whole() {
    const INNER: &[Field] = &[Field::new("a", Is::Integer), Field::new("b", Is::Integer)];
    const FIELDS: &[Field] = &[
        Field::new("record", Is::Record(INNER)),
        Field::new("map", Is::Map),
        Field::new("list", Is::Set),
        Field::new("gone", Is::String),
    ];
    let object = |value: Value| value.as_object().unwrap().clone();
    let old = object(json!({
        "record": {"a": 1, "b": 2}, "map": {"x": "1"}, "list": ["a"], "gone": "x", "stays": 1
    }));
    let new = object(json!({
        "record": {"a": 5, "b": null}, "map": {"y": "2"}, "list": ["b"], "gone": null
    }));
    let expected = object(json!({
        "record": {"a": 5}, "map": {"y": "2"}, "list": ["b"], "stays": 1
    }));
    assert_eq!(merged(FIELDS, old.clone(), new), expected);
    let cleared = merged(FIELDS, old, object(json!({"record": null, "map": null})));
    let expected = object(json!({"list": ["a"], "gone": "x", "stays": 1}));
    assert_eq!(cleared, expected);
}

#[test]
fn a_schema_tells_type_default_and_bounds() {
    const FIELDS: &[Field] = &[
        Field::new("method", Is::String)
            .or(Fallback::Text("POST"))
            .one_of(&["POST", "PUT"]),
        Field::new("port", Is::Integer).between(0.0, 65535.0),
        Field::new("delay", Is::Number)
            .or(Fallback::Number(0.01))
            .between(0.001, 1_000_000.0),
        Field::new("key", Is::String)
            .required()
            .secret(Secret::Whole),
    ];
    let expected = json!([
        {"method": {"type": "string", "default": "POST", "one_of": ["POST", "PUT"]}},
        {"port": {"type": "integer", "between": [0, 65535]}},
        {"delay": {"type": "number", "default": 0.01, "between": [0.001, 1_000_000]}},
        {"key": {"type": "string", "required": true, "encrypted": true}},
    ]);
    assert_eq!(described(FIELDS), expected);
}
