//! What Envoy is told: a listener with routes of every kind, the plugin, and its own access logger.
//!
//! | path | route | what happens |
//! |---|---|---|
//! | `/web/…` | `web` | the web API ([`crate::upstream::web`]), prefix removed |
//! | `/v1/…` | `model-api-chat-0` | the LLM API |
//! | `/mcp` | `mcp` | the MCP server |
//! | `/direct` | `direct` | 200 from the gateway itself |
//! | `/redirect` | `redirect` | 301 to `/direct` |
//! | `/dead` | `dead` | connection refused: 503 UF |
//! | `/retry` | `retry` | the same with a retry: 503 URX,UF |
//! | `/timeout/…` | `timeout` | the web API, 200 ms at most: 504 UT |
//! | `/no-cluster` | `no-cluster` | 503 NC |
//! | else | | 404 NR |

use std::time::Duration;

use serde_json::{Value, json};

use super::{Files, patch};

const TYPE: &str = "type.googleapis.com/";

/// The name of the listener with the plugin.
pub(super) const NAME: &str = "gateway";
const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

const WASM_FILTER: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";

/// How the plugin gets its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// As an HTTP filter, the way of Istio's and Higress' `WasmPlugin`.
    HttpFilter,
    /// As an HTTP filter whose configuration is delivered by extension discovery, as Istio and Higress
    /// deliver that of a `WasmPlugin`.
    Discovered,
    /// As an access logger, `envoy.access_loggers.wasm`.
    AccessLogger,
    /// Not at all.
    Nowhere,
}

/// A gateway: what stands behind it, and how the plugin is set up.
#[derive(Clone, Debug)]
pub struct Gateway {
    web: u16,
    llm: u16,
    mcp: u16,
    collector: u16,
    plugin: Value,
    attach: Attach,
    patches: Vec<Value>,
    clusters: Vec<Value>,
    /// HTTP filters before the plugin's place, and between it and the router.
    filters: [Vec<Value>; 2],
    more_listeners: Vec<Value>,
    tls: Option<Value>,
    own_log: bool,
    route_metadata: Value,
    listen_port: u16,
    pub(crate) workers: u32,
}

impl Gateway {
    /// The collector's service; its cluster is `outbound|PORT||gatelog.static`.
    pub const COLLECTOR_SERVICE: &str = "gatelog.static";

    /// A gateway whose plugin sends to this port of 127.0.0.1. Without upstreams their routes
    /// answer 503.
    pub fn new(collector_port: u16) -> Self {
        Self {
            // Port 1 is where nobody listens.
            web: 1,
            llm: 1,
            mcp: 1,
            collector: collector_port,
            plugin: json!({
                "collector_service_name": Self::COLLECTOR_SERVICE,
                "collector_port": collector_port,
            }),
            attach: Attach::HttpFilter,
            patches: Vec::new(),
            clusters: Vec::new(),
            filters: [Vec::new(), Vec::new()],
            more_listeners: Vec::new(),
            tls: None,
            own_log: true,
            route_metadata: json!({}),
            listen_port: 0,
            workers: 1,
        }
    }

    /// The ports of the web API, the LLM API and the MCP server on 127.0.0.1.
    pub fn upstreams(mut self, web: u16, llm: u16, mcp: u16) -> Self {
        (self.web, self.llm, self.mcp) = (web, llm, mcp);
        self
    }

    /// More keys of the plugin's configuration; the collector is set already.
    pub fn plugin(mut self, more: Value) -> Self {
        if let (Value::Object(plugin), Value::Object(more)) = (&mut self.plugin, more) {
            plugin.extend(more);
        }
        self
    }

    /// The plugin's whole configuration, in place of the collector's two keys.
    pub fn plugin_alone(mut self, config: Value) -> Self {
        self.plugin = config;
        self
    }

    /// `filter_metadata` of every route.
    pub fn route_metadata(mut self, metadata: Value) -> Self {
        self.route_metadata = metadata;
        self
    }

    /// How the plugin gets its requests; as a filter by default.
    pub fn attach(mut self, attach: Attach) -> Self {
        self.attach = attach;
        self
    }

    /// Merges this into the connection manager's filter, which has a `name` and a `typed_config`, as
    /// Istio does with the `value` of an `EnvoyFilter`'s `MERGE`: lists are appended to.
    pub fn patch(mut self, value: Value) -> Self {
        self.patches.push(value);
        self
    }

    /// More clusters, as Envoy's configuration has them.
    pub fn clusters(mut self, more: impl IntoIterator<Item = Value>) -> Self {
        self.clusters.extend(more);
        self
    }

    /// More HTTP filters: some that see a request before the plugin does, some between it and the router.
    pub fn filters(
        mut self,
        before: impl IntoIterator<Item = Value>,
        after: impl IntoIterator<Item = Value>,
    ) -> Self {
        let [first, second] = &mut self.filters;
        first.extend(before);
        second.extend(after);
        self
    }

