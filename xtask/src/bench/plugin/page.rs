//! The page of figures: `docs/bench/plugin.md`.

use std::fmt::Write as _;
use std::process::Command;

use super::super::median;
use super::super::report::machine;
use super::gateway::{LOGGERS, Logger};
use super::{Figures, Memory, PACED_PER_SECOND, Round};
use crate::program;

/// What the plugin is to stay within.
const CPU_US: f64 = 12.0;
const KEPT_PERCENT: f64 = 75.0;
const P99_MS: f64 = 0.1;
const MEMORY_MIB: f64 = 16.0;
const WASM_KB: f64 = 800.0;
const CHUNK_US: f64 = 3.0;

/// The medians of a logger's rounds.
struct Middle {
    logger: Logger,
    name: &'static str,
    direct_us: f64,
    proxied_us: f64,
    direct_per_second: f64,
    proxied_per_second: f64,
    direct_p99_ms: f64,
    proxied_p99_ms: f64,
    paced_p50_ms: f64,
    paced_p99_ms: f64,
}

impl Middle {
    fn of(logger: Logger, name: &'static str, rounds: &[Round]) -> Self {
        let of = |pick: fn(&Round) -> f64| median(rounds.iter().map(pick).collect());
        Self {
            logger,
            name,
            direct_us: of(|round| round.direct.cpu_us),
            proxied_us: of(|round| round.proxied.cpu_us),
            direct_per_second: of(|round| round.direct.load.per_second),
            proxied_per_second: of(|round| round.proxied.load.per_second),
            direct_p99_ms: of(|round| round.direct.load.p99_ms),
            proxied_p99_ms: of(|round| round.proxied.load.p99_ms),
            paced_p50_ms: of(|round| round.paced.p50_ms),
            paced_p99_ms: of(|round| round.paced.p99_ms),
        }
    }
}

/// The page.
pub(super) fn page(figures: &Figures) -> anyhow::Result<String> {
    let middles: Vec<Middle> = LOGGERS
        .iter()
        .zip(&figures.rounds)
        .filter(|(_, rounds)| !rounds.is_empty())
        .map(|((logger, name), rounds)| Middle::of(*logger, name, rounds))
        .collect();
    let date = program::output(Command::new("date").arg("-I"))?;
    let mut text = format!(
        "# The plugin\n\n\
         Made by `cargo xtask bench plugin`. Envoy 1.40 with one worker; wrk on 16 connections, {} s a load, to a \
         direct\nresponse and to a local upstream; load, upstream and receiver on the same cores. Processor time \
         is that of\nthe whole Envoy process. *The plugin* sends to a server that says yes, *to gatelog* to the \
         release build with\nthe lake. Medians of {} rounds, in which the loggers took turns.\n\n\
         - date: {}\n- machine: {}\n\n",
        figures.extent.seconds,
        figures.extent.rounds,
        date.trim(),
        machine()?,
    );
    limits(&mut text, figures, &middles)?;
    ratios(&mut text, &middles)?;
    numbers(&mut text, &middles)?;
    ledger(&mut text, figures)?;
    memory(&mut text, figures)?;
    rounds(&mut text, figures)?;
    Ok(text)
}

