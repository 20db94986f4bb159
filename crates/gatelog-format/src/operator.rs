//! The table of Envoy's command operators: every name, what may be written behind it, what it asks.
//!
//! **Source.** The operators that Envoy 1.40.0 takes, with what it answered to each with and without an
//! argument and a length; `source/common/formatter/*.cc` for what each prints when it has no value.

use crate::exchange::{Metadata, Number, Text, Time};

/// Whether an argument may, may not or must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    None,
    Optional,
    Required,
    /// The operator reads its argument itself, and an empty one is an error of its own.
    Own,
}

/// Whose headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
    Trailer,
}

/// What an operator asks of an exchange, and what it prints of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Header(Side),
    Path,
    QueryParam,
    QueryParams,
    Text(Text),
    /// Never missing: the second is a value.
    TextOr(Text, &'static str),
    /// With `_` for each blank.
    Underscored(Text),
    /// With `_` for each white space, unless the argument allows it.
    Details,
    LongFlags,
    Number(Number),
    /// Never missing.
    NumberOrZero(Number),
    /// Of an address.
    Port(Text),
    WithoutPort(Text),
    EndpointId(Text),
    /// Of each address of a list.
    HostsWithoutPort(Text),
    /// Of each host name of a list.
    NameWithoutPort(Text),
    ServerName,
    Grpc,
    GrpcNumber,
    Time(Time),
    LocalTime(Time),
    CommonDuration,
    /// `None`: the argument says whose.
    Metadata(Option<Metadata>),
    FilterState {
        upstream: bool,
    },
    Environment,
    UniqueId,
    Cel {
        typed: bool,
    },
    Coalesce,
}

/// An operator.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) name: &'static str,
    pub(crate) argument: Argument,
    pub(crate) length_allowed: bool,
    pub(crate) kind: Kind,
}

const fn operator(
    name: &'static str,
    argument: Argument,
    length_allowed: bool,
    kind: Kind,
) -> Operator {
    Operator {
        name,
        argument,
        length_allowed,
        kind,
    }
}

const NONE: Argument = Argument::None;
const OPTIONAL: Argument = Argument::Optional;
const REQUIRED: Argument = Argument::Required;
const OWN: Argument = Argument::Own;

