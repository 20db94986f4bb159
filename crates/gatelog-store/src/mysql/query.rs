//! A [`Query`] as SQL.
//!
//! **Shape.** [`Plan::new`] makes two statements: one counts, one gives a page; values are bound,
//! never written into the text. In each row the first value is its number, the second the one it is
//! ordered by, the others are the columns of [`Table::read_back`].
//!
//! **Invariants.** The order is total: rows that are alike in the sort column follow each other by
//! their number. NULL comes last both ways; MySQL takes it for the least value, so only ascending
//! orders have to say so.
//!
//! **Limits.** Texts longer than [`SORTED_CHARS`] are ordered by their first so many characters:
//! the servers themselves compare no more than `max_sort_length` (1024) bytes, but do not say so in
//! comparisons. Without a column `id` ties are in no order, and there is no next cursor.
//! What MySQL's collation takes for alike (upper and lower case, with most) is alike here.

use std::fmt::Write as _;

use gatelog_record::{Field, Kind, Timestamp};
use mysql_async::Value;

use super::column::{Class, Column};
use super::table::Table;
use super::value::TIMESTAMP_SECONDS;
use crate::query::escape_like;
use crate::{Condition, Cursor, Paging, Query, query::CursorValue};

/// Characters of a text that decide its place.
const SORTED_CHARS: usize = 255;

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A statement with its bound values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) values: Vec<Value>,
}

/// How a query is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// Gives how many rows fit; and, if [`weighted`](Self::weighted), the sum of their weights and
    /// how many have one.
    pub(super) count: Option<Statement>,
    pub(super) weighted: bool,
    /// Gives the page and, if there is one, the row behind it.
    pub(super) page: Statement,
    /// Whether rows have numbers, so that a cursor can stand for one.
    pub(super) numbered: bool,
    sort: SortColumn,
}

/// What rows are ordered by, besides their number.
#[derive(Clone, Debug, PartialEq)]
enum SortColumn {
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
enum SortKind {
    Integer,
    /// Seconds in an integer column.
    Seconds,
    Moment,
    Text,
}

impl Plan {
    /// The plan for a table; `None` when no row can fit.
    pub(super) fn new(query: &Query, table: &Table) -> Option<Self> {
        let mut fits = Statement {
            text: String::from("1 = 1"),
            values: Vec::new(),
        };
        for condition in &query.conditions {
            fits.text.push_str(" AND ");
            fits.add_condition(condition, table)?;
        }
        let name = table.quoted();
        let weight = table.column(Field::SampleWeight).map(Column::quoted);
        let count = query.count.then(|| {
            let weights = weight.as_ref().map_or(String::new(), |weight| {
                format!(", SUM(COALESCE({weight}, 1)), COUNT({weight})")
            });
            Statement {
                text: format!("SELECT COUNT(*){weights} FROM {name} WHERE {}", fits.text),
                values: fits.values.clone(),
            }
        });
        let sort = SortColumn::of(table, query.sort.field);
        let number = table.row_number();
        Some(Self {
            count,
            weighted: weight.is_some(),
            page: page(query, table, fits, &sort, number.as_deref()),
            numbered: number.is_some(),
            sort,
        })
    }

