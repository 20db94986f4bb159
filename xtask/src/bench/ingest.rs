//! Single records over 64 connections: gatelog beside servers that keep nothing.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::wait;

use super::median;
use super::wrk::{self, Load};
use crate::program;
use crate::workspace::Workspace;

/// What takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Candidate {
    /// A server that reads bodies and forgets them.
    FloorIgnore,
    /// A server that parses bodies and forgets them.
    FloorParse,
    /// gatelog with a database that is not there: records are journaled only.
    Journal,
    /// gatelog with the lake.
    Lake,
}

const CANDIDATES: [(Candidate, &str); 4] = [
    (Candidate::FloorIgnore, "HTTP server, body ignored"),
    (
        Candidate::FloorParse,
        "HTTP server, body parsed (serde_json::Value)",
    ),
    (Candidate::Journal, "gatelog, journal only"),
    (Candidate::Lake, "gatelog with the lake"),
];

/// One round of a candidate.
#[derive(Clone, Copy, Debug)]
struct Round {
    load: Load,
    /// CPU of the server for each request.
    cpu_us: f64,
    /// Seconds from the end of the load until every record could be queried.
    catch_up_seconds: Option<f64>,
    peak_rss_mib: f64,
}

pub(super) fn run(workspace: &Workspace, rounds: usize) -> anyhow::Result<()> {
    // The whole workspace's features, or every dependency is built once more.
    let build = [
        "--release",
        "--workspace",
        "--bin",
        "gatelog",
        "--example",
        "http_floor",
    ];
    program::run(workspace.cargo("build").args(build))?;
    let built = workspace.target_dir.join("release");
    let dir = tempfile::tempdir_in(&workspace.target_dir)?;
    let script = wrk::script(dir.path())?;
    let sync_ms = sync_median_ms(dir.path())?;
    println!("append + fdatasync of 64 KiB: median {sync_ms:.3} ms");
    let mut results: Vec<Vec<Round>> = vec![Vec::new(); CANDIDATES.len()];
    for round in 1..=rounds {
        for ((candidate, name), rounds) in CANDIDATES.iter().zip(&mut results) {
            let data = tempfile::tempdir_in(dir.path())?;
            let found = measure(*candidate, &built, data.path(), &script)
                .with_context(|| format!("{name}, round {round}"))?;
            println!(
                "round {round}  {name:45} {:8.0}/s  p50 {:.2} ms  p99 {:.2} ms  {:.1} us CPU  {:.0} MiB{}",
                found.load.per_second,
                found.load.p50_ms,
                found.load.p99_ms,
                found.cpu_us,
                found.peak_rss_mib,
                found
                    .catch_up_seconds
                    .map_or(String::new(), |s| format!("  caught up after {s:.1} s")),
            );
            rounds.push(found);
        }
    }
    let report = report(&results, sync_ms)?;
    println!("\n{report}");
    let path = workspace.root.join("docs/bench/ingest.md");
    fs::write(&path, report)?;
    println!("written to {}", path.display());
    Ok(())
}

fn measure(
    candidate: Candidate,
    built: &Path,
    data: &Path,
    script: &Path,
) -> anyhow::Result<Round> {
    match candidate {
        Candidate::FloorIgnore => floor("ignore", built, script),
        Candidate::FloorParse => floor("parse", built, script),
        Candidate::Journal => {
            let nowhere = "store: { mysql: { dsn: \"u:p@tcp(127.0.0.1:1)/none\" } }\n";
            let gatelog = Setup::new(built.join("gatelog"), data)
                .config(nowhere)
                .start()?;
            let load = wrk::load(gatelog.port()?, script)?;
            let accepted = accepted(&gatelog)?;
            // wrk does not count the answers that came after its last second.
            ensure!(
                accepted >= load.requests,
                "{accepted} accepted of {}",
                load.requests
            );
            round(load, gatelog.pid(), None)
        }
        Candidate::Lake => {
            let gatelog = Setup::new(built.join("gatelog"), data).start()?;
            let load = wrk::load(gatelog.port()?, script)?;
            let ended = Instant::now();
            // A row that a query counts has been read from the journal and can be asked for. There may
            // be more than were acknowledged: wrk leaves in the middle of its last requests.
            wait::until("the lake to catch up", Duration::from_mins(2), || {
                let found = gatelog
                    .query("page_size=1")
                    .map_err(|error| error.to_string())?;
                let total = found.get("total").and_then(serde_json::Value::as_u64);
                let accepted = accepted(&gatelog).map_err(|error| error.to_string())?;
                if total >= Some(accepted) {
                    Ok(())
                } else {
                    Err(format!("{total:?} of {accepted}"))
                }
            })?;
            let caught_up = ended.elapsed().as_secs_f64();
            ensure!(
                accepted(&gatelog)? >= load.requests,
                "fewer rows than requests"
            );
            round(load, gatelog.pid(), Some(caught_up))
        }
    }
}