/// Every operator, by name. The third of a row: whether a length may be written.
pub(crate) static OPERATORS: [Operator; 163] = [
    operator(
        "ACCESS_LOG_TYPE",
        NONE,
        false,
        Kind::TextOr(Text::AccessLogType, "NotSet"),
    ),
    operator(
        "BYTES_RECEIVED",
        NONE,
        false,
        Kind::NumberOrZero(Number::BytesReceived),
    ),
    operator(
        "BYTES_RETRANSMITTED",
        NONE,
        false,
        Kind::NumberOrZero(Number::BytesRetransmitted),
    ),
    operator(
        "BYTES_SENT",
        NONE,
        false,
        Kind::NumberOrZero(Number::BytesSent),
    ),
    operator("CEL", OWN, true, Kind::Cel { typed: false }),
    operator(
        "CLUSTER_METADATA",
        REQUIRED,
        false,
        Kind::Metadata(Some(Metadata::Cluster)),
    ),
    operator("COALESCE", REQUIRED, true, Kind::Coalesce),
    operator("COMMON_DURATION", REQUIRED, false, Kind::CommonDuration),
    operator(
        "CONNECTION_ID",
        NONE,
        false,
        Kind::NumberOrZero(Number::ConnectionId),
    ),
    operator(
        "CONNECTION_TERMINATION_DETAILS",
        NONE,
        false,
        Kind::Text(Text::ConnectionTerminationDetails),
    ),
    operator(
        "CUSTOM_FLAGS",
        NONE,
        false,
        Kind::TextOr(Text::CustomFlags, ""),
    ),
    operator(
        "DOWNSTREAM_CX_RTT",
        NONE,
        false,
        Kind::Number(Number::DownstreamCxRtt),
    ),
    operator(
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
        NONE,
        false,
        Kind::NumberOrZero(Number::DownstreamDecompressedHeaderBytesReceived),
    ),
    operator(
        "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
        NONE,
        false,
        Kind::NumberOrZero(Number::DownstreamDecompressedHeaderBytesSent),
    ),
    operator(
        "DOWNSTREAM_DETECTED_CLOSE_TYPE",
        NONE,
        false,
        Kind::Text(Text::DownstreamDetectedCloseType),
    ),
    operator(
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS",
        NONE,
        false,
        Kind::Text(Text::DownstreamDirectLocalAddress),
    ),
    operator(
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID",
        NONE,
        false,
        Kind::EndpointId(Text::DownstreamDirectLocalAddress),
    ),
    operator(
        "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT",
        OPTIONAL,
        false,
        Kind::WithoutPort(Text::DownstreamDirectLocalAddress),
    ),
    operator(
        "DOWNSTREAM_DIRECT_LOCAL_PORT",
        NONE,
        false,
        Kind::Port(Text::DownstreamDirectLocalAddress),
    ),
    operator(
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        NONE,
        false,
        Kind::Text(Text::DownstreamDirectRemoteAddress),
    ),
    operator(
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        OPTIONAL,
        false,
        Kind::WithoutPort(Text::DownstreamDirectRemoteAddress),
    ),
    operator(
        "DOWNSTREAM_DIRECT_REMOTE_PORT",
        NONE,
        false,
        Kind::Port(Text::DownstreamDirectRemoteAddress),
    ),
    operator(
        "DOWNSTREAM_HANDSHAKE_DURATION",
        NONE,
        false,
        Kind::Number(Number::DownstreamHandshakeDuration),
    ),
    operator(
        "DOWNSTREAM_HEADER_BYTES_RECEIVED",
        NONE,
        false,
        Kind::NumberOrZero(Number::DownstreamHeaderBytesReceived),
    ),
    operator(
        "DOWNSTREAM_HEADER_BYTES_SENT",
        NONE,
        false,
        Kind::NumberOrZero(Number::DownstreamHeaderBytesSent),
    ),
    operator(
        "DOWNSTREAM_LOCAL_ADDRESS",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalAddress),
    ),
    operator(
        "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID",
        NONE,
        false,
        Kind::EndpointId(Text::DownstreamLocalAddress),
    ),
    operator(
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        OPTIONAL,
        false,
        Kind::WithoutPort(Text::DownstreamLocalAddress),
    ),
    operator(
        "DOWNSTREAM_LOCAL_CLOSE_REASON",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalCloseReason),
    ),
    operator(
        "DOWNSTREAM_LOCAL_DNS_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalDnsSan),
    ),
    operator(
        "DOWNSTREAM_LOCAL_EMAIL_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalEmailSan),
    ),
    operator(
        "DOWNSTREAM_LOCAL_IP_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalIpSan),
    ),
    operator(
        "DOWNSTREAM_LOCAL_OTHERNAME_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalOthernameSan),
    ),
    operator(
        "DOWNSTREAM_LOCAL_PORT",
        NONE,
        false,
        Kind::Port(Text::DownstreamLocalAddress),
    ),
    operator(
        "DOWNSTREAM_LOCAL_SUBJECT",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalSubject),
    ),
    operator(
        "DOWNSTREAM_LOCAL_URI_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamLocalUriSan),
    ),
    operator(
        "DOWNSTREAM_PEER_CERT",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerCert),
    ),
    operator(
        "DOWNSTREAM_PEER_CERT_V_END",
        OPTIONAL,
        false,
        Kind::Time(Time::DownstreamPeerCertEnd),
    ),
    operator(
        "DOWNSTREAM_PEER_CERT_V_START",
        OPTIONAL,
        false,
        Kind::Time(Time::DownstreamPeerCertStart),
    ),
    operator(
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerChainFingerprints1),
    ),
    operator(
        "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerChainFingerprints256),
    ),
    operator(
        "DOWNSTREAM_PEER_CHAIN_SERIALS",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerChainSerials),
    ),
    operator(
        "DOWNSTREAM_PEER_DNS_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerDnsSan),
    ),
    operator(
        "DOWNSTREAM_PEER_EMAIL_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerEmailSan),
    ),
    operator(
        "DOWNSTREAM_PEER_FINGERPRINT_1",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerFingerprint1),
    ),
    operator(
        "DOWNSTREAM_PEER_FINGERPRINT_256",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerFingerprint256),
    ),
    operator(
        "DOWNSTREAM_PEER_IP_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerIpSan),
    ),
    operator(
        "DOWNSTREAM_PEER_ISSUER",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerIssuer),
    ),
    operator(
        "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerIssuerFingerprint256),
    ),
    operator(
        "DOWNSTREAM_PEER_ISSUER_SERIAL",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerIssuerSerial),
    ),
    operator(
        "DOWNSTREAM_PEER_OTHERNAME_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerOthernameSan),
    ),
    operator(
        "DOWNSTREAM_PEER_SERIAL",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerSerial),
    ),
    operator(
        "DOWNSTREAM_PEER_SUBJECT",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerSubject),
    ),
    operator(
        "DOWNSTREAM_PEER_URI_SAN",
        NONE,
        false,
        Kind::Text(Text::DownstreamPeerUriSan),
    ),
    operator(
        "DOWNSTREAM_REMOTE_ADDRESS",
        NONE,
        false,
        Kind::Text(Text::DownstreamRemoteAddress),
    ),
    operator(
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        OPTIONAL,
        false,
        Kind::WithoutPort(Text::DownstreamRemoteAddress),
    ),
    operator(
        "DOWNSTREAM_REMOTE_PORT",
        NONE,
        false,
        Kind::Port(Text::DownstreamRemoteAddress),
    ),
    operator(
        "DOWNSTREAM_TLS_CIPHER",
        NONE,
        false,
        Kind::Text(Text::DownstreamTlsCipher),
    ),
    operator(
        "DOWNSTREAM_TLS_GROUP",
        NONE,
        false,
        Kind::Text(Text::DownstreamTlsGroup),
    ),
    operator(
        "DOWNSTREAM_TLS_SESSION_ID",
        NONE,
        false,
        Kind::Text(Text::DownstreamTlsSessionId),
    ),
    operator(
        "DOWNSTREAM_TLS_VERSION",
        NONE,
        false,
        Kind::Text(Text::DownstreamTlsVersion),
    ),
    operator(
        "DOWNSTREAM_TRANSPORT_FAILURE_REASON",
        NONE,
        false,
        Kind::Underscored(Text::DownstreamTransportFailureReason),
    ),
    operator(
        "DOWNSTREAM_WIRE_BYTES_RECEIVED",
        NONE,
        false,
        Kind::NumberOrZero(Number::DownstreamWireBytesReceived),
    ),
    operator(
        "DOWNSTREAM_WIRE_BYTES_SENT",
        NONE,
        false,
        Kind::NumberOrZero(Number::DownstreamWireBytesSent),
    ),
    operator("DURATION", NONE, false, Kind::Number(Number::Duration)),
    operator(
        "DYNAMIC_METADATA",
        REQUIRED,
        true,
        Kind::Metadata(Some(Metadata::Dynamic)),
    ),
    operator("EMIT_TIME", OPTIONAL, false, Kind::Time(Time::Emit)),
    operator(
        "EMIT_TIME_LOCAL",
        OPTIONAL,
        false,
        Kind::LocalTime(Time::Emit),
    ),
    operator("ENVIRONMENT", REQUIRED, true, Kind::Environment),
    operator(
        "FILTER_CHAIN_NAME",
        NONE,
        false,
        Kind::Text(Text::FilterChainName),
    ),
    operator(
        "FILTER_STATE",
        OWN,
        true,
        Kind::FilterState { upstream: false },
    ),
    operator("GRPC_STATUS", OPTIONAL, false, Kind::Grpc),
    operator("GRPC_STATUS_NUMBER", NONE, false, Kind::GrpcNumber),
    operator("HOSTNAME", NONE, false, Kind::Text(Text::Hostname)),
    operator("LISTENER_NAME", NONE, false, Kind::Text(Text::ListenerName)),
    operator(
        "LOCAL_REPLY_BODY",
        NONE,
        false,
        Kind::TextOr(Text::LocalReplyBody, ""),
    ),
    operator("METADATA", OWN, true, Kind::Metadata(None)),
    operator(
        "PACKETS_RETRANSMITTED",
        NONE,
        false,
        Kind::NumberOrZero(Number::PacketsRetransmitted),
    ),
    operator("PATH", OPTIONAL, true, Kind::Path),
    operator("PROTOCOL", NONE, false, Kind::Text(Text::Protocol)),
    operator("QUERY_PARAM", REQUIRED, true, Kind::QueryParam),
    operator("QUERY_PARAMS", NONE, true, Kind::QueryParams),
    operator("REQ", REQUIRED, true, Kind::Header(Side::Request)),
    operator("REQUESTED_SERVER_NAME", OPTIONAL, false, Kind::ServerName),
    operator(
        "REQUEST_DURATION",
        NONE,
        false,
        Kind::Number(Number::RequestDuration),
    ),
    operator(
        "REQUEST_HEADER",
        REQUIRED,
        true,
        Kind::Header(Side::Request),
    ),
    operator(
        "REQUEST_HEADERS_BYTES",
        NONE,
        false,
        Kind::NumberOrZero(Number::RequestHeadersBytes),
    ),
    operator(
        "REQUEST_TX_DURATION",
        NONE,
        false,
        Kind::Number(Number::RequestTxDuration),
    ),
    operator("RESP", REQUIRED, true, Kind::Header(Side::Response)),
    operator(
        "RESPONSE_CODE",
        NONE,
        false,
        Kind::NumberOrZero(Number::ResponseCode),
    ),
    operator("RESPONSE_CODE_DETAILS", OPTIONAL, false, Kind::Details),
    operator(
        "RESPONSE_DURATION",
        NONE,
        false,
        Kind::Number(Number::ResponseDuration),
    ),
    operator(
        "RESPONSE_FLAGS",
        NONE,
        false,
        Kind::TextOr(Text::ResponseFlags, "-"),
    ),
    operator("RESPONSE_FLAGS_LONG", NONE, false, Kind::LongFlags),
    operator(
        "RESPONSE_HEADER",
        REQUIRED,
        true,
        Kind::Header(Side::Response),
    ),
    operator(
        "RESPONSE_HEADERS_BYTES",
        NONE,
        false,
        Kind::NumberOrZero(Number::ResponseHeadersBytes),
    ),
    operator(
        "RESPONSE_TRAILER",
        REQUIRED,
        true,
        Kind::Header(Side::Trailer),
    ),
    operator(
        "RESPONSE_TRAILERS_BYTES",
        NONE,
        false,
        Kind::NumberOrZero(Number::ResponseTrailersBytes),
    ),
    operator(
        "RESPONSE_TX_DURATION",
        NONE,
        false,
        Kind::Number(Number::ResponseTxDuration),
    ),
    operator(
        "ROUNDTRIP_DURATION",
        NONE,
        false,
        Kind::Number(Number::RoundtripDuration),
    ),
    operator("ROUTE_NAME", NONE, false, Kind::Text(Text::RouteName)),
    operator(
        "ROUTE_RESOLUTION_COUNT",
        NONE,
        false,
        Kind::NumberOrZero(Number::RouteResolutionCount),
    ),
    operator(
        "ROUTE_RESOLUTION_TIME_US",
        NONE,
        false,
        Kind::NumberOrZero(Number::RouteResolutionTimeUs),
    ),
    operator("SPAN_ID", NONE, false, Kind::Text(Text::SpanId)),
    operator("START_TIME", OPTIONAL, false, Kind::Time(Time::Start)),
    operator(
        "START_TIME_LOCAL",
        OPTIONAL,
        false,
        Kind::LocalTime(Time::Start),
    ),
    operator("STREAM_ID", NONE, false, Kind::Text(Text::StreamId)),
    operator(
        "STREAM_INFO_REQ",
        REQUIRED,
        true,
        Kind::Header(Side::Request),
    ),
    operator(
        "TLS_JA3_FINGERPRINT",
        NONE,
        false,
        Kind::Text(Text::TlsJa3Fingerprint),
    ),
    operator(
        "TLS_JA4_FINGERPRINT",
        NONE,
        false,
        Kind::Text(Text::TlsJa4Fingerprint),
    ),
    operator("TRACE_ID", NONE, false, Kind::Text(Text::TraceId)),
    operator("TRAILER", REQUIRED, true, Kind::Header(Side::Trailer)),
    operator("TYPED_CEL", OWN, true, Kind::Cel { typed: true }),
    operator("UNIQUE_ID", NONE, false, Kind::UniqueId),
    operator(
        "UPSTREAM_CLUSTER",
        NONE,
        false,
        Kind::Text(Text::UpstreamCluster),
    ),
    operator(
        "UPSTREAM_CLUSTER_RAW",
        NONE,
        false,
        Kind::Text(Text::UpstreamClusterRaw),
    ),
    operator(
        "UPSTREAM_CONNECTION_ID",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamConnectionId),
    ),
    operator(
        "UPSTREAM_CONNECTION_IDS_ATTEMPTED",
        NONE,
        false,
        Kind::Text(Text::UpstreamConnectionIdsAttempted),
    ),
    operator(
        "UPSTREAM_CONNECTION_POOL_READY_DURATION",
        NONE,
        false,
        Kind::Number(Number::UpstreamConnectionPoolReadyDuration),
    ),
    operator(
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamDecompressedHeaderBytesReceived),
    ),
    operator(
        "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamDecompressedHeaderBytesSent),
    ),
    operator(
        "UPSTREAM_DETECTED_CLOSE_TYPE",
        NONE,
        false,
        Kind::Text(Text::UpstreamDetectedCloseType),
    ),
    operator(
        "UPSTREAM_FILTER_STATE",
        OWN,
        true,
        Kind::FilterState { upstream: true },
    ),
    operator(
        "UPSTREAM_HEADER_BYTES_RECEIVED",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamHeaderBytesReceived),
    ),
    operator(
        "UPSTREAM_HEADER_BYTES_SENT",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamHeaderBytesSent),
    ),
    operator("UPSTREAM_HOST", NONE, false, Kind::Text(Text::UpstreamHost)),
    operator(
        "UPSTREAM_HOSTS_ATTEMPTED",
        NONE,
        false,
        Kind::Text(Text::UpstreamHostsAttempted),
    ),
    operator(
        "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT",
        NONE,
        false,
        Kind::HostsWithoutPort(Text::UpstreamHostsAttempted),
    ),
    operator(
        "UPSTREAM_HOST_NAME",
        NONE,
        false,
        Kind::Text(Text::UpstreamHostName),
    ),
    operator(
        "UPSTREAM_HOST_NAMES_ATTEMPTED",
        NONE,
        false,
        Kind::Text(Text::UpstreamHostNamesAttempted),
    ),
    operator(
        "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT",
        NONE,
        false,
        Kind::NameWithoutPort(Text::UpstreamHostNamesAttempted),
    ),
    operator(
        "UPSTREAM_HOST_NAME_WITHOUT_PORT",
        NONE,
        false,
        Kind::NameWithoutPort(Text::UpstreamHostName),
    ),
    operator(
        "UPSTREAM_LOCAL_ADDRESS",
        NONE,
        false,
        Kind::Text(Text::UpstreamLocalAddress),
    ),
    operator(
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        OPTIONAL,
        false,
        Kind::WithoutPort(Text::UpstreamLocalAddress),
    ),
    operator(
        "UPSTREAM_LOCAL_CLOSE_REASON",
        NONE,
        false,
        Kind::Text(Text::UpstreamLocalCloseReason),
    ),
    operator(
        "UPSTREAM_LOCAL_DNS_SAN",
        NONE,
        false,
        Kind::Text(Text::UpstreamLocalDnsSan),
    ),
    operator(
        "UPSTREAM_LOCAL_IP_SAN",
        NONE,
        false,
        Kind::Text(Text::UpstreamLocalIpSan),
    ),
    operator(
        "UPSTREAM_LOCAL_PORT",
        NONE,
        false,
        Kind::Port(Text::UpstreamLocalAddress),
    ),
    operator(
        "UPSTREAM_LOCAL_URI_SAN",
        NONE,
        false,
        Kind::Text(Text::UpstreamLocalUriSan),
    ),
    operator(
        "UPSTREAM_METADATA",
        REQUIRED,
        false,
        Kind::Metadata(Some(Metadata::UpstreamHost)),
    ),
    operator(
        "UPSTREAM_PEER_CERT",
        NONE,
        false,
        Kind::Text(Text::UpstreamPeerCert),
    ),
    operator(
        "UPSTREAM_PEER_CERT_V_END",
        OPTIONAL,
        false,
        Kind::Time(Time::UpstreamPeerCertEnd),
    ),
    operator(
        "UPSTREAM_PEER_CERT_V_START",
        OPTIONAL,
        false,
        Kind::Time(Time::UpstreamPeerCertStart),
    ),
    operator(
        "UPSTREAM_PEER_DNS_SAN",
        NONE,
        false,
        Kind::Text(Text::UpstreamPeerDnsSan),
    ),
    operator(
        "UPSTREAM_PEER_IP_SAN",
        NONE,
        false,
        Kind::Text(Text::UpstreamPeerIpSan),
    ),
    operator(
        "UPSTREAM_PEER_ISSUER",
        NONE,
        false,
        Kind::Text(Text::UpstreamPeerIssuer),
    ),
    operator(
        "UPSTREAM_PEER_SUBJECT",
        NONE,
        false,
        Kind::Text(Text::UpstreamPeerSubject),
    ),
    operator(
        "UPSTREAM_PEER_URI_SAN",
        NONE,
        false,
        Kind::Text(Text::UpstreamPeerUriSan),
    ),
    operator(
        "UPSTREAM_PROTOCOL",
        NONE,
        false,
        Kind::Text(Text::UpstreamProtocol),
    ),
    operator(
        "UPSTREAM_REMOTE_ADDRESS",
        NONE,
        false,
        Kind::Text(Text::UpstreamRemoteAddress),
    ),
    operator(
        "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID",
        NONE,
        false,
        Kind::EndpointId(Text::UpstreamRemoteAddress),
    ),
    operator(
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        OPTIONAL,
        false,
        Kind::WithoutPort(Text::UpstreamRemoteAddress),
    ),
    operator(
        "UPSTREAM_REMOTE_PORT",
        NONE,
        false,
        Kind::Port(Text::UpstreamRemoteAddress),
    ),
    operator(
        "UPSTREAM_REQUEST_ATTEMPT_COUNT",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamRequestAttemptCount),
    ),
    operator(
        "UPSTREAM_SERVER_NAME",
        NONE,
        false,
        Kind::Text(Text::UpstreamServerName),
    ),
    operator(
        "UPSTREAM_TLS_CIPHER",
        NONE,
        false,
        Kind::Text(Text::UpstreamTlsCipher),
    ),
    operator(
        "UPSTREAM_TLS_GROUP",
        NONE,
        false,
        Kind::Text(Text::UpstreamTlsGroup),
    ),
    operator(
        "UPSTREAM_TLS_SESSION_ID",
        NONE,
        false,
        Kind::Text(Text::UpstreamTlsSessionId),
    ),
    operator(
        "UPSTREAM_TLS_VERSION",
        NONE,
        false,
        Kind::Text(Text::UpstreamTlsVersion),
    ),
    operator(
        "UPSTREAM_TRANSPORT_FAILURE_REASON",
        NONE,
        false,
        Kind::Underscored(Text::UpstreamTransportFailureReason),
    ),
    operator(
        "UPSTREAM_WIRE_BYTES_RECEIVED",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamWireBytesReceived),
    ),
    operator(
        "UPSTREAM_WIRE_BYTES_SENT",
        NONE,
        false,
        Kind::NumberOrZero(Number::UpstreamWireBytesSent),
    ),
    operator(
        "VIRTUAL_CLUSTER_NAME",
        NONE,
        false,
        Kind::Text(Text::VirtualClusterName),
    ),
];

