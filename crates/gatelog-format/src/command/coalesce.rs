//! COALESCE: the first of several operators that has a value.
//!
//! **Source.** `source/common/formatter/coalesce_formatter.cc` of Envoy 1.40.

use serde_json::Value;

use super::{Command, Target, Written, compile as compile_operator};
use crate::error::{FormatError, Problem};
use crate::exchange::Exchange;
use crate::operator;
use crate::token::Call;

/// Reads `{"operators": ["NAME", {"command": "NAME", "param": "ARGUMENT", "max_length": 1}]}`.
pub(super) fn compile(argument: &str, position: usize) -> Result<Vec<Command>, FormatError> {
    let fail = |text: String| FormatError::new(Problem::Coalesce(text), position);
    let config: Value = serde_json::from_str(argument)
        .map_err(|error| fail(format!("the argument is no JSON: {error}")))?;
    let operators = config
        .get("operators")
        .ok_or_else(|| fail("the argument has no `operators`".to_owned()))?
        .as_array()
        .ok_or_else(|| fail("`operators` is not an array".to_owned()))?;
    if operators.is_empty() {
        return Err(fail("`operators` is empty".to_owned()));
    }
    operators
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let call =
                call(entry, position).map_err(|text| fail(format!("operator {index}: {text}")))?;
            if operator::find(call.name).is_none() {
                let unknown = Problem::UnknownOperator {
                    name: call.name.to_owned(),
                    nearest: operator::nearest(call.name),
                };
                return Err(fail(format!("operator {index}: {unknown}")));
            }
            compile_operator(&call)
        })
        .collect()
}

fn call(entry: &Value, position: usize) -> Result<Call<'_>, String> {
    let plain = |name| Call {
        position,
        name,
        argument: "",
        length: None,
    };
    if let Value::String(name) = entry {
        return Ok(plain(name.as_str()));
    }
    let Value::Object(entry) = entry else {
        return Err("neither the name of an operator nor an object with `command`".to_owned());
    };
    let Some(Value::String(name)) = entry.get("command") else {
        return Err("`command` is no text".to_owned());
    };
    let mut call = plain(name.as_str());
    match entry.get("param") {
        None => {}
        Some(Value::String(argument)) => call.argument = argument,
        Some(_) => return Err("`param` is no text".to_owned()),
    }
    if let Some(length) = entry.get("max_length") {
        let length = length.as_u64().filter(|length| *length > 0);
        let length = length.ok_or("`max_length` is no positive integer")?;
        call.length = Some(usize::try_from(length).unwrap_or(usize::MAX));
    }
    Ok(call)
}

/// Appends the first value that is not empty.
pub(super) fn write<E: Exchange + ?Sized>(
    commands: &[Command],
    exchange: &E,
    target: Target,
    out: &mut Vec<u8>,
) -> Written {
    let from = out.len();
    for command in commands {
        let written = command.write(exchange, target, out);
        if written != Written::Missing && out.len() > from {
            return written;
        }
    }
    Written::Missing
}
