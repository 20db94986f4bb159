//! Functions.

use std::borrow::Cow;

use regex_lite::{Regex, RegexBuilder};

use crate::error::Fault;
use crate::{Value, number, time};

/// Bytes that a compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// How a function is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `size(x)`.
    Global,
    /// `x.size()`.
    Receiver,
}

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    Int,
    Uint,
    Double,
    String,
    Bool,
    Bytes,
    Duration,
    Timestamp,
    Dyn,
    FullYear,
    Month,
    DayOfYear,
    DayOfMonth,
    Date,
    DayOfWeek,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
}

use Function as F;

const BOTH: &[Form] = &[Form::Global, Form::Receiver];
const GLOBAL: &[Form] = &[Form::Global];
const RECEIVER: &[Form] = &[Form::Receiver];

/// Name, forms, least and greatest number of arguments, the receiver among them.
const TABLE: &[(&str, Function, &[Form], usize, usize)] = &[
    ("size", F::Size, BOTH, 1, 1),
    ("contains", F::Contains, BOTH, 2, 2),
    ("startsWith", F::StartsWith, BOTH, 2, 2),
    ("endsWith", F::EndsWith, BOTH, 2, 2),
    ("matches", F::Matches, BOTH, 2, 2),
    ("int", F::Int, GLOBAL, 1, 1),
    ("uint", F::Uint, GLOBAL, 1, 1),
    ("double", F::Double, GLOBAL, 1, 1),
    ("string", F::String, GLOBAL, 1, 1),
    ("bool", F::Bool, GLOBAL, 1, 1),
    ("bytes", F::Bytes, GLOBAL, 1, 1),
    ("duration", F::Duration, GLOBAL, 1, 1),
    ("timestamp", F::Timestamp, GLOBAL, 1, 1),
    ("dyn", F::Dyn, GLOBAL, 1, 1),
    ("getFullYear", F::FullYear, RECEIVER, 1, 2),
    ("getMonth", F::Month, RECEIVER, 1, 2),
    ("getDayOfYear", F::DayOfYear, RECEIVER, 1, 2),
    ("getDayOfMonth", F::DayOfMonth, RECEIVER, 1, 2),
    ("getDate", F::Date, RECEIVER, 1, 2),
    ("getDayOfWeek", F::DayOfWeek, RECEIVER, 1, 2),
    ("getHours", F::Hours, RECEIVER, 1, 2),
    ("getMinutes", F::Minutes, RECEIVER, 1, 2),
    ("getSeconds", F::Seconds, RECEIVER, 1, 2),
    ("getMilliseconds", F::Milliseconds, RECEIVER, 1, 2),
];

/// What is said of a name that no function has.
pub(crate) fn unknown(name: &str) -> String {
    let written = |found: &(&str, Function, &[Form], usize, usize)| {
        if found.2.contains(&Form::Global) {
            found.0.to_owned()
        } else {
            format!("x.{}", found.0)
        }
    };
    let known: Vec<String> = TABLE.iter().map(written).collect();
    let form = match name {
        "type" => " (types are not supported)",
        name if TABLE.iter().any(|(found, ..)| *found == name) => " in this form",
        _ => "",
    };
    format!(
        "there is no function `{name}`{form}; known are has, {}",
        known.join(", ")
    )
}

impl Function {
    pub(crate) fn find(name: &str, form: Form) -> Option<Self> {
        let is_it =
            |row: &&(&str, Function, &[Form], usize, usize)| row.0 == name && row.2.contains(&form);
        TABLE.iter().find(is_it).map(|row| row.1)
    }

    fn row(self) -> (&'static str, usize, usize) {
        let row = TABLE.iter().find(|row| row.1 == self);
        row.map_or(("", 0, 0), |row| (row.0, row.3, row.4))
    }

    pub(crate) fn takes(self, arguments: usize) -> bool {
        let (_, least, greatest) = self.row();
        (least..=greatest).contains(&arguments)
    }

    fn no_overload<T>(self) -> Result<T, Fault> {
        Err(Fault::NoOverload(self.row().0))
    }

    fn conversion(self) -> Fault {
        Fault::Conversion(self.row().0)
    }

