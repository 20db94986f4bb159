//! What is known about one finished request: the questions that operators ask.
//!
//! **Shape.** [`Exchange`] has one method for each kind of question, so that an operator is one call.
//! Every method has an answer already, "not known": whoever implements the trait overrides what it
//! knows. Values are bytes, as headers are.

use serde_json::Value;

use crate::grpc;
use crate::moment::Moment;

macro_rules! names {
    ($(#[$meta:meta])* $enum:ident { $( $variant:ident $name:literal, )* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is the operator of its name, in capitals")]
        #[non_exhaustive]
        pub enum $enum { $( $variant, )* }

        impl $enum {
            /// The name, in small letters.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$variant => $name, )* }
            }
        }
    };
}

names! {
    /// A number; durations are in milliseconds unless the name says otherwise, sizes in bytes.
    Number {
        BytesReceived "bytes_received",
        BytesRetransmitted "bytes_retransmitted",
        BytesSent "bytes_sent",
        ConnectionId "connection_id",
        DownstreamCxRtt "downstream_cx_rtt",
        DownstreamDecompressedHeaderBytesReceived "downstream_decompressed_header_bytes_received",
        DownstreamDecompressedHeaderBytesSent "downstream_decompressed_header_bytes_sent",
        DownstreamHandshakeDuration "downstream_handshake_duration",
        DownstreamHeaderBytesReceived "downstream_header_bytes_received",
        DownstreamHeaderBytesSent "downstream_header_bytes_sent",
        DownstreamWireBytesReceived "downstream_wire_bytes_received",
        DownstreamWireBytesSent "downstream_wire_bytes_sent",
        Duration "duration",
        PacketsRetransmitted "packets_retransmitted",
        RequestDuration "request_duration",
        RequestHeadersBytes "request_headers_bytes",
        RequestTxDuration "request_tx_duration",
        ResponseCode "response_code",
        ResponseDuration "response_duration",
        ResponseHeadersBytes "response_headers_bytes",
        ResponseTrailersBytes "response_trailers_bytes",
        ResponseTxDuration "response_tx_duration",
        RoundtripDuration "roundtrip_duration",
        RouteResolutionCount "route_resolution_count",
        RouteResolutionTimeUs "route_resolution_time_us",
        UpstreamConnectionId "upstream_connection_id",
        UpstreamConnectionPoolReadyDuration "upstream_connection_pool_ready_duration",
        UpstreamDecompressedHeaderBytesReceived "upstream_decompressed_header_bytes_received",
        UpstreamDecompressedHeaderBytesSent "upstream_decompressed_header_bytes_sent",
        UpstreamHeaderBytesReceived "upstream_header_bytes_received",
        UpstreamHeaderBytesSent "upstream_header_bytes_sent",
        UpstreamRequestAttemptCount "upstream_request_attempt_count",
        UpstreamWireBytesReceived "upstream_wire_bytes_received",
        UpstreamWireBytesSent "upstream_wire_bytes_sent",
    }
}