    /// The place behind a row, of which these are the first two values.
    pub(super) fn cursor(&self, query: &Query, number: &Value, value: &Value) -> Option<Cursor> {
        let row = match number {
            Value::Int(number) => u128::try_from(*number).ok()?,
            Value::UInt(number) => u128::from(*number),
            _ => return None,
        };
        let kind = match &self.sort {
            SortColumn::None => SortKind::Integer,
            SortColumn::Some { kind, .. } => *kind,
        };
        let value = match (kind, value) {
            (_, Value::NULL) => CursorValue::Absent,
            (SortKind::Integer, Value::Int(number)) => CursorValue::Integer(*number),
            (SortKind::Integer, Value::UInt(number)) => {
                CursorValue::Integer(i64::try_from(*number).ok()?)
            }
            (SortKind::Seconds, Value::Int(seconds)) => {
                CursorValue::Integer(seconds.checked_mul(MICROS_PER_SECOND)?)
            }
            (SortKind::Seconds, Value::UInt(seconds)) => {
                CursorValue::Integer(i64::try_from(*seconds).ok()?.checked_mul(MICROS_PER_SECOND)?)
            }
            (SortKind::Moment, value) => {
                CursorValue::Integer(super::row::moment(value).map_or(0, Timestamp::micros))
            }
            (SortKind::Text, Value::Bytes(text)) => {
                CursorValue::Text(String::from_utf8(text.clone()).ok()?)
            }
            _ => return None,
        };
        Some(Cursor {
            sort: query.sort,
            value,
            row,
        })
    }
}

fn page(
    query: &Query,
    table: &Table,
    fits: Statement,
    sort: &SortColumn,
    number: Option<&str>,
) -> Statement {
    let columns: String = table
        .read_back()
        .map(|(_, column)| format!(", {}", column.quoted()))
        .collect();
    let mut statement = Statement {
        text: format!(
            "SELECT {}, {}{columns} FROM {} WHERE {}",
            number.unwrap_or("0"),
            sort.expression(),
            table.quoted(),
            fits.text
        ),
        values: fits.values,
    };
    let mut offset = 0;
    match &query.paging {
        Paging::Number(page) => {
            offset = u64::from(page.saturating_sub(1)) * u64::from(query.page_size);
        }
        Paging::After(cursor) => {
            statement.text.push_str(" AND ");
            statement.add_behind(cursor, sort, number, query.sort.descending);
        }
    }
    statement.text.push_str(&sort.order_by(number, query.sort.descending));
    // The row behind the page tells whether there is a next one.
    let rows = u64::from(query.page_size) + 1;
    statement.add(format_args!(" LIMIT {rows} OFFSET {offset}"));
    statement
}

impl SortColumn {
    fn of(table: &Table, field: Field) -> Self {
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

    fn expression(&self) -> &str {
        match self {
            Self::None => "NULL",
            Self::Some { expression, .. } => expression,
        }
    }

    fn order_by(&self, number: Option<&str>, descending: bool) -> String {
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

impl Statement {
    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        if self.text.write_fmt(text).is_err() {
            debug_assert!(false, "writing to a String cannot fail");
        }
    }

    /// Appends text with one bound value.
    fn bind(&mut self, text: std::fmt::Arguments<'_>, value: impl Into<Value>) {
        self.add(text);
        self.values.push(value.into());
    }

    /// Appends the condition; `None` when no row can fit it.
    fn add_condition(&mut self, condition: &Condition, table: &Table) -> Option<()> {
        match condition {
            Condition::TextIs(field, text) => {
                if is_nothing(text) {
                    return None;
                }
                let column = as_text(table, *field)?;
                self.bind(format_args!("{column} = ?"), text);
            }
            Condition::TextContains(field, text) => {
                let pattern = format!("%{}%", escape_like(text));
                self.add_like(&as_text(table, *field)?, text, pattern);
            }
            Condition::TextStartsWith(field, text) => {
                let pattern = format!("{}%", escape_like(text));
                self.add_like(&as_text(table, *field)?, text, pattern);
            }
            Condition::IntegerIs(field, number) => self.compare(table, *field, "=", *number)?,
            Condition::IntegerFrom(field, number) => self.compare(table, *field, ">=", *number)?,
            Condition::IntegerTo(field, number) => self.compare(table, *field, "<=", *number)?,
            Condition::From(time) => self.add_from(table.column(Field::StartTime)?, *time)?,
            Condition::To(time) => self.add_to(table.column(Field::StartTime)?, *time)?,
            Condition::HasFlag(flag) => {
                if is_nothing(flag) || flag.contains(',') {
                    return None;
                }
                let column = as_text(table, Field::ResponseFlags)?;
                self.bind(format_args!("FIND_IN_SET(?, {column}) > 0"), flag);
            }
        }
        Some(())
    }

    fn add_like(&mut self, column: &str, text: &str, pattern: String) {
        self.bind(format_args!("{column} LIKE ?"), pattern);
        // The two texts that stand for nothing would be found by these.
        if is_nothing(text) {
            self.add(format_args!(" AND {column} NOT IN ('', '-')"));
        }
    }

    fn compare(&mut self, table: &Table, field: Field, operator: &str, number: i64) -> Option<()> {
        let column = table.column(field)?;
        let numeric = matches!(column.class, Class::Integer { .. } | Class::Float);
        if field.kind() != Kind::Integer || !numeric {
            return None;
        }
        self.bind(format_args!("{} {operator} ?", column.quoted()), number);
        Some(())
    }

    fn add_from(&mut self, column: &Column, time: Timestamp) -> Option<()> {
        // Times in the column were cut: its first one at or behind `time` is found by rounding up.
        let step = step_micros(&column.class)?;
        let micros = time.micros().checked_add(step - 1)? / step * step;
        let value = match column.class {
            Class::Timestamp { .. } if micros > TIMESTAMP_SECONDS.1 * MICROS_PER_SECOND => {
                return None;
            }
            Class::Timestamp { .. } => bound_moment(Timestamp::from_micros(
                micros.max(TIMESTAMP_SECONDS.0 * MICROS_PER_SECOND),
            )),
            Class::DateTime { .. } => bound_moment(Timestamp::from_micros(micros)),
            _ => Value::Int(micros / MICROS_PER_SECOND),
        };
        self.bind(format_args!("{} >= ?", column.quoted()), value);
        Some(())
    }

    fn add_to(&mut self, column: &Column, time: Timestamp) -> Option<()> {
        let step = step_micros(&column.class)?;
        let micros = time.micros() / step * step;
        let value = match column.class {
            Class::Timestamp { .. } if micros < TIMESTAMP_SECONDS.0 * MICROS_PER_SECOND => {
                return None;
            }
            Class::Timestamp { .. } => bound_moment(Timestamp::from_micros(
                micros.min(TIMESTAMP_SECONDS.1 * MICROS_PER_SECOND),
            )),
            Class::DateTime { .. } => bound_moment(Timestamp::from_micros(micros)),
            _ => Value::Int(micros / MICROS_PER_SECOND),
        };
        self.bind(format_args!("{} <= ?", column.quoted()), value);
        Some(())
    }

    /// Appends the condition that a row lies behind the cursor.
    fn add_behind(
        &mut self,
        cursor: &Cursor,
        sort: &SortColumn,
        number: Option<&str>,
        descending: bool,
    ) {
        let behind = if descending { '<' } else { '>' };
        let row = u64::try_from(cursor.row).unwrap_or(u64::MAX);
        let number_behind = number.map(|number| format!("{number} {behind} {row}"));
        let number_behind = number_behind.as_deref().unwrap_or("1 = 0");
        let SortColumn::Some {
            expression,
            nullable,
            kind,
        } = sort
        else {
            self.text.push_str(number_behind);
            return;
        };
        if cursor.value == CursorValue::Absent {
            self.add(format_args!("({expression} IS NULL AND {number_behind})"));
            return;
        }
        let Some(value) = kind.bound(&cursor.value) else {
            self.text.push_str("1 = 0");
            return;
        };
        // One range of the index first, then what is left of the cursor's own value.
        self.bind(format_args!("(({expression} {behind}= ?"), value.clone());
        self.bind(format_args!(" AND ({expression} {behind} ?"), value);
        self.add(format_args!(" OR {number_behind}))"));
        if *nullable {
            self.add(format_args!(" OR {expression} IS NULL"));
        }
        self.text.push(')');
    }
}

/// Whether a text stands for an absent value in tables that others wrote.
fn is_nothing(text: &str) -> bool {
    text.is_empty() || text == "-"
}

/// The field's column as text; `None` where it has none or holds a moment.
fn as_text(table: &Table, field: Field) -> Option<String> {
    let column = table.column(field)?;
    match column.class {
        Class::Text { .. } => Some(column.quoted()),
        Class::Json | Class::Integer { .. } | Class::Float if field.kind() != Kind::Time => {
            Some(format!("CAST({} AS CHAR)", column.quoted()))
        }
        _ => None,
    }
}

/// The distance of neighbouring times in a column, in microseconds.
fn step_micros(class: &Class) -> Option<i64> {
    match class {
        Class::DateTime { digits } | Class::Timestamp { digits } => {
            Some(10_i64.pow(6 - u32::try_from(*digits).ok()?.min(6)))
        }
        Class::Integer { .. } => Some(MICROS_PER_SECOND),
        _ => None,
    }
}

fn bound_moment(time: Timestamp) -> Value {
    use chrono::{DateTime, Datelike as _, Timelike as _};
    let time = DateTime::from_timestamp_micros(time.micros()).unwrap_or_default();
    // Every part is far below its type's greatest value.
    let part = |part: u32| u8::try_from(part).unwrap_or(0);
    Value::Date(
        u16::try_from(time.year()).unwrap_or(0),
        part(time.month()),
        part(time.day()),
        part(time.hour()),
        part(time.minute()),
        part(time.second()),
        time.timestamp_subsec_micros(),
    )
}
