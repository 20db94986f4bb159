//! Records in, the same records out, once each.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use gatelog_record::AccessRecord;
use gatelog_store::{Error, Query, Rejected, Store};
use gatelog_testkit::wait;
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use tokio::runtime::Runtime;

use super::{JOURNAL, START, all, block_on, count, runtime, server, standard_records, store};
use crate::letters::Taking as _;

const OTHER_JOURNAL: &str = "6f1c1f0e-6a6c-4b0e-9a5f-000000000002";

#[test]
fn standard_records_come_back_as_they_were() {
    let dsn = server().database("standard").unwrap();
    let store = store(&dsn);
    // More than go into one statement.
    let records = standard_records(2500);
    let runtime = runtime();
    runtime.block_on(async {
        assert_eq!(store.open(JOURNAL).await.unwrap(), None);
        assert_eq!(store.committed(), 0);
        assert_eq!(store.take(&records, 4711).await.unwrap(), []);
        assert_eq!(store.committed(), 4711);
        assert!(store.exactly_once());
    });
    assert_eq!(all(&store), records);
    assert_eq!(store.truncated(), []);
}

#[test]
fn weights_are_kept_and_estimate_the_total() {
    let dsn = server().database("weights").unwrap();
    let store = store(&dsn);
    let mut records = standard_records(3);
    let runtime = runtime();
    let estimate = || {
        let page = runtime.block_on(store.query(&Query::default())).unwrap();
        (page.total, page.estimated_total)
    };
    runtime.block_on(store.open(JOURNAL)).unwrap();
    runtime.block_on(store.take(&records, 1)).unwrap();
    assert_eq!(estimate(), (Some(3), None));
    records[0].sample_weight = Some(2.5);
    records[1].sample_weight = Some(1e15 / 3.0);
    runtime.block_on(store.take(&records[..2], 2)).unwrap();
    assert_eq!(estimate(), (Some(5), Some(3.0 + 2.5 + 1e15 / 3.0)));
    assert_eq!(all(&store)[3..], records[..2]);
    // What cannot be a weight stands for one request.
    for (record, odd) in records.iter_mut().zip([f64::NAN, -5.0, 0.0]) {
        record.sample_weight = Some(odd);
    }
    runtime.block_on(store.take(&records, 3)).unwrap();
    assert_eq!(estimate(), (Some(8), Some(6.0 + 2.5 + 1e15 / 3.0)));
}

#[test]
fn each_journal_finds_its_own_position_again() {
    let dsn = server().database("positions").unwrap();
    let records = standard_records(2);
    for (journal, ends) in [(JOURNAL, [10, 20]), (OTHER_JOURNAL, [7, u64::MAX])] {
        let store = store(&dsn);
        let runtime = runtime();
        runtime.block_on(async {
            assert_eq!(store.open(journal).await.unwrap(), None);
            for end in ends {
                store.take(&records, end).await.unwrap();
                assert_eq!(store.open(journal).await.unwrap(), Some(end));
            }
            // Nothing but records that were filtered out lay before this position.
            store.take(&[], ends[1]).await.unwrap();
        });
    }
    let store = store(&dsn);
    assert_eq!(block_on(store.open(JOURNAL)).unwrap(), Some(20));
    assert_eq!(store.committed(), 20);
    assert_eq!(
        block_on(super::store(&dsn).open(OTHER_JOURNAL)).unwrap(),
        Some(u64::MAX)
    );
    assert_eq!(count("positions"), 8);
}

