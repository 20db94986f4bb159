//! `cargo xtask demo [--once]`: gatelog, a real Envoy with the plugin, sample upstreams, traffic.
//!
//! **Shape.** [`run`] installs and builds, then becomes the process that plays: the testkit finds
//! Envoy and the plugin in the environment, which a process can only be given at its start.
//! [`play`] starts the [`Stage`], sends [`Traffic`] and either shows counts until Ctrl-C or, with
//! `--once`, sets up the [`Ledger`].

mod collector;
mod ledger;
mod signal;
mod stage;
mod traffic;

use std::convert::Infallible;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use gatelog_testkit::wait;
use ledger::Ledger;
use stage::Stage;
use traffic::Traffic;

use crate::workspace::Workspace;
use crate::{plugin, program, tools};

/// Requests of `--once`.
const ONCE_REQUESTS: u64 = 500;

/// How long the last records of `--once` may take to the store.
const STORED_WITHIN: Duration = Duration::from_mins(1);

/// Between two requests of a sender of the demo that goes on.
const PAUSE: Duration = Duration::from_millis(100);

/// Installs and builds what the demo needs, and plays it.
///
/// # Errors
/// When that fails. Otherwise the process is another one from here on.
pub(crate) fn run(workspace: &Workspace, once: bool) -> anyhow::Result<Infallible> {
    let envoy = tools::envoy(&workspace.target_dir)?;
    let plugin = plugin::build()?;
    // Of the whole workspace, as the tests are: for one package cargo would choose other features
    // of the libraries, and build them a second time.
    program::run(
        workspace
            .cargo("build")
            .args(["--workspace", "--bin", "gatelog"]),
    )?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("demo-play")
        .arg(workspace.target_dir.join("debug/gatelog"))
        .env("GATELOG_ENVOY", envoy)
        .env("GATELOG_PLUGIN", plugin);
    if once {
        command.arg("--once");
    }
    Err(command.exec()).context("cannot start the demo")
}

/// Plays the demo with this gatelog.
///
/// # Errors
/// When a program does not start, or with `once` when the ledger does not come out even.
pub(crate) fn play(gatelog: &Path, once: bool) -> anyhow::Result<()> {
    let stage = Stage::start(gatelog)?;
    println!("{stage}\n");
    let (limit, pause) = if once {
        (ONCE_REQUESTS, Duration::ZERO)
    } else {
        (u64::MAX, PAUSE)
    };
    let traffic = Arc::new(Traffic::new(stage.envoy.url(""), limit, pause));
    signal::stop_on_signal(&traffic)?;
    if once {
        settle(&stage, &traffic)
    } else {
        show(&stage, &traffic)
    }
}

/// Sends everything, waits until it is in the store, and prints the ledger.
fn settle(stage: &Stage, traffic: &Traffic) -> anyhow::Result<()> {
    let mut ledger = Ledger::default();
    for (number, status) in traffic.run()? {
        ledger.answered(number, status);
    }
    ensure!(!traffic.is_stopped(), "interrupted");
    let waited = wait::until("every request to be in the store", STORED_WITHIN, || {
        let total = collector::total(&stage.gatelog)?;
        ensure!(total >= ONCE_REQUESTS, "{total} of {ONCE_REQUESTS} are");
        anyhow::Ok(())
    });
    ledger.acknowledged(collector::acknowledged(&stage.gatelog)?);
    for row in collector::rows(&stage.gatelog)? {
        ledger.stored(traffic::number_of(&row.path), row.status);
    }
    println!("{ledger}");
    let faults = ledger.faults();
    if !faults.is_empty() {
        waited?;
        bail!("the ledger does not come out even: {}", faults.join("; "));
    }
    println!("every request is in the store exactly once");
    Ok(())
}

/// Prints counts every second until the traffic is stopped.
fn show(stage: &Stage, traffic: &Traffic) -> anyhow::Result<()> {
    println!("traffic until Ctrl-C");
    let mut out = std::io::stdout();
    // On a terminal the line is written over.
    let end = if out.is_terminal() { '\r' } else { '\n' };
    thread::scope(|scope| {
        let sending = scope.spawn(|| traffic.run());
        while !sending.is_finished() {
            thread::sleep(Duration::from_secs(1));
            let counts = collector::acknowledged(&stage.gatelog)
                .and_then(|acknowledged| Ok((acknowledged, collector::total(&stage.gatelog)?)));
            // Ctrl-C has reached gatelog too, which then need not answer.
            let Ok((acknowledged, stored)) = counts else {
                continue;
            };
            let sent = traffic.begun();
            write!(
                out,
                "sent {sent:>7}   acknowledged {acknowledged:>7}   in the store {stored:>7}{end}"
            )?;
            out.flush()?;
        }
        let answers = sending
            .join()
            .map_err(|_| anyhow::anyhow!("the traffic panicked"))??;
        println!("\n{} requests were answered", answers.len());
        Ok(())
    })
}
