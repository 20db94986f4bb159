//! A session that stays open between its statements: for locks, and for transactions that others
//! have to wait for.
//!
//! **Shape.** The `mariadb` client, which reads statements from a pipe. Behind each group of them
//! comes one that answers [`MARK`], so that the end of their rows can be seen.
//!
//! **Failure.** The client ends at the first error, and says what it was.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::row;
use crate::log::Log;
use crate::wait;

/// What no row of a test is.
const MARK: &str = "-- these were all the rows --";

/// An open session; closed when dropped, which rolls its transaction back.
#[derive(Debug)]
pub struct Session {
    client: Child,
    statements: ChildStdin,
    rows: BufReader<ChildStdout>,
    errors: Log,
}

impl Session {
    pub(super) fn open(socket: &Path, user: &str, password: &str) -> anyhow::Result<Self> {
        let mut client = Command::new("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--unbuffered", "--default-character-set=utf8mb4"])
            .arg(format!("--user={user}"))
            .arg(format!("--password={password}"))
            .arg(format!("--socket={}", socket.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("no mariadb client here: run `cargo xtask test`, which installs it")?;
        let statements = client.stdin.take().context("no standard input")?;
        let rows = BufReader::new(client.stdout.take().context("no standard output")?);
        let errors = Log::of(client.stderr.take().context("no standard error")?);
        Ok(Self {
            client,
            statements,
            rows,
            errors,
        })
    }

    /// Sends statements and does not wait for them; [`wait`](Self::wait) has to follow.
    ///
    /// # Errors
    /// When the session has ended.
    pub fn send(&mut self, statements: &str) -> anyhow::Result<()> {
        writeln!(self.statements, "{statements};\nSELECT '{MARK}';")?;
        Ok(self.statements.flush()?)
    }

    /// Waits until what was sent is done, and answers its rows as
    /// [`MariaDb::sql`](super::MariaDb::sql) does.
    ///
    /// # Errors
    /// What the server says; the session has ended then.
    pub fn wait(&mut self) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        let mut rows = Vec::new();
        loop {
            let mut line = String::new();
            if self.rows.read_line(&mut line)? == 0 {
                let _status = self.client.wait()?;
                wait::until("the client's errors", Duration::from_secs(10), || {
                    self.errors.is_whole().then_some(()).ok_or("not all read")
                })?;
                bail!("the session has ended: {}", self.errors.lines().join("\n"));
            }
            let line = line.trim_end_matches('\n');
            if line == MARK {
                return Ok(rows);
            }
            rows.push(row(line));
        }
    }

    /// Runs statements.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn run(&mut self, statements: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        self.send(statements)?;
        self.wait()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended already. The server hears of it by the socket.
        let _killed = self.client.kill().is_ok();
        let _waited = self.client.wait().is_ok();
    }
}
