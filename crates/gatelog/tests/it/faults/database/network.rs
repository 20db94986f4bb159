//! The way to the database is closed, silent, slow, or late.

use std::time::Duration;

use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::proxy::{Cut, Mode};
use gatelog_testkit::wait;

use super::stage::{ROW, Stage};

#[test]
fn connections_that_are_refused_cost_time_and_no_row() {
    let stage = Stage::new();
    stage.by_both_ways(|stage| {
        stage.proxy.set(Mode::Refuse);
        let told = stage.told("connecting to collector@tcp(127.0.0.1:");
        assert!(told.starts_with("mysql is not available: "), "{told}");
        assert!(!told.contains("first"), "{told}");
        stage.proxy.set(Mode::Pass);
    });
    assert!(stage.finish().is_empty());
}

#[test]
fn connections_that_are_taken_and_never_answered_are_given_up() {
    let stage = Stage::impatient("2s");
    stage.by_both_ways(|stage| {
        stage.proxy.set(Mode::Refuse);
        stage.proxy.set(Mode::Hang);
        stage.told("no answer within 2s");
        stage.proxy.set(Mode::Pass);
    });
    assert!(stage.finish().is_empty());
}

#[test]
fn a_database_that_falls_silent_in_the_middle_of_its_rows_is_given_up() {
    let stage = Stage::impatient("2s");
    stage.by_both_ways(|stage| {
        stage.proxy.cut_at(ROW, Cut::Hang, 1);
        stage.told("no answer within 2s");
        stage.proxy.set(Mode::Pass);
    });
    assert_eq!(stage.proxy.cuts(), 2);
    assert!(stage.finish().is_empty());
}

#[test]
fn a_process_that_starts_without_its_database_takes_records_and_stores_them_later() {
    let mut stage = Stage::impatient("2s");
    for mode in [Mode::Refuse, Mode::Hang] {
        stage.proxy.set(Mode::Refuse);
        stage.proxy.set(mode);
        for _ in 0..2 {
            stage.kill_and_start();
            stage.told("mysql is not available: connecting to");
        }
        stage.proxy.set(Mode::Pass);
        stage.recovered();
    }
    assert!(stage.finish().is_empty());
}

/// A query is given up after 30 s, and its connection with it.
#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn queries_that_the_network_forgot_leave_room_for_others() {
    let stage = Stage::with(MariaDb::start().unwrap(), &[], 1, "2s");
    stage.rig.send(stage.gatelog(), 20);
    stage.drained();
    // As many as there are connections for queries.
    let lost = 4;
    stage.proxy.cut_at("COUNT(*)", Cut::Lose, lost);
    let gatelog = stage.gatelog();
    std::thread::scope(|scope| {
        for _ in 0..lost {
            scope.spawn(|| gatelog.get("/query?page_size=1").is_ok());
        }
    });
    assert_eq!(stage.proxy.cuts(), lost);
    let found = wait::until("an answer", Duration::from_secs(20), || {
        gatelog
            .query("page_size=1")
            .map_err(|error| error.to_string())
    });
    assert_eq!(found.unwrap()["total"], 20);
}

#[test]
fn a_late_answer_is_an_answer() {
    let stage = Stage::new();
    stage.by_both_ways(|stage| {
        stage.proxy.set(Mode::Late(Duration::from_millis(50)));
        stage.wait_for_rows(200);
        stage.proxy.set(Mode::Pass);
    });
    assert!(stage.finish().is_empty());
}

/// With more than 1 MiB to write, a batch of the usual size takes longer than anybody waits for it.
#[test]
fn what_is_slow_still_gets_somewhere() {
    let stage = Stage::with(MariaDb::start().unwrap(), &[], 1, "1s");
    for offered in [1, 0] {
        stage.sql(&format!("SET GLOBAL local_infile = {offered}"));
        stage.proxy.set(Mode::Refuse);
        for _ in 0..75 {
            stage.rig.send(stage.gatelog(), 20);
        }
        stage.proxy.set(Mode::Slow(500_000));
        stage.wait_for_rows(400);
        stage.proxy.set(Mode::Pass);
        stage.drained();
    }
    assert!(stage.finish().is_empty());
}
