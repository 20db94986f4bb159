//! Redaction: which values of a record are secrets, and what stands in their places.
//!
//! **Shape.** A [`Redact`] from the configuration becomes [`Rules`], which change records in place
//! ([`Rules::apply`]) before anything of them is written anywhere. Whoever has no record yet, as the
//! plugin while it captures, asks by pieces: [`Rules::header`], [`Rules::url`], [`Rules::body`]. A text
//! that could not be read as a record is [scrubbed](Rules::scrub).
//!
//! **Invariants.** The built-in names are redacted whatever the configuration says. Where it is not
//! clear what belongs to a secret, as in a value that a limit has cut or in JSON that is broken, more
//! is redacted and never less. A record that passes twice is the same as after the first time; under
//! another key or with `drop`, what the first time has left of a secret is a secret again.
//!
//! **Limits.** No I/O, no clock, no randomness: the crate builds for wasm32 as it is. A record
//! without secrets costs no allocation.
//!
//! **Failure.** Wrong entries of the configuration are [`RuleError`]s; nothing else can fail.
//!
//! How it looks to an operator: `docs/redaction.md`.
//!
//! ```
//! use gatelog_redact::{Redact, Rules};
//!
//! let config = Redact { query: vec!["session".into()], ..Redact::default() };
//! let rules = Rules::new(&config, None)?;
//! assert_eq!(rules.url("/a?Session=x;y&n=1&token=z"), "/a?Session=***&n=1&token=***");
//! assert_eq!(rules.header("authorization", "Bearer x").as_deref(), Some("***"));
//! # Ok::<(), gatelog_redact::RuleError>(())
//! ```

// What is redacted.
mod config;
mod json_path;
mod replacement;
mod rules;

// Where it is found.
mod body;
mod json;
mod record;
mod text;
mod url;

// How texts are read and changed.
mod edits;
mod unit;

pub use config::{HashKey, How, Redact, RuleError};
pub use replacement::MASK;
pub use rules::Rules;

/// Headers that are always redacted.
pub const HEADERS: [&str; 6] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-api-key",
    "apikey",
];

/// Query parameters that are always redacted.
pub const QUERY: [&str; 9] = [
    "key",
    "api_key",
    "apikey",
    "access_token",
    "token",
    "secret",
    "password",
    "sig",
    "signature",
];
