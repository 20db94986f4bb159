//! A table without transactions: nothing is lost, and it is said that a record may be stored twice.

use gatelog_testkit::proxy::Cut;

use super::stage::{ROW, Stage};

/// One of the tables gets another engine; then everything breaks that can.
fn at_least_once(table: &str) {
    let mut stage = Stage::new();
    stage.sql(&format!("ALTER TABLE {table} ENGINE=MyISAM"));
    stage.reconnect();
    let words = format!("the engine of {table} has no transactions");
    stage.gatelog().wait_for_log(&words).unwrap();
    stage.recovered();
    let exactly_once = stage.ready().1["stores"][0]["exactly_once"].clone();
    assert_eq!(exactly_once, false);
    stage.by_both_ways(|stage| {
        stage.proxy.cut_at(ROW, Cut::Answer, 2);
        stage.wait_for_rows(200);
    });
    for _ in 0..2 {
        stage.kill_and_start();
        stage.recovered();
    }
    let verdict = stage.finish_at_least_once();
    println!("{} doubled", verdict.doubled.count);
}

#[test]
fn records_in_a_table_without_transactions_are_stored_at_least_once() {
    at_least_once("access_logs");
}

#[test]
fn positions_in_a_table_without_transactions_are_not_relied_on() {
    at_least_once("gatelog_position");
}
