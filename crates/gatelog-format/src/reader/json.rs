//! Lines that are JSON.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::fill::{Filling, Source};
use super::line::LineReader;
use super::shorten;
use crate::error::{FormatError, ReadError, ReadProblem};
use crate::json_template::{JsonTemplate, Node};

/// Reads lines of one JSON format.
#[derive(Clone, Debug)]
pub(super) struct JsonReader {
    members: Members,
}

/// Sorted by name.
type Members = Vec<(String, Place)>;

/// What stands in a place of the format.
#[derive(Clone, Debug)]
enum Place {
    /// Nothing that a record would keep.
    Passed,
    Value(Source),
    Line(LineReader),
    Object(Members),
    List(Vec<Place>),
}

/// A value with its place.
pub(super) struct Found<'n, 'a> {
    place: &'n Place,
    value: Cow<'a, str>,
    /// The value as it stands in the line.
    raw: &'a str,
}

impl JsonReader {
    pub(super) fn new(template: &JsonTemplate) -> Result<Self, FormatError> {
        Ok(Self {
            members: members(template)?,
        })
    }

    pub(super) fn fills(&self) -> bool {
        self.members.iter().any(|(_, place)| place.fills())
    }

    /// The values of a line; keys that the format has not are passed over.
    pub(super) fn read<'a>(&self, text: &'a str) -> Result<Vec<Found<'_, 'a>>, ReadError> {
        let mut found = Vec::with_capacity(self.members.len());
        let object = ObjectSeed {
            members: &self.members,
            found: &mut found,
        };
        let mut json = serde_json::Deserializer::from_str(text);
        let read = object.deserialize(&mut json).and_then(|()| json.end());
        if let Err(error) = read {
            // One line: the column is the place.
            let at = error.column().saturating_sub(1).min(text.len());
            return Err(ReadError::new(ReadProblem::Json(error.to_string()), at));
        }
        if found.is_empty() {
            let problem = ReadProblem::Json("no key of the format is in the line".to_owned());
            return Err(ReadError::new(problem, 0));
        }
        Ok(found)
    }
}

/// Gives the values to their fields.
pub(super) fn fill<'a>(
    text: &'a str,
    found: Vec<Found<'_, 'a>>,
    filling: &mut Filling<'a>,
) -> Result<(), ReadError> {
    for Found { place, value, raw } in found {
        match place {
            Place::Value(source) => {
                if !filling.take(source, value) {
                    let problem = ReadProblem::Value {
                        operator: source.operator,
                        found: shorten(raw),
                    };
                    let at = raw.as_ptr().addr().saturating_sub(text.as_ptr().addr());
                    return Err(ReadError::new(problem, at));
                }
            }
            Place::Line(line) => fill_line(line, value, filling)?,
            Place::Passed | Place::Object(_) | Place::List(_) => {}
        }
    }
    Ok(())
}

fn fill_line<'a>(
    line: &LineReader,
    value: Cow<'a, str>,
    filling: &mut Filling<'a>,
) -> Result<(), ReadError> {
    let spans = line.spans(value.as_bytes())?;
    match value {
        Cow::Borrowed(text) => line.fill(text, &spans, filling),
        Cow::Owned(text) => line.fill_owned(&text, &spans, filling),
    }
}

fn members(template: &JsonTemplate) -> Result<Members, FormatError> {
    template
        .members
        .iter()
        .map(|(name, node)| {
            let place = Place::new(node).map_err(|error| error.below(name))?;
            Ok((name.clone(), place))
        })
        .collect()
}

impl Place {
    fn new(node: &Node) -> Result<Self, FormatError> {
        let place = match node {
            Node::Constant(_) | Node::Null => Self::Passed,
            Node::Single(command) => Self::Value(Source::new(command)),
            Node::Line(line) => Self::Line(LineReader::new(line)?),
            Node::Object(object) => Self::Object(members(object)?),
            Node::List(nodes) => Self::List(
                nodes
                    .iter()
                    .enumerate()
                    .map(|(at, node)| Self::new(node).map_err(|error| error.below(&at.to_string())))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(if place.fills() { place } else { Self::Passed })
    }

    fn fills(&self) -> bool {
        match self {
            Self::Passed => false,
            Self::Value(source) => source.fills(),
            Self::Line(line) => line.fills(),
            Self::Object(members) => members.iter().any(|(_, place)| place.fills()),
            Self::List(places) => places.iter().any(Self::fills),
        }
    }
}

/// Reads an object of the line along one of the format.
struct ObjectSeed<'n, 'f, 'a> {
    members: &'n Members,
    found: &'f mut Vec<Found<'n, 'a>>,
}

impl<'a> DeserializeSeed<'a> for ObjectSeed<'_, '_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for ObjectSeed<'_, '_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        // Envoy writes the members in their order.
        let mut expected = 0;
        while let Some(key) = map.next_key::<Cow<'a, str>>()? {
            let at = match self.members.get(expected) {
                Some((name, _)) if *name == key => Some(expected),
                _ => self
                    .members
                    .binary_search_by(|(name, _)| name.as_bytes().cmp(key.as_bytes()))
                    .ok(),
            };
            let Some((at, (_, place))) = at.and_then(|at| Some((at, self.members.get(at)?))) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            expected = at + 1;
            read_place(place, self.found, &mut map)?;
        }
        Ok(())
    }
}

fn read_place<'n, 'a, A: MapAccess<'a>>(
    place: &'n Place,
    found: &mut Vec<Found<'n, 'a>>,
    map: &mut A,
) -> Result<(), A::Error> {
    match place {
        Place::Object(members) => {
            // Another value than an object is none of the format's, and passed over.
            let raw = map.next_value::<&'a RawValue>()?;
            let seed = ObjectSeed { members, found };
            let mut json = serde_json::Deserializer::from_str(raw.get());
            if raw.get().starts_with('{') {
                seed.deserialize(&mut json)
                    .map_err(serde::de::Error::custom)?;
            }
        }
        Place::List(places) => {
            let raw = map.next_value::<&'a RawValue>()?;
            let mut json = serde_json::Deserializer::from_str(raw.get());
            let values = json.deserialize_seq(Values).unwrap_or_default();
            // Elements are left out of a list where empty values are: then nothing tells which.
            if values.len() == places.len() {
                for (place, value) in places.iter().zip(values) {
                    push(place, value, found);
                }
            }
        }
        Place::Passed => {
            map.next_value::<IgnoredAny>()?;
            // It is a key of the format all the same.
            found.push(Found {
                place,
                value: Cow::Borrowed(""),
                raw: "",
            });
        }
        Place::Value(_) | Place::Line(_) => push(place, map.next_value()?, found),
    }
    Ok(())
}

fn push<'n, 'a>(place: &'n Place, raw: &'a RawValue, found: &mut Vec<Found<'n, 'a>>) {
    let text = raw.get();
    let value = match text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
    {
        Some(inside) if inside.contains('\\') => match serde_json::from_str::<String>(text) {
            Ok(value) => Cow::Owned(value),
            // Half a surrogate pair.
            Err(_) => Cow::Borrowed(inside),
        },
        Some(inside) => Cow::Borrowed(inside),
        None if text == "null" => Cow::Borrowed(""),
        None => Cow::Borrowed(text),
    };
    found.push(Found {
        place,
        value,
        raw: text,
    });
}

struct Values;

impl<'a> Visitor<'a> for Values {
    type Value = Vec<&'a RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut values: A) -> Result<Self::Value, A::Error> {
        let mut found = Vec::new();
        while let Some(value) = values.next_element()? {
            found.push(value);
        }
        Ok(found)
    }
}
