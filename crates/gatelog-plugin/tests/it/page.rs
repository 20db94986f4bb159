//! `docs/plugin.md` has every key of the plugin's configuration, and is right about it.

use std::collections::{BTreeMap, BTreeSet};

use gatelog_plugin::config::Config;
use gatelog_plugin::host::Counter;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../../docs/plugin.md");

/// The rows of the table of keys: a key and its other cells.
fn rows() -> BTreeMap<&'static str, Vec<String>> {
    let table = PAGE.lines().skip_while(|line| !line.starts_with("| key |"));
    let rows = table.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let row = row.trim_matches('|');
        let (key, cells) = row.split_once(" | ").unwrap();
        // A cell's own bars are behind backslashes.
        let cells = cells.replace("\\|", "¦");
        let cells = cells.split('|').map(|cell| cell.trim().to_owned());
        (key.trim().trim_matches('`'), cells.collect())
    })
    .collect()
}

/// A configuration with a key, of which the path has at most two parts.
fn with(key: &str, value: &Value) -> Result<Config, String> {
    let mut config = json!({"collector_service_name": "c", "collector_port": 80});
    let members = match key.split_once('.') {
        None => json!({key: value}),
        Some((section, key)) => json!({section: {key: value}}),
    };
    config
        .as_object_mut()
        .unwrap()
        .extend(members.as_object().unwrap().clone());
    Config::parse(config.to_string().as_bytes()).map_err(|error| error.to_string())
}

/// The keys that the configuration itself names where one is wrong.
fn allowed(section: &str) -> BTreeSet<String> {
    let wrong = match section {
        "" => with("?", &json!(1)),
        section => with(&format!("{section}.?"), &json!(1)),
    };
    let error = wrong.unwrap_err();
    let words = match error.split_once("allowed are ") {
        Some((_, words)) => words,
        // As serde says it.
        None => error.split_once("expected one of ").unwrap().1,
    };
    words
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_key_is_in_the_table_and_nothing_else() {
    let mut keys = BTreeSet::new();
    for key in allowed("") {
        if !["batch", "queue", "capture", "redact", "metadata_hub"].contains(&key.as_str()) {
            keys.insert(key);
            continue;
        }
        let members = allowed(&key);
        // The same keys in camelCase, and protobuf's own; and what only a file could hold.
        let is_named = |name: &&String| {
            let is_file = key == "redact" && *name == "hash_key_file";
            !is_file && !name.contains('@') && !name.contains(char::is_uppercase)
        };
        keys.extend(
            members
                .iter()
                .filter(is_named)
                .map(|name| format!("{key}.{name}")),
        );
    }
    let table: BTreeSet<String> = rows().keys().map(|key| (*key).to_owned()).collect();
    assert_eq!(table, keys);
}

/// The bounds of the numbers, from the cells `1` to `600000`.
#[test]
fn numbers_have_the_bounds_of_the_table() {
    let mut checked = 0;
    for (key, cells) in rows() {
        let bounds: Vec<u64> = cells[2]
            .split("` to `")
            .filter_map(|number| number.trim_matches('`').parse().ok())
            .collect();
        let [least, most] = bounds[..] else { continue };
        checked += 1;
        for outside in [least.checked_sub(1), most.checked_add(1)]
            .into_iter()
            .flatten()
        {
            let error = with(key, &json!(outside)).unwrap_err();
            assert!(error.contains(&format!("`{key}`")), "{key}: {error}");
        }
        if key != "queue.max_bytes" {
            with(key, &json!(least)).unwrap();
        }
        let room = json!({"collector_cluster": "c", "queue": {"max_bytes": 1 << 30}});
        assert!(Config::parse(room.to_string().as_bytes()).is_ok());
        if key != "batch.max_bytes" {
            with(key, &json!(most)).unwrap();
        }
    }
    assert_eq!(checked, 8);
}

/// What stands under `default`, against a configuration without the key.
#[test]
fn defaults_are_those_of_the_table() {
    let rows = rows();
    let default = |key: &str| rows[key][1].trim_matches('`').to_owned();
    let config = with("timeout_ms", &Value::Null).unwrap();
    let delivery = &config.delivery;
    let recording = config
        .recording(|| unreachable!("there are no rules"))
        .unwrap();
    for (key, value) in [
        ("collector_path", delivery.collector_path.clone()),
        ("timeout_ms", delivery.timeout_ms.to_string()),
        ("batch.max_records", delivery.batch.max_records.to_string()),
        ("batch.max_bytes", delivery.batch.max_bytes.to_string()),
        (
            "batch.flush_interval_ms",
            delivery.batch.flush_interval_ms.to_string(),
        ),
        ("queue.max_bytes", delivery.queue.max_bytes.to_string()),
        (
            "capture.request_body_bytes",
            recording.capture.request_body_bytes.to_string(),
        ),
        (
            "capture.response_body_bytes",
            recording.capture.response_body_bytes.to_string(),
        ),
        ("consumer_header", recording.consumer_header.clone()),
        (
            "log_level",
            format!("{:?}", delivery.log_level).to_lowercase(),
        ),
    ] {
        assert_eq!(default(key), value, "{key}");
    }
    for taken in default("capture.content_types").split(", ") {
        let media_type = taken.trim_matches('`').replace('*', "any");
        assert!(recording.capture.takes_content_type(&media_type), "{taken}");
    }
    assert!(recording.capture.request_headers.is_empty());
    assert!(recording.capture.response_headers.is_empty());
    assert!(recording.filter.is_none() && recording.metadata_hub.is_none());
}

#[test]
fn words_are_those_of_the_table() {
    for (key, cells) in rows().into_iter().filter(|(_, cells)| cells[0] == "word") {
        for word in cells[2].split(", ").map(|word| word.trim_matches('`')) {
            let mut value = with(key, &json!(word));
            if word == "hash" {
                value = with(
                    "redact",
                    &json!({"how": "hash", "hash_key": "0123456789abcdef"}),
                );
            }
            value.unwrap_or_else(|error| panic!("{key}: {error}"));
        }
        assert!(with(key, &json!("?")).is_err(), "{key}");
    }
}

#[test]
fn every_counter_is_named() {
    for counter in Counter::ALL {
        assert!(
            PAGE.contains(&format!("| `{}` |", counter.name())),
            "{}",
            counter.name()
        );
    }
}
