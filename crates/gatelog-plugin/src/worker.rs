//! One root context at work: captures, queues, sends.
//!
//! **Shape.** The glue calls one method for each callback of the proxy and passes the host in; no
//! state lives anywhere else. Several plugins in one VM are several workers.
//!
//! **Failure.** When the configuration is replaced, the worker sends what it has for at most
//! [`DRAIN_NS`] and counts what is left.

use std::rc::Rc;

use gatelog_filter::Decision;

use crate::answer::Answer;
use crate::batch::{Limits, Queue};
use crate::capture::{self, Exchange, Memory};
use crate::config::{Asked, Config, ConfigError, Recording};
use crate::dispatch::{Dispatch, Notice, Outcome};
use crate::facts::HostFacts;
use crate::host::{Counter, Host, Level};
use crate::identity::Identity;
use crate::metadata_hub;

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
    config: Config,
    memory: Memory,
    /// What records say; `None` where nobody knows.
    instance_id: Option<String>,
    /// Whether the proxy was asked for it, which has one from its start on or never.
    has_asked_node: bool,
    /// The same as it may stand in a header.
    sender: String,
    queue: Queue,
    dispatch: Dispatch,
    /// JSON of the record at hand, kept for its memory.
    json: String,
    captured: Unreported,
    filtered: Unreported,
    dropped_queue_full: Unreported,
    /// Records dropped for any reason so far.
    dropped: u64,
    drain_until_ns: Option<u64>,
    /// State of the dice.
    dice: u64,
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
        let config = Config::parse(config)?;
        let delivery = &config.delivery;
        let limits = Limits {
            batch_records: delivery.batch.max_records,
            batch_bytes: delivery.batch.max_bytes,
            flush_interval_ns: u64::from(delivery.batch.flush_interval_ms) * NS_PER_MS,
            queue_bytes: delivery.queue.max_bytes,
        };
        let identity = Identity::new(host);
        let instance_id = delivery.instance_id.clone();
        let worker = Self {
            sender: instance_id
                .as_deref()
                .map_or_else(|| NAMELESS.to_owned(), header_text),
            memory: Memory::new(limits.queue_bytes),
            queue: Queue::new(limits),
            dispatch: Dispatch::new(delivery, &identity),
            config,
            json: String::new(),
            captured: Unreported::default(),
            filtered: Unreported::default(),
            dropped_queue_full: Unreported::default(),
            dropped: 0,
            drain_until_ns: None,
            instance_id,
            has_asked_node: false,
            dice: host.now_ns() ^ identity.worker.rotate_left(32),
        };
        for warning in &worker.config.warnings {
            worker.log(host, Level::Warn, || warning.clone());
        }
        worker.log(host, Level::Debug, || {
            format!("worker {} of {} started", identity.worker, identity.boot)
        });
        Ok(worker)
    }

    /// What is to be recorded of the request at hand; `None`: nothing. Asked when its headers have come,
    /// it is what they say then; a request that never came so far is asked about when it `is_over`.
    pub fn recording(&self, host: &impl Host, is_over: bool) -> Option<Rc<Recording>> {
        if !self.config.has_rules() {
            return self.config.recording(Asked::default).cloned();
        }
        let text = |bytes: Option<Vec<u8>>| {
            bytes.map_or_else(String::new, |bytes| {
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let either = |name| {
            host.property(&["xds", name])
                .or_else(|| host.property(&[name]))
        };
        // The route may have rewritten the host by the end. Before, only a client can have said so.
        let host_header = is_over
            .then(|| host.request_header("x-envoy-original-host"))
            .flatten()
            .or_else(|| host.request_header(":authority"));
        let (name, route) = (text(host_header), text(either("route_name")));
        let cluster = text(either("cluster_name"));
        let consumer = text(host.request_header("x-mse-consumer"));
        let asked = Asked {
            host: &name,
            route: &route,
            cluster: &cluster,
            consumer: &consumer,
        };
        self.config.recording(|| asked).cloned()
    }

    /// The headers of a request have come: publishes what the log is to have of them.
    pub fn on_request_headers(
        &self,
        host: &impl Host,
        recording: &Recording,
        exchange: &mut Exchange,
        is_end: bool,
    ) {
        exchange.on_request_headers(host, recording, &self.memory, is_end);
        if let Some(hub) = &recording.metadata_hub {
            metadata_hub::on_request_headers(host, hub);
        }
    }

    /// The headers of its response have come: the same.
    pub fn on_response_headers(
        &self,
        host: &impl Host,
        recording: &Recording,
        exchange: &mut Exchange,
        is_end: bool,
    ) {
        exchange.on_response_headers(host, recording, &self.memory, is_end);
        if let Some(hub) = &recording.metadata_hub {
            metadata_hub::on_response_headers(host, hub);
        }
    }

    /// A request is over: records it, unless the filter drops it.
    pub fn on_log(&mut self, host: &impl Host, recording: &Recording, exchange: &mut Exchange) {
        let mut weight = 1.0;
        if let Some(filter) = &recording.filter {
            let dice = &mut self.dice;
            match filter.decide(&HostFacts::new(host), &mut || throw(dice)) {
                Decision::Keep { weight: stands_for } => weight = stands_for,
                Decision::Drop => {
                    self.filtered.0 += 1;
                    return;
                }
            }
        }
        if self.instance_id.is_none() && !std::mem::replace(&mut self.has_asked_node, true) {
            self.instance_id = capture::node_id(host);
            if let Some(id) = &self.instance_id {
                self.sender = header_text(id);
            }
        }
        let mut record = capture::capture(
            host,
            recording,
            &mut self.memory,
            exchange,
            self.instance_id.as_deref(),
        );
        recording.redact.apply(&mut record);
        if weight > 1.0 {
            record.sample_weight = Some(weight);
        }
        self.json.clear();
        gatelog_record::json::write(&record, &mut self.json);
        let dropped = self.queue.push(&self.json, || host.now_ns());
        self.captured.0 += 1;
        self.dropped_queue_full.0 += dropped;
        self.dropped += dropped;
    }

    /// Sends what is full. Only the root context may: an answer to a request's call never comes.
    pub fn send_full(&mut self, host: &impl Host) {
        if self.queue.has_full() {
            self.send(host);
        }
    }

    /// Sends what is due. `true` once, when a worker that was told to end has.
    pub fn on_tick(&mut self, host: &impl Host) -> bool {
        self.captured.report(host, Counter::Captured);
        self.filtered.report(host, Counter::Filtered);
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

    /// The collector answered, or the call failed. `true` as for [`Worker::on_tick`].
    pub fn on_answer(&mut self, host: &impl Host, token: u32, answer: &Answer) -> bool {
        let (outcome, notice) = self
            .dispatch
            .on_answer(host, &mut self.queue, token, answer);
        match outcome {
            Outcome::Sent { records, rejected } => {
                host.count(Counter::Sent, u64::from(records));
                if rejected > 0 {
                    self.drop_records(host, Counter::DroppedRefused, rejected.into(), answer);
                }
            }
            Outcome::Halved(bytes) => self.log(host, Level::Warn, || {
                format!(
                    "the collector takes no batch of {bytes} bytes: it goes in halves; a lower `batch.max_bytes` helps"
                )
            }),
            Outcome::Refused(records) => {
                self.drop_records(host, Counter::DroppedRefused, records.into(), answer);
            }
            Outcome::GaveUp(records) => {
                self.drop_records(host, Counter::DroppedGaveUp, records.into(), answer);
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
        self.filtered.report(host, Counter::Filtered);
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
            self.drop_records(host, Counter::DroppedShutdown, left, &Answer::default());
        }
        true
    }

    fn drop_records(&mut self, host: &impl Host, counter: Counter, records: u64, answer: &Answer) {
        self.dropped += records;
        host.count(counter, records);
        self.log(host, Level::Error, || {
            let (name, reason) = (counter.name(), &answer.reason);
            match answer.status {
                None => format!("lost {records} records ({name}); there was no answer"),
                Some(status) => {
                    format!("lost {records} records ({name}); the answer: {status} {reason}")
                }
            }
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
        if level >= self.config.delivery.log_level {
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

/// 64 random bits, as `SplitMix64` gives them.
fn throw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bits = *state;
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    impl Worker {
        /// A request from its end, as an access logger sees it.
        fn log_request(&mut self, host: &Fake) {
            if let Some(recording) = self.recording(host, true) {
                self.on_log(host, &recording, &mut Exchange::default());
            }
        }
    }

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
        worker.log_request(&host);
        worker.on_tick(&host);
        assert!(host.calls.borrow().is_empty());
        worker.log_request(&host);
        worker.on_tick(&host);
        let body = host.calls.borrow()[0].body.clone();
        let record = r#"{"path":"/a","response_code":0,"instance_id":"node 1"}"#;
        assert_eq!(body, format!("[{record},{record}]"));
        assert_eq!(host.sent_headers("gatelog-sender"), ["node_1"]);
        worker.on_answer(&host, 0, &Answer::of(200));
        assert_eq!(host.counted(Counter::Captured), 2);
        assert_eq!(host.counted(Counter::Sent), 2);
    }

    #[test]
    fn a_proxy_without_a_name_is_asked_once() {
        let host = Fake::default();
        let mut worker = worker(&host, "");
        for _ in 0..3 {
            worker.log_request(&host);
        }
        let asked = host.asked.borrow();
        let names = asked.iter().filter(|path| *path == "xds.node.id");
        assert_eq!(names.count(), 1);
    }

    #[test]
    fn the_clock_is_asked_where_a_batch_begins() {
        let host = Fake::default();
        let mut worker = worker(&host, r#","batch":{"max_records":2}"#);
        let mut calls = || {
            host.other_calls.set(0);
            worker.log_request(&host);
            host.other_calls.get()
        };
        assert_eq!([calls() - calls(), calls() - calls()], [1, 1]);
    }

    #[test]
    fn a_configured_instance_id_wins() {
        let host = Fake::default().text("xds.node.id", "node");
        let mut worker = worker(&host, r#","instance_id":"mine","batch":{"max_records":1}"#);
        worker.log_request(&host);
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
            worker.log_request(&host);
        }
        worker.on_tick(&host);
        worker.on_answer(&host, 0, &Answer::of(400));
        worker.log_request(&host);
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
        worker.log_request(&host);
        assert!(!worker.on_done(&host));
        assert!(worker.on_answer(&host, 0, &Answer::of(200)));
        assert!(!worker.on_tick(&host), "said once");
    }

    #[test]
    fn a_replaced_worker_does_not_wait_for_ever() {
        let host = Fake::default();
        let mut worker = worker(&host, "");
        worker.log_request(&host);
        assert!(!worker.on_done(&host));
        assert!(!worker.on_answer(&host, 0, &Answer::default()));
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

    fn bodies(host: &Fake) -> Vec<String> {
        host.calls
            .borrow()
            .iter()
            .map(|call| call.body.clone())
            .collect()
    }

    #[test]
    fn a_full_batch_leaves_from_the_root_context_without_a_tick() {
        let host = Fake::default();
        let mut worker = worker(&host, r#","batch":{"max_records":2}"#);
        for expected in [0, 1, 1, 2] {
            worker.log_request(&host);
            worker.send_full(&host);
            assert_eq!(host.calls.borrow().len(), expected);
        }
    }

    #[test]
    fn what_the_filter_drops_is_counted_and_has_no_number() {
        let host = Fake::default().integer("response.code", 200);
        let errors = Fake::default().integer("response.code", 503);
        let filter = r#","batch":{"max_records":1},"filter":{"status_code_filter":
            {"comparison":{"op":"GE","value":{"default_value":400}}}}"#;
        let mut worker = worker(&host, filter);
        worker.log_request(&host);
        worker.log_request(&errors);
        worker.log_request(&host);
        worker.on_tick(&host);
        assert_eq!(bodies(&host), [r#"{"response_code":503}"#]);
        assert_eq!(host.sent_headers("gatelog-sequence"), ["0"]);
        assert_eq!(host.counted(Counter::Filtered), 2);
        assert_eq!(host.counted(Counter::Captured), 1);
    }

    /// The number is Envoy's: the first eight characters of the id, modulo 100.
    #[test]
    fn a_record_kept_by_chance_has_its_weight() {
        let of = |id: &str| Fake::default().text("request.id", id);
        let (kept, dropped) = (of("00000031-0000"), of("00000032-0000"));
        let filter = r#","batch":{"max_records":1},"filter":{"runtime_filter":
            {"runtime_key":"k","percent_sampled":{"numerator":50}}}"#;
        let mut worker = worker(&kept, filter);
        worker.log_request(&kept);
        worker.log_request(&dropped);
        worker.on_tick(&kept);
        let bodies = bodies(&kept);
        assert_eq!(bodies.len(), 1);
        assert!(bodies[0].contains(r#""sample_weight":2"#), "{bodies:?}");
    }

    #[test]
    fn what_is_configured_to_be_a_secret_does_not_leave() {
        let host = Fake::default().header(":path", "/a?session=s3cret&key=s3cret");
        let mut worker = worker(
            &host,
            r#","batch":{"max_records":1},"redact":{"query":["session"],"how":"drop"}"#,
        );
        worker.log_request(&host);
        worker.on_tick(&host);
        assert!(!bodies(&host)[0].contains("s3cret"), "{:?}", bodies(&host));
    }

    #[test]
    fn a_rule_is_asked_by_what_the_proxy_knows() {
        let on = |route: &str, name: &str| {
            Fake::default()
                .text("xds.route_name", route)
                .text("xds.cluster_name", "outbound|80||svc")
                .header(":authority", name)
                .header("x-mse-consumer", "kim")
        };
        let rules = r#"{"_rules_":[
            {"_match_route_":["a"],"collector_cluster":"c","batch":{"max_records":1}},
            {"_match_domain_":["*.example.com"]},
            {"_match_service_":["other:80"]},
            {"_match_route_prefix_":["api-"],"_match_consumer_":["kim"]}]}"#;
        let worker = Worker::new(&Fake::default(), rules.as_bytes()).unwrap();
        assert!(worker.recording(&on("a", "x"), true).is_some());
        assert!(
            worker
                .recording(&on("b", "www.example.com:80"), true)
                .is_some()
        );
        assert!(worker.recording(&on("api-1", "x"), true).is_some());
        assert!(worker.recording(&on("b", "x"), true).is_none());
        let rewritten = on("b", "inner").header("x-envoy-original-host", "www.example.com");
        assert!(worker.recording(&rewritten, true).is_some());
        assert!(
            worker.recording(&rewritten, false).is_none(),
            "a client's word"
        );
        let flat = Fake::default().text("route_name", "a");
        assert!(worker.recording(&flat, true).is_some());
        assert!(worker.recording(&Fake::default(), true).is_none());
    }

    #[test]
    fn records_that_the_collector_names_as_rejected_are_lost_and_told() {
        let host = Fake::default();
        let mut worker = worker(&host, r#","batch":{"max_records":2}"#);
        worker.log_request(&host);
        worker.log_request(&host);
        worker.on_tick(&host);
        let answer = Answer {
            rejected: 1,
            ..Answer::of(200)
        };
        worker.on_answer(&host, 0, &answer);
        assert_eq!(host.counted(Counter::Sent), 1);
        assert_eq!(host.counted(Counter::DroppedRefused), 1);
        worker.log_request(&host);
        worker.log_request(&host);
        worker.on_tick(&host);
        assert_eq!(host.sent_headers("gatelog-dropped"), ["0", "1"]);
    }
}
