//! A store's thread beside a store that panics.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelog::dead_letter::DeadLetters;
use gatelog::pipeline::Pipeline;
use gatelog::telemetry::Telemetry;
use gatelog_journal::{Config, Journal, Start};
use gatelog_record::{AccessRecord, Timestamp, standard, wire};
use gatelog_store::{BoxFuture, Letters, Page, Query, Result, Store};
use gatelog_testkit::wait;
use tempfile::TempDir;
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_mins(1);

/// Commits each batch at once; panics at some of the calls.
#[derive(Default)]
struct Fragile {
    opened: AtomicU32,
    writes: AtomicU32,
    committed: AtomicU64,
    taken: Mutex<usize>,
}

impl Store for Fragile {
    fn name(&self) -> &'static str {
        "fragile"
    }

    fn open<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<u64>>> {
        Box::pin(async {
            let opened = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
            assert_ne!(opened, 2, "no way to open");
            Ok(Some(self.committed()))
        })
    }

    fn rewind<'a>(&'a self, _: &'a str, position: u64) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.committed.store(position, Ordering::Relaxed);
            Ok(())
        })
    }

    fn write<'a>(
        &'a self,
        records: &'a [AccessRecord<'a>],
        end: u64,
        _: &'a dyn Letters,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let writes = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
            // The first writes, for long enough to be seen.
            assert!(writes > 3, "no way to write");
            *self.taken.lock().unwrap() += records.len();
            self.committed.store(end, Ordering::Relaxed);
            Ok(())
        })
    }

    fn flush(&self, _: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn committed(&self) -> u64 {
        self.committed.load(Ordering::Relaxed)
    }

    fn query<'a>(&'a self, _: &'a Query) -> BoxFuture<'a, Result<Page>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_store_that_panics_is_told_of_and_opened_again() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(&dir.path().join("journal"), Config::default()).unwrap();
    let letters = DeadLetters::open(dir.path(), u64::MAX, &journal.id().to_string()).unwrap();
    let mut payload = Vec::new();
    wire::begin_batch(&mut payload);
    for number in 0..5 {
        wire::write_record(&standard::record(number, Timestamp::EPOCH), &mut payload);
    }
    let appended = journal.append(&payload, 5).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let end = runtime.unwrap().block_on(appended).unwrap();

    let store = Arc::new(Fragile::default());
    let stop = watch::Sender::new(false);
    let pipeline = Pipeline::start(
        Arc::clone(&store) as Arc<dyn Store>,
        &journal,
        journal.reader("fragile", Start::Oldest).unwrap(),
        letters.of_store("fragile"),
        &Telemetry::default(),
        stop.subscribe(),
    );
    let pipeline = pipeline.unwrap();
    wait::until("the panic to be told", DEADLINE, || {
        let error = pipeline.health.error();
        let told = error.as_deref() == Some("it panicked: no way to write");
        if told { Ok(()) } else { Err(error) }
    })
    .unwrap();
    wait::until("the store to be well again", DEADLINE, || {
        let error = pipeline.health.error();
        error.map_or(Ok(()), Err)
    })
    .unwrap();
    assert_eq!(*store.taken.lock().unwrap(), 5);
    assert_eq!(store.committed(), end.get());
    assert!(store.opened.load(Ordering::Relaxed) > 3);
    stop.send_replace(true);
    pipeline.join();
}
