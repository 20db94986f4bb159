//! What every plugin's settings say about how its records are delivered.

use std::time::Duration;

use bytesize::ByteSize;
use serde_json::Value;

use super::Keys;
use crate::config::Age;
use crate::output::{MaxBacklog, Settings, Start};

/// Where a new output begins, and what may wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where it begins when it is new.
    pub start: Start,
    /// What may wait for it.
    pub max_backlog: MaxBacklog,
}

impl Default for Delivery {
    fn default() -> Self {
        let Settings {
            start, max_backlog, ..
        } = Settings::default();
        Self { start, max_backlog }
    }
}

impl Delivery {
    /// Reads `start` and `max_backlog`.
    pub fn read(keys: &mut Keys) -> Self {
        let default = Self::default();
        let start = keys.word("start", &[("now", Start::Now), ("oldest", Start::Oldest)]);
        let max_backlog = keys.nested("max_backlog", |keys| {
            Some(MaxBacklog {
                bytes: keys
                    .read("bytes", bytes)
                    .unwrap_or(default.max_backlog.bytes),
                age: keys.read("age", age).unwrap_or(default.max_backlog.age),
            })
        });
        Self {
            start: start.unwrap_or(default.start),
            max_backlog: max_backlog.unwrap_or(default.max_backlog),
        }
    }
}

fn bytes(value: Value) -> Result<u64, String> {
    let bytes = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok().map(|size: ByteSize| size.as_u64()),
        _ => None,
    };
    let expected = "expected a size above 0 with its unit, such as 512MiB or 2GiB";
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| expected.to_owned())
}

fn age(value: Value) -> Result<Duration, String> {
    let age: Result<Age, _> = serde_json::from_value(value);
    age.map(Age::duration).map_err(|error| error.to_string())
}
