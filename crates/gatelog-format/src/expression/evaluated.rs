//! A compiled expression, and how its value is printed.
//!
//! **Limits.** Evaluating may allocate, which no other operator does.

use std::io::Write as _;
use std::sync::Arc;

use gatelog_cel::{Expression, Value};

use super::attributes::Answers;
use crate::command::{Target, Written};
use crate::digits::{push_number, push_unsigned};
use crate::error::Problem;
use crate::exchange::Exchange;
use crate::json_text::{push_float, push_string};

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Cel {
    expression: Arc<Expression>,
    typed: bool,
}

impl Cel {
    pub(crate) fn new(text: &str, typed: bool) -> Result<Self, Problem> {
        let expression =
            Expression::parse(text).map_err(|error| Problem::Expression(error.to_string()))?;
        Ok(Self {
            expression: Arc::new(expression),
            typed,
        })
    }

    pub(crate) fn write<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        target: Target,
        out: &mut Vec<u8>,
    ) -> Written {
        let answers = Answers(exchange);
        let Ok(value) = self.expression.evaluate(&answers) else {
            return Written::Missing;
        };
        if self.typed && target == Target::Json {
            return push_typed(&value, out);
        }
        // A Vec takes all that is written to it.
        if write!(out, "{value}").is_ok() {
            Written::Text
        } else {
            Written::Missing
        }
    }
}

/// Appends a value in its own type, as far as JSON has it.
fn push_typed(value: &Value<'_>, out: &mut Vec<u8>) -> Written {
    match value {
        Value::Null => return Written::Missing,
        Value::String(text) => {
            out.extend_from_slice(text.as_bytes());
            return Written::Text;
        }
        Value::Bool(_)
        | Value::Int(_)
        | Value::Uint(_)
        | Value::Double(_)
        | Value::List(_)
        | Value::Map(_) => push_json(value, out),
        Value::Bytes(bytes) => {
            out.extend_from_slice(bytes);
            return Written::Text;
        }
        Value::Duration(_) | Value::Timestamp(_) => {
            return if write!(out, "{value}").is_ok() {
                Written::Text
            } else {
                Written::Missing
            };
        }
    }
    Written::Literal
}

fn push_json(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(is) => out.extend_from_slice(if *is { b"true" } else { b"false" }),
        Value::Int(number) => push_number(*number, out),
        Value::Uint(number) => push_unsigned(*number, out),
        Value::Double(number) => push_float(*number, out),
        Value::List(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_json(value, out);
            }
            out.push(b']');
        }
        Value::Map(entries) => {
            let mut sorted: Vec<_> = entries
                .iter()
                .map(|(key, value)| (key.to_string(), value))
                .collect();
            sorted.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
            out.push(b'{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                push_string(key.as_bytes(), out);
                out.push(b':');
                push_json(value, out);
            }
            out.push(b'}');
        }
        _ => push_string(value.to_string().as_bytes(), out),
    }
}
