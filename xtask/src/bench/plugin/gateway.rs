//! The Envoys that are measured: one worker each, the same but for the logger.

use std::path::Path;
use std::time::Duration;

use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use gatelog_testkit::wait;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{als, nothing};

const TYPE: &str = "type.googleapis.com/";

/// What takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logger {
    /// Without one: what the others are compared with.
    None,
    /// Envoy's own, JSON into a file, with the fields of a record.
    Json,
    /// Envoy's own, over gRPC to a server that forgets.
    Grpc,
    /// A wasm module that does nothing.
    Nothing,
    /// The plugin, to a server that says yes.
    Plugin,
    /// The same as an access logger of Envoy's, which sees no bodies and has no context of a request.
    AtTheEnd,
    /// The plugin, to gatelog with the lake.
    Gatelog,
}

pub(super) const LOGGERS: [(Logger, &str); 7] = [
    (Logger::None, "no logger"),
    (Logger::Json, "Envoy's JSON file logger"),
    (Logger::Grpc, "Envoy's gRPC logger"),
    (Logger::Nothing, "a wasm module that does nothing"),
    (Logger::Plugin, "the plugin"),
    (Logger::AtTheEnd, "the plugin as an access logger"),
    (Logger::Gatelog, "the plugin, to gatelog"),
];

/// An Envoy with its logger, and where that sends.
pub(super) struct Stage {
    pub(super) envoy: Envoy,
    /// Of the plugin.
    receiver: Option<Receiver>,
    /// What gatelog keeps; it goes when gatelog is gone.
    _data: tempfile::TempDir,
}

/// Where the requests of a round went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledger {
    /// Requests that Envoy has answered, or whose client was gone.
    pub(super) requests: u64,
    /// Records that the plugin made.
    pub(super) captured: u64,
    /// Records that it dropped, for any reason.
    pub(super) dropped: u64,
    /// Records that the receiver has.
    pub(super) accepted: u64,
}

impl Ledger {
    /// Whether each request has its record there.
    pub(super) fn is_whole(&self) -> bool {
        self.dropped == 0 && self.captured == self.requests && self.accepted == self.requests
    }
}

impl Stage {
    /// Starts one in front of the upstream at this port; `built` has gatelog.
    pub(super) fn start(
        logger: Logger,
        workers: u32,
        upstream: u16,
        built: &Path,
        dir: &Path,
    ) -> anyhow::Result<Self> {
        let data = tempfile::tempdir_in(dir)?;
        let receiver = match logger {
            Logger::Plugin | Logger::AtTheEnd => Some(Receiver::yes()?),
            Logger::Gatelog => Some(Receiver::gatelog(built, data.path())?),
            _ => None,
        };
        let collector = receiver.as_ref().map_or(Ok(1), Receiver::port)?;
        let mut gateway = Gateway::new(collector)
            .upstreams(upstream, upstream, 1)
            .workers(workers)
            .attach(match logger {
                Logger::Plugin | Logger::Gatelog => Attach::HttpFilter,
                Logger::AtTheEnd => Attach::AccessLogger,
                _ => Attach::Nowhere,
            });
        if logger != Logger::Json {
            gateway = gateway.without_own_log();
        }
        match logger {
            Logger::Grpc => {
                gateway = gateway
                    .clusters([als_cluster(als::start()?)])
                    .patch(json!({"typed_config": {"access_log": [als_logger()]}}));
            }
            Logger::Nothing => {
                let module = data.path().join("nothing.wasm");
                std::fs::write(&module, nothing::module())?;
                gateway = gateway.filters([wasm(&module)], []);
            }
            _ => {}
        }
        Ok(Self {
            envoy: Envoy::start(&gateway)?,
            receiver,
            _data: data,
        })
    }

    /// The port of the gateway.
    pub(super) fn port(&self) -> u16 {
        self.envoy.address().port()
    }

    /// Requests that Envoy has begun.
    pub(super) fn requests(&self) -> anyhow::Result<u64> {
        self.envoy.stat("http.gateway.downstream_rq_total")
    }

    /// What Envoy's gRPC logger took and what it dropped, because its buffer was full; 0 with another.
    pub(super) fn grpc_entries(&self) -> anyhow::Result<[u64; 2]> {
        let stat = |name| {
            let name = format!("access_logs.grpc_access_log.logs_{name}");
            self.envoy.stat(&name)
        };
        Ok([stat("written")?, stat("dropped")?])
    }

    /// Waits until the receiver has everything, or a while; and counts. `None` without the plugin.
    pub(super) fn ledger(&self) -> anyhow::Result<Option<Ledger>> {
        let Some(receiver) = &self.receiver else {
            return Ok(None);
        };
        let count = || -> anyhow::Result<Ledger> {
            let stat = |name: &str| {
                self.envoy
                    .stat(&format!("wasmcustom.gatelog_plugin_records_{name}total"))
            };
            let mut dropped = 0;
            for reason in ["queue_full", "refused", "gave_up", "shutdown"] {
                dropped += stat(&format!("dropped_{reason}_"))?;
            }
            Ok(Ledger {
                requests: self.requests()?,
                captured: stat("")?,
                dropped,
                accepted: receiver.accepted()?,
            })
        };
        let whole = wait::until("every record", Duration::from_secs(20), || {
            let ledger = count().map_err(|error| error.to_string())?;
            if ledger.is_whole() {
                Ok(ledger)
            } else {
                Err(format!("{ledger:?}"))
            }
        });
        // What is missing is for the page to say.
        Ok(Some(whole.or_else(|_| count())?))
    }
}

fn als_logger() -> Value {
    json!({
        "name": "envoy.access_loggers.http_grpc",
        "typed_config": {
            "@type": format!("{TYPE}envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig"),
            "common_config": {
                "log_name": "bench",
                "transport_api_version": "V3",
                "grpc_service": {"envoy_grpc": {"cluster_name": "als"}},
            },
            "additional_request_headers_to_log": ["x-b3-traceid", "traceparent", "x-mse-consumer"],
            "additional_response_headers_to_log": ["x-envoy-upstream-service-time"],
        },
    })
}

fn als_cluster(port: u16) -> Value {
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({
        "name": "als",
        "type": "STATIC",
        "typed_extension_protocol_options": {options: {
            "@type": format!("{TYPE}{options}"),
            "explicit_http_config": {"http2_protocol_options": {}},
        }},
        "load_assignment": {"cluster_name": "als", "endpoints": [{"lb_endpoints": [{"endpoint": {
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        }}]}]},
    })
}

fn wasm(module: &Path) -> Value {
    json!({
        "name": "nothing",
        "typed_config": {
            "@type": format!("{TYPE}envoy.extensions.filters.http.wasm.v3.Wasm"),
            "config": {"name": "nothing", "vm_config": {
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": module}},
            }},
        },
    })
}
