//! A record as Kong's log plugins write it: one JSON object on one line.
//!
//! **Shape.** [`KongJson`] holds a form and the custom fields, compiled; [`write`](KongJson::write)
//! streams a record into a buffer that is used again and again. [`object`] writes members and lets the
//! custom fields have their places; [`request`] has the parts that are more than a field.
//!
//! **Two forms.** [`LogFormat::Seed`] is that of Kong 1.x, as its documentation of `http-log` and
//! `loggly` shows it: sizes are strings, and what the record does not know is `null`.
//! [`LogFormat::Kong3`] is that of Kong 3: sizes are numbers, unknown members are left out.
//!
//! | member | of the record |
//! |---|---|
//! | `request.id` (`kong-3`) | `request_id` |
//! | `request.method`, `.uri` | `method`, `path` with its query |
//! | `request.url` | scheme by `:scheme` or TLS, `authority`, its port or the one that the gateway listens on, `path` |
//! | `request.size`, `response.size` | `bytes_received`, `bytes_sent` |
//! | `request.querystring` | the decoded query: a text, `true` without `=`, an array where a name comes again; the first 100 |
//! | `request.headers` | captured ones, else `host`, `user-agent`, `x-forwarded-for`, `x-request-id` by the fields; names in lower case; the first 100 |
//! | `request.tls` | `tls_version`, `tls_cipher` |
//! | `upstream_uri` | `path`, in the seed's form without its query |
//! | `upstream_status`, `source` (`kong-3`) | `response_code`, `upstream` where the details are `via_upstream`; else `source` is `kong` |
//! | `response.status`, `.headers` | `response_code`, the captured headers; lower case in `kong-3` |
//! | `tries` | as Kong sent it, else one entry by `upstream_host` |
//! | `route.id`, `.name` | `route_id`; `route`, else `route_name` |
//! | `service.id`, `.name`, `.host`, `.port` | `service_id`, `service`, and what an `outbound\|PORT\|\|HOST` cluster says |
//! | `consumer.id`, `.username`, `.custom_id` | `consumer_id`, `consumer`, `consumer_custom_id` |
//! | `latencies.request`, `.proxy` | `duration`; `upstream_service_time`, -1 without one |
//! | `latencies.kong` | `gateway_latency`, else the rest |
//! | `client_ip` | `client_ip`, else `downstream_remote_address` without its port, else the first of `x_forwarded_for` |
//! | `started_at` | `start_time` in milliseconds |
//!
//! **A record that came from Kong** has what no field holds in its field `kong`
//! ([`decode`](crate::decode) says what): `authenticated_entity`, `workspaces`, the settings of route,
//! service and consumer, and whatever else Kong or an operator logged. It is written where it stood, in
//! place of what the record would give there. Fields that Kong did not log are not made up from others:
//! headers are those that were logged, `uri` is without the query if it came so, and no `url` is put together.
//!
//! **Invariants.** Always one valid JSON object, whatever the record holds, with no line break in it.
//! No member comes twice. An object of Kong's comes out in its form as it went in, redacted.
//!
//! **Limits.** Of other gateways' records nothing fills `authenticated_entity`, `workspaces`, and the
//! settings of routes, services and consumers. A weight of sampling has no place in Kong's object.
//! Of more than 100 headers or parameters, which Kong can be set to log, the first 100 come out.
//!
//! **Source.** Kong's documentation of http-log and loggly for 1.x; `kong/pdk/log.lua` of Kong 3.10.

mod custom;
mod object;
mod request;

use gatelog_format::Unanswerable;
use gatelog_record::{AccessRecord, Timestamp};

pub use self::custom::{CustomFieldError, CustomFields, MAX_CUSTOM_FIELDS};
use self::object::Object;
use super::cluster;
use crate::kong::{self, Json, Members};

/// Which of Kong's forms is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Kong 1.x: sizes are strings, what is unknown is `null`.
    #[default]
    Seed,
    /// Kong 3: sizes are numbers, what is unknown is left out.
    Kong3,
}

impl LogFormat {
    /// Every one, by its name in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("seed", Self::Seed), ("kong-3", Self::Kong3)];
}

/// What writes records in one of Kong's forms.
#[derive(Clone, Debug, Default)]
pub struct KongJson {
    format: LogFormat,
    custom: CustomFields,
}

/// How Envoy's details call an answer that came from the upstream.
const VIA_UPSTREAM: &str = "via_upstream";

impl KongJson {
    /// In this form, with these fields besides or in place of Kong's.
    pub fn new(format: LogFormat, custom: CustomFields) -> Self {
        Self { format, custom }
    }

    /// The operators of custom fields that no record can answer, each with the name of its field.
    pub fn unanswerable(&self) -> Vec<(String, Unanswerable)> {
        self.custom.unanswerable()
    }

    /// Appends the record's object, without a line break behind it.
    pub fn write(&self, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
        let kept = record.kong.as_deref().and_then(Members::of);
        let kept = kept.unwrap_or_default();
        // A request may have a session, too: a field that an operator has added.
        let is_stream =
            kept.get("session").is_some_and(Json::is_object) && kept.get("request").is_none();
        let custom = self.custom.branch();
        let mut object = Object::outermost(record, self.format, custom, kept, out);
        if !is_stream {
            self.exchange(record, &mut object);
        }
        tries(record, &mut object);
        object.unknown("authenticated_entity");
        route(record, &mut object);
        service(record, &mut object);
        object.unknown("workspaces");
        consumer(record, &mut object);
        if !is_stream {
            latencies(record, &mut object);
        }
        object.text("client_ip", client_ip(record));
        object.number("started_at", record.start_time.map(Timestamp::millis));
        object.end();
    }

