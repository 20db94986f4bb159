//! Large batches over several connections, where the server loads them beside each other.

use gatelog_record::{AccessRecord, RecordIds};
use gatelog_store::Store;
use gatelog_store::mysql::MysqlStore;
use gatelog_testkit::mariadb::MariaDb;

use super::{JOURNAL, START, runtime, standard_records, store};
use crate::letters::Taking as _;

/// A server whose loads do not wait for each other.
fn server() -> MariaDb {
    MariaDb::start_with(&["--innodb-autoinc-lock-mode=2".to_owned()]).unwrap()
}

/// Records with ids, as the journal has them.
fn records(count: u64) -> Vec<AccessRecord<'static>> {
    let ids = RecordIds::new(7);
    let mut records = standard_records(count);
    for (number, record) in records.iter_mut().enumerate() {
        record.record_id = Some(ids.next(START));
        record.trace_id = Some(number.to_string().into());
    }
    records
}

fn over(dsn: &str, connections: usize) -> MysqlStore {
    store(dsn).with_connections(connections)
}

fn numbers(server: &MariaDb, query: &str) -> Vec<u64> {
    let rows = server.sql(query).unwrap();
    let cells = rows.into_iter().flatten();
    cells.map(|cell| cell.unwrap().parse().unwrap()).collect()
}

fn loads(server: &MariaDb) -> u64 {
    let rows = server.sql("SHOW GLOBAL STATUS LIKE 'Com_load'").unwrap();
    rows[0][1].as_deref().unwrap().parse().unwrap()
}

/// Where the lanes stand, in order.
fn positions(server: &MariaDb, database: &str) -> Vec<u64> {
    let query = format!("SELECT position FROM {database}.gatelog_position ORDER BY lane");
    numbers(server, &query)
}

/// All trace ids as numbers, in order.
fn stored(server: &MariaDb, database: &str) -> Vec<u64> {
    let query = format!(
        "SELECT CAST(trace_id AS UNSIGNED) AS number FROM {database}.access_logs ORDER BY number"
    );
    numbers(server, &query)
}

#[test]
fn a_large_batch_goes_over_all_connections_and_a_small_one_over_one() {
    let server = server();
    let dsn = server.database("spread").unwrap();
    let store = over(&dsn, 3);
    let records = records(7010);
    let runtime = runtime();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    let mut tried = Vec::new();
    for (begin, end) in [(0, 2000), (2000, 2010), (2010, 4510), (4510, 7010)] {
        let refused = runtime.block_on(store.take(&records[begin..end], end as u64));
        assert_eq!(refused.unwrap(), []);
        assert_eq!(positions(&server, "spread"), [end as u64; 3]);
        assert_eq!(store.committed(), end as u64);
        tried.push(loads(&server));
    }
    // With the first one the lanes begin.
    assert_eq!(tried, [1, 2, 5, 8]);
    assert!(stored(&server, "spread").into_iter().eq(0..7010));
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(7010));
    assert_eq!(store.milestones(), [0; 0]);
}

#[test]
fn loads_that_would_wait_for_each_other_go_over_one_connection() {
    let server = MariaDb::start().unwrap();
    let dsn = server.database("queued").unwrap();
    let store = over(&dsn, 3);
    let records = records(4000);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    for end in [2000, 4000] {
        let taken = runtime.block_on(store.take(&records[end - 2000..end], end as u64));
        assert_eq!(taken.unwrap(), []);
    }
    assert_eq!(loads(&server), 2);
    assert_eq!(positions(&server, "queued"), [4000]);
}

/// What one connection's server refuses is refused alone, and nothing is stored twice.
#[test]
fn a_row_that_is_refused_in_one_lane_takes_no_other_with_it() {
    let server = server();
    let dsn = server.database("refused").unwrap();
    let store = over(&dsn, 2);
    let mut records = records(6000);
    records[3333].response_code = Some(666);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    server
        .sql("ALTER TABLE refused.access_logs ADD CHECK (response_code <> 666)")
        .unwrap();
    for (end, expected) in [(2000, vec![]), (4000, vec![1333]), (6000, vec![])] {
        let taken = runtime.block_on(store.take(&records[end - 2000..end], end as u64));
        let indexes: Vec<_> = taken.unwrap().iter().map(|refused| refused.index).collect();
        assert_eq!(indexes, expected);
        assert_eq!(positions(&server, "refused"), [end as u64; 2]);
    }
    let all_but_one = (0..6000).filter(|number| *number != 3333);
    assert!(stored(&server, "refused").into_iter().eq(all_but_one));
}

