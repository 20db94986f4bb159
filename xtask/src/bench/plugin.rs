//! What the plugin costs: the same Envoy with one worker, without a logger, with its own loggers, with a
//! wasm module that does nothing, and with the plugin.
//!
//! **Shape.** In each round the loggers take turns, each in an Envoy of its own: a warm-up, then wrk on 16
//! connections to a direct response and to a local upstream, then a fixed rate, for the latency of a gateway
//! that is not at its limit. Processor time is that of the whole Envoy process, by its own count of requests.
//! Then what a chunk of an LLM's stream costs, and the memory after a million requests.
//!
//! **Limits.** Load, upstream and receiver share the machine with Envoy. Where it has two cores, the receiver
//! costs requests per second too.

mod als;
mod gateway;
mod nothing;
mod page;
mod receiver;
mod upstream;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use gatelog_testkit::envoy;

use self::gateway::{LOGGERS, Ledger, Logger, Stage};
use self::upstream::Upstream;
use super::paced::{self, Paced};
use super::process::{cpu_seconds, rss_mib};
use super::wrk::{self, Load};
use crate::workspace::Workspace;

/// Requests a second, to see the latency.
const PACED_PER_SECOND: f64 = 5_000.0;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Extent {
    rounds: usize,
    /// Of each load.
    seconds: u64,
    /// Before the memory is looked at.
    requests: u64,
}

/// A load, and what it cost.
#[derive(Clone, Copy, Debug)]
struct Measured {
    load: Load,
    cpu_us: f64,
}

/// One round of a logger.
#[derive(Clone, Copy, Debug)]
struct Round {
    direct: Measured,
    proxied: Measured,
    paced: Paced,
    /// With the plugin.
    ledger: Option<Ledger>,
    /// With Envoy's gRPC logger: entries that it took, and that it dropped.
    grpc_entries: [u64; 2],
}

/// What an Envoy with one worker holds, and what it holds with two.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Requests before `after_mib`, for each worker.
    requests: u64,
    /// Of one worker, before the first request.
    before_mib: f64,
    /// With one worker, and with two.
    after_mib: [f64; 2],
}

/// Everything that was measured in one run.
#[derive(Debug)]
struct Figures {
    extent: Extent,
    /// By logger, in their order; none for what could not be measured.
    rounds: Vec<Vec<Round>>,
    /// Of Envoy for each chunk: without a logger, with the module that does nothing, with the plugin.
    chunk_us: [Vec<f64>; 3],
    /// Of the same.
    memory: [Memory; 3],
    wasm_bytes: u64,
}

/// What is looked at more closely.
const CLOSER: [Logger; 3] = [Logger::None, Logger::Nothing, Logger::Plugin];

/// A place to measure in.
struct Bench {
    upstream: Upstream,
    /// Has gatelog.
    built: PathBuf,
    dir: tempfile::TempDir,
    extent: Extent,
}

pub(super) fn run(workspace: &Workspace, rounds: usize, quick: bool) -> anyhow::Result<()> {
    let built = if quick {
        workspace.target_dir.join("release")
    } else {
        super::build(workspace)?
    };
    let wasm_bytes = envoy::plugin_file()?.metadata()?.len();
    let bench = Bench {
        upstream: Upstream::start()?,
        built,
        dir: tempfile::tempdir_in(&workspace.target_dir)?,
        extent: Extent {
            rounds,
            seconds: if quick { 1 } else { 5 },
            requests: if quick { 50_000 } else { 1_000_000 },
        },
    };
    let figures = Figures {
        extent: bench.extent,
        rounds: bench.turns()?,
        chunk_us: bench.chunks()?,
        memory: bench.memory()?,
        wasm_bytes,
    };
    let page = page::page(&figures)?;
    println!("\n{page}");
    if !quick {
        let path = workspace.root.join("docs/bench/plugin.md");
        fs::write(&path, page)?;
        println!("written to {}", path.display());
    }
    Ok(())
}

impl Bench {
    fn stage(&self, logger: Logger, workers: u32) -> anyhow::Result<Stage> {
        let upstream = self.upstream.port;
        Stage::start(logger, workers, upstream, &self.built, self.dir.path())
    }

