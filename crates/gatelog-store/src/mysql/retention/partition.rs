//! Partitions by time, which the operator made: old ones are dropped whole.
//!
//! **Shape.** Understood are `RANGE COLUMNS (start_time)`, `RANGE (TO_DAYS(start_time))`,
//! `RANGE (UNIX_TIMESTAMP(start_time))`, and `RANGE (start_time)` of seconds. Of any other table rows
//! are deleted as if it had no partitions.
//!
//! **Invariants.** A partition is dropped only if its upper bound is not behind the cutoff and each of
//! its rows was read and is too old as well: what was imported yesterday stays. The last partition
//! stays, whatever is in it.
//!
//! **Limits.** Nothing locks the partition while it is read. It stays if the highest number in it is
//! then another one; what is left is a row that comes into it, or is committed late, in the second that
//! dropping may wait for its lock, and one that was inserted before the reading and committed behind it.
//!
//! **Failure.** Where the account may not drop partitions (DROP, on MySQL ALTER too), their rows are
//! deleted. Where a query is reading the table, dropping is tried again in the next pass.

use std::time::Duration;

use gatelog_record::Timestamp;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use super::super::column::quoted;
use super::super::connection::{rows, run, within};
use super::super::error::Failure;
use super::super::table::Table;

/// The number that `TO_DAYS` gives the first day of 1970.
const DAYS_BEFORE_1970: i64 = 719_528;

/// How long reading a partition may take, where the DSN allows no more: nobody waits for it.
const READING_TIMEOUT: Duration = Duration::from_mins(30);

/// A lock could not be had in time.
const LOCK_WAIT_TIMEOUT: u16 = 1205;

/// The partitions of a table that are old by their bounds, the oldest last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Partitions {
    old: Vec<String>,
}

/// Name, method, expression and upper bound of a partition.
type Description = (String, Option<String>, Option<String>, Option<String>);

/// Finds the partitions with nothing in them that began after the cutoff.
pub(super) async fn find(
    conn: &mut Conn,
    name: &str,
    table: &Table,
    cutoff_seconds: i64,
) -> mysql_async::Result<Partitions> {
    // Without numbers it cannot be told whether a row has come in.
    if table.row_number().is_none() {
        return Ok(Partitions::default());
    }
    let statement = "SELECT partition_name, partition_method, partition_expression, \
         CAST(partition_description AS CHAR) FROM information_schema.partitions \
         WHERE table_schema = DATABASE() AND table_name = ? AND partition_name IS NOT NULL \
         AND COALESCE(subpartition_ordinal_position, 1) = 1 ORDER BY partition_ordinal_position";
    let found: Vec<Description> = rows(conn, statement, (name,)).await?;
    Ok(Partitions {
        old: old(found, cutoff_seconds),
    })
}

/// Those that end at the cutoff or before, the oldest last.
fn old(mut all: Vec<Description>, cutoff_seconds: i64) -> Vec<String> {
    // A table has to have one.
    all.pop();
    let is_old = |(_, method, expression, bound): &Description| {
        let bound = bound_seconds(
            method.as_deref()?,
            expression.as_deref()?,
            bound.as_deref()?,
        )?;
        (bound <= cutoff_seconds).then_some(())
    };
    let mut old: Vec<String> = all
        .into_iter()
        .take_while(|description| is_old(description).is_some())
        .map(|(name, ..)| name)
        .collect();
    old.reverse();
    old
}

/// A partition's upper bound, in seconds since 1970; `None` if it has none or is another's idea.
fn bound_seconds(method: &str, expression: &str, bound: &str) -> Option<i64> {
    let plain: String = expression
        .chars()
        .filter(|character| !matches!(character, '`' | ' '))
        .flat_map(char::to_lowercase)
        .collect();
    match (method.to_ascii_uppercase().as_str(), plain.as_str()) {
        ("RANGE COLUMNS", "start_time") => {
            let text = bound.trim().strip_prefix('\'')?.strip_suffix('\'')?;
            let moment =
                Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text} 00:00:00")))?;
            Some(moment.micros().div_euclid(1_000_000))
        }
        ("RANGE", "to_days(start_time)") => {
            let days: i64 = bound.trim().parse().ok()?;
            days.checked_sub(DAYS_BEFORE_1970)?.checked_mul(86_400)
        }
        ("RANGE", "unix_timestamp(start_time)" | "start_time") => bound.trim().parse().ok(),
        _ => None,
    }
}

