//! When rows go to files, and what queries see meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gatelog_record::{AccessRecord, Timestamp};
use gatelog_store::lake::Config;
use gatelog_store::{Query, Store as _};
use gatelog_testkit::wait;

use super::{Fixture, NOON, records};
use crate::letters::Taking as _;

const DEADLINE: Duration = Duration::from_secs(30);

fn wait_for_commit(fixture: &Fixture, end: u64, mut nudge: impl FnMut()) {
    wait::until("the commit", DEADLINE, || {
        nudge();
        match fixture.lake().committed() {
            committed if committed == end => Ok(()),
            other => Err(other),
        }
    })
    .unwrap();
}

#[test]
fn full_memory_goes_to_files_by_itself() {
    for config in [
        Config {
            flush_rows: 20,
            ..Config::default()
        },
        Config {
            flush_bytes: 15_000,
            ..Config::default()
        },
    ] {
        let fixture = Fixture::new(config);
        fixture.write(&records(0..10), 1).unwrap();
        assert_eq!(fixture.lake().committed(), 0);
        fixture.write(&records(10..20), 2).unwrap();
        wait_for_commit(&fixture, 2, || {});
        assert_eq!((fixture.files().len(), fixture.total()), (1, 20));
    }
}

#[test]
fn old_rows_go_to_files_when_there_is_nothing_to_write() {
    let fixture = Fixture::new(Config {
        flush_age: Duration::from_millis(300),
        ..Config::default()
    });
    fixture.write(&records(0..10), 1).unwrap();
    let due_only = || {
        let flushed = fixture.runtime.block_on(fixture.lake().flush(false));
        flushed.unwrap();
    };
    due_only();
    assert_eq!(fixture.lake().committed(), 0);
    wait_for_commit(&fixture, 1, due_only);
    assert_eq!((fixture.files().len(), fixture.total()), (1, 10));
}

#[test]
fn a_position_without_rows_is_stored_without_a_file() {
    let mut fixture = Fixture::new(Config::default());
    fixture.write(&[], 77).unwrap();
    fixture.flush().unwrap();
    assert_eq!((fixture.lake().committed(), fixture.files().len()), (77, 0));
    fixture.restart();
    assert_eq!(fixture.open().unwrap(), Some(77));
}

#[test]
fn a_record_without_an_id_is_refused_and_its_neighbours_are_kept() {
    let fixture = Fixture::new(Config::default());
    let mut batch = records(0..3);
    batch[1].record_id = None;
    let rejected = fixture
        .runtime
        .block_on(fixture.lake().take(&batch, 1))
        .unwrap();
    assert_eq!(
        rejected.iter().map(|one| one.index).collect::<Vec<_>>(),
        [1]
    );
    assert_eq!(fixture.total(), 2);
}

#[test]
fn start_times_from_outside_do_not_decide_how_many_files_there_are() {
    let fixture = Fixture::new(Config::default());
    let mut batch: Vec<AccessRecord<'_>> = records(0..100);
    for (days, record) in (0i64..).zip(&mut batch) {
        record.start_time = Some(Timestamp::from_millis(NOON + days * 86_400_000));
    }
    batch[0].start_time = None;
    fixture.write(&batch, 1).unwrap();
    fixture.flush().unwrap();
    assert_eq!((fixture.files().len(), fixture.total()), (9, 100));
}

/// Rows move from memory to sealed to files under the eyes of queries: each must see every row
/// written before it began exactly once, and none twice.
#[test]
fn a_query_sees_each_row_once_while_rows_are_written_and_stored() {
    const BATCH: u64 = 10;
    let fixture = Fixture::new(Config {
        flush_rows: 45,
        ..Config::default()
    });
    let (begun, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let finished = AtomicBool::new(false);
    let lake = fixture.lake();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            for number in 0..60 {
                let batch = records(number * BATCH..(number + 1) * BATCH);
                begun.store((number + 1) * BATCH, Ordering::SeqCst);
                runtime.block_on(lake.take(&batch, number + 1)).unwrap();
                done.store((number + 1) * BATCH, Ordering::SeqCst);
            }
            finished.store(true, Ordering::SeqCst);
        });
        let query = Query {
            page_size: 1000,
            ..Query::default()
        };
        let mut last = false;
        while !last {
            last = finished.load(Ordering::SeqCst);
            let before = done.load(Ordering::SeqCst);
            let page = fixture.query(&query);
            let after = begun.load(Ordering::SeqCst);
            let total = page.total.unwrap();
            assert!(
                (before..=after).contains(&total),
                "{before} <= {total} <= {after}"
            );
            assert_eq!(total % BATCH, 0, "a write is seen whole or not at all");
            let mut ids: Vec<_> = page.records.iter().map(|row| row.record_id).collect();
            assert_eq!(ids.len() as u64, total);
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len() as u64, total);
        }
    });
    fixture.flush().unwrap();
    assert_eq!((fixture.lake().committed(), fixture.total()), (60, 600));
    assert!(fixture.files().len() > 3, "{:?}", fixture.files());
}