/// The plugin against its limits.
fn limits(text: &mut String, figures: &Figures, middles: &[Middle]) -> anyhow::Result<()> {
    let of = |logger| middles.iter().find(|middle| middle.logger == logger);
    let (Some(none), Some(plugin)) = (of(Logger::None), of(Logger::Plugin)) else {
        return Ok(());
    };
    let [chunk_none, _, chunk_plugin] = figures.chunk_us.clone().map(median);
    let [memory_none, _, memory_plugin] = figures.memory;
    let [one, two] = memory_plugin.after_mib;
    let [one_without, two_without] = memory_none.after_mib;
    let worker_mib = (two - one) - (two_without - one_without);
    let dropped: u64 = all_ledgers(figures).map(|(_, ledger)| ledger.dropped).sum();
    #[expect(clippy::cast_precision_loss, reason = "a size")]
    let wasm_kb = figures.wasm_bytes as f64 / 1000.0;
    let kept = 100.0 * plugin.proxied_per_second / none.proxied_per_second;
    text.push_str("## Against the limits\n\n| | limit | found |\n|---|---|---|\n");
    let mut row =
        |what: &str, limit: String, found: String| writeln!(text, "| {what} | {limit} | {found} |");
    let at_most = |limit: f64, unit: &str| format!("at most {limit} {unit}");
    row(
        "CPU added to a request, direct",
        at_most(CPU_US, "us"),
        format!("{:.1} us", plugin.direct_us - none.direct_us),
    )?;
    row(
        "CPU added to a request, proxied",
        at_most(CPU_US, "us"),
        format!("{:.1} us", plugin.proxied_us - none.proxied_us),
    )?;
    row(
        "requests per second kept, proxied",
        format!("at least {KEPT_PERCENT} %"),
        format!("{kept:.0} %"),
    )?;
    row(
        &format!("p99 added, proxied, {PACED_PER_SECOND} requests/s"),
        at_most(P99_MS, "ms"),
        format!("{:.2} ms", plugin.paced_p99_ms - none.paced_p99_ms),
    )?;
    row(
        "p99 added, proxied, 16 connections as fast as they are answered",
        at_most(P99_MS, "ms"),
        format!("{:.2} ms", plugin.proxied_p99_ms - none.proxied_p99_ms),
    )?;
    row(
        &format!(
            "memory of a worker after {} requests",
            memory_plugin.requests
        ),
        at_most(MEMORY_MIB, "MiB"),
        format!("{worker_mib:.1} MiB"),
    )?;
    row(
        "size of the module",
        at_most(WASM_KB, "KB"),
        format!("{wasm_kb:.0} KB"),
    )?;
    row("records dropped", "0".to_owned(), dropped.to_string())?;
    row(
        "CPU added to a chunk of SSE",
        at_most(CHUNK_US, "us"),
        format!("{:.1} us", chunk_plugin - chunk_none),
    )?;
    Ok(())
}

/// Everything as a share of what an Envoy without a logger does.
fn ratios(text: &mut String, middles: &[Middle]) -> anyhow::Result<()> {
    let Some(none) = middles.first() else {
        return Ok(());
    };
    text.push_str(
        "\n## Beside an Envoy without a logger\n\n\
         | | requests/s, proxied | direct | CPU a request, proxied | direct |\n|---|---|---|---|---|\n",
    );
    for middle in middles {
        writeln!(
            text,
            "| {} | {:.0} % | {:.0} % | {:+.1} us | {:+.1} us |",
            middle.name,
            100.0 * middle.proxied_per_second / none.proxied_per_second,
            100.0 * middle.direct_per_second / none.direct_per_second,
            middle.proxied_us - none.proxied_us,
            middle.direct_us - none.direct_us,
        )?;
    }
    Ok(())
}

fn numbers(text: &mut String, middles: &[Middle]) -> anyhow::Result<()> {
    writeln!(
        text,
        "\n## The numbers\n\n\
         *Paced*: proxied, {PACED_PER_SECOND} requests/s on 64 connections, from the moment a request was due.\n\n\
         | | requests/s, proxied | direct | CPU us, proxied | direct | p99 ms, proxied | direct | paced p50 ms | \
         p99 ms |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for middle in middles {
        writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} |",
            middle.name,
            middle.proxied_per_second,
            middle.direct_per_second,
            middle.proxied_us,
            middle.direct_us,
            middle.proxied_p99_ms,
            middle.direct_p99_ms,
            middle.paced_p50_ms,
            middle.paced_p99_ms,
        )?;
    }
    Ok(())
}

fn all_ledgers(figures: &Figures) -> impl Iterator<Item = (&'static str, super::Ledger)> + '_ {
    LOGGERS
        .iter()
        .zip(&figures.rounds)
        .flat_map(|((_, name), rounds)| rounds.iter().map(move |round| (*name, round.ledger)))
        .filter_map(|(name, ledger)| Some((name, ledger?)))
}

fn ledger(text: &mut String, figures: &Figures) -> anyhow::Result<()> {
    text.push_str(
        "\n## The ledger\n\n\
         Of each round, from Envoy's start on: requests by Envoy's count, records by the plugin's, and what the \
         receiver has.\n\n| | requests | records | dropped | received | |\n|---|---|---|---|---|---|\n",
    );
    for (name, ledger) in all_ledgers(figures) {
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} |",
            ledger.requests,
            ledger.captured,
            ledger.dropped,
            ledger.accepted,
            if ledger.is_whole() {
                "equal"
            } else {
                "**not equal**"
            }
        )?;
    }
    let grpc = LOGGERS.iter().zip(&figures.rounds);
    let grpc = grpc.filter(|((logger, _), _)| *logger == Logger::Grpc);
    let entries: Vec<String> = grpc
        .flat_map(|(_, rounds)| rounds)
        .map(|round| format!("{} and {}", round.grpc_entries[0], round.grpc_entries[1]))
        .collect();
    writeln!(
        text,
        "\nEnvoy's gRPC logger, which says nothing of what arrives, took and dropped in its rounds: {}.",
        entries.join(", ")
    )?;
    Ok(())
}

