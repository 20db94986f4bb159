//! How far each journal is stored, in a table beside the records.
//!
//! **Shape.** `gatelog_position` has a row for each journal and lane; gatelog writes lane 0. The row
//! is written in the transaction of the records that it stands behind.
//!
//! **Invariants.** A commit whose answer was lost is never overlooked: the position is read with a
//! lock, so a transaction that is still to be committed is waited for. A position that is not where it
//! was left (lost, restored, or another server's behind one name) is never written over.

use std::time::Duration;

use mysql_async::Conn;

use super::column::quoted;
use super::connection::{rows, run, within};
use super::error::Failure;
use super::form::Out;

const TABLE: &str = "gatelog_position";

const CREATE: &str = "CREATE TABLE IF NOT EXISTS gatelog_position (
  journal CHAR(36) NOT NULL,
  lane INT NOT NULL,
  position BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (journal, lane)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

/// Whether positions can be kept with the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// They can, and this is where the journal stands.
    WithTheRows(Option<u64>),
    /// They cannot, and this is why.
    Not(String),
}

impl Kept {
    /// Where the journal stands, if that is stored.
    pub(super) fn position(&self) -> Option<u64> {
        match self {
            Self::WithTheRows(position) => *position,
            Self::Not(_) => None,
        }
    }
}

/// The statement that puts the position wherever it was before.
pub(super) fn put(journal: &str, position: u64) -> String {
    format!(
        "INSERT INTO {TABLE} (journal, lane, `position`) VALUES ({}, 0, {position}) \
         ON DUPLICATE KEY UPDATE `position` = {position}",
        literal(journal)
    )
}

/// The statement that moves the position on from where it is known to be. It changes one row, or
/// somebody else has moved it, or it is lost.
pub(super) fn step(journal: &str, from: Option<u64>, to: u64) -> String {
    let journal = literal(journal);
    match from {
        Some(from) => format!(
            "UPDATE {TABLE} SET `position` = {to} \
             WHERE journal = {journal} AND lane = 0 AND `position` = {from}"
        ),
        None => {
            format!("INSERT INTO {TABLE} (journal, lane, `position`) VALUES ({journal}, 0, {to})")
        }
    }
}

fn literal(text: &str) -> String {
    let mut literal = Vec::new();
    Out::literals(&mut literal).text(text);
    String::from_utf8_lossy(&literal).into_owned()
}

/// Finds out where the journal stands, and makes the table where it is missing. `records` is the
/// table of records, and whether it is transactional.
pub(super) async fn find(
    conn: &mut Conn,
    (records, transactional): (&str, Option<bool>),
    journal: &str,
    limit: Duration,
) -> Result<Kept, Failure> {
    match transactional {
        Some(true) => {}
        Some(false) => {
            return Ok(Kept::Not(format!(
                "the engine of {records} has no transactions"
            )));
        }
        None => return Ok(Kept::Not(format!("the engine of {records} is not known"))),
    }
    match prepare(conn, journal, limit).await {
        Ok(kept) => Ok(kept),
        // `is_about_rights` holds for no message with a value in it.
        Err(failure) if failure.is_about_rights() => {
            // The transaction that may be open holds the table.
            run(conn, limit, b"ROLLBACK").await?;
            Ok(Kept::Not(
                failure
                    .into_error(&format!("keeping positions in {TABLE}"))
                    .to_string(),
            ))
        }
        Err(failure) => Err(failure),
    }
}

async fn prepare(conn: &mut Conn, journal: &str, limit: Duration) -> Result<Kept, Failure> {
    match transactional(conn, TABLE, limit).await? {
        Some(true) => {}
        Some(false) => {
            return Ok(Kept::Not(format!(
                "the engine of {TABLE} has no transactions"
            )));
        }
        None => {
            run(conn, limit, CREATE.as_bytes()).await?;
            tracing::info!(table = TABLE, "the table was missing and is created");
        }
    }
    run(conn, limit, b"START TRANSACTION").await?;
    let select = format!(
        "SELECT `position` FROM {} WHERE journal = ? AND lane = 0 FOR UPDATE",
        quoted(TABLE)
    );
    let found: Vec<(u64,)> = within(limit, rows(conn, &select, (journal,))).await?;
    let position = found.first().map(|(position,)| *position);
    // Whether it may be written shows now, and leaves no trace.
    run(conn, limit, put(journal, position.unwrap_or(0)).as_bytes()).await?;
    run(conn, limit, b"ROLLBACK").await?;
    Ok(Kept::WithTheRows(position))
}

/// Whether a table's engine has transactions; `None` if there is no such table, or no engine.
pub(super) async fn transactional(
    conn: &mut Conn,
    table: &str,
    limit: Duration,
) -> Result<Option<bool>, Failure> {
    let statement = "SELECT engines.transactions FROM information_schema.tables AS found \
         JOIN information_schema.engines AS engines ON engines.engine = found.engine \
         WHERE found.table_schema = DATABASE() AND found.table_name = ?";
    let found: Vec<(Option<String>,)> = within(limit, rows(conn, statement, (table,))).await?;
    Ok(found
        .first()
        .map(|(transactions,)| transactions.as_deref() == Some("YES")))
}