    /// What a request has and a stream has not.
    fn exchange(&self, record: &AccessRecord<'_>, object: &mut Object<'_>) {
        object.object("request", |request| request::write(record, request));
        self.upstream(record, object);
        object.object("response", |response| {
            response.number("status", record.response_code);
            response.size("size", record.bytes_sent);
            request::response_headers(record, response);
        });
    }

    fn upstream(&self, record: &AccessRecord<'_>, object: &mut Object<'_>) {
        let (path, query) = request::path_and_query(record);
        if self.format == LogFormat::Seed {
            object.text("upstream_uri", path);
            return;
        }
        object.texts("upstream_uri", path.map(|path| [path, query.0, query.1]));
        let details = record.response_code_details.as_deref();
        let answered = details == Some(VIA_UPSTREAM);
        let code = record.response_code.filter(|_| answered);
        object.value("upstream_status", code, |code, out| {
            object::push_quoted_number(code, out);
        });
        let source = details.map(|_| if answered { "upstream" } else { "kong" });
        object.text("source", source);
    }
}

fn tries(record: &AccessRecord<'_>, object: &mut Object<'_>) {
    // An object by itself is no list of attempts; nobody sends one.
    let sent = record
        .tries
        .as_deref()
        .filter(|tries| tries.starts_with('['));
    if let Some(tries) = sent {
        object.value("tries", Some(tries), object::push_json);
    } else if let Some(host) = record.upstream_host.as_deref() {
        object.value("tries", Some(host), |host, out| {
            let (ip, port) = cluster::split_port(host);
            out.extend_from_slice(b"[{\"ip\":");
            object::push_text(cluster::without_brackets(ip), out);
            if let Some(port) = port {
                out.extend_from_slice(b",\"port\":");
                object::push_number(i64::from(port), out);
            }
            out.extend_from_slice(b"}]");
        });
    } else {
        let never = record.upstream_request_attempt_count == Some(0);
        object.value("tries", never.then_some("[]"), object::push_json);
    }
}

fn route(record: &AccessRecord<'_>, object: &mut Object<'_>) {
    let name = record.route.as_deref().or(record.route_name.as_deref());
    let id = record.route_id.as_deref();
    if name.is_none() && id.is_none() && !object.keeps_object("route") {
        return object.unknown("route");
    }
    object.object("route", |route| {
        for &key in kong::ROUTE {
            // Kong's word for it since 1.0, which the seed's example is without.
            if key == "paths" && name.is_some() {
                route.text("name", name);
            }
            match key {
                "id" => route.text(key, id),
                _ => route.unknown(key),
            }
        }
    });
}

fn service(record: &AccessRecord<'_>, object: &mut Object<'_>) {
    let name = record.service.as_deref();
    let id = record.service_id.as_deref();
    let cluster = record.upstream_cluster.as_deref();
    let outbound = cluster.or(name).and_then(cluster::outbound);
    let is_known = name.is_some() || id.is_some() || outbound.is_some();
    if !is_known && !object.keeps_object("service") {
        return object.unknown("service");
    }
    object.object("service", |service| {
        for &key in kong::SERVICE {
            match key {
                "host" => service.text(key, outbound.map(|(host, _)| host)),
                "id" => service.text(key, id),
                "name" => service.text(key, name),
                "port" => {
                    let port = outbound.and_then(|(_, port)| port);
                    service.number(key, port.map(i64::from));
                }
                _ => service.unknown(key),
            }
        }
    });
}

fn consumer(record: &AccessRecord<'_>, object: &mut Object<'_>) {
    let name = record.consumer.as_deref();
    let id = record.consumer_id.as_deref();
    let custom_id = record.consumer_custom_id.as_deref();
    let is_known = name.is_some() || id.is_some() || custom_id.is_some();
    if !is_known && !object.keeps_object("consumer") {
        return object.unknown("consumer");
    }
    object.object("consumer", |consumer| {
        for &key in kong::CONSUMER {
            match key {
                "username" => consumer.text(key, name),
                "id" => consumer.text(key, id),
                _ => consumer.unknown(key),
            }
        }
        if custom_id.is_some() {
            consumer.text("custom_id", custom_id);
        }
    });
}

fn latencies(record: &AccessRecord<'_>, object: &mut Object<'_>) {
    let proxy = record.upstream_service_time.as_deref();
    let proxy: Option<i64> = proxy.and_then(|time| time.parse().ok());
    let rest = || Some(record.duration?.saturating_sub(proxy.unwrap_or(0)).max(0));
    object.object("latencies", |latencies| {
        latencies.number("proxy", Some(proxy.unwrap_or(-1)));
        latencies.number("kong", record.gateway_latency.or_else(rest));
        latencies.number("request", record.duration);
    });
}

fn client_ip<'r>(record: &'r AccessRecord<'_>) -> Option<&'r str> {
    let remote = || {
        record
            .downstream_remote_address
            .as_deref()
            .map(address_alone)
    };
    let first = || record.x_forwarded_for.as_deref()?.split(',').next();
    let ip = record.client_ip.as_deref().or_else(remote).or_else(first)?;
    Some(ip.trim()).filter(|ip| !ip.is_empty())
}

fn address_alone(address: &str) -> &str {
    cluster::without_brackets(cluster::split_port(address).0)
}

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;
