//! What is seen of a request while it passes: whether it has a body, when the answer began, and what
//! the bodies say.
//!
//! **Shape.** The glue keeps one [`Exchange`] per request and calls it for each callback of the proxy;
//! what it found is in the record when the request is over. As an access logger the plugin has no
//! such callbacks, and the exchange stays empty.
//!
//! **Invariants.** It only looks on: nothing is held back, changed or kept beyond the limits of the
//! configuration. A request without a body costs no call to the proxy but the clock at the answer, and
//! a body that nobody reads is not fetched.

use gatelog_record::AccessRecord;
use gatelog_usage::Unread;

use super::attribute::{NS_PER_MS, lossy, present};
use super::media::Media;
use super::memory::Memory;
use super::prefix::Prefix;
use super::request_body::RequestBody;
use super::response_body::ResponseBody;
use crate::config::Recording;
use crate::host::{Body, Counter, Host};

/// One request as it passes.
#[derive(Default)]
pub struct Exchange {
    has_request_body: bool,
    ended_with_headers: bool,
    response_began_ns: Option<u64>,
    request: Option<Box<RequestBody>>,
    response: Option<Box<ResponseBody>>,
}

impl Exchange {
    /// The request's headers have come; a body follows unless they are the end.
    pub fn on_request_headers(
        &mut self,
        host: &impl Host,
        recording: &Recording,
        memory: &Memory,
        is_end: bool,
    ) {
        if is_end {
            self.ended_with_headers = true;
            return;
        }
        self.has_request_body = true;
        let content_type = header(host.request_header("content-type"));
        let limit = limit_of(
            recording,
            recording.capture.request_body_bytes,
            &content_type,
        );
        let is_json = Media::of(&content_type) == Media::Json;
        if (is_json || limit > 0) && is_plain(&header(host.request_header("content-encoding"))) {
            self.request = Some(Box::new(RequestBody::new(
                host,
                is_json,
                limit,
                memory.room(),
            )));
        }
    }

    /// Some of the request's body has come.
    pub fn on_request_body(&mut self, host: &impl Host, bytes: usize) {
        if let Some(body) = &mut self.request {
            let wanted = body.wants(bytes);
            if wanted > 0 {
                body.feed(&host.body(Body::Request, wanted));
            }
        }
    }

    /// The response's headers have come.
    pub fn on_response_headers(
        &mut self,
        host: &impl Host,
        recording: &Recording,
        memory: &Memory,
        is_end: bool,
    ) {
        self.response_began_ns = Some(host.now_ns());
        let capture_bytes = recording.capture.response_body_bytes;
        if is_end || (!self.has_request_body && capture_bytes == 0) {
            return;
        }
        let content_type = header(host.response_header("content-type"));
        let limit = limit_of(recording, capture_bytes, &content_type);
        // Bytes without a type, asked for by no JSON, are those of an upgrade or a tunnel.
        let may_be_llm =
            self.has_request_body && (!content_type.is_empty() || self.request.is_some());
        if !may_be_llm && limit == 0 {
            return;
        }
        let encoding = header(host.response_header("content-encoding"));
        let limit = if is_plain(&encoding) { limit } else { 0 };
        let captured = Prefix::new(limit, memory.room());
        let is_mcp = self.request.as_ref().is_some_and(|body| body.is_mcp());
        let body = if is_mcp {
            ResponseBody::of_mcp(&content_type, &encoding, captured)
        } else if may_be_llm {
            ResponseBody::of_llm(&content_type, &encoding, captured, memory.budget())
        } else {
            ResponseBody::captured(captured)
        };
        if !body.is_idle() {
            self.response = Some(Box::new(body));
        }
    }

    /// Some of the response's body has come.
    pub fn on_response_body(&mut self, host: &impl Host, bytes: usize) {
        if let Some(body) = &mut self.response {
            let wanted = body.wants(bytes);
            if wanted > 0 {
                let piece = host.body(Body::Response, wanted);
                body.feed(&piece, || host.now_ns());
            }
        }
    }

    /// Whether the request was over with its headers. An access logger does not see that.
    pub(super) fn has_no_request_body(&self) -> bool {
        self.ended_with_headers
    }

    /// Whether a body of JSON was seen, so that the request may be one of MCP.
    pub(super) fn may_be_mcp(&self) -> bool {
        self.request.is_some()
    }

