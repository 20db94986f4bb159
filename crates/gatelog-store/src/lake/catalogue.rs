//! The catalogue: which files belong to the lake, and how far each journal is stored.
//!
//! **Shape.** SQLite, three tables:
//!
//! ```text
//! file      id, partition, rows, bytes, min_start, max_start, without_start,
//!           min_receive, max_receive (microseconds), min_record_id, max_record_id (16 bytes),
//!           weighted_rows, weight
//! position  journal, end
//! begun     one row, once files may have been written
//! ```
//!
//! **Invariants.** New files and the journal position behind their rows are committed in one
//! transaction: a row is in a catalogued file exactly if the position lies behind it.
//!
//! **Why.** Write-ahead logging with `synchronous=FULL` syncs the log at each commit. With a
//! rollback journal the commit is the removal of a file, which the same setting does not make
//! last: a power cut could take a position back that the journal has already relied on.

use std::path::Path;

use gatelog_record::{RecordId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::failure::Failure;
use super::file::StoredFile;

/// The file's name in the lake's directory.
pub(super) const FILE_NAME: &str = "catalogue.sqlite";

/// The version of the tables that this program writes, and the only one it reads.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE file (
        id INTEGER PRIMARY KEY,
        partition TEXT NOT NULL,
        rows INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        min_start INTEGER,
        max_start INTEGER,
        without_start INTEGER NOT NULL,
        min_receive INTEGER,
        max_receive INTEGER,
        min_record_id BLOB,
        max_record_id BLOB,
        weighted_rows INTEGER NOT NULL,
        weight REAL NOT NULL
    ) STRICT;
    CREATE TABLE position (
        journal TEXT PRIMARY KEY,
        \"end\" INTEGER NOT NULL
    ) STRICT;
    PRAGMA user_version = 1;
";

const BEGUN: &str = "
    CREATE TABLE IF NOT EXISTS begun (
        once INTEGER PRIMARY KEY CHECK (once = 1)
    ) STRICT;
";

/// The open catalogue.
#[derive(Debug)]
pub(super) struct Catalogue {
    connection: Connection,
}

impl Catalogue {
    /// Opens the catalogue in the lake's directory, or creates it.
    pub(super) fn open(root: &Path) -> Result<Self, Failure> {
        let mut connection = Connection::open(root.join(FILE_NAME))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let transaction = connection.transaction()?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => transaction.execute_batch(TABLES)?,
            VERSION => {}
            newer => {
                return Err(Failure::unusable(format!(
                    "the catalogue has version {newer}, this program knows version {VERSION}: \
                     use the gatelog that wrote it, or a newer one"
                )));
            }
        }
        transaction.execute_batch(BEGUN)?;
        transaction.commit()?;
        Ok(Self { connection })
    }

    /// Whether files may have been written for this catalogue, entered or not.
    pub(super) fn has_begun(&self) -> Result<bool, Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM begun) OR EXISTS (SELECT 1 FROM file)
                 OR EXISTS (SELECT 1 FROM position)",
        )?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// Notes, for good, that files may be written from now on.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        self.connection
            .execute("INSERT OR IGNORE INTO begun VALUES (1)", [])?;
        Ok(())
    }

    /// The files, oldest number first.
    pub(super) fn files(&self) -> Result<Vec<StoredFile>, Failure> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, partition, rows, bytes, min_start, max_start, without_start,
                    min_receive, max_receive, min_record_id, max_record_id,
                    weighted_rows, weight
             FROM file ORDER BY id",
        )?;
        let files = statement.query_map([], read_file)?;
        Ok(files.collect::<Result<_, _>>()?)
    }

    /// How far a journal is stored; `None` if nothing of it is.
    pub(super) fn position(&self, journal: &str) -> Result<Option<u64>, Failure> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT \"end\" FROM position WHERE journal = ?1")?;
        let end: Option<i64> = statement
            .query_row([journal], |row| row.get(0))
            .optional()?;
        Ok(end.map(i64::cast_unsigned))
    }

    /// Enters files, and the position of the journal behind their rows.
    pub(super) fn commit(
        &mut self,
        files: &[StoredFile],
        journal: &str,
        end: u64,
    ) -> Result<(), Failure> {
        let transaction = self.connection.transaction()?;
        for file in files {
            let (min_start, max_start) = micros(file.start);
            let (min_receive, max_receive) = micros(file.receive);
            let (min_id, max_id) = file.ids.unzip();
            let bytes = |id: RecordId| id.bits().to_be_bytes();
            transaction
                .prepare_cached(
                    "INSERT INTO file VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
                )?
                .execute(params![
                    file.id,
                    file.partition,
                    file.rows.cast_signed(),
                    file.bytes.cast_signed(),
                    min_start,
                    max_start,
                    file.without_start.cast_signed(),
                    min_receive,
                    max_receive,
                    min_id.map(bytes),
                    max_id.map(bytes),
                    file.weighted_rows.cast_signed(),
                    file.weight,
                ])?;
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO position VALUES (?1, ?2)")?
            .execute(params![journal, end.cast_signed()])?;
        Ok(transaction.commit()?)
    }
}