fn memory(text: &mut String, figures: &Figures) -> anyhow::Result<()> {
    let [Memory { requests, .. }, ..] = figures.memory;
    writeln!(
        text,
        "\n## Memory, and chunks of SSE\n\n\
         Resident memory of Envoy in MiB: of one worker before the first request; of one and of two workers after \
         {requests}\ndirect responses each. What the second adds is what a worker holds: the first has with it what \
         there is once in a\nprocess. Chunks: 16 streams, one of 200 bytes a millisecond in each.\n\n\
         | | before | one worker | two workers | a worker, over no logger's | CPU us a chunk |\n\
         |---|---|---|---|---|---|"
    )?;
    let names = ["no logger", "a wasm module that does nothing", "the plugin"];
    let added = |memory: &Memory| memory.after_mib[1] - memory.after_mib[0];
    let [none, ..] = &figures.memory;
    for ((name, memory), chunks) in names.iter().zip(&figures.memory).zip(&figures.chunk_us) {
        let [one, two] = memory.after_mib;
        writeln!(
            text,
            "| {name} | {:.1} | {one:.1} | {two:.1} | {:.1} | {:.2} |",
            memory.before_mib,
            added(memory) - added(none),
            median(chunks.clone())
        )?;
    }
    Ok(())
}

fn rounds(text: &mut String, figures: &Figures) -> anyhow::Result<()> {
    text.push_str("\nRounds, proxied, in the order in which they took turns:\n\n");
    for ((_, name), rounds) in LOGGERS.iter().zip(&figures.rounds) {
        let all: Vec<String> = rounds
            .iter()
            .map(|round| {
                format!(
                    "{:.0}/s {:.1} us",
                    round.proxied.load.per_second, round.proxied.cpu_us
                )
            })
            .collect();
        writeln!(text, "- {name}: {}", all.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::paced::Paced;
    use super::super::super::wrk::Load;
    use super::super::{Extent, Ledger, Measured};
    use super::*;

    fn round(cpu_us: f64, per_second: f64, ledger: Option<Ledger>) -> Round {
        let load = Load {
            requests: 100,
            per_second,
            p50_ms: 0.2,
            p99_ms: 0.5,
        };
        let paced = Paced {
            per_second,
            p50_ms: 0.2,
            p99_ms: cpu_us / 100.0,
        };
        Round {
            direct: Measured { load, cpu_us },
            proxied: Measured { load, cpu_us },
            paced,
            ledger,
            grpc_entries: [7, 0],
        }
    }

    #[test]
    fn the_plugin_stands_beside_its_limits() {
        let lost = Ledger {
            requests: 100,
            captured: 100,
            dropped: 1,
            accepted: 99,
        };
        let held = |one, two| Memory {
            requests: 10,
            before_mib: 60.0,
            after_mib: [one, two],
        };
        let figures = Figures {
            extent: Extent {
                rounds: 1,
                seconds: 1,
                requests: 10,
            },
            rounds: vec![
                vec![round(20.0, 40_000.0, None)],
                Vec::new(),
                vec![round(25.0, 39_000.0, None)],
                Vec::new(),
                vec![round(30.0, 32_000.0, Some(lost))],
                Vec::new(),
            ],
            chunk_us: [vec![10.0], vec![11.0], vec![12.5]],
            memory: [held(60.0, 62.0), held(70.0, 73.0), held(90.0, 99.0)],
            wasm_bytes: 350_000,
        };
        let page = page(&figures).unwrap();
        for row in [
            "| CPU added to a request, direct | at most 12 us | 10.0 us |",
            "| requests per second kept, proxied | at least 75 % | 80 % |",
            "| p99 added, proxied, 5000 requests/s | at most 0.1 ms | 0.10 ms |",
            "| memory of a worker after 10 requests | at most 16 MiB | 7.0 MiB |",
            "| size of the module | at most 800 KB | 350 KB |",
            "| records dropped | 0 | 1 |",
            "| CPU added to a chunk of SSE | at most 3 us | 2.5 us |",
            "| the plugin | 100 | 100 | 1 | 99 | **not equal** |",
            "dropped in its rounds: 7 and 0.",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
    }
}
