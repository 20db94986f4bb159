//! What gatelog says of itself: the log, and the numbers of `/metrics`.
//!
//! **Metrics.** One registry per [`Telemetry`], so that two services in one process do not mix.
//!
//! | name | labels | |
//! |---|---|---|
//! | `gatelog_ingest_requests_total` | `status` | answers of `POST /ingest` |
//! | `gatelog_records_accepted_total` | | records acknowledged |
//! | `gatelog_records_duplicate_total` | | records that their sender repeated |
//! | `gatelog_records_rejected_total` | `reason` | items that are no records |
//! | `gatelog_filtered_total` | `reason` | records that the filter or the sampling policy has dropped |
//! | `gatelog_records_flawed_total` | `flaw` | records kept although something was odd |
//! | `gatelog_records_redacted_total` | | records of which something was redacted |
//! | `gatelog_journal_bytes` | | bytes the journal holds |
//! | `gatelog_journal_damaged_bytes_total` | | bytes that readers found damaged and passed over |
//! | `gatelog_reader_lag_records` | `reader` | records that a reader is not done with |
//! | `gatelog_reader_lag_bytes` | `reader` | bytes that a reader is not done with |
//! | `gatelog_reader_lag_seconds` | `reader` | how long ago the oldest of them was received |
//! | `gatelog_store_written_total` | `store` | records written to a store |
//! | `gatelog_store_rejected_total` | `store` | records that went to the dead letter |
//! | `gatelog_store_truncated_total` | `column` | values cut or moved to fit their column |
//! | `gatelog_store_errors_total` | `store` | failed attempts |
//! | `gatelog_store_expired_rows_total` | `store` | rows deleted as they were too old |
//! | `gatelog_store_expired_partitions_total` | `store` | partitions dropped as all in them was too old |
//! | `gatelog_store_expiry_errors_total` | `store` | failed attempts to delete old rows |
//! | `gatelog_output_delivered_total` | `output` | records that an output has confirmed |
//! | `gatelog_output_rejected_total` | `output` | records that an output refused for good |
//! | `gatelog_output_backlog_total` | `output` | records given up on as the backlog was over its limit |
//! | `gatelog_output_errors_total` | `output` | failed attempts |
//! | `gatelog_output_below_level_total` | `output` | records that are less severe than its `log_level` |
//! | `gatelog_output_shortened_total` | `output` | messages that were made shorter to fit |
//! | `gatelog_output_unreachable_total` | `output` | answers that nobody listens where datagrams go |
//! | `gatelog_file_lines_total` | `path` | lines of followed files that are done with |
//! | `gatelog_file_bytes_total` | `path` | their bytes |
//! | `gatelog_file_rejected_total` | `path`, `reason` | those that are no records |
//! | `gatelog_file_rotations_total` | `path`, `kind` | files that were renamed, removed or truncated |
//! | `gatelog_file_errors_total` | `path` | times that a file could not be read, or was not taken from |
//! | `gatelog_file_lag_bytes` | `path` | bytes of followed files that are not done with |
//! | `gatelog_file_open` | `path` | followed files that are open |
//! | `gatelog_dead_letter_bytes` | | bytes of the dead letters |
//! | `gatelog_dead_letter_dropped_total` | `reader`, `reason` | records that are not even kept there |
//! | `gatelog_frames_unreadable_total` | `reader` | frames put aside as they cannot be decoded |
//! | `gatelog_sender_received_total` | `sender`, `boot`, `worker` | numbers whose records were taken |
//! | `gatelog_sender_missing` | the same | numbers that have not come |
//! | `gatelog_sender_dropped_total` | the same | records that the sender says it has dropped |
//! | `gatelog_sender_duplicates_total` | the same | records that came again |
//!
//! The metrics of senders are made anew for each answer (`senders`), so those of forgotten ones go.
//!
//! **Log.** One line per event, readable alone and with its fields; never a record's contents.

use std::io::IsTerminal as _;
use std::sync::Arc;

