//! What a plugin is for: a service, a route or a consumer, by its name or its id.

use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name or the id of an entity. Written as a text, or as Kong's Admin API has it: `{id: …}`,
/// `{name: …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(String);

/// The keys that an object may have, of which it has one.
const KEYS: &[&str] = &["id", "name", "username"];

impl Reference {
    /// This name or id.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The name or the id.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Text)
    }
}

struct Text;

impl<'de> Visitor<'de> for Text {
    type Value = Reference;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name or an id")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Reference, E> {
        if text.is_empty() {
            return Err(E::invalid_length(0, &self));
        }
        Ok(Reference(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Reference, E> {
        Ok(Reference(number.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reference, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if !KEYS.contains(&key.as_str()) {
                return Err(A::Error::unknown_field(&key, KEYS));
            }
            if found.replace(map.next_value()?).is_some() {
                return Err(A::Error::custom("expected one of `id`, `name`, `username`"));
            }
        }
        found.ok_or_else(|| A::Error::missing_field("id"))
    }
}