/// As after a crash between two commits.
#[test]
fn what_a_lane_lacks_is_stored_and_nothing_else() {
    let server = server();
    let dsn = server.database("behind").unwrap();
    let mut records = records(5000);
    // One that is refused, in a lane that is behind and in one that is not.
    records[4001].response_code = Some(666);
    records[4002].response_code = Some(666);
    let first = over(&dsn, 2);
    let runtime = runtime();
    runtime.block_on(first.open(JOURNAL)).unwrap();
    for end in [1000, 3000] {
        let begin = usize::try_from(first.committed()).unwrap();
        let taken = runtime.block_on(first.take(&records[begin..end], end as u64));
        assert_eq!(taken.unwrap(), []);
    }
    // A third batch of which only lane 0 was committed.
    let mut lane_0: Vec<_> = records[3000..5000]
        .iter()
        .filter(|record| record.record_id.unwrap().bits() >> 42 & 1 == 0)
        .cloned()
        .collect();
    for record in &mut lane_0 {
        record.response_code = Some(200);
    }
    let other = store(&dsn);
    runtime.block_on(other.open("another-journal")).unwrap();
    runtime.block_on(other.take(&lane_0, 1)).unwrap();
    server
        .sql(
            "USE behind; ALTER TABLE access_logs ADD CHECK (response_code <> 666);
             UPDATE gatelog_position SET position = 5000 WHERE lane = 0 AND position = 3000",
        )
        .unwrap();
    let second = over(&dsn, 2);
    assert_eq!(runtime.block_on(second.open(JOURNAL)).unwrap(), Some(3000));
    assert_eq!(second.milestones(), [5000]);
    let taken = runtime.block_on(second.take(&records[3000..5000], 5000));
    let indexes: Vec<_> = taken.unwrap().iter().map(|refused| refused.index).collect();
    let lacking = [4001, 4002]
        .into_iter()
        .filter(|place: &usize| records[*place].record_id.unwrap().bits() >> 42 & 1 == 1);
    let lacking: Vec<_> = lacking.collect();
    assert_eq!(lacking.len(), 1);
    assert_eq!(indexes, [lacking[0] - 3000]);
    let all_but_one = (0..5000).filter(|number| *number != lacking[0] as u64);
    assert!(stored(&server, "behind").into_iter().eq(all_but_one));
    assert_eq!(runtime.block_on(second.open(JOURNAL)).unwrap(), Some(5000));
    assert_eq!(second.milestones(), [0; 0]);
}

#[test]
fn lanes_come_and_none_goes() {
    let server = server();
    let dsn = server.database("lanes").unwrap();
    let records = records(8000);
    let runtime = runtime();
    // (With eight lanes over two connections a scan of the positions would cost least.)
    for (end, connections, lanes) in [(2000, 1, 1), (4000, 8, 8), (6000, 2, 8), (8000, 1, 8)] {
        let store = over(&dsn, connections);
        let begin = (end - 2000) as u64;
        let opened = runtime.block_on(store.open(JOURNAL)).unwrap();
        assert_eq!(opened.unwrap_or(0), begin);
        let before = loads(&server);
        let taken = runtime.block_on(store.take(&records[end - 2000..end], end as u64));
        assert_eq!(taken.unwrap(), []);
        assert_eq!(loads(&server) - before, connections as u64);
        assert_eq!(positions(&server, "lanes"), vec![end as u64; lanes]);
    }
    assert!(stored(&server, "lanes").into_iter().eq(0..8000));
    // A lane's position that is lost is found to be, and the others go on.
    server
        .sql("DELETE FROM lanes.gatelog_position WHERE lane = 1")
        .unwrap();
    let store = over(&dsn, 3);
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(8000));
    assert_eq!(positions(&server, "lanes"), [8000; 8]);
}

/// What one connection holds another one waits for, and the server sees no deadlock in that.
#[test]
fn a_trigger_that_changes_one_row_for_all_makes_no_batch_wait_for_itself() {
    let server = server();
    let dsn = server.database("counted").unwrap();
    let store = over(&dsn, 2);
    let records = records(6000);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    server
        .sql(
            "USE counted; CREATE TABLE summary (rows_stored BIGINT) ENGINE=InnoDB;
             INSERT INTO summary VALUES (0);
             CREATE TRIGGER summing AFTER INSERT ON access_logs FOR EACH ROW
                 UPDATE summary SET rows_stored = rows_stored + 1",
        )
        .unwrap();
    let mut tried = Vec::new();
    for end in [2000, 4000, 6000] {
        let taken = runtime.block_on(store.take(&records[end - 2000..end], end as u64));
        assert_eq!(taken.unwrap(), []);
        tried.push(loads(&server));
    }
    assert!(stored(&server, "counted").into_iter().eq(0..6000));
    assert_eq!(
        numbers(&server, "SELECT rows_stored FROM counted.summary"),
        [6000]
    );
    // The second is tried over both; the third is not.
    assert_eq!(tried, [1, 3, 3]);
}
