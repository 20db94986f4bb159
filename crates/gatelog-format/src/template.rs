//! A format, compiled: from an exchange to a line.

use crate::command::{self, Command, Named, Target, Written};
use crate::error::FormatError;
use crate::exchange::Exchange;
use crate::json_template::JsonTemplate;
use crate::token::{self, Token};

/// A compiled format. It renders any number of exchanges, and allocates for none of them but where
/// the buffer grows.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) shape: Shape,
    omit_empty_values: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    Text {
        line: Line,
        /// As it was written.
        format: String,
    },
    Json(JsonTemplate),
}

/// Text with operators in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(String),
    Command(Box<Command>),
}

impl Template {
    /// Compiles a text format (Envoy's `text_format_source`). The line ends as the format does: Envoy
    /// adds no line break.
    ///
    /// # Errors
    /// [`FormatError`], with the byte of the operator: whoever wrote the format mends it.
    pub fn text(format: &str) -> Result<Self, FormatError> {
        Ok(Self {
            shape: Shape::Text {
                line: Line::new(format)?,
                format: format.to_owned(),
            },
            omit_empty_values: false,
        })
    }

    /// Compiles a JSON format (Envoy's `json_format`), the text of an object. Members are sorted, and
    /// each line ends with a line break. A member that holds one operator alone has the operator's type.
    ///
    /// # Errors
    /// [`FormatError`], with the member and the byte of the operator in its text.
    pub fn json(format: &str) -> Result<Self, FormatError> {
        Ok(Self {
            shape: Shape::Json(JsonTemplate::new(format)?),
            omit_empty_values: false,
        })
    }

    /// Prints nothing for a missing value, in place of `-`; JSON leaves members out whose value is
    /// missing (Envoy's `omit_empty_values`).
    pub fn omit_empty_values(mut self, omit: bool) -> Self {
        self.omit_empty_values = omit;
        self
    }

    /// Appends the line of an exchange.
    pub fn render<E: Exchange + ?Sized>(&self, exchange: &E, out: &mut Vec<u8>) {
        match &self.shape {
            Shape::Text { line, .. } => line.write(exchange, Target::Text, self.missing(), out),
            Shape::Json(json) => json.write(exchange, self.omit_empty_values, out),
        }
    }

    fn missing(&self) -> &'static [u8] {
        missing(self.omit_empty_values)
    }

    /// The headers and query parameters of which it writes the values.
    pub fn named(&self) -> Vec<Named> {
        let mut all = Vec::new();
        for command in self.commands() {
            command.named(&mut all);
        }
        all
    }

    /// The commands, in the order of the format.
    pub(crate) fn commands(&self) -> Vec<&Command> {
        let mut commands = Vec::new();
        match &self.shape {
            Shape::Text { line, .. } => commands.extend(line.commands()),
            Shape::Json(json) => json.commands(&mut commands),
        }
        commands
    }
}

/// What stands for a missing value in a text.
pub(crate) fn missing(omit_empty_values: bool) -> &'static [u8] {
    if omit_empty_values { b"" } else { b"-" }
}

impl Line {
    pub(crate) fn new(format: &str) -> Result<Self, FormatError> {
        Self::compile(format).map_err(|error| error.of(format))
    }

    fn compile(format: &str) -> Result<Self, FormatError> {
        let mut parts: Vec<Part> = Vec::new();
        for token in token::tokens(format)? {
            let text = match token {
                Token::Literal(text) => text,
                Token::Percent => "%",
                Token::Call(call) => {
                    parts.push(Part::Command(Box::new(command::compile(&call)?)));
                    continue;
                }
            };
            match parts.last_mut() {
                Some(Part::Literal(before)) => before.push_str(text),
                _ => parts.push(Part::Literal(text.to_owned())),
            }
        }
        Ok(Self { parts })
    }

    pub(crate) fn commands(&self) -> impl Iterator<Item = &Command> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Command(command) => Some(command.as_ref()),
        })
    }

    pub(crate) fn write<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        target: Target,
        missing: &[u8],
        out: &mut Vec<u8>,
    ) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Command(command) => {
                    if command.write(exchange, target, out) == Written::Missing {
                        out.extend_from_slice(missing);
                    }
                }
            }
        }
    }
}
