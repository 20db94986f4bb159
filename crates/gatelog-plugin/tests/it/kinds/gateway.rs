//! One Envoy in which a request of every kind can happen.
//!
//! The routes of `kinds.example`; clusters for the first are the test kit's:
//!
//! | path | what happens |
//! |---|---|
//! | `/web/…`, `/timeout/…` | the web API, in the second 200 ms at most |
//! | `/dead`, `/retry` | connection refused, in the second twice |
//! | `/direct`, `/redirect`, `/no-cluster` | as they say |
//! | `/own/…` | [`super::upstream::ordinary`]; `/flaky/…` is tried twice |
//! | `/raw/…` | [`super::upstream::Raw`], upgrades to `websocket` allowed |
//! | `/grpc/…` | [`super::upstream::Http2`], the service's own paths |
//! | `/nobody` | a cluster without hosts |
//! | `/full` | a cluster that takes no request |
//! | `/idle/…` | the web API, 100 ms without a byte at most |
//! | `/limited` | one request an hour |
//! | `/denied` | the authorization server says no |
//! | `/fault` | aborted by the fault filter |
//! | CONNECT | a tunnel to [`super::upstream::Raw`] |

use std::path::Path;
use std::process::Command;

use gatelog_testkit::envoy::{Attach, Gateway};
use serde_json::{Value, json};

use super::truth;

const TYPE: &str = "type.googleapis.com/";

/// The ports that the configuration needs.
pub(super) struct Ports {
    /// Of the gateway itself: the hop to its TLS side must know it.
    pub(super) gateway: u16,
    /// Takes plain bytes and passes them to the gateway over TLS.
    pub(super) hop: u16,
    pub(super) web: u16,
    pub(super) own: u16,
    pub(super) raw: u16,
    pub(super) http2: u16,
    pub(super) authority: u16,
}

pub(super) fn gateway(ports: &Ports, collector: u16, attach: Attach, dir: &Path) -> Gateway {
    let (certificate, key) = certificate(dir);
    Gateway::new(collector)
        .attach(attach)
        .plugin(json!({"batch": {"flush_interval_ms": 100}}))
        .listen_port(ports.gateway)
        .upstreams(ports.web, 1, 1)
        .tls(&certificate, &key)
        .clusters(clusters(ports))
        .listeners_besides([hop(ports.hop)])
        .filters(
            [
                filter("envoy.filters.http.set_metadata", "set_metadata.v3.Config", &json!({
                    "metadata": [{"metadata_namespace": "istio.mixer", "value": {"status": "UNKNOWN"}}],
                })),
                filter(
                    "envoy.filters.http.local_ratelimit",
                    "local_ratelimit.v3.LocalRateLimit",
                    &json!({"stat_prefix": "limit"}),
                ),
            ],
            [
                authorization(ports.authority),
                filter("envoy.filters.http.fault", "fault.v3.HTTPFault", &json!({})),
            ],
        )
        .patch(json!({"typed_config": {
            "access_log": [truth::logger()],
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "http_protocol_options": {"accept_http_10": true},
            "route_config": {"virtual_hosts": [{
                "name": "kinds", "domains": ["kinds.example", "kinds.example:443"], "routes": routes(),
            }]},
        }}))
}

