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

/// Whatever way the first configuration comes, if it is bad the reason is logged and traffic passes.
/// Envoy itself would answer 500 to all of it where a discovered filter is refused.
#[test]
fn a_bad_first_configuration_is_told_by_its_key_and_traffic_passes() {
    for attach in [Attach::HttpFilter, Attach::Discovered, Attach::AccessLogger] {
        let collector = Collector::start();
        let gateway = Gateway::new(collector.port()).attach(attach);
        let bad = gateway.clone().plugin(json!({"no_such_key": 1}));
        let envoy = Envoy::start(&bad).unwrap();
        let log = envoy.log();
        assert!(
            log.contains("gatelog: configuration refused: unknown key `no_such_key`"),
            "{log}"
        );
        assert_eq!(exchange(envoy.address(), &get("/direct", "a")), 200);
        let refused = "wasmcustom.gatelog_plugin_config_refused_total";
        assert!(envoy.stat(refused).unwrap() > 0);
    }
}

/// What a control plane of Istio or Higress does: the first configuration is bad, the next one good, and
/// the one after that bad again.
#[test]
fn a_discovered_filter_begins_when_it_is_mended_and_goes_on_when_it_is_broken() {
    let collector = Collector::start();
    let good = Gateway::new(collector.port())
        .attach(Attach::Discovered)
        .plugin(json!({"batch": {"max_records": 1}}));
    let bad = |key: &str| good.clone().plugin(json!({key: 1}));
    let envoy = Envoy::start(&bad("first")).unwrap();
    assert_eq!(exchange(envoy.address(), &get("/direct", "before")), 200);
    envoy.update_extension(&good).unwrap();
    assert_eq!(exchange(envoy.address(), &get("/direct", "good")), 200);
    collector.wait_for_records(1);
    let refusal = envoy
        .update_extension(&bad("third"))
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("unknown key `third`"), "{refusal}");
    assert_eq!(exchange(envoy.address(), &get("/direct", "after")), 200);
    let records = collector.wait_for_records(2);
    let ids: Vec<_> = records
        .iter()
        .map(|record| record.request_id.as_deref().unwrap())
        .collect();
    assert_eq!(ids, ["good", "after"]);
}

/// CEL is not built in; only the module itself shows it.
#[test]
fn an_expression_is_refused_and_the_collector_recommended() {
    let expression = json!({"extension_filter": {"typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        "expression": "response.code >= 400",
    }}});
    let gateway = Gateway::new(1).plugin(json!({"filter": expression}));
    let log = Envoy::start(&gateway).unwrap().log();
    for part in [
        "`filter` cannot be used",
        "work in the collector, not in the plugin",
    ] {
        assert!(log.contains(part), "{log}");
    }
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
