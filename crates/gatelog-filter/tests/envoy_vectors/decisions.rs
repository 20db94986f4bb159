//! Each file of vectors, decision by decision.

use std::path::PathBuf;

use gatelog_filter::{AccessLogFilter, Filter, Runtime};
use serde_json::{Value, json};

use crate::input::Input;

/// What a file holds, checked; how many decisions it was, and what was wrong.
fn check(vectors: &Value) -> (usize, Vec<String>) {
    let (mut count, mut wrong) = (0, Vec::new());
    for vector in vectors["vectors"].as_array().into_iter().flatten() {
        let id = vector["x_request_id"].as_str().unwrap();
        for decision in vector["decisions"].as_array().unwrap() {
            let mut percent = json!({"numerator": decision["numerator"]});
            if let Some(denominator) = decision.get("denominator") {
                percent["denominator"] = denominator.clone();
            }
            let config = json!({
                "runtime_filter": {"runtime_key": "k.absent", "percent_sampled": percent}
            });
            let input = json!({"x_request_id": id});
            let expected = decision["logged"].as_bool().unwrap();
            let found = decide(&config, &Runtime::default(), &input);
            count += 1;
            if found != Ok(expected) {
                wrong.push(format!("{id} {decision}: found {found:?}"));
            }
        }
    }
    let runtime = Runtime::default();
    if let Some(keys) = vectors["runtime"].as_object() {
        runtime.patch(keys).unwrap();
    }
    let names = |value: &Value| -> Vec<String> {
        let names = value.as_array().into_iter().flatten();
        names
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect()
    };
    let untested = names(&vectors["untested_in_kinds"]);
    let refused = names(&vectors["refused"]);
    for (name, config) in vectors["filters"].as_object().into_iter().flatten() {
        if refused.contains(name) {
            count += 1;
            if serde_json::from_value::<AccessLogFilter>(config.clone()).is_ok() {
                wrong.push(format!("{name} was not refused"));
            }
            continue;
        }
        for (kind, logged) in vectors["kinds"].as_object().into_iter().flatten() {
            if untested.contains(name) {
                continue;
            }
            let expected = names(logged).contains(name);
            let found = decide(config, &runtime, &vectors["inputs"][kind]);
            count += 1;
            if found != Ok(expected) {
                wrong.push(format!(
                    "{name} on {kind}: found {found:?}, Envoy {expected}"
                ));
            }
        }
    }
    (count, wrong)
}

fn decide(config: &Value, runtime: &Runtime, input: &Value) -> Result<bool, String> {
    if config.is_null() {
        return Ok(true);
    }
    let config = AccessLogFilter::from_json(config).map_err(|error| error.to_string())?;
    let filter = Filter::compile(&config, runtime).map_err(|error| error.to_string())?;
    // Asked only where every number or none is chosen.
    let mut random = || 77;
    Ok(filter.decide(&Input(input), &mut random).is_keep())
}

fn passes(text: &str, at_least: usize) {
    let vectors: Value = serde_json::from_str(text).unwrap();
    let (count, wrong) = check(&vectors);
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(count >= at_least, "only {count}");
    println!("{count} decisions are Envoy's");
}

#[test]
fn filters_decide_as_envoy_does() {
    passes(include_str!("../../testdata/filter_vectors.json"), 380);
}

#[test]
fn details_are_as_envoy_has_them() {
    passes(include_str!("../../testdata/filter_details.json"), 3000);
}

#[test]
fn filters_decide_as_another_file_says() {
    let Some(file) = std::env::var_os("GATELOG_FILTER_VECTORS") else {
        return;
    };
    let file = PathBuf::from(file);
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    passes(&text, 1);
}
