//! The settings of `file-log`.

use super::shared::{CUSTOM_FIELDS, LUA, MAX_BACKLOG, START};
use super::{Fallback, Field, Is};

/// In the order in which they are shown.
pub(super) const FIELDS: &[Field] = &[
    Field::new("path", Is::String).required(),
    Field::new("reopen", Is::Boolean).or(Fallback::Boolean(false)),
    LUA,
    // Without a default, as it excludes the formats: it is `seed` where there is none of them.
    Field::new("log_format", Is::String).one_of(&["seed", "kong-3"]),
    CUSTOM_FIELDS,
    Field::new("access_log_format", Is::String),
    Field::new("accessLogFormat", Is::String).quiet(),
    Field::new("access_log_json_format", Is::Object),
    Field::new("omit_empty_values", Is::Boolean),
    START,
    MAX_BACKLOG,
];
