//! What senders have sent and lost, for people and for monitoring.
//!
//! **Limits.** [`METRICS`] workers in `/metrics`: those seen last.

use std::fmt::Write;
use std::time::Instant;

use gatelog_journal::Journal;
use gatelog_record::wire;
use serde::Serialize;

use super::shelf::{Shelf, Stream};
use super::{Moment, Senders};

/// Workers in `/metrics`.
const METRICS: usize = 1000;

/// Lines of the log about losses, at most, for one look at all workers.
const LOG_LINES: usize = 20;

/// Workers and what became of their numbers.
#[derive(Debug, Serialize)]
pub struct Listing {
    senders: Vec<Listed>,
    /// Workers that are known, those included that are not listed.
    total: usize,
}

/// What became of the numbers of a worker.
#[derive(Debug, Serialize)]
struct Listed {
    sender: String,
    boot: String,
    worker: String,
    first_seen: String,
    last_seen: String,
    /// Numbers whose records were taken.
    received: u64,
    /// Numbers below the highest that have not come within the grace.
    missing: u64,
    /// Numbers below the highest that may still come.
    awaited: u64,
    in_flight: u64,
    /// Numbers of items that were refused and have not been mended.
    #[serde(skip_serializing_if = "is_zero")]
    refused: u64,
    dropped: u64,
    duplicates: u64,
    #[serde(skip_serializing_if = "is_zero")]
    beyond_window: u64,
    gaps: Vec<ListedGap>,
}

/// Numbers that have not come.
#[derive(Debug, Serialize)]
struct ListedGap {
    first: u64,
    last: u64,
    noticed: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Senders {
    /// The workers seen last, the last one first.
    pub fn listing(&self, journal: &Journal, most: usize, now: Moment) -> Listing {
        let (streams, total) = self.workers.newest(most);
        let senders = streams
            .iter()
            .filter_map(|stream| worker(&self.workers, stream, journal, now, true))
            .collect();
        Listing { senders, total }
    }

    /// The workers seen last, in Prometheus' text format.
    pub fn metrics(&self, journal: &Journal, now: Moment) -> String {
        let (streams, _) = self.workers.newest(METRICS);
        let workers: Vec<Listed> = streams
            .iter()
            .filter_map(|stream| worker(&self.workers, stream, journal, now, false))
            .collect();
        let mut text = String::new();
        for (name, kind, help, value) in FAMILIES {
            if !workers.is_empty() {
                text.push_str("# HELP ");
                text.push_str(name);
                text.push(' ');
                text.push_str(help);
                text.push_str("\n# TYPE ");
                text.push_str(name);
                text.push(' ');
                text.push_str(kind);
                text.push('\n');
            }
            for worker in &workers {
                sample(name, worker, value(worker), &mut text);
            }
        }
        text
    }

    /// Says in the log which workers have lost more records than it has said before.
    pub(super) fn log_losses(&self, journal: &Journal, now: Moment) {
        let mut lines = 0;
        for stream in self.workers.all() {
            if lines >= LOG_LINES {
                break;
            }
            let Some(stream) = stream.upgrade() else {
                continue;
            };
            let mut state = self.workers.hold(&stream);
            state.settle(|ticket| journal.state(ticket), now);
            let in_flight = state.numbers_in_flight();
            let Some(ledger) = &mut state.ledger else {
                continue;
            };
            let received = ledger.received;
            let due = ledger.log_due(in_flight, now.instant);
            drop(state);
            if let Some((missing, dropped)) = due
                && let wire::Stream::Worker {
                    sender,
                    boot,
                    worker,
                } = stream.name.stream()
            {
                lines += 1;
                tracing::warn!(
                    sender,
                    boot,
                    worker,
                    received,
                    missing,
                    dropped,
                    "records of a sender did not arrive"
                );
            }
        }
    }
}

/// Name, type and help of each metric, and where its value is.
type Family = (&'static str, &'static str, &'static str, fn(&Listed) -> u64);

const FAMILIES: [Family; 4] = [
    (
        "gatelog_sender_received_total",
        "counter",
        "Numbers of a sender whose records were taken.",
        |worker| worker.received,
    ),
    (
        "gatelog_sender_missing",
        "gauge",
        "Numbers of a sender that have not come.",
        |worker| worker.missing,
    ),
    (
        "gatelog_sender_dropped_total",
        "counter",
        "Records that a sender says it has dropped.",
        |worker| worker.dropped,
    ),
    (
        "gatelog_sender_duplicates_total",
        "counter",
        "Records of a sender that came again.",
        |worker| worker.duplicates,
    ),
];

fn sample(name: &str, worker: &Listed, value: u64, text: &mut String) {
    text.push_str(name);
    let labels = [
        ("{sender=\"", &worker.sender),
        ("\",boot=\"", &worker.boot),
        ("\",worker=\"", &worker.worker),
    ];
    for (before, label) in labels {
        text.push_str(before);
        for char in label.chars() {
            // Names have no line breaks.
            if matches!(char, '"' | '\\') {
                text.push('\\');
            }
            text.push(char);
        }
    }
    // Writing to a String does not fail.
    let _written = writeln!(text, "\"}} {value}").is_ok();
}

fn worker(
    shelf: &Shelf,
    stream: &Stream,
    journal: &Journal,
    now: Moment,
    with_gaps: bool,
) -> Option<Listed> {
    let wire::Stream::Worker {
        sender,
        boot,
        worker,
    } = stream.name.stream()
    else {
        return None;
    };
    let mut state = shelf.hold(stream);
    state.settle(|ticket| journal.state(ticket), now);
    let in_flight = state.numbers_in_flight();
    let ledger = state.ledger.as_ref()?;
    let (awaited, missing) = ledger.awaited_and_missing(in_flight, now.instant);
    Some(Listed {
        sender: sender.to_owned(),
        boot: boot.to_owned(),
        worker: worker.to_owned(),
        first_seen: ledger.first_seen.to_rfc3339_millis(),
        last_seen: ledger.last_seen.to_rfc3339_millis(),
        received: ledger.received,
        missing,
        awaited,
        in_flight,
        refused: ledger.refused_items,
        dropped: ledger.dropped,
        duplicates: ledger.duplicates,
        beyond_window: ledger.beyond_window,
        gaps: if with_gaps {
            gaps(ledger, now.instant)
        } else {
            Vec::new()
        },
    })
}

fn gaps(ledger: &super::Ledger, now: Instant) -> Vec<ListedGap> {
    let listed = ledger.gaps.lost(now).map(|gap| ListedGap {
        first: gap.run.start,
        last: gap.run.end - 1,
        noticed: gap.noticed.to_rfc3339_millis(),
    });
    listed.collect()
}
