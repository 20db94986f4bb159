//! The plugin's configuration, as a `WasmPlugin`'s `pluginConfig` or Envoy's filter gives it. Its
//! reference for people is `docs/plugin.md`, which a test holds to these types.
//!
//! **Shape.** JSON text in, a checked [`Config`] out: how to deliver, once for the worker, and what to
//! record, by default and by rule. On Higress it arrives merged: the top level is the default, and
//! `_rules_` holds what is different for some requests. A rule has a key of its own or that of the
//! default, whole; how to deliver is the same for all.
//!
//! A crate of its own, because it runs once for each configuration: the module has it compiled to be
//! small, and what runs for each request to be fast.
//!
//! **Failure.** An unknown key is an error that names it, at every level: a misspelt key that is
//! passed over is a setting that silently does not hold.

mod capture;
mod delivery;
mod error;
mod json;
mod layer;
mod level;
mod metadata_hub;
mod names;
mod recording;
mod rule;
mod section;

use std::rc::Rc;

use serde_json::{Map, Value};

pub use capture::CaptureConfig;
pub use delivery::{BatchConfig, Delivery, QueueConfig};
pub use error::ConfigError;
pub use json::{JsonError, read_json};
use layer::{Layer, agreed, known, rules, take};
pub use level::Level;
pub use metadata_hub::{MetadataHubConfig, StateRecord};
pub use names::Names;
pub use recording::Recording;
pub use rule::Asked;
use rule::Condition;
use section::Section;

/// The key that holds the rules.
const RULES: &str = "_rules_";

/// How the plugin works.
#[derive(Debug)]
pub struct Config {
    /// How records reach the collector.
    pub delivery: Delivery,
    /// What is recorded where no rule holds; `None`: nothing.
    default: Option<Rc<Recording>>,
    rules: Vec<Rule>,
    /// What a log should say of it when it is loaded.
    pub warnings: Vec<String>,
}

/// What is recorded of some requests.
#[derive(Debug)]
struct Rule {
    condition: Condition,
    recording: Rc<Recording>,
}

impl Config {
    /// Reads and checks a configuration. No text at all counts as `{}`.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn parse(json: &[u8]) -> Result<Self, ConfigError> {
        let value = match json.trim_ascii() {
            [] => Value::Object(Map::new()),
            json => read_json(json)?,
        };
        let Value::Object(mut members) = value else {
            return Err(ConfigError::unusable("configuration", "must be an object"));
        };
        let rules = rules(members.remove(RULES))?;
        known(&members, "", &[&delivery::KEYS, &recording::KEYS, &[RULES]])?;
        let top = Layer::new(members, "")?;

