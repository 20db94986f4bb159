//! The settings of `http-log`.

use super::shared::{CUSTOM_FIELDS, LOG_FORMAT, LUA, MAX_BACKLOG, START, TLS};
use super::{Fallback, Field, Is, Secret};

/// In the order in which they are shown.
pub(super) const FIELDS: &[Field] = &[
    Field::new("http_endpoint", Is::String)
        .required()
        .secret(Secret::Url),
    Field::new("method", Is::String)
        .or(Fallback::Text("POST"))
        .one_of(&["POST", "PUT", "PATCH"]),
    Field::new("content_type", Is::String)
        .or(Fallback::Text("application/json"))
        .one_of(&["application/json", "application/json; charset=utf-8"]),
    Field::new("timeout", Is::Number).or(Fallback::Integer(10_000)),
    Field::new("keepalive", Is::Number).or(Fallback::Integer(60_000)),
    Field::new("headers", Is::Map).secret(Secret::Named),
    LUA,
    Field::new("retry_count", Is::Integer),
    Field::new("queue_size", Is::Integer),
    Field::new("flush_timeout", Is::Number),
    Field::new("queue", Is::Record(QUEUE)),
    LOG_FORMAT,
    CUSTOM_FIELDS,
    Field::new("compression", Is::String)
        .or(Fallback::Text("none"))
        .one_of(&["none", "gzip"]),
    Field::new("proxy", Is::String)
        .or(Fallback::Text("environment"))
        .one_of(&["environment", "none"]),
    Field::new("ssl_verify", Is::Boolean).or(Fallback::Boolean(true)),
    TLS,
    START,
    MAX_BACKLOG,
];

/// Kong's keys. What nothing limits has no default here: Kong's would limit it when it is sent back.
const QUEUE: &[Field] = &[
    Field::new("max_batch_size", Is::Integer)
        .or(Fallback::Integer(1))
        .between(1.0, 1_000_000.0),
    Field::new("max_coalescing_delay", Is::Number)
        .or(Fallback::Integer(1))
        .between(0.0, 3600.0),
    Field::new("max_entries", Is::Integer),
    Field::new("max_bytes", Is::Integer),
    Field::new("max_retry_time", Is::Number),
    Field::new("initial_retry_delay", Is::Number)
        .or(Fallback::Number(0.01))
        .between(0.001, 1_000_000.0),
    Field::new("max_retry_delay", Is::Number)
        .or(Fallback::Integer(60))
        .between(0.001, 1_000_000.0),
    Field::new("concurrency_limit", Is::Integer).or(Fallback::Integer(1)),
];
