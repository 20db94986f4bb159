//! What a record knows: which of its fields answers which operator, and the same the other way.

use gatelog_record::{AccessRecord, Field, Value};

use crate::command::{Action, Command};
use crate::exchange::{Exchange, Metadata, MetadataValue, Number, State, Text, Time};
use crate::grpc;
use crate::member::Member;
use crate::moment::Moment;
use crate::operator::Side;
use crate::template::Template;

/// Where `istio_policy_status` stands in Envoy's metadata.
pub(crate) const ISTIO_NAMESPACE: &str = "istio.mixer";
pub(crate) const ISTIO_STATUS: &str = "status";

/// Where ai-statistics leaves what it knows.
pub(crate) const AI_LOG_STATE: &str = "wasm.ai_log";

/// Hango's name for the status as it passed its filter.
pub(crate) const ORIGIN_STATUS_STATE: &str = "x-envoy-origin-status";

/// A moment or a response code may be before or behind the gateway's own filters; the record has one.
pub(crate) fn text_field(text: Text) -> Option<Field> {
    Some(match text {
        Text::AccessLogType => Field::AccessLogType,
        Text::ConnectionTerminationDetails => Field::ConnectionTerminationDetails,
        Text::DownstreamDirectLocalAddress | Text::DownstreamLocalAddress => {
            Field::DownstreamLocalAddress
        }
        Text::DownstreamRemoteAddress => Field::DownstreamRemoteAddress,
        Text::DownstreamTlsCipher => Field::TlsCipher,
        Text::DownstreamTlsVersion => Field::TlsVersion,
        Text::Hostname => Field::InstanceId,
        Text::Protocol => Field::Protocol,
        Text::RequestedServerName => Field::RequestedServerName,
        Text::ResponseCodeDetails => Field::ResponseCodeDetails,
        Text::ResponseFlags => Field::ResponseFlags,
        Text::RouteName => Field::RouteName,
        Text::StreamId => Field::RequestId,
        Text::TraceId => Field::TraceId,
        Text::UpstreamCluster | Text::UpstreamClusterRaw => Field::UpstreamCluster,
        Text::UpstreamHost | Text::UpstreamHostName | Text::UpstreamRemoteAddress => {
            Field::UpstreamHost
        }
        Text::UpstreamLocalAddress => Field::UpstreamLocalAddress,
        Text::UpstreamTransportFailureReason => Field::UpstreamTransportFailureReason,
        _ => return None,
    })
}

pub(crate) fn number_field(number: Number) -> Option<Field> {
    Some(match number {
        Number::BytesReceived => Field::BytesReceived,
        Number::BytesSent => Field::BytesSent,
        Number::Duration => Field::Duration,
        Number::ResponseCode => Field::ResponseCode,
        Number::UpstreamRequestAttemptCount => Field::UpstreamRequestAttemptCount,
        _ => return None,
    })
}

pub(crate) fn request_header_field(name: &str) -> Option<Field> {
    Some(match name {
        ":path" => Field::Path,
        ":method" => Field::Method,
        ":authority" => Field::Authority,
        "user-agent" => Field::UserAgent,
        "x-request-id" => Field::RequestId,
        "x-forwarded-for" => Field::XForwardedFor,
        "x-b3-traceid" => Field::TraceId,
        "x-mse-consumer" => Field::Consumer,
        _ => return None,
    })
}

pub(crate) fn response_header_field(name: &str) -> Option<Field> {
    (name == "x-envoy-upstream-service-time").then_some(Field::UpstreamServiceTime)
}

/// Hango's metadatahub and its portal.
pub(crate) fn state_field(key: &str) -> Option<Field> {
    Some(match key {
        "x-envoy-origin-path" => Field::Path,
        "x-envoy-origin-method" => Field::Method,
        "x-envoy-origin-host" => Field::Authority,
        "qz_cluster_name" => Field::InstanceId,
        "qz_svc_id" => Field::Service,
        "qz_api_id" => Field::RouteName,
        "qz_api_name" => Field::Api,
        AI_LOG_STATE => Field::AiLog,
        _ => return None,
    })
}

/// The variables that name a gateway's instance.
pub(crate) fn environment_field(name: &str) -> Option<Field> {
    matches!(name, "POD_NAME" | "HOSTNAME").then_some(Field::InstanceId)
}

fn bytes<'r>(record: &'r AccessRecord<'_>, field: Field) -> Option<&'r [u8]> {
    match record.get(field)? {
        Value::Text(text) | Value::Json(text) => Some(text.as_bytes()),
        _ => None,
    }
}