    /// More listeners, without the plugin, as Envoy's configuration has them.
    pub fn listeners_besides(mut self, more: impl IntoIterator<Item = Value>) -> Self {
        self.more_listeners.extend(more);
        self
    }

    /// Speaks TLS too, on the same port: this certificate and its key, both in PEM.
    pub fn tls(mut self, certificate: &str, key: &str) -> Self {
        self.tls = Some(json!({"common_tls_context": {"tls_certificates": [{
            "certificate_chain": {"inline_string": certificate},
            "private_key": {"inline_string": key},
        }]}}));
        self
    }

    /// Without Envoy's own access logger, to measure what loggers cost.
    pub fn without_own_log(mut self) -> Self {
        self.own_log = false;
        self
    }

    /// The port to listen on; one of the machine's choice by default.
    pub fn listen_port(mut self, port: u16) -> Self {
        self.listen_port = port;
        self
    }

    /// Envoy's worker threads; 1 by default.
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    pub(crate) fn bootstrap(&self, files: &Files) -> Value {
        let collector = format!("outbound|{}||{}", self.collector, Self::COLLECTOR_SERVICE);
        let mut clusters = vec![
            cluster("outbound|80||web.demo.svc.cluster.local", self.web),
            cluster("outbound|80||llm.demo.svc.cluster.local", self.llm),
            cluster("outbound|80||mcp.demo.svc.cluster.local", self.mcp),
            cluster("outbound|80||dead.demo.svc.cluster.local", 1),
            cluster(&collector, self.collector),
        ];
        clusters.extend(self.clusters.iter().cloned());
        json!({
            "node": {"id": "gateway-1", "cluster": "gateway"},
            "admin": {"address": address(0)},
            // As Istio has it: without it the runtime cannot be changed.
            "layered_runtime": {"layers": [{"name": "admin", "admin_layer": {}}]},
            "dynamic_resources": {"lds_config": {
                "path_config_source": {"path": files.listeners},
                "resource_api_version": "V3",
            }},
            "static_resources": {"clusters": clusters},
        })
    }

    /// The listeners, as the discovery service would send them.
    pub(crate) fn listeners(&self, files: &Files) -> Value {
        let mut loggers = Vec::new();
        if self.own_log {
            loggers.push(file_logger(files));
        }
        let [before, after] = self.filters.clone();
        let mut filters = before;
        let config = json!({"config": self.wasm(files)});
        match self.attach {
            Attach::HttpFilter => filters.push(extension("gatelog", WASM_FILTER, config)),
            Attach::Discovered => filters.push(json!({"name": "gatelog", "config_discovery": {
                "config_source": {
                    "path_config_source": {"path": files.extension},
                    "resource_api_version": "V3",
                    "initial_fetch_timeout": "2s",
                },
                "type_urls": [format!("{TYPE}{WASM_FILTER}")],
            }})),
            Attach::AccessLogger => loggers.push(extension(
                "gatelog",
                "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
                config,
            )),
            Attach::Nowhere => {}
        }
        filters.extend(after);
        filters.push(extension(
            "envoy.filters.http.router",
            "envoy.extensions.filters.http.router.v3.Router",
            json!({}),
        ));
        let manager = json!({
            "stat_prefix": "gateway",
            "preserve_external_request_id": true,
            // How long Envoy waits for a client that asked for the connection to be closed; its
            // second by default makes a test of a hundred requests last as many seconds.
            "delayed_close_timeout": "0.02s",
            "access_log": loggers,
            "http_filters": filters,
            "http_protocol_options": {"enable_trailers": true},
            "route_config": {
                "name": "gateway",
                "validate_clusters": false,
                "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": self.routes()}],
            },
        });
        let mut manager = extension(
            "envoy.filters.network.http_connection_manager",
            MANAGER,
            manager,
        );
        for value in &self.patches {
            patch::merge(&mut manager, value);
        }
        let version = json!([self.plugin, self.patches, self.route_metadata]).to_string();
        let mut resources = vec![self.listener(&manager)];
        resources.extend(self.more_listeners.iter().cloned());
        json!({"version_info": version, "resources": resources})
    }

    fn listener(&self, manager: &Value) -> Value {
        let mut chains = vec![json!({"filters": [manager]})];
        let mut inspectors = Vec::new();
        if let Some(tls) = &self.tls {
            let socket = extension(
                "envoy.transport_sockets.tls",
                "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                tls.clone(),
            );
            chains.push(json!({
                "filter_chain_match": {"transport_protocol": "tls"},
                "filters": [manager],
                "transport_socket": socket,
            }));
            inspectors.push(extension(
                "envoy.filters.listener.tls_inspector",
                "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
                json!({}),
            ));
        }
        json!({
            "@type": format!("{TYPE}envoy.config.listener.v3.Listener"),
            "name": NAME,
            "address": address(self.listen_port),
            "listener_filters": inspectors,
            "filter_chains": chains,
        })
    }

    /// The plugin's filter, as extension discovery would send it.
    pub(crate) fn extension(&self, files: &Files) -> Value {
        let mut filter = extension("gatelog", WASM_FILTER, json!({"config": self.wasm(files)}));
        if let Value::Object(filter) = &mut filter {
            let kind = format!("{TYPE}envoy.config.core.v3.TypedExtensionConfig");
            filter.insert("@type".to_owned(), json!(kind));
        }
        json!({"version_info": self.plugin.to_string(), "resources": [filter]})
    }

    fn routes(&self) -> Value {
        let mut routes = routes();
        for route in routes.as_array_mut().into_iter().flatten() {
            if let Value::Object(route) = route {
                let metadata = json!({"filter_metadata": self.route_metadata});
                route.insert("metadata".to_owned(), metadata);
            }
        }
        routes
    }

    fn wasm(&self, files: &Files) -> Value {
        json!({
            "name": "gatelog",
            "failure_policy": "FAIL_OPEN",
            "configuration": {
                "@type": format!("{TYPE}google.protobuf.StringValue"),
                "value": self.plugin.to_string(),
            },
            "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": files.plugin}},
            },
        })
    }
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}

