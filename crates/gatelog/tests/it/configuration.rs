//! `docs/configuration.md` and `examples/full.yaml` have every key of the configuration, and are right
//! about it.

use std::collections::BTreeMap;

use gatelog::config::{self, Config};
use schemars::schema_for;
use serde_json::Value;

const PAGE: &str = include_str!("../../../../docs/configuration.md");
const FULL: &str = include_str!("../../../../examples/full.yaml");

/// The path of every key, and the words that it may be where those are all.
fn keys() -> BTreeMap<String, Vec<String>> {
    let schema = schema_for!(Config).to_value();
    let mut keys = BTreeMap::new();
    collect(&schema, &schema, "", &mut keys);
    keys
}

fn collect(root: &Value, schema: &Value, path: &str, keys: &mut BTreeMap<String, Vec<String>>) {
    let schema = resolved(root, schema);
    let Some(properties) = schema["properties"].as_object() else {
        let words = schema["oneOf"].as_array().into_iter().flatten();
        let words = words.filter_map(|word| word["const"].as_str().map(str::to_owned));
        keys.insert(path.to_owned(), words.collect());
        return;
    };
    for (name, schema) in properties {
        let dot = if path.is_empty() { "" } else { "." };
        collect(root, schema, &format!("{path}{dot}{name}"), keys);
    }
}

/// What the schema of a value refers to, of one that may be left out, too.
fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let some = schema["anyOf"].as_array().and_then(|kinds| kinds.first());
    let schema = some.unwrap_or(schema);
    match schema["$ref"].as_str() {
        Some(path) => root.pointer(path.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// The rows of the table of keys: a key and its other cells.
fn rows() -> BTreeMap<String, Vec<&'static str>> {
    let table = PAGE.lines().skip_while(|line| !line.starts_with("| key |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let key = cells.next().unwrap().trim_matches('`').to_owned();
        (key, cells.collect())
    })
    .collect()
}

fn variable(key: &str) -> String {
    format!("GATELOG_{}", key.to_uppercase().replace('.', "__"))
}

/// The defaults. What has none as a whole is there for its other keys.
fn defaults(key: &str) -> Config {
    if key.starts_with("store.mysql") {
        config::parse("store: {mysql: {dsn: \"u:p@tcp(h)/d\"}}").unwrap()
    } else if key.starts_with("sample.") {
        config::parse("sample: {}").unwrap()
    } else {
        Config::default()
    }
}

/// The defaults, with a key set.
fn with(key: &str, value: &str) -> Result<Config, String> {
    let config = defaults(key);
    let variables = [(variable(key), value.to_owned())];
    let config = config::overlay(config, variables).map_err(|error| error.to_string())?;
    config::check(&config).map_err(|error| error.to_string())?;
    Ok(config)
}

#[test]
fn the_page_has_every_key_and_no_other() {
    let (keys, rows): (Vec<_>, Vec<_>) =
        (keys().into_keys().collect(), rows().into_keys().collect());
    assert!(
        keys.contains(&"store.mysql.retention".to_owned()),
        "{keys:?}"
    );
    assert_eq!(rows, keys);
}

#[test]
fn variables_words_and_defaults_are_those_of_the_page() {
    let keys = keys();
    for (key, cells) in rows() {
        let [variables, kind, default, allowed, what] = cells[..] else {
            panic!("{key}: {cells:?}");
        };
        assert!(
            variables.contains(&format!("`{}`", variable(&key))),
            "{key}"
        );
        assert!(!what.is_empty() && !kind.is_empty(), "{key}");
        let words: Vec<String> = keys[&key].iter().map(|word| format!("`{word}`")).collect();
        if !words.is_empty() {
            assert_eq!(allowed, words.join(", "), "{key}");
        }
        let set = |value: &str| with(&key, value).unwrap_or_else(|error| panic!("{key}: {error}"));
        let unset = |config: &Config| {
            let tree = serde_json::to_value(config).unwrap();
            tree.pointer(&format!("/{}", key.replace('.', "/")))
                .is_none()
        };
        if default == "none" {
            assert!(
                key == "store.mysql.dsn" || unset(&Config::default()),
                "{key}"
            );
            continue;
        }
        let value = default.trim_matches('`');
        assert_eq!(set(value), defaults(&key), "{key}");
    }
}

#[test]
fn the_ends_of_ranges_are_those_of_the_page() {
    for (key, fits, does_not) in [
        ("journal.max_bytes", "64MiB", "67108863"),
        ("journal.reserve_bytes", "0", "-1"),
        ("store.mysql.batch_records", "1", "0"),
        ("store.mysql.batch_delay_ms", "10000", "10001"),
        ("store.mysql.batch_delay_ms", "0", "-1"),
        ("store.mysql.retention", "1h", "59m"),
        ("store.mysql.retention", "36500d", "36501d"),
        ("ingest.max_body_bytes", "1", "0"),
        ("ingest.max_decompressed_bytes", "255MiB", "256MiB"),
        ("dead_letter.max_bytes", "0", "-1"),
        ("sample.rate", "0", "-0.1"),
        ("sample.rate", "1", "1.1"),
        ("sample.keep.status_ge", "1", "0"),
        ("sample.keep.status_ge", "999", "1000"),
        ("sample.keep.slower_than", "p99", "p100"),
        ("sample.keep.flags", "[UF, URX]", "[XX]"),
    ] {
        let cells = rows().remove(key).unwrap();
        assert!(
            cells[3].contains(&format!("`{fits}`")),
            "{key}: {}",
            cells[3]
        );
        assert!(with(key, fits).is_ok(), "{key}: {:?}", with(key, fits));
        assert!(with(key, does_not).is_err(), "{key}: {does_not}");
    }
}

#[test]
fn the_full_example_has_every_key() {
    let tree = serde_json::to_value(config::parse(FULL).unwrap()).unwrap();
    for (key, _) in keys() {
        assert!(
            tree.pointer(&format!("/{}", key.replace('.', "/")))
                .is_some(),
            "{key}"
        );
        let name = key.rsplit('.').next().unwrap();
        let is_written = FULL
            .lines()
            .any(|line| line.trim().starts_with(&format!("{name}:")));
        assert!(is_written, "{key} is not in examples/full.yaml");
    }
    // Where a key has a default, it is that.
    for (key, cells) in rows().into_iter().filter(|(_, cells)| cells[2] != "none") {
        let name = key.rsplit('.').next().unwrap();
        let line = format!("{name}: {}", cells[2].trim_matches('`'));
        assert!(
            FULL.lines().any(|found| found.trim() == line),
            "{key}: {line}"
        );
    }
}
