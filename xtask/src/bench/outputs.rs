//! What gatelog sends on: records out of a full journal, beside loops that only send.
//!
//! **Shape.** The journal is filled once. In each round the outputs take turns, each behind its limit: the
//! same bytes to the same receiver, from a loop. The time is that from the first to the last that arrives.
//! Then the same records once with one output and once with outputs beside it that no record is for.
//!
//! **Limits.** Sender and receiver share the machine. An output that would take long is stopped after
//! [`LONGEST`]; its rate is that of the records it got to.

mod page;
mod receiver;
mod sender;
mod stock;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use self::receiver::Receiver;
use self::sender::Sent;
use self::stock::{Passed, Stock};
use crate::workspace::Workspace;

/// Records in the journal, of which many different ones are kept for the loops.
const RECORDS: u64 = 300_000;
const QUICK_RECORDS: u64 = 20_000;
const DIFFERENT: usize = 2000;

/// Of one turn.
const LONGEST: Duration = Duration::from_secs(10);

/// Of the loop that sends requests.
const LIMIT: Duration = Duration::from_secs(2);

/// Where all records have to come through.
const PATIENCE: Duration = Duration::from_mins(5);

/// Outputs that no record is for.
const IDLE_OUTPUTS: u64 = 50;

/// How `http-log` sends.
#[derive(Clone, Copy, Debug)]
struct Http {
    /// Records of a request.
    batch: u64,
    /// Requests under way.
    connections: u64,
}

/// What takes turns.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Http(Http),
    Udp,
    Tcp,
    File,
}

/// An output, with the records a second that it is to reach, if any.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    kind: Kind,
    aim: Option<f64>,
}

const fn http(name: &'static str, batch: u64, connections: u64, aim: f64) -> Case {
    let kind = Kind::Http(Http { batch, connections });
    let aim = Some(aim);
    Case { name, kind, aim }
}

const CASES: [Case; 8] = [
    http("http-log, single, 1 under way", 1, 1, 20_000.0),
    http("http-log, single, 8 under way", 1, 8, 20_000.0),
    http("http-log, single, 32 under way", 1, 32, 20_000.0),
    http("http-log, by 100, 1 under way", 100, 1, 100_000.0),
    http("http-log, by 100, 4 under way", 100, 4, 100_000.0),
    Case {
        name: "loggly, udp",
        kind: Kind::Udp,
        aim: Some(100_000.0),
    },
    Case {
        name: "loggly, tcp, newline",
        kind: Kind::Tcp,
        aim: None,
    },
    Case {
        name: "file-log",
        kind: Kind::File,
        aim: None,
    },
];

/// One round of an output.
#[derive(Clone, Copy, Debug)]
struct Round {
    /// Received.
    per_second: f64,
    /// Of gatelog, for each record.
    cpu_us: f64,
    lost_percent: f64,
    /// Failed attempts.
    errors: u64,
    /// Of the loop; none for files.
    limit: Option<Sent>,
}

/// CPU of gatelog, in seconds, for all records: with one output, and with [`IDLE_OUTPUTS`] beside it.
#[derive(Clone, Copy, Debug)]
struct Idle {
    alone: f64,
    beside: f64,
}

/// Everything that was measured in one run.
#[derive(Debug)]
struct Figures {
    records: u64,
    /// Of a record in Kong's JSON, on average.
    record_bytes: f64,
    /// What the kernel keeps for the receiver of datagrams.
    room_bytes: usize,
    /// By case, in their order.
    rounds: Vec<Vec<Round>>,
    idle: Vec<Idle>,
}

/// A place to measure in.
struct Bench {
    dir: tempfile::TempDir,
    stock: Stock,
    /// Records in Kong's JSON, and the bytes of all.
    lines: Vec<String>,
    bytes: u64,
    http: Receiver,
    udp: Receiver,
    tcp: Receiver,
}

pub(super) fn run(
    workspace: &Workspace,
    rounds: usize,
    quick: bool,
    records: Option<u64>,
) -> anyhow::Result<()> {
    let binary = if quick {
        built(&workspace.target_dir)?
    } else {
        super::build(workspace)?.join("gatelog")
    };
    let records = records.unwrap_or(if quick { QUICK_RECORDS } else { RECORDS });
    let bench = Bench::new(&workspace.target_dir, binary, records)?;
    let mut figures = Figures {
        records: bench.stock.records,
        record_bytes: real(bench.bytes) / real(bench.stock.records),
        room_bytes: bench.udp.room_bytes,
        rounds: vec![Vec::new(); CASES.len()],
        idle: Vec::new(),
    };
    for round in 1..=rounds {
        for (case, results) in CASES.iter().zip(&mut figures.rounds) {
            let found = bench
                .round(case.kind)
                .with_context(|| format!("{}, round {round}", case.name))?;
            println!("round {round}  {:32} {found:.1?}", case.name);
            results.push(found);
        }
        let idle = bench.idle()?;
        println!("round {round}  {IDLE_OUTPUTS} that no record is for: {idle:.2?}");
        figures.idle.push(idle);
    }
    let page = page::page(&figures)?;
    println!("\n{page}");
    if !quick {
        let path = workspace.root.join("docs/bench/outputs.md");
        fs::write(&path, page)?;
        println!("written to {}", path.display());
    }
    Ok(())
}

