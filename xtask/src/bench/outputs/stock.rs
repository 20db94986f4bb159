//! A journal full of records, and a gatelog that sends them on.
//!
//! **Shape.** The journal is filled once; the store is a database that is not there, so everything stays in it.
//! Each start has outputs with names of their own, which begin with the oldest record.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use serde_json::Value;

use super::super::process::cpu_seconds;
use super::super::wrk;
use super::real;

/// Records of a request while it is filled.
const FILL: u64 = 500;

/// How often it is looked what has arrived, and whether everything is delivered.
const LOOK: Duration = Duration::from_millis(2);
const ASK: Duration = Duration::from_millis(200);

/// The journal, and what belongs to it.
pub(super) struct Stock {
    binary: PathBuf,
    data: PathBuf,
    pub(super) records: u64,
    starts: Cell<u32>,
    /// Of a start without outputs.
    idle_cpu_seconds: f64,
}

/// Records that went through an output.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    /// That the output has confirmed.
    pub(super) delivered: u64,
    /// What has arrived, in the unit of who was asked.
    pub(super) arrived: u64,
    /// From the first look that found something to the last that found something new: the part of what
    /// arrived between them, a second.
    pub(super) share_per_second: f64,
    /// Of the whole process, less what the start alone takes.
    pub(super) cpu_seconds: f64,
    /// Failed attempts.
    pub(super) errors: u64,
    /// Whether everything is delivered, or the time was over.
    pub(super) whole: bool,
}

impl Stock {
    /// Fills a journal in this directory.
    pub(super) fn fill(binary: PathBuf, dir: &Path, records: u64) -> anyhow::Result<Self> {
        let mut stock = Self {
            binary,
            data: dir.join("data"),
            records: records.div_ceil(FILL) * FILL,
            starts: Cell::new(0),
            idle_cpu_seconds: 0.0,
        };
        let gatelog = stock.start(&[])?;
        let bodies = wrk::bodies(FILL);
        let requests = usize::try_from(stock.records / FILL)?;
        for body in bodies.iter().cycle().take(requests) {
            let (status, answer) = gatelog.ingest(body)?;
            ensure!(status == 200, "{status} {answer}");
        }
        gatelog.terminate()?;
        let gatelog = stock.start(&[])?;
        std::thread::sleep(Duration::from_secs(1));
        stock.idle_cpu_seconds = cpu_seconds(gatelog.pid())?;
        Ok(stock)
    }

    /// A start with these plugins, each a YAML mapping without its braces and its instance name.
    fn start(&self, plugins: &[String]) -> anyhow::Result<Gatelog> {
        let start = self.starts.get() + 1;
        self.starts.set(start);
        let mut list = String::new();
        for (index, plugin) in plugins.iter().enumerate() {
            let head = if index == 0 { "plugins:\n" } else { "" };
            writeln!(
                list,
                "{head}- {{instance_name: bench-{start}-{index}, {plugin}}}"
            )?;
        }
        let nowhere = "store: { mysql: { dsn: \"u:p@tcp(127.0.0.1:1)/none\" } }\n";
        Setup::new(&self.binary, &self.data)
            .config(format!("{nowhere}{list}"))
            .start()
    }

    /// All records through these plugins, for so long at most; `arrived` tells what has.
    pub(super) fn pass(
        &self,
        plugins: &[String],
        longest: Duration,
        arrived: impl Fn() -> u64,
    ) -> anyhow::Result<Passed> {
        let gatelog = self.start(plugins)?;
        let begun = Instant::now();
        let mut first = None;
        let mut last = (begun, 0);
        let mut asked = begun;
        let mut whole = false;
        loop {
            std::thread::sleep(LOOK);
            let now = Instant::now();
            let count = arrived();
            if count > last.1 {
                first.get_or_insert((now, count));
                last = (now, count);
            }
            if now - asked < ASK {
                continue;
            }
            asked = now;
            if now - begun > longest {
                break;
            }
            // Asked once more after everything is delivered, for what is still on its way.
            let before = whole;
            whole = self.is_whole(&gatelog)?;
            if before && whole && (now - last.0 > ASK) {
                break;
            }
        }
        let cpu = cpu_seconds(gatelog.pid())? - self.idle_cpu_seconds;
        let (first_at, first_count) = first.unwrap_or(last);
        let seconds = (last.0 - first_at).as_secs_f64().max(LOOK.as_secs_f64());
        Ok(Passed {
            delivered: sum(&gatelog, "gatelog_output_delivered_total{")?,
            arrived: last.1,
            share_per_second: real(last.1 - first_count) / real(last.1.max(1)) / seconds,
            cpu_seconds: cpu,
            errors: sum(&gatelog, "gatelog_output_errors_total{")?,
            whole,
        })
    }

    /// Whether every output is done with every record.
    fn is_whole(&self, gatelog: &Gatelog) -> anyhow::Result<bool> {
        if sum(gatelog, "gatelog_output_delivered_total{")? < self.records {
            return Ok(false);
        }
        let ready: Value = serde_json::from_str(&gatelog.get("/ready")?.1)?;
        let outputs = ready.get("outputs").and_then(Value::as_array);
        let outputs = outputs.context("no outputs in /ready")?;
        Ok(outputs
            .iter()
            .all(|output| output.get("lag_bytes").and_then(Value::as_u64) == Some(0)))
    }

    /// The first lines that `file-log` writes of the records, and the bytes of all without line breaks.
    pub(super) fn lines(&self, dir: &Path, count: usize) -> anyhow::Result<(Vec<String>, u64)> {
        let path = dir.join("sample.json");
        let size = || fs::metadata(&path).map_or(0, |file| file.len());
        let plugin = file_log(&path);
        let passed = self.pass(&[plugin], Duration::from_mins(5), size)?;
        ensure!(passed.whole, "file-log is not done: {passed:?}");
        let text = BufReader::new(File::open(&path)?);
        fs::remove_file(&path)?;
        let lines = text.lines().take(count).collect::<Result<_, _>>()?;
        Ok((lines, passed.arrived - self.records))
    }
}

/// The plugin that writes all records to this file.
pub(super) fn file_log(path: &Path) -> String {
    format!(
        "name: file-log, config: {{path: {}, start: oldest}}",
        path.display()
    )
}

/// The sum of a metric over its labels.
fn sum(gatelog: &Gatelog, metric: &str) -> anyhow::Result<u64> {
    let (_, metrics) = gatelog.get("/metrics")?;
    Ok(metrics
        .lines()
        .filter(|line| line.starts_with(metric))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum())
}
