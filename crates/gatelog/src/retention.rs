//! The thread that deletes rows of MySQL by their age.
//!
//! **Shape.** One thread with a connection of its own, beside the store's, which it shares nothing
//! with. It works in steps ([`Retention::step`]) with a pause behind each as long as the step took,
//! so at most half of the time is its; when nothing is left it looks again after [`INTERVAL`].
//!
//! **Failure.** What goes wrong is a warning in `/ready` and in the log, not an error of the store,
//! which takes records all the same; it is tried again after a pause that doubles up to
//! [`LONGEST_PAUSE`]. It stops at once when the process ends: a step under way is undone by the server,
//! or done.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gatelog_store::Result;
use gatelog_store::mysql::{Retention, Step};
use metrics::Counter;
use tokio::sync::watch;

use crate::backoff::Backoff;
use crate::caught::caught_async;
use crate::health::Health;
use crate::intake;
use crate::telemetry::Telemetry;

/// From the end of a pass to the next.
const INTERVAL: Duration = Duration::from_mins(1);

/// The pause behind a step, shortest and longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// The pause after the first of several failures.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// How often the log tells what was deleted.
const TELL_AGAIN: Duration = Duration::from_hours(1);

/// The running thread.
#[derive(Debug)]
pub struct Sweeper {
    thread: JoinHandle<()>,
}

/// What the thread works with.
struct Thread {
    retention: Retention,
    health: Arc<Health>,
    rows: Counter,
    partitions: Counter,
    errors: Counter,
    backoff: Backoff,
    deleted: Deleted,
    stop: watch::Receiver<bool>,
}

/// What was deleted and has not been told.
#[derive(Debug, Default)]
struct Deleted {
    rows: u64,
    partitions: u64,
    told: Option<Instant>,
}

impl Sweeper {
    /// Starts the thread, which tells `health` what it cannot do. It ends soon after `stop` turns true.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        retention: Retention,
        health: Arc<Health>,
        telemetry: &Telemetry,
        stop: watch::Receiver<bool>,
    ) -> io::Result<Self> {
        let store = || Some(("store", "mysql".to_owned()));
        let thread = Thread {
            retention,
            health,
            rows: telemetry.counter("gatelog_store_expired_rows_total", store()),
            partitions: telemetry.counter("gatelog_store_expired_partitions_total", store()),
            errors: telemetry.counter("gatelog_store_expiry_errors_total", store()),
            backoff: Backoff::new(FIRST_PAUSE, LONGEST_PAUSE),
            deleted: Deleted::default(),
            stop,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let named = std::thread::Builder::new().name("retention".to_owned());
        let thread = named.spawn(move || runtime.block_on(thread.run()))?;
        Ok(Self { thread })
    }

    /// Waits for the thread to end.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the thread that deletes old rows ended in a panic");
        }
    }
}

impl Thread {
    async fn run(mut self) {
        let mut stop = self.stop.clone();
        let stopped = async { stop.wait_for(|stop| *stop).await.map(drop) };
        tokio::select! {
            () = self.sweep() => {}
            _ = stopped => {}
        }
    }

    /// Never ends.
    async fn sweep(&mut self) {
        loop {
            let begun = Instant::now();
            let step = caught_async(self.retention.step(intake::now())).await;
            let pause = match step {
                Ok(step) => self.take_note(step, begun.elapsed()),
                Err(panic) => self.failed(&panic),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Counts what a step did; answers the pause behind it.
    fn take_note(&mut self, step: Result<Step>, took: Duration) -> Duration {
        let step = match step {
            Ok(step) => step,
            Err(error) => return self.failed(&error.to_string()),
        };
        self.backoff.reset();
        self.health.set_neglected(None);
        match step {
            Step::Deleted(rows) => {
                self.rows.increment(rows);
                self.deleted.rows += rows;
            }
            Step::Dropped(_) => {
                self.partitions.increment(1);
                self.deleted.partitions += 1;
            }
            Step::Done => {
                self.deleted.tell(true);
                return INTERVAL;
            }
        }
        self.deleted.tell(false);
        took.clamp(PAUSE.0, PAUSE.1)
    }

    fn failed(&mut self, error: &str) -> Duration {
        self.errors.increment(1);
        self.health
            .set_neglected(Some(format!("old rows are not deleted: {error}")));
        self.backoff.pause()
    }
}

impl Deleted {
    /// Tells it in the log, if it is time to. The first time is the end of the first pass.
    fn tell(&mut self, pass_ends: bool) {
        let is_due = match self.told {
            None => pass_ends,
            Some(told) => told.elapsed() >= TELL_AGAIN,
        };
        if !is_due || (self.rows, self.partitions) == (0, 0) {
            return;
        }
        tracing::info!(
            rows = self.rows,
            partitions = self.partitions,
            "old rows were deleted"
        );
        *self = Self {
            told: Some(Instant::now()),
            ..Self::default()
        };
    }
}
