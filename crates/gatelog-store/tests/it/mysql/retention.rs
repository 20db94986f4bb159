//! Old rows go, others stay, and nobody waits for it.

use std::time::Duration;

use gatelog_record::Timestamp;
use gatelog_store::mysql::{DEFAULT_TABLE, Dsn, Retention, Step};
use gatelog_store::{Error, Store};
use gatelog_testkit::wait;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};

use super::table;
use super::{JOURNAL, block_on, runtime, server, standard_records, store};
use crate::letters::Taking as _;

/// 2026-06-01T00:00:00Z; with [`AGE`] rows from before 2026-05-02T00:00:00Z are too old.
const NOW: Timestamp = Timestamp::from_millis(1_780_272_000_000);

const AGE: Duration = Duration::from_hours(30 * 24);

fn retention(dsn: &str) -> Retention {
    let (dsn, _) = Dsn::parse(dsn).unwrap();
    Retention::new(dsn, DEFAULT_TABLE, AGE)
}

/// The DSN of an account to whose sessions the server says that it is [`NOW`], as it does for each whose
/// name begins with `june`. It has these rights in the database.
fn june(name: &str, rights: &str, database: &str) -> String {
    let now = NOW.micros() / 1_000_000;
    server()
        .sql(&format!(
            "SET GLOBAL init_connect =
               'SET SESSION timestamp = IF(USER() LIKE \"june%\", {now}, 0)';
             CREATE USER IF NOT EXISTS {name}@'%' IDENTIFIED BY 'j';
             GRANT {rights} ON {database}.* TO {name}@'%'"
        ))
        .unwrap();
    server().dsn_of(name, "j", database)
}

/// A database with this table in it; its DSN.
fn table_of(database: &str, schema: &str) -> String {
    server().database(database).unwrap();
    server().sql(&format!("USE {database}; {schema}")).unwrap();
    june("june", "ALL", database)
}

/// Every step up to the one that finds nothing.
fn pass(retention: &mut Retention) -> Result<Vec<Step>, Error> {
    block_on(async {
        let mut steps = Vec::new();
        loop {
            match retention.step(NOW).await? {
                Step::Done => return Ok(steps),
                step => steps.push(step),
            }
        }
    })
}

/// The request ids that are left, in order.
fn left(database: &str) -> String {
    let rows = server().sql(&format!(
        "SELECT COALESCE(GROUP_CONCAT(request_id ORDER BY request_id SEPARATOR ' '), '')
         FROM {database}.access_logs"
    ));
    rows.unwrap()[0][0].clone().unwrap()
}

/// `count` rows in one statement, each begun and inserted long ago, of which each has a number.
fn fill(database: &str, count: u32) {
    server()
        .sql(&format!(
            "USE {database}; INSERT INTO access_logs (start_time, created_at, request_id)
             SELECT '2026-01-01' + INTERVAL seq SECOND, '2026-01-02', seq FROM seq_1_to_{count}"
        ))
        .unwrap();
}

#[test]
fn age_counts_from_receipt_where_the_table_knows_it() {
    let own = table::OWN.to_owned();
    let received = own.replace("sample_weight DOUBLE", "receive_time DATETIME(3)");
    for (database, schema, clock) in [
        ("kept_own", own, "created_at"),
        ("kept_a", table::seed(), "created_at"),
        ("kept_received", received, "receive_time"),
    ] {
        let dsn = table_of(database, &schema);
        server()
            .sql(&format!(
                "USE {database};
                 INSERT INTO access_logs (request_id, start_time, {clock}) VALUES
                   ('old', '2026-04-01 00:00:00', '2026-04-01 00:00:01'),
                   ('imported', '2026-01-01 00:00:00', '2026-05-20 00:00:00'),
                   ('ahead', '2040-01-01 00:00:00', '2026-04-01 00:00:02'),
                   ('edge', '2026-05-01 23:59:59', '2026-05-02 00:00:00'),
                   ('over', '2026-05-01 23:59:58', '2026-05-01 23:59:59'),
                   ('young', '2026-05-31 00:00:00', '2026-05-31 00:00:00'),
                   ('told', '2026-05-31 00:00:00', NULL), ('untold', '2026-04-01 00:00:00', NULL)"
            ))
            .unwrap();
        let steps = pass(&mut retention(&dsn)).unwrap();
        assert_eq!(steps, [Step::Deleted(4)], "{database}");
        assert_eq!(left(database), "edge imported told young", "{database}");
    }
}

