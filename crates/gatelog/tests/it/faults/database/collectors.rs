//! Several collectors, and collectors that begin anew, on one table.

use std::time::Duration;

use gatelog::command::chaos::load::Manner;
use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;
use serde_json::Value;
use tempfile::TempDir;

use super::stage::{PASSWORD, RATE, Stage, dsn};
use crate::faults::rig::start;
use crate::service::setup;

/// A batch that is sent again to another collector may be stored twice, so none is.
const LANES: [Manner; 3] = [Manner::Plain; 3];

#[test]
fn two_collectors_fill_one_table_and_each_knows_where_it_is() {
    let mut stage = Stage::with(MariaDb::start().unwrap(), &LANES, RATE, "4s");
    stage.begin();
    let dir = TempDir::new().unwrap();
    let dsn = dsn(&stage.server, &stage.proxy, PASSWORD, "4s");
    let setup = setup(&dir).variable("MYSQL_DSN", dsn);
    let mut other = start(&setup);
    for round in 0..4 {
        // What the one has not stored yet it stores while the other one is sent to.
        stage.rig.up(&other);
        stage.rig.wait_for_batches(8);
        stage.reconnect();
        stage.rig.up(stage.gatelog());
        stage.rig.wait_for_batches(8);
        if round % 2 == 0 {
            other.kill().unwrap();
            other = start(&setup);
        } else {
            stage.kill_and_start();
        }
    }
    drained(&other);
    stage.drained();
    assert_eq!(stage.value("SELECT COUNT(*) FROM gatelog_position"), "2");
    assert!(stage.finish().is_empty());
}

fn drained(gatelog: &Gatelog) {
    let deadline = Duration::from_mins(1);
    wait::until("the other journal to be stored", deadline, || {
        let (_, body) = gatelog.get("/ready").unwrap();
        let ready: Value = serde_json::from_str(&body).unwrap();
        let store = &ready["stores"][0];
        if store["lag_records"] == 0 && store["ok"] == true {
            Ok(())
        } else {
            Err(body)
        }
    })
    .unwrap();
}

#[test]
fn a_new_data_directory_begins_anew_and_an_old_one_goes_on() {
    let mut stage = Stage::with(MariaDb::start().unwrap(), &LANES, RATE, "4s");
    stage.begin();
    let old = stage.setup.clone();
    let dir = TempDir::new().unwrap();
    let dsn = dsn(&stage.server, &stage.proxy, PASSWORD, "4s");
    let new = setup(&dir).variable("MYSQL_DSN", dsn);
    for setup in [&new, &old, &new, &old] {
        stage.rig.down();
        stage.drained();
        stage.setup = setup.clone();
        stage.kill_and_start();
        stage.recovered();
    }
    assert_eq!(stage.value("SELECT COUNT(*) FROM gatelog_position"), "2");
    assert!(stage.finish().is_empty());
}
