//! Addresses to listen on: `0.0.0.0:8080`.

use std::fmt;
use std::net::SocketAddr;

use serde::Deserializer;
use serde::de::{Error, Unexpected, Visitor};

const EXPECTED: &str =
    "an IP address and a port, such as 0.0.0.0:8080, 127.0.0.1:8080 or [::]:8080";

/// The address that a text is.
///
/// # Errors
/// What would be one.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("expected {EXPECTED}"))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SocketAddr, D::Error> {
    deserializer.deserialize_str(Address)
}

struct Address;

impl Visitor<'_> for Address {
    type Value = SocketAddr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SocketAddr, E> {
        let wrong = |_| E::invalid_value(Unexpected::Str(text), &self);
        text.parse().map_err(wrong)
    }
}