/// A connection that the test itself holds a transaction on.
/// Lost, or set back as by a server that was behind: in both cases without a word on the connection.
#[test]
fn a_position_that_is_not_where_it_was_is_not_written_over() {
    // The server's own settings must not matter.
    server().sql("SET GLOBAL autocommit = 0").unwrap();
    let dsn = server().database("moved").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    let take = |from: usize, end: u64| {
        let records = &standard_records(end)[from..];
        runtime.block_on(store.take(records, end))
    };
    let open = || runtime.block_on(store.open(JOURNAL)).unwrap();
    open();
    take(0, 100).unwrap();
    for (harm, found) in [
        ("DELETE FROM moved.gatelog_position; COMMIT", Some(100)),
        (
            "UPDATE moved.gatelog_position SET position = 70; COMMIT",
            Some(70),
        ),
    ] {
        server().sql(harm).unwrap();
        let refused = take(100, 110).unwrap_err();
        assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
        assert_eq!(count("moved"), 100, "{harm}");
        assert_eq!(open(), found, "{harm}");
        // A process that begins anew finds the same.
        let anew = super::store(&dsn);
        assert_eq!(block_on(anew.open(JOURNAL)).unwrap(), found, "{harm}");
    }
    take(100, 110).unwrap();
    assert_eq!(count("moved"), 110);
    // Looked at while nothing is written, too.
    server()
        .sql("DELETE FROM moved.gatelog_position; COMMIT")
        .unwrap();
    wait::until("it to be noticed", Duration::from_secs(20), || {
        let looked = runtime.block_on(store.flush(false));
        looked.is_err().then_some(()).ok_or("not yet")
    })
    .unwrap();
    assert_eq!(open(), Some(110));
    assert_eq!(
        block_on(super::store(&dsn).open(JOURNAL)).unwrap(),
        Some(110)
    );
    server().sql("SET GLOBAL autocommit = DEFAULT").unwrap();
}

async fn connection(dsn: &str) -> Conn {
    let database = dsn.rsplit_once('/').unwrap().1.split_once('?').unwrap().0;
    let opts = mysql_async::OptsBuilder::default()
        .user(Some("root"))
        .socket(Some(server().socket().to_str().unwrap()))
        .db_name(Some(database));
    Conn::new(opts).await.unwrap()
}

/// Writes in a thread of its own, once the store is open and `before` was done with a connection
/// of the test's. Answers that connection and the thread.
fn write_while(
    dsn: &str,
    records: Vec<AccessRecord<'static>>,
    end: u64,
    before: &str,
) -> (Runtime, Conn, JoinHandle<Result<Vec<Rejected>, Error>>) {
    let store = store(dsn);
    let (opened, is_open) = mpsc::channel();
    let (go, may_go) = mpsc::channel();
    let writer = std::thread::spawn(move || {
        let runtime = runtime();
        opened.send(runtime.block_on(store.open(JOURNAL))).unwrap();
        may_go.recv().unwrap();
        runtime.block_on(store.take(&records, end))
    });
    is_open.recv().unwrap().unwrap();
    let runtime = runtime();
    let mut conn = runtime.block_on(connection(dsn));
    runtime.block_on(conn.query_drop(before)).unwrap();
    go.send(()).unwrap();
    (runtime, conn, writer)
}

/// The number of the connection that runs a statement like this in the database.
fn running(database: &str, statement: &str) -> String {
    let query = format!(
        "SELECT id FROM information_schema.processlist \
         WHERE db = '{database}' AND command IN ('Query', 'Execute') AND info LIKE '{statement}%'"
    );
    wait::until(statement, Duration::from_secs(20), || {
        let rows = server().sql(&query).unwrap();
        rows.first()
            .and_then(|row| row[0].clone())
            .ok_or("not running")
    })
    .unwrap()
}

