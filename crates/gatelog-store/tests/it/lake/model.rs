//! What the answers must be: the same questions asked of a list in plain Rust.

use std::cmp::Ordering;

use gatelog_record::{AccessRecord, Field, Value};
use gatelog_store::{Condition, Query, Sort};

/// The rows that fit, in the query's order.
pub(super) fn rows(all: &[AccessRecord<'static>], query: &Query) -> Vec<AccessRecord<'static>> {
    let mut rows: Vec<_> = all
        .iter()
        .filter(|record| {
            query
                .conditions
                .iter()
                .all(|condition| fits(record, condition))
        })
        .cloned()
        .collect();
    rows.sort_by(|left, right| compare(left, right, query.sort));
    rows
}

/// How many requests the rows stand for.
pub(super) fn estimate(rows: &[AccessRecord<'_>]) -> Option<f64> {
    rows.iter().find_map(|row| row.sample_weight)?;
    Some(
        rows.iter()
            .map(|row| row.sample_weight.unwrap_or(1.0))
            .sum(),
    )
}

fn text<'r>(record: &'r AccessRecord<'_>, field: Field) -> Option<&'r str> {
    match record.get(field)? {
        Value::Text(text) | Value::Json(text) => Some(text),
        _ => None,
    }
}

fn integer(record: &AccessRecord<'_>, field: Field) -> Option<i64> {
    match record.get(field)? {
        Value::Integer(number) => Some(number),
        _ => None,
    }
}

fn fits(record: &AccessRecord<'_>, condition: &Condition) -> bool {
    let start = record.start_time;
    match condition {
        Condition::TextIs(field, wanted) => text(record, *field) == Some(wanted),
        Condition::TextContains(field, part) => {
            text(record, *field).is_some_and(|text| text.contains(part))
        }
        Condition::TextStartsWith(field, part) => {
            text(record, *field).is_some_and(|text| text.starts_with(part))
        }
        Condition::IntegerIs(field, wanted) => integer(record, *field) == Some(*wanted),
        Condition::IntegerFrom(field, least) => {
            integer(record, *field).is_some_and(|number| number >= *least)
        }
        Condition::IntegerTo(field, most) => {
            integer(record, *field).is_some_and(|number| number <= *most)
        }
        Condition::From(time) => start.is_some_and(|start| start >= *time),
        Condition::To(time) => start.is_some_and(|start| start <= *time),
        Condition::JsonIs(field, key, wanted) => text(record, *field).is_some_and(|object| {
            let object: serde_json::Value = serde_json::from_str(object).unwrap_or_default();
            match object.get(key) {
                Some(serde_json::Value::String(text)) => text == wanted,
                Some(number @ serde_json::Value::Number(_)) => {
                    number.to_string().as_str() == wanted
                }
                _ => false,
            }
        }),
        Condition::HasFlag(flag) => text(record, Field::ResponseFlags)
            .is_some_and(|flags| flags.split(',').any(|word| word == flag)),
    }
}

fn compare(left: &AccessRecord<'_>, right: &AccessRecord<'_>, sort: Sort) -> Ordering {
    let turn = |order: Ordering| {
        if sort.descending {
            order.reverse()
        } else {
            order
        }
    };
    let by_value = match (left.get(sort.field), right.get(sort.field)) {
        (Some(left), Some(right)) => turn(compare_values(left, right)),
        (left, right) => left.is_none().cmp(&right.is_none()),
    };
    by_value.then(turn(left.record_id.cmp(&right.record_id)))
}

fn compare_values(left: Value<'_>, right: Value<'_>) -> Ordering {
    match (left, right) {
        (Value::Text(left) | Value::Json(left), Value::Text(right) | Value::Json(right)) => {
            left.cmp(right)
        }
        (Value::Integer(left), Value::Integer(right)) => left.cmp(&right),
        (Value::Float(left), Value::Float(right)) => left.total_cmp(&right),
        (Value::Time(left), Value::Time(right)) => left.cmp(&right),
        (Value::Id(left), Value::Id(right)) => left.cmp(&right),
        other => panic!("not compared here: {other:?}"),
    }
}
