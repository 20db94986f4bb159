//! A row of the table as a record.
//!
//! **Invariants.** What other programs write for nothing (`''`, `-`, JSON's `null`) is absent here,
//! as in every record. A value that does not fit its field is absent too.

use std::borrow::Cow;

use chrono::NaiveDate;
use gatelog_record::{AccessRecord, Field, Headers, RecordId, Slot, Timestamp, json};
use mysql_async::Value;
use serde::de::IgnoredAny;

/// The record of a row's values, each with its field.
pub(super) fn record(values: impl Iterator<Item = (Field, Value)>) -> AccessRecord<'static> {
    let mut record = AccessRecord::default();
    for (field, value) in values {
        match record.slot(field) {
            Slot::Text(slot) => *slot = text(value).map(Cow::Owned),
            Slot::Json(slot) => {
                *slot = text(value)
                    .filter(|text| is_whole_json(text))
                    .map(Cow::Owned);
            }
            Slot::Integer(slot) => *slot = integer(&value),
            Slot::Float(slot) => *slot = float(&value),
            Slot::Time(slot) => *slot = moment(&value),
            Slot::Id(slot) => *slot = text(value).and_then(|text| RecordId::parse(&text)),
            Slot::Headers(slot) => *slot = headers(field, value).unwrap_or_default(),
        }
    }
    record
}

/// Whether the text is one whole object or array. Other writers cut texts to fit, and a record's
/// JSON goes into answers as it is.
fn is_whole_json(text: &str) -> bool {
    text.starts_with(['{', '[']) && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn text(value: Value) -> Option<String> {
    let text = match value {
        Value::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        },
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::NULL | Value::Date(..) | Value::Time(..) => return None,
    };
    (!text.is_empty() && text != "-").then_some(text)
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        Value::UInt(number) => i64::try_from(*number).ok(),
        // A decimal number has its fraction behind a point.
        Value::Bytes(bytes) => std::str::from_utf8(bytes)
            .ok()?
            .split('.')
            .next()?
            .trim()
            .parse()
            .ok(),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the whole part is what is asked for"
        )]
        Value::Double(number) => Some(*number as i64),
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the whole part is what is asked for"
        )]
        Value::Float(number) => Some(*number as i64),
        Value::NULL | Value::Date(..) | Value::Time(..) => None,
    }
}

pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Double(number) => Some(*number),
        Value::Float(number) => Some(f64::from(*number)),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.trim().parse().ok(),
        #[expect(clippy::cast_precision_loss, reason = "a weight is a small number")]
        Value::Int(number) => Some(*number as f64),
        #[expect(clippy::cast_precision_loss, reason = "a weight is a small number")]
        Value::UInt(number) => Some(*number as f64),
        Value::NULL | Value::Date(..) | Value::Time(..) => None,
    }
}

/// A moment as its column has it: as a date, as seconds since 1970, or as text.
pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let moment = NaiveDate::from_ymd_opt((*year).into(), (*month).into(), (*day).into())?
                .and_hms_micro_opt(
                (*hour).into(),
                (*minute).into(),
                (*second).into(),
                *micros,
            )?;
            Some(Timestamp::from_micros(moment.and_utc().timestamp_micros()))
        }
        Value::Int(seconds) => Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000))),
        Value::UInt(seconds) => {
            let seconds = i64::try_from(*seconds).ok()?;
            Some(Timestamp::from_micros(seconds.saturating_mul(1_000_000)))
        }
        Value::Bytes(bytes) => Timestamp::parse(std::str::from_utf8(bytes).ok()?),
        Value::NULL | Value::Float(_) | Value::Double(_) | Value::Time(..) => None,
    }
}

fn headers(field: Field, value: Value) -> Option<Headers<'static>> {
    let object = format!("{{\"{}\":{}}}", field.name(), text(value)?);
    let (mut record, _) = json::read(&object).ok()?;
    match record.slot(field) {
        Slot::Headers(slot) => Some(std::mem::take(slot).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_nothing_are_nothing() {
        let bytes = |text: &str| Value::Bytes(text.into());
        let record = record(
            [
                (Field::Method, bytes("")),
                (Field::RouteName, bytes("-")),
                (Field::AiLog, bytes("null")),
                (Field::Model, Value::NULL),
                (Field::StartTime, Value::Date(0, 0, 0, 0, 0, 0, 0)),
                (Field::Path, bytes("/")),
                (Field::InputTokens, Value::Int(0)),
            ]
            .into_iter(),
        );
        let expected = AccessRecord {
            path: Some("/".into()),
            input_tokens: Some(0),
            ..AccessRecord::default()
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn json_that_was_cut_is_absent() {
        let read = |text: &str| {
            let value = Value::Bytes(text.into());
            record(std::iter::once((Field::AiLog, value))).ai_log
        };
        for whole in [r#"{"a":[1,{"b":"\ud83d"}]} "#, "[]"] {
            assert_eq!(read(whole).as_deref(), Some(whole));
        }
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(read(&deep).as_deref(), Some(deep.as_str()));
        for broken in [r#"{"a":"b"#, "[1,", "{}{}", "{\"a\":\"\n\"}", "5", "\"a\""] {
            assert_eq!(read(broken), None, "{broken}");
        }
    }

    #[test]
    fn every_form_of_a_value_is_read() {
        let moment = Some(Timestamp::from_millis(1_774_231_801_000));
        assert_eq!(
            super::moment(&Value::Date(2026, 3, 23, 2, 10, 1, 0)),
            moment
        );
        assert_eq!(super::moment(&Value::Int(1_774_231_801)), moment);
        assert_eq!(
            super::moment(&Value::Bytes("2026-03-23 02:10:01".into())),
            moment
        );
        assert_eq!(integer(&Value::Bytes("12.50".into())), Some(12));
        assert_eq!(float(&Value::Bytes("2.5".into())), Some(2.5));
        let read = headers(
            Field::RequestHeaders,
            Value::Bytes(br#"{"a":["b","c"]}"#.to_vec()),
        );
        let pairs: Vec<_> = read.as_ref().unwrap().iter().collect();
        assert_eq!(pairs, [("a", "b"), ("a", "c")]);
    }
}
