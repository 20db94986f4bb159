//! From what the proxy knows of a finished request to its record.
//!
//! **Shape.** [`capture`] makes the record when the request is over: the request headers are fetched
//! once, as a whole; the rest are attributes, each of which costs a call to the proxy, so what is
//! the same for many requests is kept in a [`Memory`] and what cannot be there is not asked for. What
//! only passes by, the bodies and the moments, an [`Exchange`] has seen before.
//!
//! **Invariants.** Nothing here can fail: what is absent, of the wrong length or not UTF-8 becomes an
//! absent value or U+FFFD. `""` and `-` are absent texts; a missing status is 0. Secrets are in the
//! record still: the worker redacts it before it goes anywhere. What the bodies say comes before what ai-statistics wrote: the
//! collector fills from `ai_log` only what is absent.
//!
//! **Source.** Envoy's attributes, <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>;
//! encodings measured on Envoy 1.40.

// Columns.
pub(crate) mod attribute;
mod memory;
mod name;
mod request_headers;
mod trace;

// What passes by.
mod exchange;
mod mcp;
mod media;
mod prefix;
mod request_body;
mod response_body;

use std::borrow::Cow;

use gatelog_record::{AccessRecord, Headers, response_flag};

use crate::config::Recording;
use crate::host::Host;
use attribute::{NS_PER_MS, integer, lossy, present, text, time, underscored};
pub use exchange::Exchange;
pub use memory::Memory;
use name::{api_of, mcp_server_of, service_of, without_port};
use request_headers::RequestHeaders;

/// The record of the request that is over.
pub fn capture(
    host: &impl Host,
    recording: &Recording,
    memory: &mut Memory,
    exchange: &mut Exchange,
    instance_id: Option<&str>,
) -> AccessRecord<'static> {
    let mut record = AccessRecord {
        instance_id: instance_id.map(|id| Cow::Owned(id.to_owned())),
        ..AccessRecord::default()
    };
    request(host, recording, exchange, &mut record);
    response(host, recording, &mut record);
    connection(host, memory, &mut record);
    route(host, memory, &mut record);
    upstream(host, &mut record);
    wasm_state(host, exchange, &mut record);
    record.istio_policy_status = memory.mixer_status(host);
    exchange.fill(host, &mut record);
    record
}

/// The request: its headers, its moment and its size.
fn request(
    host: &impl Host,
    recording: &Recording,
    exchange: &Exchange,
    record: &mut AccessRecord<'static>,
) {
    record.start_time = time(host, &["request", "time"]);
    record.duration = integer(host, &["request", "duration"]).map(|ns| ns / NS_PER_MS);
    record.protocol = text(host, &["request", "protocol"]);
    let headers = RequestHeaders::read(host, recording);
    record.bytes_received = if exchange.has_no_request_body() {
        Some(0)
    } else {
        bytes_received(host, &headers)
    };
    // Envoy derives a gRPC status for every request, also where there is none.
    if headers.grpc {
        record.grpc_status = integer(host, &["response", "grpc_status"]);
    }
    headers.fill(record);
}

/// `request.size` is what the client announced where it announced something; a client that went away in
/// the middle sent less. `total_size` is what came, and the headers.
fn bytes_received(host: &impl Host, headers: &RequestHeaders) -> Option<i64> {
    integer(host, &["request", "total_size"])
        .map(|total| total.saturating_sub(headers.bytes))
        .filter(|bytes| *bytes >= 0)
        .or_else(|| integer(host, &["request", "size"]))
}

/// The response as the client got it.
fn response(host: &impl Host, recording: &Recording, record: &mut AccessRecord<'static>) {
    record.response_code = Some(status(host).unwrap_or(0));
    record.response_code_details = text(host, &["response", "code_details"]).map(underscored);
    record.response_flags = integer(host, &["response", "flags"])
        .and_then(|bits| response_flag::from_bits(bits.cast_unsigned()));
    record.bytes_sent = integer(host, &["response", "size"]);
    record.upstream_service_time = host
        .response_header("x-envoy-upstream-service-time")
        .and_then(present);
    if !is_ordinary(record) {
        record.connection_termination_details = text(host, &["connection", "termination_details"]);
    }
    let captured = &recording.capture.response_headers;
    if !captured.is_empty() {
        let mut headers = Headers::new();
        for (name, value) in host.response_headers() {
            if !name.starts_with(':') && captured.contains(&name) {
                headers.push(name, lossy(value));
            }
        }
        record.response_headers = headers;
    }
}

