//! One condition as SQL.
//!
//! **Invariants.** NULL fits nothing, and neither do the words that other programs write for nothing
//! (`''`, `-`). A condition on a field that the table lacks is not asked ([`reader`](super::super::reader)). Times are compared as the
//! column keeps them: with its digits, as moments or as seconds.

use gatelog_record::{Field, Kind, Timestamp};
use mysql_async::Value;

use super::super::column::{Class, Column};
use super::super::table::Table;
use super::super::value::TIMESTAMP_SECONDS;
use super::{MICROS_PER_SECOND, Statement, bound_moment};
use crate::Condition;
use crate::query::escape_like;

/// Appends the condition to a statement; `None` when no row can fit it.
pub(super) fn add(condition: &Condition, table: &Table, to: &mut Statement) -> Option<()> {
    match condition {
        Condition::TextIs(field, text) => {
            if is_nothing(text) {
                return None;
            }
            let column = as_text(table, *field)?;
            to.bind(format_args!("{column} = ?"), text);
        }
        Condition::TextContains(field, text) => {
            let pattern = format!("%{}%", escape_like(text));
            add_like(to, &as_text(table, *field)?, text, pattern);
        }
        Condition::TextStartsWith(field, text) => {
            let pattern = format!("{}%", escape_like(text));
            add_like(to, &as_text(table, *field)?, text, pattern);
        }
        Condition::IntegerIs(field, number) => compare(to, table, *field, "=", *number)?,
        Condition::IntegerFrom(field, number) => compare(to, table, *field, ">=", *number)?,
        Condition::IntegerTo(field, number) => compare(to, table, *field, "<=", *number)?,
        Condition::From(time) => add_from(to, table.column(Field::StartTime)?, *time)?,
        Condition::To(time) => add_to(to, table.column(Field::StartTime)?, *time)?,
        Condition::JsonIs(field, key, text) => add_json_is(to, table, *field, key, text)?,
        Condition::HasFlag(flag) => {
            if is_nothing(flag) || flag.contains(',') {
                return None;
            }
            let column = as_text(table, Field::ResponseFlags)?;
            to.bind(format_args!("FIND_IN_SET(?, {column}) > 0"), flag);
        }
    }
    Some(())
}

fn add_like(to: &mut Statement, column: &str, text: &str, pattern: String) {
    to.bind(format_args!("{column} LIKE ?"), pattern);
    // The two texts that stand for nothing would be found by these.
    if is_nothing(text) {
        to.add(format_args!(" AND {column} NOT IN ('', '-')"));
    }
}

fn add_json_is(
    to: &mut Statement,
    table: &Table,
    field: Field,
    key: &str,
    text: &str,
) -> Option<()> {
    let column = table.column(field)?;
    let name = column.quoted();
    let value = match column.class {
        Class::Json => format!("JSON_EXTRACT({name}, ?)"),
        // MySQL does not look into a text that is no JSON; others may have cut it.
        Class::Text { .. } => format!("IF(JSON_VALID({name}), JSON_EXTRACT({name}, ?), NULL)"),
        _ => return None,
    };
    let key = key.replace('\\', "\\\\").replace('"', "\\\"");
    let path = format!("$.\"{key}\"");
    to.bind(
        format_args!("JSON_TYPE({value}) NOT IN ('NULL', 'OBJECT', 'ARRAY')"),
        path.as_str(),
    );
    to.bind(format_args!(" AND JSON_UNQUOTE({value})"), path);
    to.bind(format_args!(" = ?"), text);
    Some(())
}

fn compare(
    to: &mut Statement,
    table: &Table,
    field: Field,
    operator: &str,
    number: i64,
) -> Option<()> {
    let column = table.column(field)?;
    let numeric = matches!(column.class, Class::Integer { .. } | Class::Float);
    if field.kind() != Kind::Integer || !numeric {
        return None;
    }
    to.bind(format_args!("{} {operator} ?", column.quoted()), number);
    Some(())
}

fn add_from(to: &mut Statement, column: &Column, time: Timestamp) -> Option<()> {
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
    to.bind(format_args!("{} >= ?", column.quoted()), value);
    Some(())
}

fn add_to(to: &mut Statement, column: &Column, time: Timestamp) -> Option<()> {
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
    to.bind(format_args!("{} <= ?", column.quoted()), value);
    Some(())
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
