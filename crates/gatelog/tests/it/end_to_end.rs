//! The whole way on real traffic: a real Envoy with the plugin, gatelog, and a store.

use std::collections::BTreeMap;
use std::time::Duration;

use gatelog_testkit::envoy::{Envoy, Gateway};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::{upstream, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::setup;

/// How often each kind of request is sent.
const ROUNDS: usize = 25;

/// Method, path, body, and the status that the client sees.
const KINDS: [(&str, &str, &str, u16); 12] = [
    ("GET", "/web/anything?q=1", "", 200),
    ("HEAD", "/web/anything", "", 200),
    ("POST", "/web/anything", "twelve bytes", 200),
    ("GET", "/web/status/204", "", 204),
    ("GET", "/web/status/304", "", 304),
    ("GET", "/web/status/500", "", 500),
    ("GET", "/no-route", "", 404),
    ("GET", "/direct", "", 200),
    ("GET", "/redirect", "", 301),
    ("GET", "/dead", "", 503),
    ("GET", "/web/hang-up", "", 503),
    (
        "POST",
        "/v1/chat/completions",
        r#"{"model":"qwen","stream":true,"messages":[]}"#,
        200,
    ),
];

/// Sends every kind [`ROUNDS`] times, and gives the status of each by its request id.
fn send(envoy: &Envoy) -> BTreeMap<String, u16> {
    let client = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .build()
        .new_agent();
    let mut sent = BTreeMap::new();
    for round in 0..ROUNDS {
        for (kind, &(method, path, body, status)) in KINDS.iter().enumerate() {
            let id = format!("{kind:02}-{round:03}");
            let request = ureq::http::Request::builder()
                .method(method)
                .uri(envoy.url(path))
                .header("x-request-id", &id)
                .body(body)
                .unwrap();
            let mut response = client.run(request).unwrap();
            response.body_mut().read_to_vec().unwrap();
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
            sent.insert(id, status);
        }
    }
    sent
}

/// The plugin numbers its records: each of them came, and none again.
fn every_number_came(gatelog: &Gatelog, requests: usize) {
    let (_, senders) = gatelog.get("/senders").unwrap();
    let senders: Value = serde_json::from_str(&senders).unwrap();
    let workers = senders["senders"].as_array().unwrap();
    let sum = |key: &str| -> u64 { workers.iter().map(|w| w[key].as_u64().unwrap()).sum() };
    assert_eq!(sum("received"), requests as u64, "{senders}");
    for key in ["missing", "awaited", "in_flight", "dropped", "duplicates"] {
        assert_eq!(sum(key), 0, "{key}: {senders}");
    }
}

/// Requests through Envoy; exactly as many rows, each with what Envoy's own logger printed.
fn every_request_is_a_row(setup: &Setup) -> Gatelog {
    let gatelog = setup.start().unwrap();
    let (web, llm, mcp) = (
        upstream::web().unwrap(),
        upstream::llm().unwrap(),
        upstream::mcp().unwrap(),
    );
    let gateway = Gateway::new(gatelog.port().unwrap())
        .upstreams(web.port(), llm.port(), mcp.port())
        .plugin(json!({"batch": {"flush_interval_ms": 100}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let sent = send(&envoy);
    gatelog.wait_for_rows("", sent.len() as u64).unwrap();

    let rows = gatelog.all_rows("").unwrap();
    let by_id: BTreeMap<&str, &Value> = rows
        .iter()
        .map(|row| (row["request_id"].as_str().unwrap(), row))
        .collect();
    assert_eq!(
        (rows.len(), by_id.len()),
        (sent.len(), sent.len()),
        "each once"
    );
    for (id, status) in &sent {
        assert_eq!(by_id[id.as_str()]["response_code"], json!(status), "{id}");
    }
    // Envoy writes its file when it thinks fit.
    let lines = wait::until("Envoy's own lines", Duration::from_secs(30), || {
        let lines = envoy.access_log().unwrap();
        if lines.len() == sent.len() {
            Ok(lines)
        } else {
            Err(lines.len())
        }
    })
    .unwrap();
    for line in lines {
        let row = by_id[line["request_id"].as_str().unwrap()];
        for column in [
            "authority",
            "method",
            "path",
            "protocol",
            "user_agent",
            "response_code",
            "response_code_details",
            "bytes_received",
            "bytes_sent",
            "duration",
            "upstream_cluster",
            "upstream_host",
            "route_name",
            "downstream_remote_address",
        ] {
            let logged = &line[column];
            let logged = if logged == "-" { &Value::Null } else { logged };
            assert_eq!(&row[column], logged, "{column} of {line}");
        }
        // Rows carry milliseconds.
        let start = line["start_time"].as_str().unwrap();
        assert_eq!(
            row["start_time"],
            format!("{}Z", start.get(..23).unwrap()),
            "{line}"
        );
    }
    every_number_came(&gatelog, sent.len());
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let accepted = format!("gatelog_records_accepted_total {}\n", sent.len());
    assert!(metrics.contains(&accepted), "{accepted} in {metrics}");
    gatelog
}

#[test]
fn every_request_through_envoy_is_a_row_of_the_lake() {
    let dir = TempDir::new().unwrap();
    every_request_is_a_row(&setup(&dir));
}

#[test]
fn every_request_through_envoy_is_a_row_of_mariadb() {
    let dir = TempDir::new().unwrap();
    let mariadb = MariaDb::shared().unwrap();
    let dsn = mariadb.database("end_to_end").unwrap();
    let gatelog = every_request_is_a_row(&setup(&dir).variable("MYSQL_DSN", dsn));
    let count = "SELECT COUNT(*), COUNT(DISTINCT request_id) FROM end_to_end.access_logs";
    let expected = Some((ROUNDS * KINDS.len()).to_string());
    assert_eq!(mariadb.sql(count).unwrap(), [[expected.clone(), expected]]);
    assert!(
        !dir.path().join("lake").exists(),
        "MYSQL_DSN alone turns the lake off"
    );
    drop(gatelog);
}
