//! The page of figures: `docs/bench/ingest.md`.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use super::candidate::{CANDIDATES, Round};
use super::disk::SyncTimes;
use super::median;
use super::paced::Paced;
use super::restart::Restart;
use crate::program;

/// Everything that was measured in one run.
#[derive(Debug)]
pub(super) struct Figures {
    /// Appends of 64 KiB and of 1 MiB.
    pub(super) sync: [SyncTimes; 2],
    /// Rounds by candidate, with single records and with 50 in a request.
    pub(super) single: Vec<Vec<Round>>,
    pub(super) batches: Vec<Vec<Round>>,
    pub(super) half_load: Vec<HalfLoad>,
    pub(super) restart: Restart,
}

/// Single records at half the rate that is asked for.
#[derive(Debug)]
pub(super) struct HalfLoad {
    /// gatelog, journal only.
    pub(super) acknowledged: Paced,
    /// The disk alone.
    pub(super) alone: SyncTimes,
    /// A server that ignores the body,
    pub(super) ignored: Paced,
    /// and the disk beside it.
    pub(super) beside: SyncTimes,
}

/// Records in a request of [`Figures::batches`].
pub(super) const BATCH: u64 = 50;

/// The page.
pub(super) fn page(figures: &Figures) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Ingestion\n\n\
         Made by `cargo xtask bench ingest`. Standard records (1.2 KB, all columns), release build, load\n\
         and server on the same cores; medians of the rounds below. gatelog answers after `fdatasync`.\n\n",
    );
    let date = program::output(Command::new("date").arg("-I"))?;
    let [small, large] = figures.sync;
    writeln!(text, "- date: {}", date.trim())?;
    writeln!(text, "- machine: {}", machine()?)?;
    writeln!(
        text,
        "- append + fdatasync in this run: 64 KiB median {:.3} ms, p99 {:.3} ms; 1 MiB {:.0} MiB/s\n",
        small.p50_ms, small.p99_ms, large.mib_per_second
    )?;
    text.push_str("## One record a request, 64 connections\n\n");
    table(&mut text, &figures.single, 1)?;
    writeln!(
        text,
        "\n## {BATCH} records a request (NDJSON), 64 connections\n"
    )?;
    table(&mut text, &figures.batches, BATCH)?;
    text.push_str(
        "\n## The acknowledgement at half the load\n\n\
         Single records at a fixed rate, 64 connections, journal only; times from the moment a request \
         was due, in ms. *Alone*: append + fdatasync of 64 KiB on a machine that does nothing else. \
         *Ignored, beside*: the same load on a server that ignores the body, and append + fdatasync of \
         16 KiB beside that, which is what gatelog does, without gatelog. *Waited*: from any moment \
         until an append that begins after it is synced, as a record waits.\n\n\
         | requests/s | p50 | p99 | alone, p99 | twice that + 2 | ignored, p99 | beside, p99 | beside, waited p99 |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for half in &figures.half_load {
        writeln!(
            text,
            "| {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
            half.acknowledged.per_second,
            half.acknowledged.p50_ms,
            half.acknowledged.p99_ms,
            half.alone.p99_ms,
            2.0 * half.alone.p99_ms + 2.0,
            half.ignored.p99_ms,
            half.beside.p99_ms,
            half.beside.waited_p99_ms
        )?;
    }
    writeln!(
        text,
        "\n## Restart\n\nAfter SIGKILL with {:.1} GiB in the journal: `GET /health` answered {:.2} s after \
         the start.",
        figures.restart.backlog_gib, figures.restart.health_seconds
    )?;
    text.push_str(
        "\n## For comparison\n\nMeasured on the same kind of machine: the Go db-log-collector, which \
         answers from memory,\n19,900 requests/s with MariaDB beside it (39 us CPU a record, and 40 us \
         in MariaDB).\n",
    );
    Ok(text)
}

/// A table of candidates with this many records a request, and the rounds behind it.
fn table(text: &mut String, results: &[Vec<Round>], records: u64) -> anyhow::Result<()> {
    let middle =
        |rounds: &[Round], pick: fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let records = records as f64;
    let rate = |rounds: &[Round]| records * middle(rounds, |round| round.load.per_second);
    let of = |index: usize| results.get(index).map_or(0.0, |rounds| rate(rounds));
    let (ignored, parsed) = (of(0), of(1));
    text.push_str(
        "| | of ignored | of parsed | records/s | p50 ms | p99 ms | CPU us/record | peak RSS MiB | with queries | caught up after s |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for ((_, name), rounds) in CANDIDATES.iter().zip(results) {
        // Not every candidate can take every kind of request.
        if rounds.is_empty() {
            continue;
        }
        let caught_up: Vec<f64> = rounds
            .iter()
            .filter_map(|round| round.catch_up_seconds)
            .collect();
        let caught_up = if caught_up.is_empty() {
            String::new()
        } else {
            format!("{:.1}", median(caught_up))
        };
        writeln!(
            text,
            "| {name} | {:.0} % | {} | {:.0} | {:.2} | {:.2} | {:.1} | {:.0} | {:.0} | {caught_up} |",
            100.0 * rate(rounds) / ignored,
            if parsed > 0.0 {
                format!("{:.0} %", 100.0 * rate(rounds) / parsed)
            } else {
                String::new()
            },
            rate(rounds),
            middle(rounds, |round| round.load.p50_ms),
            middle(rounds, |round| round.load.p99_ms),
            middle(rounds, |round| round.cpu_us) / records,
            middle(rounds, |round| round.peak_rss_mib[0]),
            middle(rounds, |round| round.peak_rss_mib[1]),
        )?;
    }
    text.push_str("\nRounds, records/s in the order in which they took turns:\n\n");
    for ((_, name), rounds) in CANDIDATES.iter().zip(results) {
        let all: Vec<String> = rounds
            .iter()
            .map(|round| format!("{:.0}", records * round.load.per_second))
            .collect();
        writeln!(text, "- {name}: {}", all.join(", "))?;
    }
    Ok(())
}

pub(super) fn machine() -> anyhow::Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or(": unknown");
    let cores = std::thread::available_parallelism()?;
    let kernel = program::output(Command::new("uname").arg("-sr"))?;
    let model = model.trim_start_matches([' ', '\t', ':']).trim();
    Ok(format!("{cores} cores, {model}, {}", kernel.trim()))
}
