//! Settings that several plugins have.

use super::{Fallback, Field, Is};

/// `max_backlog`: what may wait for an output.
pub(super) const MAX_BACKLOG: Field = Field::new(
    "max_backlog",
    Is::Record(&[
        Field::new("bytes", Is::String).or(Fallback::Text("2GiB")),
        Field::new("age", Is::String).or(Fallback::Text("1d")),
    ]),
);

/// `start`: where a new output begins.
pub(super) const START: Field = Field::new("start", Is::String)
    .or(Fallback::Text("now"))
    .one_of(&["now", "oldest"]);

/// `log_format`, where Kong's JSON is all there is.
pub(super) const LOG_FORMAT: Field = Field::new("log_format", Is::String)
    .or(Fallback::Text("seed"))
    .one_of(&["seed", "kong-3"]);

/// `custom_fields`
pub(super) const CUSTOM_FIELDS: Field = Field::new("custom_fields", Is::Map);

/// `custom_fields_by_lua`, which nothing may be in.
pub(super) const LUA: Field = Field::new("custom_fields_by_lua", Is::Map);

/// `tls`: files, and the name that the receiver proves to have.
pub(super) const TLS: Field = Field::new(
    "tls",
    Is::Record(&[
        Field::new("ca_file", Is::String),
        Field::new("cert_file", Is::String),
        Field::new("key_file", Is::String),
        Field::new("server_name", Is::String),
    ]),
);
