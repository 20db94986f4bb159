//! Where records are sent on: what an output has to do, and how it is treated.
//!
//! **Shape.** An [`Output`] takes records and says what became of them. Everything else is the
//! [forwarder's](crate::forwarder): reading, gathering, trying again, the position, the backlog and
//! the dead letter. [`configured`] makes the outputs that the configuration names as plugins. Which
//! records are for which output a [`Routing`] decides for all of them at once.
//!
//! **Failure.** [`Undelivered`] tells what may be tried again from what never will be taken: by
//! that, not by time alone, it is decided what waits and what is put aside.

pub mod address;
mod cluster;
pub mod configured;
pub mod file_log;
pub mod http_log;
pub mod kong_json;
pub mod line;
pub mod loggly;
pub mod scope;
pub mod tls;

use std::sync::Arc;
use std::time::Duration;

pub use gatelog_journal::Start;
use gatelog_record::AccessRecord;
use gatelog_store::BoxFuture;

use crate::forwarder::reader_name;
use crate::telemetry::Telemetry;

/// A place to which records are sent on.
pub trait Output: Send + Sync {
    /// Its name: lasting, and different from that of every other output. It is in `/ready`,
    /// `/metrics`, the log and the names of files.
    fn name(&self) -> &str;

    /// Where it counts what only it knows of. Called once, before anything else is asked of it.
    fn count_in(&self, telemetry: &Telemetry) {
        let _: &Telemetry = telemetry;
    }

    /// Sends records: up to [`Settings::max_batch_records`] of them, times
    /// [`Settings::concurrency`]. When it returns `Ok` the receiver has confirmed all of them.
    ///
    /// It is async so that it can be given up: when the process ends, and when the records have been
    /// put aside as the backlog grew over its limit. It has its own limit of time for an answer.
    ///
    /// # Errors
    /// [`Undelivered`].
    fn deliver<'a>(
        &'a self,
        records: &'a [&'a AccessRecord<'a>],
    ) -> BoxFuture<'a, Result<(), Undelivered>>;
}

/// Outputs, and what decides which of them get a record.
#[derive(Clone)]
pub struct OutputSet {
    /// The outputs.
    pub outputs: Vec<Entry>,
    /// What decides among them.
    pub routing: Arc<dyn Routing>,
}

/// An output of a set.
#[derive(Clone)]
pub struct Entry {
    /// By what it is known when it comes again, in another set or after a restart: the name of its reader
    /// in the journal and of its files.
    pub reader: String,
    /// The output.
    pub output: Arc<dyn Output>,
    /// How it is treated.
    pub settings: Settings,
}

impl OutputSet {
    /// These outputs, which are known by their names.
    pub fn new(outputs: Vec<(Arc<dyn Output>, Settings)>, routing: Arc<dyn Routing>) -> Self {
        let outputs = outputs.into_iter().map(|(output, settings)| Entry {
            reader: reader_name(output.name()),
            output,
            settings,
        });
        Self {
            outputs: outputs.collect(),
            routing,
        }
    }

    /// These, each of which gets every record.
    pub fn all(outputs: Vec<(Arc<dyn Output>, Settings)>) -> Self {
        let count = outputs.len();
        let routing = move |_: &AccessRecord<'_>, to: &mut Vec<usize>| to.extend(0..count);
        Self::new(outputs, Arc::new(routing))
    }
}

/// Decides for which outputs a record is. It is asked once for each record, and again where one is read
/// again; the answer is always the same.
pub trait Routing: Send + Sync {
    /// Adds the places, among the outputs, of those that the record is for, each of them once.
    fn route(&self, record: &AccessRecord<'_>, to: &mut Vec<usize>);
}

impl<F: Fn(&AccessRecord<'_>, &mut Vec<usize>) + Send + Sync> Routing for F {
    fn route(&self, record: &AccessRecord<'_>, to: &mut Vec<usize>) {
        self(record, to);
    }
}

/// Which records were not delivered, and why. Those that are in neither list are confirmed. The
/// reasons are shown in the log, in `/ready` and in the dead letter: they hold neither secrets nor
/// contents of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// The places, in ascending order, of those that may be taken later: after an answer such as 429
    /// or 503, or none.
    pub later: Vec<usize>,
    /// Why they were not taken.
    pub reason: String,
    /// The least pause that the receiver asks for (`Retry-After`).
    pub after: Option<Duration>,
    /// Those that will never be taken as they are, in ascending order of their places: after an
    /// answer such as 400.
    pub refused: Vec<Refused>,
}

impl Undelivered {
    /// These may be taken later.
    pub fn later(places: impl IntoIterator<Item = usize>, reason: impl Into<String>) -> Self {
        Self {
            later: places.into_iter().collect(),
            reason: reason.into(),
            ..Self::default()
        }
    }

    /// These will never be taken.
    pub fn refused(places: impl IntoIterator<Item = usize>, reason: &str) -> Self {
        let refused = places.into_iter().map(|index| Refused {
            index,
            reason: reason.to_owned(),
        });
        Self {
            refused: refused.collect(),
            ..Self::default()
        }
    }
}

/// A record that will never be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place among those that were to be delivered.
    pub index: usize,
    /// What the receiver says about it.
    pub reason: String,
}

/// How an output is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most records of a batch, at least 1.
    pub max_batch_records: usize,
    /// The most batches that are under way at a time, at least 1. With more than one a later batch may
    /// arrive before an earlier one; the records of one batch are always in order.
    pub concurrency: usize,
    /// How long a batch waits for more records.
    pub max_coalescing_delay: Duration,
    /// The pause after the first of several failures.
    pub initial_retry_delay: Duration,
    /// The longest pause between attempts, unless the receiver asks for a longer one.
    pub max_retry_delay: Duration,
    /// For how long a batch is tried before it goes to the dead letter; without it until the
    /// backlog is over its limit.
    pub max_retry_time: Option<Duration>,
    /// What may wait for the output.
    pub max_backlog: MaxBacklog,
    /// Where it begins when it is new.
    pub start: Start,
}

/// What may wait for an output; beyond either the oldest records go to its dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxBacklog {
    /// Bytes of the journal.
    pub bytes: u64,
    /// Time since the receipt of the oldest.
    pub age: Duration,
}

impl Default for Settings {
    /// Kong's defaults for its queues, and the contract's backlog.
    fn default() -> Self {
        Self {
            max_batch_records: 1,
            concurrency: 1,
            max_coalescing_delay: Duration::from_secs(1),
            initial_retry_delay: Duration::from_millis(10),
            max_retry_delay: Duration::from_mins(1),
            max_retry_time: None,
            max_backlog: MaxBacklog {
                bytes: 2 << 30,
                age: Duration::from_hours(24),
            },
            start: Start::Now,
        }
    }
}
