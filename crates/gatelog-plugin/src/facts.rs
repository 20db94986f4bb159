//! What a filter may ask about a request that is over, asked of the proxy one by one: a request that is
//! not recorded costs no more than what decides about it.
//!
//! **Limits.** Of dynamic metadata only Istio's policy status is known, as of records in the collector.
//! A repeated header is one value, joined with commas, as Envoy's filter has it.

use std::borrow::Cow;
use std::cell::OnceCell;

use gatelog_filter::{Facts, FlagSet, LogType};
use gatelog_record::AccessRecord;

use crate::capture::attribute::{NS_PER_MS, integer, lossy};
use crate::host::Host;

/// The facts of the request that the proxy is about.
pub struct HostFacts<'h, H> {
    host: &'h H,
    request_id: OnceCell<Option<String>>,
}

impl<'h, H: Host> HostFacts<'h, H> {
    /// Nothing is asked yet.
    pub fn new(host: &'h H) -> Self {
        Self {
            host,
            request_id: OnceCell::new(),
        }
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        self.host.property(path).map(lossy)
    }

    fn integer(&self, path: &[&str]) -> Option<i64> {
        integer(self.host, path)
    }
}

impl<H: Host> Facts for HostFacts<'_, H> {
    fn response_code(&self) -> u64 {
        unsigned(self.integer(&["response", "code"]))
    }

    fn duration_ms(&self) -> u64 {
        unsigned(
            self.integer(&["request", "duration"])
                .map(|ns| ns / NS_PER_MS),
        )
    }

    fn response_flags(&self) -> FlagSet {
        let bits = self.integer(&["response", "flags"]).unwrap_or(0);
        FlagSet {
            bits: bits.cast_unsigned(),
            has_other: false,
        }
    }

    fn request_id(&self) -> Option<&str> {
        let ask = || self.text(&["request", "id"]).filter(|id| !id.is_empty());
        self.request_id.get_or_init(ask).as_deref()
    }

    fn request_header(&self, name: &str, each: &mut dyn FnMut(&str)) {
        if let Some(value) = self.text(&["request", "headers", name]) {
            each(&value);
        }
    }

    fn grpc_status(&self) -> Option<i64> {
        // Where none was sent, Envoy derives it as its filter does.
        self.integer(&["response", "grpc_status"])
    }

    fn is_health_check(&self) -> bool {
        let details = self.text(&["response", "code_details"]);
        details.is_some_and(|details| details.starts_with("health_check_"))
    }

    fn is_trace_forced(&self) -> bool {
        // As a record tells it.
        let record = AccessRecord {
            request_id: self.request_id().map(Cow::Borrowed),
            response_code_details: self.text(&["response", "code_details"]).map(Cow::Owned),
            ..AccessRecord::default()
        };
        record.is_trace_forced()
    }

    fn log_type(&self) -> LogType {
        // A record is a finished request.
        LogType::DownstreamEnd
    }

    fn metadata(&self, namespace: &str, path: &[String]) -> Option<Cow<'_, serde_json::Value>> {
        let is_status = namespace == "istio.mixer" && path == ["status"];
        let status = is_status
            .then(|| self.text(&["metadata", "filter_metadata", "istio.mixer", "status"]))??;
        Some(Cow::Owned(status.into()))
    }
}

fn unsigned(number: Option<i64>) -> u64 {
    number.map_or(0, |number| u64::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use gatelog_filter::{AccessLogFilter, Decision, Filter, Runtime};
    use serde_json::json;

    use super::*;
    use crate::capture::{Exchange, Memory, capture};
    use crate::config::Recording;
    use crate::fake::Fake;

    fn proxy(code: i64) -> Fake {
        Fake::default()
            .integer("response.code", code)
            .integer("response.flags", 1 << 1)
            .integer("request.duration", 1_999_999)
            .integer("response.grpc_status", 5)
            .text("request.id", "00000031-0000-a000-8000-000000000abc")
            .text("request.headers.user-agent", "curl/8")
            .text("response.code_details", "via_upstream")
            .text("metadata.filter_metadata.istio.mixer.status", "OK")
            .header("x-request-id", "00000031-0000-a000-8000-000000000abc")
            .header("user-agent", "curl/8")
            .header("content-type", "application/grpc")
    }

    fn filters() -> Vec<serde_json::Value> {
        let compared = |key: &str, op: &str, number: u32| json!({key: {"comparison": {"op": op, "value": {"default_value": number}}}});
        vec![
            compared("status_code_filter", "GE", 400),
            compared("duration_filter", "LE", 1),
            json!({"response_flag_filter": {"flags": ["UH"]}}),
            json!({"response_flag_filter": {"flags": ["NR"]}}),
            json!({"grpc_status_filter": {"statuses": ["NOT_FOUND"]}}),
            json!({"header_filter": {"header": {"name": "user-agent", "string_match": {"prefix": "curl"}}}}),
            json!({"header_filter": {"header": {"name": "x-none", "present_match": true}}}),
            json!({"not_health_check_filter": {}}),
            json!({"traceable_filter": {}}),
            json!({"log_type_filter": {"types": ["DownstreamEnd"]}}),
            json!({"runtime_filter": {"runtime_key": "k", "percent_sampled": {"numerator": 50}}}),
            json!({"runtime_filter": {"runtime_key": "k", "percent_sampled": {"numerator": 49}}}),
            json!({"metadata_filter": {"matcher": {"filter": "istio.mixer", "path": [{"key": "status"}],
                "value": {"string_match": {"exact": "OK"}}}}}),
        ]
    }

    /// The plugin and the collector decide alike.
    #[test]
    fn the_proxy_answers_as_its_record_does() {
        for (code, filter) in [200, 503]
            .into_iter()
            .flat_map(|code| filters().into_iter().map(move |filter| (code, filter)))
        {
            let host = proxy(code);
            let config: AccessLogFilter = serde_json::from_value(filter.clone()).unwrap();
            let filter_of_it = Filter::compile(&config, &Runtime::default()).unwrap();
            let record: AccessRecord<'_> = capture(
                &host,
                &Recording::default(),
                &mut Memory::default(),
                &mut Exchange::default(),
                None,
            );
            let of_record = filter_of_it.decide(&record, &mut || 0);
            let of_proxy = filter_of_it.decide(&HostFacts::new(&host), &mut || 0);
            assert_eq!(of_proxy, of_record, "{code} {filter}");
        }
    }

    #[test]
    fn a_proxy_that_knows_nothing_answers_all_the_same() {
        for filter in filters() {
            let config: AccessLogFilter = serde_json::from_value(filter).unwrap();
            let filter = Filter::compile(&config, &Runtime::default()).unwrap();
            let host = Fake::default();
            let decision = filter.decide(&HostFacts::new(&host), &mut || 0);
            assert!(matches!(decision, Decision::Drop | Decision::Keep { .. }));
        }
    }
}