#[test]
fn a_connection_that_dies_before_the_commit_leaves_neither_rows_nor_position() {
    let dsn = server().database("killed").unwrap();
    let first = store(&dsn);
    let runtime = runtime();
    runtime.block_on(first.open(JOURNAL)).unwrap();
    runtime
        .block_on(first.take(&standard_records(3), 30))
        .unwrap();

    // The position's row is locked, so the transaction waits between its rows and its commit.
    let lock = "START TRANSACTION; SELECT * FROM gatelog_position FOR UPDATE";
    let (locks, conn, writer) = write_while(&dsn, standard_records(5), 80, lock);
    let id = running("killed", "UPDATE gatelog_position");
    server().sql(&format!("KILL {id}")).unwrap();
    match writer.join().unwrap() {
        Err(Error::Unavailable { .. }) => {}
        other => panic!("{other:?}"),
    }
    drop(conn);
    drop(locks);

    assert_eq!(block_on(store(&dsn).open(JOURNAL)).unwrap(), Some(30));
    assert_eq!(count("killed"), 3);
    // The other connection knows nothing of it and goes on.
    assert_eq!(
        runtime
            .block_on(first.take(&standard_records(1), 40))
            .unwrap(),
        []
    );
    assert_eq!(count("killed"), 4);
}

#[test]
fn opening_waits_for_a_commit_that_is_still_on_its_way() {
    let dsn = server().database("in_doubt").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    // As a connection that was given up leaves it: everything sent, the commit not yet done.
    let mut old = runtime.block_on(connection(&dsn));
    let position = format!("INSERT INTO gatelog_position VALUES ('{JOURNAL}', 0, 500)");
    runtime
        .block_on(old.query_drop(format!("START TRANSACTION; {position}")))
        .unwrap();
    let opening = std::thread::spawn(move || block_on(store.open(JOURNAL)));
    running("in_doubt", "SELECT lane, `position`");
    assert!(!opening.is_finished());
    runtime.block_on(old.query_drop("COMMIT")).unwrap();
    assert_eq!(opening.join().unwrap().unwrap(), Some(500));
}

#[test]
fn a_bad_row_is_refused_alone() {
    let dsn = server().database("bad_rows").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    server()
        .sql("ALTER TABLE bad_rows.access_logs ADD CHECK (response_code <> 666)")
        .unwrap();
    let mut records = standard_records(1200);
    let bad = [0, 17, 18, 600, 1199];
    for index in bad {
        records[index].response_code = Some(666);
    }
    let refused = runtime.block_on(store.take(&records, 1200)).unwrap();
    let indexes: Vec<_> = refused.iter().map(|refused| refused.index).collect();
    assert_eq!(indexes, bad);
    for refused in &refused {
        assert_eq!(
            refused.reason,
            "a CHECK constraint refuses the row (error 4025)"
        );
    }
    let mut index = 0;
    records.retain(|_| {
        index += 1;
        !bad.contains(&(index - 1))
    });
    assert_eq!(all(&store), records);
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(1200));
}

#[test]
fn a_row_whose_json_the_server_does_not_take_is_stored_without_it() {
    let dsn = server().database("deep_json").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    // This server reads 32 levels.
    let deep = "[".repeat(40) + &"]".repeat(40);
    let mut records = standard_records(1200);
    let bad = [0, 17, 18, 1199];
    for index in bad {
        records[index].ai_log = Some(deep.clone().into());
    }
    assert_eq!(runtime.block_on(store.take(&records, 1200)).unwrap(), []);
    for index in bad {
        records[index].ai_log = None;
    }
    let found = all(&store);
    assert!(found == records, "{} rows", found.len());
    assert_eq!(store.truncated(), [("ai_log", 4)]);
}

