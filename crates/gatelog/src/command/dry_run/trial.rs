//! What is tried, read from files.
//!
//! The environment has no part in it: what is tried is what stands in the files.

use std::path::Path;

use gatelog_filter::config::from_pasted;
use gatelog_filter::{Runtime, RuntimeValue};
use gatelog_redact::Redact;
use serde_json::Value;

use super::redaction::Redaction;
use crate::config::{self, Config};
use crate::selection::Selection;

/// Keys of what is pasted: of an access logger's entry, of what is around it, of an `EnvoyFilter`. A
/// configuration has none of them.
const PASTED: [&str; 12] = [
    "apiVersion",
    "kind",
    "spec",
    "configPatches",
    "patch",
    "value",
    "name",
    "access_log",
    "accessLog",
    "typed_config",
    "typedConfig",
    "@type",
];

/// What is tried.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) selection: Selection,
    /// Where rules are tried besides the built-in ones.
    pub(super) redaction: Option<Redaction>,
    /// The parts: `filter`, `sample`, `redact`.
    pub(super) parts: Vec<&'static str>,
}

impl Trial {
    /// Reads the file of the filter and that of the redaction, with these runtime keys.
    ///
    /// # Errors
    /// What is wrong with a file or with a key; the operator mends it.
    pub(super) fn read(
        (filter, redact): (Option<&Path>, Option<&Path>),
        keys: &[(String, RuntimeValue)],
    ) -> Result<Self, String> {
        let mut config = match filter {
            None => Config::default(),
            Some(path) => of_file(path, configuration_or_pasted)?,
        };
        if let Some(path) = redact {
            config.redact = of_file(path, config::parse)?.redact;
        }
        let place = |path: Option<&Path>| {
            path.map_or(String::new(), |path| format!("{}: ", path.display()))
        };
        let runtime = Runtime::default();
        for (key, value) in keys {
            let set = runtime.set(key, *value);
            set.map_err(|error| format!("--runtime: {error}"))?;
        }
        let selection = Selection::configured(&config, &runtime)
            .map_err(|error| format!("{}filter: {error}", place(filter)))?;
        let redaction = Redaction::new(&config.redact)
            .map_err(|error| format!("{}{}: {error}", place(redact.or(filter)), error.key()))?;
        let parts = [
            (config.filter.is_some(), "filter"),
            (config.sample.is_some(), "sample"),
            (config.redact != Redact::default(), "redact"),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(is_there, _)| *is_there)
            .collect();
        if parts.is_empty() {
            return Err(format!(
                "{}there is nothing to try: no filter, sample or redact in it",
                place(filter.or(redact))
            ));
        }
        Ok(Self {
            selection,
            redaction: (config.redact != Redact::default()).then_some(redaction),
            parts: parts.into_iter().map(|(_, part)| part).collect(),
        })
    }
}

fn of_file(path: &Path, read: fn(&str) -> Result<Config, String>) -> Result<Config, String> {
    let with_path = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| with_path(&error))?;
    read(&text).map_err(|problem| with_path(&problem))
}

/// A configuration, or one with only the filter that is in the document.
fn configuration_or_pasted(text: &str) -> Result<Config, String> {
    // What is no YAML is told in the same words either way.
    let Ok(document) = serde_saphyr::from_str::<Value>(text) else {
        return config::parse(text);
    };
    if !is_pasted(&document) {
        return config::parse(text);
    }
    let filter = from_pasted(&document).map_err(|error| error.to_string())?;
    Ok(Config {
        filter: Some(filter),
        ..Config::default()
    })
}

fn is_pasted(document: &Value) -> bool {
    let is_pasted = |key: &String| {
        key.ends_with("_filter") || key.ends_with("Filter") || PASTED.contains(&key.as_str())
    };
    match document {
        Value::Array(_) => true,
        Value::Object(object) => object.keys().any(is_pasted),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILTER: &str =
        "status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: k}}}";

    fn trial(text: &str) -> Result<Trial, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f.yaml");
        std::fs::write(&file, text).unwrap();
        Trial::read((Some(&file), None), &[]).map_err(|error| {
            let error = error
                .strip_prefix(file.to_str().unwrap())
                .unwrap()
                .to_owned();
            error.trim_start_matches(": ").to_owned()
        })
    }

    #[test]
    fn a_filter_is_found_in_each_of_its_forms() {
        for text in [
            FILTER.to_owned(),
            format!("filter: {{{FILTER}}}"),
            format!("listen: 127.0.0.1:1\nstore: {{mysql: {{}}}}\nfilter: {{{FILTER}}}"),
            format!("name: envoy.access_loggers.file\nfilter: {{{FILTER}}}"),
            format!("- filter: {{{FILTER}}}"),
            format!("accessLog: [{{filter: {{{FILTER}}}}}]"),
            format!(
                "kind: EnvoyFilter\nspec: {{configPatches: [{{patch: {{value: {{typed_config: {{access_log: [{{filter: {{{FILTER}}}}}]}}}}}}}}]}}"
            ),
            format!("{{\"filter\": {{{FILTER}}}}}")
                .replace("status_code_filter", "statusCodeFilter"),
        ] {
            let trial = trial(&text);
            assert!(trial.is_ok(), "{text}: {trial:?}");
            assert_eq!(trial.unwrap().parts, ["filter"], "{text}");
        }
        let all = format!("filter: {{{FILTER}}}\nsample: {{rate: 0.5}}\nredact: {{query: [a]}}");
        let trial = trial(&all).unwrap();
        assert_eq!(trial.parts, ["filter", "sample", "redact"]);
        assert!(trial.redaction.is_some());
    }

    #[test]
    fn what_is_wrong_is_told_with_the_file() {
        for (text, part) in [
            ("", "there is nothing to try"),
            ("log: {level: debug}", "there is nothing to try"),
            ("sampel: {rate: 1}\nfilter: {}", "sampel"),
            ("nonsense", "expected"),
            ("[", ""),
            ("status_code_filter: {}", "`comparison` is required"),
            ("kind: EnvoyFilter", "no access log filter in it"),
            ("redact: {body: [x]}", "redact.body: "),
            ("redact: {hash_key: short}", "redact.hash_key: "),
            (
                "filter: {header_filter: {header: {name: a, safe_regex_match: {regex: \"(\"}}}}",
                "filter: ",
            ),
        ] {
            let error = trial(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let missing = Trial::read((Some(Path::new("/none/f.yaml")), None), &[]).unwrap_err();
        assert!(missing.starts_with("/none/f.yaml: "), "{missing}");
    }

    #[test]
    fn the_redaction_of_a_file_of_its_own_takes_the_place_of_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            (
                "a.yaml",
                "filter: {not_health_check_filter: {}}\nredact: {query: [a]}",
            ),
            (
                "b.yaml",
                "redact: {headers: [b]}\nfilter: {traceable_filter: {}}",
            ),
        ];
        let [a, b] = files.map(|(name, text)| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        });
        let rules = |trial: &Trial| -> Vec<String> {
            trial
                .redaction
                .as_ref()
                .unwrap()
                .rules()
                .map(|(rule, _)| rule.to_owned())
                .collect()
        };
        let both = Trial::read((Some(&a), Some(&b)), &[]).unwrap();
        assert_eq!(
            (rules(&both), both.parts),
            (vec!["header b".to_owned()], vec!["filter", "redact"])
        );
        let only = Trial::read((None, Some(&b)), &[]).unwrap();
        assert_eq!(only.parts, ["redact"], "its filter does not count");
    }
}
