//! The lake, through the interface that the pipeline and `/query` use.

mod crash;
mod flushing;
mod model;
mod parquet;
mod querying;

use std::path::{Path, PathBuf};

use gatelog_record::{AccessRecord, RecordId, Timestamp, standard};
use gatelog_store::lake::{Config, Lake};
use gatelog_store::{Page, Query, Store as _};
use tempfile::TempDir;

use crate::letters::Taking as _;

/// 2026-03-23T02:10:01.217Z.
const NOON: i64 = 1_774_231_801_217;
const DAY: &str = "2026-03-23";

/// A lake in a directory of its own, driven from a test without async.
struct Fixture {
    directory: TempDir,
    lake: Option<Lake>,
    runtime: tokio::runtime::Runtime,
}

impl Fixture {
    /// A lake that is not opened yet.
    fn closed(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let lake = Some(Lake::new(directory.path(), config).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread();
        Self {
            directory,
            lake,
            runtime: { runtime }.build().unwrap(),
        }
    }

    fn new(config: Config) -> Self {
        let fixture = Self::closed(config);
        assert_eq!(fixture.open().unwrap(), None);
        fixture
    }

    fn lake(&self) -> &Lake {
        self.lake.as_ref().unwrap()
    }

    /// What is left when the process is gone: only what is on disk.
    fn restart(&mut self) {
        self.lake = None;
        self.lake = Some(Lake::new(self.directory.path(), Config::default()).unwrap());
    }

    fn open(&self) -> gatelog_store::Result<Option<u64>> {
        self.runtime.block_on(self.lake().open("journal"))
    }

    fn write(&self, records: &[AccessRecord<'_>], end: u64) -> gatelog_store::Result<()> {
        let rejected = self.runtime.block_on(self.lake().take(records, end))?;
        assert_eq!(rejected, []);
        Ok(())
    }

    fn flush(&self) -> gatelog_store::Result<()> {
        self.runtime.block_on(self.lake().flush(true))
    }

    fn query(&self, query: &Query) -> Page {
        self.runtime.block_on(self.lake().query(query)).unwrap()
    }

    fn total(&self) -> u64 {
        self.query(&Query::default()).total.unwrap()
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("lake")
    }

    /// The Parquet files, sorted.
    fn files(&self) -> Vec<PathBuf> {
        let entries = |path: &Path| {
            let paths = path.read_dir().unwrap();
            paths.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
        };
        let directories = entries(&self.root())
            .into_iter()
            .filter(|path| path.is_dir());
        let mut files: Vec<_> = directories.flat_map(|path| entries(&path)).collect();
        files.sort();
        files
    }
}

/// Standard records as the pipeline hands them on: with id and receive time.
fn records(numbers: std::ops::Range<u64>) -> Vec<AccessRecord<'static>> {
    let received = |number: u64| Timestamp::from_millis(NOON + number.cast_signed());
    numbers
        .map(|number| AccessRecord {
            record_id: Some(RecordId::from_bits(u128::from(number) + 1)),
            receive_time: Some(received(number)),
            ..standard::record(number, received(number))
        })
        .collect()
}
