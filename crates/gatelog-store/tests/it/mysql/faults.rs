//! The network and the server fail at the worst moments: every row is there once afterwards.

use std::time::Duration;

use gatelog_record::AccessRecord;
use gatelog_store::{Error, Letters, Query, Rejected, Store};
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::proxy::{Cut, Mode, Proxy};
use gatelog_testkit::wait;

use super::{JOURNAL, block_on, runtime, server, standard_records, store};
use crate::letters::Taking as _;

/// A database, and its DSN through a proxy, with answers expected within `seconds`.
fn through(server: &MariaDb, proxy: &Proxy, database: &str, seconds: u32) -> String {
    let dsn = server.database(database).unwrap();
    let direct = format!(":{})", server.port());
    let limits = format!("&timeout={seconds}s&readTimeout={seconds}s&writeTimeout={seconds}s");
    dsn.replace(&direct, &format!(":{})", proxy.port())) + &limits
}

fn count(server: &MariaDb, database: &str) -> String {
    let rows = server.sql(&format!("SELECT COUNT(*) FROM `{database}`.access_logs"));
    rows.unwrap()[0][0].clone().unwrap()
}

fn refused_write(result: &Result<Vec<Rejected>, Error>) {
    assert!(
        matches!(result, Err(Error::Unavailable { .. })),
        "{result:?}"
    );
}

#[test]
fn a_commit_whose_answer_was_lost_is_recognised() {
    let proxy = Proxy::start(server().port()).unwrap();
    let store = store(&through(server(), &proxy, "lost_answer", 30));
    let (runtime, records) = (runtime(), standard_records(10));
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    // Of the first commit of a journal, and of a later one.
    for (end, rows) in [(10, "10"), (20, "20")] {
        proxy.cut_at("COMMIT", Cut::Answer, 1);
        refused_write(&runtime.block_on(store.take(&records, end)));
        assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(end));
        assert_eq!(count(server(), "lost_answer"), rows);
    }
    assert_eq!(proxy.cuts(), 2);
}

#[test]
fn a_commit_that_was_lost_itself_is_not_taken_for_done() {
    let proxy = Proxy::start(server().port()).unwrap();
    let store = store(&through(server(), &proxy, "lost_commit", 30));
    let (runtime, records) = (runtime(), standard_records(10));
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    for (before, end) in [(None, 10), (Some(10), 20)] {
        proxy.cut_at("COMMIT", Cut::Before, 1);
        refused_write(&runtime.block_on(store.take(&records, end)));
        assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), before);
        runtime.block_on(store.take(&records, end)).unwrap();
    }
    assert_eq!(proxy.cuts(), 2);
    assert_eq!(count(server(), "lost_commit"), "20");
}

/// The network holds the commit back for longer than anybody waits for it, and then delivers it.
#[test]
fn a_commit_that_arrives_late_is_waited_for() {
    let proxy = Proxy::start(server().port()).unwrap();
    let store = store(&through(server(), &proxy, "late_commit", 1));
    let direct = super::store(&server().dsn("late_commit"));
    let (runtime, records) = (runtime(), standard_records(10));
    runtime.block_on(store.open(JOURNAL)).unwrap();
    for (end, rows) in [(10, "10"), (20, "20")] {
        proxy.cut_at("COMMIT", Cut::Hang, 1);
        refused_write(&runtime.block_on(store.take(&records, end)));
        // The position is asked for while the transaction is open, on another way.
        let position = std::thread::scope(|scope| {
            let opening = scope.spawn(|| block_on(direct.open(JOURNAL)));
            wait::until("the opening to wait", Duration::from_secs(20), || {
                // The server looks only if nobody has asked for 0.1 s.
                let waiting = "SELECT SLEEP(0.2); \
                    SELECT COUNT(*) FROM information_schema.innodb_lock_waits";
                let waiting = server().sql(waiting).unwrap().pop().unwrap()[0].clone();
                if waiting.as_deref() == Some("0") {
                    Err(waiting)
                } else {
                    Ok(())
                }
            })
            .unwrap();
            proxy.set(Mode::Pass);
            opening.join().unwrap()
        });
        assert_eq!(position.unwrap(), Some(end));
        assert_eq!(count(server(), "late_commit"), rows);
        assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(end));
    }
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_a_transaction_has_nothing_of_it() {
    let server = MariaDb::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let store = store(&through(&server, &proxy, "killed", 2));
    let (runtime, records) = (runtime(), standard_records(2000));
    runtime.block_on(store.open(JOURNAL)).unwrap();
    runtime.block_on(store.take(&records[..5], 5)).unwrap();
    proxy.cut_at("COMMIT", Cut::Hang, 1);
    refused_write(&runtime.block_on(store.take(&records, 2000)));
    server.stop().unwrap();
    proxy.set(Mode::Pass);
    assert!(runtime.block_on(store.open(JOURNAL)).is_err());
    server.resume_service().unwrap();
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), Some(5));
    assert_eq!(count(&server, "killed"), "5");
    runtime.block_on(store.take(&records, 2000)).unwrap();
    assert_eq!(count(&server, "killed"), "2005");
}

#[test]
fn a_network_that_is_slow_or_gone_costs_time_and_no_row() {
    let proxy = Proxy::start(server().port()).unwrap();
    let store = store(&through(server(), &proxy, "bad_network", 2));
    let (runtime, records) = (runtime(), standard_records(20));
    runtime.block_on(store.open(JOURNAL)).unwrap();
    let mut stored = 0;
    for (round, mode) in [
        Mode::Hang,
        Mode::Refuse,
        Mode::Slow(2000),
        Mode::Slow(200_000),
    ]
    .into_iter()
    .enumerate()
    {
        proxy.set(mode);
        let end = 10 * (round as u64 + 1);
        let written = runtime.block_on(store.take(&records, end));
        // 20 rows do not come through at 2 kB a second.
        assert_eq!(
            written.is_ok(),
            mode == Mode::Slow(200_000),
            "{mode:?}: {written:?}"
        );
        stored += u32::from(written.is_ok()) * 20;
        proxy.set(Mode::Pass);
        let position = runtime.block_on(store.open(JOURNAL)).unwrap();
        assert_eq!(position, written.is_ok().then_some(end), "{mode:?}");
        assert_eq!(count(server(), "bad_network"), stored.to_string());
    }
}

/// Keeps nothing.
struct Refusing;

impl Letters for Refusing {
    fn keep(&self, rejected: &[Rejected]) -> std::io::Result<()> {
        assert_eq!(rejected.len(), 1);
        Err(std::io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn nothing_is_committed_whose_letters_cannot_be_kept() {
    let dsn = server().database("no_letters").unwrap();
    let store = store(&dsn);
    let runtime = runtime();
    runtime.block_on(store.open(JOURNAL)).unwrap();
    server()
        .sql("ALTER TABLE no_letters.access_logs ADD CHECK (response_code <> 666)")
        .unwrap();
    let mut records: Vec<AccessRecord<'_>> = standard_records(5);
    records[3].response_code = Some(666);
    let written = runtime.block_on(store.write(&records, 5, &Refusing));
    assert!(matches!(written, Err(Error::Letters { .. })), "{written:?}");
    assert_eq!(runtime.block_on(store.open(JOURNAL)).unwrap(), None);
    assert_eq!(count(server(), "no_letters"), "0");
    let refused = runtime.block_on(store.take(&records, 5)).unwrap();
    assert_eq!(refused.len(), 1);
    let page = runtime.block_on(store.query(&Query::default())).unwrap();
    assert_eq!(page.total, Some(4));
}
