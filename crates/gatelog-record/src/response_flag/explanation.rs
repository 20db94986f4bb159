//! What each response flag means, and what an operator should look at.
//!
//! A table for people: [`EXPLANATIONS`] is what `GET /flags` and `docs/response-flags.md` show.
//!
//! Source: what Envoy 1.40 was measured to log, and its documentation of `%RESPONSE_FLAGS%`.

use super::NAMES;

/// Whose matter a flag is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The client went away or spoke wrongly.
    Client,
    /// The gateway did what it was told to.
    GatewayPolicy,
    /// The gateway was told something wrong, or not in time.
    GatewayConfiguration,
    /// Something that the gateway itself needs has failed.
    GatewayInfrastructure,
    /// The upstream failed.
    Upstream,
    /// Something took too long or was silent for too long.
    Timeout,
}

impl Class {
    /// In words, as JSON has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::GatewayPolicy => "gateway policy",
            Self::GatewayConfiguration => "gateway configuration",
            Self::GatewayInfrastructure => "gateway infrastructure",
            Self::Upstream => "upstream",
            Self::Timeout => "timeout",
        }
    }
}

/// What one flag means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// As `%RESPONSE_FLAGS%` prints it.
    pub name: &'static str,
    /// As `%RESPONSE_FLAGS_LONG%` prints it.
    pub long_name: &'static str,
    /// Whose matter it is.
    pub class: Class,
    /// The response code that it mostly comes with.
    pub usual_code: &'static str,
    /// What has happened.
    pub cause: &'static str,
    /// What to look at.
    pub check: &'static str,
}