use gatelog_record::{DecodeError, Flaws};
use metrics::{
    Counter, Gauge, Key, KeyName, Label, Level as MetricLevel, Metadata, Recorder, Unit,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing_subscriber::filter::LevelFilter;

use crate::config::{Level, Log, LogFormat};
use crate::intake;
use crate::source::file;

/// The registry of metrics.
#[derive(Clone)]
pub struct Telemetry {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

const METADATA: Metadata<'_> = Metadata::new("gatelog", MetricLevel::INFO, None);

/// Help texts, by name.
const HELP: &[(&str, &str)] = &[
    (
        "gatelog_ingest_requests_total",
        "Answers of POST /ingest, by status.",
    ),
    (
        "gatelog_records_accepted_total",
        "Records that were acknowledged.",
    ),
    (
        "gatelog_records_duplicate_total",
        "Records that their sender repeated and that were here already.",
    ),
    (
        "gatelog_records_rejected_total",
        "Items that are no records, by reason.",
    ),
    (
        "gatelog_filtered_total",
        "Records that the filter or the sampling policy has dropped, by reason.",
    ),
    (
        "gatelog_records_flawed_total",
        "Records kept although something was odd, by flaw.",
    ),
    (
        "gatelog_records_redacted_total",
        "Records of which something was redacted.",
    ),
    ("gatelog_journal_bytes", "Bytes the journal holds."),
    (
        "gatelog_reader_lag_records",
        "Records of the journal that a reader is not done with.",
    ),
    (
        "gatelog_reader_lag_bytes",
        "Bytes of the journal that a reader is not done with.",
    ),
    (
        "gatelog_reader_lag_seconds",
        "How long ago the oldest record was received that a reader is not done with.",
    ),
    ("gatelog_store_written_total", "Records written to a store."),
    (
        "gatelog_store_rejected_total",
        "Records that a store will never take.",
    ),
    (
        "gatelog_store_truncated_total",
        "Values cut or moved to fit their column, by column.",
    ),
    (
        "gatelog_store_errors_total",
        "Failed attempts to write to a store.",
    ),
    (
        "gatelog_store_expired_rows_total",
        "Rows deleted as they were too old.",
    ),
    (
        "gatelog_store_expired_partitions_total",
        "Partitions dropped as all rows in them were too old.",
    ),
    (
        "gatelog_store_expiry_errors_total",
        "Failed attempts to delete old rows.",
    ),
    (
        "gatelog_output_delivered_total",
        "Records that an output has confirmed.",
    ),
    (
        "gatelog_output_rejected_total",
        "Records that an output refused for good.",
    ),
    (
        "gatelog_output_backlog_total",
        "Records given up on as the output's backlog was over its limit.",
    ),
    (
        "gatelog_output_errors_total",
        "Failed attempts to deliver to an output.",
    ),
    (
        "gatelog_output_below_level_total",
        "Records that an output passes over as they are less severe than its log_level.",
    ),
    (
        "gatelog_output_shortened_total",
        "Messages of an output that were made shorter to fit.",
    ),
    (
        "gatelog_output_unreachable_total",
        "Answers that nobody listens where an output's datagrams go.",
    ),
    ("gatelog_dead_letter_bytes", "Bytes of the dead letters."),
    (
        "gatelog_dead_letter_dropped_total",
        "Records that are not even kept in the dead letter, by reader and reason.",
    ),
    (
        "gatelog_frames_unreadable_total",
        "Frames put aside as they cannot be decoded, by reader.",
    ),
    (
        "gatelog_journal_damaged_bytes_total",
        "Bytes of the journal that readers found damaged and passed over.",
    ),
];

impl Default for Telemetry {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        for &(name, help) in HELP.iter().chain(&file::METRICS) {
            let name = KeyName::from_const_str(name);
            if name.as_str().ends_with("_total") {
                recorder.describe_counter(name, Some(Unit::Count), help.into());
            } else {
                let unit = match name.as_str() {
                    name if name.ends_with("_seconds") => Unit::Seconds,
                    name if name.ends_with("_records") || name.ends_with("_open") => Unit::Count,
                    _ => Unit::Bytes,
                };
                recorder.describe_gauge(name, Some(unit), help.into());
            }
        }
        let handle = recorder.handle();
        Self {
            recorder: Arc::new(recorder),
            handle,
        }
    }
}

impl Telemetry {
    /// The counter with this name and at most one label.
    pub fn counter(&self, name: &'static str, label: Option<(&'static str, String)>) -> Counter {
        self.recorder.register_counter(&key(name, label), &METADATA)
    }

    /// The counter with this name and these labels.
    pub fn counter_of(&self, name: &'static str, labels: &[(&'static str, &str)]) -> Counter {
        let labels = labels
            .iter()
            .map(|(label, value)| Label::new(*label, (*value).to_owned()));
        let key = Key::from_parts(name, labels.collect::<Vec<_>>());
        self.recorder.register_counter(&key, &METADATA)
    }

    /// The gauge with this name and at most one label.
    pub fn gauge(&self, name: &'static str, label: Option<(&'static str, String)>) -> Gauge {
        self.recorder.register_gauge(&key(name, label), &METADATA)
    }

    /// All metrics in Prometheus' text format.
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}