fn extension(name: &str, kind: &str, config: Value) -> Value {
    let mut typed = json!({"@type": format!("{TYPE}{kind}")});
    if let (Value::Object(typed), Value::Object(config)) = (&mut typed, config) {
        typed.extend(config);
    }
    json!({"name": name, "typed_config": typed})
}

fn cluster(name: &str, port: u16) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address(port)}},
        ]}]},
    })
}

fn routes() -> Value {
    let to = |service: &str| format!("outbound|80||{service}.demo.svc.cluster.local");
    let timeout = Duration::from_millis(200);
    json!([
        {"name": "web", "match": {"prefix": "/web/"},
         "route": {"cluster": to("web"), "prefix_rewrite": "/"}},
        {"name": "model-api-chat-0", "match": {"prefix": "/v1/"}, "route": {"cluster": to("llm")}},
        {"name": "mcp", "match": {"path": "/mcp"}, "route": {"cluster": to("mcp")}},
        {"name": "direct", "match": {"prefix": "/direct"},
         "direct_response": {"status": 200, "body": {"inline_string": "direct\n"}}},
        {"name": "redirect", "match": {"prefix": "/redirect"},
         "redirect": {"path_redirect": "/direct"}},
        {"name": "dead", "match": {"prefix": "/dead"}, "route": {"cluster": to("dead")}},
        {"name": "retry", "match": {"prefix": "/retry"}, "route": {"cluster": to("dead"),
         "retry_policy": {"retry_on": "connect-failure", "num_retries": 1}}},
        {"name": "timeout", "match": {"prefix": "/timeout/"}, "route": {"cluster": to("web"),
         "prefix_rewrite": "/", "timeout": format!("{}s", timeout.as_secs_f32())}},
        {"name": "no-cluster", "match": {"prefix": "/no-cluster"}, "route": {"cluster": "nowhere"}},
    ])
}

/// Envoy's own logger: one JSON line per request, under the names of gatelog's columns.
fn file_logger(files: &Files) -> Value {
    extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        json!({
            "path": files.access_log,
            "log_format": {"json_format": {
                "start_time": "%START_TIME(%Y-%m-%dT%H:%M:%E6SZ)%",
                "trace_id": "%REQ(X-B3-TRACEID)%",
                "authority": "%REQ(X-ENVOY-ORIGINAL-HOST?:AUTHORITY)%",
                "method": "%REQ(:METHOD)%",
                "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
                "protocol": "%PROTOCOL%",
                "request_id": "%REQ(X-REQUEST-ID)%",
                "user_agent": "%REQ(USER-AGENT)%",
                "x_forwarded_for": "%REQ(X-FORWARDED-FOR)%",
                "response_code": "%RESPONSE_CODE%",
                "response_flags": "%RESPONSE_FLAGS%",
                "response_code_details": "%RESPONSE_CODE_DETAILS%",
                "bytes_received": "%BYTES_RECEIVED%",
                "bytes_sent": "%BYTES_SENT%",
                "duration": "%DURATION%",
                "upstream_cluster": "%UPSTREAM_CLUSTER_RAW%",
                "upstream_host": "%UPSTREAM_HOST%",
                "upstream_service_time": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
                "upstream_transport_failure_reason": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
                "upstream_local_address": "%UPSTREAM_LOCAL_ADDRESS%",
                "downstream_local_address": "%DOWNSTREAM_LOCAL_ADDRESS%",
                "downstream_remote_address": "%DOWNSTREAM_REMOTE_ADDRESS%",
                "route_name": "%ROUTE_NAME%",
                "requested_server_name": "%REQUESTED_SERVER_NAME%",
                "upstream_request_attempt_count": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
                "connection_termination_details": "%CONNECTION_TERMINATION_DETAILS%",
                "grpc_status": "%GRPC_STATUS_NUMBER%",
            }},
        }),
    )
}