/// An index of one's own on a part of `ai_log` is made that way.
#[test]
fn a_row_that_is_too_long_for_a_column_computed_from_its_json_is_stored_without_it() {
    let dsn = server().database("computed").unwrap();
    server()
        .sql(
            "CREATE TABLE computed.access_logs (
               id INT AUTO_INCREMENT PRIMARY KEY, start_time DATETIME, method VARCHAR(99), ai_log JSON,
               user VARCHAR(5) AS (JSON_VALUE(ai_log, '$.user')) STORED,
               chat INT AS (JSON_VALUE(ai_log, '$.chat')) VIRTUAL, INDEX (chat),
               verb VARCHAR(5) AS (method) STORED)",
        )
        .unwrap();
    let store = store(&dsn);
    let with = |method: &'static str, ai_log: &'static str| AccessRecord {
        start_time: Some(START),
        method: Some(method.into()),
        ai_log: Some(ai_log.into()),
        ..AccessRecord::default()
    };
    let records = [
        with("GET", r#"{"user":"short","chat":"7"}"#),
        with("PUT", r#"{"user":"too long"}"#),
        with("LONGER", r#"{"user":"short"}"#),
        with("POST", r#"{"chat":"x"}"#),
    ];
    let refused = runtime().block_on(async {
        store.open(JOURNAL).await.unwrap();
        store.take(&records, 4).await.unwrap()
    });
    // Without its JSON it would be as long.
    let refused: Vec<_> = refused
        .iter()
        .map(|refused| (refused.index, refused.reason.as_str()))
        .collect();
    assert_eq!(
        refused,
        [(2, "a text is too long (column verb, error 1406)")]
    );
    let found = server()
        .sql("SELECT method, ai_log FROM computed.access_logs ORDER BY id")
        .unwrap();
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(
        found,
        [
            vec![of("GET"), of(r#"{"user":"short","chat":"7"}"#)],
            vec![of("PUT"), None],
            vec![of("POST"), None]
        ]
    );
    assert_eq!(store.truncated(), [("ai_log", 2)]);
}

#[test]
fn json_that_another_writer_cut_is_absent() {
    let dsn = server().database("cut_json").unwrap();
    server()
        .sql(
            "CREATE TABLE cut_json.access_logs
                 (id INT AUTO_INCREMENT PRIMARY KEY, start_time DATETIME(3), ai_log VARCHAR(40));
             INSERT INTO cut_json.access_logs (start_time, ai_log)
                 VALUES (NOW(3), '{\"a\":\"b'), (NOW(3), '{\"a\":\"b\"}')",
        )
        .unwrap();
    let found: Vec<_> = all(&store(&dsn))
        .into_iter()
        .map(|record| record.ai_log)
        .collect();
    assert_eq!(found, [None, Some(r#"{"a":"b"}"#.into())]);
}

#[test]
fn a_row_over_the_packet_limit_is_refused_alone() {
    let dsn = server().database("packets").unwrap();
    let store = store(&dsn);
    let mut records = standard_records(4);
    // The server's limit is 16 MiB, half of that a statement's.
    records[1].ai_log = Some(format!("{{\"a\":\"{}\"}}", "x".repeat(17 << 20)).into());
    records[2].ai_log = Some(format!("{{\"a\":\"{}\"}}", "y".repeat(12 << 20)).into());
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    let refused = runtime.block_on(store.take(&records, 4)).unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].index, 1);
    assert!(
        refused[0].reason.contains("max_allowed_packet"),
        "{}",
        refused[0].reason
    );
    records.remove(1);
    assert_eq!(all(&store), records);
}

#[test]
fn texts_with_every_special_character_come_back_as_they_were() {
    let dsn = server().database("characters").unwrap();
    let store = store(&dsn);
    let odd = "'\"\\%_\0\n\r\t\u{1a}--/*!;) ('') \\' \u{feff}\u{7f}😀";
    let records = [AccessRecord {
        start_time: Some(START),
        path: Some(odd.into()),
        consumer: Some("\\".into()),
        model: Some("' OR 1=1 -- ".into()),
        ai_log: Some(r#"{"a":"it's \\ \"\u0000"}"#.into()),
        ..AccessRecord::default()
    }];
    // The account's own settings must not matter.
    server()
        .sql("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES'")
        .unwrap();
    let runtime = runtime();
    let written = runtime.block_on(async {
        store.open(JOURNAL).await?;
        store.take(&records, 1).await
    });
    let found = all(&store);
    server().sql("SET GLOBAL sql_mode = DEFAULT").unwrap();
    assert_eq!(written.unwrap(), []);
    assert_eq!(found, records);
}
