//! What the request headers say. They are fetched once, as a whole.

use gatelog_record::{AccessRecord, Headers};

use super::attribute::{Text, lossy, present};
use super::trace::Trace;
use crate::config::Recording;
use crate::host::Host;

/// The request headers that a record has a place for; of repeated ones the first.
#[derive(Default)]
pub(super) struct RequestHeaders {
    method: Text,
    authority: Text,
    original_host: Text,
    path: Text,
    original_path: Text,
    request_id: Text,
    user_agent: Text,
    forwarded_for: Text,
    consumer: Text,
    mcp_session_id: Text,
    trace: Trace,
    /// Those that the configuration asks for.
    captured: Headers<'static>,
    /// Whether the request is gRPC.
    pub(super) grpc: bool,
    /// Bytes of all names and values, as `request.total_size` counts them.
    pub(super) bytes: i64,
}

impl RequestHeaders {
    /// Reads them all.
    pub(super) fn read(host: &impl Host, recording: &Recording) -> Self {
        let mut headers = Self::default();
        let captured = &recording.capture.request_headers;
        for (name, value) in host.request_headers() {
            let bytes = name.len() + value.len();
            headers.bytes += i64::try_from(bytes).unwrap_or(i64::MAX);
            if !captured.is_empty() && !name.starts_with(':') && captured.contains(&name) {
                headers.captured.push(name.clone(), lossy(value.clone()));
            }
            headers.take(&name, value, &recording.consumer_header);
        }
        headers
    }

    fn take(&mut self, name: &str, value: Vec<u8>, consumer_header: &str) {
        if name == consumer_header && self.consumer.is_none() {
            self.consumer = present(value.clone());
        }
        let place = match name {
            ":method" => &mut self.method,
            ":authority" => &mut self.authority,
            "x-envoy-original-host" => &mut self.original_host,
            ":path" => &mut self.path,
            "x-envoy-original-path" => &mut self.original_path,
            "x-request-id" => &mut self.request_id,
            "user-agent" => &mut self.user_agent,
            "x-forwarded-for" => &mut self.forwarded_for,
            "x-b3-traceid" => &mut self.trace.b3_trace_id,
            "b3" => &mut self.trace.b3,
            "traceparent" => &mut self.trace.traceparent,
            "mcp-session-id" => &mut self.mcp_session_id,
            "content-type" => {
                self.grpc |= is_grpc(&value);
                return;
            }
            _ => return,
        };
        if place.is_none() {
            *place = present(value);
        }
    }

    /// Writes them to their columns.
    pub(super) fn fill(self, record: &mut AccessRecord<'static>) {
        record.trace_id = self.trace.id();
        record.authority = self.original_host.or(self.authority);
        record.path = self.original_path.or(self.path);
        record.method = self.method;
        record.request_id = self.request_id;
        record.user_agent = self.user_agent;
        record.x_forwarded_for = self.forwarded_for;
        record.consumer = self.consumer;
        record.mcp_session_id = self.mcp_session_id;
        record.request_headers = self.captured;
    }
}

/// As Envoy decides it: `application/grpc`, alone or before a `+`.
fn is_grpc(content_type: &[u8]) -> bool {
    content_type
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+')))
}
