//! The keys of a plugin's settings, read one by one.
//!
//! **Shape.** Each method takes one key; [`end`](Keys::end) answers with all that was wrong, the keys
//! that nobody has taken among it. `null` is as if the key were not there.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {text}")]
pub struct FieldProblem {
    /// Its path, the names joined with `.`.
    pub field: String,
    /// What is wrong, or what is allowed.
    pub text: String,
}

impl FieldProblem {
    /// A problem of this field.
    pub fn new(field: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            text: text.into(),
        }
    }

    /// The field is not there.
    pub fn required(field: impl Into<String>) -> Self {
        Self::new(field, "required field missing")
    }
}

/// The keys of one object.
#[derive(Debug)]
pub struct Keys {
    path: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
    problems: Vec<FieldProblem>,
}

impl Keys {
    /// The keys of the object at this path.
    pub fn new(path: impl Into<String>, object: Map<String, Value>) -> Self {
        Self {
            path: path.into(),
            left: object,
            known: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// What was read, unless something is wrong.
    ///
    /// # Errors
    /// All that is wrong; never empty.
    pub fn end<T>(mut self, read: Option<T>) -> Result<T, Vec<FieldProblem>> {
        self.unknown();
        match read {
            Some(read) if self.problems.is_empty() => Ok(read),
            _ => Err(self.problems),
        }
    }

    /// Tells the keys that nobody has taken.
    fn unknown(&mut self) {
        let names: Vec<_> = std::mem::take(&mut self.left).into_iter().collect();
        for (name, _) in names {
            let known = self.known.join(", ");
            self.problem(&name, format!("unknown field; expected one of: {known}"));
        }
    }

    /// Something is wrong with a key.
    pub fn problem(&mut self, name: &str, text: impl Into<String>) {
        let field = format!("{}.{name}", self.path);
        self.problems.push(FieldProblem::new(field, text));
    }

    /// Something is wrong with the keys together.
    pub fn problem_here(&mut self, text: impl Into<String>) {
        self.problems.push(FieldProblem::new(&self.path, text));
    }

    /// Says that a key is missing, where it is and nothing else is wrong with it.
    pub fn require<T>(&mut self, name: &str, value: Option<T>) -> Option<T> {
        let field = format!("{}.{name}", self.path);
        if value.is_none() && self.problems.iter().all(|problem| problem.field != field) {
            self.problems.push(FieldProblem::required(field));
        }
        value
    }

    /// A value as `read` understands it.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value) -> Result<T, String>,
    ) -> Option<T> {
        self.known.push(name);
        let value = self.left.remove(name).filter(|value| !value.is_null())?;
        read(value).map_err(|text| self.problem(name, text)).ok()
    }

    /// A text that is not empty.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, |value| match value {
            Value::String(text) if text.is_empty() => Err("length must be at least 1".to_owned()),
            Value::String(text) => Ok(text),
            _ => Err("expected a string".to_owned()),
        })
    }

    /// `true` or `false`.
    pub fn switch(&mut self, name: &'static str) -> Option<bool> {
        let read = |value: Value| {
            value
                .as_bool()
                .ok_or_else(|| "expected a boolean".to_owned())
        };
        self.read(name, read)
    }

    /// A whole number in this range.
    pub fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        self.read(name, |value| {
            // Kong's JSON has no integers: 5.0 is one.
            let whole = |number: f64| {
                format!("{number:.0}")
                    .parse()
                    .ok()
                    .filter(|_| number.fract() == 0.0)
            };
            let number = value.as_i64().or_else(|| value.as_f64().and_then(whole));
            let number = number.ok_or("expected an integer")?;
            if range.contains(&number) {
                return Ok(number);
            }
            Err(match (*range.start(), *range.end()) {
                (least, i64::MAX) => format!("value must be at least {least}"),
                (least, most) => format!("value should be between {least} and {most}"),
            })
        })
    }

    /// A number in this range.
    pub fn number(&mut self, name: &'static str, range: RangeInclusive<f64>) -> Option<f64> {
        self.read(name, |value| {
            let number = value.as_f64();
            let number = number.ok_or("expected a number")?;
            if range.contains(&number) {
                return Ok(number);
            }
            let (least, most) = range.into_inner();
            Err(format!("value should be between {least} and {most}"))
        })
    }

    /// One of these words.
    pub fn word<T: Copy>(&mut self, name: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.read(name, |value| {
            let found = words.iter().find(|(word, _)| value == *word);
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("expected one of: {}", words.join(", "))
            })
        })
    }

    /// An object.
    pub fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        self.read(name, |value| match value {
            Value::Object(object) => Ok(object),
            _ => Err("expected a record".to_owned()),
        })
    }

    /// An object whose values are texts.
    pub fn texts(&mut self, name: &'static str) -> Option<BTreeMap<String, String>> {
        self.read(name, |value| match value {
            Value::Object(object) => object
                .into_iter()
                .map(|(key, value)| match value {
                    Value::String(text) => Ok((key, text)),
                    _ => Err(format!("{key}: expected a string")),
                })
                .collect(),
            _ => Err("expected a map".to_owned()),
        })
    }

    /// An object with keys of its own.
    pub fn nested<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let mut inner = Self::new(format!("{}.{name}", self.path), self.object(name)?);
        let value = read(&mut inner);
        inner.unknown();
        self.problems.append(&mut inner.problems);
        value
    }
}
