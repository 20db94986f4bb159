//! The connection breaks at each step of a transaction, before the server has it and behind.

use std::time::Duration;

use gatelog_testkit::proxy::Cut;
use gatelog_testkit::wait;

use super::stage::{ROW, Stage};

/// What is in what gatelog sends at each step.
const STEPS: [&str; 4] = ["START TRANSACTION", ROW, "gatelog_position", "COMMIT"];

/// Cuts so many times at these bytes, and waits until it was done.
fn cut(stage: &Stage, bytes: &str, cut: Cut, times: u32) {
    let before = stage.proxy.cuts();
    stage.proxy.cut_at(bytes, cut, times);
    wait::until(bytes, Duration::from_secs(30), || {
        let done = stage.proxy.cuts() - before;
        if done == times { Ok(()) } else { Err(done) }
    })
    .unwrap();
}

#[test]
fn a_connection_that_is_cut_at_any_step_stores_everything_or_nothing() {
    let stage = Stage::new();
    stage.by_both_ways(|stage| {
        for step in STEPS {
            for place in [Cut::Before, Cut::Answer] {
                cut(stage, step, place, 1);
                stage.wait_for_rows(1);
            }
        }
    });
    assert!(stage.finish().is_empty());
}

#[test]
fn commits_whose_answers_are_lost_again_and_again_are_recognised() {
    let stage = Stage::new();
    stage.by_both_ways(|stage| cut(stage, "COMMIT", Cut::Answer, 4));
    assert!(stage.finish().is_empty());
}

/// A firewall forgets the connection: the server goes on holding the transaction and its locks.
#[test]
fn a_transaction_that_the_network_forgot_is_given_up_by_the_server_too() {
    let stage = Stage::impatient("2s");
    stage.by_both_ways(|stage| {
        cut(stage, "COMMIT", Cut::Lose, 1);
        stage.told("no answer within 2s");
    });
    assert!(stage.finish().is_empty());
}
