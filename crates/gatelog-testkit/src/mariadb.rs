//! A real MariaDB of the test's own.
//!
//! **Shape.** [`MariaDb::start`] makes a data directory and starts `mariadbd` on a free port of
//! 127.0.0.1 and on a socket in that directory. Two accounts exist: `root` without a password, which
//! [`sql`](MariaDb::sql) uses, and [`USER`] with [`PASSWORD`], which [`dsn`](MariaDb::dsn) names.
//!
//! **Invariants.** The server ends with the process that started it, however that ends: it is the
//! child of a shell that waits for its standard input to be closed. The data directory goes with it.
//!
//! **Limits.** Grants are checked as in production; what is missing is durability against a power
//! failure (`innodb_flush_log_at_trx_commit=2`), which no test of ours can cause.

mod session;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};

pub use self::session::Session;

use crate::wait;

/// The account of [`MariaDb::dsn`]: it may do everything, in every database.
pub const USER: &str = "gatelog";

/// Its password: every character that a DSN could stumble over.
pub const PASSWORD: &str = "p@ss:w/rd?(x)";

/// How long a start may take; on a quiet machine it takes 1 s.
const START: Duration = Duration::from_mins(1);

/// The shell's part: the first argument is the directory, the rest the server's command line.
/// Whatever ends the wait (the standard input is closed, a signal comes) ends the server; the word
/// `keep` leaves the directory.
const KEEPER: &str = r#"
trap : INT TERM HUP
directory="$1"; shift
"$@" & server=$!
echo "$server" > "$directory/keeper.pid"
read -r word
kill -9 "$server" 2>/dev/null
wait "$server" 2>/dev/null
[ "$word" = keep ] || rm -rf "$directory"
"#;

/// A running (or stopped) server.
#[derive(Debug)]
pub struct MariaDb {
    directory: PathBuf,
    port: u16,
    wrapper: Vec<String>,
    options: Vec<String>,
    keeper: Mutex<Option<Child>>,
}