    /// What the function makes of its arguments.
    pub(crate) fn call(self, arguments: Vec<Value<'_>>) -> Result<Value<'_>, Fault> {
        let mut arguments = arguments.into_iter();
        let Some(first) = arguments.next() else {
            return self.no_overload();
        };
        let second = arguments.next();
        match self {
            F::Size => self.size(&first),
            F::Contains | F::StartsWith | F::EndsWith | F::Matches => {
                let (Value::String(text), Some(Value::String(part))) = (first, second) else {
                    return self.no_overload();
                };
                self.text_test(&text, &part).map(Value::Bool)
            }
            F::Int => self.to_int(&first).map(Value::Int),
            F::Uint => self.to_uint(&first).map(Value::Uint),
            F::Double => self.to_double(&first).map(Value::Double),
            F::String => self.to_text(first).map(Value::String),
            F::Bool => self.to_bool(&first).map(Value::Bool),
            F::Bytes => match first {
                Value::Bytes(bytes) => Ok(Value::Bytes(bytes)),
                Value::String(Cow::Borrowed(text)) => Ok(Value::Bytes(text.as_bytes().into())),
                Value::String(Cow::Owned(text)) => Ok(Value::Bytes(text.into_bytes().into())),
                _ => self.no_overload(),
            },
            F::Duration => match first {
                Value::Duration(nanos) => Ok(Value::Duration(nanos)),
                Value::String(text) => {
                    let nanos = time::parse_duration(&text);
                    Ok(Value::Duration(nanos.ok_or(self.conversion())?))
                }
                _ => self.no_overload(),
            },
            F::Timestamp => match first {
                Value::Timestamp(nanos) => Ok(Value::Timestamp(nanos)),
                Value::String(text) => {
                    let nanos = time::parse_timestamp(&text);
                    Ok(Value::Timestamp(nanos.ok_or(self.conversion())?))
                }
                Value::Int(seconds) => {
                    let nanos = time::timestamp(i128::from(seconds) * time::SECOND);
                    Ok(Value::Timestamp(nanos.ok_or(Fault::Overflow)?))
                }
                _ => self.no_overload(),
            },
            F::Dyn => Ok(first),
            _ => self.part(&first, second.as_ref()).map(Value::Int),
        }
    }

    fn size<'v>(self, value: &Value<'_>) -> Result<Value<'v>, Fault> {
        let size = match value {
            Value::String(text) => text.chars().count(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(elements) => elements.len(),
            Value::Map(entries) => entries.len(),
            _ => return self.no_overload(),
        };
        Ok(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)))
    }

    fn text_test(self, text: &str, part: &str) -> Result<bool, Fault> {
        Ok(match self {
            F::Contains => text.contains(part),
            F::StartsWith => text.starts_with(part),
            F::EndsWith => text.ends_with(part),
            _ => pattern(part).map_err(|_| Fault::Pattern)?.is_match(text),
        })
    }

    fn to_int(self, value: &Value<'_>) -> Result<i64, Fault> {
        match value {
            Value::Int(number) => Ok(*number),
            Value::Uint(number) => i64::try_from(*number).map_err(|_| Fault::Overflow),
            Value::Double(number) => number::double_to_int(*number).ok_or(Fault::Overflow),
            Value::String(text) => text.parse().map_err(|_| self.conversion()),
            Value::Timestamp(nanos) => {
                i64::try_from(nanos.div_euclid(time::SECOND)).map_err(|_| Fault::Overflow)
            }
            _ => self.no_overload(),
        }
    }

    fn to_uint(self, value: &Value<'_>) -> Result<u64, Fault> {
        match value {
            Value::Uint(number) => Ok(*number),
            Value::Int(number) => u64::try_from(*number).map_err(|_| Fault::Overflow),
            Value::Double(number) => number::double_to_uint(*number).ok_or(Fault::Overflow),
            Value::String(text) => text.parse().map_err(|_| self.conversion()),
            _ => self.no_overload(),
        }
    }

    fn to_double(self, value: &Value<'_>) -> Result<f64, Fault> {
        match value {
            Value::Double(number) => Ok(*number),
            Value::Int(number) => Ok(number::to_double(i128::from(*number))),
            Value::Uint(number) => Ok(number::to_double(i128::from(*number))),
            Value::String(text) => text.parse().map_err(|_| self.conversion()),
            _ => self.no_overload(),
        }
    }

    fn to_text(self, value: Value<'_>) -> Result<Cow<'_, str>, Fault> {
        match value {
            Value::String(text) => Ok(text),
            Value::Bytes(bytes) => match String::from_utf8(bytes.into_owned()) {
                Ok(text) => Ok(Cow::Owned(text)),
                Err(_) => Err(self.conversion()),
            },
            Value::Timestamp(nanos) => {
                let text = time::timestamp_text(nanos);
                let text = text.strip_suffix("+00:00").unwrap_or(&text);
                Ok(Cow::Owned(format!("{text}Z")))
            }
            Value::Duration(nanos) => Ok(Cow::Owned(time::duration_text(nanos))),
            Value::Bool(_) | Value::Int(_) | Value::Uint(_) => Ok(Cow::Owned(value.to_string())),
            Value::Double(number) => Ok(Cow::Owned(number.to_string())),
            Value::Null | Value::List(_) | Value::Map(_) => self.no_overload(),
        }
    }

    fn to_bool(self, value: &Value<'_>) -> Result<bool, Fault> {
        match value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) => match text.as_ref() {
                "true" | "True" | "TRUE" | "t" | "1" => Ok(true),
                "false" | "False" | "FALSE" | "f" | "0" => Ok(false),
                _ => Err(self.conversion()),
            },
            _ => self.no_overload(),
        }
    }

    /// A part of a timestamp or a duration.
    fn part(self, value: &Value<'_>, zone: Option<&Value<'_>>) -> Result<i64, Fault> {
        let offset = match zone {
            None => 0,
            Some(Value::String(zone)) => time::zone_seconds(zone).ok_or(Fault::Zone)?,
            Some(_) => return self.no_overload(),
        };
        match value {
            Value::Timestamp(nanos) => {
                let at = time::Civil::of(*nanos, offset);
                Ok(match self {
                    F::FullYear => at.year,
                    F::Month => at.month - 1,
                    F::DayOfYear => at.day_of_year,
                    F::DayOfMonth => at.day - 1,
                    F::Date => at.day,
                    F::DayOfWeek => at.day_of_week,
                    F::Hours => at.hour,
                    F::Minutes => at.minute,
                    F::Seconds => at.second,
                    F::Milliseconds => at.nanos / 1_000_000,
                    _ => return self.no_overload(),
                })
            }
            Value::Duration(nanos) if zone.is_none() => {
                let nanos = match self {
                    F::Hours => nanos / (3600 * time::SECOND),
                    F::Minutes => nanos / (60 * time::SECOND),
                    F::Seconds => nanos / time::SECOND,
                    F::Milliseconds => nanos % time::SECOND / 1_000_000,
                    _ => return self.no_overload(),
                };
                i64::try_from(nanos).map_err(|_| Fault::Overflow)
            }
            _ => self.no_overload(),
        }
    }
}

/// Compiles a pattern, which may match anywhere in a text.
pub(crate) fn pattern(pattern: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(pattern)
        .size_limit(MAX_PATTERN_BYTES)
        .build()
}
