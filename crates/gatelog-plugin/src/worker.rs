//! One root context at work: captures, queues, sends.
//!
//! **Shape.** The glue calls one method for each callback of the proxy and passes the host in; no
//! state lives anywhere else. Several plugins in one VM are several workers.
//!
//! **Failure.** When the configuration is replaced, the worker sends what it has for at most
//! [`DRAIN_NS`] and counts what is left.

use crate::batch::{Limits, Queue};
use crate::capture;
use crate::config::{Config, ConfigError};
use crate::dispatch::{Dispatch, Notice, Outcome};
use crate::host::{Counter, Host, Level};
use crate::identity::Identity;

/// How often the proxy should call [`Worker::on_tick`], in milliseconds: a full batch leaves within
/// that time.
pub const TICK_MS: u64 = 20;

/// How long a worker whose configuration was replaced tries to send the rest, in nanoseconds.
pub const DRAIN_NS: u64 = 10_000_000_000;

/// The sender's name where neither the configuration nor the node gives one.
const NAMELESS: &str = "gateway";

const NS_PER_MS: u64 = 1_000_000;

/// A root context.
#[derive(Debug)]
pub struct Worker {
    log_level: Level,
    /// What records say; `None` while nobody knows.
    instance_id: Option<String>,
    /// The same as it may stand in a header.
    sender: String,
    queue: Queue,
    dispatch: Dispatch,
    /// JSON of the record at hand, kept for its memory.
    json: String,
    captured: Unreported,
    dropped_queue_full: Unreported,
    /// Records dropped for any reason so far.
    dropped: u64,
    drain_until_ns: Option<u64>,
}

/// A count that the proxy's statistics hear of once per tick.
#[derive(Debug, Default)]
struct Unreported(u64);

impl Unreported {
    fn report(&mut self, host: &impl Host, counter: Counter) {
        if self.0 > 0 {
            host.count(counter, std::mem::take(&mut self.0));
        }
    }
}

impl Worker {
    /// Reads the configuration and begins.
    ///
    /// # Errors
    /// The configuration is unusable; the error names the key.
    pub fn new(host: &impl Host, config: &[u8]) -> Result<Self, ConfigError> {
        let Config {
            delivery: config,
            warnings,
            ..
        } = Config::parse(config)?;
        let limits = Limits {
            batch_records: config.batch.max_records,
            batch_bytes: config.batch.max_bytes,
            flush_interval_ns: u64::from(config.batch.flush_interval_ms) * NS_PER_MS,
            queue_bytes: config.queue.max_bytes,
        };
        let identity = Identity::new(host);
        let worker = Self {
            log_level: config.log_level,
            sender: config
                .instance_id
                .as_deref()
                .map_or_else(|| NAMELESS.to_owned(), header_text),
            queue: Queue::new(limits),
            dispatch: Dispatch::new(&config, &identity),
            json: String::new(),
            captured: Unreported::default(),
            dropped_queue_full: Unreported::default(),
            dropped: 0,
            drain_until_ns: None,
            instance_id: config.instance_id,
        };
        for warning in warnings {
            worker.log(host, Level::Warn, || warning);
        }
        worker.log(host, Level::Debug, || {
            format!("worker {} of {} started", identity.worker, identity.boot)
        });
        Ok(worker)
    }

    /// A request is over: records it.
    pub fn on_log(&mut self, host: &impl Host) {
        if self.instance_id.is_none() {
            self.instance_id = capture::node_id(host);
            if let Some(id) = &self.instance_id {
                self.sender = header_text(id);
            }
        }
        let record = capture::capture(host, self.instance_id.as_deref());
        self.json.clear();
        gatelog_record::json::write(&record, &mut self.json);
        let dropped = self.queue.push(&self.json, host.now_ns());
        self.captured.0 += 1;
        self.dropped_queue_full.0 += dropped;
        self.dropped += dropped;
    }

    /// Sends what is due. `true` once, when a worker that was told to end has.
    pub fn on_tick(&mut self, host: &impl Host) -> bool {
        self.captured.report(host, Counter::Captured);
        if self.dropped_queue_full.0 > 0 {
            let records = self.dropped_queue_full.0;
            self.log(host, Level::Warn, || {
                format!("dropped {records} records: the queue is full")
            });
            self.dropped_queue_full
                .report(host, Counter::DroppedQueueFull);
        }
        self.send(host);
        self.drained(host)
    }

    /// The collector answered, or the call failed (no status). `true` as for [`Worker::on_tick`].
    pub fn on_answer(&mut self, host: &impl Host, token: u32, status: Option<u16>) -> bool {
        let (outcome, notice) = self
            .dispatch
            .on_answer(host, &mut self.queue, token, status);
        match outcome {
            Outcome::Sent(records) => host.count(Counter::Sent, u64::from(records)),
            Outcome::Refused(records) => {
                self.drop_records(host, Counter::DroppedRefused, records.into(), status);
            }
            Outcome::GaveUp(records) => {
                self.drop_records(host, Counter::DroppedGaveUp, records.into(), status);
            }
            Outcome::Again | Outcome::Unknown => {}
        }
        self.notice(host, notice);
        self.send(host);
        self.drained(host)
    }

    /// The configuration was replaced, or the proxy ends. `true` when nothing is left to send;
    /// otherwise [`Worker::on_tick`] or [`Worker::on_answer`] will say when.
    pub fn on_done(&mut self, host: &impl Host) -> bool {
        self.captured.report(host, Counter::Captured);
        self.queue.flush();
        if self.queue.is_empty() && self.dispatch.is_idle() {
            return true;
        }
        self.drain_until_ns = Some(host.now_ns() + DRAIN_NS);
        self.send(host);
        false
    }

