//! The settings of `loggly`.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use serde_json::Value;

use super::{Delivery, Keys, LogJson, Referable, Severities, VaultError};
use crate::output::tls::Tls;

/// A syslog receiver, and what it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Loggly {
    /// Its name or address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Loggly's customer token.
    pub key: Token,
    /// Loggly's tags, each once.
    pub tags: Vec<String>,
    /// For how long connecting, and each write, is waited for.
    pub timeout: Duration,
    /// How severe a record is, and which are sent.
    pub severities: Severities,
    /// What a record is written as.
    pub log_json: LogJson,
    /// How messages travel.
    pub transport: Transport,
    /// The most bytes of a message with its header; without it what the transport carries.
    pub max_message_bytes: Option<usize>,
    /// How it is delivered.
    pub delivery: Delivery,
}

/// Loggly's customer token, or where it is to be found. Its [`Debug`](std::fmt::Debug) does not show
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Referable);

/// Why there is no token. The operator mends the key, or what it refers to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not where it is said to be.
    #[error("{0}")]
    Vault(#[from] VaultError),
    /// It cannot stand in a message.
    #[error(
        "expected up to {MAX_KEY_BYTES} printable ASCII characters, none of them a blank, `=`, `]` or `\"`"
    )]
    Characters,
}

/// How messages travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram for each.
    Udp,
    /// Over one connection.
    Tcp(Framing),
    /// Over one encrypted connection.
    Tls(Framing, Tls),
}

/// How messages are told from each other where they follow each other (RFC 6587).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// A line break behind each.
    #[default]
    Newline,
    /// Its length before each.
    OctetCounted,
}

/// The words for [`Transport`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Udp,
    Tcp,
    Tls,
}

/// Kong's default.
const HOST: &str = "logs-01.loggly.com";

/// Kong's default: the port of Loggly and of syslog.
const PORT: u16 = 514;

/// That of syslog over TLS, Loggly's too.
const TLS_PORT: u16 = 6514;

/// Kong's default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest that a socket of Kong's can wait.
const MAX_TIMEOUT_MS: f64 = 2_147_483_646.0;

/// What one message has at least besides its tags.
const LEAST_MESSAGE_BYTES: i64 = 1024;

/// The same.
const HEADER_AND_LEAST_BYTES: usize = 1024;

/// The largest message of any transport.
const MOST_MESSAGE_BYTES: i64 = 16 << 20;

/// Bytes of the key. Loggly's tokens have 36.
const MAX_KEY_BYTES: usize = 256;

/// Bytes of all tags.
const MAX_TAG_BYTES: usize = 4096;

impl Loggly {
    /// The plugin's name.
    pub const NAME: &'static str = "loggly";

    /// Reads the keys of `config`.
    pub(super) fn read(keys: &mut Keys) -> Option<Self> {
        let host = keys.read("host", host);
        let port = keys.integer("port", 0..=65535);
        let key = keys.read("key", key);
        let key = keys.require("key", key);
        let tags = keys.read("tags", tags);
        let timeout = keys.number("timeout", 0.0..=MAX_TIMEOUT_MS).map(timeout);
        let severities = Severities::read(keys);
        let log_json = LogJson::read(keys).unwrap_or_default();
        let transport = Transport::read(keys);
        let tags = tags.unwrap_or_else(|| vec!["kong".to_owned()]);
        let range = LEAST_MESSAGE_BYTES..=MOST_MESSAGE_BYTES;
        let max_message_bytes = keys.integer("max_message_bytes", range);
        let max_message_bytes = max_message_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let fits = |bytes| bytes >= HEADER_AND_LEAST_BYTES + tag_bytes(&tags);
        if !max_message_bytes.is_none_or(fits) {
            let text = format!(
                "value should be at least {HEADER_AND_LEAST_BYTES} and the bytes of all tags besides"
            );
            keys.problem("max_message_bytes", text);
        }
        let delivery = Delivery::read(keys);
        let default_port = match transport {
            Transport::Tls(..) => TLS_PORT,
            _ => PORT,
        };
        Some(Self {
            host: host.unwrap_or_else(|| HOST.to_owned()),
            port: port
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(default_port),
            key: key?,
            tags,
            timeout: timeout.unwrap_or(TIMEOUT),
            severities,
            log_json,
            transport,
            max_message_bytes,
            delivery,
        })
    }

    /// What an operator should know of it.
    pub fn warnings(&self) -> Vec<String> {
        match &self.transport {
            Transport::Tls(_, tls) => tls.warnings(),
            Transport::Udp | Transport::Tcp(_) => Vec::new(),
        }
    }
}

