//! `deploy/kong`: its files and commands against the schema of Kong's plugin, and what they make Kong send
//! against gatelog.
//!
//! **Limits.** Kong does not run here. The schema is that of its sources, `kong/plugins/http-log/schema.lua`
//! and `kong/tools/queue_schema.lua` of 3.10, and the former's of 1.4.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{documents, text};
use crate::service::start;

const KONG_3: &str = "deploy/kong/kong.yaml";
const KONG_1: &str = "deploy/kong/kong-1.x.yaml";
const PAGE: &str = "deploy/kong/README.md";

/// What a setting may be.
#[derive(Clone, Copy)]
enum Of {
    Url,
    Word(&'static [&'static str]),
    Number(f64, f64),
    Integer(i64, i64),
}

const MOST: f64 = 1e6;

const BOTH: &[(&str, Of)] = &[
    ("http_endpoint", Of::Url),
    ("method", Of::Word(&["POST", "PUT", "PATCH"])),
    ("timeout", Of::Number(f64::MIN, f64::MAX)),
    ("keepalive", Of::Number(f64::MIN, f64::MAX)),
];

const OF_KONG_3: &[(&str, Of)] = &[
    (
        "content_type",
        Of::Word(&["application/json", "application/json; charset=utf-8"]),
    ),
    ("queue.max_batch_size", Of::Integer(1, 1_000_000)),
    ("queue.max_coalescing_delay", Of::Number(0.0, 3600.0)),
    ("queue.max_entries", Of::Integer(1, 1_000_000)),
    ("queue.max_bytes", Of::Integer(i64::MIN, i64::MAX)),
    ("queue.max_retry_time", Of::Number(f64::MIN, f64::MAX)),
    ("queue.initial_retry_delay", Of::Number(0.001, MOST)),
    ("queue.max_retry_delay", Of::Number(0.001, MOST)),
    ("queue.concurrency_limit", Of::Integer(-1, 1)),
];

const OF_KONG_1: &[(&str, Of)] = &[
    ("content_type", Of::Word(&["application/json"])),
    ("retry_count", Of::Integer(i64::MIN, i64::MAX)),
    ("queue_size", Of::Integer(i64::MIN, i64::MAX)),
    ("flush_timeout", Of::Number(f64::MIN, f64::MAX)),
];

fn schema(of_version: &'static [(&'static str, Of)]) -> BTreeMap<&'static str, Of> {
    BOTH.iter().chain(of_version).copied().collect()
}

/// The settings by their names, dots leading into the queue's.
fn settings(config: &Value) -> BTreeMap<String, Value> {
    let mut settings = BTreeMap::new();
    for (name, value) in config.as_object().unwrap() {
        match value.as_object() {
            Some(inner) => settings.extend(
                inner
                    .iter()
                    .map(|(key, value)| (format!("{name}.{key}"), value.clone())),
            ),
            None => {
                settings.insert(name.clone(), value.clone());
            }
        }
    }
    settings
}