names! {
    /// A text. An address is `IP:PORT`, `[IPv6]:PORT` or a path.
    Text {
        AccessLogType "access_log_type",
        ConnectionTerminationDetails "connection_termination_details",
        CustomFlags "custom_flags",
        DownstreamDetectedCloseType "downstream_detected_close_type",
        DownstreamDirectLocalAddress "downstream_direct_local_address",
        DownstreamDirectRemoteAddress "downstream_direct_remote_address",
        DownstreamLocalAddress "downstream_local_address",
        DownstreamLocalCloseReason "downstream_local_close_reason",
        DownstreamLocalDnsSan "downstream_local_dns_san",
        DownstreamLocalEmailSan "downstream_local_email_san",
        DownstreamLocalIpSan "downstream_local_ip_san",
        DownstreamLocalOthernameSan "downstream_local_othername_san",
        DownstreamLocalSubject "downstream_local_subject",
        DownstreamLocalUriSan "downstream_local_uri_san",
        DownstreamPeerCert "downstream_peer_cert",
        DownstreamPeerChainFingerprints1 "downstream_peer_chain_fingerprints_1",
        DownstreamPeerChainFingerprints256 "downstream_peer_chain_fingerprints_256",
        DownstreamPeerChainSerials "downstream_peer_chain_serials",
        DownstreamPeerDnsSan "downstream_peer_dns_san",
        DownstreamPeerEmailSan "downstream_peer_email_san",
        DownstreamPeerFingerprint1 "downstream_peer_fingerprint_1",
        DownstreamPeerFingerprint256 "downstream_peer_fingerprint_256",
        DownstreamPeerIpSan "downstream_peer_ip_san",
        DownstreamPeerIssuer "downstream_peer_issuer",
        DownstreamPeerIssuerFingerprint256 "downstream_peer_issuer_fingerprint_256",
        DownstreamPeerIssuerSerial "downstream_peer_issuer_serial",
        DownstreamPeerOthernameSan "downstream_peer_othername_san",
        DownstreamPeerSerial "downstream_peer_serial",
        DownstreamPeerSubject "downstream_peer_subject",
        DownstreamPeerUriSan "downstream_peer_uri_san",
        DownstreamRemoteAddress "downstream_remote_address",
        DownstreamTlsCipher "downstream_tls_cipher",
        DownstreamTlsGroup "downstream_tls_group",
        DownstreamTlsSessionId "downstream_tls_session_id",
        DownstreamTlsVersion "downstream_tls_version",
        DownstreamTransportFailureReason "downstream_transport_failure_reason",
        FilterChainName "filter_chain_name",
        Hostname "hostname",
        ListenerName "listener_name",
        LocalReplyBody "local_reply_body",
        Protocol "protocol",
        RequestedServerName "requested_server_name",
        ResponseCodeDetails "response_code_details",
        ResponseFlags "response_flags",
        RouteName "route_name",
        SpanId "span_id",
        StreamId "stream_id",
        TlsJa3Fingerprint "tls_ja3_fingerprint",
        TlsJa4Fingerprint "tls_ja4_fingerprint",
        TraceId "trace_id",
        UpstreamCluster "upstream_cluster",
        UpstreamClusterRaw "upstream_cluster_raw",
        UpstreamConnectionIdsAttempted "upstream_connection_ids_attempted",
        UpstreamDetectedCloseType "upstream_detected_close_type",
        UpstreamHost "upstream_host",
        UpstreamHostName "upstream_host_name",
        UpstreamHostNamesAttempted "upstream_host_names_attempted",
        UpstreamHostsAttempted "upstream_hosts_attempted",
        UpstreamLocalAddress "upstream_local_address",
        UpstreamLocalCloseReason "upstream_local_close_reason",
        UpstreamLocalDnsSan "upstream_local_dns_san",
        UpstreamLocalIpSan "upstream_local_ip_san",
        UpstreamLocalUriSan "upstream_local_uri_san",
        UpstreamPeerCert "upstream_peer_cert",
        UpstreamPeerDnsSan "upstream_peer_dns_san",
        UpstreamPeerIpSan "upstream_peer_ip_san",
        UpstreamPeerIssuer "upstream_peer_issuer",
        UpstreamPeerSubject "upstream_peer_subject",
        UpstreamPeerUriSan "upstream_peer_uri_san",
        UpstreamProtocol "upstream_protocol",
        UpstreamRemoteAddress "upstream_remote_address",
        UpstreamServerName "upstream_server_name",
        UpstreamTlsCipher "upstream_tls_cipher",
        UpstreamTlsGroup "upstream_tls_group",
        UpstreamTlsSessionId "upstream_tls_session_id",
        UpstreamTlsVersion "upstream_tls_version",
        UpstreamTransportFailureReason "upstream_transport_failure_reason",
        VirtualClusterName "virtual_cluster_name",
    }
}

names! {
    /// A moment of the calendar.
    Time {
        Start "start_time",
        Emit "emit_time",
        DownstreamPeerCertStart "downstream_peer_cert_v_start",
        DownstreamPeerCertEnd "downstream_peer_cert_v_end",
        UpstreamPeerCertStart "upstream_peer_cert_v_start",
        UpstreamPeerCertEnd "upstream_peer_cert_v_end",
    }
}

