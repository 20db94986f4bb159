//! What is told when the database is not as it should be, and that it goes on afterwards.

use std::time::{Duration, Instant};

use gatelog_store::{Error, Paging, Query, Store};
use gatelog_testkit::mariadb::MariaDb;

use super::{JOURNAL, block_on, count, runtime, server, standard_records, store};
use crate::letters::Taking as _;

fn unavailable<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unavailable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn unusable<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Unusable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn after_an_outage_the_store_opens_again_where_it_was() {
    let server = MariaDb::start().unwrap();
    let store = store(&server.database("logs").unwrap());
    let records = standard_records(10);
    let runtime = runtime();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    runtime.block_on(store.take(&records, 10)).unwrap();
    runtime.block_on(store.query(&Query::default())).unwrap();

    server.stop().unwrap();
    unavailable(runtime.block_on(store.take(&records, 20)));
    // Whatever follows without opening it again is refused.
    assert_eq!(
        unavailable(runtime.block_on(store.take(&records, 20))),
        "it is not open"
    );
    unavailable(runtime.block_on(store.query(&Query::default())));
    let reason = unavailable(runtime.block_on(store.open(JOURNAL)));
    assert!(
        reason.contains(&format!("gatelog@tcp(127.0.0.1:{})/logs", server.port())),
        "{reason}"
    );
    assert_eq!(store.committed(), 10);

    server.resume_service().unwrap();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(10));
    runtime.block_on(store.take(&records, 20)).unwrap();
    assert_eq!(store.committed(), 20);
    let page = runtime.block_on(store.query(&Query::default())).unwrap();
    assert_eq!(page.total, Some(20));
}

#[test]
fn a_server_that_hangs_is_unavailable_in_time() {
    let server = MariaDb::start().unwrap();
    let dsn = server.database("logs").unwrap() + "&timeout=1s&readTimeout=1s&writeTimeout=1s";
    let store = store(&dsn);
    let records = standard_records(10);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    server.freeze().unwrap();
    let begun = Instant::now();
    let writing = unavailable(runtime.block_on(store.take(&records, 10)));
    let opening = unavailable(runtime.block_on(store.open(JOURNAL)));
    // Far below the default of 30 s; the machine may be busy.
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    assert!(writing.contains("no answer within 1s"), "{writing}");
    assert!(opening.contains("no answer within 1s"), "{opening}");
    server.thaw().unwrap();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    runtime.block_on(store.take(&records, 10)).unwrap();
    let page = runtime.block_on(store.query(&Query::default())).unwrap();
    assert_eq!(page.total, Some(10));
}

#[test]
fn what_the_operator_has_to_mend_is_unusable_and_no_password_is_told() {
    server().database("closed").unwrap();
    let wrong = server().dsn_of("gatelog", "sesame-open", "closed");
    let reason = unusable(block_on(store(&wrong).open(JOURNAL)));
    assert!(
        reason.contains("Access denied for user 'gatelog'"),
        "{reason}"
    );
    assert!(!reason.contains("sesame"), "{reason}");
    let reason = unusable(block_on(store(&wrong).query(&Query::default())));
    assert!(!reason.contains("sesame"), "{reason}");
    assert!(!format!("{:?}", store(&wrong)).contains("sesame"));

    let unknown = server().dsn("no_such_database");
    let reason = unusable(block_on(store(&unknown).open(JOURNAL)));
    assert!(reason.contains("Unknown database"), "{reason}");

    let empty = server().database("empty").unwrap();
    let reason = unusable(block_on(store(&empty).query(&Query::default())));
    assert_eq!(reason, "there is no table access_logs");

    server()
        .sql(
            "CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'r'; GRANT SELECT ON empty.* TO reader@'%'",
        )
        .unwrap();
    let reader = server().dsn_of("reader", "r", "empty");
    let reason = unusable(block_on(store(&reader).open(JOURNAL)));
    assert!(
        reason.contains("creating the table access_logs"),
        "{reason}"
    );
    assert!(reason.contains("CREATE command denied"), "{reason}");

    block_on(store(&empty).open(JOURNAL)).unwrap();
    let store = store(&reader);
    let runtime = runtime();
    // It may not write the position either, so this is not exactly once.
    runtime.block_on(store.open(JOURNAL)).unwrap();
    assert!(!store.exactly_once());
    let reason = unusable(runtime.block_on(store.take(&standard_records(1), 1)));
    assert!(reason.contains("INSERT command denied"), "{reason}");
}

