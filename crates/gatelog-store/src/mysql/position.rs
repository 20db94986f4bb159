//! How far each journal is stored, in a table beside the records.
//!
//! **Shape.** `gatelog_position` has a row for each journal and lane. A lane is a share of the records,
//! told by their ids ([`lane_of`]): those of a lane up to its position are stored, and no others. A
//! row is written in the transaction of the records that it stands behind, so that connections can
//! each store the records of their lanes. New lanes begin where all others stand; none is given up, as
//! that would need another right, but one connection may have several.
//!
//! **Invariants.** A commit whose answer was lost is never overlooked: the positions are read with a
//! lock, so a transaction that is still to be committed is waited for. A position that is not where it
//! was left (lost, restored, or another server's behind one name) is never written over.

use std::ops::Range;
use std::time::Duration;

use gatelog_record::AccessRecord;
use mysql_async::Conn;

use super::column::quoted;
use super::connection::{rows, run, within};
use super::error::Failure;
use super::form::Out;

const TABLE: &str = "gatelog_position";

/// More lanes nobody has made.
const MOST_LANES: usize = 64;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS gatelog_position (
  journal CHAR(36) NOT NULL,
  lane INT NOT NULL,
  position BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (journal, lane)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";

/// Whether positions can be kept with the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// They can, and this is where the journal's lanes stand; none if nothing is stored.
    WithTheRows(Vec<u64>),
    /// They cannot, and this is why.
    Not(String),
}

/// Which of `lanes` lanes a record belongs to.
pub(super) fn lane_of(record: &AccessRecord<'_>, lanes: usize) -> usize {
    // Below are the bits of the process, above them those that count.
    let count = record.record_id.map_or(0, |id| id.bits() >> 42);
    // There are fewer lanes than numbers of 32 bits.
    usize::try_from(count % lanes.max(1) as u128).unwrap_or(0)
}

/// The statement that puts all of these lanes at a position, wherever they were before.
pub(super) fn put(journal: &str, lanes: usize, position: u64) -> String {
    format!(
        "{} ON DUPLICATE KEY UPDATE `position` = {position}",
        insert(journal, 0..lanes, position)
    )
}

/// The statement that begins lanes.
pub(super) fn insert(journal: &str, lanes: Range<usize>, position: u64) -> String {
    let journal = literal(journal);
    let rows: Vec<_> = lanes
        .map(|lane| format!("({journal}, {lane}, {position})"))
        .collect();
    format!(
        "INSERT INTO {TABLE} (journal, lane, `position`) VALUES {}",
        rows.join(", ")
    )
}

/// The statement that moves lanes on from where each is known to be. It changes a row for each of
/// them, or somebody else has moved one, or it is lost.
pub(super) fn step(journal: &str, lanes: &[(usize, u64)], to: u64) -> String {
    let journal = literal(journal);
    let places: Vec<_> = lanes
        .iter()
        .map(|(lane, from)| format!("lane = {lane} AND `position` = {from}"))
        .collect();
    format!(
        // A scan of a table of few rows would lock the lanes of others.
        "UPDATE {TABLE} FORCE INDEX (PRIMARY) SET `position` = {to} WHERE journal = {journal} AND ({})",
        places.join(" OR ")
    )
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
        "SELECT lane, `position` FROM {} FORCE INDEX (PRIMARY) WHERE journal = ? ORDER BY lane \
         FOR UPDATE",
        quoted(TABLE)
    );
    let found: Vec<(i64, u64)> = within(limit, rows(conn, &select, (journal,))).await?;
    // Whether it may be written shows now, and leaves no trace.
    run(conn, limit, put(journal, 1, 0).as_bytes()).await?;
    run(conn, limit, b"ROLLBACK").await?;
    let positions: Vec<_> = found.iter().map(|(_, position)| *position).collect();
    let (Some((last, _)), Some(least)) = (found.last(), positions.iter().min()) else {
        return Ok(Kept::WithTheRows(Vec::new()));
    };
    let lanes = usize::try_from(last.saturating_add(1)).unwrap_or(0);
    if !(1..=MOST_LANES).contains(&lanes) {
        return Ok(Kept::Not(format!(
            "{TABLE} has lane {last} of journal {journal}, and there are none but 0 to {}",
            MOST_LANES - 1
        )));
    }
    if lanes == positions.len() {
        return Ok(Kept::WithTheRows(positions));
    }
    // One is lost between others. They stood together, but for a moment.
    tracing::warn!(
        journal,
        "the database has lost the position of a lane; some records may be stored twice"
    );
    run(conn, limit, put(journal, lanes, *least).as_bytes()).await?;
    Ok(Kept::WithTheRows(vec![*least; lanes]))
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
