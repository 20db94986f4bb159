//! Deletes rows that are older than they are to be kept.
//!
//! **Shape.** [`Retention::step`] does one small piece of work, and its caller decides when the next
//! one is due. A pass is made of steps: whole partitions first (`partition`), then rows, the oldest
//! first, [`BATCH_ROWS`] at a time, until a step answers [`Step::Done`]. The rows of a step are looked
//! up without a lock and deleted by their `id`, in a transaction of their own.
//!
//! **Age** counts from the time of receipt: `receive_time`, or else `created_at`, when the row was
//! inserted. Only a table that has neither (the later forms) is judged by `start_time`, and a row for
//! which they are NULL. A row without any of these has no age and is kept.
//!
//! **Clocks.** A clock that runs ahead makes everything old. The earlier of this host's time and the
//! server's counts, and with more than [`CLOCKS_APART`] between them nothing is deleted.
//!
//! **Order.** Where the time has an index, by that. Else by `id`, as rows come in: a pass ends with
//! the first [`BATCH_ROWS`] rows of which none is too old.
//!
//! **Invariants.** The writer is not in its way: it has a connection of its own, locks only rows that
//! it deletes (`READ COMMITTED`), waits no longer than a second for a lock, and takes up what others
//! left after a failure by looking again. Nothing is kept between passes, so several collectors can
//! do it to one table.
//!
//! **Limits.** A table without a column `id` that numbers its rows is deleted from by `LIMIT`, and
//! without an index that reads the table again for each step.
//!
//! **Failure.** A missing right to delete is an error of the pass, whether a row is too old or not. An
//! error ends the pass and the connection; the next step begins anew.

mod partition;

use std::time::Duration;

use gatelog_record::{Field, Timestamp};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use self::partition::Partitions;
use super::column::{Class, Column};
use super::connection::{Door, rows, run, within};
use super::dsn::Dsn;
use super::error::{Failure, unusable};
use super::table::Table;
use crate::Error;

/// Rows in a step: some 30 ms of the server's time with the seed's ten indexes.
const BATCH_ROWS: usize = 1000;

/// Rather fail than wait: others write.
const LOCK_WAITS: &str = "SET SESSION innodb_lock_wait_timeout = 1, lock_wait_timeout = 1";

/// Rows that are looked at and stay are not locked, nor is the room between rows.
const READ_COMMITTED: &str = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// How far this host's clock and the server's may be apart.
const CLOCKS_APART: Duration = Duration::from_mins(1);

/// What a server answers whose binary log has statements and cannot have rows.
const NEEDS_ROW_LOG: u16 = 1665;

/// Deletes old rows of one table.
#[derive(Debug)]
pub struct Retention {
    door: Door,
    table_name: String,
    age: Duration,
    /// While a pass goes on.
    pass: Option<Pass>,
}

/// What a step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Deleted so many rows; there may be more.
    Deleted(u64),
    /// Dropped the partition of this name, which held old rows only.
    Dropped(String),
    /// Found nothing (more) to delete.
    Done,
}

/// A pass over the table.
#[derive(Debug)]
struct Pass {
    conn: Conn,
    clock: Clock,
    /// The table's name and that of its row number, for statements.
    table: String,
    number: Option<String>,
    /// The time up to which rows are too old, as a literal.
    cutoff: String,
    /// How far the pass has come, as a literal: a time or a number, whichever it goes by.
    behind: Option<String>,
    partitions: Partitions,
}

/// The column that tells a row's age.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Clock {
    /// The column, or two of which the second stands in for the first.
    expression: String,
    class: Class,
    indexed: bool,
}

impl Retention {
    /// Of rows older than `age`. Connects with the first step.
    pub fn new(dsn: Dsn, table: &str, age: Duration) -> Self {
        Self {
            door: Door::new(dsn),
            table_name: table.to_owned(),
            age,
            pass: None,
        }
    }

    /// Deletes at most [`BATCH_ROWS`] rows, or drops one partition.
    ///
    /// When its future is dropped, the step is done or not done, and the connection is closed.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: call again later. [`Error::Unusable`]: the operator has to act, by a
    /// grant of DELETE for one, or by setting a clock right.
    pub async fn step(&mut self, now: Timestamp) -> crate::Result<Step> {
        // Taken out, so that a step which fails or is given up ends the pass.
        let begun = match self.pass.take() {
            Some(pass) => Some(pass),
            None => self.begin(now).await?,
        };
        let Some(mut pass) = begun else {
            return Ok(Step::Done);
        };
        let step = pass
            .step(self.door.answer_timeout())
            .await
            .map_err(|failure| failure.into_error("deleting old rows"))?;
        if step != Step::Done {
            self.pass = Some(pass);
        }
        Ok(step)
    }

