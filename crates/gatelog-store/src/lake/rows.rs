//! Columns back to records.

use std::borrow::Cow;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use gatelog_record::{AccessRecord, Field, RecordId, Slot, Timestamp};

use super::headers;

/// The record in a row of a batch that has the columns of the [`schema`](super::schema::schema),
/// or some of them.
pub(super) fn record(batch: &RecordBatch, row: usize) -> AccessRecord<'static> {
    let mut record = AccessRecord::default();
    for &field in Field::ALL {
        let Some(column) = batch.column_by_name(field.name()) else {
            continue;
        };
        match record.slot(field) {
            Slot::Text(slot) | Slot::Json(slot) => {
                *slot = text(column, row).map(|text| Cow::Owned(text.to_owned()));
            }
            Slot::Integer(slot) => *slot = integer(column, row),
            Slot::Float(slot) => *slot = float(column, row),
            Slot::Time(slot) => *slot = time(column, row),
            Slot::Headers(slot) => *slot = text(column, row).map(headers::read).unwrap_or_default(),
            Slot::Id(slot) => *slot = id(column, row),
        }
    }
    record
}

/// A row's text; `None` where it is absent or the column holds something else.
pub(super) fn text(column: &dyn Array, row: usize) -> Option<&str> {
    let column = column.as_string_opt::<i32>()?;
    is_present(column, row).then(|| column.value(row))
}

/// A row's integer, as [`text`].
pub(super) fn integer(column: &dyn Array, row: usize) -> Option<i64> {
    let column = column.as_primitive_opt::<Int64Type>()?;
    is_present(column, row).then(|| column.value(row))
}

/// A row's float, as [`text`].
pub(super) fn float(column: &dyn Array, row: usize) -> Option<f64> {
    let column = column.as_primitive_opt::<Float64Type>()?;
    is_present(column, row).then(|| column.value(row))
}

/// A row's moment, as [`text`].
pub(super) fn time(column: &dyn Array, row: usize) -> Option<Timestamp> {
    let column = column.as_primitive_opt::<TimestampMicrosecondType>()?;
    is_present(column, row).then(|| Timestamp::from_micros(column.value(row)))
}

/// A row's record id, as [`text`].
pub(super) fn id(column: &dyn Array, row: usize) -> Option<RecordId> {
    let column = column.as_fixed_size_binary_opt()?;
    if !is_present(column, row) {
        return None;
    }
    let bits = column.value(row).try_into().ok()?;
    Some(RecordId::from_bits(u128::from_be_bytes(bits)))
}

/// A sample weight, if a row can have it: anything else stands for one request, as no weight does.
pub(super) fn usable_weight(weight: f64) -> Option<f64> {
    (weight.is_finite() && weight > 0.0).then_some(weight)
}

fn is_present(column: &dyn Array, row: usize) -> bool {
    row < column.len() && column.is_valid(row)
}

#[cfg(test)]
mod tests {
    use gatelog_record::{Flaws, Headers, standard};

    use super::super::columns::Columns;
    use super::*;

    #[test]
    fn every_field_comes_back() {
        let start = Timestamp::from_micros(1_774_231_801_217_001);
        let mut full = standard::record(7, start);
        for &field in Field::ALL {
            match full.slot(field) {
                Slot::Text(slot) => *slot = Some(format!("text of {}", field.name()).into()),
                Slot::Json(slot) => *slot = Some(r#"{"a": [1]}"#.into()),
                Slot::Integer(slot) => *slot = Some(i64::MIN + field as i64),
                Slot::Float(slot) => *slot = Some(2.5),
                Slot::Time(slot) => *slot = Some(start),
                Slot::Headers(slot) => {
                    *slot = Headers::new();
                    slot.push("accept", "*/*");
                    slot.push(field.name(), "\u{0}\"\u{fffd}");
                }
                Slot::Id(slot) => *slot = Some(RecordId::from_bits(u128::MAX - 1)),
            }
        }
        full.flaws = Flaws::UTF8.to_field();
        let empty = AccessRecord::default();
        let mut columns = Columns::new();
        for record in [&full, &empty, &full] {
            columns.append(record);
        }
        let batch = columns.finish().unwrap();
        assert_eq!(record(&batch, 0), full);
        assert_eq!(record(&batch, 1), empty);
        assert_eq!(record(&batch, 2), full);
        assert_eq!(columns.rows(), 0);
    }
}
