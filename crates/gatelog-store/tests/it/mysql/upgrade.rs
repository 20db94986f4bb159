//! Old tables that are improved, on the real server.

use gatelog_record::AccessRecord;
use gatelog_store::mysql::{Change, Cost, DEFAULT_TABLE, Dsn, Refused, Upgrade};
use gatelog_store::{Error, Query, Store};

use super::{JOURNAL, START, all, block_on, runtime, server, standard_records, store, table};
use crate::letters::Taking as _;

fn look(dsn: &str) -> Result<(tokio::runtime::Runtime, Upgrade), Error> {
    let (dsn, _) = Dsn::parse(dsn).unwrap();
    let runtime = runtime();
    let upgrade = runtime.block_on(Upgrade::look(dsn, DEFAULT_TABLE))?;
    Ok((runtime, upgrade))
}

fn changes(upgrade: &Upgrade) -> Vec<Change> {
    upgrade.table().unwrap().1.changes.clone()
}

/// Applies everything, and answers what was refused.
fn apply(dsn: &str) -> Vec<Refused> {
    let (runtime, mut upgrade) = look(dsn).unwrap();
    let changes = changes(&upgrade);
    let refused = changes
        .iter()
        .filter_map(|change| runtime.block_on(upgrade.apply(change)).err())
        .collect();
    runtime.block_on(upgrade.close()).unwrap();
    refused
}

/// What the server would make the table with, its counter aside.
fn definition(database: &str) -> String {
    let shown = server()
        .sql(&format!("SHOW CREATE TABLE {database}.access_logs"))
        .unwrap();
    let text = shown[0][1].clone().unwrap();
    match text.split_once(" AUTO_INCREMENT=") {
        Some((before, behind)) => {
            let behind = behind.trim_start_matches(|digit: char| digit.is_ascii_digit());
            format!("{before}{behind}")
        }
        None => text,
    }
}

fn make(database: &str, schema: &str) -> String {
    let dsn = server().database(database).unwrap();
    server().sql(&format!("USE {database}; {schema}")).unwrap();
    dsn
}

/// A table with rows in it is looked at, improved, looked at again and written to again. Answers the
/// statements.
fn improve(database: &str, schema: &str, expected_seconds_only: bool) -> Vec<String> {
    let dsn = make(database, schema);
    let records = standard_records(50);
    let writer = store(&dsn);
    let runtime = runtime();
    runtime.block_on(async {
        writer.open(JOURNAL).await.unwrap();
        assert_eq!(writer.take(&records, 50).await.unwrap(), []);
    });
    let (rows, before) = (all(&writer), definition(database));
    let (looking, upgrade) = look(&dsn).unwrap();
    let planned = changes(&upgrade);
    looking.block_on(upgrade.close()).unwrap();
    assert_eq!(definition(database), before, "a look changes nothing");

    assert_eq!(apply(&dsn), []);
    assert_eq!(all(&writer), rows, "{database}");
    let after = definition(database);
    let (_, upgrade) = look(&dsn).unwrap();
    assert_eq!(changes(&upgrade), [], "{database}: {after}");
    // Whatever a line has besides its type is there still.
    for line in before.lines().filter(|line| line.starts_with("  `")) {
        let mut words = line.trim().trim_end_matches(',').splitn(3, ' ');
        let (name, behind) = (words.next().unwrap(), words.nth(1).unwrap_or_default());
        let kept = after.lines().any(|line| {
            line.starts_with(&format!("  {name} ")) && line.trim_end_matches(',').ends_with(behind)
        });
        assert!(kept, "{line} is no more in {after}");
    }
    for line in before.lines().filter(|line| line.contains("KEY")) {
        assert!(after.contains(line.trim_end_matches(',')), "{line}");
    }

    let again = AccessRecord {
        path: Some(format!("/{}", "x".repeat(5000)).into()),
        sample_weight: Some(2.5),
        duration: Some(1 << 40),
        ..records[0].clone()
    };
    runtime.block_on(async {
        writer.open(JOURNAL).await.unwrap();
        let written = std::slice::from_ref(&again);
        assert_eq!(writer.take(written, 51).await.unwrap(), []);
    });
    let stored = all(&writer).pop().unwrap();
    assert_eq!(
        (stored.path, stored.sample_weight, stored.duration),
        (again.path, again.sample_weight, again.duration)
    );
    let seconds = START.micros() / 1_000_000 * 1_000_000;
    let expected = if expected_seconds_only {
        seconds
    } else {
        START.micros()
    };
    assert_eq!(stored.start_time.unwrap().micros(), expected);
    planned.iter().map(Change::statement).collect()
}