impl Exchange for AccessRecord<'_> {
    fn request_header(&self, name: &str) -> Option<&[u8]> {
        request_header_field(name)
            .and_then(|field| bytes(self, field))
            .or_else(|| self.request_headers.get(name).map(str::as_bytes))
    }

    fn response_header(&self, name: &str) -> Option<&[u8]> {
        if name == ":status" {
            return code_text(self.response_code?);
        }
        response_header_field(name)
            .and_then(|field| bytes(self, field))
            .or_else(|| self.response_headers.get(name).map(str::as_bytes))
    }

    fn number(&self, number: Number) -> Option<i64> {
        match self.get(number_field(number)?)? {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    fn text(&self, text: Text) -> Option<&[u8]> {
        // A host was chosen, but nothing tells the address of a connection that was not made.
        if text == Text::UpstreamRemoteAddress && self.upstream_local_address.is_none() {
            return None;
        }
        bytes(self, text_field(text)?).or_else(|| match text {
            Text::RouteName => self.route.as_deref().map(str::as_bytes),
            Text::DownstreamRemoteAddress => self.client_ip.as_deref().map(str::as_bytes),
            _ => None,
        })
    }

    fn time(&self, time: Time) -> Option<Moment> {
        match time {
            Time::Start => self.start_time.map(Moment::from),
            Time::Emit => self.receive_time.map(Moment::from),
            _ => None,
        }
    }

    fn point_ns(&self, name: &str) -> Option<u64> {
        match name {
            "DS_RX_BEG" => Some(0),
            "DS_TX_END" => u64::try_from(self.duration?).ok()?.checked_mul(1_000_000),
            _ => None,
        }
    }

    fn grpc_status(&self) -> Option<i64> {
        self.grpc_status.or_else(|| grpc::status(self))
    }

    fn metadata(
        &self,
        of: Metadata,
        namespace: &str,
        path: &[String],
    ) -> Option<MetadataValue<'_>> {
        if !is_istio_status(of, namespace, path) {
            return None;
        }
        bytes(self, Field::IstioPolicyStatus).map(MetadataValue::Text)
    }

    fn filter_state(&self, key: &str, upstream: bool) -> Option<State<'_>> {
        if upstream {
            return None;
        }
        if key == ORIGIN_STATUS_STATE {
            return self
                .response_code
                .filter(|code| *code > 0)
                .map(State::Number);
        }
        let field = state_field(key)?;
        let text = bytes(self, field)?;
        Some(if field == Field::AiLog {
            State::Escaped(text)
        } else {
            State::Plain(text)
        })
    }

    fn environment(&self, name: &str) -> Option<&[u8]> {
        bytes(self, environment_field(name)?)
    }

    fn unique_id(&self, out: &mut Vec<u8>) -> bool {
        use std::io::Write as _;
        self.record_id.is_some_and(|id| write!(out, "{id}").is_ok())
    }
}

pub(crate) fn is_istio_status(of: Metadata, namespace: &str, path: &[String]) -> bool {
    of == Metadata::Dynamic && namespace == ISTIO_NAMESPACE && path == [ISTIO_STATUS]
}

/// The codes that have three digits, as text.
static CODES: [[u8; 3]; 1000] = codes();

#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "worked out by the compiler, which refuses an index that is too large"
)]
const fn codes() -> [[u8; 3]; 1000] {
    let mut codes = [[0; 3]; 1000];
    let mut code = 0;
    while code < 1000 {
        codes[code] = [
            b'0' + (code / 100) as u8,
            b'0' + (code / 10 % 10) as u8,
            b'0' + (code % 10) as u8,
        ];
        code += 1;
    }
    codes
}

fn code_text(code: i64) -> Option<&'static [u8]> {
    let index = usize::try_from(code).ok().filter(|code| *code >= 100)?;
    CODES.get(index).map(<[u8; 3]>::as_slice)
}

/// An operator of a format that no record can answer: lines have Envoy's missing value in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswerable {
    /// Its name.
    pub operator: &'static str,
    /// Byte of its `%` in the format, or in the text of the member of a JSON format.
    pub position: usize,
}

impl Template {
    /// The operators that no record can answer, in the order of the format. A header is answered
    /// where the gateway was asked to capture it, so headers are not among them; trailers are.
    pub fn unanswerable(&self) -> Vec<Unanswerable> {
        unanswerable(self.commands())
    }
}

impl Member {
    /// As [`Template::unanswerable`].
    pub fn unanswerable(&self) -> Vec<Unanswerable> {
        unanswerable(self.commands())
    }
}

