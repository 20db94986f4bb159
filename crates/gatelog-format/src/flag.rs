//! The long names of the response flags.
//!
//! **Source.** `envoy/stream_info/stream_info.h` of Envoy 1.40.

use gatelog_record::response_flag;

/// By bit, beside [`response_flag::NAMES`].
const LONG_NAMES: [&str; 30] = [
    "FailedLocalHealthCheck",
    "NoHealthyUpstream",
    "UpstreamRequestTimeout",
    "LocalReset",
    "UpstreamRemoteReset",
    "UpstreamConnectionFailure",
    "UpstreamConnectionTermination",
    "UpstreamOverflow",
    "NoRouteFound",
    "DelayInjected",
    "FaultInjected",
    "RateLimited",
    "UnauthorizedExternalService",
    "RateLimitServiceError",
    "DownstreamConnectionTermination",
    "UpstreamRetryLimitExceeded",
    "StreamIdleTimeout",
    "InvalidEnvoyRequestHeaders",
    "DownstreamProtocolError",
    "UpstreamMaxStreamDurationReached",
    "ResponseFromCacheFilter",
    "NoFilterConfigFound",
    "DurationTimeout",
    "UpstreamProtocolError",
    "NoClusterFound",
    "OverloadManagerTerminated",
    "DnsResolutionFailed",
    "DropOverload",
    "DownstreamRemoteReset",
    "UnconditionalDropOverload",
];

/// The long name of a flag; a flag that is not known has none.
pub(crate) fn long(short: &[u8]) -> Option<&'static str> {
    let bit = response_flag::NAMES
        .iter()
        .position(|name| name.as_bytes() == short)?;
    LONG_NAMES.get(bit).copied()
}

/// The short name of a flag that is written in either form; what is not known stays.
pub(crate) fn short(name: &str) -> &str {
    LONG_NAMES
        .iter()
        .position(|long| *long == name)
        .and_then(|bit| response_flag::NAMES.get(bit).copied())
        .unwrap_or(name)
}
