//! A restart with a backlog: how long until `GET /health` answers.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use gatelog_testkit::wait;

use super::candidate::journal_only;
use super::wrk;

/// What a restart took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    pub(super) backlog_gib: f64,
    pub(super) health_seconds: f64,
}

/// Journals until the cap of 10 GiB is near, kills the process, and starts it again.
pub(super) fn measure(built: &Path, data: &Path, script: &Path) -> anyhow::Result<Restart> {
    /// Tenths of a GiB.
    const BACKLOG: u64 = 95;
    let gatelog = journal_only(built, data)?;
    let used = |gatelog: &gatelog_testkit::gatelog::Gatelog| -> anyhow::Result<u64> {
        let (_, ready) = gatelog.get("/ready")?;
        let ready: serde_json::Value = serde_json::from_str(&ready)?;
        let used = ready.pointer("/journal/used_bytes");
        used.and_then(serde_json::Value::as_u64)
            .context("no journal.used_bytes in /ready")
    };
    while used(&gatelog)? < BACKLOG * (1 << 30) / 10 {
        wrk::fill(gatelog.port()?, script)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a size")]
    let backlog_gib = used(&gatelog)? as f64 / f64::from(1 << 30);
    gatelog.kill()?;
    let begun = Instant::now();
    let gatelog = journal_only(built, data)?;
    wait::until("health", Duration::from_mins(1), || {
        match gatelog.get("/health") {
            Ok((200, _)) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })?;
    Ok(Restart {
        backlog_gib,
        health_seconds: begun.elapsed().as_secs_f64(),
    })
}