    /// Writes what was found to the record of the request, which has its columns.
    pub(super) fn fill(&mut self, host: &impl Host, record: &mut AccessRecord<'static>) {
        let start_ns = record
            .start_time
            .and_then(|start| start.micros().checked_mul(1000));
        record.first_byte_time = self
            .response_began_ns
            .and_then(|at_ns| ms_between(start_ns?, at_ns))
            .filter(|_| is_of_upstream(record));
        if let Some(body) = self.request.take() {
            let is_mcp = body.is_mcp();
            body.fill(record);
            if is_mcp && record.mcp_session_id.is_none() {
                // The answer to `initialize` gives it.
                let id = host.response_header("mcp-session-id");
                record.mcp_session_id = id.and_then(present);
            }
        }
        let unread = self
            .response
            .take()
            .and_then(|body| body.fill(start_ns, record));
        if let Some(unread) = unread {
            host.count(counter(unread), 1);
        }
    }
}

/// Where it is counted.
fn counter(unread: Unread) -> Counter {
    match unread {
        Unread::Busy => Counter::UnreadBusy,
        Unread::Coding => Counter::UnreadCoding,
        Unread::Window => Counter::UnreadWindow,
        Unread::TooMuch => Counter::UnreadTooMuch,
        Unread::Broken => Counter::UnreadBroken,
    }
}

/// Whether the answer began as one of the upstream's, and not as one of the gateway's own. An upgrade has no
/// header with the upstream's time.
fn is_of_upstream(record: &AccessRecord<'_>) -> bool {
    let details = record.response_code_details.as_deref().unwrap_or_default();
    record.upstream_request_attempt_count != Some(0)
        && (record.upstream_service_time.is_some()
            || record.response_code == Some(101)
            || details.starts_with("via_upstream")
            || details.starts_with("upstream_reset_after_response_started"))
}

/// Whole milliseconds, none below 0.
pub(super) fn ms_between(from_ns: i64, to_ns: u64) -> Option<i64> {
    let to_ns = i64::try_from(to_ns).ok()?;
    Some(to_ns.checked_sub(from_ns)?.max(0) / NS_PER_MS)
}

fn header(value: Option<Vec<u8>>) -> String {
    value.map(lossy).unwrap_or_default()
}

fn is_plain(encoding: &str) -> bool {
    encoding.is_empty() || encoding.eq_ignore_ascii_case("identity")
}

