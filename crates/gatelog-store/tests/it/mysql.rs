//! The MySQL store against a real MariaDB.

mod charsets;
mod failure;
mod faults;
mod lanes;
mod load;
mod partitions;
mod query;
mod retention;
mod schema;
pub(crate) mod table;
mod tls;
mod upgrade;
mod write;

use std::future::Future;

use gatelog_record::{AccessRecord, Field, Timestamp, standard};
use gatelog_store::mysql::{DEFAULT_TABLE, Dsn, MysqlStore};
use gatelog_store::{Page, Query, Sort, Store};
use gatelog_testkit::mariadb::MariaDb;

pub(crate) const JOURNAL: &str = "6f1c1f0e-6a6c-4b0e-9a5f-000000000001";

const START: Timestamp = Timestamp::from_millis(1_774_231_801_217);

/// The shared server. It goes on running for the other tests.
pub(crate) fn server() -> &'static MariaDb {
    MariaDb::shared().unwrap()
}

pub(crate) fn store(dsn: &str) -> MysqlStore {
    let (dsn, warnings) = Dsn::parse(dsn).unwrap();
    assert_eq!(warnings, [""; 0]);
    MysqlStore::new(dsn, DEFAULT_TABLE)
}

/// The runtime of the writer, as the service has it.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Runs a future on a runtime of its own: good for everything but writing twice.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

pub(crate) fn standard_records(count: u64) -> Vec<AccessRecord<'static>> {
    (0..count)
        .map(|number| {
            let start = START.micros() + i64::try_from(number).unwrap() * 7000;
            standard::record(number, Timestamp::from_micros(start))
        })
        .collect()
}

/// All rows in the order in which they were stored.
fn all(store: &MysqlStore) -> Vec<AccessRecord<'static>> {
    let query = Query {
        // No table has this column: every row is alike in it.
        sort: Sort {
            field: Field::ClientIp,
            descending: false,
        },
        page_size: 100_000,
        ..Query::default()
    };
    let Page { total, records, .. } = block_on(store.query(&query)).unwrap();
    assert_eq!(total, Some(u64::try_from(records.len()).unwrap()));
    records
}

fn count(database: &str) -> u64 {
    let rows = server()
        .sql(&format!("SELECT COUNT(*) FROM `{database}`.access_logs"))
        .unwrap();
    rows[0][0].as_deref().unwrap().parse().unwrap()
}
