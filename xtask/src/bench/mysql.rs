//! The MySQL store: end to end from HTTP, beside MariaDB's own client that loads the same records.
//!
//! **Shape.** A MariaDB of its own, durable as in production, with the seed's table and its ten
//! indexes. In each round gatelog takes [`RECORDS`] in NDJSON and writes them, then the client loads what
//! gatelog wrote into an empty table, in one `LOAD DATA LOCAL`. Then single requests: what they cost
//! the collector, beside a server that ignores the body; and whether half a processor keeps up.

mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;

use super::candidate::{self, Candidate};
use super::paced;
use super::process::{cpu_seconds, peak_rss_mib};
use super::quota::Quota;
use super::report::BATCH;
use super::wrk;
use crate::program;
use crate::workspace::Workspace;

/// Records of a round.
const RECORDS: u64 = 300_000;

/// What half a processor is to keep up with.
const QUOTA_PER_SECOND: f64 = 15_000.0;
const QUOTA_SECONDS: u64 = 20;
const QUOTA_CPU_PERCENT: u64 = 50;
const QUOTA_MIB: u64 = 512;

/// Rows into the table, by gatelog or by the client.
#[derive(Clone, Copy, Debug)]
struct Written {
    rows_per_second: f64,
    server_us_per_row: f64,
    /// Of gatelog.
    own_us_per_row: f64,
    peak_rss_mib: f64,
}

/// Single requests.
#[derive(Clone, Copy, Debug)]
struct Single {
    per_second: f64,
    cpu_us: f64,
    peak_rss_mib: f64,
}

/// Single requests at a rate, with half a processor.
#[derive(Clone, Copy, Debug)]
struct Held {
    per_second: f64,
    p99_ms: f64,
    /// From the end of the load until the last row was in the table.
    behind_seconds: f64,
    peak_rss_mib: f64,
}

/// Everything that was measured in one run.
#[derive(Debug)]
struct Figures {
    /// The server's.
    version: String,
    written: Vec<Written>,
    limits: Vec<Written>,
    singles: Vec<Single>,
    /// CPU a request of the server that ignores the body.
    floors_us: Vec<f64>,
    held: Option<Held>,
}

/// A place to measure in.
struct Stage {
    server: MariaDb,
    server_pid: u32,
    /// `CREATE TABLE`.
    table: String,
    built: PathBuf,
    dir: tempfile::TempDir,
}

pub(super) fn run(workspace: &Workspace, rounds: usize) -> anyhow::Result<()> {
    let built = super::build(workspace)?;
    let stage = Stage::new(workspace, built)?;
    let mut written = Vec::new();
    let mut limits = Vec::new();
    for round in 1..=rounds {
        let (gatelog, file) = stage.gatelog(round)?;
        println!("round {round}  gatelog {gatelog:.1?}");
        let limit = stage.client(round, &file)?;
        println!("round {round}  client  {limit:.1?}");
        written.push(gatelog);
        limits.push(limit);
    }
    let mut singles = Vec::new();
    let mut floors = Vec::new();
    for round in 1..=rounds {
        let script = wrk::script(stage.dir.path(), 1)?;
        let data = tempfile::tempdir_in(stage.dir.path())?;
        let floor = candidate::measure(
            Candidate::FloorIgnore,
            &stage.built,
            data.path(),
            &script,
            1,
        )?;
        let single = stage.single(round, &script)?;
        println!("round {round}  floor {:.1} us  {single:.1?}", floor.cpu_us);
        floors.push(floor.cpu_us);
        singles.push(single);
    }
    let held = stage.held();
    if let Err(error) = &held {
        println!("half a processor: not measured: {error:#}");
    }
    let figures = Figures {
        version: stage.cell("SELECT VERSION()")?,
        written,
        limits,
        singles,
        floors_us: floors,
        held: held.ok(),
    };
    let page = page::page(&figures)?;
    println!("\n{page}");
    let path = workspace.root.join("docs/bench/mysql.md");
    fs::write(&path, page)?;
    println!("written to {}", path.display());
    Ok(())
}

impl Stage {
    fn new(workspace: &Workspace, built: PathBuf) -> anyhow::Result<Self> {
        let server = MariaDb::start()?;
        server.sql(
            "SET GLOBAL innodb_flush_log_at_trx_commit = 1;
             SET GLOBAL innodb_buffer_pool_size = 1073741824",
        )?;
        let file = cell(&server, "SELECT @@pid_file")?;
        let server_pid = fs::read_to_string(file)?.trim().parse()?;
        let own = workspace
            .root
            .join("crates/gatelog-store/src/mysql/access_logs.sql");
        let table = fs::read_to_string(own)?
            .lines()
            .filter(|line| !line.contains("sample_weight"))
            .map(|line| line.replace("DATETIME(3)", "DATETIME") + "\n")
            .collect();
        Ok(Self {
            server,
            server_pid,
            table,
            built,
            dir: tempfile::tempdir_in(&workspace.target_dir)?,
        })
    }

    fn cell(&self, statement: &str) -> anyhow::Result<String> {
        cell(&self.server, statement)
    }

    /// A database with the seed's table.
    fn database(&self, name: &str) -> anyhow::Result<String> {
        let dsn = self.server.database(name)?;
        self.server.sql(&format!("USE {name}; {}", self.table))?;
        Ok(dsn)
    }

    fn start(&self, data: &Path, dsn: String) -> anyhow::Result<Gatelog> {
        Setup::new(self.built.join("gatelog"), data)
            .variable("MYSQL_DSN", dsn)
            .start()
    }