/// The status, from the header, which is the cheaper one.
fn status(host: &impl Host) -> Option<i64> {
    let header = host.response_header(":status");
    let status = header.and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok());
    status.or_else(|| integer(host, &["response", "code"]))
}

/// Whether the upstream, or the gateway by its configuration, has answered and nothing went wrong.
fn is_ordinary(record: &AccessRecord<'_>) -> bool {
    record.response_flags.is_none()
        && matches!(
            record.response_code_details.as_deref(),
            Some("via_upstream" | "direct_response")
        )
}

/// The client's connection.
fn connection(host: &impl Host, memory: &mut Memory, record: &mut AccessRecord<'static>) {
    let connection = memory.connection(host);
    record.downstream_local_address = connection.local_address;
    record.requested_server_name = connection.server_name;
    record.tls_version = connection.tls_version;
    // Not the connection's: whoever is believed about it tells by a header of the request.
    record.downstream_remote_address = text(host, &["source", "address"]);
    record.client_ip = record
        .downstream_remote_address
        .as_deref()
        .map(|address| Cow::Owned(without_port(address).to_owned()));
}

/// Cluster and route, and what their names tell.
fn route(host: &impl Host, memory: &mut Memory, record: &mut AccessRecord<'static>) {
    record.upstream_cluster = memory.xds(host, "cluster_name");
    record.route_name = memory.xds(host, "route_name");
    record.route.clone_from(&record.route_name);
    record.service = record
        .upstream_cluster
        .as_deref()
        .and_then(service_of)
        .map(|service| Cow::Owned(service.to_owned()));
    record.api = record
        .route_name
        .as_deref()
        .and_then(api_of)
        .map(|api| Cow::Owned(api.to_owned()));
}

/// The call to the upstream. Where the router never tried, there is none, and nothing to read.
fn upstream(host: &impl Host, record: &mut AccessRecord<'static>) {
    let attempts = integer(host, &["upstream", "request_attempt_count"]);
    record.upstream_request_attempt_count = attempts;
    if attempts == Some(0) {
        return;
    }
    record.upstream_host = text(host, &["upstream", "address"]);
    record.upstream_local_address = text(host, &["upstream", "local_address"]);
    if attempts != Some(1) || !is_ordinary(record) {
        record.upstream_transport_failure_reason =
            text(host, &["upstream", "transport_failure_reason"]).map(underscored);
    }
    if record.upstream_service_time.is_none() {
        record.upstream_service_time = integer(host, &["response", "backend_latency"])
            .map(|ns| Cow::Owned((ns / NS_PER_MS).to_string()));
    }
}

/// What Higress' own plugins left about the request.
fn wasm_state(host: &impl Host, exchange: &Exchange, record: &mut AccessRecord<'static>) {
    record.ai_log = text(host, &["ai_log"]).map(as_json_string);
    if exchange.may_be_mcp() {
        record.mcp_server = text(host, &["mcp_server_name"]);
        record.mcp_tool = text(host, &["mcp_tool_name"]);
    }
    if record.mcp_server.is_none() {
        record.mcp_server = record
            .path
            .as_deref()
            .and_then(mcp_server_of)
            .map(|server| Cow::Owned(server.to_owned()));
    }
}