impl Token {
    /// The token itself, looked up if it stands elsewhere. It is not to be printed.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn reveal(&self) -> Result<String, KeyError> {
        let key = self.0.reveal()?;
        // What may be in a name of structured data (RFC 5424 §6.3.2). Loggly's tokens, with `@41058`
        // behind them, are longer than the 32 characters that it allows; nobody holds them to that.
        let fits = |byte: u8| byte.is_ascii_graphic() && !b"=]\"".contains(&byte);
        let is_fit = !key.is_empty() && key.len() <= MAX_KEY_BYTES && key.bytes().all(fits);
        if is_fit {
            Ok(key)
        } else {
            Err(KeyError::Characters)
        }
    }
}

impl Transport {
    fn read(keys: &mut Keys) -> Self {
        let by = keys.word(
            "transport",
            &[("udp", By::Udp), ("tcp", By::Tcp), ("tls", By::Tls)],
        );
        let framing = keys.word(
            "framing",
            &[
                ("newline", Framing::Newline),
                ("octet-counted", Framing::OctetCounted),
            ],
        );
        let tls = Tls::read(keys);
        let by = by.unwrap_or(By::Udp);
        if by == By::Udp && framing.is_some() {
            keys.problem("framing", "it belongs to transport tcp or tls");
        }
        if by != By::Tls && tls != Tls::default() {
            let name = if tls.verify { "tls" } else { "ssl_verify" };
            keys.problem(name, "it belongs to transport tls");
        }
        let framing = framing.unwrap_or_default();
        match by {
            By::Udp => Self::Udp,
            By::Tcp => Self::Tcp(framing),
            By::Tls => Self::Tls(framing, tls),
        }
    }
}

/// A name or an address without a port. `must not have a port` is Kong's text.
fn host(value: Value) -> Result<String, String> {
    let Value::String(host) = value else {
        return Err("expected a string".to_owned());
    };
    if host.is_empty() {
        return Err("length must be at least 1".to_owned());
    }
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = inner
        && inner.parse::<Ipv6Addr>().is_ok()
    {
        return Ok(inner.to_owned());
    }
    if host.parse::<IpAddr>().is_ok() {
        return Ok(host);
    }
    let is_name = |text: &str| {
        let mut bytes = text.bytes();
        !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if is_name(&host) {
        return Ok(host);
    }
    let has_port = host.rsplit_once(':').is_some_and(|(name, port)| {
        let digits = port.bytes().all(|byte| byte.is_ascii_digit());
        digits && (is_name(name) || name.ends_with(']'))
    });
    if has_port {
        return Err("must not have a port".to_owned());
    }
    Err("invalid value: expected a name, an IPv4 address or an IPv6 address".to_owned())
}

fn key(value: Value) -> Result<Token, String> {
    let Value::String(key) = value else {
        return Err("expected a string".to_owned());
    };
    if key.is_empty() {
        return Err("length must be at least 1".to_owned());
    }
    let token = Token(Referable::new(key));
    if token.0.is_reference() {
        // It is looked up when the output is made.
        token.0.check().map_err(|error| error.to_string())?;
    } else {
        token.reveal().map_err(|error| error.to_string())?;
    }
    Ok(token)
}

/// A set: each once, in the order of the first. One text is a set of one.
fn tags(value: Value) -> Result<Vec<String>, String> {
    let items = match value {
        Value::Array(items) => items,
        Value::String(_) => vec![value],
        _ => return Err("expected a set".to_owned()),
    };
    let mut tags = Vec::new();
    for item in items {
        let Value::String(tag) = item else {
            return Err("expected a string".to_owned());
        };
        if tag.is_empty() {
            return Err("length must be at least 1".to_owned());
        }
        if tag.chars().any(char::is_control) {
            return Err("expected no control characters".to_owned());
        }
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tag_bytes(&tags) > MAX_TAG_BYTES {
        return Err(format!("expected up to {MAX_TAG_BYTES} bytes of tags"));
    }
    Ok(tags)
}

/// The bytes of tags as they are written, each character escaped at the worst.
fn tag_bytes(tags: &[String]) -> usize {
    tags.iter()
        .map(|tag| tag.len() * 2 + " tag=\"\"".len())
        .sum()
}

/// Milliseconds. Kong's sockets take 0 for their default of a minute.
fn timeout(ms: f64) -> Duration {
    if ms > 0.0 {
        Duration::from_secs_f64(ms / 1000.0)
    } else {
        Duration::from_mins(1)
    }
}

#[cfg(test)]
mod tests;
