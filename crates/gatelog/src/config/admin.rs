//! Where the admin listener listens: an address, or `off`.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const OFF: &str = "off";

const EXPECTED: &str = "an IP address and a port, such as 127.0.0.1:8001, or `off`";

/// Where the admin listener listens, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdminListen(Option<SocketAddr>);

impl AdminListen {
    /// Nowhere.
    pub const OFF: Self = Self(None);

    /// The address; `None` where it is off.
    pub fn address(self) -> Option<SocketAddr> {
        self.0
    }
}

/// This machine only: whoever reaches it can change what is kept.
impl Default for AdminListen {
    fn default() -> Self {
        Self(Some((Ipv4Addr::LOCALHOST, 8001).into()))
    }
}

impl From<SocketAddr> for AdminListen {
    fn from(address: SocketAddr) -> Self {
        Self(Some(address))
    }
}

/// The address that a text is, or `off`.
///
/// # Errors
/// What would be one.
pub fn parse_admin_listen(text: &str) -> Result<AdminListen, String> {
    if text == OFF {
        return Ok(AdminListen::OFF);
    }
    let address: Result<SocketAddr, _> = text.parse();
    address
        .map(AdminListen::from)
        .map_err(|_| format!("expected {EXPECTED}"))
}

impl fmt::Display for AdminListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str(OFF),
        }
    }
}

impl Serialize for AdminListen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AdminListen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // In YAML `off` is a way to write `false`.
        deserializer.deserialize_any(Listen)
    }
}

struct Listen;

impl Visitor<'_> for Listen {
    type Value = AdminListen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_bool<E: Error>(self, on: bool) -> Result<AdminListen, E> {
        let wrong = || E::invalid_value(Unexpected::Bool(on), &self);
        (!on).then_some(AdminListen::OFF).ok_or_else(wrong)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AdminListen, E> {
        let wrong = |_| E::invalid_value(Unexpected::Str(text), &self);
        parse_admin_listen(text).map_err(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_off_is_read_and_written() {
        for yaml in ["127.0.0.1:8001", "\"[::1]:0\"", "off", "\"off\""] {
            let text = yaml.trim_matches('"');
            let read: AdminListen = serde_saphyr::from_str(yaml).unwrap();
            assert_eq!(read.to_string(), text);
            assert_eq!(parse_admin_listen(text), Ok(read));
            let written = serde_json::to_value(read).unwrap();
            assert_eq!(
                serde_json::from_value::<AdminListen>(written).unwrap(),
                read
            );
        }
        for text in ["8001", "localhost:8001", "true"] {
            let error = serde_saphyr::from_str::<AdminListen>(text).unwrap_err();
            assert!(error.to_string().contains("or `off`"), "{error}");
        }
    }
}
