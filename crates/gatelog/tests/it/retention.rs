//! Old rows of MariaDB are deleted while new ones come, or somebody is told why not.

use std::time::Duration;

use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::{lines, setup};

const DEADLINE: Duration = Duration::from_secs(30);

const CONFIG: &str = "store: { mysql: { retention: 30d } }\n";

/// A table as the seed's, as far as it matters here, with 2500 old rows in it.
fn filled(database: &str) -> (&'static MariaDb, String) {
    let mariadb = MariaDb::shared().unwrap();
    let dsn = mariadb.database(database).unwrap();
    mariadb
        .sql(&format!(
            "USE {database};
             CREATE TABLE access_logs (
               id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time DATETIME(3) NOT NULL, path TEXT,
               created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, INDEX (start_time)
             ) ENGINE=InnoDB;
             INSERT INTO access_logs (start_time, path, created_at)
               SELECT NOW() - INTERVAL 40 DAY, seq, NOW() - INTERVAL 31 DAY FROM seq_1_to_2500"
        ))
        .unwrap();
    (mariadb, dsn)
}

fn wait_for_count(mariadb: &MariaDb, database: &str, condition: &str, rows: u64) {
    let statement = format!("SELECT COUNT(*) FROM {database}.access_logs WHERE {condition}");
    wait::until("the rows", DEADLINE, || {
        let found = mariadb.sql(&statement).unwrap()[0][0].clone().unwrap();
        (found == rows.to_string()).then_some(()).ok_or(found)
    })
    .unwrap();
}

fn wait_for_metric(gatelog: &Gatelog, line: &str) {
    wait::until(line, DEADLINE, || {
        let (_, metrics) = gatelog.get("/metrics").unwrap();
        metrics.contains(line).then_some(()).ok_or(metrics)
    })
    .unwrap();
}

fn warnings(gatelog: &Gatelog) -> (u16, Vec<String>) {
    let (status, body) = gatelog.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&body).unwrap();
    let warnings = ready["stores"][0]["warnings"].as_array();
    let text = |warning: &Value| warning.as_str().unwrap().to_owned();
    let warnings = warnings.map(|all| all.iter().map(text).collect());
    let mut warnings: Vec<String> = warnings.unwrap_or_default();
    // The tables here are short ones.
    warnings.retain(|warning| !warning.contains("has no column for"));
    (status, warnings)
}

/// The one warning, once there is one.
fn the_warning(gatelog: &Gatelog) -> String {
    let told = wait::until("the warning", DEADLINE, || match warnings(gatelog) {
        (200, told) if told.len() == 1 => Ok(told),
        other => Err(other),
    });
    told.unwrap().remove(0)
}

#[test]
fn old_rows_go_and_new_ones_stay() {
    let dir = TempDir::new().unwrap();
    let (mariadb, dsn) = filled("retention");
    let gatelog = setup(&dir)
        .config(CONFIG)
        .variable("MYSQL_DSN", dsn)
        .start()
        .unwrap();
    // They began long ago, and came just now.
    gatelog.ingest(lines(0..50)).unwrap();
    let old = "created_at < NOW() - INTERVAL 30 DAY";
    wait_for_count(mariadb, "retention", old, 0);
    gatelog.wait_for_rows("", 50).unwrap();
    wait_for_metric(
        &gatelog,
        "gatelog_store_expired_rows_total{store=\"mysql\"} 2500",
    );
    gatelog.wait_for_log("old rows were deleted").unwrap();
    assert_eq!(warnings(&gatelog), (200, Vec::new()));
    assert!(gatelog.terminate().unwrap().success());
}

#[test]
fn without_it_nothing_is_deleted() {
    let dir = TempDir::new().unwrap();
    let (_, dsn) = filled("retention_off");
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    gatelog.ingest(lines(0..50)).unwrap();
    gatelog.wait_for_rows("", 2550).unwrap();
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    assert!(!metrics.contains("gatelog_store_expired"), "{metrics}");
}

