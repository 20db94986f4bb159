//! Kong's `queue` of a plugin: how records become batches, and how these are tried again.
//!
//! **Source.** Kong's `queue_schema.lua` of 3.10, and `kong/tools/queue.lua` for the keys that it
//! replaced.

use std::time::Duration;

use super::{Delivery, Keys};
use crate::output::Settings;

/// The most batches that are under way at a time, and what Kong's -1 means.
pub const MOST_CONCURRENT: usize = 64;

/// What the keys say.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// Whether a request has one record, and no list.
    pub max_batch_size: usize,
    concurrency: usize,
    max_coalescing_delay: Duration,
    initial_retry_delay: Duration,
    max_retry_delay: Duration,
    max_retry_time: Option<Duration>,
    /// What an operator should know of it.
    pub warnings: Vec<String>,
}

impl Queue {
    /// Reads `queue`, and the keys of former times that say the same.
    pub(super) fn read(keys: &mut Keys) -> Self {
        let mut queue = keys.nested("queue", |keys| Some(Self::inner(keys)));
        let mut queue = queue.take().unwrap_or_else(Self::none);
        let retry_count = keys.integer("retry_count", i64::MIN..=i64::MAX);
        let queue_size = keys.integer("queue_size", 1..=1_000_000);
        let flush_timeout = keys.number("flush_timeout", 0.0..=3600.0);
        if retry_count.is_some_and(|count| count != 10) {
            queue.warn("retry_count", "no longer works", "max_retry_time");
        }
        if let Some(size) = queue_size.filter(|size| *size != 1) {
            queue.warn("queue_size", "is deprecated", "max_batch_size");
            queue.max_batch_size = count(size);
        }
        if let Some(delay) = flush_timeout.filter(|delay| (delay - 2.0).abs() > f64::EPSILON) {
            queue.warn("flush_timeout", "is deprecated", "max_coalescing_delay");
            queue.max_coalescing_delay = Duration::from_secs_f64(delay);
        }
        queue
    }

    fn none() -> Self {
        let Settings {
            max_batch_records,
            concurrency,
            max_coalescing_delay,
            initial_retry_delay,
            max_retry_delay,
            max_retry_time,
            ..
        } = Settings::default();
        Self {
            max_batch_size: max_batch_records,
            concurrency,
            max_coalescing_delay,
            initial_retry_delay,
            max_retry_delay,
            max_retry_time,
            warnings: Vec::new(),
        }
    }

    fn inner(keys: &mut Keys) -> Self {
        let mut queue = Self::none();
        if let Some(size) = keys.integer("max_batch_size", 1..=1_000_000) {
            queue.max_batch_size = count(size);
        }
        let mut seconds = |name, range| keys.number(name, range).map(Duration::from_secs_f64);
        if let Some(delay) = seconds("max_coalescing_delay", 0.0..=3600.0) {
            queue.max_coalescing_delay = delay;
        }
        if let Some(delay) = seconds("initial_retry_delay", 0.001..=1e6) {
            queue.initial_retry_delay = delay;
        }
        if let Some(delay) = seconds("max_retry_delay", 0.001..=1e6) {
            queue.max_retry_delay = delay;
        }
        // Kong's -1: it is not tried again.
        let time = keys.number("max_retry_time", f64::MIN..=1e9);
        queue.max_retry_time = time.map(|seconds| Duration::from_secs_f64(seconds.max(0.0)));
        let limit = keys.integer("concurrency_limit", -1..=i64::MAX);
        match limit {
            None => {}
            Some(-1) => queue.concurrency = MOST_CONCURRENT,
            Some(limit) if (1..=MOST_CONCURRENT).contains(&count(limit)) => {
                queue.concurrency = count(limit);
            }
            Some(_) => {
                let text = format!("expected -1, or a value between 1 and {MOST_CONCURRENT}");
                keys.problem("concurrency_limit", text);
            }
        }
        for name in ["max_entries", "max_bytes"] {
            if keys.integer(name, 1..=i64::MAX).is_some() {
                queue.warnings.push(format!(
                    "config.queue.{name} has no meaning: records wait in the journal, up to \
                     config.max_backlog"
                ));
            }
        }
        queue
    }

    fn warn(&mut self, name: &str, what: &str, other: &str) {
        let text = format!("config.{name} {what}, please use config.queue.{other} instead");
        self.warnings.push(text);
    }

    /// How an output with this queue is treated.
    pub fn settings(&self, delivery: Delivery) -> Settings {
        Settings {
            max_batch_records: self.max_batch_size,
            concurrency: self.concurrency,
            max_coalescing_delay: self.max_coalescing_delay,
            initial_retry_delay: self.initial_retry_delay,
            max_retry_delay: self.max_retry_delay,
            max_retry_time: self.max_retry_time,
            max_backlog: delivery.max_backlog,
            start: delivery.start,
        }
    }
}

fn count(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}
