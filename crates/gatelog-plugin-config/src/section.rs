//! One object of the configuration: its keys are known, and each error says where it is.
//!
//! Values arrive by way of a protobuf `Struct` and of people's YAML, so a number may be written as a
//! text (`"80"`), one text may stand for a list of one, and `null` is as if the key were not there.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::ConfigError;

/// An object, being read.
pub(super) struct Section {
    /// Before each key: empty, or a path with its dot.
    place: String,
    members: Map<String, Value>,
}

impl Section {
    /// Of the members of an object.
    pub(super) fn of(
        members: Map<String, Value>,
        place: &str,
        known: &[&str],
    ) -> Result<Self, ConfigError> {
        let place = place.to_owned();
        match members.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(Self { place, members }),
            Some(key) => Err(ConfigError::unknown(format!("{place}{key}"), known)),
        }
    }

    /// The path of a key.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.place)
    }

    /// Takes a value as it is.
    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.members.remove(key).filter(|value| !value.is_null())
    }

    /// Takes an object.
    pub(super) fn section(
        &mut self,
        key: &str,
        known: &[&str],
    ) -> Result<Option<Self>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Object(members)) => {
                Self::of(members, &format!("{}.", self.path(key)), known).map(Some)
            }
            Some(_) => Err(self.wrong(key, "must be an object")),
        }
    }

    /// Takes a text.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "must be a text")),
        }
    }

    /// Takes a list of texts.
    pub(super) fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>, ConfigError> {
        let is_wrong = || self.wrong(key, "must be a list of texts");
        let elements = match self.members.get(key) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => return Ok(Some(vec![text.clone()])),
            Some(Value::Array(elements)) => elements,
            Some(_) => return Err(is_wrong()),
        };
        let text = |element: &Value| element.as_str().map(str::to_owned).ok_or_else(is_wrong);
        elements
            .iter()
            .map(text)
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Takes an integer within a range.
    pub(super) fn number<T: TryFrom<u64>>(
        &mut self,
        key: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = match &value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        };
        let number = number.ok_or_else(|| self.wrong(key, "must be an integer"))?;
        let out_of_range = || ConfigError::OutOfRange {
            key: self.path(key),
            found: number,
            min: *range.start(),
            max: *range.end(),
        };
        if !range.contains(&number) {
            return Err(out_of_range());
        }
        T::try_from(number).map(Some).map_err(|_| out_of_range())
    }

    /// What is wrong with a key's value.
    pub(super) fn wrong(&self, key: &str, problem: impl Into<String>) -> ConfigError {
        ConfigError::unusable(self.path(key), problem)
    }
}
