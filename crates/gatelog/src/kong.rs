//! Kong's log object: what its decoder and its writer both know.
//!
//! **Shape.** [`Members`] takes an object apart, each value as it stands. A record that came from Kong
//! keeps in its field `kong` what no other field holds: the same object without the members that
//! fields give back. The [decoder](crate::decode) leaves them out, and the
//! [writer](crate::output::KongJson) puts both together again.
//!
//! **Where a record differs from the log.** `request.url` is kept without what `request.uri` repeats.
//! A member that the seed's form has anyway is not kept when it is `null`: these are the lists here.

mod members;

pub(crate) use self::members::{Json, Members};

/// Members of the whole object that the seed's form always has.
pub(crate) const LOG: &[&str] = &[
    "upstream_uri",
    "tries",
    "authenticated_entity",
    "route",
    "service",
    "workspaces",
    "consumer",
    "client_ip",
    "started_at",
];

/// Members of `request` that the seed's form always has.
pub(crate) const REQUEST: &[&str] = &[
    "method",
    "uri",
    "url",
    "size",
    "querystring",
    "headers",
    "tls",
];

/// Members of `request.tls` that the seed's form always has.
pub(crate) const TLS: &[&str] = &[
    "version",
    "cipher",
    "supported_client_ciphers",
    "client_verify",
];

/// Members of `response` that the seed's form always has.
pub(crate) const RESPONSE: &[&str] = &["status", "size", "headers"];

/// Members of `latencies` that the seed's form always has.
pub(crate) const LATENCIES: &[&str] = &["proxy", "kong", "request"];

/// Members of `route` that the seed's form always has.
pub(crate) const ROUTE: &[&str] = &[
    "created_at",
    "hosts",
    "id",
    "methods",
    "paths",
    "preserve_host",
    "protocols",
    "regex_priority",
    "service",
    "strip_path",
    "updated_at",
];

/// Members of `service` that the seed's form always has.
pub(crate) const SERVICE: &[&str] = &[
    "connect_timeout",
    "created_at",
    "host",
    "id",
    "name",
    "path",
    "port",
    "protocol",
    "read_timeout",
    "retries",
    "updated_at",
    "write_timeout",
];

/// Members of `consumer` that the seed's form always has.
pub(crate) const CONSUMER: &[&str] = &["username", "created_at", "id"];

/// Where a URL consists of its scheme and host alone.
pub(crate) fn is_origin(url: &str) -> bool {
    let host = url.split_once("://").map(|(_, behind)| behind);
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#']))
}
