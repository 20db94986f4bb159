//! The process ends, or a connection does, while a large batch goes over several connections.

use std::collections::BTreeSet;
use std::time::Duration;

use gatelog_testkit::gatelog::Setup;
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;
use tempfile::TempDir;

use crate::service::{lines, setup};

const DEADLINE: Duration = Duration::from_mins(1);

/// Records of a run. They are there before anything is written, so that batches are large.
const RECORDS: u64 = 14_000;

fn number(server: &MariaDb, query: &str) -> u64 {
    let rows = server.sql(query).unwrap();
    rows[0][0].as_deref().unwrap().parse().unwrap()
}

/// A gatelog that writes over three connections, in batches of some thousand records.
fn setup_for(dir: &TempDir, dsn: &str) -> Setup {
    setup(dir)
        .variable("MYSQL_DSN", dsn)
        .variable("GATELOG_STORE__MYSQL__CONNECTIONS", "3")
}

/// Acknowledges the records while the database refuses the account.
fn fill(dir: &TempDir, dsn: &str) {
    let wrong = dsn.replacen("@tcp", "x@tcp", 1);
    let gatelog = setup_for(dir, &wrong).start().unwrap();
    for begin in (0..RECORDS).step_by(1000) {
        let (status, answer) = gatelog.ingest(lines(begin..begin + 1000)).unwrap();
        assert_eq!((status, answer.as_str()), (200, r#"{"accepted":1000}"#));
    }
    gatelog.kill().unwrap();
}

#[test]
fn a_process_that_ends_between_two_commits_leaves_nothing_out_and_nothing_twice() {
    let server = MariaDb::start_with(&["--innodb-autoinc-lock-mode=2".to_owned()]).unwrap();
    let mut apart = BTreeSet::new();
    // The first batch goes over one connection, those behind it over three.
    for passed in [2, 3, 4, 6] {
        let database = format!("kill_{passed}");
        let dsn = server.database(&database).unwrap();
        let dir = TempDir::new().unwrap();
        fill(&dir, &dsn);
        let mut gatelog = setup_for(&dir, &dsn)
            .variable("FAILPOINT", format!("store.before_commit=kill@{passed}"))
            .start()
            .unwrap();
        gatelog.wait_for_end(DEADLINE).unwrap();
        // What was sent may still be committed.
        wait::until("the connections to end", DEADLINE, || {
            let query = format!(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{database}'"
            );
            let left = number(&server, &query);
            if left == 0 { Ok(()) } else { Err(left) }
        })
        .unwrap();
        let positions =
            format!("SELECT COUNT(DISTINCT `position`) FROM {database}.gatelog_position");
        apart.insert(number(&server, &positions));
        let gatelog = setup_for(&dir, &dsn).start().unwrap();
        wait::until("all rows", DEADLINE, || {
            let rows = number(
                &server,
                &format!("SELECT COUNT(*) FROM {database}.access_logs"),
            );
            if rows >= RECORDS { Ok(()) } else { Err(rows) }
        })
        .unwrap();
        wait::until("all lanes to stand together", DEADLINE, || {
            let apart = number(&server, &positions);
            if apart == 1 { Ok(()) } else { Err(apart) }
        })
        .unwrap();
        drop(gatelog);
        let once = format!(
            "SELECT COUNT(*) = {RECORDS} AND COUNT(DISTINCT request_id) = {RECORDS} \
             FROM {database}.access_logs"
        );
        assert_eq!(number(&server, &once), 1, "killed at commit {passed}");
    }
    assert!(
        apart.contains(&2),
        "no kill came between two commits: {apart:?}"
    );
}

#[test]
fn a_connection_of_several_that_is_killed_leaves_nothing_out_and_nothing_twice() {
    let server = MariaDb::start_with(&["--innodb-autoinc-lock-mode=2".to_owned()]).unwrap();
    let dsn = server.database("killed").unwrap();
    let dir = TempDir::new().unwrap();
    fill(&dir, &dsn);
    let gatelog = setup_for(&dir, &dsn).start().unwrap();
    let mut kills = 0;
    wait::until("all rows", DEADLINE, || {
        let writing = server
            .sql(
                "SELECT id FROM information_schema.processlist \
                 WHERE db = 'killed' AND info LIKE 'LOAD DATA%' ORDER BY id DESC LIMIT 1",
            )
            .unwrap();
        // It may have ended by itself.
        if kills < 3
            && let Some(Some(id)) = writing.first().and_then(|row| row.first())
            && server.sql(&format!("KILL {id}")).is_ok()
        {
            kills += 1;
        }
        let rows = number(&server, "SELECT COUNT(*) FROM killed.access_logs");
        if rows >= RECORDS { Ok(()) } else { Err(rows) }
    })
    .unwrap();
    assert!(kills > 0);
    drop(gatelog);
    let once = format!(
        "SELECT COUNT(*) = {RECORDS} AND COUNT(DISTINCT request_id) = {RECORDS} \
         FROM killed.access_logs"
    );
    assert_eq!(number(&server, &once), 1);
}
