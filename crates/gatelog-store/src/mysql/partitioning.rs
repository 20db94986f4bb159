//! Which times the partitions of a table hold.
//!
//! **Shape.** [`room`] asks `information_schema` how the table is partitioned, and the server for the
//! value of the partition's expression now. A row that no partition takes is either an odd one, or
//! the first of many, when the operator's partitions have come to their end.
//!
//! **Limits.** `RANGE COLUMNS` is judged by its first column and only if that is `start_time`. What
//! cannot be judged is taken for enough.
//!
//! **Source.** MySQL 8.0, "Partitioning" and "The `INFORMATION_SCHEMA` PARTITIONS Table"; MariaDB 10.11
//! writes the default partition of a list as `MAXVALUE`.

use std::time::Duration;

use gatelog_record::{AccessRecord, Field, Timestamp};
use mysql_async::Conn;

use super::column::{Class, Column};
use super::connection::{rows, within};
use super::error::unusable;
use super::form::Out;
use super::table::Table;
use super::value;
use crate::Result;

/// Whether a table has room for rows that come in now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It has, as far as can be told; where a row goes depends on its `start_time`.
    ForNow,
    /// It has no partitions, or they do not depend on the `start_time`.
    NotByTime,
    /// It has none: what is wrong, and the statement that helps.
    None(String),
}

/// How a table is partitioned.
#[derive(Debug)]
struct Partitioning {
    method: String,
    expression: String,
    /// What each partition holds: an upper bound or a list.
    descriptions: Vec<String>,
}

/// Refuses a table without room for rows that come in now.
pub(super) async fn check(
    conn: &mut Conn,
    table: &Table,
    now: Timestamp,
    limit: Duration,
) -> Result<()> {
    let found = within(limit, room(conn, table, now)).await;
    let doing = || format!("looking at the partitions of the table {}", table.name());
    match found.map_err(|failure| failure.into_error(&doing()))? {
        Room::None(reason) => Err(unusable(reason)),
        Room::ForNow | Room::NotByTime => Ok(()),
    }
}

/// Finds out whether a table has room for rows that come in now.
pub(super) async fn room(
    conn: &mut Conn,
    table: &Table,
    now: Timestamp,
) -> mysql_async::Result<Room> {
    let (Some(partitioning), Some(start)) = (
        Partitioning::read(conn, table.name()).await?,
        table.column(Field::StartTime),
    ) else {
        return Ok(Room::NotByTime);
    };
    if !partitioning.is_by_time(start) {
        return Ok(Room::NotByTime);
    }
    let help = match partitioning.method.as_str() {
        _ if partitioning.has_rest() => None,
        "RANGE" => match value_now(conn, &partitioning.expression, start, now).await? {
            Some(value) if !partitioning.ends_behind(value) => Some(partitioning.rest()),
            _ => None,
        },
        "RANGE COLUMNS" if partitioning.column_ends_behind(now) == Some(false) => {
            Some(partitioning.rest())
        }
        "LIST" => match value_now(conn, &partitioning.expression, start, now).await? {
            Some(value) if !partitioning.lists(value) => Some(format!("VALUES IN ({value})")),
            _ => None,
        },
        _ => None,
    };
    // The same words however often it is asked, so that the log has them once.
    Ok(help.map_or(Room::ForNow, |values| {
        Room::None(format!(
            "no partition of the table {} holds the present time; add one, such as: \
             ALTER TABLE {} ADD PARTITION (PARTITION later {values})",
            table.name(),
            table.quoted(),
        ))
    }))
}

