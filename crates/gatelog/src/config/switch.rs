//! What is on or off: `true` or `false`.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(Switch)
}

struct Switch;

impl Visitor<'_> for Switch {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<bool, E> {
        Ok(on)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        let wrong = |_| E::invalid_value(Unexpected::Str(text), &self);
        text.parse().map_err(wrong)
    }
}
