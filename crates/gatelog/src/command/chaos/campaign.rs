//! The campaign: start, load, kill, and start again, until time or kills are up; then the check.
//!
//! **Shape.** A life of the child is one turn of [`Campaign::life`]. Most end by SIGKILL some time
//! after records were acknowledged, some by SIGKILL before the child listens, some by SIGTERM, and
//! some by SIGKILL while it ends on SIGTERM.

use std::net::SocketAddr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use indicatif::ProgressBar;
use rustix::process::Signal;
use tokio::sync::watch;

use super::books::Books;
use super::child::{Child, Launch};
use super::load::{LANES, Load, url};
use super::random::Random;
use super::read_back::ReadBack;
use crate::command::client::Client;

/// How long a child may take to listen, and to end on SIGTERM.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a child that listens may take until it has acknowledged something.
const FIRST_ANSWER: Duration = Duration::from_mins(1);

/// How long a life lasts at most behind its first acknowledgement.
const LIFE_MILLIS: u64 = 800;

/// How long requests still come behind a SIGTERM, which are answered or refused.
const LAST_REQUESTS: Duration = Duration::from_millis(50);

/// When the faults stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    pub(super) time: Option<Duration>,
    pub(super) kills: Option<u64>,
}

/// A run under way.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) launch: Launch,
    pub(super) books: Books,
    pub(super) random: Random,
    pub(super) progress: ProgressBar,
    /// Records a second.
    pub(super) rate: u64,
}

/// What the check behind the faults found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Checked {
    pub(super) rows: u64,
    /// How long reading them took.
    pub(super) reading: Duration,
    /// How long the load and the faults went on.
    pub(super) loaded: Duration,
}

/// How a life of the child is to end.
#[derive(Clone, Copy, Debug)]
enum Death {
    Kill,
    KillInRecovery,
    Terminate,
    KillWhileTerminating,
}

impl Campaign {
    /// Runs it all. `interrupted` ends the faults early; the check is still made.
    ///
    /// # Errors
    /// What kept it from being checked, which is a failure of the collector, too.
    pub(super) async fn run(
        mut self,
        until: Until,
        interrupted: impl Future<Output = ()>,
    ) -> Result<Checked, String> {
        let begun = Instant::now();
        let address = watch::Sender::new(None);
        let load = Load::start(
            &LANES,
            self.rate,
            &self.random.fork(1),
            &address.subscribe(),
            &self.books,
        );
        tokio::select! {
            ended = self.torment(until, begun, &address) => ended?,
            () = interrupted => {}
        }
        self.progress.set_message("waiting for the last answers");
        address.send_replace(None);
        let (mut child, at) = self.start().await?;
        address.send_replace(Some(at));
        load.finish().await?;
        let loaded = begun.elapsed();
        self.progress.set_message("reading everything back");
        let (rows, reading) = ReadBack::new(at, &self.books).read().await?;
        child.signal(Signal::TERM);
        clean(child.wait(PATIENCE).await)?;
        Ok(Checked {
            rows,
            reading,
            loaded,
        })
    }

    async fn torment(
        &mut self,
        until: Until,
        begun: Instant,
        address: &watch::Sender<Option<SocketAddr>>,
    ) -> Result<(), String> {
        let over = |kills| {
            until.time.is_some_and(|time| begun.elapsed() >= time)
                || until.kills.is_some_and(|enough| kills >= enough)
        };
        while !over(self.books.open().kills) {
            let death = match self.random.below(100) {
                // The last kill of a run that has tried nothing else yet.
                _ if until.kills.is_some_and(|enough| self.is_untried(enough)) => Death::Kill,
                0..15 => Death::KillInRecovery,
                15..23 => Death::Terminate,
                23..31 => Death::KillWhileTerminating,
                _ => Death::Kill,
            };
            self.life(death, address).await?;
            self.show();
        }
        Ok(())
    }

    /// Whether one kill is left of these, and none has met a process that had acknowledged something.
    fn is_untried(&self, kills: u64) -> bool {
        let books = self.books.open();
        books.kills_under_load == 0 && books.kills + 1 >= kills
    }

    fn show(&self) {
        let books = self.books.open();
        self.progress.set_message(format!(
            "{} kills, {} records acknowledged",
            books.kills,
            books.oracle.acknowledged()
        ));
    }