/// The operator with this name.
pub(crate) fn find(name: &str) -> Option<&'static Operator> {
    let at = OPERATORS.binary_search_by(|row| row.name.cmp(name)).ok()?;
    OPERATORS.get(at)
}

/// Names that are often written and that Envoy does not know, with what is meant.
const OFTEN_WRITTEN: [(&str, &str); 6] = [
    ("CLIENT_IP", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"),
    ("METHOD", "REQ"),
    ("REQUEST_TRAILER", "RESPONSE_TRAILER"),
    ("REQ_WITHOUT_QUERY", "PATH"),
    ("STATUS", "RESPONSE_CODE"),
    ("UPSTREAM_ADDRESS", "UPSTREAM_HOST"),
];

/// The known name that is most like an unknown one, if one is like it at all.
pub(crate) fn nearest(name: &str) -> Option<&'static str> {
    if let Some((_, meant)) = OFTEN_WRITTEN.iter().find(|(written, _)| *written == name) {
        return Some(meant);
    }
    let allowed = name.len().div_ceil(4);
    OPERATORS
        .iter()
        .filter(|row| row.name.len().abs_diff(name.len()) <= allowed)
        .map(|row| (distance(row.name.as_bytes(), name.as_bytes()), row.name))
        .min()
        .filter(|(distance, _)| *distance <= allowed)
        .map(|(_, found)| found)
}

/// How many letters must be added, left out or changed (Levenshtein).
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(to) {
            let best = (diagonal + usize::from(a != b))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_name_is_found() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.name < b.name));
        for row in &OPERATORS {
            assert_eq!(find(row.name), Some(row));
        }
        assert_eq!(find("req"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn a_slip_of_the_pen_is_recognised() {
        assert_eq!(nearest("PROTCOL"), Some("PROTOCOL"));
        assert_eq!(nearest("UPSTREAM_HOSTS"), Some("UPSTREAM_HOST"));
        assert_eq!(nearest("STATUS"), Some("RESPONSE_CODE"));
        assert_eq!(nearest("NOPE"), None);
    }
}
