//! What Envoy's own logger prints, and what a record must say for the same request.
//!
//! **Shape.** [`OPERATORS`] names the operator of each column. [`ALLOWED`] is the whole list of columns in
//! which a record may say something else, each with its reason; [`expected`] derives that from the line.

use std::collections::BTreeSet;

use gatelog_record::{AccessRecord, Field, Timestamp, Value};
use gatelog_testkit::envoy::Attach;
use serde_json::{Value as Json, json};

use super::gateway::extension;

/// Columns, and the operators that print the same.
pub(super) const OPERATORS: [(Field, &str); 31] = [
    (Field::StartTime, "%START_TIME(%Y-%m-%dT%H:%M:%E6SZ)%"),
    (Field::TraceId, "%REQ(X-B3-TRACEID)%"),
    (Field::Authority, "%REQ(X-ENVOY-ORIGINAL-HOST?:AUTHORITY)%"),
    (Field::Method, "%REQ(:METHOD)%"),
    (Field::Path, "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    (Field::Protocol, "%PROTOCOL%"),
    (Field::RequestId, "%REQ(X-REQUEST-ID)%"),
    (Field::UserAgent, "%REQ(USER-AGENT)%"),
    (Field::XForwardedFor, "%REQ(X-FORWARDED-FOR)%"),
    (Field::ResponseCode, "%RESPONSE_CODE%"),
    (Field::ResponseFlags, "%RESPONSE_FLAGS%"),
    (Field::ResponseCodeDetails, "%RESPONSE_CODE_DETAILS%"),
    (Field::BytesReceived, "%BYTES_RECEIVED%"),
    (Field::BytesSent, "%BYTES_SENT%"),
    (Field::Duration, "%DURATION%"),
    (Field::UpstreamCluster, "%UPSTREAM_CLUSTER_RAW%"),
    (Field::UpstreamHost, "%UPSTREAM_HOST%"),
    (
        Field::UpstreamServiceTime,
        "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
    ),
    (
        Field::UpstreamTransportFailureReason,
        "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    ),
    (Field::UpstreamLocalAddress, "%UPSTREAM_LOCAL_ADDRESS%"),
    (Field::DownstreamLocalAddress, "%DOWNSTREAM_LOCAL_ADDRESS%"),
    (
        Field::DownstreamRemoteAddress,
        "%DOWNSTREAM_REMOTE_ADDRESS%",
    ),
    (Field::RouteName, "%ROUTE_NAME%"),
    (Field::RequestedServerName, "%REQUESTED_SERVER_NAME%"),
    (
        Field::IstioPolicyStatus,
        "%DYNAMIC_METADATA(istio.mixer:status)%",
    ),
    (
        Field::UpstreamRequestAttemptCount,
        "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    ),
    (Field::TlsVersion, "%DOWNSTREAM_TLS_VERSION%"),
    (
        Field::ConnectionTerminationDetails,
        "%CONNECTION_TERMINATION_DETAILS%",
    ),
    (Field::GrpcStatus, "%GRPC_STATUS_NUMBER%"),
    (Field::ClientIp, "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    (Field::Route, "%ROUTE_NAME%"),
];

/// Where a record may differ from the operator, and why.
pub(super) const ALLOWED: [(Field, &str); 5] = [
    (
        Field::TraceId,
        "without `x-b3-traceid` it is the trace part of `traceparent`",
    ),
    (
        Field::UserAgent,
        "bytes that are no UTF-8 are U+FFFD (as in every text); Envoy prints each as the code point of that number",
    ),
    (
        Field::ResponseFlags,
        "the same set, in the order of the bits",
    ),
    (
        Field::UpstreamServiceTime,
        "without the header, where the upstream answered, the time from the first byte to it to the last byte from it",
    ),
    (
        Field::GrpcStatus,
        "of gRPC requests only; Envoy derives one from the HTTP status of all others",
    ),
];

/// What else a line has, for [`expected`].
const BESIDES: [(&str, &str); 5] = [
    ("first_from_upstream", "%RESPONSE_DURATION%"),
    (
        "first_to_client",
        "%COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:ms)%",
    ),
    ("traceparent", "%REQ(TRACEPARENT)%"),
    ("content_type", "%REQ(CONTENT-TYPE)%"),
    (
        "backend_latency",
        "%COMMON_DURATION(US_TX_BEG:US_RX_END:ms)%",
    ),
];

/// Envoy's own logger, to its standard output.
pub(super) fn logger() -> Json {
    let columns = OPERATORS
        .iter()
        .map(|(field, operator)| (field.name(), *operator));
    let format: serde_json::Map<String, Json> = columns
        .chain(BESIDES)
        .map(|(name, operator)| (name.to_owned(), json!(operator)))
        .collect();
    extension(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        &json!({"path": "/dev/stdout", "log_format": {"json_format": format}}),
    )
}

/// The columns in which the record is not what the line demands: column, demanded, found.
pub(super) fn differences(record: &AccessRecord<'_>, line: &Json, attach: Attach) -> Vec<String> {
    OPERATORS
        .iter()
        .filter_map(|(field, _)| {
            let found = text(record, *field);
            let expected = expected(*field, line, found.as_deref());
            let same = match field {
                Field::ResponseFlags => set(found.as_deref()) == set(expected.as_deref()),
                Field::StartTime => time(found.as_deref()) == time(expected.as_deref()),
                _ => found == expected,
            };
            (!same).then(|| format!("{}: Envoy {expected:?}, gatelog {found:?}", field.name()))
        })
        .chain(first_byte(record, line, attach))
        .collect()
}

/// A filter has a time to the first byte where Envoy has one, between the upstream's first byte and the
/// first to the client: no operator is the moment of the headers. An access logger sees nothing pass.
fn first_byte(record: &AccessRecord<'_>, line: &Json, attach: Attach) -> Option<String> {
    let bound = |key| value(line, key)?.parse::<i64>().ok();
    let bounds = (bound("first_from_upstream"), bound("first_to_client"));
    let found = record.first_byte_time;
    let is_right = match (found, bounds) {
        (found, _) if attach == Attach::AccessLogger => found.is_none(),
        (None, (from, _)) => from.is_none(),
        (Some(found), (Some(from), Some(to))) => (from..=to).contains(&found),
        (Some(_), _) => false,
    };
    (!is_right).then(|| format!("first_byte_time: Envoy {bounds:?}, gatelog {found:?}"))
}

/// What the line demands of a column.
fn expected(field: Field, line: &Json, found: Option<&str>) -> Option<String> {
    let logged = value(line, field.name());
    match field {
        Field::TraceId => logged.or_else(|| {
            let parent = value(line, "traceparent")?;
            Some(parent.split('-').nth(1)?.to_owned())
        }),
        Field::UserAgent if found.is_some_and(|found| found.contains('\u{fffd}')) => {
            let bytes: Vec<u8> = logged?
                .chars()
                .map(|char| u8::try_from(u32::from(char)).unwrap())
                .collect();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        Field::UpstreamServiceTime => logged.or_else(|| value(line, "backend_latency")),
        Field::GrpcStatus => {
            let kind = value(line, "content_type")?;
            logged.filter(|_| kind.starts_with("application/grpc"))
        }
        _ => logged,
    }
}

/// A key of the line; `-` and null are nothing.
pub(super) fn value(line: &Json, key: &str) -> Option<String> {
    match &line[key] {
        Json::Null => None,
        Json::String(text) if text == "-" => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A column as text.
pub(super) fn text(record: &AccessRecord<'_>, field: Field) -> Option<String> {
    match record.get(field)? {
        Value::Integer(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.to_owned()),
        Value::Time(time) => Some(time.to_string()),
        other => panic!("{}: {other:?}", field.name()),
    }
}

/// A moment, to find the record of a line.
pub(super) fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse)
}

fn set(flags: Option<&str>) -> BTreeSet<String> {
    let flags = flags.into_iter().flat_map(|flags| flags.split(','));
    flags.map(str::to_owned).collect()
}