        let mut warnings = Vec::new();
        let default = Recording::read(top.recording.clone(), "", &mut warnings)?;
        let mut delivery = vec![(top.delivery.clone(), "the top level".to_owned())];
        let mut read = Vec::with_capacity(rules.len());
        for (index, mut members) in rules.into_iter().enumerate() {
            let place = format!("{RULES}[{index}].");
            let allowed = [&delivery::KEYS[..], &recording::KEYS, &rule::KEYS];
            known(&members, &place, &allowed)?;
            let condition = take(&mut members, &rule::KEYS);
            let mut condition = Section::of(condition, &place, &rule::KEYS)?;
            let condition = Condition::read(&mut condition)?;
            let layer = Layer::new(members, &place)?;
            let recording = layer.recording_over(&top);
            let recording = Recording::read(recording, &place, &mut warnings)?;
            delivery.push((layer.delivery, format!("`{RULES}[{index}]`")));
            read.push(Rule {
                condition,
                recording: Rc::new(recording),
            });
        }
        // As in Higress' own plugins: a top level that could not work by itself is no default.
        let names_collector = |key| top.delivery.contains_key(key);
        let is_default = read.is_empty()
            || names_collector("collector_service_name")
            || names_collector("collector_cluster");
        let delivery = agreed(&delivery)?;
        delivery.check()?;
        warnings.dedup();
        Ok(Self {
            delivery,
            default: is_default.then(|| Rc::new(default)),
            rules: read,
            warnings,
        })
    }

    /// What is to be recorded of a request; `None`: nothing, no rule holds and there is no default.
    /// `asked` is not called where there are no rules.
    pub fn recording<'r>(&self, asked: impl FnOnce() -> Asked<'r>) -> Option<&Rc<Recording>> {
        if !self.rules.is_empty() {
            let asked = asked();
            let rule = self.rules.iter().find(|rule| rule.condition.holds(asked));
            if let Some(rule) = rule {
                return Some(&rule.recording);
            }
        }
        self.default.as_ref()
    }

    /// Whether what is recorded is different for some requests, so that they have to be asked about.
    pub fn has_rules(&self) -> bool {
        !self.rules.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(json: &str) -> Result<Config, ConfigError> {
        Config::parse(json.as_bytes())
    }

    fn problem(json: &str) -> String {
        parse(json).unwrap_err().to_string()
    }

    /// A configuration with this besides the collector.
    fn with(more: &str) -> String {
        format!(r#"{{"collector_cluster":"c",{more}}}"#)
    }

    fn asked<'r>(route: &'r str, host: &'r str) -> Asked<'r> {
        Asked {
            host,
            route,
            ..Asked::default()
        }
    }

    #[test]
    fn the_two_keys_of_the_reference_plugin_are_enough() {
        let config =
            parse(r#"{"collector_service_name":"collector.static","collector_port":8080}"#)
                .unwrap();
        let delivery = &config.delivery;
        assert_eq!(delivery.cluster(), "outbound|8080||collector.static");
        assert_eq!(delivery.authority(), "collector.static");
        assert_eq!(delivery.collector_path, "/ingest");
        assert_eq!(delivery.batch, BatchConfig::default());
        assert!(
            config
                .recording(|| unreachable!("there are no rules"))
                .is_some()
        );
    }

    #[test]
    fn a_cluster_may_be_named_outright() {
        let config = parse(r#"{"collector_cluster":"gatelog"}"#).unwrap();
        assert_eq!(config.delivery.cluster(), "gatelog");
    }

    #[test]
    fn an_unknown_key_is_named_at_every_level() {
        for (more, key) in [
            (r#""captured":{}"#, "`captured`"),
            (r#""_match_route_":["a"]"#, "`_match_route_`"),
            (r#""batch":{"max_record":5}"#, "`batch.max_record`"),
            (r#""queue":{"size":5}"#, "`queue.size`"),
            (r#""capture":{"headers":[]}"#, "`capture.headers`"),
            (r#""redact":{"header":[]}"#, "`redact.header`"),
            (r#""metadata_hub":{"x":[]}"#, "`metadata_hub.x`"),
            (
                r#""filter":{"or_filter":{"filter":[]}}"#,
                "or_filter: unknown key `filter`",
            ),
            (
                r#""_rules_":[{"_match_route_":["a"],"captured":1}]"#,
                "`_rules_[0].captured`",
            ),
            (
                r#""_rules_":[{"_match_route_":["a"],"capture":{"body":1}}]"#,
                "`_rules_[0].capture.body`",
            ),
        ] {
            let problem = problem(&with(more));
            assert!(problem.contains(key), "{more}: {problem}");
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_the_name_of_its_key() {
        assert!(problem("").contains("collector_service_name"));
        assert!(problem("{").contains("no JSON"));
        assert!(problem("[]").contains("must be an object"));
        assert!(problem(r#"{"collector_service_name":"x"}"#).contains("collector_port"));
        for (more, key) in [
            (r#""collector_port":0"#, "collector_port"),
            (
                r#""collector_port":"http""#,
                "`collector_port` must be an integer",
            ),
            (r#""timeout_ms":0"#, "timeout_ms"),
            (r#""timeout_ms":2.5"#, "timeout_ms"),
            (r#""batch":{"max_records":0}"#, "batch.max_records"),
            (r#""batch":[]"#, "`batch` must be an object"),
            (
                r#""batch":{"flush_interval_ms":1}"#,
                "batch.flush_interval_ms",
            ),
            (r#""queue":{"max_bytes":1024}"#, "queue.max_bytes"),
            (r#""collector_path":"ingest""#, "collector_path"),
            (r#""collector_token":"a\nb""#, "collector_token"),
            (r#""collector_token":5"#, "`collector_token` must be a text"),
            (
                r#""collector_headers":{":path":"/"}"#,
                "collector_headers.:path",
            ),
            (r#""log_level":"loud""#, "`log_level` must be `trace`"),
            (r#""consumer_header":"a b""#, "consumer_header"),
            (
                r#""capture":{"request_body_bytes":1048577}"#,
                "capture.request_body_bytes",
            ),
            (
                r#""capture":{"content_types":[1]}"#,
                "capture.content_types",
            ),
            (r#""redact":{"body":["user"]}"#, "`redact.body`"),
            (r#""redact":{"how":"hash"}"#, "`redact.how`"),
            (
                r#""redact":{"hash_key_file":"/etc/key"}"#,
                "`redact.hash_key_file`",
            ),
            (r#""filter":{}"#, "`filter` cannot be used"),
            (r#""_rules_":{}"#, "`_rules_` must be a list"),
            (r#""_rules_":[1]"#, "`_rules_[0]` must be an object"),
            (r#""_rules_":[{}]"#, "`_rules_[0]` has no condition"),
            (
                r#""_rules_":[{"_match_route_":["a"],"timeout_ms":0}]"#,
                "`_rules_[0].timeout_ms`",
            ),
            (
                r#""_rules_":[{"_match_route_":["a"],"redact":{"how":"hash"}}]"#,
                "`_rules_[0].redact.how`",
            ),
        ] {
            let problem = problem(&with(more));
            assert!(problem.contains(key), "{more}: {problem}");
        }
    }

    #[test]
    fn a_secret_is_not_in_the_message() {
        for more in [
            r#""collector_token":"s3cret\n""#,
            r#""collector_token":["s3cret"]"#,
            r#""collector_headers":{"x":"s3cret\n"}"#,
            r#""_rules_":[{"_match_route_":"a","collector_token":"s3cret"},
                          {"_match_route_":"b","collector_token":"other"}]"#,
        ] {
            let json = format!(r#"{{"collector_cluster":"c",{more}}}"#);
            assert!(!problem(&json).contains("s3c"), "{json}");
        }
    }

    #[test]
    fn numbers_may_be_texts_and_null_is_nothing() {
        let config =
            parse(r#"{"collector_service_name":"c","collector_port":"80","collector_token":null}"#)
                .unwrap();
        assert_eq!(config.delivery.collector_port, Some(80));
        assert_eq!(config.delivery.collector_token, None);
    }

    /// What Higress makes of the seed's `WasmPlugin`: `defaultConfigDisable`, and one rule for two
    /// ingresses.
    #[test]
    fn without_a_default_only_what_matches_is_recorded() {
        let config = parse(
            r#"{"_rules_":[{"_match_route_":["model-api-qwen3-plus-0","travel-assistant"],
                "log_level":"info","collector_port":80,"collector_path":"/ingest",
                "collector_service_name":"log-collector.higress-system.svc.cluster.local"}]}"#,
        )
        .unwrap();
        assert_eq!(
            config.delivery.cluster(),
            "outbound|80||log-collector.higress-system.svc.cluster.local"
        );
        assert!(
            config
                .recording(|| asked("travel-assistant", "h"))
                .is_some()
        );
        assert!(config.recording(|| asked("other", "h")).is_none());
        assert!(config.recording(Asked::default).is_none());
    }

    #[test]
    fn the_first_rule_that_holds_overrides_the_default_key_by_key() {
        let config = parse(&with(
            r#""consumer_header":"x-who","capture":{"request_body_bytes":10},
               "_rules_":[
                {"_match_domain_":["*.example.com"],"capture":{"response_body_bytes":20}},
                {"_match_route_":["a"],"consumer_header":"x-a","capture":null}]"#,
        ))
        .unwrap();
        let of = |route, host| {
            let recording = config.recording(|| asked(route, host)).unwrap();
            let capture = &recording.capture;
            (
                recording.consumer_header.as_str(),
                capture.request_body_bytes,
                capture.response_body_bytes,
            )
        };
        assert_eq!(of("a", "www.example.com"), ("x-who", 0, 20), "whole keys");
        assert_eq!(of("a", "other"), ("x-a", 10, 0));
        assert_eq!(of("b", "other"), ("x-who", 10, 0));
    }

    #[test]
    fn a_top_level_that_names_no_collector_is_no_default() {
        let config = parse(
            r#"{"log_level":"debug","consumer_header":"x-who",
                "_rules_":[{"_match_route_":["a"],"collector_cluster":"c"}]}"#,
        )
        .unwrap();
        assert!(config.recording(|| asked("b", "")).is_none());
        let recording = config.recording(|| asked("a", "")).unwrap();
        assert_eq!(recording.consumer_header, "x-who");
        assert_eq!(config.delivery.log_level, Level::Debug);
    }

    #[test]
    fn all_places_deliver_alike() {
        let rules = |second: &str| {
            format!(
                r#"{{"_rules_":[
                    {{"_match_route_":["a"],"collector_cluster":"c","timeout_ms":100}},
                    {{"_match_route_":["b"],{second}}}]}}"#
            )
        };
        let config = parse(&rules(r#""collector_cluster":"c""#)).unwrap();
        assert_eq!(config.delivery.timeout_ms, 100);
        let problem = problem(&rules(r#""collector_cluster":"d""#));
        for part in ["`collector_cluster`", "`_rules_[0]`", "`_rules_[1]`"] {
            assert!(problem.contains(part), "{problem}");
        }
        let problem = super::tests::problem(&with(
            r#""_rules_":[{"_match_route_":"a","collector_cluster":"d"}]"#,
        ));
        assert!(problem.contains("the top level"), "{problem}");
    }

    #[test]
    fn what_a_filter_cannot_know_is_told() {
        let config = parse(&with(
            r#""filter":{"metadata_filter":{"matcher":{"filter":"a","path":[{"key":"b"}],
                "value":{"present_match":true}}}}"#,
        ))
        .unwrap();
        assert!(
            config.warnings[0].starts_with("`filter`: "),
            "{:?}",
            config.warnings
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            drop(parse(&text));
        }

        #[test]
        fn a_number_out_of_range_is_never_taken(records in any::<u32>(), wait_ms in any::<u32>()) {
            let json = with(&format!(
                r#""batch":{{"max_records":{records},"flush_interval_ms":{wait_ms}}}"#
            ));
            let allowed = (1..=10_000).contains(&records) && (20..=60_000).contains(&wait_ms);
            prop_assert_eq!(parse(&json).is_ok(), allowed);
        }
    }
}
