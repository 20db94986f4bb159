//! From tree to value.

use std::borrow::Cow;

use crate::attributes::is_group;
use crate::error::{EvalError, Fault};
use crate::expression::MAX_PATH;
use crate::syntax::{Kind, Node};
use crate::{Attributes, Value, arithmetic, number};

type Evaluated<'v> = Result<Value<'v>, EvalError>;

pub(crate) fn evaluate<'v>(node: &'v Node, attributes: &'v dyn Attributes) -> Evaluated<'v> {
    match &node.kind {
        Kind::Literal(value) => Ok(borrowed(value)),
        Kind::Path(path) => lookup(path, None, attributes, node.at),
        Kind::Select(base, field) => {
            let base = evaluate(base, attributes)?;
            below(base, &Value::text(field)).map_err(|fault| fault.at(node.at))
        }
        Kind::Index(base, index) => at_index(base, index, attributes, node.at),
        Kind::Has(base, field) => is_in(&Value::text(field), base, attributes, node.at, true),
        Kind::In(element, container) => {
            let element = evaluate(element, attributes)?;
            is_in(&element, container, attributes, node.at, false)
        }
        Kind::And(nodes) => all(nodes, true, attributes),
        Kind::Or(nodes) => all(nodes, false, attributes),
        Kind::Not(operand) => match evaluate(operand, attributes)? {
            Value::Bool(value) => Ok(Value::Bool(!value)),
            _ => Err(Fault::NoOverload("`!`").at(node.at)),
        },
        Kind::Negate(operand) => {
            let operand = evaluate(operand, attributes)?;
            negate(&operand).map_err(|fault| fault.at(node.at))
        }
        Kind::Conditional(parts) => conditional(parts, attributes, node.at),
        Kind::Binary(operator, left, right) => {
            let left = evaluate(left, attributes)?;
            let right = evaluate(right, attributes)?;
            arithmetic::apply(*operator, &left, &right).map_err(|fault| fault.at(node.at))
        }
        Kind::Call(function, nodes) => {
            let arguments: Result<Vec<_>, _> = nodes
                .iter()
                .map(|node| evaluate(node, attributes))
                .collect();
            function.call(arguments?).map_err(|fault| fault.at(node.at))
        }
        Kind::Matches(text, regex) => match evaluate(text, attributes)? {
            Value::String(text) => Ok(Value::Bool(regex.is_match(&text))),
            _ => Err(Fault::NoOverload("matches").at(node.at)),
        },
        Kind::List(nodes) => {
            let elements: Result<Vec<_>, _> = nodes
                .iter()
                .map(|node| evaluate(node, attributes))
                .collect();
            elements.map(Value::List)
        }
        Kind::Map(entries) => map(entries, attributes),
    }
}

fn borrowed<'v>(value: &'v Value<'static>) -> Value<'v> {
    match value {
        Value::String(text) => Value::String(Cow::Borrowed(text)),
        Value::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        other => other.clone(),
    }
}

/// The value of a path, with one more segment that the request told; where the attributes have a
/// map or list above it, what that holds.
fn lookup<'v>(
    path: &'v [Box<str>],
    last: Option<&str>,
    attributes: &'v dyn Attributes,
    at: usize,
) -> Evaluated<'v> {
    let mut segments = [""; MAX_PATH];
    let mut length = 0;
    for segment in path.iter().map(AsRef::as_ref).chain(last) {
        let Some(place) = segments.get_mut(length) else {
            return Err(Fault::Path.at(at));
        };
        *place = segment;
        length += 1;
    }
    for known in (1..=length).rev() {
        let (path, rest) = segments
            .get(..length)
            .and_then(|all| all.split_at_checked(known))
            .unwrap_or_default();
        if let Some(value) = attributes.get(path) {
            return rest
                .iter()
                .try_fold(value, |value, segment| below(value, &Value::text(segment)))
                .map_err(|fault| fault.at(at));
        }
    }
    Err(Fault::Absent.at(at))
}