#[test]
fn age_counts_from_the_start_in_tables_that_know_nothing_else() {
    let seconds = |text: &str| format!("UNIX_TIMESTAMP('{text}')");
    let quoted = |text: &str| format!("'{text}'");
    let without_index = table::narrow().replace("INDEX idx_start_time (start_time), ", "");
    for (database, schema, moment) in [
        (
            "kept_b",
            table::narrow(),
            &quoted as &dyn Fn(&str) -> String,
        ),
        ("kept_c", table::epoch(), &seconds),
        ("kept_unindexed", without_index, &quoted),
    ] {
        let dsn = table_of(database, &schema);
        let row = |name: &str, start: &str| format!("('{name}', {})", moment(start));
        let rows = [
            row("old", "2026-04-01 00:00:00"),
            row("edge", "2026-05-02 00:00:00"),
            row("over", "2026-05-01 23:59:59"),
            row("young", "2026-05-31 00:00:00"),
            row("ahead", "2037-01-01 00:00:00"),
            "('timeless', NULL)".to_owned(),
        ];
        server()
            .sql(&format!(
                "USE {database}; SET time_zone = '+00:00';
                 INSERT INTO access_logs (request_id, start_time) VALUES {}",
                rows.join(", ")
            ))
            .unwrap();
        let steps = pass(&mut retention(&dsn)).unwrap();
        assert_eq!(steps, [Step::Deleted(2)], "{database}");
        assert_eq!(left(database), "ahead edge timeless young", "{database}");
    }
}

#[test]
fn rows_go_a_thousand_at_a_time_with_and_without_an_index_or_a_number() {
    for (database, change) in [
        ("steps_by_number", ""),
        (
            "steps_by_index",
            "ALTER TABLE access_logs ADD INDEX (created_at)",
        ),
        ("steps_by_limit", "ALTER TABLE access_logs DROP COLUMN id"),
        ("steps_aria", "ALTER TABLE access_logs ENGINE = Aria"),
    ] {
        let dsn = table_of(database, &format!("{}; {change}", table::seed()));
        fill(database, 2500);
        server()
            .sql(&format!(
                "INSERT INTO {database}.access_logs (start_time, request_id) VALUES (NOW(), 'now')"
            ))
            .unwrap();
        let steps = pass(&mut retention(&dsn)).unwrap();
        let expected = [1000, 1000, 500].map(Step::Deleted);
        assert_eq!(steps, expected, "{database}");
        assert_eq!(left(database), "now", "{database}");
    }
}

#[test]
fn there_is_nothing_to_do_without_a_table_or_old_rows() {
    let dsn = table_of("kept_nothing", "");
    assert_eq!(pass(&mut retention(&dsn)).unwrap(), []);
    let dsn = table_of("kept_all", &table::seed());
    server()
        .sql("INSERT INTO kept_all.access_logs (start_time, request_id) VALUES ('2020-01-01', 'x')")
        .unwrap();
    assert_eq!(pass(&mut retention(&dsn)).unwrap(), []);
    let (parsed, _) = Dsn::parse(&dsn).unwrap();
    let for_ever = Duration::from_hours(24 * 36_500);
    let mut older = Retention::new(parsed, DEFAULT_TABLE, for_ever);
    assert_eq!(block_on(older.step(NOW)).unwrap(), Step::Done);
    assert_eq!(left("kept_all"), "x");
}

#[test]
fn nothing_is_deleted_while_the_clocks_disagree() {
    let dsn = table_of("kept_ahead", &table::seed());
    server()
        .sql(
            "INSERT INTO kept_ahead.access_logs (start_time, created_at, request_id) VALUES
               ('2026-05-31', '2026-05-31', 'young'), ('2026-05-01', '2026-05-02 00:00:30', 'near'),
               ('2026-04-01', '2026-04-01', 'old')",
        )
        .unwrap();
    let step_at = |seconds: i64| {
        let now = Timestamp::from_micros(NOW.micros() + seconds * 1_000_000);
        block_on(retention(&dsn).step(now))
    };
    let day = 86_400;
    for (seconds, expected) in [
        (40 * day, "3456000 s ahead of the server's"),
        (61, "61 s ahead of the server's"),
        (-61, "61 s behind the server's"),
        (-day, "86400 s behind the server's"),
    ] {
        match step_at(seconds) {
            Err(Error::Unusable { reason, .. }) => assert!(reason.contains(expected), "{reason}"),
            other => panic!("{seconds}: {other:?}"),
        }
    }
    assert_eq!(left("kept_ahead"), "near old young");
    // Up to a minute the earlier one counts.
    assert_eq!(step_at(60).unwrap(), Step::Deleted(1));
    assert_eq!(left("kept_ahead"), "near young");
    server()
        .sql(
            "INSERT INTO kept_ahead.access_logs (start_time, created_at, request_id) VALUES
               ('2026-05-01', '2026-05-01 23:59:30', 'nearer')",
        )
        .unwrap();
    assert_eq!(step_at(-60).unwrap(), Step::Done);
    assert_eq!(step_at(0).unwrap(), Step::Deleted(1));
    assert_eq!(left("kept_ahead"), "near young");
}