    fn send(&mut self, host: &impl Host) {
        let notice = self
            .dispatch
            .send_due(host, &mut self.queue, &self.sender, self.dropped);
        self.notice(host, notice);
    }

    fn drained(&mut self, host: &impl Host) -> bool {
        let Some(until_ns) = self.drain_until_ns else {
            return false;
        };
        self.queue.flush();
        let finished = self.queue.is_empty() && self.dispatch.is_idle();
        if !finished && host.now_ns() < until_ns {
            return false;
        }
        self.drain_until_ns = None;
        let left = self.queue.clear() + self.dispatch.records_in_flight();
        if left > 0 {
            self.drop_records(host, Counter::DroppedShutdown, left, None);
        }
        true
    }

    fn drop_records(
        &mut self,
        host: &impl Host,
        counter: Counter,
        records: u64,
        status: Option<u16>,
    ) {
        self.dropped += records;
        host.count(counter, records);
        self.log(host, Level::Error, || {
            let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            format!(
                "lost {records} records ({}); last answer: {status}",
                counter.name()
            )
        });
    }

    fn notice(&self, host: &impl Host, notice: Option<Notice>) {
        match notice {
            Some(Notice::Paused { failures, reason }) => self.log(host, Level::Warn, || {
                format!("sending pauses: {reason}; failures in a row: {failures}")
            }),
            Some(Notice::Recovered { failures }) => self.log(host, Level::Info, || {
                format!("the collector answers again after {failures} failures")
            }),
            None => {}
        }
    }

    fn log(&self, host: &impl Host, level: Level, message: impl FnOnce() -> String) {
        if level >= self.log_level {
            host.log(level, &format!("gatelog: {}", message()));
        }
    }
}

/// The text with everything replaced that might not stand in a header.
fn header_text(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_ascii_graphic() { char } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    fn worker(host: &Fake, more: &str) -> Worker {
        let config = format!(r#"{{"collector_cluster":"c"{more}}}"#);
        Worker::new(host, config.as_bytes()).unwrap()
    }

    #[test]
    fn a_record_leaves_with_its_batch() {
        let host = Fake::default()
            .header(":path", "/a")
            .text("xds.node.id", "node 1");
        let mut worker = worker(&host, r#","batch":{"max_records":2}"#);
        worker.on_log(&host);
        worker.on_tick(&host);
        assert!(host.calls.borrow().is_empty());
        worker.on_log(&host);
        worker.on_tick(&host);
        let body = host.calls.borrow()[0].body.clone();
        let record = r#"{"path":"/a","response_code":0,"instance_id":"node 1"}"#;
        assert_eq!(body, format!("[{record},{record}]"));
        assert_eq!(host.sent_headers("gatelog-sender"), ["node_1"]);
        worker.on_answer(&host, 0, Some(200));
        assert_eq!(host.counted(Counter::Captured), 2);
        assert_eq!(host.counted(Counter::Sent), 2);
    }

    #[test]
    fn a_configured_instance_id_wins() {
        let host = Fake::default().text("xds.node.id", "node");
        let mut worker = worker(&host, r#","instance_id":"mine","batch":{"max_records":1}"#);
        worker.on_log(&host);
        worker.on_tick(&host);
        assert!(
            host.calls.borrow()[0]
                .body
                .contains(r#""instance_id":"mine""#)
        );
        assert_eq!(host.sent_headers("gatelog-sender"), ["mine"]);
    }

    #[test]
    fn every_dropped_record_is_counted_and_told_to_the_collector() {
        let host = Fake::default().header("user-agent", "x".repeat(500));
        let small = r#","batch":{"max_records":1,"max_bytes":1024},"queue":{"max_bytes":1024}"#;
        let mut worker = worker(&host, small);
        for _ in 0..3 {
            worker.on_log(&host);
        }
        worker.on_tick(&host);
        worker.on_answer(&host, 0, Some(400));
        worker.on_log(&host);
        worker.on_tick(&host);
        assert_eq!(host.counted(Counter::DroppedQueueFull), 2);
        assert_eq!(host.counted(Counter::DroppedRefused), 1);
        assert_eq!(host.sent_headers("gatelog-dropped"), ["2", "3"]);
        assert_eq!(host.sent_headers("gatelog-sequence"), ["2", "3"]);
    }

    #[test]
    fn a_replaced_worker_ends_when_all_is_sent() {
        let host = Fake::default();
        let mut worker = worker(&host, "");
        worker.on_log(&host);
        assert!(!worker.on_done(&host));
        assert!(worker.on_answer(&host, 0, Some(200)));
        assert!(!worker.on_tick(&host), "said once");
    }

    #[test]
    fn a_replaced_worker_does_not_wait_for_ever() {
        let host = Fake::default();
        let mut worker = worker(&host, "");
        worker.on_log(&host);
        assert!(!worker.on_done(&host));
        assert!(!worker.on_answer(&host, 0, None));
        host.advance_ns(DRAIN_NS);
        assert!(worker.on_tick(&host), "the last attempt has begun");
        assert_eq!(host.counted(Counter::DroppedShutdown), 1);
    }

    #[test]
    fn a_worker_with_nothing_to_send_ends_at_once() {
        let host = Fake::default();
        assert!(worker(&host, "").on_done(&host));
    }

    #[test]
    fn lines_below_the_level_are_not_logged() {
        let host = Fake::default();
        worker(&host, r#","log_level":"debug""#);
        assert_eq!(host.log.borrow().len(), 1);
        worker(&host, "");
        assert_eq!(host.log.borrow().len(), 1);
    }
}
