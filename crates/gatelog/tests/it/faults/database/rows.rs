//! The database refuses some rows: these are in the dead letter, with the reason, and their
//! neighbours in the table.

use std::time::Duration;

use gatelog::command::chaos::load::Manner;
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::proxy::Cut;
use gatelog_testkit::wait;

use super::stage::{RATE, Stage};
use crate::faults::rig::LANES;

/// A load on a table that was altered by these statements, for a while by each way of writing.
/// Answers the reasons in the dead letter.
fn refused(alteration: &str) -> Vec<String> {
    let stage = Stage::with(MariaDb::start().unwrap(), &LANES, RATE, "4s");
    stage.sql(alteration);
    stage.begin();
    stage.by_both_ways(|stage| stage.wait_for_rows(300));
    let reasons = stage.finish();
    println!("{reasons:?}");
    reasons.into_keys().collect()
}

#[test]
fn what_a_check_refuses_is_put_aside() {
    let check = "ALTER TABLE access_logs ADD CONSTRAINT no_errors CHECK (response_code < 500)";
    let reasons = refused(check);
    assert_eq!(reasons, ["a CHECK constraint refuses the row (error 4025)"]);
}

/// What was put aside before a commit is put aside again behind it, unless the commit was done.
#[test]
fn what_is_put_aside_is_there_once_though_commits_fail() {
    let stage = Stage::with(MariaDb::start().unwrap(), &LANES, RATE, "4s");
    stage.sql("ALTER TABLE access_logs ADD CONSTRAINT no_errors CHECK (response_code < 500)");
    stage.begin();
    stage.by_both_ways(|stage| {
        for place in [Cut::Before, Cut::Answer] {
            let done = stage.proxy.cuts() + 2;
            stage.proxy.cut_at("COMMIT", place, 2);
            wait::until("the cuts", Duration::from_secs(30), || {
                let cuts = stage.proxy.cuts();
                if cuts == done { Ok(()) } else { Err(cuts) }
            })
            .unwrap();
            stage.wait_for_rows(50);
        }
    });
    let reasons = stage.finish();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
}

#[test]
fn what_has_the_same_key_as_another_row_is_put_aside() {
    // One of 21 000, about.
    let reasons = refused("ALTER TABLE access_logs ADD UNIQUE KEY (bytes_sent)");
    assert_eq!(reasons, ["a row with the same key exists (error 1062)"]);
}

#[test]
fn what_a_trigger_refuses_is_put_aside() {
    let reasons = refused(
        "DELIMITER //
         CREATE TRIGGER refuses BEFORE INSERT ON access_logs FOR EACH ROW
         IF NEW.response_code = 404 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no';
         ELSEIF NEW.response_code = 503 THEN
             SET NEW.duration = (SELECT seq FROM seq_1_to_2);
         END IF//
         DELIMITER ;",
    );
    assert_eq!(
        reasons,
        [
            "a subquery of a trigger has more than one row (error 1242)",
            "a trigger refuses the row (error 1644)"
        ]
    );
}

#[test]
fn what_is_larger_than_a_packet_is_put_aside_or_stored() {
    let lanes = [Manner::Plain, Manner::Keyed, Manner::Bulky];
    let stage = Stage::with(MariaDb::start().unwrap(), &lanes, 120, "8s").roomy();
    stage.begin();
    stage.by_both_ways(|stage| {
        // Less than a bulky record; the session that is open does not notice.
        stage.sql("SET GLOBAL max_allowed_packet = 131072");
        stage.wait_for_rows(50);
        stage.reconnect();
        stage.wait_for_rows(50);
        stage.sql("SET GLOBAL max_allowed_packet = 16777216");
        stage.reconnect();
    });
    let reasons = stage.finish();
    println!("{reasons:?}");
    assert!(!reasons.is_empty());
    for reason in reasons.keys() {
        assert!(reason.contains("max_allowed_packet"), "{reason}");
    }
}