    /// All loggers in turn, round by round.
    fn turns(&self) -> anyhow::Result<Vec<Vec<Round>>> {
        let mut results: Vec<Vec<Round>> = vec![Vec::new(); LOGGERS.len()];
        for round in 1..=self.extent.rounds {
            for ((logger, name), rounds) in LOGGERS.iter().zip(&mut results) {
                if *logger == Logger::Gatelog && !self.built.join("gatelog").is_file() {
                    println!("round {round}  {name:32} not built");
                    continue;
                }
                let found = self
                    .round(*logger)
                    .with_context(|| format!("{name}, round {round}"))?;
                println!(
                    "round {round}  {name:32} direct {:6.0}/s {:5.1} us  proxied {:6.0}/s {:5.1} us  paced p99 \
                     {:.2} ms{}",
                    found.direct.load.per_second,
                    found.direct.cpu_us,
                    found.proxied.load.per_second,
                    found.proxied.cpu_us,
                    found.paced.p99_ms,
                    found
                        .ledger
                        .map_or_else(String::new, |ledger| format!("  {ledger:?}")),
                );
                rounds.push(found);
            }
        }
        Ok(results)
    }

    fn round(&self, logger: Logger) -> anyhow::Result<Round> {
        let stage = self.stage(logger, 1)?;
        wrk::get(&stage.envoy.url("/web/"), 1, None)?;
        let seconds = self.extent.seconds;
        let request = "GET /web/ HTTP/1.1\r\nhost: bench\r\nuser-agent: bench/1\r\n\r\n";
        Ok(Round {
            direct: measure(&stage, "/direct", seconds)?,
            proxied: measure(&stage, "/web/", seconds)?,
            paced: paced::send(
                stage.port(),
                &[request.to_owned()],
                PACED_PER_SECOND,
                seconds,
            )?,
            ledger: stage.ledger()?,
            grpc_entries: stage.grpc_entries()?,
        })
    }

    /// What a chunk of a stream costs.
    fn chunks(&self) -> anyhow::Result<[Vec<f64>; 3]> {
        let script = script(self.dir.path())?;
        let mut found = [const { Vec::new() }; 3];
        for round in 1..=self.extent.rounds {
            for (logger, all) in CLOSER.iter().zip(&mut found) {
                let stage = self.stage(*logger, 1)?;
                wrk::get(&stage.envoy.url("/web/"), 1, None)?;
                let before = (self.upstream.chunks(), cpu_seconds(stage.envoy.pid())?);
                let url = stage.envoy.url("/v1/chat/completions");
                wrk::get(&url, self.extent.seconds, Some(&script))?;
                let cpu = cpu_seconds(stage.envoy.pid())? - before.1;
                let chunks = self.upstream.chunks() - before.0;
                ensure!(chunks > 0, "no chunks");
                let cpu_us = cpu * 1e6 / real(chunks);
                println!("round {round}  {logger:?}: {chunks} chunks, {cpu_us:.2} us each");
                all.push(cpu_us);
            }
        }
        Ok(found)
    }

    fn memory(&self) -> anyhow::Result<[Memory; 3]> {
        let [none, nothing, plugin] = CLOSER.map(|logger| -> anyhow::Result<Memory> {
            let (before_mib, one) = self.held(logger, 1)?;
            let (_, two) = self.held(logger, 2)?;
            let memory = Memory {
                requests: self.extent.requests,
                before_mib,
                after_mib: [one, two],
            };
            println!("{logger:?}: {memory:.1?}");
            Ok(memory)
        });
        Ok([none?, nothing?, plugin?])
    }

    /// What an Envoy with so many workers holds before the first request, and after the last.
    fn held(&self, logger: Logger, workers: u32) -> anyhow::Result<(f64, f64)> {
        let stage = self.stage(logger, workers)?;
        let before = rss_mib(stage.envoy.pid())?;
        while stage.requests()? < self.extent.requests * u64::from(workers) {
            wrk::get(&stage.envoy.url("/direct"), self.extent.seconds, None)?;
        }
        Ok((before, rss_mib(stage.envoy.pid())?))
    }
}

fn measure(stage: &Stage, path: &str, seconds: u64) -> anyhow::Result<Measured> {
    let pid = stage.envoy.pid();
    let begun = stage.requests()?;
    let before = cpu_seconds(pid)?;
    let load = wrk::get(&stage.envoy.url(path), seconds, None)?;
    let cpu = cpu_seconds(pid)? - before;
    Ok(Measured {
        load,
        cpu_us: cpu * 1e6 / real(stage.requests()? - begun),
    })
}

/// What asks for streams.
fn script(dir: &Path) -> anyhow::Result<PathBuf> {
    let path = dir.join("stream.lua");
    fs::write(
        &path,
        "wrk.method = 'POST'\nwrk.headers['content-type'] = 'application/json'\n\
         wrk.body = '{\"model\":\"qwen-plus\",\"stream\":true,\"messages\":[]}'\n",
    )?;
    Ok(path)
}

#[expect(clippy::cast_precision_loss, reason = "a count")]
fn real(count: u64) -> f64 {
    count as f64
}
