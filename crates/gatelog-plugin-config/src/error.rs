//! Why a configuration was refused.

use super::json::JsonError;

/// Why a configuration was refused. Each names the key by its path (`batch.max_records`,
/// `_rules_[0].filter`); none shows a value that may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is no JSON. The control plane made it, so that is where to look; Envoy hands over a
    /// `google.protobuf.StringValue` as it is, and a `Struct` in protobuf's own form.
    #[error("no JSON: {0}; in Envoy's own file it is the text of a google.protobuf.StringValue")]
    Json(#[from] JsonError),
    /// A key without which the plugin cannot work. It is to be added.
    #[error("`{0}` is required, unless `collector_cluster` is set")]
    Missing(&'static str),
    /// A key that the plugin does not know: most often a misspelt one.
    #[error("unknown key `{key}`; allowed are {allowed}")]
    Unknown {
        /// The key.
        key: String,
        /// What may stand in its place.
        allowed: String,
    },
    /// A number outside its range.
    #[error("`{key}` is {found}; it must be {min} to {max}")]
    OutOfRange {
        /// The key.
        key: String,
        /// Its value.
        found: u64,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// A value that cannot be used where it stands.
    #[error("`{key}` {problem}")]
    Unusable {
        /// The key.
        key: String,
        /// What is wrong with its value, and what is allowed.
        problem: String,
    },
    /// Two places of one configuration want to deliver differently. One worker has one collector: the
    /// key is to be the same everywhere, or to stand in one place only.
    #[error(
        "`{key}` has one value in {first} and another in {second}; how records are delivered is the same for all rules"
    )]
    Conflict {
        /// The key.
        key: &'static str,
        /// Where it stands first.
        first: String,
        /// Where it stands with another value.
        second: String,
    },
}

impl ConfigError {
    pub(super) fn unknown(key: String, allowed: &[&str]) -> Self {
        let allowed = format!("`{}`", allowed.join("`, `"));
        Self::Unknown { key, allowed }
    }

    pub(super) fn unusable(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Unusable {
            key: key.into(),
            problem: problem.into(),
        }
    }
}
