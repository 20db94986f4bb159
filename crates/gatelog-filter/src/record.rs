//! What a record answers.
//!
//! **Limits.** Dynamic metadata does not travel in a record, but for Istio's policy status. Headers are
//! those that were captured, and those that are columns. `:path` is the path as the client sent it,
//! where Envoy has the one after rewriting.

use std::borrow::Cow;

use gatelog_record::AccessRecord;

use crate::{Facts, FlagSet, LogType};

/// Where Envoy's id of a request says why it is traced.
const TRACE_REASON_AT: usize = 14;

/// Forced by the service. Chance has `9` and the client `b`, which Envoy's traceable filter passes over.
const TRACE_FORCED: u8 = b'a';

impl Facts for AccessRecord<'_> {
    fn response_code(&self) -> u64 {
        unsigned(self.response_code)
    }

    fn duration_ms(&self) -> u64 {
        unsigned(self.duration)
    }

    fn response_flags(&self) -> FlagSet {
        match &self.response_flags {
            None => FlagSet::default(),
            Some(flags) => FlagSet::of(flags),
        }
    }

    fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    fn request_header(&self, name: &str, each: &mut dyn FnMut(&str)) {
        let mut is_captured = false;
        for (found, value) in self.request_headers.iter() {
            let is_host = name == ":authority" && found.eq_ignore_ascii_case("host");
            if is_host || found.eq_ignore_ascii_case(name) {
                is_captured = true;
                each(value);
            }
        }
        if let Some(value) = column(self, name).filter(|_| !is_captured) {
            each(value);
        }
    }

    fn grpc_status(&self) -> Option<i64> {
        self.grpc_status
    }

    fn is_health_check(&self) -> bool {
        let details = self.response_code_details.as_deref();
        details.is_some_and(|details| details.starts_with("health_check_"))
    }

    fn is_trace_forced(&self) -> bool {
        let id = self.request_id.as_deref().unwrap_or_default().as_bytes();
        let is_forced = id.len() == 36 && id.get(TRACE_REASON_AT) == Some(&TRACE_FORCED);
        is_forced && !self.is_health_check()
    }

    fn log_type(&self) -> LogType {
        match &self.access_log_type {
            // A record is a finished request.
            None => LogType::DownstreamEnd,
            Some(name) => LogType::from_name(name).unwrap_or(LogType::NotSet),
        }
    }

    fn metadata(&self, namespace: &str, path: &[String]) -> Option<Cow<'_, serde_json::Value>> {
        let status = self.istio_policy_status.as_deref()?;
        let is_status = namespace == "istio.mixer" && path == ["status"];
        is_status.then(|| Cow::Owned(status.into()))
    }

    #[cfg(feature = "cel")]
    fn attribute(&self, path: &[&str]) -> Option<gatelog_cel::Value<'_>> {
        crate::attributes::of_record(self, path)
    }
}

fn unsigned(number: Option<i64>) -> u64 {
    number.map_or(0, |number| u64::try_from(number).unwrap_or(0))
}

/// A header that is a column.
pub(crate) fn column<'r>(record: &'r AccessRecord<'_>, name: &str) -> Option<&'r str> {
    match name {
        ":method" => record.method.as_deref(),
        ":path" => record.path.as_deref(),
        ":authority" | "host" => record.authority.as_deref(),
        "user-agent" => record.user_agent.as_deref(),
        "x-forwarded-for" => record.x_forwarded_for.as_deref(),
        "x-request-id" => record.request_id.as_deref(),
        "x-b3-traceid" => record.trace_id.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Envoy 1.40 logs with a `traceable_filter` and with `random_sampling` and `client_sampling` of
    /// 100 %: requests that chance or the client had traced were not logged.
    #[test]
    fn only_a_trace_that_the_service_forced_is_traceable() {
        let is_forced = |id: &str, details: Option<&str>| {
            let record = AccessRecord {
                request_id: Some(id.into()),
                response_code_details: details.map(Cow::Borrowed),
                ..AccessRecord::default()
            };
            record.is_trace_forced()
        };
        let id = |reason: char| format!("0b1c2d3e-0000-{reason}000-8000-000000000abc");
        assert!(is_forced(&id('a'), None));
        assert!(!is_forced(&id('a'), Some("health_check_ok")));
        for reason in ['4', '9', 'b', 'A'] {
            assert!(!is_forced(&id(reason), None), "{reason}");
        }
        assert!(!is_forced(id('a').trim_end_matches('c'), None));
        assert!(!is_forced("", None));
    }
}
