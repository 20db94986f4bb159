//! Higress' merged configuration on the real Envoy.

use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use serde_json::json;

use super::rig::{Collector, exchange, request};

/// Sends a request to each of the paths, with the path as its id, without its query.
fn send(envoy: &Envoy, paths: &[&str], host: &str) {
    for path in paths {
        // A query would be redacted in an id, too.
        let id = path.split('?').next().unwrap();
        let bytes = request("GET", path, id, "", b"");
        let bytes = String::from_utf8(bytes)
            .unwrap()
            .replace("shop.example", host);
        let status = exchange(envoy.address(), bytes.as_bytes());
        assert!([200, 301, 404].contains(&status), "{path}: {status}");
    }
}

/// What arrived of these requests, and of one more that ends the wait.
fn recorded(collector: &Collector, count: usize) -> Vec<String> {
    let mut ids: Vec<String> = collector
        .wait_for_records(count)
        .iter()
        .map(|record| record.request_id.clone().unwrap().into_owned())
        .collect();
    ids.sort();
    ids
}

/// The seed's `WasmPlugin` as Higress merges it: `defaultConfigDisable`, one rule for two ingresses.
#[test]
fn without_a_default_only_what_matches_is_recorded() {
    for attach in [Attach::HttpFilter, Attach::Discovered, Attach::AccessLogger] {
        let collector = Collector::start();
        let merged = json!({"_rules_": [{
            "_match_route_": ["direct", "travel-assistant"],
            "log_level": "info",
            "collector_service_name": Gateway::COLLECTOR_SERVICE,
            "collector_port": collector.port(),
            "collector_path": "/ingest",
        }]});
        let gateway = Gateway::new(collector.port())
            .attach(attach)
            .plugin_alone(merged);
        let envoy = Envoy::start(&gateway).unwrap();
        send(
            &envoy,
            &["/redirect", "/nobody", "/direct", "/direct/2"],
            "shop.example",
        );
        let expected = ["/direct", "/direct/2"];
        assert_eq!(recorded(&collector, expected.len()), expected, "{attach:?}");
        let taken = "wasmcustom.gatelog_plugin_records_total";
        assert_eq!(envoy.stat(taken).unwrap(), 2, "{attach:?}");
    }
}

#[test]
fn rules_by_domain_route_and_service_override_the_default() {
    let collector = Collector::start();
    let nothing = json!({"runtime_filter": {"runtime_key": "k"}});
    let gateway = Gateway::new(collector.port()).plugin(json!({
        "batch": {"flush_interval_ms": 50},
        "_rules_": [
            {"_match_domain_": ["*.quiet.example"], "filter": nothing},
            {"_match_route_prefix_": ["redi"], "filter": nothing},
            {"_match_service_": ["dead.demo.svc.cluster.local:80"], "consumer_header": "x-who"},
            {"_match_route_": ["direct"], "redact": {"query": ["word"]}},
        ],
    }));
    let envoy = Envoy::start(&gateway).unwrap();
    send(&envoy, &["/direct"], "www.quiet.example:80");
    send(&envoy, &["/redirect"], "shop.example");
    send(
        &envoy,
        &["/nobody?word=a", "/direct?word=a"],
        "shop.example",
    );
    assert_eq!(recorded(&collector, 2), ["/direct", "/nobody"]);
    let records = collector.records();
    let path = |id: &str| {
        let found = records
            .iter()
            .find(|record| record.request_id.as_deref() == Some(id));
        found.unwrap().path.clone().unwrap().into_owned()
    };
    assert_eq!(path("/direct"), "/direct?word=***");
    assert_eq!(path("/nobody"), "/nobody?word=a");
    let filtered = "wasmcustom.gatelog_plugin_records_filtered_total";
    assert_eq!(envoy.stat(filtered).unwrap(), 2);
}
