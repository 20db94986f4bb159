//! The thread that looks after all outputs, whatever their own threads are doing.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::crew::Crew;
use super::tail::Tail;
use crate::backoff::Backoff;
use crate::caught::caught;

/// How often it comes by.
const TICK: Duration = Duration::from_millis(250);

/// The pause after a panic, first and longest.
const PANIC_PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// The thread. It ends when this is dropped, too.
#[derive(Debug)]
pub(super) struct Watcher {
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// An output that is looked after.
struct Watched {
    tail: Arc<Tail>,
    after_panic: Backoff,
    /// Left alone until then.
    until: Option<Instant>,
}

impl Watcher {
    /// Starts the thread.
    pub(super) fn start(crew: Weak<Crew>) -> io::Result<Self> {
        let stop = watch::Sender::new(false);
        let stopped = stop.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("output-watcher".to_owned())
            .spawn(move || runtime.block_on(watch_all(crew, stopped)))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Has what the outputs have confirmed made durable, and ends the thread.
    pub(super) fn join(mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that looks after outputs ended in a panic");
        }
    }
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