#[test]
fn the_seeds_table_gets_milliseconds_and_the_weight() {
    let statements = improve("upgrade_a", &table::seed(), false);
    assert_eq!(
        statements,
        [
            "ALTER TABLE `access_logs` ADD COLUMN `sample_weight` DOUBLE NULL COMMENT 'Requests this row stands for', ALGORITHM=INSTANT",
            "ALTER TABLE `access_logs` MODIFY COLUMN `start_time` datetime(3) NOT NULL COMMENT 'Request start time', ALGORITHM=COPY, LOCK=SHARED",
        ]
    );
    // Now it is the table that gatelog makes, but for the order of its columns.
    make("upgrade_own", table::OWN);
    let sorted = |database| {
        let text = definition(database);
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| line.trim_end_matches(',').to_owned())
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted("upgrade_a"), sorted("upgrade_own"));
}

/// Columns of B and C that are shorter than the seed's by a change of the table's description alone.
const LENGTHENED: &str = "trace_id authority protocol request_id response_flags \
    upstream_service_time upstream_local_address downstream_local_address \
    downstream_remote_address istio_policy_status instance_id api model";

fn assert_later(statements: &[String], copied: &str) {
    let columns = |statement: &str| -> String {
        let names = statement.split("COLUMN `").skip(1);
        let names: Vec<_> = names.map(|rest| rest.split('`').next().unwrap()).collect();
        names.join(" ")
    };
    assert_eq!(columns(&statements[0]), "sample_weight");
    assert_eq!(columns(&statements[1]), LENGTHENED);
    assert!(statements[1].ends_with("ALGORITHM=INPLACE, LOCK=NONE"));
    assert_eq!(columns(&statements[2]), copied);
    assert!(statements[2].ends_with("ALGORITHM=COPY, LOCK=SHARED"));
    let indexed: Vec<_> = statements[3..]
        .iter()
        .map(|statement| statement.split('`').nth(3).unwrap())
        .collect();
    // Of the test's own B and C, which have five of the later tables' indexes.
    assert_eq!(
        indexed.join(" "),
        "idx_authority idx_response_code idx_instance_id idx_api idx_consumer idx_mcp_server"
    );
}

#[test]
fn the_table_with_short_columns_gets_long_ones_and_its_indexes() {
    let statements = improve("upgrade_b", &table::narrow(), false);
    assert_later(
        &statements,
        "start_time path user_agent x_forwarded_for response_code_details duration \
         upstream_transport_failure_reason",
    );
}

#[test]
fn the_table_with_epoch_seconds_keeps_them() {
    let statements = improve("upgrade_c", &table::epoch(), true);
    assert_later(
        &statements,
        "path user_agent x_forwarded_for response_code_details duration \
         upstream_transport_failure_reason",
    );
}

#[test]
fn a_missing_table_is_not_made() {
    let dsn = server().database("upgrade_missing").unwrap();
    let (_, upgrade) = look(&dsn).unwrap();
    assert!(upgrade.table().is_none());
    assert!(upgrade.server().contains("MariaDB"));
    let tables = server().sql("SHOW TABLES FROM upgrade_missing").unwrap();
    assert!(tables.is_empty());
    block_on(store(&dsn).open(JOURNAL)).unwrap();
    let (_, upgrade) = look(&dsn).unwrap();
    assert_eq!(changes(&upgrade), [], "what serve makes needs nothing");
}

#[test]
fn what_is_no_table_of_gatelogs_is_refused() {
    for (database, schema, named) in [
        (
            "upgrade_view",
            "CREATE VIEW access_logs AS SELECT NOW() AS start_time",
            "VIEW",
        ),
        (
            "upgrade_other",
            "CREATE TABLE access_logs (a INT)",
            "no column start_time",
        ),
    ] {
        let dsn = make(database, schema);
        match look(&dsn) {
            Err(Error::Unusable { reason, .. }) => assert!(reason.contains(named), "{reason}"),
            other => panic!("{database}: {other:?}"),
        }
    }
}

#[test]
fn an_account_that_may_not_alter_is_told_so() {
    make("upgrade_rights", &table::seed());
    server()
        .sql(
            "CREATE OR REPLACE USER 'writes'@'%' IDENTIFIED BY 'p';
             GRANT SELECT, INSERT, UPDATE ON upgrade_rights.* TO 'writes'@'%'",
        )
        .unwrap();
    let before = definition("upgrade_rights");
    let dsn = server().dsn_of("writes", "p", "upgrade_rights");
    let refused = apply(&dsn);
    assert_eq!(refused.len(), 2);
    for refused in refused {
        let text = refused.to_string();
        assert!(matches!(refused, Refused::NoRight(_)), "{text}");
        for part in ["ALTER command denied", "GRANT ALTER"] {
            assert!(text.contains(part), "{text}");
        }
    }
    assert_eq!(definition("upgrade_rights"), before);
    // What it is told to be given is enough.
    server()
        .sql("GRANT ALTER, CREATE, INDEX ON upgrade_rights.access_logs TO 'writes'@'%'")
        .unwrap();
    assert_eq!(apply(&dsn), []);
}