#[test]
fn the_writer_and_another_collector_are_not_held_up() {
    let dsn = table_of("kept_busy", &table::seed());
    fill("kept_busy", 20_000);
    let records = standard_records(50);
    let writer = store(&dsn);
    let sweep = || pass(&mut retention(&dsn)).unwrap();
    let (one, two, wrote) = std::thread::scope(|scope| {
        let one = scope.spawn(sweep);
        let two = scope.spawn(sweep);
        let runtime = runtime();
        runtime.block_on(writer.open(JOURNAL)).unwrap();
        let mut wrote = 0;
        while !(one.is_finished() && two.is_finished()) || wrote == 0 {
            wrote += 1;
            runtime.block_on(writer.take(&records, wrote)).unwrap();
        }
        (one.join().unwrap(), two.join().unwrap(), wrote)
    });
    let rows = |steps: &[Step]| -> u64 {
        let of = |step: &Step| match step {
            Step::Deleted(rows) => *rows,
            other => panic!("{other:?}"),
        };
        steps.iter().map(of).sum()
    };
    // What one of them has found the other may delete.
    assert_eq!(rows(&one) + rows(&two), 20_000);
    assert_eq!(super::count("kept_busy"), wrote * 50);
}

/// A connection of the test's own, on which these statements were run.
async fn connection(database: &str, statements: &[&str]) -> Conn {
    let opts = OptsBuilder::default()
        .user(Some("root"))
        .socket(Some(server().socket().to_str().unwrap()))
        .db_name(Some(database));
    let mut conn = Conn::new(opts).await.unwrap();
    for statement in statements {
        conn.query_drop(*statement).await.unwrap();
    }
    conn
}

/// A delete that stands still in the middle holds locks all the time; a writer is in need of none.
#[test]
fn the_writer_needs_no_lock_of_a_delete_under_way() {
    let dsn = table_of("kept_slow", &table::seed());
    fill("kept_slow", 10);
    server()
        .sql(
            "CREATE TRIGGER kept_slow.slow BEFORE DELETE ON kept_slow.access_logs
             FOR EACH ROW DO GET_LOCK('kept_slow', 60)",
        )
        .unwrap();
    let runtime = runtime();
    let writer = store(&(dsn.clone() + "&readTimeout=10s&writeTimeout=10s"));
    runtime.block_on(writer.open(JOURNAL)).unwrap();
    let stop = runtime.block_on(connection("kept_slow", &["DO GET_LOCK('kept_slow', 60)"]));
    let steps = std::thread::scope(|scope| {
        let sweep = scope.spawn(|| pass(&mut retention(&dsn)).unwrap());
        let deleting = "SELECT COUNT(*) FROM information_schema.processlist
             WHERE db = 'kept_slow' AND state = 'User lock'";
        wait::until("the delete to stand still", Duration::from_secs(20), || {
            let found = server().sql(deleting).unwrap();
            let found = found[0][0].as_deref() == Some("1");
            found.then_some(()).ok_or("it does not")
        })
        .unwrap();
        let written = runtime.block_on(writer.take(&standard_records(5), 5));
        let goes_on = !sweep.is_finished();
        runtime.block_on(stop.disconnect()).unwrap();
        assert_eq!(written.unwrap(), []);
        assert!(goes_on);
        sweep.join().unwrap()
    });
    assert_eq!(steps, [Step::Deleted(10)]);
    assert_eq!(super::count("kept_slow"), 5);
}

#[test]
fn a_row_that_others_lock_is_waited_for_a_second_and_taken_later() {
    let dsn = table_of("kept_locked", &table::seed());
    fill("kept_locked", 10);
    let runtime = runtime();
    let lock = "SELECT id FROM access_logs WHERE id = 5 FOR UPDATE";
    let other = runtime.block_on(connection("kept_locked", &["START TRANSACTION", lock]));
    let mut retention = retention(&dsn);
    let refused = pass(&mut retention);
    assert!(
        matches!(&refused, Err(Error::Unavailable { reason, .. }) if reason.contains("1205")),
        "{refused:?}"
    );
    runtime.block_on(other.disconnect()).unwrap();
    assert_eq!(pass(&mut retention).unwrap(), [Step::Deleted(10)]);
}

