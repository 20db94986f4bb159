//! The values of a form, put together and given the types of their fields.
//!
//! **Rules.** As Kong's: a number where the field is one and the text reads as one, `true` and `false`
//! where it is a boolean; a single value for a list is a list of one; commas divide nothing; an empty
//! value is `null`. What does not read as its type stays a text, and is refused by its field.
//!
//! **Limits.** [`ARGUMENTS`]; keys as deep as [`DEEPEST`](super::form_key::DEEPEST).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::form_key::{Step, TooDeep, steps};
use crate::config::plugins::schema::{Field, Is};

/// Values of a form at most.
pub(super) const ARGUMENTS: usize = 1000;

/// What one key leads to.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Values of the key itself, and of the key with `[]`.
    texts: Vec<String>,
    /// Whether one of them was written as an element.
    listed: bool,
    places: BTreeMap<u32, Node>,
    names: BTreeMap<String, Node>,
}

impl Node {
    /// Takes the value of a key.
    pub(super) fn put(&mut self, key: &str, text: String) -> Result<(), TooDeep> {
        let steps = steps(key)?;
        let mut node = self;
        let mut steps = steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            node = match step {
                Step::Name(name) => node.names.entry(name).or_default(),
                Step::Place(place) => node.places.entry(place).or_default(),
                Step::Next if steps.peek().is_none() => {
                    node.listed = true;
                    node
                }
                Step::Next => {
                    let last = node.places.keys().next_back();
                    let next = last.map_or(1, |last| last.saturating_add(1));
                    node.places.entry(next).or_default()
                }
            };
        }
        node.texts.push(text);
        Ok(())
    }

    /// The text of a field, if it is one.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let node = self.names.get(name)?;
        node.texts.first().map(String::as_str)
    }

    /// The fields, each with its type.
    pub(super) fn typed(self, fields: &[Field]) -> Map<String, Value> {
        let typed = |(name, node): (String, Self)| {
            let is = fields.iter().find(|field| field.name == name);
            let value = node.value(is.map(|field| field.is));
            (name, value)
        };
        self.keys().map(typed).collect()
    }

    /// Names and places, all as names.
    fn keys(self) -> impl Iterator<Item = (String, Self)> {
        let places = self.places.into_iter();
        let places = places.map(|(place, node)| (place.to_string(), node));
        self.names.into_iter().chain(places)
    }

    fn value(self, is: Option<Is>) -> Value {
        if !self.names.is_empty() {
            // A value of its own beside fields is refused, as it is no record.
            if let Some(text) = self.texts.into_iter().next() {
                return Value::String(text);
            }
            let node = Self {
                names: self.names,
                places: self.places,
                ..Self::default()
            };
            return Value::Object(node.object(is));
        }
        match is {
            Some(Is::Record(_) | Is::Map | Is::Object) if !self.places.is_empty() => {
                let node = Self {
                    places: self.places,
                    ..Self::default()
                };
                Value::Object(node.object(is))
            }
            Some(Is::Array | Is::Set) => self.list(true),
            _ if self.listed || self.texts.len() > 1 || !self.places.is_empty() => self.list(false),
            _ => single(self.texts.into_iter().next().unwrap_or_default(), is),
        }
    }

    fn object(self, is: Option<Is>) -> Map<String, Value> {
        match is {
            Some(Is::Record(fields)) => self.typed(fields),
            Some(Is::Map) => self
                .keys()
                .map(|(name, node)| (name, node.value(Some(Is::String))))
                .collect(),
            _ => self
                .keys()
                .map(|(name, node)| (name, node.value(None)))
                .collect(),
        }
    }

    /// Its elements; `null` for the one that is empty, if the field is a list.
    fn list(self, is_list: bool) -> Value {
        if is_list
            && self.places.is_empty()
            && self.texts.len() == 1
            && self.texts.iter().all(String::is_empty)
        {
            return Value::Null;
        }
        let places = self.places.into_values();
        let places = places.map(|node| node.value(Some(Is::String)));
        let texts = self.texts.into_iter();
        let texts = texts.map(|text| single(text, Some(Is::String)));
        places.chain(texts).collect()
    }
}