fn key(name: &'static str, label: Option<(&'static str, String)>) -> Key {
    let labels = label.map(|(label, value)| Label::new(label, value));
    Key::from_parts(name, labels.into_iter().collect::<Vec<_>>())
}

/// The numbers of the intake, looked up once.
#[derive(Debug)]
pub struct IntakeMetrics {
    /// Records that are durable.
    pub accepted: Counter,
    /// Records that were durable before they came.
    pub duplicates: Counter,
    /// Records that the filter has dropped, of bodies that were acknowledged.
    pub filtered: Counter,
    /// The same of the sampling policy.
    pub sampled_out: Counter,
    /// Records of which something was redacted.
    pub redacted: Counter,
    rejected: Vec<(&'static str, Counter)>,
    flaws: Vec<(Flaws, Counter)>,
}

impl IntakeMetrics {
    /// The numbers of an intake in this registry.
    pub fn new(telemetry: &Telemetry) -> Self {
        let rejected = intake::REASONS.map(|reason| {
            let label = ("reason", reason.to_owned());
            (
                reason,
                telemetry.counter("gatelog_records_rejected_total", Some(label)),
            )
        });
        let filtered = |reason: &str| {
            let label = ("reason", reason.to_owned());
            telemetry.counter("gatelog_filtered_total", Some(label))
        };
        let flaws = Flaws::ALL.map(|(flaw, name)| {
            let label = ("flaw", name.to_owned());
            (
                flaw,
                telemetry.counter("gatelog_records_flawed_total", Some(label)),
            )
        });
        Self {
            accepted: telemetry.counter("gatelog_records_accepted_total", None),
            duplicates: telemetry.counter("gatelog_records_duplicate_total", None),
            filtered: filtered("filter"),
            sampled_out: filtered("sample"),
            redacted: telemetry.counter("gatelog_records_redacted_total", None),
            rejected: rejected.into(),
            flaws: flaws.into(),
        }
    }

    /// Counts an item that was refused.
    pub fn rejected(&self, error: &DecodeError) {
        let reason = intake::reason(error);
        if let Some((_, counter)) = self.rejected.iter().find(|(known, _)| *known == reason) {
            counter.increment(1);
        }
    }

    /// Counts a record that was kept although something was odd.
    pub fn flawed(&self, flaws: Flaws) {
        for (flaw, counter) in &self.flaws {
            if flaws.contains(*flaw) {
                counter.increment(1);
            }
        }
    }
}

/// Begins to log to standard error. Only the first call of a process does something.
pub fn log_to_stderr(log: &Log) {
    let level = match log.level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(level)
        .with_target(false)
        // Colours are for a person's eyes: in a file or a pipe they hide the text from a search.
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    // A second call, by a second service in the process, changes nothing.
    let _first = match log.format {
        LogFormat::Text => subscriber.compact().try_init().is_ok(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init().is_ok(),
    };
}
