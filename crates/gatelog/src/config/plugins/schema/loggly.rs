//! The settings of `loggly`.

use super::shared::{CUSTOM_FIELDS, LOG_FORMAT, LUA, MAX_BACKLOG, START, TLS};
use super::{Fallback, Field, Is, Secret, Where};

/// In the order in which they are shown.
pub(super) const FIELDS: &[Field] = &[
    Field::new("host", Is::String).or(Fallback::Text("logs-01.loggly.com")),
    Field::new("port", Is::Integer)
        .or(Fallback::Where(&Where {
            field: "transport",
            is: &["tls"],
            then: Fallback::Integer(6514),
            or: Fallback::Integer(514),
        }))
        .between(0.0, 65535.0),
    Field::new("key", Is::String)
        .required()
        .secret(Secret::Whole),
    Field::new("tags", Is::Set).or(Fallback::Texts(&["kong"])),
    Field::new("timeout", Is::Number).or(Fallback::Integer(10_000)),
    severity("log_level"),
    severity("successful_severity"),
    severity("client_errors_severity"),
    severity("server_errors_severity"),
    LUA,
    LOG_FORMAT,
    CUSTOM_FIELDS,
    Field::new("transport", Is::String)
        .or(Fallback::Text("udp"))
        .one_of(&["udp", "tcp", "tls"]),
    Field::new("framing", Is::String)
        .or(Fallback::Where(&Where {
            field: "transport",
            is: &["tcp", "tls"],
            then: Fallback::Text("newline"),
            or: Fallback::Null,
        }))
        .one_of(&["newline", "octet-counted"]),
    Field::new("ssl_verify", Is::Boolean).or(Fallback::Where(&Where {
        field: "transport",
        is: &["tls"],
        then: Fallback::Boolean(true),
        or: Fallback::Null,
    })),
    TLS,
    Field::new("max_message_bytes", Is::Integer),
    START,
    MAX_BACKLOG,
];

const fn severity(name: &'static str) -> Field {
    Field::new(name, Is::String)
        .or(Fallback::Text("info"))
        .one_of(&[
            "debug", "info", "notice", "warning", "err", "crit", "alert", "emerg",
        ])
}