/// Every flag of Envoy 1.40; its place is its bit.
pub const EXPLANATIONS: [Explanation; NAMES.len()] = [
    Explanation {
        name: "LH",
        long_name: "FailedLocalHealthCheck",
        class: Class::GatewayInfrastructure,
        usual_code: "503",
        cause: "The health check filter answered for this gateway or its local service, \
                which counts as unhealthy.",
        check: "See why the local service fails its health check, and whether somebody has \
                set the gateway to fail (`/healthcheck/fail`). Load balancers take it out of \
                rotation meanwhile.",
    },
    Explanation {
        name: "UH",
        long_name: "NoHealthyUpstream",
        class: Class::Upstream,
        usual_code: "503",
        cause: "The cluster has no healthy host: all failed their health checks, were \
                ejected as outliers, or there is none.",
        check: "Look at the service's instances and endpoints, then at health checks and \
                outlier detection. If the service is up, see that its port and labels match \
                the cluster.",
    },
    Explanation {
        name: "UT",
        long_name: "UpstreamRequestTimeout",
        class: Class::Upstream,
        usual_code: "504",
        cause: "The upstream did not answer within the timeout of the route or of the \
                attempt.",
        check: "Compare the duration with the route's timeout. Find what is slow in the \
                service before you raise the timeout.",
    },
    Explanation {
        name: "LR",
        long_name: "LocalReset",
        class: Class::GatewayInfrastructure,
        usual_code: "503",
        cause: "The gateway itself reset the stream to the upstream.",
        check: "Look at the response code details and at the gateway's log at that time: a \
                filter, a reload or a shutdown may have ended it.",
    },
    Explanation {
        name: "UR",
        long_name: "UpstreamRemoteReset",
        class: Class::Upstream,
        usual_code: "503",
        cause: "The upstream reset the stream, in HTTP/2 with RST_STREAM, in HTTP/1 by a \
                reset connection.",
        check: "Look in the service's log for crashes, refused streams or limits on \
                concurrent streams. Requests that may be repeated can be retried on `reset`.",
    },
    Explanation {
        name: "UF",
        long_name: "UpstreamConnectionFailure",
        class: Class::Upstream,
        usual_code: "503",
        cause: "No connection to the upstream could be made: refused, timed out, or its TLS \
                handshake failed.",
        check: "The transport failure reason says which it was. Check that the host and port \
                listen, network policies, and with TLS the certificates and whether the port \
                speaks TLS at all.",
    },
    Explanation {
        name: "UC",
        long_name: "UpstreamConnectionTermination",
        class: Class::Upstream,
        usual_code: "503",
        cause: "The upstream closed the connection before it had answered.",
        check: "Mostly an idle timeout of the service that is shorter than the gateway's: \
                make it longer. Else look for crashes and restarts.",
    },
    Explanation {
        name: "UO",
        long_name: "UpstreamOverflow",
        class: Class::Upstream,
        usual_code: "503",
        cause: "A circuit breaker is open: too many connections, pending requests, requests \
                or retries to the cluster.",
        check: "See whether the service has become slow, which fills the pool. Raise the \
                cluster's limits only if the service can take more.",
    },
    Explanation {
        name: "NR",
        long_name: "NoRouteFound",
        class: Class::GatewayConfiguration,
        usual_code: "404",
        cause: "No route matches the request, or for TCP no filter chain. Older Envoys also \
                say so where the route's cluster is unknown.",
        check: "Compare host, path and method with the routes. See that the route was \
                published to this gateway and that its host covers the request's.",
    },
    Explanation {
        name: "DI",
        long_name: "DelayInjected",
        class: Class::GatewayPolicy,
        usual_code: "any",
        cause: "The fault filter delayed the request on purpose.",
        check: "Nothing is broken if a fault test is running. Else remove the delay from the \
                route or the fault filter.",
    },
    Explanation {
        name: "FI",
        long_name: "FaultInjected",
        class: Class::GatewayPolicy,
        usual_code: "as configured",
        cause: "The fault filter answered in place of the upstream on purpose.",
        check: "Nothing is broken if a fault test is running. Else remove the abort from the \
                route or the fault filter.",
    },
    Explanation {
        name: "RL",
        long_name: "RateLimited",
        class: Class::GatewayPolicy,
        usual_code: "429",
        cause: "A local or global rate limit refused the request.",
        check: "See which client and limit it was. Raise the limit, or ask the client to \
                slow down and to obey `Retry-After`.",
    },
    Explanation {
        name: "UAEX",
        long_name: "UnauthorizedExternalService",
        class: Class::GatewayPolicy,
        usual_code: "403",
        cause: "The external authorization service refused the request.",
        check: "Look for the request id in the authorization service's log. Where many \
                clients are refused at once, check its rules and whether it can be reached.",
    },
    Explanation {
        name: "RLSE",
        long_name: "RateLimitServiceError",
        class: Class::GatewayInfrastructure,
        usual_code: "500",
        cause: "The rate limit service failed or could not be reached, and the filter is set \
                to refuse then.",
        check: "Check that the rate limit service runs and answers within its timeout. \
                Decide whether requests should pass while it is away (`failure_mode_deny`).",
    },
    Explanation {
        name: "DC",
        long_name: "DownstreamConnectionTermination",
        class: Class::Client,
        usual_code: "0",
        cause: "The client closed the connection before the answer was complete.",
        check: "Compare the duration with the client's timeout: slow answers make clients \
                leave. A few are normal, as people close pages.",
    },
    Explanation {
        name: "URX",
        long_name: "UpstreamRetryLimitExceeded",
        class: Class::Upstream,
        usual_code: "503",
        cause: "The request was retried as often as allowed and failed each time; for TCP, \
                the connection attempts were.",
        check: "The other flags and the details say why each attempt failed. Retrying more \
                seldom helps: find what the attempts have in common.",
    },
    Explanation {
        name: "SI",
        long_name: "StreamIdleTimeout",
        class: Class::Timeout,
        usual_code: "408 or 504",
        cause: "The stream carried no data for longer than the idle timeout.",
        check: "Find out who fell silent: a client that stalls while sending (408) or an \
                upstream while answering (504). Long polls and event streams need a longer \
                `stream_idle_timeout`.",
    },
    Explanation {
        name: "IH",
        long_name: "InvalidEnvoyRequestHeaders",
        class: Class::Client,
        usual_code: "400",
        cause: "A header that Envoy checks strictly, an `x-envoy-` one, has an invalid \
                value.",
        check: "The response code details name the header. Correct the client, or remove \
                such headers at the edge.",
    },
    Explanation {
        name: "DPE",
        long_name: "DownstreamProtocolError",
        class: Class::Client,
        usual_code: "400 or 426",
        cause: "The client broke the HTTP protocol: a malformed request, or a version that \
                is not allowed.",
        check: "The details say how. Look for clients that speak TLS to a plain port or the \
                reverse, for scanners, and for old HTTP/1.0 clients.",
    },
    Explanation {
        name: "UMSDR",
        long_name: "UpstreamMaxStreamDurationReached",
        class: Class::Upstream,
        usual_code: "504",
        cause: "The stream to the upstream lasted longer than the cluster's \
                `max_stream_duration`.",
        check: "Raise the cluster's limit for long streams, or find what keeps the service \
                from finishing.",
    },
    Explanation {
        name: "RFCF",
        long_name: "ResponseFromCacheFilter",
        class: Class::GatewayPolicy,
        usual_code: "any",
        cause: "The answer came from the gateway's cache; no upstream was asked.",
        check: "Nothing to do. If the answer is stale, look at the cache headers of the \
                service and at the cache's configuration.",
    },
    Explanation {
        name: "NFCF",
        long_name: "NoFilterConfigFound",
        class: Class::GatewayConfiguration,
        usual_code: "500",
        cause: "A filter's configuration, which is sent apart (ECDS), had not come in time.",
        check: "Check the connection to the control plane and whether it knows the filter. \
                After a start it may pass by itself.",
    },
    Explanation {
        name: "DT",
        long_name: "DurationTimeout",
        class: Class::Timeout,
        usual_code: "0 (TCP)",
        cause: "The connection reached its greatest allowed age and was closed.",
        check: "Expected where connections are to be renewed. Raise \
                `max_connection_duration` if long connections are wanted.",
    },
    Explanation {
        name: "UPE",
        long_name: "UpstreamProtocolError",
        class: Class::Upstream,
        usual_code: "502",
        cause: "The upstream's answer was not valid HTTP, or broke off within its framing.",
        check: "Check that the port speaks the protocol the cluster is set to (HTTP/1, \
                HTTP/2, TLS), and look for headers that are too large or broken in its \
                answers.",
    },
    Explanation {
        name: "NC",
        long_name: "NoClusterFound",
        class: Class::GatewayConfiguration,
        usual_code: "503",
        cause: "The route names a cluster that the gateway does not know.",
        check: "See that the service was published and registered, and the name is spelled \
                alike in route and cluster. Just after a change it may pass by itself.",
    },
    Explanation {
        name: "OM",
        long_name: "OverloadManagerTerminated",
        class: Class::GatewayPolicy,
        usual_code: "503",
        cause: "The gateway was overloaded and its overload manager ended the request.",
        check: "Look at the gateway's memory and connections. Give it more resources or more \
                instances, or find the client that floods it.",
    },
    Explanation {
        name: "DF",
        long_name: "DnsResolutionFailed",
        class: Class::GatewayInfrastructure,
        usual_code: "503",
        cause: "The name of the upstream could not be resolved.",
        check: "The details have the resolver's answer. Check the name, the resolver of the \
                gateway and the network between them.",
    },
    Explanation {
        name: "DO",
        long_name: "DropOverload",
        class: Class::GatewayPolicy,
        usual_code: "503",
        cause: "The control plane told the gateway to drop a part of the cluster's requests \
                (`drop_overloads`).",
        check: "The service is overloaded or being drained on purpose: ask who runs the \
                control plane. Add capacity to the service.",
    },
    Explanation {
        name: "DR",
        long_name: "DownstreamRemoteReset",
        class: Class::Client,
        usual_code: "0",
        cause: "The client reset the stream, in HTTP/2 or HTTP/3.",
        check: "As with DC: compare the duration with the client's timeout. Browsers do so \
                when a page is left.",
    },
    Explanation {
        name: "UDO",
        long_name: "UnconditionalDropOverload",
        class: Class::GatewayPolicy,
        usual_code: "503",
        cause: "The control plane told the gateway to drop all of the cluster's requests.",
        check: "The service is taken out of use on purpose: ask who runs the control plane.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_explained_at_its_bit() {
        for (name, explanation) in NAMES.iter().zip(&EXPLANATIONS) {
            assert_eq!(explanation.name, *name);
            for text in [explanation.cause, explanation.check] {
                assert!(text.ends_with('.') && text.len() > 20, "{name}: {text}");
            }
        }
    }

    /// The page for operators is made of the table. `GATELOG_WRITE_DOCS=1` writes it anew.
    #[test]
    fn the_page_says_what_the_table_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/response-flags.md");
        let page = page();
        if std::env::var_os("GATELOG_WRITE_DOCS").is_some() {
            std::fs::write(file, &page).unwrap();
        }
        let found = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            found == page,
            "docs/response-flags.md is not what the table says: run \
             `GATELOG_WRITE_DOCS=1 cargo test -p gatelog-record the_page`"
        );
    }

    fn page() -> String {
        let mut page = String::from(
            "# Response flags\n\n\
             What the gateway noticed about a request, as Envoy's `%RESPONSE_FLAGS%` names it. A record may \
             have several\nand gatelog keeps them in the order of their bits; flags that a filter has made up \
             are kept too, behind\nthem. `GET /flags` has this table as JSON. It is written from\n\
             `crates/gatelog-record/src/response_flag/explanation.rs`.\n\n\
             The usual code is not always the one in the record: 0 says that no response was sent.\n\n\
             | bit | flag | class | code | what has happened | what to check |\n\
             |---|---|---|---|---|---|\n",
        );
        let row = |(bit, flag): (usize, &Explanation)| {
            format!(
                "| {bit} | `{}` {} | {} | {} | {} | {} |\n",
                flag.name,
                flag.long_name,
                flag.class.name(),
                flag.usual_code,
                flag.cause,
                flag.check
            )
        };
        page.extend(EXPLANATIONS.iter().enumerate().map(row));
        page
    }
}