/// Whose metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the words of METADATA, in capitals")]
#[non_exhaustive]
pub enum Metadata {
    Dynamic,
    Cluster,
    Route,
    UpstreamHost,
    Listener,
    ListenerFilterChain,
    VirtualHost,
}

impl Metadata {
    /// The words of METADATA.
    pub(crate) const NAMES: &'static str =
        "DYNAMIC, CLUSTER, ROUTE, UPSTREAM_HOST, LISTENER, LISTENER_FILTER_CHAIN, VIRTUAL_HOST";

    /// The kind with this word, which is in capitals.
    pub fn find(word: &str) -> Option<Self> {
        Some(match word {
            "DYNAMIC" => Self::Dynamic,
            "CLUSTER" => Self::Cluster,
            "ROUTE" => Self::Route,
            "UPSTREAM_HOST" => Self::UpstreamHost,
            "LISTENER" => Self::Listener,
            "LISTENER_FILTER_CHAIN" => Self::ListenerFilterChain,
            "VIRTUAL_HOST" => Self::VirtualHost,
            _ => return None,
        })
    }
}

/// An object of the filter state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State<'e> {
    /// A text with a protobuf form (`envoy.string`, `StringValue`).
    Text(&'e [u8]),
    /// Bytes that a wasm module stored: their protobuf form is a `BytesValue`.
    Bytes(&'e [u8]),
    /// A text without a protobuf form: TYPED prints nothing.
    Plain(&'e [u8]),
    /// A number without a protobuf form.
    Number(i64),
    /// Bytes that are printed as the inside of a JSON string: so ai-statistics stores `ai_log`.
    Escaped(&'e [u8]),
}

/// A value of metadata.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetadataValue<'e> {
    /// Of any type.
    Json(&'e Value),
    /// A text.
    Text(&'e [u8]),
}

/// One finished request. Names of headers are in small letters; `host` comes as `:authority`.
pub trait Exchange {
    /// The first value of a request header or pseudo-header.
    fn request_header(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    /// The first value of a response header or pseudo-header.
    fn response_header(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    /// The first value of a response trailer.
    fn response_trailer(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    /// A number.
    fn number(&self, _number: Number) -> Option<i64> {
        None
    }

    /// A text.
    fn text(&self, _text: Text) -> Option<&[u8]> {
        None
    }

    /// A moment.
    fn time(&self, _time: Time) -> Option<Moment> {
        None
    }

    /// When a point of `COMMON_DURATION` was reached, in nanoseconds from the request's first byte.
    fn point_ns(&self, _name: &str) -> Option<u64> {
        None
    }

    /// The gRPC status; -1 for one that is no number. Derived from the headers, as Envoy does it.
    fn grpc_status(&self) -> Option<i64> {
        grpc::status(self)
    }

    /// A value of metadata: the object of a namespace, or what stands in it at the end of `path`.
    fn metadata(
        &self,
        _of: Metadata,
        _namespace: &str,
        _path: &[String],
    ) -> Option<MetadataValue<'_>> {
        None
    }

    /// An object of the filter state, of the request or of the connection to the upstream.
    fn filter_state(&self, _key: &str, _upstream: bool) -> Option<State<'_>> {
        None
    }

    /// A field of such an object.
    fn filter_state_field(&self, _key: &str, _field: &str, _upstream: bool) -> Option<&[u8]> {
        None
    }

    /// An environment variable of the gateway.
    fn environment(&self, _name: &str) -> Option<&[u8]> {
        None
    }

    /// Appends an id of this request that no other has; `false` if there is none.
    fn unique_id(&self, _out: &mut Vec<u8>) -> bool {
        false
    }

    /// Seconds by which the gateway's clock on the wall is before UTC, for the `_LOCAL` times.
    fn utc_offset_seconds(&self) -> i32 {
        0
    }
}
