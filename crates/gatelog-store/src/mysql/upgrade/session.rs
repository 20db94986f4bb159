//! Looking at the table, and running what its owner agrees to.
//!
//! **Limits.** A look takes as long as any statement of the store. An alteration may take hours and
//! is awaited for as long as the connection stands; what it may hold up others by is limited: it
//! waits [`SHORT_WAIT`] or [`LONG_WAIT`] for the statements that use the table, while all that come
//! later wait behind it.
//!
//! **Failure.** Each statement is whole or not at all. If the connection breaks, the server may go on
//! with it; another look tells.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, ServerError};

use super::found::{self, Found, FoundColumn, Index, Part};
use super::{Change, Cost, Plan, plan};
use crate::Result;
use crate::mysql::Dsn;
use crate::mysql::column::quoted;
use crate::mysql::connection::{Door, rows, within};
use crate::mysql::error::{Failure, unavailable, unusable};

/// For a statement that is done at once.
const SHORT_WAIT: Duration = Duration::from_secs(10);

/// For one that has worked for long when it has to wait: queries of a dashboard take a while.
const LONG_WAIT: Duration = Duration::from_mins(1);

/// How long a person may take to answer.
const A_PERSON_THINKS: Duration = Duration::from_hours(7);

/// Nothing ends an alteration half way; names are quoted as `found` reads them.
const SESSION: &str = "SET sql_quote_show_create = 1 /*M!100101 , max_statement_time = 0 */";

/// A connection to the database whose table may be improved.
#[derive(Debug)]
pub struct Upgrade {
    conn: Conn,
    place: String,
    server: String,
    table: Option<(TableSize, Plan)>,
    columns: Vec<String>,
}

/// How large the server thinks that the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableSize {
    /// Rows, an estimate.
    pub rows: u64,
    /// Bytes of the rows.
    pub data_bytes: u64,
    /// Bytes of the indexes.
    pub index_bytes: u64,
}

/// Why a statement was not done. The table is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Another account has to do it, or this one be allowed to.
    #[error(
        "the account may not do this: {0}; allow it (GRANT ALTER, CREATE, INDEX, INSERT ON the table), or \
         run the statement as another account"
    )]
    NoRight(String),
    /// Other statements used the table for all that time: try again.
    #[error("the table was in use for {0:?}: try again, best when no long query runs")]
    Busy(Duration),
    /// Only at a greater cost than was shown. The operator may run it without the words behind the
    /// last clause.
    #[error("the server cannot do it this way, and would hold up more than was shown: {0}")]
    NotThisWay(String),
    /// The connection is gone: look again before anything else is done.
    #[error("the connection was lost, and the server may still be doing it: {0}")]
    Lost(String),
    /// Something else, in the server's words.
    #[error("{0}")]
    Failed(String),
}

impl Upgrade {
    /// Connects and looks at the table, and changes nothing.
    ///
    /// # Errors
    /// When the database cannot be reached or used, or what has the name is no table that gatelog can
    /// write to.
    pub async fn look(dsn: Dsn, table: &str) -> Result<Self> {
        let place = dsn.to_string();
        let limit = dsn.answer_timeout();
        let door = Door::new(dsn);
        let mut conn = door.connect(A_PERSON_THINKS).await?;
        let looking = format!("looking at the table {table}");
        let looked = within(limit, look(&mut conn, table)).await;
        let looked = looked.map_err(|failure| failure.into_error(&looking))?;
        let (server, found) = looked;
        let (table, columns) = match found {
            None => (None, Vec::new()),
            Some(Seen { kind, size, found }) => {
                if !matches!(kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED") {
                    return Err(unusable(format!("{table} is no table but a {kind}")));
                }
                if found.column("start_time").is_none() {
                    return Err(unusable(format!(
                        "the table {table} has no column start_time: it is none of gatelog's"
                    )));
                }
                let columns = found.columns.iter().map(|column| column.name.clone());
                let columns = columns.collect();
                (Some((size, plan(&found))), columns)
            }
        };
        Ok(Self {
            conn,
            place,
            server,
            table,
            columns,
        })
    }

    /// User, address and database.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What the server says that it is.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The table and what could be done; `None` where there is no such table.
    pub fn table(&self) -> Option<(TableSize, &Plan)> {
        self.table.as_ref().map(|(size, plan)| (*size, plan))
    }

    /// Does one of the plan's changes.
    ///
    /// # Errors
    /// [`Refused`]; the table is then as it was.
    pub async fn apply(&mut self, change: &Change) -> std::result::Result<(), Refused> {
        let mut wait = match change.cost {
            Cost::AtOnce => SHORT_WAIT,
            Cost::Beside | Cost::Copies => LONG_WAIT,
        };
        let mut refused = Refused::Failed("there is no way to do it".to_owned());
        for statement in change.attempts() {
            let setting = format!("SET lock_wait_timeout = {}", wait.as_secs());
            self.run(&setting, wait).await?;
            match self.run(&statement, wait).await {
                Ok(()) => return Ok(()),
                Err(Refused::NotThisWay(message)) => refused = Refused::NotThisWay(message),
                Err(other) => return Err(other),
            }
            // Any other way takes its time.
            wait = LONG_WAIT;
        }
        Err(refused)
    }

