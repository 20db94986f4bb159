//! Reading protobuf's JSON mapping.

use std::fmt;

use serde_json::{Map, Value};

/// Why a configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}{problem}")]
pub struct ConfigError {
    place: Place,
    problem: String,
}

impl ConfigError {
    /// Path of the value: `or_filter.filters[1]`; empty for the whole.
    pub fn path(&self) -> &str {
        &self.place.0
    }

    /// What is wrong with it, and what is allowed.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place(String);

impl Place {
    pub(crate) fn root() -> Self {
        Self(String::new())
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        match self.0.as_str() {
            "" => Self(key.to_owned()),
            path => Self(format!("{path}.{key}")),
        }
    }

    pub(crate) fn element(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            place: self.clone(),
            problem: problem.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            "" => Ok(()),
            path => write!(f, "{path}: "),
        }
    }
}

/// An object whose keys are known.
#[derive(Clone, Debug)]
pub(crate) struct Message<'v> {
    pub(crate) place: Place,
    /// By their names in `snake_case`, as they were written.
    fields: Vec<(&'static str, &'v str, &'v Value)>,
}

impl<'v> Message<'v> {
    /// Reads an object. `null` as a value is as if the key were not there.
    pub(crate) fn read(
        value: &'v Value,
        place: &Place,
        known: &[&'static str],
    ) -> Result<Self, ConfigError> {
        let object = object(value, place)?;
        let mut fields: Vec<(&'static str, &str, &Value)> = Vec::new();
        for (written, value) in object {
            let key = snake_case(written);
            let Some(name) = known.iter().find(|name| **name == key) else {
                let keys = match known {
                    [] => "no key is allowed".to_owned(),
                    known => format!("allowed are {}", list(known)),
                };
                return Err(place.error(format!("unknown key `{written}`; {keys}")));
            };
            if value.is_null() {
                continue;
            }
            if fields.iter().any(|(found, ..)| found == name) {
                return Err(place.error(format!("`{name}` is there twice")));
            }
            fields.push((name, written, value));
        }
        Ok(Self {
            place: place.clone(),
            fields,
        })
    }

    /// A field and its place.
    pub(crate) fn field(&self, name: &str) -> Option<(&'v Value, Place)> {
        let found = self.fields.iter().find(|(known, ..)| *known == name);
        found.map(|(_, written, value)| (*value, self.place.key(written)))
    }

    pub(crate) fn required(&self, name: &str) -> Result<(&'v Value, Place), ConfigError> {
        self.field(name)
            .ok_or_else(|| self.place.error(format!("`{name}` is required")))
    }

    /// The one field that is there of those that exclude each other.
    pub(crate) fn one_of(
        &self,
        names: &[&'static str],
    ) -> Result<Option<(&'static str, &'v Value, Place)>, ConfigError> {
        let mut found = self.fields.iter().filter(|(name, ..)| names.contains(name));
        let first = found.next();
        if let (Some((one, ..)), Some((other, ..))) = (first, found.next()) {
            let problem = format!("`{one}` and `{other}` exclude each other");
            return Err(self.place.error(problem));
        }
        Ok(first.map(|(name, written, value)| (*name, *value, self.place.key(written))))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String, ConfigError> {
        match self.field(name) {
            None => Ok(String::new()),
            Some((value, place)) => text(value, &place),
        }
    }

    /// A text with at least one character.
    pub(crate) fn required_text(&self, name: &str) -> Result<String, ConfigError> {
        let text = self.text(name)?;
        if text.is_empty() {
            let problem = format!("`{name}` is required and must not be empty");
            return Err(self.place.error(problem));
        }
        Ok(text)
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<bool, ConfigError> {
        match self.field(name) {
            None => Ok(false),
            Some((value, place)) => boolean(value, &place),
        }
    }

    /// The elements of a list; one value counts as a list of it.
    pub(crate) fn elements(&self, name: &str) -> Vec<(&'v Value, Place)> {
        match self.field(name) {
            None => Vec::new(),
            Some((Value::Array(elements), place)) => {
                let element = |(index, element)| (element, place.element(index));
                elements.iter().enumerate().map(element).collect()
            }
            Some((value, place)) => vec![(value, place)],
        }
    }
}

/// Names as they are listed in an error.
pub(crate) fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

pub(crate) fn object<'v>(
    value: &'v Value,
    place: &Place,
) -> Result<&'v Map<String, Value>, ConfigError> {
    let problem = || format!("expected an object, found {}", kind(value));
    value.as_object().ok_or_else(|| place.error(problem()))
}

/// How an error shows a value. Without the writer of JSON and its floats, which the plugin would link.
pub(crate) fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => format!("`{number}`"),
            (None, Some(number)) => format!("`{number}`"),
            (None, None) => "a number with a fraction".to_owned(),
        },
        Value::String(text) => format!("`{text}`"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

pub(crate) fn text(value: &Value, place: &Place) -> Result<String, ConfigError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        _ => Err(place.error(format!("expected a text, found {}", kind(value)))),
    }
}

pub(crate) fn boolean(value: &Value, place: &Place) -> Result<bool, ConfigError> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        // The wrapper message, written out.
        Value::Object(object) if object.len() == 1 && object.contains_key("value") => {
            let inner = object.get("value").unwrap_or(value);
            boolean(inner, &place.key("value"))
        }
        _ => Err(place.error(format!("expected `true` or `false`, found {}", kind(value)))),
    }
}

/// A number without a fraction, also in a text and with an exponent.
fn integer(value: &Value) -> Option<i128> {
    let from_double = |double: f64| {
        let is_integer = double.fract() == 0.0 && double.abs() < 1e18;
        #[expect(clippy::cast_possible_truncation, reason = "it is a small integer")]
        is_integer.then_some(double as i128)
    };
    match value {
        Value::Number(number) => number
            .as_i128()
            .or_else(|| number.as_f64().and_then(from_double)),
        Value::String(text) => text
            .parse()
            .ok()
            .or_else(|| text.parse().ok().and_then(from_double)),
        _ => None,
    }
}

/// An integer of a type.
pub(crate) fn number<T: TryFrom<i128>>(
    value: &Value,
    place: &Place,
    allowed: &str,
) -> Result<T, ConfigError> {
    let number = integer(value).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| place.error(format!("expected {allowed}, found {}", kind(value))))
}

pub(crate) fn u32(value: &Value, place: &Place) -> Result<u32, ConfigError> {
    number(value, place, "an integer from 0 to 4294967295")
}

pub(crate) fn i64(value: &Value, place: &Place) -> Result<i64, ConfigError> {
    number(value, place, "an integer of 64 bits")
}

pub(crate) fn double(value: &Value, place: &Place) -> Result<f64, ConfigError> {
    let double = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    double.ok_or_else(|| place.error(format!("expected a number, found {}", kind(value))))
}

/// A value of an enumeration: its name in any case, or its number.
pub(crate) fn choice<T: Copy>(
    value: &Value,
    place: &Place,
    choices: &[(&str, T)],
) -> Result<T, ConfigError> {
    let by_name = value.as_str().and_then(|text| {
        let mut named = choices.iter();
        named.find(|(name, _)| name.eq_ignore_ascii_case(text))
    });
    let by_number = || {
        let number = integer(value).and_then(|number| usize::try_from(number).ok())?;
        choices.get(number)
    };
    if let Some((_, choice)) = by_name.or_else(by_number) {
        return Ok(*choice);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let problem = format!("{} is not one of {}", kind(value), list(&names));
    Err(place.error(problem))
}

/// `runtimeKey` as `runtime_key`; what begins with a capital or has none is left as it is.
fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
