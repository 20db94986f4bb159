//! Whole numbers that are no sizes: `5000`.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(Number)
}

struct Number;

impl Visitor<'_> for Number {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number without a unit, such as 200")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        let wrong = |_| E::invalid_value(Unexpected::Signed(number), &self);
        number.try_into().map_err(wrong)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        let wrong = |_| E::invalid_value(Unexpected::Str(text), &self);
        text.parse().map_err(wrong)
    }
}