impl MariaDb {
    /// The one server of this test process; for tests that leave it running and keep to a
    /// database of their own.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceLock<Result<MariaDb, String>> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::start().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))
    }

    /// Makes a data directory, starts a server on it and waits until it answers.
    ///
    /// # Errors
    /// When MariaDB is not installed, or does not start: with the end of its log.
    pub fn start() -> anyhow::Result<Self> {
        Self::make(&[], &[])
    }

    /// As [`start`](Self::start), with more options of `mariadbd`, such as `--ssl-key=/x/key.pem`.
    ///
    /// # Errors
    /// As there.
    pub fn start_with(options: &[String]) -> anyhow::Result<Self> {
        Self::make(&[], options)
    }

    /// As [`start`](Self::start), with the server as the arguments of another program, which is to
    /// become it.
    ///
    /// # Errors
    /// As there.
    pub fn start_wrapped(wrapper: &[&str]) -> anyhow::Result<Self> {
        Self::make(wrapper, &[])
    }

    fn make(wrapper: &[&str], options: &[String]) -> anyhow::Result<Self> {
        let server = Self {
            options: options.to_vec(),
            directory: tempfile::Builder::new()
                .prefix("gatelog-mariadb-")
                .tempdir()?
                .keep(),
            port: wait::free_port()?,
            wrapper: wrapper.iter().map(|&word| word.to_owned()).collect(),
            keeper: Mutex::new(None),
        };
        server.install()?;
        server.resume_service()?;
        server.sql(&format!(
            "DROP USER IF EXISTS ''@'localhost';
             CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';
             GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;"
        ))?;
        Ok(server)
    }

    /// Stops the server at once, as a crash would; the data stays.
    ///
    /// # Errors
    /// When the server cannot be told.
    pub fn stop(&self) -> anyhow::Result<()> {
        let keeper = self.keeper().take();
        keeper.map_or(Ok(()), |keeper| end(keeper, b"keep\n"))
    }

    /// Starts the server again after [`stop`](Self::stop), on the same port.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn resume_service(&self) -> anyhow::Result<()> {
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .arg(&self.directory)
            .args(&self.wrapper)
            .arg("mariadbd")
            .args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1"])
            .args(["--skip-name-resolve", "--skip-log-bin"])
            .args([
                "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=2",
            ])
            .arg(format!("--port={}", self.port))
            .arg(self.option("--datadir=", "data"))
            .arg(self.option("--tmpdir=", "tmp"))
            .arg(self.option("--socket=", "socket"))
            .arg(self.option("--pid-file=", "pid"))
            .arg(self.option("--log-error=", "log"))
            .args(&self.options)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        *self.keeper() = Some(keeper);
        wait::until("MariaDB to answer", START, || self.sql("SELECT 1"))
            .map(|_| ())
            .with_context(|| self.log())
    }

    /// Stops the server's process in its tracks (`SIGSTOP`): connections stay open, nothing
    /// answers.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn freeze(&self) -> anyhow::Result<()> {
        let pid = self.signal("STOP")?;
        // The signal reaches one thread after the other.
        wait::until("MariaDB to stand still", START, || {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| "gone")?;
            let stopped = tasks.flatten().all(|task| {
                let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                stat.rsplit(") ")
                    .next()
                    .is_some_and(|state| state.starts_with('T'))
            });
            stopped.then_some(()).ok_or("a thread runs")
        })
    }

    /// Lets the process go on after [`freeze`](Self::freeze).
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal("CONT").map(|_| ())
    }

    /// The server's port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }

    /// The DSN of the account [`USER`] for a database, as the Go collector's users write it.
    pub fn dsn(&self, database: &str) -> String {
        self.dsn_of(USER, PASSWORD, database)
    }

    /// The DSN of another account.
    pub fn dsn_of(&self, user: &str, password: &str, database: &str) -> String {
        format!(
            "{user}:{password}@tcp(127.0.0.1:{})/{database}?charset=utf8mb4&parseTime=True&loc=Local",
            self.port
        )
    }

    /// Makes an empty database and answers its DSN; one of that name is dropped before.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn database(&self, name: &str) -> anyhow::Result<String> {
        self.sql(&format!(
            "DROP DATABASE IF EXISTS `{name}`; CREATE DATABASE `{name}` DEFAULT CHARACTER SET utf8mb4"
        ))?;
        Ok(self.dsn(name))
    }

    /// Runs statements as root and answers their rows, all results one behind the other; NULL is
    /// `None` (as is the text `NULL`).
    ///
    /// # Errors
    /// What the server says.
    pub fn sql(&self, statements: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        let output = Command::new("mariadb")
            .args([
                "--no-defaults",
                "--user=root",
                "--batch",
                "--skip-column-names",
            ])
            .args(["--default-character-set=utf8mb4", "--connect-timeout=5"])
            .arg(self.option("--socket=", "socket"))
            .arg(format!("--execute={statements}"))
            .output()
            .context("no mariadb client here: run `cargo xtask test`, which installs it")?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?.lines().map(row).collect())
    }

    /// A session of root's, which stays.
    ///
    /// # Errors
    /// When there is no client.
    pub fn session(&self) -> anyhow::Result<Session> {
        self.session_of("root", "")
    }

    /// A session of another account's; whether it gets in shows with its first statement.
    ///
    /// # Errors
    /// When there is no client.
    pub fn session_of(&self, user: &str, password: &str) -> anyhow::Result<Session> {
        Session::open(&self.socket(), user, password)
    }

    fn install(&self) -> anyhow::Result<()> {
        // Not the machine's: a server that starts removes the temporary tables of all others there.
        std::fs::create_dir(self.directory.join("tmp"))?;
        let output = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--user=root",
                "--skip-test-db",
                "--skip-name-resolve",
            ])
            .args([
                "--auth-root-authentication-method=normal",
                "--innodb-log-file-size=16M",
            ])
            .arg(self.option("--datadir=", "data"))
            .arg(self.option("--tmpdir=", "tmp"))
            .output()
            .context("MariaDB is not installed: run `cargo xtask test`, which installs it")?;
        if !output.status.success() {
            bail!(
                "mariadb-install-db: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    fn option(&self, name: &str, file: &str) -> String {
        format!("{name}{}", self.directory.join(file).display())
    }

    /// The end of the server's log, for the report of a failed start.
    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let mut lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.reverse();
        format!("MariaDB's log ends with:\n{}", lines.join("\n"))
    }

    /// The server's process id.
    ///
    /// # Errors
    /// When it was never started.
    pub fn pid(&self) -> anyhow::Result<u32> {
        let pid = std::fs::read_to_string(self.directory.join("keeper.pid"))?;
        Ok(pid.trim().parse()?)
    }

    /// Sends the server a signal; answers its process id.
    fn signal(&self, name: &str) -> anyhow::Result<u32> {
        let pid = self.pid()?;
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid.to_string())
            .status()?;
        if !status.success() {
            bail!("kill -{name} {pid}: {status}");
        }
        Ok(pid)
    }

    fn keeper(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let ended = match self.keeper().take() {
            Some(keeper) => end(keeper, b"").is_ok(),
            None => std::fs::remove_dir_all(&self.directory).is_ok(),
        };
        debug_assert!(ended || std::thread::panicking(), "MariaDB did not end");
    }
}

/// Ends the keeper's standard input behind `word`, which ends the server.
fn end(mut keeper: Child, word: &[u8]) -> anyhow::Result<()> {
    if let Some(mut input) = keeper.stdin.take() {
        input.write_all(word)?;
    }
    keeper.wait()?;
    Ok(())
}

/// A line as the client prints it in batch mode.
fn row(line: &str) -> Vec<Option<String>> {
    line.split('\t').map(cell).collect()
}

/// One value as the client prints it in batch mode.
fn cell(printed: &str) -> Option<String> {
    if printed == "NULL" {
        return None;
    }
    let mut text = String::with_capacity(printed.len());
    let mut chars = printed.chars();
    while let Some(character) = chars.next() {
        let escaped = (character == '\\').then(|| chars.next()).flatten();
        text.push(match escaped {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('0') => '\0',
            Some(other) => other,
            None => character,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_prints_reads_back() {
        assert_eq!(cell("NULL"), None);
        assert_eq!(cell(r"a\tb\n\\c\0").as_deref(), Some("a\tb\n\\c\0"));
        assert_eq!(cell("").as_deref(), Some(""));
    }

    #[test]
    fn a_server_answers_stops_and_starts_again_with_its_data() {
        let server = MariaDb::start().unwrap();
        server.database("kept").unwrap();
        server
            .sql("CREATE TABLE kept.t (a INT NULL, b TEXT) ENGINE=InnoDB; INSERT INTO kept.t VALUES (NULL, 'x\ty')")
            .unwrap();
        server.stop().unwrap();
        assert!(server.sql("SELECT 1").is_err());
        server.resume_service().unwrap();
        assert_eq!(
            server.sql("SELECT a, b FROM kept.t").unwrap(),
            [[None, Some("x\ty".to_owned())]]
        );
        let directory = server.directory.clone();
        drop(server);
        assert!(!directory.exists());
    }
}