/// ai-statistics leaves a text; as a JSON string it is what the collector reads, unescaping once,
/// and nothing in it can break the record.
fn as_json_string(text: Cow<'static, str>) -> Cow<'static, str> {
    serde_json::to_string(&text).map_or(text, Cow::Owned)
}

/// The id of the node this proxy is: its pod's name where it tells, else its id.
pub fn node_id(host: &impl Host) -> Option<String> {
    let paths: [&[&str]; 4] = [
        &["xds", "node", "metadata", "POD_NAME"],
        &["node", "metadata", "POD_NAME"],
        &["xds", "node", "id"],
        &["node", "id"],
    ];
    paths
        .iter()
        .find_map(|path| text(host, path))
        .map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use gatelog_record::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::fake::Fake;

    fn captured(host: &Fake) -> AccessRecord<'static> {
        let recording = Recording::default();
        let (mut memory, mut exchange) = (Memory::default(), Exchange::default());
        let mut record = capture(host, &recording, &mut memory, &mut exchange, Some("gw-1"));
        recording.redact.apply(&mut record);
        record
    }

    fn ordinary() -> Fake {
        Fake::default()
            .integer("request.time", 1_795_247_876_721_219_000)
            .text("request.protocol", "HTTP/1.1")
            .integer("response.code", 200)
            .integer("response.flags", 0)
            .text("response.code_details", "via_upstream")
            .integer("request.total_size", 18 + 3)
            .integer("response.size", 5)
            .integer("request.duration", 6_999_999)
            .text("source.address", "10.0.0.1:0")
            .text("destination.address", "10.0.0.2:80")
            .text("xds.cluster_name", "outbound|80||svc.ns.svc.cluster.local")
            .text("xds.route_name", "model-api-qwen-chat-0")
            .integer("upstream.request_attempt_count", 1)
            .text("upstream.address", "10.0.0.3:8080")
            .header(":method", "POST")
            .header(":path", "/a")
            .response_header("x-envoy-upstream-service-time", "5")
    }

    #[test]
    fn an_ordinary_request_has_its_columns() {
        let record = captured(&ordinary());
        assert_eq!(
            record.start_time,
            Some(Timestamp::from_micros(1_795_247_876_721_219))
        );
        assert_eq!(record.response_code, Some(200));
        assert_eq!(record.response_flags, None);
        assert_eq!(record.duration, Some(6), "cut, not rounded");
        assert_eq!(record.bytes_received, Some(3), "without the headers");
        assert_eq!(record.bytes_sent, Some(5));
        assert_eq!(record.service.as_deref(), Some("svc.ns.svc.cluster.local"));
        assert_eq!(record.route.as_deref(), Some("model-api-qwen-chat-0"));
        assert_eq!(record.api.as_deref(), Some("qwen-chat"));
        assert_eq!(record.client_ip.as_deref(), Some("10.0.0.1"));
        assert_eq!(record.upstream_host.as_deref(), Some("10.0.0.3:8080"));
        assert_eq!(record.upstream_service_time.as_deref(), Some("5"));
        assert_eq!(record.instance_id.as_deref(), Some("gw-1"));
        assert_eq!(record.grpc_status, None);
    }

    #[test]
    fn a_proxy_that_knows_nothing_gives_a_record_all_the_same() {
        let record = captured(&Fake::default());
        let expected = AccessRecord {
            response_code: Some(0),
            instance_id: Some("gw-1".into()),
            ..AccessRecord::default()
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn secrets_do_not_leave_the_gateway() {
        let host = Fake::default()
            .header(":path", "/a?token=S&b=c")
            .header(":authority", "u:S@h")
            .header("user-agent", "a https://h/?sig=S")
            .text("ai_log", r#"{"url":"https://h/?key=S","b":1}"#);
        let record = captured(&host);
        assert_eq!(record.path.as_deref(), Some("/a?token=***&b=c"));
        assert_eq!(record.authority.as_deref(), Some("***@h"));
        assert_eq!(record.user_agent.as_deref(), Some("a https://h/?sig=***"));
        let ai_log = r#""{\"url\":\"https://h/?key=***\",\"b\":1}""#;
        assert_eq!(record.ai_log.as_deref(), Some(ai_log));
    }

    #[test]
    fn bytes_that_are_no_text_and_lengths_that_are_wrong_do_no_harm() {
        let mut host = ordinary().header("user-agent", b"caf\xe9");
        host.set("response.code", b"200".to_vec());
        let record = captured(&host);
        assert_eq!(record.user_agent.as_deref(), Some("caf\u{fffd}"));
        assert_eq!(record.response_code, Some(0));
    }

    proptest! {
        /// Whatever bytes the proxy gives for whichever attribute, the record's JSON reads back.
        #[test]
        fn no_bytes_break_a_record(
            values in vec((0..PATHS.len(), vec(any::<u8>(), 0..12)), 0..12),
            headers in vec((0..HEADERS.len(), vec(any::<u8>(), 0..40)), 0..12),
        ) {
            let mut host = Fake::default();
            for (path, value) in values {
                host.set(PATHS[path], value);
            }
            for (name, value) in headers {
                host = host.header(HEADERS[name], value);
            }
            let mut json = String::new();
            gatelog_record::json::write(&captured(&host), &mut json);
            prop_assert!(gatelog_record::json::read(&json).is_ok(), "{}", json);
        }
    }

    const PATHS: [&str; 14] = [
        "request.time",
        "request.duration",
        "request.total_size",
        "request.size",
        "response.code",
        "response.flags",
        "response.code_details",
        "response.backend_latency",
        "source.address",
        "xds.cluster_name",
        "xds.route_name",
        "upstream.address",
        "upstream.request_attempt_count",
        "ai_log",
    ];

    const HEADERS: [&str; 6] = [
        ":path",
        "traceparent",
        "x-b3-traceid",
        "content-type",
        "user-agent",
        "x-other",
    ];

    #[test]
    fn original_host_and_path_and_b3_come_first() {
        let plain = Fake::default()
            .header(":authority", "new.example")
            .header(":path", "/new")
            .header(
                "traceparent",
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            );
        let record = captured(&plain);
        assert_eq!(record.authority.as_deref(), Some("new.example"));
        assert_eq!(record.path.as_deref(), Some("/new"));
        assert_eq!(
            record.trace_id.as_deref(),
            Some("4bf92f3577b34da6a3ce929d0e0e4736")
        );
        let rewritten = plain
            .header("x-envoy-original-host", "old.example")
            .header("x-envoy-original-path", "/old?q=1")
            .header("x-b3-traceid", "b3");
        let record = captured(&rewritten);
        assert_eq!(record.authority.as_deref(), Some("old.example"));
        assert_eq!(record.path.as_deref(), Some("/old?q=1"));
        assert_eq!(record.trace_id.as_deref(), Some("b3"));
        let odd = Fake::default().header("traceparent", "00");
        assert_eq!(captured(&odd).trace_id, None);
    }

    #[test]
    fn a_request_that_was_over_with_its_headers_is_not_asked_how_long_it_was() {
        let host = ordinary();
        let recording = Recording::default();
        let (mut memory, mut exchange) = (Memory::default(), Exchange::default());
        exchange.on_request_headers(&host, &recording, &memory, true);
        let record = capture(&host, &recording, &mut memory, &mut exchange, None);
        assert_eq!(record.bytes_received, Some(0));
        let asked = host.asked.borrow();
        assert!(!asked.iter().any(|path| path == "request.total_size"));
    }

    #[test]
    fn a_repeated_header_counts_once() {
        let host = Fake::default()
            .header("user-agent", "one")
            .header("user-agent", "two");
        assert_eq!(captured(&host).user_agent.as_deref(), Some("one"));
    }

    #[test]
    fn a_grpc_status_is_read_for_grpc_only() {
        let plain = Fake::default().integer("response.grpc_status", 2);
        assert_eq!(captured(&plain).grpc_status, None);
        for (content_type, expected) in [
            ("application/grpc", Some(2)),
            ("application/grpc+proto", Some(2)),
            ("application/grpc-web", None),
            ("application/json", None),
        ] {
            let host = Fake::default()
                .integer("response.grpc_status", 2)
                .header("content-type", content_type);
            assert_eq!(captured(&host).grpc_status, expected, "{content_type}");
        }
    }

    #[test]
    fn without_the_header_the_backend_latency_is_the_service_time() {
        let host = Fake::default()
            .integer("upstream.request_attempt_count", 1)
            .integer("response.backend_latency", 7_900_000);
        assert_eq!(captured(&host).upstream_service_time.as_deref(), Some("7"));
    }

    #[test]
    fn ai_log_arrives_as_the_object_that_ai_statistics_meant() {
        for (left, model) in [
            (
                r#"{\"model\":\"qwen\",\"answer\":\"say \\\"hi\\\"\"}"#,
                Some("qwen"),
            ),
            (r#"{"model":"qwen"}"#, Some("qwen")),
            (r#"{"model":"x\",\"admin\":\"y"}"#, Some(r#"x","admin":"y"#)),
            ("{broken", None),
            ("-", None),
        ] {
            let mut json = String::new();
            let record = captured(&Fake::default().text("ai_log", left));
            gatelog_record::json::write(&record, &mut json);
            let (read, _) = gatelog_record::json::read(&json).unwrap();
            assert_eq!(read.model.as_deref(), model, "{left}");
        }
    }

    #[test]
    fn an_address_loses_its_port_and_nothing_else() {
        for (address, ip) in [
            ("10.0.0.1:80", "10.0.0.1"),
            ("[2001:db8::1]:0", "2001:db8::1"),
            ("/run/a.sock", "/run/a.sock"),
            ("@pipe", "@pipe"),
        ] {
            assert_eq!(without_port(address), ip);
        }
    }

    #[test]
    fn a_node_is_named_by_its_pod_or_its_id() {
        let by_id = Fake::default().text("xds.node.id", "router~1");
        assert_eq!(node_id(&by_id).as_deref(), Some("router~1"));
        let by_pod = by_id.text("node.metadata.POD_NAME", "pod-1");
        assert_eq!(node_id(&by_pod).as_deref(), Some("pod-1"));
        assert_eq!(node_id(&Fake::default()), None);
    }

    /// P12 and P13 of the reference.
    #[test]
    fn the_server_and_the_tool_are_what_higress_says_else_the_path_and_the_body() {
        const CALL: &str =
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"of-the-body"}}"#;
        let of = |host: &Fake| {
            let recording = Recording::default();
            let (mut memory, mut exchange) = (Memory::default(), Exchange::default());
            exchange.on_request_headers(host, &recording, &memory, false);
            host.piece.replace(CALL.as_bytes().to_vec());
            exchange.on_request_body(host, CALL.len());
            let record = capture(host, &recording, &mut memory, &mut exchange, None);
            let own =
                |text: Option<Cow<'static, str>>| text.map(Cow::into_owned).unwrap_or_default();
            (own(record.mcp_server), own(record.mcp_tool))
        };
        let host = Fake::default()
            .header(":path", "/mcp-servers/of-the-path/mcp")
            .header("content-type", "application/json")
            .header("x-envoy-mcp-server-name", "forged");
        assert_eq!(of(&host), ("of-the-path".into(), "of-the-body".into()));
        let host = host
            .text("mcp_server_name", "of-higress")
            .text("mcp_tool_name", "tool-of-higress");
        assert_eq!(of(&host), ("of-higress".into(), "tool-of-higress".into()));
    }

    /// P5 and P6: Envoy's own bits, in their order.
    #[test]
    fn flags_have_envoys_names_in_the_order_of_its_bits() {
        for (bits, flags) in [
            (1 << 1, "UH"),
            (1 << 5, "UF"),
            (1 << 14, "DC"),
            (1 << 8, "NR"),
            (1 << 15 | 1 << 5, "UF,URX"),
            (1 << 9 | 1 << 10, "DI,FI"),
            (1 << 28, "DR"),
        ] {
            let host = Fake::default().integer("response.flags", bits);
            assert_eq!(captured(&host).response_flags.as_deref(), Some(flags));
        }
    }

    /// P15: what an `ai_log` says stands back behind what the body said.
    #[test]
    fn the_body_comes_before_ai_log_and_ai_log_fills_the_rest() {
        let recording = Recording::default();
        let (mut memory, mut exchange) = (Memory::default(), Exchange::default());
        let body =
            r#"{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":4}}"#;
        let host = Fake::default()
            .header("content-type", "application/json")
            .response_header("content-type", "application/json")
            .text("ai_log", r#"{\"total_token\":3,\"session_id\":\"s\"}"#);
        exchange.on_request_headers(&host, &recording, &memory, false);
        exchange.on_response_headers(&host, &recording, &memory, false);
        host.piece.replace(body.as_bytes().to_vec());
        exchange.on_response_body(&host, body.len());
        let record = capture(&host, &recording, &mut memory, &mut exchange, None);
        let mut json = String::new();
        gatelog_record::json::write(&record, &mut json);
        let (read, _) = gatelog_record::json::read(&json).unwrap();
        assert_eq!(read.total_tokens, Some(4), "the provider's");
        assert_eq!(read.ai_session_id.as_deref(), Some("s"));
    }

    #[test]
    fn the_consumer_is_in_the_configured_header() {
        let recording = Recording {
            consumer_header: "x-who".to_owned(),
            ..Recording::default()
        };
        let host = Fake::default()
            .header("x-mse-consumer", "other")
            .header("x-who", "a");
        let (mut memory, mut exchange) = (Memory::default(), Exchange::default());
        let record = capture(&host, &recording, &mut memory, &mut exchange, None);
        assert_eq!(record.consumer.as_deref(), Some("a"));
    }

    /// Every call to the proxy costs the traffic about a microsecond.
    #[test]
    fn an_ordinary_request_asks_the_proxy_for_little() {
        let host = ordinary().integer("connection_id", 1);
        let recording = Recording::default();
        let (mut memory, mut exchange) = (Memory::default(), Exchange::default());
        let mut calls = 0;
        for _ in 0..100 {
            host.asked.borrow_mut().clear();
            host.other_calls.set(0);
            capture(&host, &recording, &mut memory, &mut exchange, None);
            calls = host.asked.borrow().len() + host.other_calls.get();
        }
        assert!(calls <= 19, "{calls}: {:?}", host.asked.borrow());
    }
}
