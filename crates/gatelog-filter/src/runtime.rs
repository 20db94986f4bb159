//! Runtime keys: numbers of filters that change while they run.
//!
//! **Shape.** A key is an atomic number, made when it is first named. A filter holds those it names, so
//! that reading one is a load and no look-up; setting one is a store.
//!
//! **Limits.** A key that is asked for is never forgotten, so keys that filters do not name are kept as
//! well: they may be set before the filter that reads them is there. At most [`MAX_KEYS`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::config::message::kind;
use crate::config::{Denominator, FractionalPercent, fraction_of};

/// How many keys there may be.
pub(crate) const MAX_KEYS: usize = 10_000;

/// The value of a runtime key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeValue {
    /// A number, as a threshold or as a numerator. Above [`RuntimeValue::MAX_INTEGER`] it counts as that.
    Integer(u64),
    /// A numerator with its own denominator. A comparison passes over it, as Envoy's does.
    Fraction(FractionalPercent),
}

/// Why values of runtime keys were refused; none of them was set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("runtime key `{key}`: {problem}")]
pub struct RuntimeError {
    /// The key.
    pub key: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// The runtime keys of a process. Clones share them.
#[derive(Clone, Default)]
pub struct Runtime {
    keys: Arc<Mutex<BTreeMap<String, Key>>>,
}

/// A key that a filter reads.
#[derive(Clone, Debug)]
pub(crate) struct Key(Arc<AtomicU64>);

const UNSET: u64 = u64::MAX;

/// Marks a fraction: the denominator is below it, then the numerator.
const FRACTION: u64 = 1 << 63;

impl RuntimeValue {
    /// The greatest integer that is told from others.
    pub const MAX_INTEGER: u64 = (1 << 63) - 1;

    fn pack(self) -> u64 {
        match self {
            Self::Integer(number) => number.min(Self::MAX_INTEGER),
            Self::Fraction(fraction) => {
                let denominator = fraction.denominator as u64;
                FRACTION | denominator << 32 | u64::from(fraction.numerator)
            }
        }
    }

    fn unpack(packed: u64) -> Option<Self> {
        if packed == UNSET {
            return None;
        }
        if packed & FRACTION == 0 {
            return Some(Self::Integer(packed));
        }
        let denominator = match packed >> 32 & 0xff {
            0 => Denominator::Hundred,
            1 => Denominator::TenThousand,
            _ => Denominator::Million,
        };
        let numerator = u32::try_from(packed & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Some(Self::Fraction(FractionalPercent {
            numerator,
            denominator,
        }))
    }

    /// Reads an integer (`20`, `"20"`; a fraction of 1 is cut off) or `{numerator, denominator}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        const ALLOWED: &str = "expected a number from 0 or {numerator, denominator}";
        let number = match value {
            Value::Object(_) => {
                let fraction = fraction_of(value).map_err(|error| error.to_string())?;
                return Ok(Self::Fraction(fraction));
            }
            Value::Number(number) => number.as_u64().map(Ok).or(number.as_f64().map(Err)),
            Value::String(text) => match text.trim().parse() {
                Ok(number) => Some(Ok(number)),
                Err(_) => text.trim().parse().ok().map(Err),
            },
            _ => None,
        };
        match number {
            Some(Ok(number)) => Ok(Self::Integer(number)),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it is not negative, and `as` goes to the nearest"
            )]
            Some(Err(number)) if number >= 0.0 => Ok(Self::Integer(number as u64)),
            _ => Err(format!("{ALLOWED}, found {}", kind(value))),
        }
    }

    /// As it is read.
    pub fn to_json(self) -> Value {
        match self {
            Self::Integer(number) => number.into(),
            Self::Fraction(fraction) => serde_json::to_value(fraction).unwrap_or_default(),
        }
    }
}

impl Runtime {
    /// Sets one key, for all filters at once.
    ///
    /// # Errors
    /// There are too many keys.
    pub fn set(&self, key: &str, value: RuntimeValue) -> Result<(), RuntimeError> {
        self.key(key)?.store(value.pack());
        Ok(())
    }

    /// Removes the value of a key: the configured default counts again.
    pub fn unset(&self, key: &str) {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(key) {
            key.store(UNSET);
        }
    }

