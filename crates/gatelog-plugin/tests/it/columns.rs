//! One record for each request, and in every column what Envoy's own access log says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use gatelog_record::{AccessRecord, Field, Timestamp, Value};
use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use gatelog_testkit::{upstream, wait};
use serde_json::json;

use super::rig::{self, Collector, PATIENCE, abort, exchange, get, request};

/// Sends a request of each kind; gives the status each should have, by its id.
fn send_every_kind(to: SocketAddr, web: &upstream::Server) -> BTreeMap<String, i64> {
    let mut expected = BTreeMap::new();
    let mut kind = |id: &str, status: u16, bytes: Vec<u8>| {
        assert_eq!(exchange(to, &bytes), status, "{id}");
        expected.insert(id.to_owned(), i64::from(status));
    };
    kind("get", 200, get("/web/anything?q=1&q=2", "get"));
    kind(
        "head",
        200,
        request("HEAD", "/web/anything", "head", "", b""),
    );
    kind(
        "post",
        200,
        request("POST", "/web/anything", "post", "", b"twelve bytes"),
    );
    let chunked = b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let mut head = request("POST", "/web/anything", "chunked", "", b"");
    head.truncate(head.len() - 2);
    head.extend(chunked);
    kind("chunked", 200, head);
    for status in [204, 304, 404, 500] {
        let id = format!("status-{status}");
        kind(&id, status, get(&format!("/web/status/{status}"), &id));
    }
    kind("no-route", 404, get("/nobody", "no-route"));
    kind("no-cluster", 503, get("/no-cluster", "no-cluster"));
    kind("direct", 200, get("/direct", "direct"));
    kind("redirect", 301, get("/redirect", "redirect"));
    kind("dead", 503, get("/dead", "dead"));
    kind("retry", 503, get("/retry", "retry"));
    kind("timeout", 504, get("/timeout/slow/2000", "timeout"));
    kind("hang-up", 503, get("/web/hang-up", "hang-up"));
    let sse = br#"{"model":"qwen","stream":true,"messages":[]}"#;
    kind(
        "sse",
        200,
        request("POST", "/v1/chat/completions", "sse", "", sse),
    );
    let call = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"weather"}}"#;
    kind("mcp", 200, request("POST", "/mcp", "mcp", "", call));
    let grpc = "content-type: application/grpc\r\n";
    kind(
        "grpc-5",
        200,
        request("POST", "/web/grpc/5", "grpc-5", grpc, b""),
    );
    kind(
        "grpc-dead",
        200,
        request("POST", "/dead", "grpc-dead", grpc, b""),
    );
    let many = "user-agent: curl/8.0 \"x\"\\\r\nx-forwarded-for: 203.0.113.7\r\n\
                x-forwarded-for: 10.0.0.1\r\nx-b3-traceid: 80f198ee56343ba8\r\n\
                x-mse-consumer: consumer-a\r\n";
    kind(
        "headers",
        200,
        request("GET", "/direct", "headers", many, b""),
    );
    let traceparent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    kind(
        "w3c",
        200,
        request("GET", "/direct", "w3c", traceparent, b""),
    );

    expected.extend(send_aborted(to, web));
    expected
}

/// The client goes away: while the upstream thinks, in the middle of the answer, and in the middle
/// of its own request.
fn send_aborted(to: SocketAddr, web: &upstream::Server) -> [(String, i64); 3] {
    let before = web.requests();
    let slow = get("/web/slow/3000", "gone-before");
    abort_when(to, &slow, || web.requests() > before);
    abort(to, &get("/web/drip/50/100", "gone-during"), b"0123456789");
    let announced = "content-length: 1000\r\n";
    let mut half = request("POST", "/web/anything", "gone-half", announced, b"");
    half.extend([b'x'; 300]);
    abort_when(to, &half, || true);
    [("gone-before", 0), ("gone-during", 200), ("gone-half", 0)]
        .map(|(id, status)| (id.to_owned(), status))
}

/// Sends the bytes, waits for the condition, and hangs up.
fn abort_when(to: SocketAddr, bytes: &[u8], mut condition: impl FnMut() -> bool) {
    use std::io::Write as _;
    let mut stream = std::net::TcpStream::connect(to).unwrap();
    stream.write_all(bytes).unwrap();
    wait::until("the upstream to have it", PATIENCE, || {
        condition().then_some(()).ok_or("not yet")
    })
    .unwrap();
    drop(stream);
}

