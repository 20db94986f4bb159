//! A configuration that is wrong is refused by name, and traffic passes all the same.

use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use serde_json::json;

use super::rig::{Collector, exchange, get};

/// Envoy keeps what it has when a plugin refuses a new configuration.
#[test]
fn a_bad_update_is_refused_by_its_key_and_traffic_and_records_go_on() {
    let collector = Collector::start();
    let gateway =
        Gateway::new(collector.port()).plugin(json!({"batch": {"flush_interval_ms": 100}}));
    let envoy = Envoy::start(&gateway).unwrap();
    for (key, bad) in [
        ("no_such_key", json!({"no_such_key": 1})),
        ("queue.max_bytes", json!({"queue": {"max_bytes": 5}})),
    ] {
        let refusal = envoy
            .update(&gateway.clone().plugin(bad))
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains("gatelog: configuration refused"),
            "{refusal}"
        );
        assert!(refusal.contains(key), "{refusal}");
    }
    assert_eq!(exchange(envoy.address(), &get("/direct", "a")), 200);
    assert_eq!(collector.wait_for_records(1).len(), 1);
}

#[test]
fn a_bad_first_configuration_is_refused_by_its_key() {
    let gateway = Gateway::new(1).plugin(json!({"no_such_key": 1}));
    let refusal = Envoy::start(&gateway).err().unwrap().to_string();
    assert!(refusal.contains("unknown key `no_such_key`"), "{refusal}");
}

#[test]
fn traffic_is_the_same_with_the_plugin_and_without() {
    let collector = Collector::start();
    let answers = [Attach::Nowhere, Attach::HttpFilter].map(|attach| {
        let gateway = Gateway::new(collector.port()).attach(attach);
        let envoy = Envoy::start(&gateway).unwrap();
        let mut answer = ureq::get(envoy.url("/direct")).call().unwrap();
        let mut headers: Vec<String> = answer
            .headers()
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        (
            answer.status(),
            headers,
            answer.body_mut().read_to_string().unwrap(),
        )
    });
    assert_eq!(answers[0], answers[1]);
}
