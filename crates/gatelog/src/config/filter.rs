//! The filter in the configuration: as it is, or in what an `EnvoyFilter` says around it.

use gatelog_filter::AccessLogFilter;
use gatelog_filter::config::from_pasted;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<AccessLogFilter>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None => Ok(None),
        Some(document) => from_pasted(&document)
            .map(Some)
            .map_err(|error| D::Error::custom(format!("filter: {error}"))),
    }
}
