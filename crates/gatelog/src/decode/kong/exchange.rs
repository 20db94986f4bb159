//! Request, response and times of a log object.

use std::borrow::Cow;
use std::fmt::Write as _;

use gatelog_record::{Headers, Timestamp};

use super::rest::Rest;
use super::{Reading, text};
use crate::kong::{self, Json, LATENCIES, Members, REQUEST, RESPONSE, TLS};

impl<'a> Reading<'a> {
    /// Whether something of it is kept.
    pub(super) fn request(&mut self, request: &Members<'a>, rest: &mut Rest<'_>) -> bool {
        rest.object("request", REQUEST, |rest| {
            for (name, value) in request.iter() {
                let record = &mut self.record;
                match name {
                    "id" => text(&mut record.request_id, name, value, rest),
                    "method" => text(&mut record.method, name, value, rest),
                    "uri" => text(&mut record.path, name, value, rest),
                    "size" => self.bytes_received(value),
                    "headers" => self.record.request_headers = headers(name, value, rest),
                    "tls" => self.tls(value, rest),
                    // Both behind the URI.
                    "url" | "querystring" => {}
                    _ => rest.keep(name, value),
                }
            }
            let url = request.get("url").map(|url| (url, url.string()));
            if let Some((value, url)) = &url {
                self.url(*value, url.as_deref(), rest);
            }
            self.querystring(request.get("querystring"));
            let url = url.and_then(|(_, url)| url);
            self.by_headers(url.as_deref());
        })
    }

    /// The URL is kept as far as the URI does not repeat it.
    fn url(&self, value: Json<'_>, url: Option<&str>, rest: &mut Rest<'_>) {
        let path = self
            .record
            .path
            .as_deref()
            .filter(|path| path.starts_with('/'));
        let origin = url.and_then(|url| url.strip_suffix(path?));
        match origin.filter(|origin| kong::is_origin(origin)) {
            Some(origin) => rest.keep_text("url", origin),
            None => rest.keep("url", value),
        }
    }

    /// The parameters of a query, where the URI is without them.
    fn querystring(&mut self, parameters: Option<Json<'_>>) {
        let path = self.record.path.as_deref();
        let Some(parameters) = parameters.and_then(Json::members) else {
            return;
        };
        if path.is_some_and(|path| path.contains('?')) {
            return;
        }
        let mut query = String::new();
        for (name, value) in parameters.iter() {
            for value in value.elements().unwrap_or_else(|| vec![value]) {
                let bare = value.raw() == "true";
                let value = value.string().or_else(|| value.text()).unwrap_or_default();
                if !query.is_empty() {
                    query.push('&');
                }
                query.extend(form_urlencoded::byte_serialize(name.as_bytes()));
                if !bare {
                    query.push('=');
                    query.extend(form_urlencoded::byte_serialize(value.as_bytes()));
                }
            }
        }
        self.record.query = (!query.is_empty()).then(|| query.into());
    }

    /// Fields that stand in headers, or in the URL.
    fn by_headers(&mut self, url: Option<&str>) {
        let record = &mut self.record;
        let headers = &record.request_headers;
        let header = |name| {
            let value = headers.get(name)?;
            let is_something = !value.is_empty() && value != "-";
            is_something.then(|| Cow::Owned(value.to_owned()))
        };
        record.user_agent = header("user-agent");
        let authority = || {
            let (_, behind) = url?.split_once("://")?;
            let host = behind.split(['/', '?', '#']).next()?;
            (!host.is_empty()).then(|| Cow::Owned(host.to_owned()))
        };
        record.authority = header("host").or_else(authority);
        if record.request_id.is_none() {
            record.request_id = header("x-request-id");
        }
        if record.trace_id.is_none() {
            let of_parent = || {
                let parent = headers.get("traceparent")?;
                let trace = parent.split('-').nth(1)?;
                (!trace.is_empty()).then(|| Cow::Owned(trace.to_owned()))
            };
            record.trace_id = header("x-b3-traceid").or_else(of_parent);
        }
        let mut forwarded = String::new();
        for (name, value) in headers.iter() {
            if name.eq_ignore_ascii_case("x-forwarded-for") && !value.is_empty() {
                let separator = if forwarded.is_empty() { "" } else { ", " };
                // Writing to a text does not fail.
                let _written = write!(forwarded, "{separator}{value}").is_ok();
            }
        }
        record.x_forwarded_for = (!forwarded.is_empty()).then(|| forwarded.into());
    }

    pub(super) fn tls(&mut self, tls: Json<'a>, rest: &mut Rest<'_>) {
        let members = tls.members().filter(|members| !members.is_empty());
        let Some(members) = members else {
            return rest.keep("tls", tls);
        };
        rest.object("tls", TLS, |rest| {
            for (name, value) in members.iter() {
                match name {
                    "version" => text(&mut self.record.tls_version, name, value, rest),
                    "cipher" => text(&mut self.record.tls_cipher, name, value, rest),
                    _ => rest.keep(name, value),
                }
            }
        });
    }

    pub(super) fn response(&mut self, response: &Members<'a>, rest: &mut Rest<'_>) {
        rest.object("response", RESPONSE, |rest| {
            for (name, value) in response.iter() {
                match name {
                    "status" => self.status(value),
                    "size" => self.bytes_sent(value),
                    "headers" => self.record.response_headers = headers(name, value, rest),
                    _ => rest.keep(name, value),
                }
            }
        });
    }

    pub(super) fn latencies(&mut self, latencies: &Members<'a>, rest: &mut Rest<'_>) {
        rest.object("latencies", LATENCIES, |rest| {
            for (name, value) in latencies.iter() {
                let time = value.rounded();
                let record = &mut self.record;
                match name {
                    "request" => record.duration = time,
                    "kong" => record.gateway_latency = time,
                    "proxy" => {
                        let time = time.filter(|time| *time != -1);
                        record.upstream_service_time = time.map(|time| time.to_string().into());
                    }
                    _ => rest.keep(name, value),
                }
            }
        });
    }

    pub(super) fn started_at(&mut self, value: Json<'_>, rest: &mut Rest<'_>) {
        let millis = if value.is_string() {
            None
        } else {
            value.rounded()
        };
        let time = millis.map(Timestamp::from_millis);
        // An operator's own field may have it in another form.
        let own_form = || value.text().and_then(|text| Timestamp::parse(&text));
        self.record.start_time = time.or_else(own_form);
        if millis.is_none() {
            rest.keep("started_at", value);
        }
    }
}

/// Headers by name: each a text, or an array of them.
fn headers<'a>(name: &str, value: Json<'a>, rest: &mut Rest<'_>) -> Headers<'a> {
    let mut headers = Headers::new();
    let members = value.members().filter(|members| !members.is_empty());
    let Some(members) = members else {
        rest.keep(name, value);
        return headers;
    };
    let text = |value: Json<'a>| value.string().or_else(|| value.text()).unwrap_or_default();
    for (name, value) in members.iter() {
        for value in value.elements().unwrap_or_else(|| vec![value]) {
            headers.push(name.to_owned(), text(value));
        }
    }
    headers
}
