//! The child: a `gatelog serve` on the chaos run's directory.
//!
//! **Shape.** Its log goes to a file; the line that tells the address is picked out of it. It is in a
//! process group of its own, so that Ctrl-C reaches the parent alone, and is killed with its handle.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::sync::oneshot;

/// How often it is looked whether the process has ended.
const POLL: Duration = Duration::from_millis(5);

/// How a child is started.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) data_dir: PathBuf,
    pub(super) log: PathBuf,
}

/// A started child; killed when dropped.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    address: oneshot::Receiver<SocketAddr>,
    pub(super) started: Instant,
}

impl Launch {
    /// Starts it on a port that the system chooses. The environment is empty: a run is not to find
    /// the user's databases.
    pub(super) fn start(&self) -> io::Result<Child> {
        let started = Instant::now();
        let mut process = Command::new(&self.program)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "off"])
            .arg("--data-dir")
            .arg(&self.data_dir)
            .env_clear()
            .env("GATELOG_LOG__FORMAT", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (told, address) = oneshot::channel();
        if let Some(stderr) = process.stderr.take() {
            let log = self.log.clone();
            std::thread::spawn(move || keep_log(stderr, &log, told));
        }
        Ok(Child {
            process,
            address,
            started,
        })
    }
}

/// Copies the log to its file, and tells the address when it comes by.
fn keep_log(stderr: impl io::Read, path: &Path, told: oneshot::Sender<SocketAddr>) {
    #[derive(Deserialize)]
    struct Event {
        message: String,
        address: Option<SocketAddr>,
    }
    let mut told = Some(told);
    let mut file = OpenOptions::new().create(true).append(true).open(path).ok();
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if let Some(file) = &mut file {
            // Without its log the run is still a run.
            let _written = writeln!(file, "{line}").is_ok();
        }
        let event = serde_json::from_str::<Event>(&line).ok();
        let listening = event.filter(|event| event.message == "gatelog is listening");
        if let Some(address) = listening.and_then(|event| event.address)
            && let Some(told) = told.take()
        {
            let _waited_for = told.send(address).is_ok();
        }
    }
}

impl Child {
    /// Where it listens, once it does; `None` when it ended before, or took longer than `patience`.
    pub(super) async fn address(&mut self, patience: Duration) -> Option<SocketAddr> {
        tokio::time::timeout(patience, &mut self.address)
            .await
            .ok()?
            .ok()
    }

    /// Sends a signal.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw)
        {
            // It has ended already: then there is nothing to signal.
            let _sent = kill_process(pid, signal).is_ok();
        }
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Waits until it has ended; `None` when it takes longer than `patience`.
    pub(super) async fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let ended = async {
            loop {
                if let Some(status) = self.ended() {
                    return status;
                }
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(patience, ended).await.ok()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.process.kill().is_ok();
        let _waited = self.process.wait().is_ok();
    }
}