fn every_kind_is_recorded_as_envoy_logs_it(attach: Attach) {
    let (web, llm, mcp) = (
        upstream::web().unwrap(),
        upstream::llm().unwrap(),
        upstream::mcp().unwrap(),
    );
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(web.port(), llm.port(), mcp.port())
        .attach(attach)
        .plugin(json!({"batch": {"flush_interval_ms": 100}}));
    let envoy = Envoy::start(&gateway).unwrap();

    let expected = send_every_kind(envoy.address(), &web);
    let lines = wait::until("Envoy's own lines", PATIENCE, || {
        let lines = envoy.access_log().unwrap();
        if lines.len() >= expected.len() {
            Ok(lines)
        } else {
            Err(lines.len())
        }
    })
    .unwrap();
    let records = collector.wait_for_records(expected.len());

    assert_eq!(records.len(), expected.len(), "one record for each request");
    let lines: BTreeMap<&str, &serde_json::Value> = lines
        .iter()
        .map(|line| (line["request_id"].as_str().unwrap(), line))
        .collect();
    for record in &records {
        let id = record.request_id.as_deref().unwrap();
        assert_eq!(record.response_code, expected.get(id).copied(), "{id}");
        assert_same(record, lines[id]);
        assert_eq!(record.instance_id.as_deref(), Some("gateway-1"));
        assert_eq!(record.route, record.route_name);
        assert_eq!(
            record.client_ip.as_deref(),
            record
                .downstream_remote_address
                .as_deref()
                .map(|address| address.rsplit_once(':').unwrap().0)
        );
    }
    let by_id = |id: &str| {
        records
            .iter()
            .find(|record| record.request_id.as_deref() == Some(id))
            .unwrap()
    };
    assert_eq!(
        by_id("get").service.as_deref(),
        Some("web.demo.svc.cluster.local")
    );
    assert_eq!(by_id("get").path.as_deref(), Some("/web/anything?q=1&q=2"));
    assert_eq!(by_id("chunked").bytes_received, Some(5));
    assert_eq!(
        by_id("gone-half").bytes_received,
        Some(300),
        "what came, not what was announced"
    );
    assert_eq!(by_id("sse").api.as_deref(), Some("chat"));
    assert_eq!(by_id("headers").consumer.as_deref(), Some("consumer-a"));
    assert_eq!(
        by_id("headers").trace_id.as_deref(),
        Some("80f198ee56343ba8")
    );
    assert_eq!(
        by_id("w3c").trace_id.as_deref(),
        Some("4bf92f3577b34da6a3ce929d0e0e4736")
    );
    for (id, flags) in [
        ("no-route", "NR"),
        ("no-cluster", "NC"),
        ("dead", "UF"),
        ("retry", "UF,URX"),
        ("timeout", "UT"),
        ("hang-up", "UC"),
        ("gone-before", "DC"),
        ("gone-during", "DC"),
    ] {
        assert_eq!(by_id(id).response_flags.as_deref(), Some(flags), "{id}");
    }
}

/// Compares every column that Envoy's line has.
fn assert_same(record: &AccessRecord<'_>, line: &serde_json::Value) {
    let id = record.request_id.as_deref().unwrap_or("?");
    for (name, logged) in line.as_object().unwrap() {
        let field = Field::ALL
            .iter()
            .find(|field| field.name() == name)
            .unwrap();
        let found = match record.get(*field) {
            None => None,
            Some(Value::Integer(number)) => Some(number.to_string()),
            Some(Value::Text(text)) => Some(text.to_owned()),
            Some(Value::Time(time)) => Some(time.to_string()),
            other => panic!("{name}: {other:?}"),
        };
        let logged = match logged {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) if text == "-" => None,
            serde_json::Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        };
        match field {
            // Other sources stand in where Envoy's operator has none.
            Field::TraceId | Field::UpstreamServiceTime if logged.is_none() => {}
            Field::ResponseFlags => assert_eq!(
                set(found.as_deref()),
                set(logged.as_deref()),
                "{id}: {name}"
            ),
            Field::StartTime => assert_eq!(
                found.as_deref().and_then(Timestamp::parse),
                logged.as_deref().and_then(Timestamp::parse),
                "{id}: {name}"
            ),
            _ => assert_eq!(found, logged, "{id}: {name}"),
        }
    }
}

fn set(flags: Option<&str>) -> BTreeSet<String> {
    flags
        .into_iter()
        .flat_map(|flags| flags.split(','))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_filter_records_every_kind_of_request_as_envoy_logs_it() {
    every_kind_is_recorded_as_envoy_logs_it(Attach::HttpFilter);
}

#[test]
fn an_access_logger_records_every_kind_of_request_as_envoy_logs_it() {
    every_kind_is_recorded_as_envoy_logs_it(Attach::AccessLogger);
}

/// No byte that a client can send stops the plugin. Envoy answers some of it with 400, and then
/// there may be no headers at all.
#[test]
fn bytes_that_are_no_text_and_broken_requests_are_recorded_too() {
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let mut not_utf8 =
        b"GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-request-id: latin\r\n\
        user-agent: caf\xe9\r\nx-mse-consumer: \xff\xfe\r\n\r\n"
            .to_vec();
    assert_eq!(exchange(envoy.address(), &not_utf8), 200);
    not_utf8 =
        b"GET /direct HTTP/1.1\r\nhost: a\r\nx-\xe9: 1\r\nconnection: close\r\n\r\n".to_vec();
    let odd_name = exchange(envoy.address(), &not_utf8);
    assert_eq!(exchange(envoy.address(), b"GARBAGE\r\n\r\n"), 400);
    assert_eq!(
        exchange(
            envoy.address(),
            b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"
        ),
        400
    );
    assert_eq!(exchange(envoy.address(), &get("/direct", "after")), 200);

    let records = collector.wait_for_records(5);
    assert_eq!(records.len(), 5);
    let latin = &records[0];
    assert_eq!(latin.user_agent.as_deref(), Some("caf\u{fffd}"));
    assert_eq!(latin.consumer.as_deref(), Some("\u{fffd}\u{fffd}"));
    let codes: Vec<_> = records
        .iter()
        .map(|record| record.response_code.unwrap())
        .collect();
    assert_eq!(codes, [200, i64::from(odd_name), 400, 400, 200]);
    assert!(!rig::records(&collector.taken()[0]).is_empty());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}
