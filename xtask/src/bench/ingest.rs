//! Ingestion: gatelog beside servers that keep nothing and beside the disk alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::candidate::{self, CANDIDATES, Candidate, Floor, Round};
use super::disk::{sync_times, sync_times_beside};
use super::paced;
use super::report::{self, BATCH, Figures, HalfLoad};
use super::{restart, wrk};
use crate::workspace::Workspace;

/// Half of the 60,000 single records a second that are asked for.
const PACED_PER_SECOND: f64 = 30_000.0;
const PACED_SECONDS: u64 = 10;

/// What gatelog writes in a round at that rate, and how long it gathers.
const PACED_ROUND_BYTES: usize = 16 << 10;
const PACED_PAUSE: Duration = Duration::from_micros(400);

pub(super) fn run(workspace: &Workspace, rounds: usize) -> anyhow::Result<()> {
    let built = super::build(workspace)?;
    let dir = tempfile::tempdir_in(&workspace.target_dir)?;
    let sync = [
        sync_times(dir.path(), 64 << 10, 400)?,
        sync_times(dir.path(), 1 << 20, 200)?,
    ];
    println!(
        "append + fdatasync of 64 KiB: {:.3} ms, p99 {:.3} ms",
        sync[0].p50_ms, sync[0].p99_ms
    );
    let figures = Figures {
        sync,
        single: turns(&built, dir.path(), 1, rounds)?,
        batches: turns(&built, dir.path(), BATCH, rounds)?,
        half_load: (0..rounds)
            .map(|_| at_half_load(&built, dir.path()))
            .collect::<anyhow::Result<_>>()?,
        restart: {
            let data = tempfile::tempdir_in(dir.path())?;
            let script = wrk::script(dir.path(), BATCH)?;
            restart::measure(&built, data.path(), &script)?
        },
    };
    let page = report::page(&figures)?;
    println!("\n{page}");
    let path = workspace.root.join("docs/bench/ingest.md");
    fs::write(&path, page)?;
    println!("written to {}", path.display());
    Ok(())
}

/// All candidates in turn, round by round.
fn turns(built: &Path, dir: &Path, records: u64, rounds: usize) -> anyhow::Result<Vec<Vec<Round>>> {
    let script = wrk::script(dir, records)?;
    let mut results: Vec<Vec<Round>> = vec![Vec::new(); CANDIDATES.len()];
    for round in 1..=rounds {
        for ((candidate, name), rounds) in CANDIDATES.iter().zip(&mut results) {
            if records > 1 && *candidate == Candidate::FloorParse {
                // It parses one value: several are none.
                continue;
            }
            let data = tempfile::tempdir_in(dir)?;
            let found = candidate::measure(*candidate, built, data.path(), &script, records)
                .with_context(|| format!("{name}, round {round}"))?;
            println!(
                "round {round}  {name:45} {:8.0} x {records}/s  p50 {:.2} ms  p99 {:.2} ms  {:.1} us CPU  {:.0} MiB{}",
                found.load.per_second,
                found.load.p50_ms,
                found.load.p99_ms,
                found.cpu_us,
                found.peak_rss_mib[0],
                found
                    .catch_up_seconds
                    .map_or(String::new(), |s| format!("  caught up after {s:.1} s")),
            );
            rounds.push(found);
        }
    }
    Ok(results)
}

/// The same load on gatelog, and on a server that keeps nothing beside a thread that appends and syncs
/// as often as gatelog does: the two that gatelog does at once, without each other.
fn at_half_load(built: &Path, dir: &Path) -> anyhow::Result<HalfLoad> {
    let load = |port| paced::load(port, PACED_PER_SECOND, PACED_SECONDS);
    let alone = sync_times(dir, 64 << 10, 1000)?;
    let data = tempfile::tempdir_in(dir)?;
    let gatelog = candidate::journal_only(built, data.path())?;
    let acknowledged = load(gatelog.port()?)?;
    drop(gatelog);
    let floor = Floor::start("ignore", built)?;
    let (beside, ignored) =
        sync_times_beside(dir, PACED_ROUND_BYTES, PACED_PAUSE, || load(floor.port))?;
    let half = HalfLoad {
        acknowledged,
        alone,
        ignored,
        beside,
    };
    println!("{half:.2?}");
    Ok(half)
}