#[test]
fn without_the_right_to_the_position_records_are_stored_at_least_once() {
    let dsn = server().database("restricted").unwrap();
    block_on(store(&dsn).open(JOURNAL)).unwrap();
    server()
        .sql(
            "DROP TABLE restricted.gatelog_position;
             CREATE OR REPLACE USER writer@'%' IDENTIFIED BY 'w';
             GRANT SELECT, INSERT ON restricted.access_logs TO writer@'%'",
        )
        .unwrap();
    let writer = server().dsn_of("writer", "w", "restricted");
    let store = store(&writer);
    let runtime = runtime();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    assert!(!store.exactly_once());
    assert_eq!(
        runtime
            .block_on(store.take(&standard_records(3), 30))
            .unwrap(),
        []
    );
    assert_eq!(store.committed(), 30);
    // This process remembers; another one does not.
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(30));
    assert_eq!(block_on(super::store(&writer).open(JOURNAL)).unwrap(), None);
    assert_eq!(count("restricted"), 3);

    // The right is given while the store runs: nothing that is stored is asked for again.
    server()
        .sql("GRANT CREATE, SELECT, INSERT, UPDATE ON restricted.* TO writer@'%'")
        .unwrap();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(30));
    assert!(store.exactly_once());
    runtime
        .block_on(store.take(&standard_records(1), 40))
        .unwrap();
    assert_eq!(
        block_on(super::store(&writer).open(JOURNAL)).unwrap(),
        Some(40)
    );
}

#[test]
fn what_was_stored_while_positions_were_not_kept_lies_behind_the_old_position() {
    let dsn = server().database("interrupted").unwrap();
    block_on(store(&dsn).open(JOURNAL)).unwrap();
    let rights = "SELECT, INSERT, UPDATE ON interrupted.gatelog_position";
    server()
        .sql(&format!(
            "CREATE OR REPLACE USER interrupted@'%' IDENTIFIED BY 'i';
             GRANT SELECT, INSERT ON interrupted.access_logs TO interrupted@'%';
             GRANT {rights} TO interrupted@'%'"
        ))
        .unwrap();
    let store = store(&server().dsn_of("interrupted", "i", "interrupted"));
    let runtime = runtime();
    let records = standard_records(1);
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    runtime.block_on(store.take(&records, 10)).unwrap();
    assert!(store.exactly_once());
    server()
        .sql("REVOKE UPDATE ON interrupted.gatelog_position FROM interrupted@'%'")
        .unwrap();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(10));
    assert!(!store.exactly_once());
    runtime.block_on(store.take(&records, 30)).unwrap();
    server()
        .sql(&format!("GRANT {rights} TO interrupted@'%'"))
        .unwrap();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(30));
    assert!(store.exactly_once());
}

#[test]
fn a_page_too_deep_is_not_asked_for() {
    // There is not even a server.
    let store = store("gatelog:x@tcp(127.0.0.1:1)/logs");
    let query = Query {
        paging: Paging::Number(u32::MAX),
        ..Query::default()
    };
    let answer = block_on(store.query(&query));
    assert!(
        matches!(&answer, Err(Error::Unanswerable { reason, .. }) if reason.contains("cursor")),
        "{answer:?}"
    );
}

#[test]
fn an_engine_without_transactions_is_at_least_once() {
    let dsn = server().database("aria").unwrap();
    server()
        .sql("CREATE TABLE aria.access_logs (start_time DATETIME(3)) ENGINE=Aria")
        .unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    assert!(!store.exactly_once());
    runtime
        .block_on(store.take(&standard_records(3), 30))
        .unwrap();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(30));
    assert_eq!(count("aria"), 3);
}

#[test]
fn tls_is_used_where_it_is_asked_for_and_left_where_it_is_only_preferred() {
    // This server has no certificate.
    let dsn = server().database("tls").unwrap();
    block_on(store(&format!("{dsn}&tls=preferred")).open(JOURNAL)).unwrap();
    let page = block_on(store(&format!("{dsn}&tls=preferred")).query(&Query::default()));
    assert_eq!(page.unwrap().total, Some(0));
    let reason = unavailable(block_on(store(&format!("{dsn}&tls=true")).open(JOURNAL)));
    assert!(reason.contains("SSL"), "{reason}");
}

#[test]
fn a_socket_is_as_good_as_a_port() {
    server().database("socket").unwrap();
    let dsn = format!("root@unix({})/socket", server().socket().display());
    let store = store(&dsn);
    assert_eq!(block_on(store.open(JOURNAL)).unwrap(), None);
}
