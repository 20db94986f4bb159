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

/// Sampled, forced by the service, forced by the client.
const TRACED: [u8; 3] = [b'9', b'a', b'b'];

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

    fn is_traced(&self) -> bool {
        let id = self.request_id.as_deref().unwrap_or_default().as_bytes();
        let is_uuid = id.len() == 36;
        is_uuid && id.get(TRACE_REASON_AT).is_some_and(|c| TRACED.contains(c)) && {
            !self.is_health_check()
        }
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
