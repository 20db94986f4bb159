//! `cargo xtask bench NAME`: measurements, side by side with their limits in the same run.
//!
//! **Shape.** A release build; the candidates take turns, round by round, so that a machine whose
//! speed drifts treats all alike; what is quoted is the median of the rounds and the ratios. The
//! raw numbers go to `docs/bench/`.

mod candidate;
mod disk;
mod format;
mod ingest;
mod mysql;
mod outputs;
mod paced;
mod plugin;
mod process;
mod quota;
mod report;
mod restart;
mod wrk;

use std::path::PathBuf;

use crate::program;
use crate::workspace::Workspace;

/// A measurement.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Bench {
    /// Records over HTTP, acknowledged after the sync, beside servers that keep nothing and beside the
    /// disk; the latency at half load, and a restart with a backlog.
    Ingest,
    /// Lines of Envoy's formats: what rendering and reading them costs, beside `serde_json`.
    Format,
    /// Records over HTTP into MariaDB, beside its own client's LOAD DATA of the same records.
    Mysql,
    /// The plugin in Envoy, beside Envoy without a logger and with its own; needs a release build of
    /// gatelog to be sent to.
    Plugin,
    /// Records out of a full journal through `http-log`, `loggly` and `file-log`, beside loops that only
    /// send; and what outputs cost that no record is for.
    Outputs,
}

/// Runs a measurement and prints its table.
///
/// # Errors
/// When a program cannot be built or started, or answers wrongly: a wrong number is none.
pub(crate) fn run(
    workspace: &Workspace,
    bench: Bench,
    rounds: usize,
    quick: bool,
    records: Option<u64>,
) -> anyhow::Result<()> {
    match bench {
        Bench::Ingest => ingest::run(workspace, rounds),
        Bench::Format => format::run(workspace, rounds),
        Bench::Mysql => mysql::run(workspace, rounds),
        Bench::Plugin => plugin::run(workspace, rounds, quick),
        Bench::Outputs => outputs::run(workspace, rounds, quick, records),
    }
}

/// Builds what is measured, as it is shipped; where the binaries are.
fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    // The whole workspace's features, or every dependency is built once more.
    let targets = ["--bin", "gatelog", "--example", "http_floor"];
    let release = ["--release", "--workspace"];
    program::run(workspace.cargo("build").args(release).args(targets))?;
    Ok(workspace.target_dir.join("release"))
}

/// The middle of some numbers; 0 for none.
fn median(mut numbers: Vec<f64>) -> f64 {
    quantile(&mut numbers, 0.5)
}

/// The number below which this share of them lies; 0 for none. Sorts them.
fn quantile(numbers: &mut [f64], share: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let index = (numbers.len() as f64 * share) as usize;
    numbers.get(index).copied().unwrap_or_default()
}