#[test]
fn after_a_lost_connection_it_goes_on() {
    let dsn = table_of("kept_cut", &table::seed());
    fill("kept_cut", 2500);
    let mut retention = retention(&dsn);
    let runtime = runtime();
    assert_eq!(
        runtime.block_on(retention.step(NOW)).unwrap(),
        Step::Deleted(1000)
    );
    let ids = server()
        .sql("SELECT id FROM information_schema.processlist WHERE db = 'kept_cut'")
        .unwrap();
    let id = ids[0][0].as_deref().unwrap();
    server().sql(&format!("KILL {id}")).unwrap();
    let failed = runtime.block_on(retention.step(NOW));
    assert!(
        matches!(failed, Err(Error::Unavailable { .. })),
        "{failed:?}"
    );
    let steps = pass(&mut retention).unwrap();
    assert_eq!(steps, [1000, 500].map(Step::Deleted));
}

#[test]
fn without_the_right_to_delete_the_operator_is_told() {
    table_of("kept_denied", &table::seed());
    fill("kept_denied", 10);
    let mut retention = retention(&june("june_keeps", "SELECT, INSERT", "kept_denied"));
    match pass(&mut retention) {
        Err(Error::Unusable { reason, .. }) => {
            assert!(reason.contains("DELETE command denied"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    server()
        .sql("GRANT DELETE ON kept_denied.access_logs TO june_keeps@'%'")
        .unwrap();
    assert_eq!(pass(&mut retention).unwrap(), [Step::Deleted(10)]);
}

/// The table with partitions up to these days.
fn partitioned(schema: &str, by: &str, bounds: &[&str]) -> String {
    let schema = schema.replacen("PRIMARY KEY", "", 1).replacen(
        "INDEX idx_start_time",
        "PRIMARY KEY (id, start_time), INDEX idx_start_time",
        1,
    );
    let partitions: Vec<String> = bounds
        .iter()
        .enumerate()
        .map(|(index, bound)| format!("PARTITION p{index} VALUES LESS THAN {bound}"))
        .collect();
    format!(
        "SET time_zone = '+00:00'; {schema} PARTITION BY RANGE {by} ({})",
        partitions.join(", ")
    )
}

fn partitions(database: &str) -> String {
    let rows = server().sql(&format!(
        "SELECT GROUP_CONCAT(partition_name ORDER BY partition_ordinal_position SEPARATOR ' ')
         FROM information_schema.partitions
         WHERE table_schema = '{database}' AND table_name = 'access_logs'"
    ));
    rows.unwrap()[0][0].clone().unwrap()
}

#[test]
fn partitions_of_old_rows_only_are_dropped_whole() {
    let dropped = |name: &str| Step::Dropped(name.to_owned());
    let days = [
        "('2026-04-01')",
        "('2026-05-02')",
        "('2026-05-03')",
        "(MAXVALUE)",
    ];
    let numbers = |seconds: bool| {
        let day = |day: i64| if seconds { day * 86_400 } else { day + 719_528 };
        let days = [20_544, 20_575, 20_576].map(|number| format!("({})", day(number)));
        days.into_iter()
            .chain(["MAXVALUE".to_owned()])
            .collect::<Vec<_>>()
    };
    let text = |bounds: &[String]| bounds.to_vec();
    let columns = days.map(str::to_owned);
    let not_null = |schema: String, from: &str, to: &str| schema.replace(from, to);
    for (database, schema, by, bounds, moment) in [
        (
            "parts_columns",
            table::seed(),
            "COLUMNS (start_time)",
            text(&columns),
            "'%'",
        ),
        (
            "parts_days",
            table::OWN.to_owned(),
            "(TO_DAYS(start_time))",
            numbers(false),
            "'%'",
        ),
        (
            "parts_stamps",
            not_null(
                table::narrow(),
                "TIMESTAMP NULL",
                "TIMESTAMP NOT NULL DEFAULT 0",
            ),
            "(UNIX_TIMESTAMP(start_time))",
            numbers(true),
            "'%'",
        ),
        (
            "parts_seconds",
            not_null(table::epoch(), "BIGINT NULL", "BIGINT NOT NULL"),
            "(start_time)",
            numbers(true),
            "UNIX_TIMESTAMP('%')",
        ),
    ] {
        let bounds: Vec<&str> = bounds.iter().map(String::as_str).collect();
        let dsn = table_of(database, &partitioned(&schema, by, &bounds));
        let created = schema.contains("created_at");
        let rows = [
            ("a", "2026-03-01", "2026-03-01"),
            ("b", "2026-04-20", "2026-04-20"),
            ("c", "2026-05-02", "2026-05-02"),
            ("d", "2026-05-20", "2026-05-20"),
        ];
        for (name, start, received) in rows {
            let start = moment.replace('%', &format!("{start} 12:00:00"));
            let (column, value) = if created {
                (", created_at", format!(", '{received} 12:00:01'"))
            } else {
                ("", String::new())
            };
            server()
                .sql(&format!(
                    "SET time_zone = '+00:00';
                     INSERT INTO {database}.access_logs (request_id, start_time{column})
                     VALUES ('{name}', {start}{value})"
                ))
                .unwrap();
        }
        let steps = pass(&mut retention(&dsn)).unwrap();
        assert_eq!(steps, [dropped("p0"), dropped("p1")], "{database}");
        assert_eq!(partitions(database), "p2 p3", "{database}");
        assert_eq!(left(database), "c d", "{database}");
    }
}

#[test]
fn a_partition_with_a_row_that_came_late_is_not_dropped() {
    let bounds = ["('2026-04-01')", "('2026-05-01')", "('2026-06-01')"];
    let schema = partitioned(&table::seed(), "COLUMNS (start_time)", &bounds);
    let dsn = table_of("parts_late", &schema);
    server()
        .sql(
            "INSERT INTO parts_late.access_logs (request_id, start_time, created_at) VALUES
               ('a', '2026-03-01', '2026-03-01'), ('imported', '2026-03-02', '2026-05-20'),
               ('b', '2026-04-02', '2026-04-02')",
        )
        .unwrap();
    let steps = pass(&mut retention(&dsn)).unwrap();
    assert_eq!(steps, [Step::Deleted(2)]);
    assert_eq!(left("parts_late"), "imported");
    assert_eq!(partitions("parts_late"), "p0 p1 p2");
}

/// Rows of several collectors, or of an import that takes times of receipt along.
#[test]
fn a_partition_is_not_dropped_for_a_last_row_that_is_older_than_others() {
    let bounds = ["('2026-04-01')", "('2026-05-01')", "('2026-06-01')"];
    // Where it counts seconds, the start cannot stand in for it: such a row has no age.
    for (database, kind, old, other) in [
        ("parts_mixed", "DATETIME(3)", "'2026-03-03'", "'2026-05-20'"),
        ("parts_ageless", "BIGINT", "1772500000", "NULL"),
    ] {
        let column = format!("receive_time {kind}");
        let schema = table::OWN.replace("sample_weight DOUBLE", &column);
        let schema = partitioned(&schema, "COLUMNS (start_time)", &bounds);
        let dsn = table_of(database, &schema);
        server()
            .sql(&format!(
                "INSERT INTO {database}.access_logs (request_id, start_time, receive_time) VALUES
                   ('a', '2026-03-01', {old}), ('stays', '2026-03-02', {other}),
                   ('last', '2026-03-03', {old})"
            ))
            .unwrap();
        let steps = pass(&mut retention(&dsn)).unwrap();
        assert_eq!(steps, [Step::Deleted(2)], "{database}");
        assert_eq!(left(database), "stays", "{database}");
        assert_eq!(partitions(database), "p0 p1 p2", "{database}");
    }
}

#[test]
fn without_the_right_to_drop_the_rows_of_a_partition_are_deleted() {
    let bounds = ["('2026-04-01')", "('2026-05-01')", "('2026-06-01')"];
    let schema = partitioned(&table::seed(), "COLUMNS (start_time)", &bounds);
    table_of("parts_denied", &schema);
    fill("parts_denied", 10);
    let rights = "SELECT, INSERT, DELETE";
    let mut retention = retention(&june("june_deletes", rights, "parts_denied"));
    assert_eq!(pass(&mut retention).unwrap(), [Step::Deleted(10)]);
    assert_eq!(partitions("parts_denied"), "p0 p1 p2");
}

#[test]
fn a_missing_right_to_delete_shows_before_a_row_is_too_old() {
    table_of("may_not", &table::seed());
    let dsn = june("june_reads", "SELECT, INSERT", "may_not");
    let Err(Error::Unusable { reason, .. }) = pass(&mut retention(&dsn)) else {
        panic!("nobody missed the right");
    };
    assert!(reason.contains("DELETE command denied"), "{reason}");
    let dsn = june("june_reads", "DELETE", "may_not");
    assert_eq!(pass(&mut retention(&dsn)).unwrap(), []);
}
