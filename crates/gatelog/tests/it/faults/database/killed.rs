//! Somebody ends gatelog's connections and statements from another session.

use super::stage::Stage;

/// Connections of gatelog that are in a transaction, or all.
fn victims(stage: &Stage, all: bool) -> Vec<String> {
    let query = if all {
        "SELECT id FROM information_schema.processlist WHERE user = 'collector'"
    } else {
        "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx \
         JOIN information_schema.processlist ON id = trx_mysql_thread_id WHERE user = 'collector'"
    };
    let rows = stage.sql(query);
    rows.into_iter().filter_map(|mut row| row.pop()?).collect()
}

#[test]
fn connections_and_statements_that_are_killed_take_nothing_with_them() {
    let stage = Stage::new();
    stage.by_both_ways(|stage| {
        for round in 0..8 {
            let how = if round % 3 == 0 { "KILL QUERY" } else { "KILL" };
            for victim in victims(stage, round % 4 == 0) {
                // It may have ended by itself.
                let _killed = stage.server.sql(&format!("{how} {victim}")).is_ok();
            }
            stage.wait_for_rows(1);
        }
    });
    let log = stage.gatelog().log().join("\n");
    assert!(log.contains("the store takes no records"), "{log}");
    assert!(stage.finish().is_empty());
}