fn unanswerable(commands: Vec<&Command>) -> Vec<Unanswerable> {
    let record = everything();
    commands
        .into_iter()
        .filter(|command| !is_answered(command, &record))
        .map(|command| Unanswerable {
            operator: command.operator.name,
            position: command.position,
        })
        .collect()
}

/// A record with a value in each of its fields that answer operators.
fn everything() -> AccessRecord<'static> {
    use gatelog_record::{RecordId, Slot, Timestamp};
    let mut record = AccessRecord::default();
    for &field in Field::ALL {
        match record.slot(field) {
            Slot::Text(slot) | Slot::Json(slot) => *slot = Some("x".into()),
            Slot::Integer(slot) => *slot = Some(200),
            Slot::Time(slot) => *slot = Some(Timestamp::EPOCH),
            Slot::Id(slot) => *slot = Some(RecordId::from_bits(1)),
            Slot::Float(_) | Slot::Headers(_) => {}
        }
    }
    record
}

fn is_answered(command: &Command, record: &AccessRecord<'_>) -> bool {
    match &command.action {
        Action::Header { side, .. } => *side != Side::Trailer,
        Action::Path { .. }
        | Action::QueryParam(_)
        | Action::QueryParams
        | Action::Cel(_)
        | Action::Details { .. }
        | Action::LongFlags
        | Action::ServerName { .. }
        | Action::Grpc(_)
        | Action::UniqueId => true,
        Action::Text(text)
        | Action::TextOr(text, _)
        | Action::Underscored(text)
        | Action::Port(text)
        | Action::WithoutPort(text, _)
        | Action::EndpointId(text)
        | Action::HostsWithoutPort(text)
        | Action::NameWithoutPort(text) => record.text(*text).is_some(),
        Action::Number(number) | Action::NumberOrZero(number) => record.number(*number).is_some(),
        Action::Time { time, .. } => record.time(*time).is_some(),
        Action::Duration { from, to, .. } => {
            record.point_ns(from).is_some() && record.point_ns(to).is_some()
        }
        Action::Metadata {
            of,
            namespace,
            path,
        } => record.metadata(*of, namespace, path).is_some(),
        Action::State { key, upstream, .. } => record.filter_state(key, *upstream).is_some(),
        Action::Environment(name) => record.environment(name).is_some(),
        Action::Coalesce(commands) => commands.iter().any(|one| is_answered(one, record)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(format: &str, record: &AccessRecord<'_>) -> String {
        let mut line = Vec::new();
        Template::text(format).unwrap().render(record, &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn fields_and_captured_headers_answer() {
        let mut record = AccessRecord {
            method: Some("GET".into()),
            path: Some("/a?x=1".into()),
            response_code: Some(503),
            downstream_remote_address: Some("10.1.2.3:0".into()),
            ai_log: Some(r#"{"model":"m"}"#.into()),
            api: Some("shop".into()),
            response_flags: Some("UF,URX".into()),
            ..AccessRecord::default()
        };
        record.request_headers.push("X-Tenant", "t1");
        record.response_headers.push("x-cache-status", "HIT");
        for (format, line) in [
            (
                "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
                "GET /a?x=1",
            ),
            ("%REQ(x-tenant)% %RESP(X-Cache-Status)%", "t1 HIT"),
            ("%RESP(:STATUS)% %RESPONSE_CODE% %BYTES_SENT%", "503 503 0"),
            ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%", "10.0.0.0/8"),
            ("%FILTER_STATE(wasm.ai_log:PLAIN)%", r#"{\"model\":\"m\"}"#),
            ("%FILTER_STATE(qz_api_name:PLAIN)%", "shop"),
            ("%FILTER_STATE(x-envoy-origin-status:PLAIN)%", "503"),
            (
                "%RESPONSE_FLAGS_LONG%",
                "UpstreamConnectionFailure,UpstreamRetryLimitExceeded",
            ),
            ("%REQ(USER-AGENT)% %DURATION% %QUERY_PARAM(x)%", "- - 1"),
        ] {
            assert_eq!(render(format, &record), line, "{format}");
        }
    }

    #[test]
    fn what_no_record_can_answer_is_named_with_its_place() {
        let template =
            Template::text("%REQ(X-ANY)% %SPAN_ID% %PROTOCOL% %RESPONSE_TX_DURATION%").unwrap();
        let found: Vec<_> = template
            .unanswerable()
            .iter()
            .map(|gap| (gap.operator, gap.position))
            .collect();
        assert_eq!(found, [("SPAN_ID", 13), ("RESPONSE_TX_DURATION", 34)]);
    }
}