/// What is wrong with these settings.
fn problems(settings: &BTreeMap<String, Value>, schema: &BTreeMap<&str, Of>) -> Vec<String> {
    let wrong = |(name, value): (&String, &Value)| {
        let fits = match schema.get(name.as_str())? {
            Of::Url => value.as_str().is_some_and(|url| url.starts_with("http://")),
            Of::Word(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Of::Number(least, most) => value
                .as_f64()
                .is_some_and(|number| number >= *least && number <= *most),
            Of::Integer(least, most) => value
                .as_i64()
                .is_some_and(|number| (*least..=*most).contains(&number)),
        };
        (!fits).then(|| format!("{name}: {value}"))
    };
    let unknown = settings
        .keys()
        .filter(|name| !schema.contains_key(name.as_str()));
    let missing = (!settings.contains_key("http_endpoint")).then(|| "http_endpoint".to_owned());
    let unknown = unknown.map(|name| format!("{name}: unknown field"));
    unknown
        .chain(settings.iter().filter_map(wrong))
        .chain(missing)
        .collect()
}

fn plugin(path: &str, version: &str) -> Value {
    let mut documents = documents(path);
    assert_eq!(documents.len(), 1, "{path}");
    let mut file = documents.remove(0);
    assert_eq!(file["_format_version"], version, "{path}");
    let plugins = file["plugins"].as_array_mut().unwrap();
    assert_eq!(plugins.len(), 1);
    let plugin = plugins.remove(0);
    let known = ["name", "protocols", "config"];
    assert!(
        plugin
            .as_object()
            .unwrap()
            .keys()
            .all(|key| known.contains(&key.as_str()))
    );
    assert_eq!(plugin["name"], "http-log");
    plugin
}

/// The settings of each `curl` of the page, typed as Kong types a form.
fn commands() -> Vec<BTreeMap<String, Value>> {
    let page = text(PAGE).replace("\\\n", " ");
    let lines = page.lines().filter(|line| line.starts_with("curl -X POST"));
    let commands: Vec<_> = lines
        .map(|line| {
            assert!(line.contains(" http://kong:8001/plugins "), "{line}");
            let pairs = line.split("--data \"").skip(1);
            let pairs =
                pairs.map(|pair| pair.trim().trim_end_matches('"').split_once('=').unwrap());
            let pairs: Vec<_> = pairs.collect();
            assert_eq!(pairs[0], ("name", "http-log"));
            pairs[1..]
                .iter()
                .map(|(name, value)| {
                    let name = name.strip_prefix("config.").unwrap().to_owned();
                    let number = serde_json::from_str(value).ok();
                    (name, number.unwrap_or_else(|| json!(value)))
                })
                .collect()
        })
        .collect();
    commands
}

#[test]
fn the_files_and_commands_fit_kongs_schema_and_say_the_same() {
    let commands = commands();
    assert_eq!(commands.len(), 2);
    let versions = [(KONG_3, "3.0", OF_KONG_3), (KONG_1, "1.1", OF_KONG_1)];
    for ((path, version, of_version), command) in versions.into_iter().zip(commands) {
        let schema = schema(of_version);
        let file = settings(&plugin(path, version)["config"]);
        assert_eq!(problems(&file, &schema), [""; 0], "{path}");
        assert_eq!(problems(&command, &schema), [""; 0], "{path}");
        for (name, value) in &command {
            assert_eq!(value.as_f64(), file[name].as_f64(), "{path}: {name}");
            assert_eq!(value.as_str(), file[name].as_str(), "{path}: {name}");
        }
    }
    // All protocols of Kong, and the schema is not one that takes anything.
    let protocols = plugin(KONG_3, "3.0")["protocols"].clone();
    let all = [
        "grpc",
        "grpcs",
        "http",
        "https",
        "tcp",
        "tls",
        "tls_passthrough",
        "udp",
    ];
    assert_eq!(protocols, json!(all));
    let odd = settings(&json!({"method": "get", "queue": {"max_batch_size": 0, "size": 1}}));
    assert_eq!(problems(&odd, &schema(OF_KONG_3)).len(), 4);
}

/// As the plugin with this configuration sends it: an array that is full, and one of a single entry.
#[test]
fn what_the_files_make_kong_send_is_taken() {
    let service = start();
    let config = plugin(KONG_3, "3.0")["config"].take();
    let endpoint = config["http_endpoint"].as_str().unwrap();
    assert!(endpoint.ends_with(":8080/ingest"), "{endpoint}");
    let headers = [
        ("content-type", config["content_type"].as_str().unwrap()),
        ("user-agent", "lua-resty-http/0.17.2 (Lua) ngx_lua/10028"),
    ];
    let log: Value = serde_json::from_str(include_str!("../../data/kong/kong-3-log.json")).unwrap();
    let size = usize::try_from(config["queue"]["max_batch_size"].as_u64().unwrap()).unwrap();
    for entries in [size, 1] {
        let batch = Value::from(vec![log.clone(); entries]).to_string();
        assert!(batch.len() < 400_000, "{} bytes", batch.len());
        let (status, answer) = service.ingest_with(&headers, batch.as_bytes()).unwrap();
        assert_eq!(
            (status, answer),
            (200, format!("{{\"accepted\":{entries}}}"))
        );
    }
    let found = service
        .wait_for_rows("route=chat&consumer=demo", 101)
        .unwrap();
    assert_eq!(found["logs"][0]["path"], log["request"]["uri"]);
}
