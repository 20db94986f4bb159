//! A JSON format, compiled.
//!
//! **Rules.** Members are sorted by the bytes of their names. A text that is one operator has the
//! operator's type, and `null` when it is missing; any other text is a string, in which a missing value
//! is `-`. Constants stay. Where empty values are omitted, so are `null` members and elements, and
//! objects that are empty for it; lists and the outermost object stay.

use serde_json::Value;

use crate::command::{Command, Target, Written};
use crate::error::{FormatError, Problem};
use crate::exchange::Exchange;
use crate::json_text::{escape_tail, push_string, push_value};
use crate::template::{Line, Part, missing};

/// An object with operators in its texts.
#[derive(Clone, Debug)]
pub(crate) struct JsonTemplate {
    pub(crate) members: Vec<(String, Node)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Written as it stands.
    Constant(Vec<u8>),
    Null,
    /// One operator and nothing else.
    Single(Box<Command>),
    Line(Line),
    Object(JsonTemplate),
    List(Vec<Node>),
}

impl JsonTemplate {
    pub(crate) fn new(format: &str) -> Result<Self, FormatError> {
        let value: Value = serde_json::from_str(format).map_err(|error| {
            let text = format!("the format is no JSON: {error}");
            FormatError::new(Problem::JsonFormat(text), 0)
        })?;
        let Value::Object(_) = &value else {
            let text = "a JSON format is an object".to_owned();
            return Err(FormatError::new(Problem::JsonFormat(text), 0));
        };
        Self::from_value(&value)
    }

    fn from_value(value: &Value) -> Result<Self, FormatError> {
        let mut members = Vec::new();
        for (name, value) in value.as_object().into_iter().flatten() {
            let node = Node::new(value).map_err(|error| error.below(name))?;
            members.push((name.clone(), node));
        }
        members.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        Ok(Self { members })
    }

    pub(crate) fn write<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        omit_empty_values: bool,
        out: &mut Vec<u8>,
    ) {
        self.write_object(exchange, omit_empty_values, out);
        out.push(b'\n');
    }

    /// Whether it has a member.
    fn write_object<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        omit_empty_values: bool,
        out: &mut Vec<u8>,
    ) -> bool {
        out.push(b'{');
        let mut first = true;
        for (name, node) in &self.members {
            let before = out.len();
            if !first {
                out.push(b',');
            }
            push_string(name.as_bytes(), out);
            out.push(b':');
            if node.write(exchange, omit_empty_values, out) {
                first = false;
            } else {
                out.truncate(before);
            }
        }
        out.push(b'}');
        !first
    }

    /// Appends the commands of all texts.
    pub(crate) fn commands<'t>(&'t self, commands: &mut Vec<&'t Command>) {
        for (_, node) in &self.members {
            node.commands(commands);
        }
    }
}

impl Node {
    fn new(value: &Value) -> Result<Self, FormatError> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(_) | Value::Number(_) => {
                let mut text = Vec::new();
                push_value(value, &mut text);
                Self::Constant(text)
            }
            Value::String(format) => Self::text(format)?,
            Value::Array(values) => Self::List(
                values
                    .iter()
                    .enumerate()
                    .map(|(at, value)| {
                        Self::new(value).map_err(|error| error.below(&at.to_string()))
                    })
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(_) => Self::Object(JsonTemplate::from_value(value)?),
        })
    }

    pub(crate) fn text(format: &str) -> Result<Self, FormatError> {
        let mut line = Line::new(format)?;
        Ok(match line.parts.as_slice() {
            [Part::Command(_)] => match line.parts.pop() {
                Some(Part::Command(command)) => Self::Single(command),
                _ => Self::Null,
            },
            [] | [Part::Literal(_)] => {
                let mut text = Vec::new();
                let plain = match line.parts.first() {
                    Some(Part::Literal(plain)) => plain.as_str(),
                    _ => "",
                };
                push_string(plain.as_bytes(), &mut text);
                Self::Constant(text)
            }
            _ => Self::Line(line),
        })
    }

    /// Appends the value; `false`, and anything behind, if it is to be left out.
    pub(crate) fn write<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        omit_empty_values: bool,
        out: &mut Vec<u8>,
    ) -> bool {
        match self {
            Self::Constant(text) => out.extend_from_slice(text),
            Self::Null => return write_null(omit_empty_values, out),
            Self::Single(command) => {
                let from = out.len();
                out.push(b'"');
                match command.write(exchange, Target::Json, out) {
                    Written::Text => {
                        escape_tail(out, from + 1);
                        out.push(b'"');
                    }
                    Written::Literal => {
                        out.remove(from);
                    }
                    Written::Missing => {
                        out.truncate(from);
                        return write_null(omit_empty_values, out);
                    }
                }
            }
            Self::Line(line) => {
                out.push(b'"');
                let from = out.len();
                line.write(exchange, Target::Text, missing(omit_empty_values), out);
                escape_tail(out, from);
                out.push(b'"');
            }
            Self::Object(object) => {
                return object.write_object(exchange, omit_empty_values, out) || !omit_empty_values;
            }
            Self::List(nodes) => write_list(nodes, exchange, omit_empty_values, out),
        }
        true
    }

    pub(crate) fn commands<'t>(&'t self, commands: &mut Vec<&'t Command>) {
        match self {
            Self::Constant(_) | Self::Null => {}
            Self::Single(command) => commands.push(command),
            Self::Line(line) => commands.extend(line.commands()),
            Self::Object(object) => object.commands(commands),
            Self::List(nodes) => nodes.iter().for_each(|node| node.commands(commands)),
        }
    }
}

fn write_null(omit_empty_values: bool, out: &mut Vec<u8>) -> bool {
    if !omit_empty_values {
        out.extend_from_slice(b"null");
    }
    !omit_empty_values
}

fn write_list<E: Exchange + ?Sized>(
    nodes: &[Node],
    exchange: &E,
    omit_empty_values: bool,
    out: &mut Vec<u8>,
) {
    out.push(b'[');
    let mut first = true;
    for node in nodes {
        let before = out.len();
        if !first {
            out.push(b',');
        }
        if node.write(exchange, omit_empty_values, out) {
            first = false;
        } else {
            out.truncate(before);
        }
    }
    out.push(b']');
}