/// One value of a form.
fn single(text: String, is: Option<Is>) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    let typed = match is {
        Some(Is::Number | Is::Integer) => number(&text),
        Some(Is::Boolean) => text.parse().ok().map(Value::Bool),
        _ => None,
    };
    typed.unwrap_or(Value::String(text))
}

fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Ok(integer) = text.parse::<i64>() {
        return Some(Value::from(integer));
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then(|| Value::from(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const QUEUE: &[Field] = &[
        Field::new("size", Is::Integer),
        Field::new("delay", Is::Number),
    ];
    const FIELDS: &[Field] = &[
        Field::new("name", Is::String),
        Field::new("on", Is::Boolean),
        Field::new("tags", Is::Set),
        Field::new("headers", Is::Map),
        Field::new("format", Is::Object),
        Field::new("queue", Is::Record(QUEUE)),
    ];

    fn typed(pairs: &[(&str, &str)]) -> Value {
        let mut node = Node::default();
        for (key, value) in pairs {
            node.put(key, (*value).to_owned()).unwrap();
        }
        Value::Object(node.typed(FIELDS))
    }

    #[test]
    fn values_get_the_type_of_their_field() {
        for (pairs, expected) in [
            (vec![("name", "a")], json!({"name": "a"})),
            (vec![("name", "5")], json!({"name": "5"})),
            (vec![("name", "")], json!({"name": null})),
            (vec![("unknown", "5")], json!({"unknown": "5"})),
            (vec![("on", "true")], json!({"on": true})),
            (vec![("on", "yes")], json!({"on": "yes"})),
            (vec![("queue.size", "10")], json!({"queue": {"size": 10}})),
            (
                vec![("queue.size", "ten")],
                json!({"queue": {"size": "ten"}}),
            ),
            (
                vec![("queue[delay]", "0.5")],
                json!({"queue": {"delay": 0.5}}),
            ),
            (
                vec![("queue.delay", "inf")],
                json!({"queue": {"delay": "inf"}}),
            ),
            (vec![("queue", "x")], json!({"queue": "x"})),
            (vec![("queue", "")], json!({"queue": null})),
            (
                vec![("queue", "x"), ("queue.size", "1")],
                json!({"queue": "x"}),
            ),
            (vec![("tags", "a")], json!({"tags": ["a"]})),
            (vec![("tags", "a,b")], json!({"tags": ["a,b"]})),
            (
                vec![("tags", "a"), ("tags", "b")],
                json!({"tags": ["a", "b"]}),
            ),
            (
                vec![("tags[]", "a"), ("tags[]", "b")],
                json!({"tags": ["a", "b"]}),
            ),
            (
                vec![("tags[2]", "b"), ("tags[1]", "a")],
                json!({"tags": ["a", "b"]}),
            ),
            (vec![("tags[4294967295]", "a")], json!({"tags": ["a"]})),
            (vec![("tags", "")], json!({"tags": null})),
            (
                vec![("headers.X-Foo", "5")],
                json!({"headers": {"X-Foo": "5"}}),
            ),
            (
                vec![("headers[X-Foo]", "bar"), ("headers[1]", "x")],
                json!({"headers": {"X-Foo": "bar", "1": "x"}}),
            ),
            (vec![("headers[1]", "x")], json!({"headers": {"1": "x"}})),
            (
                vec![("headers[a.b]", "x")],
                json!({"headers": {"a.b": "x"}}),
            ),
            (vec![("headers", "x")], json!({"headers": "x"})),
            (
                vec![("format.a.b", "1")],
                json!({"format": {"a": {"b": "1"}}}),
            ),
            (
                vec![("name", "a"), ("name", "b")],
                json!({"name": ["a", "b"]}),
            ),
        ] {
            assert_eq!(typed(&pairs), expected, "{pairs:?}");
        }
    }

    proptest! {
        #[test]
        fn any_form_becomes_a_value(
            pairs in proptest::collection::vec(("(name|on|tags|headers|queue|x)[a-c.\\[\\]0-9]{0,12}", "[a0-9.]{0,4}"), 0..12)
        ) {
            let mut node = Node::default();
            for (key, value) in pairs {
                let _put = node.put(&key, value).is_ok();
            }
            let value = Value::Object(node.typed(FIELDS));
            prop_assert!(serde_json::to_string(&value).is_ok());
        }
    }
}