/// Records that gatelog says it has acknowledged.
fn accepted(gatelog: &Gatelog) -> anyhow::Result<u64> {
    let (_, metrics) = gatelog.get("/metrics")?;
    let number = metrics
        .lines()
        .find_map(|line| line.strip_prefix("gatelog_records_accepted_total "));
    Ok(number
        .context("no count of accepted records")?
        .trim()
        .parse()?)
}

fn floor(mode: &str, built: &Path, script: &Path) -> anyhow::Result<Round> {
    let port = wait::free_port()?;
    let program = built.join("examples/http_floor");
    let server = Killed(
        Command::new(program)
            .arg(mode)
            .arg(format!("127.0.0.1:{port}"))
            .spawn()?,
    );
    wait::until("the floor to listen", Duration::from_secs(10), || {
        std::net::TcpStream::connect(("127.0.0.1", port))
    })?;
    let load = wrk::load(port, script)?;
    round(load, server.0.id(), None)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill().is_ok() && self.0.wait().is_ok();
    }
}

fn round(load: Load, pid: u32, catch_up_seconds: Option<f64>) -> anyhow::Result<Round> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields 14 and 15 of proc(5), counted behind the name in brackets: user and system time in
    // hundredths of a second.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: f64 = fields
        .iter()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok())
        .sum();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak_kib: f64 = peak
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let cpu_us = ticks * 10_000.0 / load.requests as f64;
    Ok(Round {
        load,
        cpu_us,
        catch_up_seconds,
        peak_rss_mib: peak_kib / 1024.0,
    })
}

/// The disk's limit in the same run: the median of 200 appends of 64 KiB, each synced.
fn sync_median_ms(dir: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(dir.join("sync"))?;
    let block = vec![7u8; 64 << 10];
    let mut times = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(median(times))
}

fn report(results: &[Vec<Round>], sync_ms: f64) -> anyhow::Result<String> {
    let middle =
        |rounds: &[Round], pick: fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
    let rate = |index: usize| {
        results
            .get(index)
            .map_or(0.0, |rounds| middle(rounds, |round| round.load.per_second))
    };
    let (ignored, parsed) = (rate(0), rate(1));
    let mut text = String::from(
        "# Ingestion of single records\n\n\
         Made by `cargo xtask bench ingest`. One standard record (1.2 KB, all columns) a request,\n\
         64 connections, one wrk thread, release build, load and server on the same cores. Medians\n\
         of the rounds below. gatelog answers after `fdatasync`.\n\n",
    );
    writeln!(
        text,
        "- date: {}",
        program::output(Command::new("date").arg("-I"))?.trim()
    )?;
    writeln!(text, "- machine: {}", machine()?)?;
    writeln!(
        text,
        "- append + fdatasync of 64 KiB in this run: median {sync_ms:.3} ms\n"
    )?;
    text.push_str(
        "| | of parsed | of ignored | requests/s | p50 ms | p99 ms | CPU us/request | peak RSS MiB | caught up after s |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for ((_, name), rounds) in CANDIDATES.iter().zip(results) {
        let per_second = middle(rounds, |round| round.load.per_second);
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
            "| {name} | {:.0} % | {:.0} % | {per_second:.0} | {:.2} | {:.2} | {:.1} | {:.0} | {caught_up} |",
            100.0 * per_second / parsed,
            100.0 * per_second / ignored,
            middle(rounds, |round| round.load.p50_ms),
            middle(rounds, |round| round.load.p99_ms),
            middle(rounds, |round| round.cpu_us),
            middle(rounds, |round| round.peak_rss_mib),
        )?;
    }
    text.push_str(
        "\nFor comparison, measured on the same kind of machine: the Go db-log-collector, which answers \
         from memory,\n19,900 requests/s with MariaDB beside it (39 us CPU a record, and 40 us in \
         MariaDB).\n",
    );
    text.push_str("\n## Rounds\n\nrequests/s, in the order in which they took turns:\n\n");
    for ((_, name), rounds) in CANDIDATES.iter().zip(results) {
        let all: Vec<String> = rounds
            .iter()
            .map(|round| format!("{:.0}", round.load.per_second))
            .collect();
        writeln!(text, "- {name}: {}", all.join(", "))?;
    }
    Ok(text)
}

fn machine() -> anyhow::Result<String> {
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
