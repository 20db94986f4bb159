//! Kong's log objects: what `http-log`, `file-log` and the like send, from Kong 0.10 to 3.x.
//!
//! **Shape.** [`read`] knows an object of Kong's by its shape: an object `request` or `response`, or for
//! TCP and UDP `session`, beside `latencies` or `started_at`, which no other gateway's items have. It fills the
//! fields of a record, and keeps what no field gives back in the field `kong`, nested as it came. The
//! [writer](crate::output::KongJson) puts the same object together again.
//!
//! | member | field |
//! |---|---|
//! | `request.id`, `.method`, `.uri` | `request_id`, `method`, `path` |
//! | `request.size`, `response.size` | `bytes_received`, `bytes_sent`; also where they are strings |
//! | `request.querystring` | `query`, where `uri` is without it |
//! | `request.headers`, `response.headers` | `request_headers`, `response_headers` |
//! | headers `host`, `user-agent`, `x-forwarded-for`, `x-request-id`, `x-b3-traceid`, `traceparent` | `authority` (else the host of `request.url`), `user_agent`, `x_forwarded_for`, `request_id` (behind `request.id`), `trace_id` (behind the member `trace_id`) |
//! | `request.tls.version`, `.cipher` | `tls_version`, `tls_cipher` |
//! | `response.status` | `response_code` |
//! | `latencies.request`, `.proxy`, `.kong` | `duration`, `upstream_service_time` (-1: absent), `gateway_latency` |
//! | `tries` | `tries`; `upstream_request_attempt_count`; `upstream_host`, the last of them |
//! | `route.id`, `.name` | `route_id`, `route` and `route_name` |
//! | `service.id`, `.name` | `service_id`, `service` |
//! | `consumer.id`, `.username`, `.custom_id` | `consumer_id`, `consumer`, `consumer_custom_id` |
//! | `client_ip` | `client_ip`, `downstream_remote_address` |
//! | `started_at` | `start_time` |
//! | `ai` | see `ai` |
//! | of a stream: `session.status`, `.received`, `.sent`, `.tls`, `latencies.session` | `response_code`, `bytes_received`, `bytes_sent`, `tls_version` and `tls_cipher`, `duration` |
//!
//! **Invariants.** Nothing of an object is lost but: fractions of a millisecond in Kong's three
//! latencies and `started_at`, types of header values, the decoded form of a query that the URI has, and
//! payloads of LLMs.
//!
//! **Failure.** As of any item: a status or a size that is no integer refuses it. A time that is no
//! number is nothing; without `started_at` the record has the time of its receipt.
//!
//! **Source.** `kong/pdk/log.lua` of Kong 1.4 and 3.10; Kong's documentation of http-log for 1.x.

mod ai;
mod entity;
mod exchange;
mod rest;

use std::borrow::Cow;

use gatelog_record::json::{MAX_NESTING, nesting};
use gatelog_record::{AccessRecord, DecodeError, Flaws};

use self::rest::Rest;
use super::item::Item;
use crate::kong::{Json, LOG, Members};

/// Formats of a trace id in the member `trace_id` of Kong's tracing, in the order of preference.
const TRACE_FORMATS: [&str; 5] = ["w3c", "b3", "ot", "jaeger", "datadog"];

/// Reads the object with this text; `None` when it has not the shape of Kong's.
pub(super) fn read(object: &str) -> Option<Item<'_>> {
    let members = Members::of(object)?;
    let has_object = |name| members.get(name).is_some_and(Json::is_object);
    let is_stream = has_object("session") && !has_object("request");
    let is_kongs = (is_stream || has_object("request") || has_object("response"))
        && (has_object("latencies") || members.get("started_at").is_some());
    if !is_kongs {
        return None;
    }
    let mut reading = Reading::default();
    let mut kept = String::new();
    Rest::write(LOG, &mut kept, |rest| {
        if is_stream {
            reading.stream(&members, rest);
        } else {
            reading.http(&members, rest);
        }
    });
    Some(reading.finish(kept))
}

/// A record while the members of its log object come in.
#[derive(Default)]
struct Reading<'a> {
    record: AccessRecord<'a>,
    /// The first thing that makes the object no record.
    problem: Option<DecodeError>,
}

