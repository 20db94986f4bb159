//! Somebody alters the tables while gatelog writes: it goes on with the table as it is then, and no
//! row goes to the dead letter for it.

use std::time::Duration;

use gatelog_testkit::wait;

use super::stage::Stage;

/// What is done to the columns, one after the other.
const ALTERATIONS: [&str; 12] = [
    "ADD COLUMN note VARCHAR(20)",
    // Every row must have a value now.
    "ADD COLUMN must INT NOT NULL",
    "ADD COLUMN text_must VARCHAR(10) NOT NULL",
    "DROP COLUMN trace_id",
    "CHANGE COLUMN api api_name VARCHAR(255)",
    "MODIFY COLUMN path VARCHAR(12)",
    "MODIFY COLUMN duration SMALLINT UNSIGNED",
    "MODIFY COLUMN consumer VARCHAR(255) CHARACTER SET ascii NOT NULL DEFAULT 'x'",
    "MODIFY COLUMN path TEXT",
    "MODIFY COLUMN start_time BIGINT NULL",
    "ADD COLUMN trace_id VARCHAR(4)",
    "DROP INDEX idx_start_time",
];

#[test]
fn columns_that_come_and_go_and_change_cost_no_row() {
    let stage = Stage::new();
    for (round, alteration) in ALTERATIONS.iter().enumerate() {
        stage.sql(&format!("SET GLOBAL local_infile = {}", round % 2));
        // What does not fit any more is cut, as it is in the rows to come.
        stage.sql(&format!(
            "SET sql_mode = ''; ALTER TABLE access_logs {alteration}"
        ));
        stage.wait_for_rows(150);
        stage.recovered();
    }
    let log = stage.gatelog().log().join("\n");
    // Reading a table again is no outage.
    assert!(log.contains("the store is opened again"), "{log}");
    assert!(!log.contains("takes no records"), "{log}");
    let reasons = stage.finish_by_id(&["access_logs"]);
    assert!(reasons.is_empty(), "{reasons:?} {log}");
}

#[test]
fn a_table_that_is_altered_while_nothing_is_written_is_no_failure_of_the_store() {
    let stage = Stage::new();
    stage.wait_for_rows(50);
    stage.rig.down();
    stage.drained();
    let before = stage.errors();
    stage.sql("ALTER TABLE access_logs ADD COLUMN note VARCHAR(20)");
    let again = "somebody has altered the tables: the store is opened again";
    stage.gatelog().wait_for_log(again).unwrap();
    stage.rig.up(stage.gatelog());
    stage.wait_for_rows(50);
    assert_eq!(stage.errors(), before);
    assert!(stage.finish().is_empty());
}

#[test]
fn a_table_that_cannot_take_records_any_more_is_told_until_it_can() {
    let stage = Stage::new();
    stage.sql("ALTER TABLE access_logs CHANGE COLUMN start_time began DATETIME(3) NOT NULL");
    let told = stage.told("has no column start_time");
    assert!(told.starts_with("mysql cannot be used: "), "{told}");
    stage.sql("ALTER TABLE access_logs CHANGE COLUMN began start_time DATETIME(3) NOT NULL");
    stage.recovered();
    assert!(stage.finish().is_empty());
}

/// Within seconds, with no failure that would make it look.
#[test]
fn a_column_that_is_added_or_widened_is_written_without_a_restart() {
    let stage = Stage::new();
    stage.sql(
        "SET sql_mode = '';
         ALTER TABLE access_logs DROP COLUMN request_body, MODIFY COLUMN model VARCHAR(2)",
    );
    let some = |what: &str| {
        let query = format!("SELECT COUNT(*) FROM access_logs WHERE {what}");
        let found = wait::until(what, Duration::from_mins(1), || {
            match stage.value(&query).as_str() {
                "0" => Err(stage.error()),
                _ => Ok(()),
            }
        });
        found.unwrap();
    };
    // What is cut to fit shows that the table was looked at.
    stage.more_rows();
    stage.sql(
        "ALTER TABLE access_logs ADD COLUMN request_body MEDIUMTEXT, \
         MODIFY COLUMN model VARCHAR(255)",
    );
    some("request_body LIKE '{\"messages\"%' AND model = 'chaos'");
    assert!(stage.finish_by_id(&["access_logs"]).is_empty());
}

#[test]
fn a_table_that_is_taken_away_is_made_again() {
    let stage = Stage::new();
    for (round, old) in ["january", "february", "march"].iter().enumerate() {
        stage.sql(&format!("SET GLOBAL local_infile = {}", round % 2));
        stage.sql(&format!("RENAME TABLE access_logs TO {old}"));
        stage.recovered();
    }
    let log = stage.gatelog().log();
    let made = |line: &&String| {
        line.contains("the table was missing and is created") && line.contains("\"access_logs\"")
    };
    assert_eq!(log.iter().filter(made).count(), 3, "{log:?}");
    let tables = ["access_logs", "january", "february", "march"];
    let reasons = stage.finish_by_id(&tables);
    assert!(reasons.is_empty(), "{reasons:?}");
}

#[test]
fn a_table_that_is_emptied_is_filled_with_what_comes_then() {
    let stage = Stage::new();
    stage.wait_for_rows(200);
    stage.rig.down();
    stage.drained();
    stage.sql("CREATE TABLE before_it SELECT request_id FROM access_logs; TRUNCATE access_logs");
    stage.rig.up(stage.gatelog());
    stage.recovered();
    stage.reconnect();
    stage.recovered();
    let reasons = stage.finish_by_id(&["access_logs", "before_it"]);
    assert!(reasons.is_empty(), "{reasons:?}");
}

/// The process knows how far it is, whatever becomes of the table that says so.
#[test]
fn positions_that_are_lost_are_made_again_by_the_process_that_knows_them() {
    let stage = Stage::new();
    for loss in [
        "TRUNCATE gatelog_position",
        "DELETE FROM gatelog_position",
        "DROP TABLE gatelog_position",
        "RENAME TABLE gatelog_position TO elsewhere",
    ] {
        stage.sql(loss);
        stage.reconnect();
        stage.recovered();
    }
    assert!(stage.finish().is_empty());
}
