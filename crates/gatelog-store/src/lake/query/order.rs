//! The order of rows, and places in it.
//!
//! **Invariants.** The order is total: by the sort field, absent last, and by record id, both the
//! same way round. Record ids are given in the order in which records come in.

use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, SortExpr, ident, lit};
use gatelog_record::{Field, Kind, RecordId, Timestamp};

use super::super::file::StoredFile;
use super::super::rows;
use super::super::schema::ID_BYTES;
use super::condition::moment;
use crate::query::CursorValue;
use crate::{Cursor, Sort};

/// What places a row in an order, and finds it again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    /// The row's value of the sort field.
    value: CursorValue,
    pub(super) id: RecordId,
    start: Option<Timestamp>,
}

/// The columns that make a [`Key`].
pub(super) fn columns(sort: Field) -> impl Iterator<Item = Field> + Clone {
    let others = [Field::RecordId, Field::StartTime];
    std::iter::once(sort).chain(others.into_iter().filter(move |&field| field != sort))
}

/// The order as DataFusion takes it.
pub(super) fn sorting(sort: Sort) -> Vec<SortExpr> {
    let by = |field: Field| ident(field.name()).sort(!sort.descending, false);
    if sort.field == Field::RecordId {
        vec![by(Field::RecordId)]
    } else {
        vec![by(sort.field), by(Field::RecordId)]
    }
}

/// The keys in the rows of `batches`, which have the [`columns`] of the order.
pub(super) fn keys(batches: &[RecordBatch], sort: Field) -> Vec<Key> {
    let mut keys = Vec::new();
    for batch in batches {
        let (Some(values), Some(ids), Some(starts)) = (
            batch.column_by_name(sort.name()),
            batch.column_by_name(Field::RecordId.name()),
            batch.column_by_name(Field::StartTime.name()),
        ) else {
            continue;
        };
        for row in 0..batch.num_rows() {
            let value = match sort.kind() {
                Kind::Text | Kind::Json | Kind::Headers => {
                    rows::text(values, row).map(|text| CursorValue::Text(text.to_owned()))
                }
                Kind::Integer => rows::integer(values, row).map(CursorValue::Integer),
                Kind::Time => {
                    rows::time(values, row).map(|time| CursorValue::Integer(time.micros()))
                }
                // A float travels as its bits.
                Kind::Float => rows::float(values, row)
                    .map(|float| CursorValue::Integer(float.to_bits().cast_signed())),
                // The id itself tells the row's place.
                Kind::Id => None,
            };
            if let Some(id) = rows::id(ids, row) {
                keys.push(Key {
                    value: value.unwrap_or(CursorValue::Absent),
                    id,
                    start: rows::time(starts, row),
                });
            }
        }
    }
    keys
}

impl Key {
    /// The place behind the row.
    pub(super) fn cursor(&self, sort: Sort) -> Cursor {
        Cursor {
            sort,
            value: self.value.clone(),
            row: self.id.bits(),
        }
    }

    /// The key of the first row of a moment.
    #[cfg(test)]
    pub(super) fn of_start(start: Timestamp) -> Self {
        Self {
            value: CursorValue::Integer(start.micros()),
            id: RecordId::from_bits(0),
            start: Some(start),
        }
    }

    /// Whether the file can have the row.
    pub(super) fn may_be_in(&self, file: &StoredFile) -> bool {
        let within = file
            .ids
            .is_some_and(|(least, greatest)| (least..=greatest).contains(&self.id));
        within
            && match (self.start, file.start) {
                (Some(start), Some((least, greatest))) => (least..=greatest).contains(&start),
                (Some(_), None) => false,
                (None, _) => file.without_start > 0,
            }
    }
}

/// The row is one of those with these keys.
pub(super) fn is_one_of(keys: &[Key]) -> Expr {
    let ids = keys.iter().map(|key| lit(id(key.id))).collect();
    let is_one = ident(Field::RecordId.name()).in_list(ids, false);
    // Rows are sorted by start time within a file: a range of it saves reading most ids.
    let starts: Option<Vec<Timestamp>> = keys.iter().map(|key| key.start).collect();
    let least = starts.as_ref().and_then(|starts| starts.iter().min());
    let greatest = starts.as_ref().and_then(|starts| starts.iter().max());
    match (least, greatest) {
        (Some(least), Some(greatest)) => {
            let start = || ident(Field::StartTime.name());
            let from = start().gt_eq(moment(*least));
            from.and(start().lt_eq(moment(*greatest))).and(is_one)
        }
        _ => is_one,
    }
}

/// The row comes behind the cursor.
pub(super) fn behind(cursor: &Cursor) -> Expr {
    let Sort { field, descending } = cursor.sort;
    let further = |column: Expr, value: Expr| {
        if descending {
            column.lt(value)
        } else {
            column.gt(value)
        }
    };
    let row = lit(id(RecordId::from_bits(cursor.row)));
    let later = further(ident(Field::RecordId.name()), row);
    if field == Field::RecordId {
        return later;
    }
    let column = || ident(field.name());
    match value(cursor) {
        None => column().is_null().and(later),
        Some(value) => further(column(), value.clone())
            .or(column().eq(value).and(later))
            .or(column().is_null()),
    }
}

/// Whether the file can have rows behind the cursor, as far as its start times tell.
pub(super) fn may_hold_rows_behind(cursor: &Cursor, file: &StoredFile) -> bool {
    let CursorValue::Integer(micros) = cursor.value else {
        return true;
    };
    if cursor.sort.field != Field::StartTime || file.without_start > 0 {
        return true;
    }
    let time = Timestamp::from_micros(micros);
    file.start.is_some_and(|(least, greatest)| {
        if cursor.sort.descending {
            least <= time
        } else {
            greatest >= time
        }
    })
}

/// The cursor's value as one of its column; `None` where the field is absent.
fn value(cursor: &Cursor) -> Option<Expr> {
    match (&cursor.value, cursor.sort.field.kind()) {
        (CursorValue::Integer(number), Kind::Integer) => Some(lit(*number)),
        (CursorValue::Integer(micros), Kind::Time) => Some(moment(Timestamp::from_micros(*micros))),
        (CursorValue::Integer(bits), Kind::Float) => {
            Some(lit(f64::from_bits(bits.cast_unsigned())))
        }
        (CursorValue::Text(text), Kind::Text | Kind::Json | Kind::Headers) => {
            Some(lit(text.as_str()))
        }
        _ => None,
    }
}

fn id(id: RecordId) -> ScalarValue {
    ScalarValue::FixedSizeBinary(ID_BYTES, Some(id.bits().to_be_bytes().to_vec()))
}
