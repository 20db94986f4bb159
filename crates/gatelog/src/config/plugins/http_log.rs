//! The settings of `http-log`.
//!
//! **Failure.** What is wrong with a text that stands elsewhere, by a reference, is told when the output
//! is made; all else when the settings are read.

use std::time::Duration;

use hyper::Method;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde_json::Value;

use super::queue::Queue;
use super::vault::Referable;
use super::{Delivery, Keys, LogJson};
use crate::output::Settings;
use crate::output::http_log::Endpoint;
use crate::output::tls::Tls;

/// The longest time in milliseconds that a key may say, Kong's limit where it has one.
const MOST_MS: f64 = 2_147_483_646.0;

/// What Kong says of userinfo beside the header.
const TWO_AUTHORIZATIONS: &str = "specifying both an 'Authorization' header and user info in \
                                  'http_endpoint' is not allowed";

/// Headers that are gatelog's to say.
const OWN: [&str; 4] = [
    "Host",
    "Content-Length",
    "Content-Type",
    "Transfer-Encoding",
];

/// A receiver, what it is sent, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpLog {
    endpoint: Referable,
    headers: Vec<(HeaderName, Referable)>,
    /// With what method.
    pub method: Method,
    /// What the body is called.
    pub content_type: &'static str,
    /// How long each step may take: to connect, to be sent and answered, and a part of the answer.
    pub timeout: Duration,
    /// How long a connection that nothing is sent on is kept; zero: not at all.
    pub keepalive: Duration,
    /// Whether bodies are compressed.
    pub gzip: bool,
    /// Whether the proxy that the environment names is used.
    pub proxy: bool,
    /// How the receiver is trusted.
    pub tls: Tls,
    /// Batches.
    pub queue: Queue,
    /// What a record is written as.
    pub json: LogJson,
    /// How it is delivered.
    pub delivery: Delivery,
}

/// Where records are sent, and with which headers, references looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The URL.
    pub endpoint: Endpoint,
    /// The headers besides gatelog's own.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is wrong with a destination, with the field; without one it is the settings as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config{}{}: {text}", if .field.is_empty() { "" } else { "." }, .field)]
pub struct DestinationError {
    field: &'static str,
    text: String,
}

impl HttpLog {
    /// The plugin's name.
    pub const NAME: &'static str = "http-log";

    /// Reads the keys of `config`.
    pub(super) fn read(keys: &mut Keys) -> Option<Self> {
        let endpoint = keys.text("http_endpoint");
        let endpoint = keys.require("http_endpoint", endpoint);
        let methods =
            [Method::POST, Method::PUT, Method::PATCH].map(|method| (method.to_string(), method));
        let methods = methods
            .each_ref()
            .map(|(word, method)| (word.as_str(), method));
        let method = keys.word("method", &methods).cloned();
        let types = ["application/json", "application/json; charset=utf-8"];
        let content_type = keys.word("content_type", &types.map(|word| (word, word)));
        let mut millis = |name, least| {
            let millis = keys.number(name, least..=MOST_MS);
            millis.map(|millis| Duration::from_secs_f64(millis / 1000.0))
        };
        let timeout = millis("timeout", 1.0).unwrap_or(Duration::from_secs(10));
        let keepalive = millis("keepalive", 0.0).unwrap_or(Duration::from_mins(1));
        let headers = keys.read("headers", headers);
        let gzip = keys.word("compression", &[("none", false), ("gzip", true)]);
        let proxy = keys.word("proxy", &[("environment", true), ("none", false)]);
        let read = Self {
            endpoint: Referable::new(endpoint.unwrap_or_default()),
            headers: headers.unwrap_or_default(),
            method: method.unwrap_or(Method::POST),
            content_type: content_type.unwrap_or("application/json"),
            timeout,
            keepalive,
            gzip: gzip.unwrap_or_default(),
            proxy: proxy.unwrap_or(true),
            tls: Tls::read(keys),
            queue: Queue::read(keys),
            json: LogJson::read(keys).unwrap_or_default(),
            delivery: Delivery::read(keys),
        };
        let all_here = !read.endpoint.is_reference()
            && read.headers.iter().all(|(_, value)| !value.is_reference());
        let checked = if all_here {
            read.destination().map(|_| ())
        } else {
            read.check_references()
        };
        match checked {
            // That it is missing has been said.
            Err(error) if error.field == "http_endpoint" && endpoint_is_missing(&read) => None,
            Err(error) if error.field.is_empty() => {
                keys.problem_here(error.text);
                None
            }
            Err(error) => {
                keys.problem(error.field, error.text);
                None
            }
            Ok(()) => Some(read),
        }
    }