    /// gatelog takes the records in NDJSON and writes them; and the file in which the server puts them
    /// then.
    fn gatelog(&self, round: usize) -> anyhow::Result<(Written, PathBuf)> {
        let name = format!("gatelog_{round}");
        let dsn = self.database(&name)?;
        let data = tempfile::tempdir_in(self.dir.path())?;
        let gatelog = self.start(data.path(), dsn)?;
        let bodies = wrk::bodies(BATCH);
        let before = cpu_seconds(self.server_pid)?;
        let begun = Instant::now();
        for body in bodies
            .iter()
            .cycle()
            .take(usize::try_from(RECORDS / BATCH)?)
        {
            let (status, answer) = gatelog.ingest(body)?;
            ensure!(status == 200, "{status} {answer}");
        }
        wait_for_rows(&gatelog, RECORDS)?;
        let seconds = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rows = RECORDS as f64;
        let written = Written {
            rows_per_second: rows / seconds,
            server_us_per_row: (cpu_seconds(self.server_pid)? - before) * 1e6 / rows,
            own_us_per_row: cpu_seconds(gatelog.pid())? * 1e6 / rows,
            peak_rss_mib: peak_rss_mib(gatelog.pid())?,
        };
        drop(gatelog);
        let file = self.dir.path().join(format!("{name}.tsv"));
        self.server.sql(&format!(
            "SELECT * FROM {name}.access_logs INTO OUTFILE '{}' CHARACTER SET utf8mb4",
            file.display()
        ))?;
        Ok((written, file))
    }

    /// The server's own client loads the same rows.
    fn client(&self, round: usize, file: &Path) -> anyhow::Result<Written> {
        let name = format!("client_{round}");
        self.database(&name)?;
        let before = cpu_seconds(self.server_pid)?;
        let begun = Instant::now();
        program::output(
            Command::new("mariadb")
                .args(["--no-defaults", "--user=root", "--local-infile=1"])
                .arg(format!("--socket={}", self.server.socket().display()))
                .arg(&name)
                .arg("--execute")
                .arg(format!(
                    "LOAD DATA LOCAL INFILE '{}' INTO TABLE access_logs CHARACTER SET utf8mb4",
                    file.display()
                )),
        )?;
        let seconds = begun.elapsed().as_secs_f64();
        let rows: u64 = self
            .cell(&format!("SELECT COUNT(*) FROM {name}.access_logs"))?
            .parse()?;
        ensure!(rows == RECORDS, "{rows} rows loaded");
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rows = rows as f64;
        for database in [name, format!("gatelog_{round}")] {
            self.server.sql(&format!("DROP DATABASE {database}"))?;
        }
        fs::remove_file(file)?;
        Ok(Written {
            rows_per_second: rows / seconds,
            server_us_per_row: (cpu_seconds(self.server_pid)? - before) * 1e6 / rows,
            own_us_per_row: 0.0,
            peak_rss_mib: 0.0,
        })
    }

    /// Single requests, as many as are answered.
    fn single(&self, round: usize, script: &Path) -> anyhow::Result<Single> {
        let name = format!("single_{round}");
        let dsn = self.database(&name)?;
        let data = tempfile::tempdir_in(self.dir.path())?;
        let gatelog = self.start(data.path(), dsn)?;
        let load = wrk::load(gatelog.port()?, script)?;
        wait_for_rows(&gatelog, load.requests)?;
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let single = Single {
            per_second: load.per_second,
            cpu_us: cpu_seconds(gatelog.pid())? * 1e6 / load.requests as f64,
            peak_rss_mib: peak_rss_mib(gatelog.pid())?,
        };
        drop(gatelog);
        self.server.sql(&format!("DROP DATABASE {name}"))?;
        Ok(single)
    }

    /// Single requests at a rate, with half a processor and half a GiB.
    fn held(&self) -> anyhow::Result<Held> {
        let dsn = self.database("held")?;
        let data = tempfile::tempdir_in(self.dir.path())?;
        let gatelog = self.start(data.path(), dsn)?;
        let quota = Quota::put(gatelog.pid(), QUOTA_CPU_PERCENT, QUOTA_MIB)?;
        let load = paced::load(gatelog.port()?, QUOTA_PER_SECOND, QUOTA_SECONDS)?;
        let ended = Instant::now();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a count"
        )]
        let sent = (load.per_second * QUOTA_SECONDS as f64 * 0.99) as u64;
        wait_for_rows(&gatelog, sent)?;
        let held = Held {
            per_second: load.per_second,
            p99_ms: load.p99_ms,
            behind_seconds: ended.elapsed().as_secs_f64(),
            peak_rss_mib: peak_rss_mib(gatelog.pid())?,
        };
        drop(gatelog);
        drop(quota);
        println!("half a processor: {held:.2?}");
        Ok(held)
    }
}

/// The one value that a statement gives.
fn cell(server: &MariaDb, statement: &str) -> anyhow::Result<String> {
    let rows = server.sql(statement)?;
    let cell = rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next()?);
    cell.with_context(|| format!("no answer to {statement}"))
}

/// Waits until so many rows are in the table, as gatelog counts them when they are committed.
fn wait_for_rows(gatelog: &Gatelog, rows: u64) -> anyhow::Result<()> {
    let key = "gatelog_store_written_total{store=\"mysql\"} ";
    wait::until(
        "the rows to be in the table",
        Duration::from_mins(5),
        || {
            let (_, metrics) = gatelog.get("/metrics").map_err(|error| error.to_string())?;
            let found = metrics.lines().find_map(|line| line.strip_prefix(key));
            let found: u64 = found.unwrap_or("0").trim().parse().unwrap_or(0);
            if found >= rows {
                Ok(())
            } else {
                Err(format!("{found} of {rows}"))
            }
        },
    )
}