/// What a map or list holds under a key or index.
fn below<'v>(container: Value<'v>, key: &Value<'_>) -> Result<Value<'v>, Fault> {
    match container {
        Value::Map(entries) => entries
            .into_iter()
            .find(|(found, _)| found.equals(key))
            .map(|(_, value)| value)
            .ok_or(Fault::Absent),
        Value::List(elements) => {
            let index = match key {
                Value::Int(index) => Some(*index),
                Value::Uint(index) => i64::try_from(*index).ok(),
                Value::Double(index) if index.fract() == 0.0 => number::double_to_int(*index),
                _ => return Err(Fault::NoOverload("`[]`")),
            };
            let index = index.and_then(|index| usize::try_from(index).ok());
            index
                .and_then(|index| elements.into_iter().nth(index))
                .ok_or(Fault::OutOfRange)
        }
        _ => Err(Fault::NoOverload("`[]`")),
    }
}

fn at_index<'v>(
    base: &'v Node,
    index: &'v Node,
    attributes: &'v dyn Attributes,
    at: usize,
) -> Evaluated<'v> {
    let index = evaluate(index, attributes)?;
    if let (Kind::Path(path), Value::String(key)) = (&base.kind, &index) {
        return lookup(path, Some(key), attributes, at);
    }
    let base = evaluate(base, attributes)?;
    below(base, &index).map_err(|fault| fault.at(at))
}

/// Whether a container has an element or key. Attributes are asked for the key first, so that they
/// need not make a map of all they know.
fn is_in<'v>(
    element: &Value<'_>,
    container: &'v Node,
    attributes: &'v dyn Attributes,
    at: usize,
    is_has: bool,
) -> Evaluated<'v> {
    if let Kind::Path(path) = &container.kind {
        if let Value::String(key) = element {
            match lookup(path, Some(key), attributes, at) {
                Ok(_) => return Ok(Value::Bool(true)),
                Err(error) if error.fault == Fault::Path => return Err(error),
                Err(_) => {}
            }
        }
        let names: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        if is_group(&names) {
            return Ok(Value::Bool(false));
        }
    }
    let name = if is_has { "has" } else { "`in`" };
    match evaluate(container, attributes)? {
        map @ Value::Map(_) => Ok(Value::Bool(map.entry(element).is_some())),
        Value::List(elements) if !is_has => {
            let is_there = elements.iter().any(|found| found.equals(element));
            Ok(Value::Bool(is_there))
        }
        _ => Err(Fault::NoOverload(name).at(at)),
    }
}

/// `&&` (`neutral` is true) and `||`: a side that decides does so whatever the others are.
fn all<'v>(nodes: &'v [Node], neutral: bool, attributes: &'v dyn Attributes) -> Evaluated<'v> {
    let mut error = None;
    for node in nodes {
        match evaluate(node, attributes) {
            Ok(Value::Bool(value)) if value == neutral => {}
            Ok(Value::Bool(value)) => return Ok(Value::Bool(value)),
            Ok(_) => {
                let name = if neutral { "`&&`" } else { "`||`" };
                error = error.or(Some(Fault::NoOverload(name).at(node.at)));
            }
            Err(found) => error = error.or(Some(found)),
        }
    }
    error.map_or(Ok(Value::Bool(neutral)), Err)
}

fn negate<'v>(operand: &Value<'_>) -> Result<Value<'v>, Fault> {
    match operand {
        Value::Int(number) => number.checked_neg().map(Value::Int).ok_or(Fault::Overflow),
        Value::Double(number) => Ok(Value::Double(-number)),
        _ => Err(Fault::NoOverload("`-`")),
    }
}

fn conditional<'v>(
    parts: &'v [Node; 3],
    attributes: &'v dyn Attributes,
    at: usize,
) -> Evaluated<'v> {
    let [condition, then, otherwise] = parts;
    match evaluate(condition, attributes)? {
        Value::Bool(true) => evaluate(then, attributes),
        Value::Bool(false) => evaluate(otherwise, attributes),
        _ => Err(Fault::NoOverload("`?:`").at(at)),
    }
}

fn map<'v>(nodes: &'v [(Node, Node)], attributes: &'v dyn Attributes) -> Evaluated<'v> {
    let mut entries: Vec<(Value<'v>, Value<'v>)> = Vec::with_capacity(nodes.len());
    for (key_node, value) in nodes {
        let key = evaluate(key_node, attributes)?;
        let is_key = matches!(
            key,
            Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::String(_)
        );
        if !is_key || entries.iter().any(|(found, _)| found.equals(&key)) {
            return Err(Fault::Key.at(key_node.at));
        }
        entries.push((key, evaluate(value, attributes)?));
    }
    Ok(Value::Map(entries))
}
