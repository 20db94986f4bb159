//! The settings of `file-log`.

use super::{Fallback, Field, Is};

/// In the order in which they are shown.
pub(super) const FIELDS: &[Field] = &[
    Field::new("path", Is::String).required(),
    Field::new("reopen", Is::Boolean).or(Fallback::Boolean(false)),
    Field::new("custom_fields_by_lua", Is::Map),
    // Without a default, as it excludes the formats: it is `seed` where there is none of them.
    Field::new("log_format", Is::String).one_of(&["seed", "kong-3"]),
    Field::new("custom_fields", Is::Map),
    Field::new("access_log_format", Is::String),
    Field::new("accessLogFormat", Is::String).quiet(),
    Field::new("access_log_json_format", Is::Object),
    Field::new("omit_empty_values", Is::Boolean),
    Field::new("start", Is::String)
        .or(Fallback::Text("now"))
        .one_of(&["now", "oldest"]),
    Field::new("max_backlog", Is::Record(MAX_BACKLOG)),
];

/// What may wait for an output.
pub(super) const MAX_BACKLOG: &[Field] = &[
    Field::new("bytes", Is::String).or(Fallback::Text("2GiB")),
    Field::new("age", Is::String).or(Fallback::Text("1d")),
];