fn routes() -> Value {
    let bucket = json!({"max_tokens": 1, "fill_interval": "3600s"});
    let all = json!({"default_value": {"numerator": 100}});
    let (web, dead) = (service("web"), service("dead"));
    json!([
        {"name": "web", "match": {"prefix": "/web/"}, "route": {"cluster": web, "prefix_rewrite": "/"}},
        {"name": "slow", "match": {"prefix": "/timeout/"}, "route": {
            "cluster": web, "prefix_rewrite": "/", "timeout": "0.2s"}},
        {"name": "dead", "match": {"path": "/dead"}, "route": {"cluster": dead}},
        {"name": "retry", "match": {"path": "/retry"}, "route": {
            "cluster": dead, "retry_policy": {"retry_on": "connect-failure", "num_retries": 1}}},
        {"name": "direct", "match": {"path": "/direct"},
         "direct_response": {"status": 200, "body": {"inline_string": "direct\n"}}},
        {"name": "redirect", "match": {"path": "/redirect"}, "redirect": {"path_redirect": "/direct"}},
        {"name": "no-cluster", "match": {"path": "/no-cluster"}, "route": {"cluster": "nowhere"}},
        {"name": "tunnel", "match": {"connect_matcher": {}}, "route": {
            "cluster": "raw", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}},
        {"name": "own", "match": {"prefix": "/own/"}, "route": {
            "cluster": "own", "prefix_rewrite": "/",
            "retry_policy": {"retry_on": "5xx", "num_retries": 1}}},
        {"name": "raw", "match": {"prefix": "/raw/"}, "route": {"cluster": "raw", "prefix_rewrite": "/"}},
        {"name": "grpc", "match": {"prefix": "/grpc/"}, "route": {"cluster": "grpc"}},
        {"name": "nobody", "match": {"path": "/nobody"}, "route": {"cluster": "nobody"}},
        {"name": "full", "match": {"path": "/full"}, "route": {"cluster": "full"}},
        {"name": "idle", "match": {"prefix": "/idle/"}, "route": {
            "cluster": web, "prefix_rewrite": "/", "idle_timeout": "0.1s"}},
        {"name": "limited", "match": {"path": "/limited"},
         "direct_response": {"status": 200, "body": {"inline_string": "direct\n"}},
         "typed_per_filter_config": {"envoy.filters.http.local_ratelimit": {
            "@type": format!("{TYPE}envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"),
            "stat_prefix": "limit", "token_bucket": bucket,
            "filter_enabled": all, "filter_enforced": all}}},
        {"name": "denied", "match": {"path": "/denied"}, "route": {"cluster": "own"},
         "typed_per_filter_config": {"envoy.filters.http.ext_authz": {
            "@type": format!("{TYPE}envoy.config.route.v3.FilterConfig"), "config": {}}}},
        {"name": "fault", "match": {"path": "/fault"}, "route": {"cluster": "own"},
         "typed_per_filter_config": {"envoy.filters.http.fault": {
            "@type": format!("{TYPE}envoy.extensions.filters.http.fault.v3.HTTPFault"),
            "abort": {"http_status": 418, "percentage": {"numerator": 100}}}}},
    ])
}

/// A cluster of the test kit's, by its service.
fn service(name: &str) -> String {
    format!("outbound|80||{name}.demo.svc.cluster.local")
}

fn clusters(ports: &Ports) -> Vec<Value> {
    let mut grpc = cluster("grpc", &[ports.http2]);
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    grpc["typed_extension_protocol_options"] = json!({options: {
        "@type": format!("{TYPE}{options}"),
        "explicit_http_config": {"http2_protocol_options": {}},
    }});
    let mut full = cluster("full", &[ports.web]);
    full["circuit_breakers"] = json!({"thresholds": [{"max_pending_requests": 0}]});
    let mut tls = cluster("tls", &[ports.gateway]);
    tls["transport_socket"] = extension(
        "envoy.transport_sockets.tls",
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        &json!({"sni": "kinds.example"}),
    );
    vec![
        cluster("own", &[ports.own]),
        cluster("raw", &[ports.raw]),
        cluster("nobody", &[]),
        cluster("authority", &[ports.authority]),
        grpc,
        full,
        tls,
    ]
}

fn cluster(name: &str, ports: &[u16]) -> Value {
    let endpoints: Vec<Value> = ports
        .iter()
        .map(|port| json!({"endpoint": {"address": address(*port)}}))
        .collect();
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    })
}

/// A listener that speaks TLS to the gateway for clients that cannot.
fn hop(port: u16) -> Value {
    json!({
        "@type": format!("{TYPE}envoy.config.listener.v3.Listener"),
        "name": "hop",
        "address": address(port),
        "filter_chains": [{"filters": [extension(
            "envoy.filters.network.tcp_proxy",
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            &json!({"stat_prefix": "hop", "cluster": "tls"}),
        )]}],
    })
}

/// Asks the authorization server, on the routes that switch it on.
fn authorization(port: u16) -> Value {
    let mut filter = filter(
        "envoy.filters.http.ext_authz",
        "ext_authz.v3.ExtAuthz",
        &json!({"http_service": {"server_uri": {
            "uri": format!("http://127.0.0.1:{port}"), "cluster": "authority", "timeout": "5s",
        }}}),
    );
    filter["disabled"] = json!(true);
    filter
}

fn filter(name: &str, kind: &str, config: &Value) -> Value {
    extension(
        name,
        &format!("envoy.extensions.filters.http.{kind}"),
        config,
    )
}

pub(super) fn extension(name: &str, kind: &str, config: &Value) -> Value {
    let mut typed = config.clone();
    typed["@type"] = json!(format!("{TYPE}{kind}"));
    json!({"name": name, "typed_config": typed})
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

/// A certificate that nobody has signed, and its key.
fn certificate(dir: &Path) -> (String, String) {
    let arguments = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                     -subj /CN=kinds.example -keyout key.pem -out certificate.pem";
    let output = Command::new("openssl")
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .output()
        .expect("openssl, which MariaDB's packages bring along");
    assert!(output.status.success(), "{output:?}");
    let read = |name| std::fs::read_to_string(dir.join(name)).unwrap();
    (read("certificate.pem"), read("key.pem"))
}