/// A gatelog that is there already.
fn built(target: &Path) -> anyhow::Result<PathBuf> {
    ["release/gatelog", "debug/gatelog"]
        .map(|path| target.join(path))
        .into_iter()
        .find(|path| path.is_file())
        .context("no gatelog is built")
}

impl Bench {
    fn new(target: &Path, binary: PathBuf, records: u64) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir_in(target)?;
        let stock = Stock::fill(binary, dir.path(), records)?;
        let (lines, bytes) = stock.lines(dir.path(), DIFFERENT)?;
        println!("{} records, {bytes} bytes as Kong's JSON", stock.records);
        Ok(Self {
            dir,
            stock,
            lines,
            bytes,
            http: Receiver::http()?,
            udp: Receiver::udp()?,
            tcp: Receiver::tcp()?,
        })
    }

    fn round(&self, kind: Kind) -> anyhow::Result<Round> {
        let (lines, records) = (&self.lines, self.stock.records);
        match kind {
            Kind::Http(http) => {
                let limit = sender::http(&self.http, http, lines, LIMIT)?;
                self.http(http, limit)
            }
            Kind::Udp => {
                let limit = sender::datagrams(&self.udp, lines, records)?;
                self.loggly("udp", &self.udp, limit)
            }
            Kind::Tcp => {
                let limit = sender::stream(&self.tcp, lines, records)?;
                self.loggly("tcp", &self.tcp, limit)
            }
            Kind::File => self.file(),
        }
    }

    fn http(&self, http: Http, limit: Sent) -> anyhow::Result<Round> {
        let Http { batch, connections } = http;
        let receiver = &self.http;
        let plugin = format!(
            "name: http-log, config: {{http_endpoint: \"http://127.0.0.1:{}/logs\", start: oldest, \
             queue: {{max_batch_size: {batch}, concurrency_limit: {connections}}}}}",
            receiver.port
        );
        let before = (receiver.messages(), receiver.bytes());
        let requests = || receiver.messages() - before.0;
        let passed = self.stock.pass(&[plugin], LONGEST, requests)?;
        // However many requests that took, every record is in them.
        if passed.whole {
            let list = if batch > 1 {
                self.stock.records + passed.arrived
            } else {
                0
            };
            let bytes = receiver.bytes() - before.1;
            ensure!(bytes >= self.bytes + list, "{bytes} bytes: {passed:?}");
        }
        Ok(round(&passed, passed.delivered, Some(limit)))
    }

    fn loggly(&self, transport: &str, receiver: &Receiver, limit: Sent) -> anyhow::Result<Round> {
        let plugin = format!(
            "name: loggly, config: {{host: 127.0.0.1, port: {}, key: bench, transport: {transport}, start: oldest}}",
            receiver.port
        );
        let before = receiver.messages();
        let arrived = || receiver.messages() - before;
        let passed = self.stock.pass(&[plugin], PATIENCE, arrived)?;
        ensure!(passed.whole, "not done: {passed:?}");
        Ok(round(&passed, passed.arrived, Some(limit)))
    }

    fn file(&self) -> anyhow::Result<Round> {
        let path = self.dir.path().join("records.json");
        let size = || fs::metadata(&path).map_or(0, |file| file.len());
        let passed = self.stock.pass(&[stock::file_log(&path)], PATIENCE, size)?;
        fs::remove_file(&path)?;
        ensure!(
            passed.arrived == self.bytes + self.stock.records,
            "not done: {passed:?}"
        );
        Ok(round(&passed, passed.delivered, None))
    }

    fn idle(&self) -> anyhow::Result<Idle> {
        let mut plugins = vec![stock::file_log(Path::new("/dev/null"))];
        let alone = self.stock.pass(&plugins, PATIENCE, || 0)?;
        plugins.extend((0..IDLE_OUTPUTS).map(|number| {
            let plugin = stock::file_log(Path::new("/dev/null"));
            format!("service: no-such-service-{number}, {plugin}")
        }));
        let beside = self.stock.pass(&plugins, PATIENCE, || 0)?;
        ensure!(
            alone.whole && beside.whole && beside.delivered == self.stock.records,
            "not done: {alone:?}, {beside:?}"
        );
        Ok(Idle {
            alone: alone.cpu_seconds,
            beside: beside.cpu_seconds,
        })
    }
}

/// The round in which this passed, and so many records were received.
fn round(passed: &Passed, received: u64, limit: Option<Sent>) -> Round {
    let (delivered, received) = (real(passed.delivered), real(received));
    Round {
        per_second: received * passed.share_per_second,
        cpu_us: passed.cpu_seconds * 1e6 / delivered,
        lost_percent: 100.0 * (1.0 - received / delivered),
        errors: passed.errors,
        limit,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count")]
fn real(count: u64) -> f64 {
    count as f64
}
