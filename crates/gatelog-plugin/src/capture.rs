//! From what the proxy knows of a finished request to its record.
//!
//! **Shape.** The request headers are fetched once, as a whole; the rest are attributes. Where
//! attributes were renamed, Envoy's present name (`xds.…`) comes first and the flat one, which older
//! versions and some forks have, second.
//!
//! **Invariants.** Nothing here can fail: what is absent, of the wrong length or not UTF-8 becomes an
//! absent value or U+FFFD. `""` and `-` are absent texts; a missing status is 0. What is redacted
//! everywhere does not leave the gateway.
//!
//! **Source.** Envoy's attributes, <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes>;
//! encodings measured on Envoy 1.40.

use std::borrow::Cow;
use std::sync::OnceLock;

use gatelog_record::{AccessRecord, Timestamp, response_flag};
use gatelog_redact::Rules;

use crate::host::Host;

type Text = Option<Cow<'static, str>>;

/// The record of the request that is over.
pub fn capture(host: &impl Host, instance_id: Option<&str>) -> AccessRecord<'static> {
    let mut record = AccessRecord {
        start_time: time(host, &["request", "time"]),
        protocol: text(host, &["request", "protocol"]),
        response_code: Some(integer(host, &["response", "code"]).unwrap_or(0)),
        response_code_details: text(host, &["response", "code_details"]).map(underscored),
        response_flags: integer(host, &["response", "flags"])
            .and_then(|bits| response_flag::from_bits(bits.cast_unsigned())),
        bytes_sent: integer(host, &["response", "size"]),
        duration: integer(host, &["request", "duration"]).map(|ns| ns / NS_PER_MS),
        downstream_local_address: text(host, &["destination", "address"]),
        downstream_remote_address: text(host, &["source", "address"]),
        requested_server_name: text(host, &["connection", "requested_server_name"]),
        tls_version: text(host, &["connection", "tls_version"]),
        connection_termination_details: text(host, &["connection", "termination_details"]),
        istio_policy_status: text(
            host,
            &["metadata", "filter_metadata", "istio.mixer", "status"],
        ),
        ai_log: text(host, &["ai_log"]).map(as_json_string),
        mcp_server: text(host, &["mcp_server_name"]),
        mcp_tool: text(host, &["mcp_tool_name"]),
        instance_id: instance_id.map(|id| Cow::Owned(id.to_owned())),
        ..AccessRecord::default()
    };
    record.client_ip = record
        .downstream_remote_address
        .as_deref()
        .map(|address| Cow::Owned(without_port(address).to_owned()));
    request(host, &mut record);
    route(host, &mut record);
    upstream(host, &mut record);
    rules().apply(&mut record);
    record
}

/// The built-in rules.
fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(Rules::default)
}

const NS_PER_MS: i64 = 1_000_000;