    /// Connects and looks at the table; `None` if there is nothing to do.
    async fn begin(&self, now: Timestamp) -> crate::Result<Option<Pass>> {
        let age = i64::try_from(self.age.as_secs()).unwrap_or(i64::MAX);
        // Whole seconds: so coarse may the column be that a time was cut to.
        let here_seconds = now.micros() / 1_000_000;
        if here_seconds <= age {
            return Ok(None);
        }
        let mut conn = self.door.connect(Duration::ZERO).await?;
        let limit = self.door.answer_timeout();
        let server_seconds = server_seconds(&mut conn, limit)
            .await
            .map_err(|failure| failure.into_error("asking the server for its time"))?;
        check_clocks(here_seconds, server_seconds)?;
        let cutoff_seconds = here_seconds.min(server_seconds).saturating_sub(age);
        let looked = self.look(&mut conn, limit).await;
        let doing = format!("looking at the table {}", self.table_name);
        let looked = looked.map_err(|failure| failure.into_error(&doing))?;
        let Some((table, indexed)) = looked else {
            return Ok(None);
        };
        let clock = Clock::of(&table, &indexed).ok_or_else(|| no_clock(&self.table_name))?;
        // So that a missing right shows now, and not when the first row is too old.
        let may_delete = format!("EXPLAIN DELETE FROM {} WHERE 1 = 0 LIMIT 1", table.quoted());
        run(&mut conn, limit, may_delete.as_bytes())
            .await
            .map_err(|failure| failure.into_error("deleting old rows"))?;
        let partitions = partition::find(&mut conn, &self.table_name, &table, cutoff_seconds);
        let partitions = within(limit, partitions)
            .await
            .map_err(|failure| failure.into_error(&doing))?;
        Ok(Some(Pass {
            cutoff: clock.literal(cutoff_seconds),
            conn,
            clock,
            table: table.quoted(),
            number: table.row_number(),
            behind: None,
            partitions,
        }))
    }

    /// Sets the session up; answers the table, if there is one, and the columns by which it has an
    /// index.
    async fn look(
        &self,
        conn: &mut Conn,
        limit: Duration,
    ) -> Result<Option<(Table, Vec<String>)>, Failure> {
        run(conn, limit, LOCK_WAITS.as_bytes()).await?;
        run(conn, limit, READ_COMMITTED.as_bytes()).await?;
        let Some(table) = within(limit, Table::read(conn, &self.table_name)).await? else {
            return Ok(None);
        };
        let statement = "SELECT DISTINCT column_name FROM information_schema.statistics \
             WHERE table_schema = DATABASE() AND table_name = ? AND seq_in_index = 1";
        let indexed = rows(conn, statement, (self.table_name.as_str(),));
        // MySQL has NULL for the part of an index that is an expression.
        let indexed: Vec<(Option<String>,)> = within(limit, indexed).await?;
        let indexed = indexed.into_iter().filter_map(|(name,)| name).collect();
        Ok(Some((table, indexed)))
    }
}

/// The server's time in seconds since 1970, whatever its time zone.
async fn server_seconds(conn: &mut Conn, limit: Duration) -> Result<i64, Failure> {
    let seconds = rows(conn, "SELECT CAST(UNIX_TIMESTAMP() AS SIGNED)", ());
    let seconds: Vec<(i64,)> = within(limit, seconds).await?;
    // A query without a table has a row; without one nothing is old.
    Ok(seconds.first().map_or(0, |(seconds,)| *seconds))
}

/// Refuses to judge by clocks of which one has to be wrong: what it takes for old would be gone.
fn check_clocks(here_seconds: i64, server_seconds: i64) -> crate::Result<()> {
    let apart_seconds = here_seconds.abs_diff(server_seconds);
    if apart_seconds <= CLOCKS_APART.as_secs() {
        return Ok(());
    }
    let side = if here_seconds > server_seconds {
        "ahead of"
    } else {
        "behind"
    };
    Err(unusable(format!(
        "the clock of this host is {apart_seconds} s {side} the server's, and none of them can be \
         trusted with the age of rows; set them right"
    )))
}

fn no_clock(table: &str) -> Error {
    unusable(format!(
        "the table {table} has no column that tells the age of a row"
    ))
}