fn limit_of(recording: &Recording, bytes: usize, content_type: &str) -> usize {
    if bytes > 0 && recording.capture.takes_content_type(content_type) {
        bytes
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::fake::Fake;

    fn recording(capture: &str) -> std::rc::Rc<Recording> {
        let config = format!(r#"{{"collector_cluster":"c","capture":{capture}}}"#);
        let config = Config::parse(config.as_bytes()).unwrap();
        let asked = crate::config::Asked::default;
        config.recording(asked).cloned().unwrap()
    }

    /// Lets the pieces of both bodies pass and gives what is written to the record.
    fn pass(
        host: &Fake,
        capture: &str,
        request: &[&str],
        response: &[&str],
    ) -> AccessRecord<'static> {
        let recording = recording(capture);
        let memory = Memory::default();
        let mut exchange = Exchange::default();
        exchange.on_request_headers(host, &recording, &memory, request.is_empty());
        for piece in request {
            host.piece.replace(piece.as_bytes().to_vec());
            exchange.on_request_body(host, piece.len());
        }
        exchange.on_response_headers(host, &recording, &memory, response.is_empty());
        for piece in response {
            host.advance_ms(10);
            host.piece.replace(piece.as_bytes().to_vec());
            exchange.on_response_body(host, piece.len());
        }
        let mut record = AccessRecord {
            start_time: Some(gatelog_record::Timestamp::from_micros(0)),
            response_code_details: Some("via_upstream".into()),
            ..AccessRecord::default()
        };
        exchange.fill(host, &mut record);
        record
    }

    const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;

    fn json() -> Fake {
        Fake::default()
            .header("content-type", "application/json")
            .response_header("content-type", "application/json")
    }

    #[test]
    fn a_request_without_a_body_costs_one_look_at_the_clock() {
        let host = json();
        pass(&host, "{}", &[], &["{\"usage\":{\"total_tokens\":1}}"]);
        assert_eq!(host.other_calls.get(), 1);
        assert!(host.asked.borrow().is_empty());
    }

    #[test]
    fn a_body_that_nobody_reads_is_not_fetched() {
        let host = Fake::default()
            .header("content-type", "application/octet-stream")
            .response_header("content-type", "image/png");
        pass(&host, "{}", &["a", "b", "c"], &["d", "e", "f"]);
        // The type of each, the coding of the answer, and the clock.
        assert_eq!(host.other_calls.get(), 4);
    }

    /// A WebSocket and a tunnel: bytes both ways, and no content type.
    #[test]
    fn bytes_of_an_upgrade_are_not_fetched() {
        let host = Fake::default();
        pass(&host, "{}", &["a", "b"], &["c", "d"]);
        // The type of each, and the clock.
        assert_eq!(host.other_calls.get(), 3);
    }

    #[test]
    fn an_answer_of_an_llm_that_cannot_be_read_is_counted_and_no_other() {
        let of = |request: &str, encoding: &str| {
            let host = json().response_header("content-encoding", encoding);
            let record = pass(&host, "{}", &[request], &["no such thing"]);
            assert_eq!(record.total_tokens, None);
            host.counted.take()
        };
        let asked = r#"{"model":"m"}"#;
        let broken = [("gatelog_plugin_usage_unread_broken_total", 1)].into();
        assert_eq!(of(asked, "gzip"), broken);
        let coding = [("gatelog_plugin_usage_unread_coding_total", 1)].into();
        assert_eq!(of(asked, "dcb"), coding);
        assert!(of(r#"{"wheels":4}"#, "gzip").is_empty());
    }

    #[test]
    fn only_the_bytes_that_are_captured_are_fetched() {
        let host = Fake::default().response_header("content-type", "text/plain");
        let capture = r#"{"response_body_bytes":5}"#;
        let record = pass(&host, capture, &[], &["abc", "def", "ghi", "jkl"]);
        assert_eq!(record.response_body.as_deref(), Some("abcde"));
        // Type, coding, clock and two pieces.
        assert_eq!(host.other_calls.get(), 5);
    }

    #[test]
    fn a_model_and_a_tool_are_not_taken_for_each_other() {
        let answer = r#"{"id":"x","model":"m","choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
        let record = pass(&json(), "{}", &[r#"{"model""#, r#":"asked"}"#], &[answer]);
        assert_eq!(record.requested_model.as_deref(), Some("asked"));
        assert_eq!(record.model.as_deref(), Some("m"));
        assert_eq!(record.total_tokens, Some(3));
        assert_eq!(record.mcp_method, None);

        let record = pass(
            &json(),
            "{}",
            &[CALL],
            &[r#"{"id":1,"result":{"model":"m"}}"#],
        );
        assert_eq!(record.mcp_tool.as_deref(), Some("t"));
        assert_eq!(record.mcp_status.as_deref(), Some("ok"));
        assert_eq!((record.model, record.requested_model), (None, None));

        let record = pass(
            &json(),
            "{}",
            &[r#"{"name":"x"}"#],
            &[r#"{"id":"7","model":"T5"}"#],
        );
        assert_eq!((record.model, record.ai_chat_id), (None, None), "no LLM");
    }

    #[test]
    fn a_compressed_body_is_not_captured() {
        let host = json()
            .header("content-encoding", "gzip")
            .response_header("content-encoding", "br");
        let capture = r#"{"request_body_bytes":9,"response_body_bytes":9}"#;
        let record = pass(&host, capture, &["\u{1f}\u{8b}"], &["\u{1}"]);
        assert_eq!((record.request_body, record.response_body), (None, None));
    }

    #[test]
    fn the_first_byte_is_that_of_the_upstream() {
        let host = Fake::default();
        host.advance_ms(7);
        let record = pass(&host, "{}", &[], &[]);
        assert_eq!(record.first_byte_time, Some(7));

        let mut exchange = Exchange {
            response_began_ns: Some(7_000_000),
            ..Exchange::default()
        };
        let mut record = AccessRecord {
            start_time: Some(gatelog_record::Timestamp::from_micros(0)),
            response_code_details: Some("direct_response".into()),
            ..AccessRecord::default()
        };
        exchange.fill(&host, &mut record);
        assert_eq!(record.first_byte_time, None, "Envoy's own answer has none");
        assert_eq!(
            ms_between(5_000_000, 1_000_000),
            Some(0),
            "a clock set back"
        );
    }
}