fn micros(range: Option<(Timestamp, Timestamp)>) -> (Option<i64>, Option<i64>) {
    range
        .map(|(least, greatest)| (least.micros(), greatest.micros()))
        .unzip()
}

fn read_file(row: &Row<'_>) -> rusqlite::Result<StoredFile> {
    let times = |least: &str, greatest: &str| -> rusqlite::Result<_> {
        let time = |column| {
            row.get::<_, Option<i64>>(column)
                .map(|micros| micros.map(Timestamp::from_micros))
        };
        Ok(time(least)?.zip(time(greatest)?))
    };
    let id = |column: &str| -> rusqlite::Result<_> {
        row.get::<_, Option<[u8; 16]>>(column)
            .map(|bytes| bytes.map(|bytes| RecordId::from_bits(u128::from_be_bytes(bytes))))
    };
    let count = |column: &str| row.get::<_, i64>(column).map(i64::cast_unsigned);
    Ok(StoredFile {
        id: row.get("id")?,
        partition: row.get("partition")?,
        rows: count("rows")?,
        bytes: count("bytes")?,
        start: times("min_start", "max_start")?,
        without_start: count("without_start")?,
        receive: times("min_receive", "max_receive")?,
        ids: id("min_record_id")?.zip(id("max_record_id")?),
        weighted_rows: count("weighted_rows")?,
        weight: row.get("weight")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: i64) -> StoredFile {
        let millis = Timestamp::from_millis;
        StoredFile {
            id,
            partition: "2026-11-21".to_owned(),
            rows: 3,
            bytes: 4,
            start: Some((millis(5), millis(6))),
            without_start: 1,
            receive: None,
            ids: Some((RecordId::from_bits(7), RecordId::from_bits(u128::MAX))),
            weighted_rows: 2,
            weight: 2.5,
        }
    }

    #[test]
    fn files_and_position_come_back_after_reopening() {
        let root = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(root.path()).unwrap();
        assert_eq!(catalogue.position("a").unwrap(), None);
        catalogue.commit(&[file(1), file(2)], "a", 10).unwrap();
        catalogue.commit(&[], "a", 1 << 60).unwrap();
        drop(catalogue);
        let catalogue = Catalogue::open(root.path()).unwrap();
        assert_eq!(catalogue.files().unwrap(), [file(1), file(2)]);
        assert_eq!(catalogue.position("a").unwrap(), Some(1 << 60));
        assert_eq!(catalogue.position("b").unwrap(), None);
    }

    #[test]
    fn that_it_has_begun_is_known_after_reopening() {
        let root = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(root.path()).unwrap();
        assert!(!catalogue.has_begun().unwrap());
        catalogue.begin().unwrap();
        catalogue.begin().unwrap();
        drop(catalogue);
        assert!(Catalogue::open(root.path()).unwrap().has_begun().unwrap());
    }

    #[test]
    fn a_catalogue_without_the_note_has_begun_with_its_first_position() {
        let root = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(root.path()).unwrap();
        catalogue
            .connection
            .execute("DROP TABLE begun", [])
            .unwrap();
        catalogue.commit(&[], "a", 1).unwrap();
        drop(catalogue);
        assert!(Catalogue::open(root.path()).unwrap().has_begun().unwrap());
    }

    #[test]
    fn a_commit_that_fails_changes_neither_files_nor_position() {
        let root = tempfile::tempdir().unwrap();
        let mut catalogue = Catalogue::open(root.path()).unwrap();
        catalogue.commit(&[file(1)], "a", 10).unwrap();
        catalogue.commit(&[file(2), file(1)], "a", 20).unwrap_err();
        assert_eq!(catalogue.files().unwrap(), [file(1)]);
        assert_eq!(catalogue.position("a").unwrap(), Some(10));
    }

    #[test]
    fn a_newer_catalogue_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        drop(Catalogue::open(root.path()).unwrap());
        let connection = Connection::open(root.path().join(FILE_NAME)).unwrap();
        connection.pragma_update(None, "user_version", 2).unwrap();
        let failure = Catalogue::open(root.path()).unwrap_err();
        assert!(format!("{failure:?}").contains("version 2"), "{failure:?}");
    }
}
