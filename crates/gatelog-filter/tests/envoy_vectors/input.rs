//! The facts of a request, as the vectors' `inputs` give them.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations of requests, in milliseconds"
)]

use std::borrow::Cow;

use gatelog_filter::{Facts, FlagSet, LogType};
use serde_json::Value;

/// The facts of a request, as `inputs` gives them.
pub(crate) struct Input<'v>(pub(crate) &'v Value);

impl<'v> Input<'v> {
    fn headers(&self, key: &str) -> Vec<(&'v str, &'v str)> {
        match &self.0[key] {
            Value::Object(headers) => headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
                .collect(),
            Value::Array(pairs) => pairs
                .iter()
                .filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?)))
                .collect(),
            _ => Vec::new(),
        }
    }

    fn header(&self, key: &str, name: &str) -> Option<&'v str> {
        let headers = self.headers(key);
        let is_it = |header: &&(&str, &str)| header.0.eq_ignore_ascii_case(name);
        headers.iter().find(is_it).map(|(_, value)| *value)
    }

    fn flag(&self, key: &str) -> bool {
        self.0[key].as_bool().unwrap_or(false)
    }

    fn text(&self, keys: &[&str]) -> Option<&'v str> {
        keys.iter().find_map(|key| self.0[*key].as_str())
    }
}

impl Facts for Input<'_> {
    fn response_code(&self) -> u64 {
        self.0["response_code"].as_u64().unwrap_or(0)
    }

    fn duration_ms(&self) -> u64 {
        self.0["duration_ms"].as_f64().unwrap_or(0.0) as u64
    }

    fn response_flags(&self) -> FlagSet {
        match &self.0["response_flags"] {
            Value::Array(names) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                FlagSet::of(&names.join(","))
            }
            Value::String(names) => FlagSet::of(names),
            _ => FlagSet::default(),
        }
    }

    fn request_id(&self) -> Option<&str> {
        self.text(&["x_request_id", "request_id"])
            .or_else(|| self.header("request_headers", "x-request-id"))
    }

    fn request_header(&self, name: &str, each: &mut dyn FnMut(&str)) {
        for (found, value) in self.headers("request_headers") {
            let found = found.to_ascii_lowercase();
            if found == name || (name == ":authority" && found == "host") {
                each(value);
            }
        }
    }

    fn grpc_status(&self) -> Option<i64> {
        let sent = || {
            let trailer = self.header("response_trailers", "grpc-status");
            let sent = trailer.or_else(|| self.header("response_headers", "grpc-status"))?;
            Some(sent.parse().unwrap_or(-1))
        };
        self.0["grpc_status"].as_i64().or_else(sent)
    }

    fn is_health_check(&self) -> bool {
        self.flag("health_check")
    }

    fn is_trace_forced(&self) -> bool {
        self.flag("trace_forced")
    }

    fn log_type(&self) -> LogType {
        let name = self.text(&["log_type", "access_log_type"]);
        name.and_then(LogType::from_name).unwrap_or(LogType::NotSet)
    }

    fn metadata(&self, namespace: &str, path: &[String]) -> Option<Cow<'_, Value>> {
        let namespace = self.0["dynamic_metadata"].get(namespace)?;
        let found = path.iter().try_fold(namespace, |value, key| value.get(key));
        found.map(Cow::Borrowed)
    }

    #[cfg(feature = "cel")]
    fn attribute(&self, path: &[&str]) -> Option<gatelog_cel::Value<'_>> {
        attribute::of(self, path)
    }
}

#[cfg(feature = "cel")]
mod attribute {
    use super::{Facts, Input};
    use gatelog_cel::Value;
    use serde_json::Value as Json;

    pub(super) fn of<'v>(input: &Input<'v>, path: &[&str]) -> Option<Value<'v>> {
        let request = |name: &str| input.header("request_headers", name).map(Value::text);
        let given = |key: &str| input.0.get(key).map(value);
        let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        match path {
            ["response", "code"] => {
                let is_absent = input.flag("response_code_absent") || input.response_code() == 0;
                (!is_absent).then(|| number(input.response_code()))
            }
            ["response", "flags"] => Some(number(input.response_flags().bits)),
            ["response", "code_details"] => given("response_code_details"),
            ["response", "grpc_status"] => input.grpc_status().map(Value::Int),
            ["response", "size"] => given("bytes_sent").or_else(|| given("response_size")),
            ["response", kind @ ("headers" | "trailers"), name] => input
                .header(&format!("response_{kind}"), name)
                .map(Value::text),
            ["request", "duration"] => {
                let milliseconds = input.0["duration_ms"].as_f64()?;
                Some(Value::Duration((milliseconds * 1e6) as i128))
            }
            ["request", "headers", name] => {
                let mut all = Vec::new();
                input.request_header(&name.to_ascii_lowercase(), &mut |value| {
                    all.push(value.to_owned());
                });
                (!all.is_empty()).then(|| Value::String(all.join(",").into()))
            }
            ["request", "method"] => request(":method").or_else(|| given("method")),
            ["request", "path"] => request(":path").or_else(|| given("path")),
            ["request", "host"] => request(":authority").or_else(|| given("authority")),
            ["request", "scheme"] => request(":scheme").or_else(|| given("scheme")),
            ["request", "useragent"] => request("user-agent"),
            ["request", "referer"] => request("referer"),
            ["request", "id"] => {
                let id = input.text(&["x_request_id", "request_id"]);
                id.map(Value::text).or_else(|| request("x-request-id"))
            }
            ["request", "protocol"] => given("protocol"),
            ["request", "size"] => given("bytes_received").or_else(|| given("request_size")),
            ["metadata", "filter_metadata", keys @ ..] => {
                let metadata = input.0.get("dynamic_metadata")?;
                let found = keys.iter().try_fold(metadata, |found, key| found.get(key));
                found.map(value)
            }
            ["xds", name] => given(name),
            [group, name] => given(&format!("{group}_{name}")),
            _ => None,
        }
    }

    fn value(json: &Json) -> Value<'_> {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match number.as_i64() {
                Some(number) => Value::Int(number),
                None => Value::Double(number.as_f64().unwrap_or(0.0)),
            },
            Json::String(text) => Value::text(text),
            Json::Array(elements) => Value::List(elements.iter().map(value).collect()),
            Json::Object(object) => {
                let entry = |(key, json)| (Value::text(key), value(json));
                Value::Map(
                    object
                        .iter()
                        .map(|(key, json): (&String, &Json)| entry((key.as_str(), json)))
                        .collect(),
                )
            }
        }
    }
}
