//! The files of `deploy/` that are about the plugin: those for Envoy are loaded by the real Envoy, and
//! what Higress and Istio make of theirs is run in it.
//!
//! **Limits.** Neither Higress nor Istio runs. What Higress makes of a `WasmPlugin` is done here as its
//! controller's `convertIstioWasmPlugin` has it; Istio hands `pluginConfig` on as it is.

use std::path::{Path, PathBuf};

use gatelog_testkit::envoy::{Attach, Envoy, Gateway, plugin_file};
use gatelog_testkit::{upstream, wait};
use serde_json::{Value, json};

use super::rig::{Collector, PATIENCE, exchange, get, request};

const HTTP_FILTER: &str = "deploy/envoy/http-filter.yaml";
const ACCESS_LOGGER: &str = "deploy/envoy/access-logger.yaml";
const HUB: &str = "deploy/envoy/hango-metadata-hub.yaml";
const FILTER_STATE: &str = "deploy/envoy/hango-set-filter-state.yaml";
const HIGRESS: &str = "deploy/higress/wasmplugin.yaml";
const HIGRESS_ALL: &str = "deploy/higress/wasmplugin-all-routes.yaml";
const ISTIO: &str = "deploy/istio/wasmplugin.yaml";

/// The `accessLogFormat` of Hango's documentation.
const FORMAT: &str = "{\"method\":\"%REQ(:METHOD)%\",\"uri\":\"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%\",\"protocol\":\"%PROTOCOL%\",\"duration\":\"%DURATION%\",\"respCode\":\"%RESPONSE_CODE%\",\"userIp\":\"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\",\"xffIp\":\"%REQ(X-FORWARDED-FOR)%\",\"requestId\":\"%REQ(X-REQUEST-ID)%\",\"time\":\"%START_TIME(%s%3f)%\",\"upstreamHost\":\"%UPSTREAM_HOST%\",\"originHost\":\"%FILTER_STATE(x-envoy-origin-host:PLAIN)%\",\"originMethod\":\"%FILTER_STATE(x-envoy-origin-method:PLAIN)%\",\"originPath\":\"%FILTER_STATE(x-envoy-origin-path:PLAIN)%\",\"originStatus\":\"%FILTER_STATE(x-envoy-origin-status:PLAIN)%\",\"upstreamServiceTime\":\"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%\",\"cacheStatus\":\"%RESP(X-Cache-Status)%\",\"fuseStatus\":\"%RESP(X-Envoy-Circuitbreaking)%\",\"downgradeStatus\":\"%RESP(X-Downgrade-Status)%\",\"secureStatus\":\"%RESP(X-Secure-Status)%\",\"userAgent\":\"%REQ(USER-AGENT)%\",\"remoteUser\":\"%REQ(REMOTE-USER)%\",\"bodyBytesSent\":\"%BYTES_SENT%\",\"httpReferer\":\"%REQ(HTTP-REFERER)%\",\"requestAuthority\":\"%REQ(:AUTHORITY)%\",\"clusterName\":\"%FILTER_STATE(qz_cluster_name:PLAIN)%\",\"serviceName\":\"%FILTER_STATE(qz_svc_id:PLAIN)%\",\"apiId\":\"%FILTER_STATE(qz_api_id:PLAIN)%\",\"apiName\":\"%FILTER_STATE(qz_api_name:PLAIN)%\",\"responseFlags\":\"%RESPONSE_FLAGS%\",\"projectId\":\"%FILTER_STATE(qz_project_id:PLAIN)%\"}\n";

/// The `WasmPlugin` of the Go db-log-pusher, as its documentation has it; its indentation is lost there.
const FORMER: &str = r#"
apiVersion: extensions.higress.io/v1alpha1
kind: WasmPlugin
metadata:
  name: db-log-pusher-plugin
  namespace: higress-system
  labels:
    higress.io/wasm-plugin-name: db-log-pusher
    higress.io/wasm-plugin-category: logging
spec:
  url: https://pysrc-test.oss-cn-beijing.aliyuncs.com/higress-plugin/plugin-20260323-101235.wasm
  sha256: "" # Recommended: fill in the SHA256 checksum of the WASM file
  defaultConfigDisable: true
  failStrategy: FAIL_OPEN
  imagePullPolicy: Always
  phase: AUTHN
  priority: 1010
  matchRules:
  - configDisable: false
    ingress:
    - model-api-qwen3-plus-0 # Replace with your route names
    - travel-assistant
    config:
      log_level: info
      collector_service_name: "log-collector.higress-system.svc.cluster.local"
      collector_port: 80
      collector_path: "/ingest"
"#;