    async fn run(&mut self, statement: &str, wait: Duration) -> std::result::Result<(), Refused> {
        let Err(error) = self.conn.query_drop(statement).await else {
            return Ok(());
        };
        let failure = Failure::Driver(error);
        // Whatever quotes a value is told in our words; of a row's size the server says more, and no value.
        let is_about_size = matches!(failure.server().map(|error| error.code), Some(1118 | 1713));
        if !is_about_size
            && let Some(what) = failure.row_refused(self.columns.iter().map(String::as_str))
        {
            return Err(Refused::Failed(what));
        }
        let Some(ServerError { code, message, .. }) = failure.server() else {
            return Err(Refused::Lost(
                failure.into_error("altering the table").to_string(),
            ));
        };
        let message = format!("{message} (error {code})");
        Err(match code {
            1044 | 1142 | 1143 | 1227 => Refused::NoRight(message),
            1205 => Refused::Busy(wait),
            // Not supported, in two forms; too many instant columns.
            1845 | 1846 | 4092 | 4158 => Refused::NotThisWay(message),
            1053 | 1927 => Refused::Lost(message),
            _ => Refused::Failed(message),
        })
    }

    /// Says good-bye.
    ///
    /// # Errors
    /// When the server does not hear it, which does no harm.
    pub async fn close(self) -> Result<()> {
        let limit = Duration::from_secs(1);
        within(limit, self.conn.disconnect())
            .await
            .map_err(|failure| unavailable(failure.into_error("disconnecting").to_string()))
    }
}

/// What has the table's name.
struct Seen {
    kind: String,
    size: TableSize,
    found: Found,
}

const TABLE: &str = "SELECT table_type, COALESCE(engine, ''), COALESCE(row_format, ''), \
    COALESCE(table_collation, ''), COALESCE(table_rows, 0), COALESCE(data_length, 0), \
    COALESCE(index_length, 0) FROM information_schema.tables \
    WHERE table_schema = DATABASE() AND table_name = ?";

const COLUMNS: &str = "SELECT column_name, data_type, column_type, character_maximum_length, \
    character_octet_length, datetime_precision, character_set_name, column_default, \
    generation_expression FROM information_schema.columns \
    WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position";

const INDEXES: &str = "SELECT index_name, index_type, column_name, sub_part \
    FROM information_schema.statistics WHERE table_schema = DATABASE() AND table_name = ? \
    ORDER BY index_name, seq_in_index";

type TableRow = (String, String, String, String, u64, u64, u64);

type ColumnRow = (
    String,
    String,
    String,
    Option<u64>,
    Option<u64>,
    Option<u64>,
    Option<String>,
    Option<String>,
    Option<String>,
);

/// One look: the server's version, and the table if there is one.
async fn look(conn: &mut Conn, table: &str) -> mysql_async::Result<(String, Option<Seen>)> {
    conn.query_drop(SESSION).await?;
    let version = rows::<(String,)>(conn, "SELECT VERSION()", ()).await?;
    let version = version.into_iter().next().unwrap_or_default().0;
    let described: Vec<TableRow> = rows(conn, TABLE, (table,)).await?;
    let Some(described) = described.into_iter().next() else {
        return Ok((version, None));
    };
    let (kind, engine, row_format, collation, row_count, data_bytes, index_bytes) = described;
    let mut found = Found {
        name: table.to_owned(),
        engine,
        row_format,
        collation,
        columns: columns(conn, table).await?,
        indexes: indexes(conn, table).await?,
    };
    if kind != "VIEW" {
        let show = format!("SHOW CREATE TABLE {}", quoted(table));
        let shown: Vec<(String, String)> = rows(conn, &show, ()).await?;
        let create = shown.into_iter().next().unwrap_or_default().1;
        for (name, definition) in found::definitions(&create) {
            let column = found.columns.iter_mut().find(|column| column.name == name);
            if let Some(column) = column {
                column.definition = Some(definition.to_owned());
            }
        }
    }
    let size = TableSize {
        rows: row_count,
        data_bytes,
        index_bytes,
    };
    Ok((version, Some(Seen { kind, size, found })))
}

async fn columns(conn: &mut Conn, table: &str) -> mysql_async::Result<Vec<FoundColumn>> {
    let described: Vec<ColumnRow> = rows(conn, COLUMNS, (table,)).await?;
    let column = |row: ColumnRow| {
        let (name, data_type, column_type, chars, bytes, digits, charset, default, generated) = row;
        let max_chars = chars.unwrap_or(0);
        FoundColumn {
            name,
            data_type: data_type.to_ascii_lowercase(),
            column_type,
            max_chars,
            bytes_per_char: bytes
                .unwrap_or(0)
                .checked_div(max_chars)
                .unwrap_or(1)
                .max(1),
            digits: digits.unwrap_or(0),
            charset,
            // MariaDB writes the word where MySQL has none.
            has_default: default.is_some_and(|default| default != "NULL"),
            is_generated: generated.is_some_and(|expression| !expression.is_empty()),
            definition: None,
        }
    };
    Ok(described.into_iter().map(column).collect())
}

async fn indexes(conn: &mut Conn, table: &str) -> mysql_async::Result<Vec<Index>> {
    let described: Vec<(String, String, Option<String>, Option<u64>)> =
        rows(conn, INDEXES, (table,)).await?;
    let mut indexes: Vec<Index> = Vec::new();
    for (name, index_type, column, prefix_chars) in described {
        let part = Part {
            column,
            prefix_chars,
        };
        match indexes.last_mut() {
            Some(index) if index.name == name => index.parts.push(part),
            _ => indexes.push(Index {
                name,
                is_tree: index_type == "BTREE",
                parts: vec![part],
            }),
        }
    }
    Ok(indexes)
}