impl Partitions {
    /// Drops the oldest, and answers its name, if there is one that is old in every way. `stays` is
    /// the condition of rows that are not to go.
    pub(super) async fn drop_next(
        &mut self,
        conn: &mut Conn,
        limit: Duration,
        table: &str,
        number: Option<&str>,
        stays: &str,
    ) -> Result<Option<String>, Failure> {
        let (Some(number), Some(name)) = (number, self.old.pop()) else {
            return Ok(None);
        };
        let partition = quoted(&name);
        let rows = format!("{table} PARTITION ({partition})");
        let highest = format!("SELECT MAX({number}) FROM {rows}");
        let before: Option<Row> = within(limit, conn.query_first(&highest)).await?;
        // By the time of receipt the row of the highest number need not be the youngest.
        let stays = format!("SELECT 1 FROM {rows} WHERE {stays} LIMIT 1");
        let reading = limit.max(READING_TIMEOUT);
        let stays: Option<Row> = within(reading, conn.query_first(stays)).await?;
        let after: Option<Row> = within(limit, conn.query_first(&highest)).await?;
        if stays.is_some() || before.map(Row::unwrap) != after.map(Row::unwrap) {
            self.old.clear();
            return Ok(None);
        }
        let statement = format!("ALTER TABLE {table} DROP PARTITION {partition}");
        match run(conn, limit, statement.as_bytes()).await {
            Ok(()) => Ok(Some(name)),
            Err(failure) => {
                let busy = failure
                    .server()
                    .is_some_and(|error| error.code == LOCK_WAIT_TIMEOUT);
                if !busy && !failure.is_about_rights() {
                    return Err(failure);
                }
                tracing::debug!(partition = name, "a partition is not dropped");
                self.old.clear();
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-24T00:00:00Z.
    const DAY: i64 = 1_774_310_400;

    #[test]
    fn bounds_are_read_in_every_form() {
        for (method, expression, bound) in [
            ("RANGE COLUMNS", "`start_time`", "'2026-03-24'"),
            ("RANGE COLUMNS", "`start_time`", "'2026-03-24 00:00:00'"),
            ("RANGE COLUMNS", "start_time", "'2026-03-24 00:00:00.000'"),
            ("RANGE", "to_days(`start_time`)", "740064"),
            ("RANGE", "TO_DAYS( start_time )", "740064"),
            ("RANGE", "unix_timestamp(`start_time`)", "1774310400"),
            ("RANGE", "`start_time`", "1774310400"),
        ] {
            let found = bound_seconds(method, expression, bound);
            assert_eq!(found, Some(DAY), "{method} {expression} {bound}");
        }
        for (method, expression, bound) in [
            ("RANGE", "to_days(`start_time`)", "MAXVALUE"),
            ("RANGE COLUMNS", "`start_time`", "MAXVALUE"),
            ("RANGE COLUMNS", "`start_time`,`id`", "'2026-03-24',5"),
            ("RANGE", "year(`start_time`)", "2026"),
            ("RANGE", "`id`", "1774310400"),
            ("LIST", "to_days(`start_time`)", "740064"),
            ("HASH", "`id`", "1774310400"),
        ] {
            let found = bound_seconds(method, expression, bound);
            assert_eq!(found, None, "{method} {expression} {bound}");
        }
    }

    #[test]
    fn partitions_are_old_up_to_the_cutoff_and_the_last_one_is_not() {
        let all = |bounds: &[&str]| -> Vec<Description> {
            let describe = |(index, bound): (usize, &&str)| {
                let text = |text: &str| Some(text.to_owned());
                let name = format!("p{index}");
                (name, text("RANGE"), text("`start_time`"), text(bound))
            };
            bounds.iter().enumerate().map(describe).collect()
        };
        let bounds = ["1774137600", "1774224000", "1774310400", "MAXVALUE"];
        assert_eq!(old(all(&bounds), DAY), ["p2", "p1", "p0"]);
        assert_eq!(old(all(&bounds), DAY - 1), ["p1", "p0"]);
        assert_eq!(old(all(&bounds), 0), [""; 0]);
        assert_eq!(old(all(&["1774137600"]), DAY), [""; 0]);
        assert_eq!(old(Vec::new(), DAY), [""; 0]);
    }
}
