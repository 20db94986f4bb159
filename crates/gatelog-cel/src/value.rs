//! Values: what an attribute is, and what an expression comes to.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::{number, time};

/// A value of CEL.
///
/// `==` compares representations; [`Value::equals`] is CEL's.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `uint`.
    Uint(u64),
    /// `double`.
    Double(f64),
    /// `string`.
    String(Cow<'a, str>),
    /// `bytes`.
    Bytes(Cow<'a, [u8]>),
    /// `google.protobuf.Duration`, in nanoseconds.
    Duration(i128),
    /// `google.protobuf.Timestamp`, in nanoseconds since 1970-01-01 UTC.
    Timestamp(i128),
    /// `list`.
    List(Vec<Value<'a>>),
    /// `map`, in the order of its making; keys are texts, integers or booleans.
    Map(Vec<(Value<'a>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// A text.
    pub fn text(text: &'a str) -> Self {
        Self::String(Cow::Borrowed(text))
    }

    /// A duration of so many milliseconds.
    pub fn duration_ms(milliseconds: i64) -> Self {
        Self::Duration(i128::from(milliseconds) * 1_000_000)
    }

    /// CEL's equality: numbers by their value, others only with their own kind.
    pub fn equals(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::List(left), Value::List(right)) => {
                left.len() == right.len()
                    && left
                        .iter()
                        .zip(right)
                        .all(|(left, right)| left.equals(right))
            }
            (Value::Map(left), Value::Map(right)) => {
                let is_in_right = |(key, value): &(Value<'_>, Value<'_>)| {
                    find(right, key).is_some_and(|found| value.equals(found))
                };
                left.len() == right.len() && left.iter().all(is_in_right)
            }
            (Value::Null, Value::Null) => true,
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// CEL's order; `None` between values that have none.
    pub fn order(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Value::Bool(left), Value::Bool(right)) => Some(left.cmp(right)),
            (Value::String(left), Value::String(right)) => Some(left.as_ref().cmp(right.as_ref())),
            (Value::Bytes(left), Value::Bytes(right)) => Some(left.as_ref().cmp(right.as_ref())),
            (Value::Duration(left), Value::Duration(right))
            | (Value::Timestamp(left), Value::Timestamp(right)) => Some(left.cmp(right)),
            _ => number::order(self, other),
        }
    }

    /// What a map has under a key.
    pub(crate) fn entry(&self, key: &Value<'_>) -> Option<&Value<'a>> {
        match self {
            Value::Map(entries) => find(entries, key),
            _ => None,
        }
    }
}

fn find<'v, 'a>(entries: &'v [(Value<'a>, Value<'a>)], key: &Value<'_>) -> Option<&'v Value<'a>> {
    let entry = entries.iter().find(|(found, _)| found.equals(key));
    entry.map(|(_, value)| value)
}

/// As Envoy's `%CEL()%` prints it.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Int(value) => write!(f, "{value}"),
            Value::Uint(value) => write!(f, "{value}"),
            Value::Double(value) => f.write_str(&number::six_digits(*value)),
            Value::String(text) => f.write_str(text),
            Value::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Value::Duration(nanos) => f.write_str(&time::duration_text(*nanos)),
            Value::Timestamp(nanos) => f.write_str(&time::timestamp_text(*nanos)),
            Value::List(_) => f.write_str("CelList value"),
            Value::Map(_) => f.write_str("CelMap value"),
        }
    }
}
