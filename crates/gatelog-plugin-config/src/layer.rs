//! The places of a merged configuration, the top level and each rule, put together.

use serde_json::{Map, Value};

use super::RULES;
use super::delivery::{self, Delivery};
use super::error::ConfigError;

/// How many rules there may be: each is asked for each request until one holds.
const MAX_RULES: usize = 1000;

/// The keys of one place, by what they are about.
pub(super) struct Layer {
    pub(super) delivery: Map<String, Value>,
    pub(super) recording: Map<String, Value>,
}

impl Layer {
    pub(super) fn new(mut members: Map<String, Value>, place: &str) -> Result<Self, ConfigError> {
        members.retain(|_, value| !value.is_null());
        let delivery = take(&mut members, &delivery::KEYS);
        // Only for its errors, which say where the key stands.
        Delivery::read(delivery.clone(), place)?;
        Ok(Self {
            delivery,
            recording: members,
        })
    }

    /// The keys about recording; those that are not here from the default.
    pub(super) fn recording_over(&self, top: &Self) -> Map<String, Value> {
        let mut merged = top.recording.clone();
        merged.extend(self.recording.clone());
        merged
    }
}

/// Takes the elements of `_rules_`.
pub(super) fn rules(value: Option<Value>) -> Result<Vec<Map<String, Value>>, ConfigError> {
    let rules = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(rules)) if rules.len() <= MAX_RULES => rules,
        Some(Value::Array(rules)) => {
            let problem = format!("has {} rules; at most {MAX_RULES}", rules.len());
            return Err(ConfigError::unusable(RULES, problem));
        }
        Some(_) => return Err(ConfigError::unusable(RULES, "must be a list of objects")),
    };
    let rule = |(index, rule)| {
        let Value::Object(members) = rule else {
            let place = format!("{RULES}[{index}]");
            return Err(ConfigError::unusable(place, "must be an object"));
        };
        Ok(members)
    };
    rules.into_iter().enumerate().map(rule).collect()
}

/// Refuses a key that is in none of the lists.
pub(super) fn known(
    members: &Map<String, Value>,
    place: &str,
    lists: &[&[&str]],
) -> Result<(), ConfigError> {
    let known: Vec<&str> = lists.iter().copied().flatten().copied().collect();
    match members.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(ConfigError::unknown(format!("{place}{key}"), &known)),
    }
}

/// Moves these keys to an object of their own.
pub(super) fn take(members: &mut Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    let mut taken = Map::new();
    for key in keys {
        if let Some(value) = members.remove(*key) {
            taken.insert((*key).to_owned(), value);
        }
    }
    taken
}

/// How to deliver, of all places together: each key has one value, wherever it stands.
pub(super) fn agreed(places: &[(Map<String, Value>, String)]) -> Result<Delivery, ConfigError> {
    let mut merged: Map<String, Value> = Map::new();
    for key in delivery::KEYS {
        let mut found: Option<(&Value, &String)> = None;
        for (members, place) in places {
            match (members.get(key), found) {
                (None, _) => {}
                (Some(value), None) => found = Some((value, place)),
                (Some(value), Some((first, _))) if value == first => {}
                (Some(_), Some((_, first))) => {
                    return Err(ConfigError::Conflict {
                        key,
                        first: first.clone(),
                        second: place.clone(),
                    });
                }
            }
        }
        if let Some((value, _)) = found {
            merged.insert(key.to_owned(), value.clone());
        }
    }
    Delivery::read(merged, "")
}
