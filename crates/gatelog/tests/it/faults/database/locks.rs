//! Other sessions hold what gatelog needs.

use std::time::Duration;

use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;

use super::stage::{RATE, Stage};
use crate::faults::rig::LANES;

/// Waits until gatelog runs a statement like this.
fn running(stage: &Stage, statement: &str) {
    let query = format!(
        "SELECT COUNT(*) FROM information_schema.processlist \
         WHERE user = 'collector' AND command <> 'Sleep' AND info LIKE '{statement}'"
    );
    wait::until(statement, Duration::from_secs(30), || {
        let count = stage.value(&query);
        if count == "0" { Err(count) } else { Ok(()) }
    })
    .unwrap();
}

#[test]
fn a_deadlock_is_lost_and_the_batch_written_again() {
    let stage = Stage::new();
    stage.sql("CREATE TABLE weight (a INT PRIMARY KEY) ENGINE=InnoDB");
    stage.by_both_ways(|stage| {
        let mut other = stage.server.session().unwrap();
        // The transaction that has changed less is the victim.
        other
            .run(
                "USE logs; START TRANSACTION; INSERT INTO weight SELECT seq FROM seq_1_to_50000; \
                 SELECT * FROM gatelog_position FOR UPDATE",
            )
            .unwrap();
        running(stage, "UPDATE gatelog_position%");
        // The rows that gatelog has written and not yet committed.
        let last = "SELECT id FROM access_logs ORDER BY id DESC LIMIT 1 FOR UPDATE";
        other.run(last).unwrap();
        stage.gatelog().wait_for_log("(error 1213)").unwrap();
        other.run("ROLLBACK").unwrap();
    });
    let log = stage.gatelog().log();
    let deadlocks = log.iter().filter(|line| line.contains("(error 1213)"));
    assert!(deadlocks.count() >= 2, "{log:?}");
    assert!(stage.finish().is_empty());
}

#[test]
fn locks_that_are_not_given_back_are_waited_for_as_long_as_it_takes() {
    let server = MariaDb::start().unwrap();
    server
        .sql("SET GLOBAL innodb_lock_wait_timeout = 1")
        .unwrap();
    let stage = Stage::with(server, &LANES, RATE, "4s");
    stage.begin();
    stage.by_both_ways(|stage| {
        let mut other = stage.server.session().unwrap();
        other
            .run("USE logs; START TRANSACTION; SELECT * FROM gatelog_position FOR UPDATE")
            .unwrap();
        stage.told("(error 1205)");
        other.run("ROLLBACK").unwrap();
    });
    assert!(stage.finish().is_empty());
}

/// As a backup does, or somebody with a client and an unfinished thought.
#[test]
fn a_table_that_is_locked_is_waited_for() {
    let stage = Stage::impatient("2s");
    stage.by_both_ways(|stage| {
        let mut other = stage.server.session().unwrap();
        other.run("USE logs; LOCK TABLES access_logs READ").unwrap();
        stage.told("no answer");
        other.run("UNLOCK TABLES").unwrap();
    });
    assert!(stage.finish().is_empty());
}