/// What the request headers say.
fn request(host: &impl Host, record: &mut AccessRecord<'static>) {
    let headers = Headers::read(host);
    record.trace_id = headers.b3_trace_id.or_else(|| {
        let parts: Text = headers.traceparent;
        let id = parts?.split('-').nth(1)?.to_owned();
        Some(Cow::Owned(id)).filter(|id: &Cow<'_, str>| !id.is_empty())
    });
    record.authority = headers.original_host.or(headers.authority);
    record.path = headers.original_path.or(headers.path);
    record.method = headers.method;
    record.request_id = headers.request_id;
    record.user_agent = headers.user_agent;
    record.x_forwarded_for = headers.forwarded_for;
    record.consumer = headers.consumer;
    // `request.size` is what the client announced where it announced something; a client that went
    // away in the middle sent less. `total_size` is what came, and the headers.
    record.bytes_received = integer(host, &["request", "total_size"])
        .map(|total| total.saturating_sub(headers.bytes))
        .filter(|bytes| *bytes >= 0)
        .or_else(|| integer(host, &["request", "size"]));
    // Envoy derives a gRPC status for every request, also where there is none.
    if headers.grpc {
        record.grpc_status = integer(host, &["response", "grpc_status"]);
    }
}

/// Cluster and route, and what their names tell.
fn route(host: &impl Host, record: &mut AccessRecord<'static>) {
    record.upstream_cluster =
        text(host, &["xds", "cluster_name"]).or_else(|| text(host, &["cluster_name"]));
    record.route_name = text(host, &["xds", "route_name"]).or_else(|| text(host, &["route_name"]));
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
    record.upstream_service_time = host
        .response_header("x-envoy-upstream-service-time")
        .and_then(present);
    if attempts == Some(0) {
        return;
    }
    record.upstream_host = text(host, &["upstream", "address"]);
    record.upstream_local_address = text(host, &["upstream", "local_address"]);
    record.upstream_transport_failure_reason =
        text(host, &["upstream", "transport_failure_reason"]).map(underscored);
    if record.upstream_service_time.is_none() {
        record.upstream_service_time = integer(host, &["response", "backend_latency"])
            .map(|ns| Cow::Owned((ns / NS_PER_MS).to_string()));
    }
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

/// The request headers that a record has a place for; of repeated ones the first.
#[derive(Default)]
struct Headers {
    method: Text,
    authority: Text,
    original_host: Text,
    path: Text,
    original_path: Text,
    request_id: Text,
    user_agent: Text,
    forwarded_for: Text,
    b3_trace_id: Text,
    traceparent: Text,
    consumer: Text,
    grpc: bool,
    /// Of all names and values.
    bytes: i64,
}

impl Headers {
    fn read(host: &impl Host) -> Self {
        let mut headers = Self::default();
        for (name, value) in host.request_headers() {
            let bytes = name.len() + value.len();
            headers.bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
            let place = match name.as_str() {
                ":method" => &mut headers.method,
                ":authority" => &mut headers.authority,
                "x-envoy-original-host" => &mut headers.original_host,
                ":path" => &mut headers.path,
                "x-envoy-original-path" => &mut headers.original_path,
                "x-request-id" => &mut headers.request_id,
                "user-agent" => &mut headers.user_agent,
                "x-forwarded-for" => &mut headers.forwarded_for,
                "x-b3-traceid" => &mut headers.b3_trace_id,
                "traceparent" => &mut headers.traceparent,
                "x-mse-consumer" => &mut headers.consumer,
                "content-type" => {
                    headers.grpc = is_grpc(&value);
                    continue;
                }
                _ => continue,
            };
            if place.is_none() {
                *place = present(value);
            }
        }
        headers
    }
}

/// As Envoy decides it: `application/grpc`, alone or before a `+`.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}

/// The service of a cluster: the fourth part of `outbound|port|subset|fqdn`, or the whole name of a
/// cluster that is named otherwise.
fn service_of(cluster: &str) -> Option<&str> {
    let service = match cluster.split_once('|') {
        Some(_) => cluster.split('|').nth(3)?,
        None => cluster,
    };
    Some(service).filter(|service| !service.is_empty())
}

/// The API of a route that Higress made for one: `model-api-NAME-N`.
fn api_of(route: &str) -> Option<&str> {
    let (api, number) = route.strip_prefix("model-api-")?.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some(api).filter(|api| is_number && !api.is_empty())
}

/// `10.0.0.1:80` and `[::1]:80` without port and brackets; a path of a pipe as it is.
fn without_port(address: &str) -> &str {
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => address,
    };
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

/// ai-statistics leaves a text; as a JSON string it is what the collector reads, unescaping once,
/// and nothing in it can break the record.
fn as_json_string(text: Cow<'static, str>) -> Cow<'static, str> {
    serde_json::to_string(&text).map_or(text, Cow::Owned)
}

fn underscored(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.contains(' ') {
        Cow::Owned(text.replace(' ', "_"))
    } else {
        text
    }
}

fn text(host: &impl Host, path: &[&str]) -> Text {
    host.property(path).and_then(present)
}

/// The bytes as text, unless they are a word for nothing.
fn present(bytes: Vec<u8>) -> Text {
    if bytes.is_empty() || bytes == b"-" {
        return None;
    }
    Some(Cow::Owned(String::from_utf8(bytes).unwrap_or_else(
        |error| String::from_utf8_lossy(error.as_bytes()).into_owned(),
    )))
}

fn integer(host: &impl Host, path: &[&str]) -> Option<i64> {
    let bytes = host.property(path)?.try_into().ok()?;
    Some(i64::from_le_bytes(bytes))
}

fn time(host: &impl Host, path: &[&str]) -> Option<Timestamp> {
    integer(host, path).map(|ns| Timestamp::from_micros(ns / 1000))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::fake::Fake;

    fn captured(host: &Fake) -> AccessRecord<'static> {
        capture(host, Some("gw-1"))
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
        let record = capture(&Fake::default(), None);
        let expected = AccessRecord {
            response_code: Some(0),
            ..AccessRecord::default()
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn flat_names_count_where_the_present_ones_are_missing() {
        let old = Fake::default()
            .text("cluster_name", "outbound|80|v1|old.svc")
            .text("route_name", "r");
        let record = captured(&old);
        assert_eq!(record.service.as_deref(), Some("old.svc"));
        assert_eq!(record.route_name.as_deref(), Some("r"));
        let both = old.text("xds.cluster_name", "outbound|80||new.svc");
        assert_eq!(captured(&both).service.as_deref(), Some("new.svc"));
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
    fn names_of_routes_and_clusters_tell_what_they_tell() {
        for (route, api) in [
            ("model-api-a-0", Some("a")),
            ("model-api-a-b-12", Some("a-b")),
            ("model-api-a", None),
            ("model-api--1", None),
            ("model-api-a-b", None),
            ("other-a-0", None),
        ] {
            assert_eq!(api_of(route), api, "{route}");
        }
        for (cluster, service) in [
            ("outbound|80||a.static", Some("a.static")),
            ("outbound|80|v1|a.dns", Some("a.dns")),
            ("inbound|80||", None),
            ("odd|name", None),
            ("PassthroughCluster", Some("PassthroughCluster")),
        ] {
            assert_eq!(service_of(cluster), service, "{cluster}");
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
}
