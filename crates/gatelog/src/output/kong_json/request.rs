//! The parts of a request that are more than a field: its URL, its query, its headers.

use std::borrow::Cow;

use gatelog_record::{AccessRecord, Headers};

use super::LogFormat;
use super::object::{Object, push_text};
use crate::kong;
use crate::output::cluster;

/// How many headers and query parameters are shown, as Kong has it.
const MOST: usize = 100;

/// Headers by fields, where no header of the name was captured.
type Known<'r> = [(&'static str, Option<&'r str>); 4];

const NONE_KNOWN: Known<'static> = [("", None); 4];

/// Whether Kong has logged the request.
fn is_of_kong(record: &AccessRecord<'_>) -> bool {
    let kong = record.kong.as_deref();
    kong.is_some_and(|kong| kong.starts_with('{'))
}

/// Writes the members of `request`.
pub(super) fn write(record: &AccessRecord<'_>, request: &mut Object<'_>) {
    let (path, query) = path_and_query(record);
    let of_kong = is_of_kong(record);
    // Kong logs the URI as it came: where it was without the query, it stays so.
    let is_apart = of_kong
        && record
            .path
            .as_deref()
            .is_some_and(|path| !path.contains('?'));
    let (mark, asked) = if is_apart { ("", "") } else { query };
    let target = path.map(|path| [path, mark, asked]);
    if request.format() == LogFormat::Kong3 {
        request.text("id", record.request_id.as_deref());
    }
    request.text("method", record.method.as_deref());
    request.texts("uri", target);
    url(record, target, request);
    request.size("size", record.bytes_received);
    if path.is_some() {
        request.object("querystring", |members| querystring(query.1, members));
    } else {
        request.unknown("querystring");
    }
    let known = if of_kong {
        NONE_KNOWN
    } else {
        [
            ("host", record.authority.as_deref()),
            ("user-agent", record.user_agent.as_deref()),
            ("x-forwarded-for", record.x_forwarded_for.as_deref()),
            ("x-request-id", record.request_id.as_deref()),
        ]
    };
    headers(&record.request_headers, known, true, request);
    let (version, cipher) = (record.tls_version.as_deref(), record.tls_cipher.as_deref());
    if version.is_none() && cipher.is_none() && !request.keeps_object("tls") {
        return request.unknown("tls");
    }
    request.object("tls", |tls| {
        tls.text("version", version);
        tls.text("cipher", cipher);
        tls.unknown("supported_client_ciphers");
        tls.unknown("client_verify");
    });
}

/// Writes `headers` of the response.
pub(super) fn response_headers(record: &AccessRecord<'_>, response: &mut Object<'_>) {
    let lower = response.format() == LogFormat::Kong3;
    headers(&record.response_headers, NONE_KNOWN, lower, response);
}

/// The path without its query; and the query, with what stands before it: `?`, or nothing.
pub(super) fn path_and_query<'r>(
    record: &'r AccessRecord<'_>,
) -> (Option<&'r str>, (&'static str, &'r str)) {
    let Some(path) = record.path.as_deref() else {
        return (None, ("", ""));
    };
    match (path.split_once('?'), record.query.as_deref()) {
        (Some((path, query)), _) => (Some(path), ("?", query)),
        (None, Some(query)) => (Some(path), ("?", query)),
        (None, None) => (Some(path), ("", "")),
    }
}

/// The scheme, the host with its port, and what the client asked for.
fn url(record: &AccessRecord<'_>, target: Option<[&str; 3]>, request: &mut Object<'_>) {
    if let Some(kept) = request.take_kept("url") {
        let origin = kept.string().filter(|url| kong::is_origin(url));
        return match (origin, target) {
            (Some(origin), Some([path, mark, query])) => {
                request.texts("url", Some([origin.as_ref(), path, mark, query]));
            }
            _ => request.kept("url", kept),
        };
    }
    let authority = record.authority.as_deref().filter(|_| !is_of_kong(record));
    let (Some(authority), Some([path, mark, query])) = (authority, target) else {
        return request.unknown("url");
    };
    let is_encrypted = record.tls_version.is_some() || record.requested_server_name.is_some();
    let by_tls = if is_encrypted { "https" } else { "http" };
    let scheme = record.request_headers.get(":scheme").unwrap_or(by_tls);
    // What follows the host is its port: as the client wrote it, else the one it came in at.
    let has_port = cluster::split_port(authority).1.is_some();
    let local = record.downstream_local_address.as_deref();
    let local = local.filter(|local| !has_port && cluster::split_port(local).1.is_some());
    let port = local.and_then(|local| local.rsplit_once(':'));
    let (colon, port) = port.map_or(("", ""), |(_, port)| (":", port));
    let parts = [scheme, "://", authority, colon, port, path, mark, query];
    request.texts("url", Some(parts));
}

/// The decoded parameters of a query.
fn querystring(query: &str, members: &mut Object<'_>) {
    let pairs: Vec<_> = query.split('&').filter_map(parameter).take(MOST).collect();
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_deref()));
    grouped(
        &pairs,
        |value, out| match value {
            Some(value) => push_text(value, out),
            None => out.extend_from_slice(b"true"),
        },
        members,
    );
}

/// A parameter and its value, if it has a `=`. Without a name it is none.
fn parameter(text: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let (name, value) = form_urlencoded::parse(text.as_bytes()).next()?;
    (!name.is_empty()).then(|| (name, text.contains('=').then_some(value)))
}

/// Captured headers, and those that fields know.
fn headers(captured: &Headers<'_>, known: Known<'_>, lower: bool, object: &mut Object<'_>) {
    let captured_pairs = || {
        let pairs = captured.iter();
        pairs.filter(|(name, _)| !name.is_empty() && !name.starts_with(':'))
    };
    let by_field = || {
        let missing = |name: &str| captured.get(name).is_none();
        let known = known.into_iter();
        known.filter_map(move |(name, value)| Some((name, value.filter(|_| missing(name))?)))
    };
    if captured_pairs().chain(by_field()).next().is_none() {
        return object.unknown("headers");
    }
    object.object("headers", |members| {
        let pairs = captured_pairs().chain(by_field()).take(MOST);
        let pairs = pairs.map(|(name, value)| (shown(name, lower), value));
        let pairs: Vec<_> = pairs.collect();
        let pairs = pairs.iter().map(|(name, value)| (name.as_ref(), *value));
        grouped(&pairs, push_text, members);
    });
}

fn shown(name: &str, lower: bool) -> Cow<'_, str> {
    if lower && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Writes each name once: with its value, or with an array where it comes again.
fn grouped<'p, V: Copy>(
    pairs: &(impl Iterator<Item = (&'p str, V)> + Clone),
    push: impl Fn(V, &mut Vec<u8>),
    members: &mut Object<'_>,
) {
    for (at, (name, value)) in pairs.clone().enumerate() {
        if pairs.clone().take(at).any(|(before, _)| before == name) {
            continue;
        }
        let same = pairs
            .clone()
            .skip(at + 1)
            .filter(|(other, _)| *other == name);
        let same = same.map(|(_, value)| value);
        members.value(name, Some(value), |value, out| {
            let repeats = same.clone().next().is_some();
            if repeats {
                out.push(b'[');
            }
            push(value, out);
            for value in same {
                out.push(b',');
                push(value, out);
            }
            if repeats {
                out.push(b']');
            }
        });
    }
}
