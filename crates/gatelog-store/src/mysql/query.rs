//! A [`Query`] as SQL.
//!
//! **Shape.** [`Plan::new`] makes two statements: one counts, one gives a page; values are bound,
//! never written into the text. In each row the first value is its number, the second the one it is
//! ordered by, the others are the columns of [`Table::read_back`].
//!
//! **Limits.** What the column's collation takes for alike (upper and lower case, with most) is
//! alike here. Without a column `id` there is no next cursor.

mod condition;
mod sort;

use std::fmt::{Arguments, Write as _};

use chrono::{DateTime, Datelike as _, Timelike as _};
use gatelog_record::{Field, Timestamp};
use mysql_async::Value;

use self::sort::SortColumn;
use super::column::Column;
use super::table::Table;
use crate::{Cursor, Paging, Query};

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
    /// Gives how many rows fit; and, if [`weighted`](Self::weighted), the sum of their weights
    /// (1 for those without one above 0) and how many have one.
    pub(super) count: Option<Statement>,
    pub(super) weighted: bool,
    /// Gives the page and, if there is one, the row behind it.
    pub(super) page: Statement,
    /// Whether rows have numbers, so that a cursor can stand for one.
    pub(super) numbered: bool,
    sort: SortColumn,
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
            condition::add(condition, table, &mut fits)?;
        }
        let name = table.quoted();
        let weight = table.column(Field::SampleWeight).map(Column::quoted);
        let count = query.count.then(|| {
            let weights = weight.as_ref().map_or(String::new(), |weight| {
                format!(", SUM(IF({weight} > 0, {weight}, 1)), SUM({weight} > 0)")
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
        let value = self.sort.cursor_value(value)?;
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
    let mut statement = Statement {
        text: format!("SELECT {}, {}", number.unwrap_or("0"), sort.expression()),
        values: fits.values,
    };
    for (_, column) in table.read_back() {
        statement.add(format_args!(", {}", column.quoted()));
    }
    statement.add(format_args!(" FROM {} WHERE {}", table.quoted(), fits.text));
    let mut offset = 0;
    match &query.paging {
        Paging::Number(page) => {
            offset = u64::from(page.saturating_sub(1)) * u64::from(query.page_size);
        }
        Paging::After(cursor) => {
            statement.text.push_str(" AND ");
            sort.add_behind(cursor, number, query.sort.descending, &mut statement);
        }
    }
    statement
        .text
        .push_str(&sort.order_by(number, query.sort.descending));
    // The row behind the page tells whether there is a next one.
    let rows = u64::from(query.page_size) + 1;
    statement.add(format_args!(" LIMIT {rows} OFFSET {offset}"));
    statement
}

impl Statement {
    fn add(&mut self, text: Arguments<'_>) {
        if self.text.write_fmt(text).is_err() {
            debug_assert!(false, "writing to a String cannot fail");
        }
    }

    /// Appends text with one bound value.
    fn bind(&mut self, text: Arguments<'_>, value: impl Into<Value>) {
        self.add(text);
        self.values.push(value.into());
    }
}

/// A moment as a bound value.
fn bound_moment(time: Timestamp) -> Value {
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