#[test]
fn an_account_that_may_not_delete_is_told_and_records_go_on() {
    let dir = TempDir::new().unwrap();
    let (mariadb, _) = filled("retention_denied");
    mariadb
        .sql(
            "CREATE OR REPLACE USER appending@'%' IDENTIFIED BY 'a';
             GRANT SELECT, INSERT, UPDATE, CREATE ON retention_denied.* TO appending@'%'",
        )
        .unwrap();
    let dsn = mariadb.dsn_of("appending", "a", "retention_denied");
    let gatelog = setup(&dir)
        .variable("MYSQL_DSN", dsn)
        .variable("GATELOG_STORE__MYSQL__RETENTION", "30d")
        .start()
        .unwrap();
    let told = the_warning(&gatelog);
    assert!(
        told.starts_with("old rows are not deleted: mysql cannot be used")
            && told.contains("DELETE command denied"),
        "{told:?}"
    );
    gatelog.wait_for_log("not all is well").unwrap();
    gatelog.ingest(lines(0..50)).unwrap();
    gatelog.wait_for_rows("", 2550).unwrap();
    wait_for_metric(
        &gatelog,
        "gatelog_store_expiry_errors_total{store=\"mysql\"}",
    );
    mariadb
        .sql("GRANT DELETE ON retention_denied.access_logs TO appending@'%'")
        .unwrap();
    wait_for_count(mariadb, "retention_denied", "1 = 1", 50);
    wait::until("the all-clear", DEADLINE, || match warnings(&gatelog) {
        (200, told) if told.is_empty() => Ok(()),
        other => Err(other),
    })
    .unwrap();
}

/// To this account the server says that it is 40 days ago: as if this host's clock ran ahead.
#[test]
fn a_clock_that_runs_ahead_is_told_and_nothing_is_deleted() {
    let dir = TempDir::new().unwrap();
    let (mariadb, _) = filled("retention_ahead");
    mariadb
        .sql(
            "SET GLOBAL init_connect = 'SET SESSION timestamp =
               IF(USER() LIKE \"ahead%\", UNIX_TIMESTAMP() - 40 * 86400, 0)';
             CREATE OR REPLACE USER ahead@'%' IDENTIFIED BY 'a';
             GRANT ALL ON retention_ahead.* TO ahead@'%'",
        )
        .unwrap();
    let gatelog = setup(&dir)
        .config(CONFIG)
        .variable("MYSQL_DSN", mariadb.dsn_of("ahead", "a", "retention_ahead"))
        .start()
        .unwrap();
    let told = the_warning(&gatelog);
    assert!(
        told.starts_with("old rows are not deleted: ") && told.contains("s ahead of the server's"),
        "{told:?}"
    );
    wait_for_count(mariadb, "retention_ahead", "1 = 1", 2500);
    mariadb.sql("SET GLOBAL init_connect = ''").unwrap();
    wait_for_count(mariadb, "retention_ahead", "1 = 1", 0);
}

/// Neither a statement that waits nor a server that says nothing keeps the process from ending.
#[test]
fn the_end_does_not_wait_for_it() {
    let dir = TempDir::new().unwrap();
    let (mariadb, dsn) = filled("retention_end");
    mariadb
        .sql(
            "CREATE TRIGGER retention_end.slow BEFORE DELETE ON retention_end.access_logs
             FOR EACH ROW DO SLEEP(10)",
        )
        .unwrap();
    let gatelog = setup(&dir)
        .config(CONFIG)
        .variable("MYSQL_DSN", dsn)
        .start()
        .unwrap();
    let running = "SELECT id FROM information_schema.processlist
         WHERE db = 'retention_end' AND state = 'User sleep'";
    let id = wait::until("the delete", DEADLINE, || {
        let found = mariadb.sql(running).unwrap();
        let id = found.first().and_then(|row| row[0].clone());
        id.ok_or("none")
    })
    .unwrap();
    // It has to be over before the statement could be.
    gatelog.terminate().unwrap();
    let still = mariadb.sql(running).unwrap();
    assert_eq!(still, [[Some(id.clone())]]);
    mariadb.sql(&format!("KILL {id}")).unwrap();
    wait_for_count(mariadb, "retention_end", "1 = 1", 2500);
}
