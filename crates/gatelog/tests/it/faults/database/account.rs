//! The account is not what it was.

use std::time::Duration;

use gatelog_testkit::wait;

use super::stage::{PASSWORD, Stage, USER, dsn};

#[test]
fn a_password_that_is_changed_is_told_until_it_is_right_again() {
    let mut stage = Stage::new();
    stage.by_both_ways(|stage| {
        let change = |password| format!("ALTER USER {USER}@'%' IDENTIFIED BY '{password}'");
        stage.sql(&change("second"));
        stage.reconnect();
        let told = stage.told("Access denied for user 'collector'");
        assert!(told.starts_with("mysql cannot be used: "), "{told}");
        assert!(!told.contains(PASSWORD), "{told}");
        stage.sql(&change(PASSWORD));
    });
    // Or the process is started again with the new one.
    stage.sql(&format!("ALTER USER {USER}@'%' IDENTIFIED BY 'third'"));
    stage.reconnect();
    stage.told("Access denied");
    let dsn = dsn(&stage.server, &stage.proxy, "third", "4s");
    stage.setup = stage.setup.clone().variable("MYSQL_DSN", dsn);
    stage.kill_and_start();
    stage.recovered();
    let log = stage.gatelog().log().join("\n");
    assert!(!log.contains(PASSWORD) && !log.contains("third"), "{log}");
    assert!(stage.finish().is_empty());
}

#[test]
fn an_account_that_is_locked_or_gone_is_told_until_it_is_back() {
    let stage = Stage::new();
    stage.sql(&format!("ALTER USER {USER}@'%' ACCOUNT LOCK"));
    stage.reconnect();
    stage.told("mysql cannot be used");
    stage.sql(&format!("ALTER USER {USER}@'%' ACCOUNT UNLOCK"));
    stage.recovered();
    stage.sql(&format!("RENAME USER {USER}@'%' TO other@'%'"));
    stage.reconnect();
    stage.told("mysql cannot be used");
    stage.sql(&format!("RENAME USER other@'%' TO {USER}@'%'"));
    stage.recovered();
    assert!(stage.finish().is_empty());
}

#[test]
fn a_right_to_insert_that_is_taken_away_is_told_until_it_is_back() {
    let stage = Stage::new();
    stage.by_both_ways(|stage| {
        stage.sql(&format!(
            "REVOKE INSERT ON logs.* FROM {USER}@'%';
             GRANT INSERT ON logs.gatelog_position TO {USER}@'%'"
        ));
        // Rights to a whole database are those of the moment when it was chosen.
        stage.reconnect();
        let connected = || {
            let log = stage.gatelog().log();
            let is_such = |line: &&String| line.contains("connected to the database");
            log.iter().filter(is_such).count()
        };
        let told = stage.told("INSERT command denied");
        assert!(told.contains("access_logs"), "{told}");
        // Each attempt connects, and one of them is told.
        let before = connected();
        let attempts = stage.errors() + 3;
        let tried = wait::until("three attempts", Duration::from_mins(1), || {
            let errors = stage.errors();
            (errors >= attempts).then_some(()).ok_or(errors)
        });
        tried.unwrap();
        assert!(connected() <= before + 1, "{} connections", connected());
        stage.sql(&format!("GRANT INSERT ON logs.* TO {USER}@'%'"));
        stage.reconnect();
    });
    assert!(stage.finish().is_empty());
}

/// Without the right to the positions it is at least once, and said so; it stays exactly once as
/// long as the process lives and no commit is in doubt.
#[test]
fn without_the_right_to_the_positions_it_is_at_least_once_and_said() {
    let mut stage = Stage::new();
    let exactly_once = |stage: &Stage| stage.ready().1["stores"][0]["exactly_once"] == true;
    assert!(exactly_once(&stage));
    stage.rig.down();
    stage.drained();
    stage.sql(&format!(
        "REVOKE INSERT, UPDATE, CREATE ON logs.* FROM {USER}@'%';
         GRANT INSERT ON logs.access_logs TO {USER}@'%'"
    ));
    stage.reconnect();
    let words = "the position is not kept with the rows";
    stage.gatelog().wait_for_log(words).unwrap();
    stage.rig.up(stage.gatelog());
    stage.recovered();
    assert!(!exactly_once(&stage));
    stage.rig.down();
    stage.drained();
    stage.sql(&format!(
        "GRANT INSERT, UPDATE, CREATE ON logs.* TO {USER}@'%'"
    ));
    stage.reconnect();
    stage.rig.up(stage.gatelog());
    stage.recovered();
    assert!(exactly_once(&stage));
    // The new position is behind what was stored without one.
    stage.kill_and_start();
    stage.recovered();
    assert!(stage.finish().is_empty());
}