    /// One life of the child, from start to end.
    async fn life(
        &mut self,
        death: Death,
        address: &watch::Sender<Option<SocketAddr>>,
    ) -> Result<(), String> {
        if matches!(death, Death::KillInRecovery) {
            return self.kill_in_recovery().await;
        }
        let (mut child, at) = self.start().await?;
        let before = self.books.open().acknowledged;
        address.send_replace(Some(at));
        self.first_answer(before).await?;
        let rest = Duration::from_millis(self.random.below(LIFE_MILLIS));
        tokio::time::sleep(rest).await;
        if matches!(death, Death::Terminate | Death::KillWhileTerminating) {
            self.books.open().terminations += 1;
            child.signal(Signal::TERM);
        }
        match death {
            Death::Terminate => {
                tokio::time::sleep(LAST_REQUESTS).await;
                address.send_replace(None);
                clean(child.wait(PATIENCE).await)?;
            }
            Death::KillWhileTerminating => {
                let rest = Duration::from_millis(self.random.below(200));
                tokio::time::sleep(rest).await;
                address.send_replace(None);
                self.kill_under_load(&mut child).await?;
            }
            Death::Kill | Death::KillInRecovery => {
                child.signal(Signal::KILL);
                address.send_replace(None);
                self.kill_under_load(&mut child).await?;
            }
        }
        Ok(())
    }

    async fn kill_in_recovery(&mut self) -> Result<(), String> {
        let mut child = self.launch()?;
        let longest = self.books.open().slowest_start.as_millis();
        let longest = u64::try_from(longest).unwrap_or(u64::MAX).max(1);
        let rest = Duration::from_millis(self.random.below(longest));
        let listened = child.address(rest).await.is_some();
        if child.ended().is_none() {
            self.books.open().kills_in_recovery += u64::from(!listened);
            self.kill(&mut child).await?;
            return Ok(());
        }
        Err("the child ended by itself".to_owned())
    }

    async fn kill_under_load(&self, child: &mut Child) -> Result<(), String> {
        let before = self.books.open().kills;
        self.kill(child).await?;
        let mut books = self.books.open();
        books.kills_under_load += books.kills - before;
        Ok(())
    }

    async fn kill(&self, child: &mut Child) -> Result<(), String> {
        child.signal(Signal::KILL);
        let status = child.wait(PATIENCE).await;
        // On SIGTERM it may have been quicker.
        let killed = status.is_some_and(|status| status.code().is_none());
        self.books.open().kills += u64::from(killed);
        match status {
            None => Err("the child did not end on SIGKILL".to_owned()),
            Some(status) if !killed && !status.success() => {
                Err(format!("the child ended, {status}"))
            }
            Some(_) => Ok(()),
        }
    }

    fn launch(&self) -> Result<Child, String> {
        let child = self.launch.start();
        let program = self.launch.program.display();
        child.map_err(|error| format!("cannot start {program}: {error}"))
    }

    /// A child that has answered `/health`, and where.
    async fn start(&self) -> Result<(Child, SocketAddr), String> {
        let mut child = self.launch()?;
        let Some(address) = child.address(PATIENCE).await else {
            let status = child.wait(Duration::from_secs(1)).await;
            return Err(match status {
                Some(status) => format!("the child did not start, {status}"),
                None => format!("the child did not listen for {} s", PATIENCE.as_secs()),
            });
        };
        let health = url(address, "/health").ok_or("no address")?;
        let answer = Client::new().get(health).await?;
        if answer.status != StatusCode::OK {
            return Err(format!("GET /health: {}", answer.status));
        }
        let mut books = self.books.open();
        books.starts += 1;
        books.slowest_start = books.slowest_start.max(child.started.elapsed());
        Ok((child, address))
    }

    /// Waits until the child has acknowledged something.
    async fn first_answer(&self, before: u64) -> Result<(), String> {
        let begun = Instant::now();
        while self.books.open().acknowledged == before {
            if begun.elapsed() > FIRST_ANSWER {
                return Err(format!(
                    "the child listened and acknowledged nothing for {} s",
                    FIRST_ANSWER.as_secs()
                ));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// SIGTERM is to end in 0.
fn clean(status: Option<ExitStatus>) -> Result<(), String> {
    match status {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(format!("on SIGTERM the child ended, {status}")),
        None => Err(format!(
            "on SIGTERM the child did not end for {} s",
            PATIENCE.as_secs()
        )),
    }
}