impl<'a> Reading<'a> {
    fn finish(self, kept: String) -> Item<'a> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let mut record = self.record;
        for (key, json) in [
            ("tries", record.tries.as_deref()),
            ("the log object", Some(kept.as_str())),
        ] {
            if json.is_some_and(|json| nesting(json) > MAX_NESTING) {
                let (key, limit) = (key.to_owned(), MAX_NESTING);
                return Err(DecodeError::TooDeep { key, limit });
            }
        }
        record.kong = Some(kept.into());
        Ok((record, Flaws::NONE))
    }

    fn http(&mut self, members: &Members<'a>, rest: &mut Rest<'_>) {
        self.trace_id(members);
        for (name, value) in members.iter() {
            match (name, value.members()) {
                ("request", Some(request)) => {
                    let is_kept = self.request(&request, rest);
                    // Else nothing would tell it from a stream.
                    if !is_kept && members.get("session").is_some() {
                        rest.keep_written("request", |out| out.push_str("{}"));
                    }
                }
                ("response", Some(response)) => self.response(&response, rest),
                ("latencies", Some(latencies)) => self.latencies(&latencies, rest),
                ("upstream_uri", _) => {}
                _ => self.member(name, value, rest),
            }
        }
        if let Some(value) = members.get("upstream_uri") {
            self.upstream_uri(value, rest);
        }
    }

    /// Of a stream there is no request: what Kong says of it is kept as it is.
    fn stream(&mut self, members: &Members<'a>, rest: &mut Rest<'_>) {
        for (name, value) in members.iter() {
            self.member(name, value, rest);
        }
        let part = |name| {
            members
                .get(name)
                .and_then(Json::members)
                .unwrap_or_default()
        };
        let (session, latencies) = (part("session"), part("latencies"));
        if let Some(status) = session.get("status") {
            self.status(status);
        }
        if let Some(bytes) = session.get("received") {
            self.bytes_received(bytes);
        }
        if let Some(bytes) = session.get("sent") {
            self.bytes_sent(bytes);
        }
        let tls = session
            .get("tls")
            .and_then(Json::members)
            .unwrap_or_default();
        let record = &mut self.record;
        record.tls_version = tls.get("version").and_then(Json::text);
        record.tls_cipher = tls.get("cipher").and_then(Json::text);
        record.duration = latencies.get("session").and_then(Json::rounded);
        record.gateway_latency = latencies.get("kong").and_then(Json::rounded);
    }

    /// A member that is the same for requests and streams.
    fn member(&mut self, name: &str, value: Json<'a>, rest: &mut Rest<'_>) {
        match name {
            "tries" => self.tries(value, rest),
            "route" => self.route(value, rest),
            "service" => self.service(value, rest),
            "consumer" => self.consumer(value, rest),
            "client_ip" => {
                text(&mut self.record.client_ip, name, value, rest);
                let client_ip = &self.record.client_ip;
                self.record.downstream_remote_address.clone_from(client_ip);
            }
            "started_at" => self.started_at(value, rest),
            "ai" => {
                self.ai(value);
                rest.keep_written(name, |out| ai::write_without_payloads(value, out));
            }
            _ => rest.keep(name, value),
        }
    }

    /// What is sent upstream is kept where it is not what the client asked for.
    fn upstream_uri(&mut self, value: Json<'a>, rest: &mut Rest<'_>) {
        let sent = value.text();
        if self.record.path.is_none() {
            self.record.path.clone_from(&sent);
        }
        let is_path = sent.is_some() && sent == self.record.path && value.is_string();
        let has_query = sent.is_some_and(|sent| sent.contains('?')) || self.record.query.is_some();
        if !is_path || has_query {
            rest.keep("upstream_uri", value);
        }
    }

    /// A text, or one for each format of tracing. It is kept besides.
    fn trace_id(&mut self, members: &Members<'a>) {
        let Some(value) = members.get("trace_id") else {
            return;
        };
        self.record.trace_id = match value.members() {
            None => value.text(),
            Some(formats) => {
                let mut known = TRACE_FORMATS.iter();
                known.find_map(|name| formats.get(name)?.text())
            }
        };
    }

    fn status(&mut self, value: Json<'_>) {
        self.record.response_code = self.integer("response.status", value);
    }

    fn bytes_received(&mut self, value: Json<'_>) {
        self.record.bytes_received = self.integer("request.size", value);
    }

    fn bytes_sent(&mut self, value: Json<'_>) {
        self.record.bytes_sent = self.integer("response.size", value);
    }

    fn integer(&mut self, key: &'static str, value: Json<'_>) -> Option<i64> {
        match value.integer() {
            Ok(number) => number,
            Err(found) => {
                self.problem
                    .get_or_insert(DecodeError::NotAnInteger { key, found });
                None
            }
        }
    }
}

/// Fills a text; keeps what it does not give back.
fn text<'a>(slot: &mut Option<Cow<'a, str>>, name: &str, value: Json<'a>, rest: &mut Rest<'_>) {
    *slot = value.text();
    if slot.is_none() || !value.is_string() {
        rest.keep(name, value);
    }
}

#[cfg(test)]
mod tests;
