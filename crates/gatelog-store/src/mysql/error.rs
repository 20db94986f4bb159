//! What the server's errors mean for a store: whose business they are.
//!
//! **Shape.** A [`Failure`] is what the driver gave; it is either a row's fault
//! ([`row_refused`](Failure::row_refused)) or becomes an [`Error`].
//!
//! **Invariants.** A message of the server is shown only where it cannot hold a value: many of them
//! quote what was written. The password is in none of them.
//!
//! **Source.** MySQL 8.0 "Server Error Message Reference", MariaDB "MariaDB Error Codes".

use std::time::Duration;

use mysql_async::ServerError;

use super::NAME;
use crate::Error;

/// Why a statement was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// The driver's word: the network's, or the server's.
    Driver(mysql_async::Error),
    /// Nothing came in time.
    Late(Duration),
    /// The table is not the one whose columns were read.
    Altered,
    /// The journal's position is not where it was left.
    Moved,
    /// No partition of the table holds the present time, and what helps.
    NoPartition(String),
}

impl Failure {
    /// The server's error, if it answered with one.
    pub(super) fn server(&self) -> Option<&ServerError> {
        match self {
            Self::Driver(mysql_async::Error::Server(error)) => Some(error),
            _ => None,
        }
    }

    /// Whether the account lacks a right to a table, or the table is not as it must be.
    pub(super) fn is_about_rights(&self) -> bool {
        matches!(
            self.server().map(|error| error.code),
            Some(1044 | 1054 | 1142 | 1143 | 1146 | 1227 | 1364)
        )
    }

    /// Whether the table is another one than when its columns were read.
    pub(super) fn is_about_columns(&self) -> bool {
        matches!(self.server().map(|error| error.code), Some(1054 | 1146))
    }

    /// Whether the tables are others than when the store was opened.
    pub(super) fn is_about_the_table(&self) -> bool {
        matches!(self, Self::Altered) || self.is_about_columns()
    }

    /// Whether a text was compared with a column whose character set lacks one of its characters.
    pub(super) fn is_about_characters(&self) -> bool {
        matches!(self.server().map(|error| error.code), Some(1267 | 3988))
    }

    /// Whether no partition of the table takes a row.
    pub(super) fn is_about_partitions(&self) -> bool {
        matches!(self.server().map(|error| error.code), Some(1526 | 1591))
    }

    /// What is wrong with a row, if it is the row that is wrong and not the database.
    ///
    /// `columns` are the table's: only these are named.
    pub(super) fn row_refused<'c>(&self, columns: impl Iterator<Item = &'c str>) -> Option<String> {
        let error = self.server()?;
        let what = match error.code {
            1048 | 1364 => "a value is missing",
            1118 | 1713 => "the row is larger than the table's engine takes",
            1242 => "a subquery of a trigger has more than one row",
            1062 => "a row with the same key exists",
            1105 | 1153 | 1301 if error.message.contains("max_allowed_packet") => {
                "the row is larger than max_allowed_packet"
            }
            1264 => "a number or time is out of range",
            1265 | 1292 | 1366 | 1977 => "a value does not fit the column's type",
            1406 => "a text is too long",
            1526 | 1591 => "no partition of the table takes the row",
            1644 => "a trigger refuses the row",
            3140 | 3141 | 3143 | 3144 | 3157 => "a JSON text is not what the server takes",
            3751 | 3752 | 3903..=3907 => "an index of an expression refuses the row",
            3819 | 4025 => "a CHECK constraint refuses the row",
            // Data exceptions and integrity constraints in general.
            _ if error.state.starts_with("22") || error.state.starts_with("23") => {
                "the row is refused"
            }
            _ => return None,
        };
        Some(match self.column(columns) {
            Some(column) => format!("{what} (column {column}, error {})", error.code),
            None => format!("{what} (error {})", error.code),
        })
    }

    /// The column that the server names, if it is one of these.
    pub(super) fn column<'c>(&self, columns: impl Iterator<Item = &'c str>) -> Option<&'c str> {
        column_of(&self.server()?.message, columns)
    }

    /// Whether a row was refused for a JSON text, or may have been: MariaDB checks JSON by a
    /// constraint like any other. MySQL's indexes of expressions have errors of their own.
    pub(super) fn may_be_about_json(&self) -> bool {
        matches!(
            self.server().map(|error| error.code),
            Some(3140 | 3141 | 3157 | 3751 | 3752 | 3903..=3907 | 4025)
        )
    }

    /// The store's error, for a failure at `doing` (such as "connecting to …").
    pub(super) fn into_error(self, doing: &str) -> Error {
        let server = match self {
            Self::Late(limit) => {
                return unavailable(format!("{doing}: no answer within {limit:?}"));
            }
            Self::NoPartition(reason) => return unusable(reason),
            Self::Altered => return unavailable(format!("{doing}: the table was altered")),
            Self::Moved => {
                return unavailable(format!(
                    "{doing}: the journal's position is not where it was left"
                ));
            }
            Self::Driver(mysql_async::Error::Server(error)) => error,
            // Neither has anything of a statement in its text.
            // (The driver's own words put the same two before the error's.)
            Self::Driver(mysql_async::Error::Io(error)) => {
                return unavailable(format!("{doing}: {error}"));
            }
            Self::Driver(error @ mysql_async::Error::Driver(_)) => {
                return unavailable(format!("{doing}: {error}"));
            }
            Self::Driver(_) => return unavailable(format!("{doing}: the connection failed")),
        };
        let ServerError {
            code,
            message,
            state,
        } = &server;
        match code {
            // Log-in, rights, missing databases, tables and columns, a full disk, a damaged table. What
            // an engine says (1030) is a number and the system's words for it.
            1021 | 1030 | 1044 | 1045 | 1049 | 1054 | 1114 | 1130 | 1142 | 1143 | 1146 | 1194
            | 1195 | 1227 | 1251 | 1286 | 1524 | 1698 | 1820 | 1862 | 3118 | 4151 => {
                unusable(format!("{doing}: {message} (error {code})"))
            }
            _ if state.starts_with("28") => unusable(format!("{doing}: {message} (error {code})")),
            // Too many connections, a shutdown, locks, time limits, a server that only reads.
            1040 | 1041 | 1053 | 1129 | 1203 | 1205 | 1206 | 1213 | 1226 | 1290 | 1317 | 1792
            | 1836 | 1927 | 1969 | 3024 | 3032 => {
                unavailable(format!("{doing}: {message} (error {code})"))
            }
            // What this message quotes is not known.
            _ => unavailable(format!(
                "{doing}: the server answered error {code} ({state})"
            )),
        }
    }
}

