//! The hub's filter state, as Envoy's own access log prints it.

use gatelog_testkit::envoy::{Envoy, Gateway};
use gatelog_testkit::{upstream, wait};
use serde_json::{Value, json};

use super::rig::{Collector, PATIENCE, exchange, get, request};

fn logger(keys: &[&str]) -> Value {
    let format: serde_json::Map<String, Value> = keys
        .iter()
        .map(|key| {
            (
                (*key).to_owned(),
                json!(format!("%FILTER_STATE(wasm.{key}:PLAIN)%")),
            )
        })
        .collect();
    json!({"typed_config": {"access_log": [{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/stdout",
            "log_format": {"json_format": format},
        },
    }]}})
}

#[test]
fn envoys_own_log_prints_what_the_hub_publishes() {
    let (web, collector) = (upstream::web().unwrap(), Collector::start());
    let keys = [
        "path", "method", "host", "status", "who", "api", "number", "ratio", "on", "list",
    ];
    let gateway = Gateway::new(collector.port())
        .upstreams(web.port(), 1, 1)
        .route_metadata(json!({"hub": {
            "API": "shop", "number": 7, "ratio": 0.25, "on": true, "list": [1],
        }}))
        .patch(logger(&keys))
        .plugin(json!({
            "batch": {"max_records": 1},
            "metadata_hub": {
                "decode_headers_to_state": [
                    {"name": ":path", "rename": "path"},
                    {"name": ":method", "rename": "method"},
                    {"name": ":authority", "rename": "host"},
                    {"name": "X-Who", "rename": "Who"},
                ],
                "encode_headers_to_state": [{"name": ":status", "rename": "status"}],
                "route_metadata_to_state": ["hub", "not-there"],
            },
        }));
    let envoy = Envoy::start(&gateway).unwrap();
    // The route removes `/web`; the hub has the path from before.
    let who = request(
        "GET",
        "/web/status/404",
        "a",
        "x-who: kim\r\nx-who: lee\r\n",
        b"",
    );
    assert_eq!(exchange(envoy.address(), &who), 404);
    assert_eq!(exchange(envoy.address(), &get("/nobody", "b")), 404);
    assert_eq!(exchange(envoy.address(), b"GARBAGE\r\n\r\n"), 400);
    let lines: Vec<Value> = wait::until("the lines", PATIENCE, || {
        let lines = envoy.stdout();
        if lines.len() == 3 {
            Ok(lines)
        } else {
            Err(lines)
        }
    })
    .unwrap()
    .iter()
    .map(|line| serde_json::from_str(line).unwrap())
    .collect();
    let expected = json!({
        "path": "/web/status/404", "method": "GET", "host": "shop.example", "status": "404",
        "who": "kim", "api": "shop", "number": "7", "ratio": "0.250000", "on": "true", "list": null,
    });
    assert_eq!(lines[0], expected);
    let no_route = json!({
        "path": "/nobody", "method": "GET", "host": "shop.example", "status": "404",
        "who": null, "api": null, "number": null, "ratio": null, "on": null, "list": null,
    });
    assert_eq!(lines[1], no_route);
    assert!(
        lines[2].as_object().unwrap().values().all(Value::is_null),
        "{}",
        lines[2]
    );
    assert_eq!(collector.wait_for_records(3).len(), 3);
}