    /// The value of a key, if it has one.
    pub fn get(&self, key: &str) -> Option<RuntimeValue> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(key).and_then(Key::value)
    }

    /// Every key that is known, with its value if it has one, in the order of the names.
    pub fn entries(&self) -> Vec<(String, Option<RuntimeValue>)> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = |(name, key): (&String, &Key)| (name.clone(), key.value());
        keys.iter().map(entry).collect()
    }

    /// Sets the keys of an object; `null` unsets one. All of them or, after an error, none.
    ///
    /// # Errors
    /// [`RuntimeError`] names the key whose value cannot be used.
    pub fn patch(&self, changes: &Map<String, Value>) -> Result<(), RuntimeError> {
        let mut found = Vec::with_capacity(changes.len());
        for (key, value) in changes {
            let refused = |problem| RuntimeError {
                key: key.clone(),
                problem,
            };
            if key.is_empty() {
                return Err(refused("a key has at least one character".to_owned()));
            }
            let packed = match value {
                Value::Null => UNSET,
                value => RuntimeValue::from_json(value).map_err(refused)?.pack(),
            };
            found.push((key, packed));
        }
        let keys: Result<Vec<_>, _> = found
            .into_iter()
            .map(|(key, packed)| self.key(key).map(|key| (key, packed)))
            .collect();
        for (key, packed) in keys? {
            key.store(packed);
        }
        Ok(())
    }

    /// The key with this name.
    pub(crate) fn key(&self, name: &str) -> Result<Key, RuntimeError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = keys.get(name) {
            return Ok(key.clone());
        }
        if keys.len() >= MAX_KEYS {
            return Err(RuntimeError {
                key: name.to_owned(),
                problem: format!("there are {MAX_KEYS} keys already"),
            });
        }
        let key = Key(Arc::new(AtomicU64::new(UNSET)));
        keys.insert(name.to_owned(), key.clone());
        Ok(key)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries()).finish()
    }
}

impl Key {
    fn store(&self, packed: u64) {
        self.0.store(packed, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> Option<RuntimeValue> {
        RuntimeValue::unpack(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_envoy_reads_them() {
        let read = |value: Value| RuntimeValue::from_json(&value);
        assert_eq!(read(json!(20)), Ok(RuntimeValue::Integer(20)));
        assert_eq!(read(json!("20")), Ok(RuntimeValue::Integer(20)));
        assert_eq!(read(json!(20.9)), Ok(RuntimeValue::Integer(20)));
        let fraction = FractionalPercent {
            numerator: 7,
            denominator: Denominator::Million,
        };
        let value = json!({"numerator": 7, "denominator": "MILLION"});
        assert_eq!(read(value.clone()), Ok(RuntimeValue::Fraction(fraction)));
        assert_eq!(RuntimeValue::Fraction(fraction).to_json(), value);
        for refused in [
            json!(-5),
            json!(true),
            json!("x"),
            json!([1]),
            json!({"n": 1}),
        ] {
            assert!(read(refused.clone()).is_err(), "{refused}");
        }
    }

    #[test]
    fn what_is_set_is_what_is_read() {
        for value in [0, 1, 99, u64::from(u32::MAX), u64::MAX] {
            let value = RuntimeValue::Integer(value.min(RuntimeValue::MAX_INTEGER));
            assert_eq!(RuntimeValue::unpack(value.pack()), Some(value));
        }
        let runtime = Runtime::default();
        let changes = json!({"a": 5, "b": {"numerator": 1}, "c": true});
        let error = runtime.patch(changes.as_object().unwrap()).unwrap_err();
        assert_eq!(error.key, "c");
        assert_eq!(runtime.entries(), []);
        let changes = json!({"a": 5, "b": {"numerator": 1}});
        runtime.patch(changes.as_object().unwrap()).unwrap();
        assert_eq!(runtime.get("a"), Some(RuntimeValue::Integer(5)));
        runtime
            .patch(json!({"a": null}).as_object().unwrap())
            .unwrap();
        assert_eq!(runtime.get("a"), None);
        assert_eq!(runtime.entries().len(), 2);
    }
}
