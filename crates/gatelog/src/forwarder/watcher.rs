//! The thread that looks after all outputs, whatever their own threads are doing.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::attendant::Attendant;
use super::crew::Crew;
use super::tail::Tail;
use crate::backoff::Backoff;
use crate::caught::caught;

/// How often it comes by.
const TICK: Duration = Duration::from_millis(250);

/// The pause after a panic, first and longest.
const PANIC_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// An output that is looked after.
struct Watched {
    tail: Arc<Tail>,
    after_panic: Backoff,
    /// Left alone until then.
    until: Option<Instant>,
}

/// Starts the watcher. At its end it has what the outputs have confirmed made durable.
pub(super) fn start(crew: Weak<Crew>) -> io::Result<Attendant> {
    Attendant::start("output-watcher", |stop| watch_all(crew, stop))
}

async fn watch_all(crew: Weak<Crew>, mut stop: watch::Receiver<bool>) {
    let mut all = BTreeMap::new();
    loop {
        let Some(crew) = crew.upgrade() else {
            return;
        };
        let tails = crew.tails();
        crew.forget_eras();
        drop(crew);
        all.retain(|id, _| tails.contains_key(id));
        for (id, tail) in tails {
            all.entry(id).or_insert_with(|| Watched::new(tail));
        }
        // Each in turn, so that a long way of one holds up no other.
        let mut more = false;
        for watched in all.values_mut() {
            more |= watched.look_after();
        }
        let pause = if more { Duration::ZERO } else { TICK };
        let stopped = stop.wait_for(|stop| *stop);
        if tokio::time::timeout(pause, stopped).await.is_ok() {
            break;
        }
    }
    for watched in all.values() {
        watched.tail.sync_progress(true);
    }
}

impl Watched {
    fn new(tail: Arc<Tail>) -> Self {
        Self {
            tail,
            after_panic: Backoff::new(PANIC_PAUSE.0, PANIC_PAUSE.1),
            until: None,
        }
    }

    /// Answers whether there is more to be done at once.
    fn look_after(&mut self) -> bool {
        self.tail.sync_progress(false);
        if self.until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        match caught(|| self.tail.tend()) {
            Ok(more) => {
                self.until = None;
                self.after_panic.reset();
                more
            }
            Err(panic) => {
                self.tail.tending_panicked(&panic);
                self.until = Some(Instant::now() + self.after_panic.pause());
                false
            }
        }
    }
}