/// The value of a partition's expression for a row that begins now; `None` if it takes more than
/// that to know it.
async fn value_now(
    conn: &mut Conn,
    expression: &str,
    start: &Column,
    now: Timestamp,
) -> mysql_async::Result<Option<i64>> {
    let record = AccessRecord {
        start_time: Some(now),
        ..AccessRecord::default()
    };
    let mut literal = Vec::new();
    value::write(&record, start, now, &mut Out::literals(&mut literal));
    let literal = String::from_utf8_lossy(&literal);
    let literal = match start.class {
        Class::DateTime { .. } | Class::Timestamp { .. } => {
            format!("CAST({literal} AS DATETIME(6))")
        }
        _ => literal.into_owned(),
    };
    let statement = format!(
        "SELECT CAST(({expression}) AS CHAR) FROM (SELECT {literal} AS {}) AS present",
        start.quoted()
    );
    let found: Vec<(Option<String>,)> = match rows(conn, &statement, ()).await {
        // It has other columns in it.
        Err(mysql_async::Error::Server(_)) => return Ok(None),
        found => found?,
    };
    let text = found.into_iter().next().and_then(|(text,)| text);
    // UNIX_TIMESTAMP has a fraction where its argument may have one.
    Ok(text.and_then(|text| text.split('.').next()?.parse().ok()))
}

impl Partitioning {
    async fn read(conn: &mut Conn, name: &str) -> mysql_async::Result<Option<Self>> {
        let statement = "SELECT partition_method, partition_expression, \
             CAST(partition_description AS CHAR) FROM information_schema.partitions \
             WHERE table_schema = DATABASE() AND table_name = ? AND partition_name IS NOT NULL \
             AND COALESCE(subpartition_ordinal_position, 1) = 1 ORDER BY partition_ordinal_position";
        let found: Vec<(Option<String>, Option<String>, Option<String>)> =
            rows(conn, statement, (name,)).await?;
        let Some((Some(method), Some(expression), _)) = found.first().cloned() else {
            return Ok(None);
        };
        Ok(Some(Self {
            method: method.to_ascii_uppercase(),
            expression,
            descriptions: found
                .into_iter()
                .filter_map(|(_, _, description)| description)
                .collect(),
        }))
    }

    fn is_by_time(&self, start: &Column) -> bool {
        let name = start.name.to_ascii_lowercase();
        self.expression.to_ascii_lowercase().contains(&name)
    }

    /// Whether one of them takes whatever no other takes.
    fn has_rest(&self) -> bool {
        let is_rest = |word: &str| {
            let word = word.trim();
            word.eq_ignore_ascii_case("MAXVALUE") || word.eq_ignore_ascii_case("DEFAULT")
        };
        self.descriptions
            .iter()
            .any(|description| description.split(',').next().is_some_and(is_rest))
    }

    /// Whether the value lies before the last upper bound; true if that is not known.
    fn ends_behind(&self, value: i64) -> bool {
        let bound = self.descriptions.last().map(|bound| bound.trim().parse());
        bound.is_none_or(|bound| bound.map_or(true, |bound: i64| value < bound))
    }

    /// The same for ranges of `start_time` itself; `None` if that is not known.
    fn column_ends_behind(&self, now: Timestamp) -> Option<bool> {
        let first = |text: &str| text.split(',').next().map(|text| text.trim().to_owned());
        let column = first(&self.expression)?;
        let column = column.trim_matches('`');
        if !column.eq_ignore_ascii_case(Field::StartTime.name()) {
            return None;
        }
        let bound = first(self.descriptions.last()?)?;
        let micros = match bound
            .strip_prefix('\'')
            .and_then(|it| it.strip_suffix('\''))
        {
            Some(text) => Timestamp::parse(text)
                .or_else(|| Timestamp::parse(&format!("{text} 00:00:00")))?
                .micros(),
            None => bound.parse::<i64>().ok()?.checked_mul(1_000_000)?,
        };
        Some(now.micros() < micros)
    }

    /// Whether one of the lists has the value.
    fn lists(&self, value: i64) -> bool {
        let value = value.to_string();
        let mut all = self.descriptions.iter().flat_map(|list| list.split(','));
        all.any(|listed| listed.trim() == value)
    }

    /// What a partition for all that comes behind the others has to say.
    fn rest(&self) -> String {
        let columns = if self.method == "RANGE COLUMNS" {
            self.expression.split(',').count()
        } else {
            1
        };
        format!(
            "VALUES LESS THAN ({})",
            vec!["MAXVALUE"; columns].join(", ")
        )
    }
}
