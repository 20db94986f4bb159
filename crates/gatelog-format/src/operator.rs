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

/// The rows: a name, whether an argument and whether a length may be written, and what is asked.
macro_rules! operators {
    ($( $name:literal $argument:ident $length:ident $kind:ident $( ($($of:expr),*) )? $( { $field:ident: $is:expr } )? ; )*) => {
        [ $( Operator {
            name: $name,
            argument: Argument::$argument,
            length_allowed: $length,
            kind: Kind::$kind $( ($($of),*) )? $( { $field: $is } )?,
        }, )* ]
    };
}

/// Every operator, by name.
pub(crate) static OPERATORS: [Operator; 163] = operators! {
    "ACCESS_LOG_TYPE" None false TextOr(Text::AccessLogType, "NotSet");
    "BYTES_RECEIVED" None false NumberOrZero(Number::BytesReceived);
    "BYTES_RETRANSMITTED" None false NumberOrZero(Number::BytesRetransmitted);
    "BYTES_SENT" None false NumberOrZero(Number::BytesSent);
    "CEL" Own true Cel { typed: false };
    "CLUSTER_METADATA" Required false Metadata(Some(Metadata::Cluster));
    "COALESCE" Required true Coalesce;
    "COMMON_DURATION" Required false CommonDuration;
    "CONNECTION_ID" None false NumberOrZero(Number::ConnectionId);
    "CONNECTION_TERMINATION_DETAILS" None false Text(Text::ConnectionTerminationDetails);
    "CUSTOM_FLAGS" None false TextOr(Text::CustomFlags, "");
    "DOWNSTREAM_CX_RTT" None false Number(Number::DownstreamCxRtt);
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED" None false NumberOrZero(Number::DownstreamDecompressedHeaderBytesReceived);
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT" None false NumberOrZero(Number::DownstreamDecompressedHeaderBytesSent);
    "DOWNSTREAM_DETECTED_CLOSE_TYPE" None false Text(Text::DownstreamDetectedCloseType);
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS" None false Text(Text::DownstreamDirectLocalAddress);
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID" None false EndpointId(Text::DownstreamDirectLocalAddress);
    "DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT" Optional false WithoutPort(Text::DownstreamDirectLocalAddress);
    "DOWNSTREAM_DIRECT_LOCAL_PORT" None false Port(Text::DownstreamDirectLocalAddress);
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" None false Text(Text::DownstreamDirectRemoteAddress);
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" Optional false WithoutPort(Text::DownstreamDirectRemoteAddress);
    "DOWNSTREAM_DIRECT_REMOTE_PORT" None false Port(Text::DownstreamDirectRemoteAddress);
    "DOWNSTREAM_HANDSHAKE_DURATION" None false Number(Number::DownstreamHandshakeDuration);
    "DOWNSTREAM_HEADER_BYTES_RECEIVED" None false NumberOrZero(Number::DownstreamHeaderBytesReceived);
    "DOWNSTREAM_HEADER_BYTES_SENT" None false NumberOrZero(Number::DownstreamHeaderBytesSent);
    "DOWNSTREAM_LOCAL_ADDRESS" None false Text(Text::DownstreamLocalAddress);
    "DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID" None false EndpointId(Text::DownstreamLocalAddress);
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" Optional false WithoutPort(Text::DownstreamLocalAddress);
    "DOWNSTREAM_LOCAL_CLOSE_REASON" None false Text(Text::DownstreamLocalCloseReason);
    "DOWNSTREAM_LOCAL_DNS_SAN" None false Text(Text::DownstreamLocalDnsSan);
    "DOWNSTREAM_LOCAL_EMAIL_SAN" None false Text(Text::DownstreamLocalEmailSan);
    "DOWNSTREAM_LOCAL_IP_SAN" None false Text(Text::DownstreamLocalIpSan);
    "DOWNSTREAM_LOCAL_OTHERNAME_SAN" None false Text(Text::DownstreamLocalOthernameSan);
    "DOWNSTREAM_LOCAL_PORT" None false Port(Text::DownstreamLocalAddress);
    "DOWNSTREAM_LOCAL_SUBJECT" None false Text(Text::DownstreamLocalSubject);
    "DOWNSTREAM_LOCAL_URI_SAN" None false Text(Text::DownstreamLocalUriSan);
    "DOWNSTREAM_PEER_CERT" None false Text(Text::DownstreamPeerCert);
    "DOWNSTREAM_PEER_CERT_V_END" Optional false Time(Time::DownstreamPeerCertEnd);
    "DOWNSTREAM_PEER_CERT_V_START" Optional false Time(Time::DownstreamPeerCertStart);
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1" None false Text(Text::DownstreamPeerChainFingerprints1);
    "DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256" None false Text(Text::DownstreamPeerChainFingerprints256);
    "DOWNSTREAM_PEER_CHAIN_SERIALS" None false Text(Text::DownstreamPeerChainSerials);
    "DOWNSTREAM_PEER_DNS_SAN" None false Text(Text::DownstreamPeerDnsSan);
    "DOWNSTREAM_PEER_EMAIL_SAN" None false Text(Text::DownstreamPeerEmailSan);
    "DOWNSTREAM_PEER_FINGERPRINT_1" None false Text(Text::DownstreamPeerFingerprint1);
    "DOWNSTREAM_PEER_FINGERPRINT_256" None false Text(Text::DownstreamPeerFingerprint256);
    "DOWNSTREAM_PEER_IP_SAN" None false Text(Text::DownstreamPeerIpSan);
    "DOWNSTREAM_PEER_ISSUER" None false Text(Text::DownstreamPeerIssuer);
    "DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256" None false Text(Text::DownstreamPeerIssuerFingerprint256);
    "DOWNSTREAM_PEER_ISSUER_SERIAL" None false Text(Text::DownstreamPeerIssuerSerial);
    "DOWNSTREAM_PEER_OTHERNAME_SAN" None false Text(Text::DownstreamPeerOthernameSan);
    "DOWNSTREAM_PEER_SERIAL" None false Text(Text::DownstreamPeerSerial);
    "DOWNSTREAM_PEER_SUBJECT" None false Text(Text::DownstreamPeerSubject);
    "DOWNSTREAM_PEER_URI_SAN" None false Text(Text::DownstreamPeerUriSan);
    "DOWNSTREAM_REMOTE_ADDRESS" None false Text(Text::DownstreamRemoteAddress);
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" Optional false WithoutPort(Text::DownstreamRemoteAddress);
    "DOWNSTREAM_REMOTE_PORT" None false Port(Text::DownstreamRemoteAddress);
    "DOWNSTREAM_TLS_CIPHER" None false Text(Text::DownstreamTlsCipher);
    "DOWNSTREAM_TLS_GROUP" None false Text(Text::DownstreamTlsGroup);
    "DOWNSTREAM_TLS_SESSION_ID" None false Text(Text::DownstreamTlsSessionId);
    "DOWNSTREAM_TLS_VERSION" None false Text(Text::DownstreamTlsVersion);
    "DOWNSTREAM_TRANSPORT_FAILURE_REASON" None false Underscored(Text::DownstreamTransportFailureReason);
    "DOWNSTREAM_WIRE_BYTES_RECEIVED" None false NumberOrZero(Number::DownstreamWireBytesReceived);
    "DOWNSTREAM_WIRE_BYTES_SENT" None false NumberOrZero(Number::DownstreamWireBytesSent);
    "DURATION" None false Number(Number::Duration);
    "DYNAMIC_METADATA" Required true Metadata(Some(Metadata::Dynamic));
    "EMIT_TIME" Optional false Time(Time::Emit);
    "EMIT_TIME_LOCAL" Optional false LocalTime(Time::Emit);
    "ENVIRONMENT" Required true Environment;
    "FILTER_CHAIN_NAME" None false Text(Text::FilterChainName);
    "FILTER_STATE" Own true FilterState { upstream: false };
    "GRPC_STATUS" Optional false Grpc;
    "GRPC_STATUS_NUMBER" None false GrpcNumber;
    "HOSTNAME" None false Text(Text::Hostname);
    "LISTENER_NAME" None false Text(Text::ListenerName);
    "LOCAL_REPLY_BODY" None false TextOr(Text::LocalReplyBody, "");
    "METADATA" Own true Metadata(None);
    "PACKETS_RETRANSMITTED" None false NumberOrZero(Number::PacketsRetransmitted);
    "PATH" Optional true Path;
    "PROTOCOL" None false Text(Text::Protocol);
    "QUERY_PARAM" Required true QueryParam;
    "QUERY_PARAMS" None true QueryParams;
    "REQ" Required true Header(Side::Request);
    "REQUESTED_SERVER_NAME" Optional false ServerName;
    "REQUEST_DURATION" None false Number(Number::RequestDuration);
    "REQUEST_HEADER" Required true Header(Side::Request);
    "REQUEST_HEADERS_BYTES" None false NumberOrZero(Number::RequestHeadersBytes);
    "REQUEST_TX_DURATION" None false Number(Number::RequestTxDuration);
    "RESP" Required true Header(Side::Response);
    "RESPONSE_CODE" None false NumberOrZero(Number::ResponseCode);
    "RESPONSE_CODE_DETAILS" Optional false Details;
    "RESPONSE_DURATION" None false Number(Number::ResponseDuration);
    "RESPONSE_FLAGS" None false TextOr(Text::ResponseFlags, "-");
    "RESPONSE_FLAGS_LONG" None false LongFlags;
    "RESPONSE_HEADER" Required true Header(Side::Response);
    "RESPONSE_HEADERS_BYTES" None false NumberOrZero(Number::ResponseHeadersBytes);
    "RESPONSE_TRAILER" Required true Header(Side::Trailer);
    "RESPONSE_TRAILERS_BYTES" None false NumberOrZero(Number::ResponseTrailersBytes);
    "RESPONSE_TX_DURATION" None false Number(Number::ResponseTxDuration);
    "ROUNDTRIP_DURATION" None false Number(Number::RoundtripDuration);
    "ROUTE_NAME" None false Text(Text::RouteName);
    "ROUTE_RESOLUTION_COUNT" None false NumberOrZero(Number::RouteResolutionCount);
    "ROUTE_RESOLUTION_TIME_US" None false NumberOrZero(Number::RouteResolutionTimeUs);
    "SPAN_ID" None false Text(Text::SpanId);
    "START_TIME" Optional false Time(Time::Start);
    "START_TIME_LOCAL" Optional false LocalTime(Time::Start);
    "STREAM_ID" None false Text(Text::StreamId);
    "STREAM_INFO_REQ" Required true Header(Side::Request);
    "TLS_JA3_FINGERPRINT" None false Text(Text::TlsJa3Fingerprint);
    "TLS_JA4_FINGERPRINT" None false Text(Text::TlsJa4Fingerprint);
    "TRACE_ID" None false Text(Text::TraceId);
    "TRAILER" Required true Header(Side::Trailer);
    "TYPED_CEL" Own true Cel { typed: true };
    "UNIQUE_ID" None false UniqueId;
    "UPSTREAM_CLUSTER" None false Text(Text::UpstreamCluster);
    "UPSTREAM_CLUSTER_RAW" None false Text(Text::UpstreamClusterRaw);
    "UPSTREAM_CONNECTION_ID" None false NumberOrZero(Number::UpstreamConnectionId);
    "UPSTREAM_CONNECTION_IDS_ATTEMPTED" None false Text(Text::UpstreamConnectionIdsAttempted);
    "UPSTREAM_CONNECTION_POOL_READY_DURATION" None false Number(Number::UpstreamConnectionPoolReadyDuration);
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED" None false NumberOrZero(Number::UpstreamDecompressedHeaderBytesReceived);
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT" None false NumberOrZero(Number::UpstreamDecompressedHeaderBytesSent);
    "UPSTREAM_DETECTED_CLOSE_TYPE" None false Text(Text::UpstreamDetectedCloseType);
    "UPSTREAM_FILTER_STATE" Own true FilterState { upstream: true };
    "UPSTREAM_HEADER_BYTES_RECEIVED" None false NumberOrZero(Number::UpstreamHeaderBytesReceived);
    "UPSTREAM_HEADER_BYTES_SENT" None false NumberOrZero(Number::UpstreamHeaderBytesSent);
    "UPSTREAM_HOST" None false Text(Text::UpstreamHost);
    "UPSTREAM_HOSTS_ATTEMPTED" None false Text(Text::UpstreamHostsAttempted);
    "UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT" None false HostsWithoutPort(Text::UpstreamHostsAttempted);
    "UPSTREAM_HOST_NAME" None false Text(Text::UpstreamHostName);
    "UPSTREAM_HOST_NAMES_ATTEMPTED" None false Text(Text::UpstreamHostNamesAttempted);
    "UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT" None false NameWithoutPort(Text::UpstreamHostNamesAttempted);
    "UPSTREAM_HOST_NAME_WITHOUT_PORT" None false NameWithoutPort(Text::UpstreamHostName);
    "UPSTREAM_LOCAL_ADDRESS" None false Text(Text::UpstreamLocalAddress);
    "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" Optional false WithoutPort(Text::UpstreamLocalAddress);
    "UPSTREAM_LOCAL_CLOSE_REASON" None false Text(Text::UpstreamLocalCloseReason);
    "UPSTREAM_LOCAL_DNS_SAN" None false Text(Text::UpstreamLocalDnsSan);
    "UPSTREAM_LOCAL_IP_SAN" None false Text(Text::UpstreamLocalIpSan);
    "UPSTREAM_LOCAL_PORT" None false Port(Text::UpstreamLocalAddress);
    "UPSTREAM_LOCAL_URI_SAN" None false Text(Text::UpstreamLocalUriSan);
    "UPSTREAM_METADATA" Required false Metadata(Some(Metadata::UpstreamHost));
    "UPSTREAM_PEER_CERT" None false Text(Text::UpstreamPeerCert);
    "UPSTREAM_PEER_CERT_V_END" Optional false Time(Time::UpstreamPeerCertEnd);
    "UPSTREAM_PEER_CERT_V_START" Optional false Time(Time::UpstreamPeerCertStart);
    "UPSTREAM_PEER_DNS_SAN" None false Text(Text::UpstreamPeerDnsSan);
    "UPSTREAM_PEER_IP_SAN" None false Text(Text::UpstreamPeerIpSan);
    "UPSTREAM_PEER_ISSUER" None false Text(Text::UpstreamPeerIssuer);
    "UPSTREAM_PEER_SUBJECT" None false Text(Text::UpstreamPeerSubject);
    "UPSTREAM_PEER_URI_SAN" None false Text(Text::UpstreamPeerUriSan);
    "UPSTREAM_PROTOCOL" None false Text(Text::UpstreamProtocol);
    "UPSTREAM_REMOTE_ADDRESS" None false Text(Text::UpstreamRemoteAddress);
    "UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID" None false EndpointId(Text::UpstreamRemoteAddress);
    "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" Optional false WithoutPort(Text::UpstreamRemoteAddress);
    "UPSTREAM_REMOTE_PORT" None false Port(Text::UpstreamRemoteAddress);
    "UPSTREAM_REQUEST_ATTEMPT_COUNT" None false NumberOrZero(Number::UpstreamRequestAttemptCount);
    "UPSTREAM_SERVER_NAME" None false Text(Text::UpstreamServerName);
    "UPSTREAM_TLS_CIPHER" None false Text(Text::UpstreamTlsCipher);
    "UPSTREAM_TLS_GROUP" None false Text(Text::UpstreamTlsGroup);
    "UPSTREAM_TLS_SESSION_ID" None false Text(Text::UpstreamTlsSessionId);
    "UPSTREAM_TLS_VERSION" None false Text(Text::UpstreamTlsVersion);
    "UPSTREAM_TRANSPORT_FAILURE_REASON" None false Underscored(Text::UpstreamTransportFailureReason);
    "UPSTREAM_WIRE_BYTES_RECEIVED" None false NumberOrZero(Number::UpstreamWireBytesReceived);
    "UPSTREAM_WIRE_BYTES_SENT" None false NumberOrZero(Number::UpstreamWireBytesSent);
    "VIRTUAL_CLUSTER_NAME" None false Text(Text::VirtualClusterName);
};

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
