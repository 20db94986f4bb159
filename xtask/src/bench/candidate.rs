//! The servers that are measured, and one round of each.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::wait;

use super::process::{cpu_seconds, peak_rss_mib};
use super::wrk::{self, Load};

/// What takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Candidate {
    /// A server that reads bodies and forgets them.
    FloorIgnore,
    /// A server that parses bodies and forgets them.
    FloorParse,
    /// gatelog with a database that is not there: records are journaled only.
    Journal,
    /// gatelog with the lake.
    Lake,
}

pub(super) const CANDIDATES: [(Candidate, &str); 4] = [
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
pub(super) struct Round {
    pub(super) load: Load,
    /// CPU of the server for each request.
    pub(super) cpu_us: f64,
    /// Seconds from the end of the load until every record could be queried.
    pub(super) catch_up_seconds: Option<f64>,
    /// Until the load ended, and with the queries that count its records.
    pub(super) peak_rss_mib: [f64; 2],
}

/// One round: wrk's load on a server of its own, each request with this many records.
pub(super) fn measure(
    candidate: Candidate,
    built: &Path,
    data: &Path,
    script: &Path,
    records: u64,
) -> anyhow::Result<Round> {
    match candidate {
        Candidate::FloorIgnore => floor("ignore", built, script),
        Candidate::FloorParse => floor("parse", built, script),
        Candidate::Journal => {
            let gatelog = journal_only(built, data)?;
            let load = wrk::load(gatelog.port()?, script)?;
            let accepted = accepted(&gatelog)?;
            // wrk does not count the answers that came after its last second.
            ensure!(
                accepted >= load.requests * records,
                "{accepted} records accepted of {} requests",
                load.requests
            );
            round(load, gatelog.pid(), None, None)
        }
        Candidate::Lake => {
            let gatelog = Setup::new(built.join("gatelog"), data).start()?;
            let load = wrk::load(gatelog.port()?, script)?;
            let ended = Instant::now();
            let peak = peak_rss_mib(gatelog.pid())?;
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
                accepted(&gatelog)? >= load.requests * records,
                "fewer rows than requests"
            );
            round(load, gatelog.pid(), Some(caught_up), Some(peak))
        }
    }
}

/// gatelog with a database that is not there: records are journaled only.
pub(super) fn journal_only(built: &Path, data: &Path) -> anyhow::Result<Gatelog> {
    let nowhere = "store: { mysql: { dsn: \"u:p@tcp(127.0.0.1:1)/none\" } }\n";
    Setup::new(built.join("gatelog"), data)
        .config(nowhere)
        .start()
}

/// Records that gatelog says it has acknowledged.
pub(super) fn accepted(gatelog: &Gatelog) -> anyhow::Result<u64> {
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
    let floor = Floor::start(mode, built)?;
    let load = wrk::load(floor.port, script)?;
    round(load, floor.server.id(), None, None)
}

/// A server that keeps nothing; killed when dropped.
pub(super) struct Floor {
    server: Child,
    pub(super) port: u16,
}

impl Floor {
    /// Starts one that does this with bodies: `ignore` or `parse`.
    pub(super) fn start(mode: &str, built: &Path) -> anyhow::Result<Self> {
        let port = wait::free_port()?;
        let program = built.join("examples/http_floor");
        let server = Command::new(program)
            .arg(mode)
            .arg(format!("127.0.0.1:{port}"))
            .spawn()?;
        let floor = Self { server, port };
        wait::until("the floor to listen", Duration::from_secs(10), || {
            std::net::TcpStream::connect(("127.0.0.1", port))
        })?;
        Ok(floor)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.server.kill().is_ok() && self.server.wait().is_ok();
    }
}

fn round(
    load: Load,
    pid: u32,
    catch_up_seconds: Option<f64>,
    peak_before: Option<f64>,
) -> anyhow::Result<Round> {
    let peak = peak_rss_mib(pid)?;
    #[expect(clippy::cast_precision_loss, reason = "a mean")]
    let cpu_us = cpu_seconds(pid)? * 1e6 / load.requests as f64;
    Ok(Round {
        load,
        cpu_us,
        catch_up_seconds,
        peak_rss_mib: [peak_before.unwrap_or(peak), peak],
    })
}