impl Clock {
    fn of(table: &Table, indexed: &[String]) -> Option<Self> {
        let is_moment = |column: &&Column| {
            matches!(
                column.class,
                Class::DateTime { .. } | Class::Timestamp { .. }
            )
        };
        let is_time =
            |column: &&Column| is_moment(column) || matches!(column.class, Class::Integer { .. });
        let start = table.column(Field::StartTime)?;
        let column = table
            .column(Field::ReceiveTime)
            .filter(is_time)
            .or_else(|| table.column_named("created_at").filter(is_moment))
            .unwrap_or(start);
        let may_be_absent = column != start && column.nullable;
        let stands_in = may_be_absent && is_moment(&column) == is_moment(&start);
        let is_indexed = |name: &String| name.eq_ignore_ascii_case(&column.name);
        Some(Self {
            expression: if stands_in {
                format!("COALESCE({}, {})", column.quoted(), start.quoted())
            } else {
                column.quoted()
            },
            class: column.class.clone(),
            // By an index those that are absent would never be found.
            indexed: !may_be_absent && indexed.iter().any(is_indexed),
        })
    }

    /// A moment in seconds since 1970, as the column has it.
    fn literal(&self, seconds: i64) -> String {
        if matches!(self.class, Class::Integer { .. }) {
            seconds.to_string()
        } else {
            let moment = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
            format!("'{}'", moment.to_sql(0))
        }
    }
}

impl Pass {
    async fn step(&mut self, limit: Duration) -> Result<Step, Failure> {
        let (clock, cutoff) = (&self.clock.expression, &self.cutoff);
        // A row whose time is NULL has no age.
        let stays = format!("({clock} >= {cutoff} OR {clock} IS NULL)");
        let number = self.number.as_deref();
        let dropped = self
            .partitions
            .drop_next(&mut self.conn, limit, &self.table, number, &stays);
        if let Some(name) = dropped.await? {
            return Ok(Step::Dropped(name));
        }
        match &self.number {
            None => self.delete_by_limit(limit).await,
            Some(number) => {
                let number = number.clone();
                self.delete_by_number(&number, limit).await
            }
        }
    }

    async fn delete_by_limit(&mut self, limit: Duration) -> Result<Step, Failure> {
        let statement = format!(
            "DELETE FROM {} WHERE {} < {} LIMIT {BATCH_ROWS}",
            self.table, self.clock.expression, self.cutoff
        );
        let deleted = self.delete(&statement, limit).await?;
        Ok(if deleted == 0 {
            Step::Done
        } else {
            Step::Deleted(deleted)
        })
    }

    async fn delete_by_number(&mut self, number: &str, limit: Duration) -> Result<Step, Failure> {
        let select = self.select(number);
        let found: Vec<Row> = within(limit, self.conn.query(select)).await?;
        let mut old = Vec::new();
        for row in found {
            let mut values = row.unwrap().into_iter();
            let (Some(number), Some(time), Some(is_old)) =
                (values.next(), values.next(), values.next())
            else {
                continue;
            };
            let number = number.as_sql(false);
            self.behind = Some(if self.clock.indexed {
                time.as_sql(false)
            } else {
                number.clone()
            });
            if is_old != Value::NULL && is_old != Value::Bytes(b"0".to_vec()) {
                old.push(number);
            }
        }
        if old.is_empty() {
            return Ok(Step::Done);
        }
        let statement = format!(
            "DELETE FROM {} WHERE {number} IN ({}) AND {} < {}",
            self.table,
            old.join(","),
            self.clock.expression,
            self.cutoff
        );
        self.delete(&statement, limit).await.map(Step::Deleted)
    }

    /// The next rows: their number, their time, and whether that is too old.
    fn select(&self, number: &str) -> String {
        let (table, clock, cutoff) = (&self.table, &self.clock.expression, &self.cutoff);
        let (fits, order) = if self.clock.indexed {
            // Rows that were deleted lie in the index for a while; they are not passed again.
            let behind = self.behind.as_ref();
            let behind = behind.map_or(String::new(), |time| format!(" AND {clock} >= {time}"));
            (format!("{clock} < {cutoff}{behind}"), clock.as_str())
        } else {
            let behind = self.behind.as_ref();
            let behind = behind.map_or("1 = 1".to_owned(), |row| format!("{number} > {row}"));
            (behind, number)
        };
        format!(
            "SELECT {number}, {clock}, {clock} < {cutoff} FROM {table} WHERE {fits} \
             ORDER BY {order} LIMIT {BATCH_ROWS}"
        )
    }

    async fn delete(&mut self, statement: &str, limit: Duration) -> Result<u64, Failure> {
        match run(&mut self.conn, limit, statement.as_bytes()).await {
            Err(failure) if failure.server().is_some_and(|it| it.code == NEEDS_ROW_LOG) => {
                // Rows that are found by their number are locked alone all the same.
                let repeatable = b"SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ";
                run(&mut self.conn, limit, repeatable).await?;
                run(&mut self.conn, limit, statement.as_bytes()).await?;
            }
            answer => answer?,
        }
        Ok(self.conn.affected_rows())
    }
}