impl From<mysql_async::Error> for Failure {
    fn from(error: mysql_async::Error) -> Self {
        Self::Driver(error)
    }
}

/// It may be back in a moment.
pub(super) fn unavailable(reason: impl Into<String>) -> Error {
    Error::Unavailable {
        store: NAME,
        reason: reason.into(),
    }
}

/// The operator has to act.
pub(super) fn unusable(reason: impl Into<String>) -> Error {
    Error::Unusable {
        store: NAME,
        reason: reason.into(),
    }
}

/// The column that a message is about: the last quoted word behind its last "column", if it is one
/// of `columns`. (`Data too long for column 'path' at row 1`; MariaDB also writes
/// ``for column `db`.`access_logs`.`path` at row 1``.)
fn column_of<'c>(message: &str, mut columns: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    let (_, behind) = message.rsplit_once("olumn ")?;
    let behind = behind.split(" at row").next()?;
    let word = behind
        .split(['\'', '`', '.'])
        .rfind(|word| !word.is_empty() && !word.starts_with(' '))?;
    columns.find(|column| column.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: u16, state: &str, message: &str) -> Failure {
        Failure::Driver(mysql_async::Error::Server(ServerError {
            code,
            message: message.to_owned(),
            state: state.to_owned(),
        }))
    }

    fn refused(code: u16, state: &str, message: &str) -> Option<String> {
        failure(code, state, message).row_refused(["path", "response_code"].into_iter())
    }

    #[test]
    fn a_bad_row_is_told_with_its_column_and_without_its_value() {
        for (code, state, message, expected) in [
            (
                1406,
                "22001",
                "Data too long for column 'path' at row 11",
                "a text is too long (column path, error 1406)",
            ),
            (
                1366,
                "22007",
                "Incorrect integer value: 'secret' for column `logs`.`access_logs`.`response_code` at row 1",
                "a value does not fit the column's type (column response_code, error 1366)",
            ),
            (
                1048,
                "23000",
                "Column 'path' cannot be null",
                "a value is missing (column path, error 1048)",
            ),
            (
                4025,
                "23000",
                "CONSTRAINT `access_logs.ai_log` failed for `x`.`access_logs`",
                "a CHECK constraint refuses the row (error 4025)",
            ),
            (
                1264,
                "22003",
                "Out of range value for column 'secret' at row 1",
                "a number or time is out of range (error 1264)",
            ),
            (
                1526,
                "HY000",
                "Table has no partition for value 740064",
                "no partition of the table takes the row (error 1526)",
            ),
            (3999, "22999", "secret", "the row is refused (error 3999)"),
        ] {
            assert_eq!(refused(code, state, message).as_deref(), Some(expected));
        }
        assert_eq!(refused(1213, "40001", "Deadlock found"), None);
        assert_eq!(refused(1105, "HY000", "Unknown error"), None);
    }

    #[test]
    fn errors_go_to_whom_they_concern() {
        let unusable = failure(
            1045,
            "28000",
            "Access denied for user 'x'@'y' (using password: YES)",
        );
        assert_eq!(
            unusable.into_error("connecting").to_string(),
            "mysql cannot be used: connecting: Access denied for user 'x'@'y' (using password: YES) (error 1045)"
        );
        let busy = failure(1205, "HY000", "Lock wait timeout exceeded");
        assert!(matches!(
            busy.into_error("writing"),
            Error::Unavailable { .. }
        ));
        let odd = failure(1064, "42000", "You have an error near 'secret'");
        assert_eq!(
            odd.into_error("writing").to_string(),
            "mysql is not available: writing: the server answered error 1064 (42000)"
        );
        let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(
            Failure::Driver(gone.into())
                .into_error("writing")
                .to_string(),
            "mysql is not available: writing: Input/output error: connection reset"
        );
        let late = Failure::Late(Duration::from_secs(30));
        assert!(matches!(
            late.into_error("writing"),
            Error::Unavailable { .. }
        ));
    }
}