fn text(path: &str) -> String {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn document(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Starts Envoy with a file of `deploy/`, the placeholders of which are these.
fn start(path: &str, upstream_port: u16, collector_port: u16) -> Envoy {
    let mut file = text(path);
    let place = |name: &str, port: u16| format!("{{ address: {name}, port_value: {port} }}");
    let plugin = plugin_file().unwrap().canonicalize().unwrap();
    for (placeholder, value) in [
        (place("127.0.0.1", 9901), place("127.0.0.1", 0)),
        (place("0.0.0.0", 10_000), place("127.0.0.1", 0)),
        (place("upstream", 3000), place("127.0.0.1", upstream_port)),
        (
            place("log-collector", 8080),
            place("127.0.0.1", collector_port),
        ),
        (
            "/etc/envoy/gatelog-plugin.wasm".to_owned(),
            plugin.display().to_string(),
        ),
    ] {
        let is_of_plugin = placeholder.contains("gatelog") || placeholder.contains("collector");
        assert!(
            file.contains(&placeholder) || (path == FILTER_STATE && is_of_plugin),
            "{path}: {placeholder}"
        );
        file = file.replace(&placeholder, &value);
    }
    Envoy::start_with(&file).unwrap_or_else(|error| panic!("{path}: {error:#}"))
}

/// The lines on standard output, when there are so many.
fn lines(envoy: &Envoy, count: usize) -> Vec<Value> {
    wait::until("the lines", PATIENCE, || {
        let lines = envoy.stdout();
        if lines.len() == count {
            Ok(lines)
        } else {
            Err(lines)
        }
    })
    .unwrap()
    .iter()
    .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
    .collect()
}

/// The text format of the only logger to a file.
fn format_of(path: &str) -> String {
    let manager =
        "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/access_log/0";
    let logger = document(path).pointer(manager).unwrap().clone();
    let format = "/typed_config/log_format/text_format_source/inline_string";
    logger.pointer(format).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn envoy_takes_both_ways_to_attach_the_plugin_and_each_records() {
    for path in [HTTP_FILTER, ACCESS_LOGGER] {
        let (web, collector) = (upstream::web().unwrap(), Collector::start());
        let envoy = start(path, web.port(), collector.port());
        assert_eq!(exchange(envoy.address(), &get("/status/201", "a")), 201);
        let records = collector.wait_for_records(1);
        assert_eq!(records[0].response_code, Some(201), "{path}");
        assert_eq!(
            records[0].instance_id.as_deref(),
            Some("gateway-1"),
            "{path}"
        );
        assert_eq!(
            records[0].route_name.as_deref(),
            Some("everything"),
            "{path}"
        );
        assert_eq!(collector.taken()[0].path, "/ingest");
    }
}

/// Hango's line, of which the values of the hub are these.
fn is_hangos_line(line: &Value, origin_status: &str) {
    for (key, value) in [
        ("method", "GET"),
        ("uri", "/status/404?a=b"),
        ("respCode", "404"),
        ("userIp", "127.0.0.1"),
        ("requestAuthority", "shop.example"),
        ("originHost", "shop.example"),
        ("originMethod", "GET"),
        ("originPath", "/status/404?a=b"),
        ("originStatus", origin_status),
        ("clusterName", "demo-demo-gateway"),
        // Nobody sets it, in Hango's open source edition as here.
        ("serviceName", "-"),
        ("apiId", "shop"),
        ("apiName", "shop"),
        ("projectId", "7"),
        ("responseFlags", "-"),
        ("userAgent", "test"),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert_eq!(line.as_object().unwrap().len(), 30);
}

#[test]
fn hangos_lines_have_the_values_of_the_hub() {
    let ask = request("GET", "/status/404?a=b", "a", "user-agent: test\r\n", b"");
    let (web, collector) = (upstream::web().unwrap(), Collector::start());
    let envoy = start(HUB, web.port(), collector.port());
    assert_eq!(exchange(envoy.address(), &ask), 404);
    is_hangos_line(&lines(&envoy, 1)[0], "404");
    assert_eq!(collector.wait_for_records(1).len(), 1);
    assert_eq!(
        format_of(HUB),
        FORMAT.replace("FILTER_STATE(", "FILTER_STATE(wasm.")
    );
}

#[test]
fn hangos_format_works_unchanged_with_envoys_own_filter() {
    let ask = request("GET", "/status/404?a=b", "a", "user-agent: test\r\n", b"");
    let web = upstream::web().unwrap();
    let envoy = start(FILTER_STATE, web.port(), 1);
    assert_eq!(exchange(envoy.address(), &ask), 404);
    is_hangos_line(&lines(&envoy, 1)[0], "-");
    assert_eq!(format_of(FILTER_STATE), FORMAT);
}

/// What Higress' controller makes of a `WasmPlugin`: the configuration that the plugin gets.
fn merged(plugin: &Value) -> Value {
    let spec = &plugin["spec"];
    let is_default = spec["defaultConfigDisable"] != json!(true);
    let default = spec["defaultConfig"].clone();
    let mut config = if is_default && default.is_object() {
        default
    } else {
        json!({})
    };
    let mut rules = Vec::new();
    for rule in spec["matchRules"].as_array().unwrap() {
        if rule["configDisable"] == json!(true) {
            continue;
        }
        let mut merged = rule["config"].clone();
        let conditions = [
            ("ingress", "_match_route_"),
            ("service", "_match_service_"),
            ("domain", "_match_domain_"),
        ];
        for (key, condition) in conditions {
            if rule[key].is_array() {
                merged[condition] = rule[key].clone();
            }
        }
        rules.push(merged);
    }
    config["_rules_"] = json!(rules);
    config
}

/// The collector of a test in place of the one in a file.
fn with_collector(mut config: Value, port: u16) -> Value {
    let places = match config["_rules_"].as_array_mut() {
        Some(rules) if rules.iter().any(|rule| rule["collector_port"] == 80) => {
            rules.iter_mut().collect()
        }
        _ => vec![&mut config],
    };
    for place in places {
        let service = "log-collector.higress-system.svc.cluster.local";
        assert_eq!(place["collector_service_name"], service);
        assert_eq!(place["collector_port"], 80);
        place["collector_service_name"] = json!(Gateway::COLLECTOR_SERVICE);
        place["collector_port"] = json!(port);
    }
    config
}

/// Differences to the former one: whose plugin it is, and the priority, which the console has up to 1000.
#[test]
fn the_higress_file_is_the_former_one_with_this_plugin() {
    let mut former: Value = serde_saphyr::from_str(FORMER).unwrap();
    let file = document(HIGRESS);
    former["metadata"]["name"] = json!("gatelog-plugin");
    former["metadata"]["labels"]["higress.io/wasm-plugin-name"] = json!("gatelog-plugin");
    former["spec"]["url"] = file["spec"]["url"].clone();
    former["spec"]["priority"] = json!(1000);
    assert_eq!(file, former);
}

#[test]
fn the_former_and_the_new_higress_file_record_the_routes_that_are_named() {
    for plugin in [serde_saphyr::from_str(FORMER).unwrap(), document(HIGRESS)] {
        let collector = Collector::start();
        let mut config = with_collector(merged(&plugin), collector.port());
        let routes = &mut config["_rules_"][0]["_match_route_"];
        assert_eq!(
            *routes,
            json!(["model-api-qwen3-plus-0", "travel-assistant"])
        );
        *routes = json!(["model-api-qwen3-plus-0", "direct"]);
        let gateway = Gateway::new(collector.port())
            .attach(Attach::Discovered)
            .plugin_alone(config);
        let envoy = Envoy::start(&gateway).unwrap();
        assert_eq!(exchange(envoy.address(), &get("/redirect", "other")), 301);
        assert_eq!(exchange(envoy.address(), &get("/direct", "named")), 200);
        let records = collector.wait_for_records(1);
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].request_id.as_deref(), Some("named"));
    }
}

#[test]
fn the_higress_file_for_all_routes_is_taken() {
    let collector = Collector::start();
    let config = with_collector(merged(&document(HIGRESS_ALL)), collector.port());
    let gateway = Gateway::new(collector.port())
        .attach(Attach::Discovered)
        .plugin_alone(config);
    let envoy = Envoy::start(&gateway).unwrap();
    let ask = |path: &str, host: &str, id: &str| {
        let bytes = String::from_utf8(get(path, id)).unwrap();
        exchange(
            envoy.address(),
            bytes.replace("shop.example", host).as_bytes(),
        )
    };
    // Of its hundred numbers the id has the last, which is not among ten.
    let unlucky = "00000063-0000-4000-8000-000000000abc";
    assert_eq!(ask("/direct", "a.busy.example.com", unlucky), 200);
    assert_eq!(ask("/nobody", "a.busy.example.com", "failure"), 404);
    assert_eq!(ask("/direct", "debug.example.com", "debug"), 200);
    assert_eq!(ask("/direct", "any.example.com", "any"), 200);
    let mut ids: Vec<_> = collector
        .wait_for_records(3)
        .iter()
        .map(|record| record.request_id.clone().unwrap().into_owned())
        .collect();
    ids.sort();
    assert_eq!(ids, ["any", "debug", "failure"]);
}

#[test]
fn the_istio_file_is_taken() {
    let plugin = document(ISTIO);
    assert_eq!(plugin["apiVersion"], "extensions.istio.io/v1alpha1");
    assert_eq!(plugin["kind"], "WasmPlugin");
    assert_eq!(plugin["spec"]["failStrategy"], "FAIL_OPEN");
    let collector = Collector::start();
    let config = with_collector(plugin["spec"]["pluginConfig"].clone(), collector.port());
    let gateway = Gateway::new(collector.port())
        .attach(Attach::Discovered)
        .plugin_alone(config);
    let envoy = Envoy::start(&gateway).unwrap();
    assert_eq!(exchange(envoy.address(), &get("/direct", "a")), 200);
    assert_eq!(collector.wait_for_records(1).len(), 1);
}