/// Columns, and what follows them.
const SHAPES: [(&str, &str); 9] = [
    (
        "Start_Time DATETIME(1), Path VARCHAR(9) NOT NULL, INDEX (Path(3))",
        "ROW_FORMAT=COMPRESSED",
    ),
    ("start_time TIMESTAMP NULL, path TEXT, FULLTEXT (path)", ""),
    (
        "start_time TIMESTAMP DEFAULT CURRENT_TIMESTAMP, model TEXT, api LONGTEXT",
        "",
    ),
    (
        "start_time DATETIME, api VARCHAR(20), INDEX idx_api (api(7), start_time)",
        "ENGINE=MyISAM",
    ),
    (
        "start_time DATETIME, method VARCHAR(3) CHARACTER SET latin1,
         duration SMALLINT UNSIGNED NOT NULL DEFAULT 7",
        "CHARACTER SET latin1",
    ),
    (
        "id INT AUTO_INCREMENT PRIMARY KEY, start_time INT, consumer CHAR(3),
         total_tokens MEDIUMINT COMMENT 'a, `b` ''c'''",
        "",
    ),
    (
        "start_time DATETIME, path VARCHAR(100) DEFAULT '/', user_agent VARCHAR(100),
         INDEX (user_agent)",
        "",
    ),
    (
        "start_time DATETIME, model VARCHAR(9) CHECK (model <> 'x'), route VARCHAR(9) INVISIBLE,
         service VARCHAR(9) AS (model)",
        "",
    ),
    (
        "start_time DATETIME, model VARCHAR(20), PRIMARY KEY (model, start_time)",
        "PARTITION BY HASH (TO_DAYS(start_time)) PARTITIONS 3",
    ),
];

#[test]
fn a_table_of_any_shape_has_nothing_left_to_do_afterwards() {
    for (number, (columns, options)) in SHAPES.into_iter().enumerate() {
        let database = format!("upgrade_shape_{number}");
        let schema = format!("CREATE TABLE access_logs ({columns}) {options}");
        let dsn = make(&database, &schema);
        let (_, upgrade) = look(&dsn).unwrap();
        assert_ne!(changes(&upgrade), []);
        assert_eq!(apply(&dsn), [], "{columns}");
        let (_, upgrade) = look(&dsn).unwrap();
        let after = definition(&database);
        assert_eq!(changes(&upgrade), [], "{columns}: {after}");
        for kept in ["CHECK (`model` <> 'x')", "varchar(255) INVISIBLE"] {
            assert_eq!(after.contains(kept), number == 7, "{after}");
        }
    }
}

/// The old row formats have no room for the seed's columns.
#[test]
fn what_the_server_cannot_do_is_told_in_its_words() {
    for format in ["compact", "redundant"] {
        let database = format!("upgrade_{format}");
        let schema = format!("CREATE TABLE access_logs (start_time DATETIME) ROW_FORMAT={format}");
        let dsn = make(&database, &schema);
        let refused = apply(&dsn)[0].to_string();
        assert!(refused.contains("Row size too large"), "{refused}");
        assert!(!definition(&database).contains("trace_id"));
    }
}

#[test]
fn what_somebody_else_has_done_meanwhile_is_told_and_the_rest_is_done() {
    let dsn = make("upgrade_refused", &table::seed());
    let (runtime, mut upgrade) = look(&dsn).unwrap();
    let planned = changes(&upgrade);
    // Somebody else was quicker.
    assert_eq!(apply(&dsn), []);
    let refused = runtime.block_on(upgrade.apply(&planned[0])).unwrap_err();
    assert!(
        refused.to_string().contains("Duplicate column name"),
        "{refused}"
    );
    assert_eq!(planned[1].cost, Cost::Copies);
    runtime.block_on(upgrade.apply(&planned[1])).unwrap();
    assert_eq!(
        block_on(store(&dsn).query(&Query::default()))
            .map(|page| page.total)
            .unwrap(),
        Some(0)
    );
}

mod faults {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use gatelog_testkit::wait;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    /// Waiting for a long query would hold up everybody who comes after it.
    #[test]
    #[ignore = "long: cargo xtask test faults --long"]
    fn a_table_that_stays_in_use_is_left_alone() {
        let dsn = make("upgrade_busy", &table::seed());
        let before = definition("upgrade_busy");
        let query =
            "START TRANSACTION; SELECT COUNT(*) FROM upgrade_busy.access_logs; DO SLEEP(60)";
        let mut client = Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--execute", query])
            .arg(format!("--socket={}", server().socket().display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let running = "SELECT id FROM information_schema.processlist WHERE info = 'DO SLEEP(60)'";
        let id = wait::until("the long query", DEADLINE, || {
            let rows = server().sql(running).unwrap();
            rows.first().and_then(|row| row[0].clone()).ok_or("not yet")
        })
        .unwrap();
        let (runtime, mut upgrade) = look(&dsn).unwrap();
        let weight = changes(&upgrade).remove(0);
        let refused = runtime.block_on(upgrade.apply(&weight)).unwrap_err();
        assert_eq!(refused, Refused::Busy(Duration::from_secs(10)));
        assert_eq!(definition("upgrade_busy"), before);
        server().sql(&format!("KILL {id}")).unwrap();
        client.wait().unwrap();
        runtime.block_on(upgrade.apply(&weight)).unwrap();
    }
}
