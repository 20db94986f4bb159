//! Every command of a developer: `cargo xtask check | test | fuzz | plugin | demo | bench`.
//!
//! **Shape.** One subcommand, one module. A command runs from anywhere in the workspace, prints
//! each program that it starts, and exits 0 or 1. Whatever it builds or installs goes to cargo's
//! target directory, wherever `CARGO_TARGET_DIR` puts that.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the terminal is what this program talks to"
)]

mod bench;
mod check;
mod demo;
mod fuzz;
mod plugin;
mod program;
mod test;
mod tools;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::workspace::Workspace;

/// Every command of a developer.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Formatting, lints and house rules.
    Check,
    /// Every test: unit, property, and integration against the real Envoy and MariaDB. Installs
    /// what is missing.
    Test {
        /// Only the crate `gatelog-CAPABILITY` and the tests with this word in their path, for
        /// example `journal`, `lake`, `mysql`, `plugin`, `ingest`, `query` or `faults`.
        capability: Option<String>,
        /// The long tests too, which take minutes; `cargo xtask test faults --long` has them all.
        #[arg(long)]
        long: bool,
    },
    /// Runs the fuzz targets, each from its seeds. Needs a nightly toolchain and cargo-fuzz.
    Fuzz {
        /// Only this one; all of them are the files of `fuzz/targets`.
        target: Option<String>,
        /// How long each runs.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Builds the proxy-wasm module, `target/gatelog-plugin.wasm`.
    Plugin,
    /// Starts gatelog, a real Envoy with the plugin and sample upstreams, and sends traffic until
    /// Ctrl-C.
    Demo {
        /// Sends a fixed number of requests, checks that each is in the store once, and ends.
        #[arg(long)]
        once: bool,
    },
    /// Measurements, side by side with their limits; the results go to `docs/bench/`.
    Bench {
        /// What to measure.
        bench: bench::Bench,
        /// How often the candidates take turns.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// `plugin` and `outputs` only: short, nothing is built and no page written: to see that it works.
        #[arg(long)]
        quick: bool,
        /// `outputs` only: records in the journal; a million takes 2.5 GB of disk.
        #[arg(long)]
        records: Option<u64>,
    },
    /// The demo itself, when everything is built and in the environment.
    #[command(hide = true)]
    DemoPlay {
        /// The program to show.
        gatelog: PathBuf,
        #[arg(long)]
        once: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    let workspace = Workspace::load()?;
    match command {
        Command::Check => check::run(&workspace),
        Command::Test { capability, long } => test::run(&workspace, capability.as_deref(), long),
        Command::Fuzz { target, seconds } => fuzz::run(&workspace, target.as_deref(), seconds),
        Command::Plugin => {
            println!("{}", plugin::build()?.display());
            Ok(())
        }
        Command::Demo { once } => demo::run(&workspace, once).map(|never| match never {}),
        Command::Bench {
            bench,
            rounds,
            quick,
            records,
        } => bench::run(&workspace, bench, rounds, quick, records),
        Command::DemoPlay { gatelog, once } => demo::play(&gatelog, once),
    }
}
