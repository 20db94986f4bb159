//! What is to be redacted, as it stands in a configuration.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// `redact:` of the configuration. What it names is redacted besides the built-in
/// [headers](crate::HEADERS) and [query parameters](crate::QUERY).
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Redact {
    /// Names of request and response headers; upper and lower case, `-` and `_` are alike. At most 256
    /// names of 1 to 64 characters. Default: none but the built-in ones.
    pub headers: Vec<String>,
    /// Names of query parameters; upper and lower case, `-`, `_` and `.` are alike. At most 256 names
    /// of 1 to 64 characters. Default: none but the built-in ones.
    pub query: Vec<String>,
    /// Paths of values in JSON bodies and in `ai_log`: `$.user.email`, `$.items[*].card`, `$.a[0]`,
    /// `$..password`, `$['a b']`. Keys are compared exactly. At most 64 paths of 1 to 32 steps.
    /// Default: none.
    pub body: Vec<String>,
    /// What becomes of each value that is redacted, the built-in ones too. Default `mask`.
    pub how: How,
    /// Key of `how: hash`, 16 bytes at least. Default: what `hash_key_file` holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_key: Option<HashKey>,
    /// File with the key of `how: hash`, 16 bytes at least, all of them taken as they are. It counts only
    /// where there is no `hash_key`. Default: `redact.key` in the data directory, made of random bytes
    /// when it is needed first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_key_file: Option<PathBuf>,
}

/// What becomes of a value that is redacted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// `***` stands in its place.
    #[default]
    Mask,
    /// It is left out, with its name.
    Drop,
    /// `hash:` and 16 hexadecimal digits stand in its place, the same for the same value: the first 64
    /// bits of HMAC-SHA-256 under the key.
    Hash,
}

/// A key as text. It is never printed.
#[derive(Clone, Deserialize, Serialize, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct HashKey(String);

impl HashKey {
    /// The key itself, to be used and not to be printed.
    pub fn reveal(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<String> for HashKey {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why there are no rules: an entry of the configuration is not what it has to be. The operator mends
/// what it names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RuleError {
    key: &'static str,
    problem: String,
}

impl RuleError {
    pub(crate) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            key,
            problem: problem.into(),
        }
    }

    /// The key of the configuration: `redact.headers`, `redact.body` and so on.
    pub fn key(&self) -> &'static str {
        self.key
    }
}
