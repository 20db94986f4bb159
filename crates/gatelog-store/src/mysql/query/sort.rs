//! The order of the rows, and the place of a cursor in it.
//!
//! **Invariants.** The order is total: rows that are alike in the sort column follow each other by
//! their number. NULL comes last both ways; MySQL takes it for the least value, so only ascending
//! orders have to say so.
//!
//! **Limits.** Texts longer than [`SORTED_CHARS`] are ordered by their first so many characters: the
//! servers order by no more than `max_sort_length` (1024) bytes, but compare whole texts, so that a
//! cursor would lose its place.

use gatelog_record::{Field, Kind, Timestamp};
use mysql_async::Value;

use super::super::column::Class;
use super::super::row;
use super::super::table::Table;
use super::{MICROS_PER_SECOND, Statement, bound_moment};
use crate::Cursor;
use crate::query::CursorValue;

/// Characters of a text that decide its place.
const SORTED_CHARS: usize = 255;

/// What rows are ordered by, besides their number.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SortColumn {
    /// The table has no such column: every row is alike.
    None,
    Some {
        /// The column, or the part of it that decides.
        expression: String,
        nullable: bool,
        kind: SortKind,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SortKind {
    Integer,
    /// Seconds in an integer column.
    Seconds,
    Moment,
    Text,
}

impl SortColumn {
    pub(super) fn of(table: &Table, field: Field) -> Self {
        let Some(column) = table.column(field) else {
            return Self::None;
        };
        let name = column.quoted();
        let (expression, kind) = match column.class {
            Class::Text { max_chars, .. } if max_chars <= SORTED_CHARS => (name, SortKind::Text),
            Class::Text { .. } | Class::Json => {
                (format!("LEFT({name}, {SORTED_CHARS})"), SortKind::Text)
            }
            Class::Integer { .. } if field.kind() == Kind::Time => (name, SortKind::Seconds),
            Class::Integer { .. } => (name, SortKind::Integer),
            Class::DateTime { .. } | Class::Timestamp { .. } => (name, SortKind::Moment),
            // No API orders by a fraction; the whole part does.
            Class::Float => (format!("CAST({name} AS SIGNED)"), SortKind::Integer),
            Class::Other => return Self::None,
        };
        Self::Some {
            expression,
            nullable: column.nullable,
            kind,
        }
    }

    /// What a row is ordered by, as a select expression.
    pub(super) fn expression(&self) -> &str {
        match self {
            Self::None => "NULL",
            Self::Some { expression, .. } => expression,
        }
    }

    pub(super) fn order_by(&self, number: Option<&str>, descending: bool) -> String {
        let direction = if descending { " DESC" } else { "" };
        let mut terms = Vec::new();
        if let Self::Some {
            expression,
            nullable,
            ..
        } = self
        {
            if *nullable && !descending {
                terms.push(format!("{expression} IS NULL"));
            }
            terms.push(format!("{expression}{direction}"));
        }
        terms.extend(number.map(|number| format!("{number}{direction}")));
        if terms.is_empty() {
            String::new()
        } else {
            format!(" ORDER BY {}", terms.join(", "))
        }
    }

    /// The value of a row's sort expression as a cursor keeps it.
    pub(super) fn cursor_value(&self, value: &Value) -> Option<CursorValue> {
        let kind = match self {
            Self::None => SortKind::Integer,
            Self::Some { kind, .. } => *kind,
        };
        Some(match (kind, value) {
            (_, Value::NULL) => CursorValue::Absent,
            (SortKind::Integer, value) => CursorValue::Integer(row::integer(value)?),
            (SortKind::Seconds | SortKind::Moment, value) => {
                // A date that is none (`0000-00-00`) is the least there is.
                CursorValue::Integer(row::moment(value).map_or(0, Timestamp::micros))
            }
            (SortKind::Text, Value::Bytes(text)) => {
                CursorValue::Text(String::from_utf8(text.clone()).ok()?)
            }
            (SortKind::Text, _) => return None,
        })
    }

    /// Appends the condition that a row lies behind the cursor.
    pub(super) fn add_behind(
        &self,
        cursor: &Cursor,
        number: Option<&str>,
        descending: bool,
        to: &mut Statement,
    ) {
        let behind = if descending { '<' } else { '>' };
        let row = u64::try_from(cursor.row).unwrap_or(u64::MAX);
        // Without numbers none of the rows that are alike is behind another.
        let add_number = |to: &mut Statement| match number {
            Some(number) => to.bind(format_args!("{number} {behind} ?"), row),
            None => to.text.push_str("1 = 0"),
        };
        let Self::Some {
            expression,
            nullable,
            kind,
        } = self
        else {
            add_number(to);
            return;
        };
        if cursor.value == CursorValue::Absent {
            to.add(format_args!("{expression} IS NULL AND "));
            add_number(to);
            return;
        }
        let Some(value) = kind.bound(&cursor.value) else {
            to.text.push_str("1 = 0");
            return;
        };
        // One range of the index first, then what is left of the cursor's own value.
        to.bind(format_args!("(({expression} {behind}= ?"), value.clone());
        to.bind(format_args!(" AND ({expression} {behind} ? OR "), value);
        add_number(to);
        to.text.push_str("))");
        if *nullable {
            to.add(format_args!(" OR {expression} IS NULL"));
        }
        to.text.push(')');
    }
}

impl SortKind {
    /// A cursor's value as the column has it; `None` if the cursor belongs to another column.
    fn bound(self, value: &CursorValue) -> Option<Value> {
        match (self, value) {
            (Self::Integer, CursorValue::Integer(number)) => Some(Value::Int(*number)),
            (Self::Seconds, CursorValue::Integer(micros)) => {
                Some(Value::Int(micros.div_euclid(MICROS_PER_SECOND)))
            }
            (Self::Moment, CursorValue::Integer(micros)) => {
                Some(bound_moment(Timestamp::from_micros(*micros)))
            }
            (Self::Text, CursorValue::Text(text)) => Some(text.as_str().into()),
            _ => None,
        }
    }
}