    fn check_references(&self) -> Result<(), DestinationError> {
        let endpoint = self.endpoint.check();
        endpoint.map_err(|error| wrong("http_endpoint", error.to_string()))?;
        for (name, value) in &self.headers {
            let checked = value.check();
            checked.map_err(|error| wrong("headers", format!("{name}: {error}")))?;
        }
        if !self.endpoint.is_reference() {
            self.endpoint()?;
        }
        Ok(())
    }

    fn endpoint(&self) -> Result<Endpoint, DestinationError> {
        let text = self.endpoint.reveal();
        let text = text.map_err(|error| wrong("http_endpoint", error.to_string()))?;
        let endpoint = Endpoint::parse(&text).map_err(|text| wrong("http_endpoint", text))?;
        let names = self.headers.iter().any(|(name, _)| name == AUTHORIZATION);
        if names && endpoint.authorization.is_some() {
            return Err(wrong("", TWO_AUTHORIZATIONS));
        }
        Ok(endpoint)
    }

    /// Where records are sent. References are looked up in the environment.
    ///
    /// # Errors
    /// What is wrong with the URL or a header.
    pub fn destination(&self) -> Result<Destination, DestinationError> {
        let endpoint = self.endpoint()?;
        let header = |(name, value): &(HeaderName, Referable)| {
            let wrong = |text: String| wrong("headers", format!("{name}: {text}"));
            let text = value.reveal().map_err(|error| wrong(error.to_string()))?;
            let value = HeaderValue::from_str(&text);
            let mut value =
                value.map_err(|_| wrong("a header cannot have all its characters".to_owned()))?;
            value.set_sensitive(true);
            Ok((name.clone(), value))
        };
        let headers: Result<_, _> = self.headers.iter().map(header).collect();
        Ok(Destination {
            endpoint,
            headers: headers?,
        })
    }

    /// How its output is treated.
    pub fn settings(&self) -> Settings {
        self.queue.settings(self.delivery)
    }

    /// What an operator should know of it.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.queue.warnings.clone();
        warnings.extend(self.tls.warnings());
        warnings
    }
}

fn endpoint_is_missing(read: &HttpLog) -> bool {
    read.endpoint == Referable::new("")
}

fn wrong(field: &'static str, text: impl Into<String>) -> DestinationError {
    DestinationError {
        field,
        text: text.into(),
    }
}

/// Kong's rules for `headers`.
fn headers(value: Value) -> Result<Vec<(HeaderName, Referable)>, String> {
    let Value::Object(object) = value else {
        return Err("expected a map".to_owned());
    };
    let header = |(name, value): (String, Value)| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(format!(
                "bad header name '{name}', allowed characters are A-Z, a-z, 0-9, '_', and '-'"
            ));
        }
        if let Some(own) = OWN.iter().find(|own| own.eq_ignore_ascii_case(&name)) {
            return Err(format!("cannot contain '{own}' header"));
        }
        let known = HeaderName::try_from(&name).map_err(|_| format!("bad header name '{name}'"))?;
        match value {
            Value::String(text) if text.is_empty() => Err("length must be at least 1".to_owned()),
            Value::String(text) => Ok((known, Referable::new(text))),
            _ => Err(format!("{name}: expected a string")),
        }
    };
    object.into_iter().map(header).collect()
}

#[cfg(test)]
mod tests;
