//! The `gatelog` binary as a process of its own, with its log and its HTTP interface.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::log::Log;
use crate::wait;

/// How long the process may take to listen, or to end.
const DEADLINE: Duration = Duration::from_secs(30);

/// A page of `GET /query` has 16 MiB.
const LARGEST_ANSWER_BYTES: u64 = 64 << 20;

/// A running `gatelog serve`; killed when dropped.
#[derive(Debug)]
pub struct Gatelog {
    child: Child,
    address: String,
    /// Of the admin listener, unless it is off.
    admin: Option<String>,
    log: Log,
    client: ureq::Agent,
}

/// How a `gatelog serve` is to be started.
#[derive(Clone, Debug)]
pub struct Setup {
    binary: PathBuf,
    data_dir: PathBuf,
    listen: String,
    admin_listen: String,
    config: String,
    variables: Vec<(String, String)>,
    wrapper: Vec<String>,
}

/// What became of a start.
#[derive(Debug)]
pub enum Started {
    /// It listens.
    Listening(Gatelog),
    /// It has ended, with this log.
    Ended(ExitStatus, String),
}

impl Setup {
    /// The binary on this data directory, on a port that the system chooses.
    pub fn new(binary: impl Into<PathBuf>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            binary: binary.into(),
            data_dir: data_dir.into(),
            listen: "127.0.0.1:0".to_owned(),
            admin_listen: "127.0.0.1:0".to_owned(),
            config: String::new(),
            variables: Vec::new(),
            wrapper: Vec::new(),
        }
    }

    /// Behind these commands of a shell in the same process, such as `ulimit -n 64`.
    pub fn behind(self, commands: &str) -> Self {
        let script = format!("{commands} && exec \"$0\" \"$@\"");
        self.wrapped(&["/bin/sh", "-c", &script])
    }

    /// As the arguments of another program, which is to become this one.
    pub fn wrapped(mut self, program: &[&str]) -> Self {
        self.wrapper = program.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// On this address.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// With its admin listener on this address, or `off`.
    pub fn admin_listen(mut self, address: impl Into<String>) -> Self {
        self.admin_listen = address.into();
        self
    }

    /// With this configuration file.
    pub fn config(mut self, yaml: impl Into<String>) -> Self {
        self.config = yaml.into();
        self
    }

    /// With this variable in its environment, which has only `PATH` otherwise.
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Starts it and waits until it listens.
    ///
    /// # Errors
    /// When it ends instead; the error has its log.
    pub fn start(&self) -> anyhow::Result<Gatelog> {
        match self.start_or_end()? {
            Started::Listening(gatelog) => Ok(gatelog),
            Started::Ended(status, log) => anyhow::bail!("gatelog ended, {status}: {log}"),
        }
    }

    fn command(&self, config: &Path) -> Command {
        let mut command = match self.wrapper.split_first() {
            None => Command::new(&self.binary),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&self.binary);
                command
            }
        };
        command
            .args(["serve", "--listen", &self.listen])
            .args(["--admin-listen", &self.admin_listen])
            .arg("--config")
            .arg(config)
            .arg("--data-dir")
            .arg(&self.data_dir)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("GATELOG_LOG__FORMAT", "json")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it and waits until it listens or has ended.
    ///
    /// # Errors
    /// When it does neither, or cannot be started.
    pub fn start_or_end(&self) -> anyhow::Result<Started> {
        fs::create_dir_all(&self.data_dir)?;
        let config = self.data_dir.join("gatelog.yaml");
        // A test may have made the directory read-only since.
        if fs::read(&config).ok().as_deref() != Some(self.config.as_bytes()) {
            fs::write(&config, &self.config)?;
        }
        let mut child = self
            .command(&config)
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let log = Log::of(child.stderr.take().context("no standard error")?);
        let client = ureq::Agent::config_builder()
            .timeout_global(Some(DEADLINE))
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut gatelog = Gatelog {
            child,
            address: String::new(),
            admin: None,
            log,
            client,
        };
        let listening = wait::until("gatelog to listen", DEADLINE, || gatelog.listening())?;
        match listening {
            Ok((address, admin)) => (gatelog.address, gatelog.admin) = (address, admin),
            Err(status) => return Ok(Started::Ended(status, gatelog.log().join("\n"))),
        }
        Ok(Started::Listening(gatelog))
    }
}

impl Gatelog {
    /// The addresses from the log, the second of the admin listener; an outer error while they are not
    /// there yet, an inner one when the process has ended.
    fn listening(&mut self) -> Result<Result<(String, Option<String>), ExitStatus>, String> {
        let addresses = self.log().iter().find_map(|line| {
            let event: Value = serde_json::from_str(line).ok()?;
            let text = |key| event.get(key)?.as_str().map(str::to_owned);
            (event.get("message")? == "gatelog is listening")
                .then(|| Some((text("address")?, text("admin"))))?
        });
        match (addresses, self.child.try_wait()) {
            (Some(addresses), _) => Ok(Ok(addresses)),
            (None, Ok(Some(status))) if self.log.is_whole() => Ok(Err(status)),
            (None, _) => Err(self.log().join("\n")),
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    ///
    /// # Errors
    /// When the address has none.
    pub fn port(&self) -> anyhow::Result<u16> {
        Ok(self
            .address
            .rsplit(':')
            .next()
            .context("an address without a port")?
            .parse()?)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines of its log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// Waits for a line of the log with this text: what the process has written is read by a thread of
    /// its own, a moment later.
    ///
    /// # Errors
    /// The log, when there is none in time.
    pub fn wait_for_log(&self, text: &str) -> anyhow::Result<()> {
        wait::until(&format!("{text:?} in the log"), DEADLINE, || {
            let log = self.log();
            let found = log.iter().any(|line| line.contains(text));
            found.then_some(()).ok_or_else(|| log.join("\n"))
        })
    }

    /// Status and body of a GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path_and_query: &str) -> anyhow::Result<(u16, String)> {
        let mut response = self
            .client
            .get(format!("{}{path_and_query}", self.url()))
            .call()?;
        Ok((
            response.status().as_u16(),
            response
                .body_mut()
                .with_config()
                .limit(LARGEST_ANSWER_BYTES)
                .read_to_string()?,
        ))
    }

    /// `http://127.0.0.1:PORT` of the admin listener.
    ///
    /// # Errors
    /// When it is off.
    pub fn admin_url(&self) -> anyhow::Result<String> {
        let admin = self.admin.as_ref().context("the admin listener is off")?;
        Ok(format!("http://{admin}"))
    }

    /// Status and body of a GET of the admin listener.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn admin_get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let url = format!("{}{path}", self.admin_url()?);
        let mut response = self.client.get(url).call()?;
        let status = response.status().as_u16();
        Ok((status, response.body_mut().read_to_string()?))
    }

    /// Status and body of a PATCH of the admin listener.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn admin_patch(&self, path: &str, body: impl AsRef<[u8]>) -> anyhow::Result<(u16, String)> {
        let url = format!("{}{path}", self.admin_url()?);
        let mut response = self.client.patch(url).send(body.as_ref())?;
        let status = response.status().as_u16();
        Ok((status, response.body_mut().read_to_string()?))
    }

    /// Status and body of a POST to `/ingest` with these headers.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ingest_with(
        &self,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<(u16, String)> {
        let mut request = self.client.post(format!("{}/ingest", self.url()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body)?;
        Ok((
            response.status().as_u16(),
            response.body_mut().read_to_string()?,
        ))
    }

    /// Status and body of a POST to `/ingest`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn ingest(&self, body: impl AsRef<[u8]>) -> anyhow::Result<(u16, String)> {
        self.ingest_with(&[], body.as_ref())
    }

    /// The answer of `GET /query`.
    ///
    /// # Errors
    /// When it is not a success.
    pub fn query(&self, parameters: &str) -> anyhow::Result<Value> {
        let (status, body) = self.get(&format!("/query?{parameters}"))?;
        ensure!(status == 200, "GET /query?{parameters}: {status} {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// Waits until a query finds this many rows, and answers what it found.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub fn wait_for_rows(&self, parameters: &str, rows: u64) -> anyhow::Result<Value> {
        wait::until(&format!("{rows} rows of {parameters:?}"), DEADLINE, || {
            let found = self.query(parameters).map_err(|error| error.to_string())?;
            let total = found.get("total").and_then(Value::as_u64);
            if total == Some(rows) {
                Ok(found)
            } else {
                Err(format!("{total:?} rows"))
            }
        })
    }

    /// Every row there is, by request id order of arrival: pages of 100 by cursor.
    ///
    /// # Errors
    /// When a query fails.
    pub fn all_rows(&self, parameters: &str) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.query(&format!(
                "{parameters}&page_size=100&sort_order=asc&count=none&cursor={cursor}"
            ))?;
            if let Some(Value::Array(logs)) = page.get_mut("logs").map(Value::take) {
                rows.extend(logs);
            }
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(rows),
            }
        }
    }

    /// Ends it at once, as a power failure of the process would (SIGKILL).
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        self.signal("TERM")?;
        self.wait_for_end(DEADLINE)
    }

    /// Sends it a signal by its name without `SIG`.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let mut kill = Command::new("kill");
        let sent = kill.args(["-s", name, &self.pid().to_string()]).status()?;
        ensure!(sent.success(), "kill: {sent}");
        Ok(())
    }

    /// Waits until it has ended by itself or by an earlier signal.
    ///
    /// # Errors
    /// When it does not within the deadline.
    pub fn wait_for_end(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        wait::until("gatelog to end", deadline, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status),
            other => Err(format!("{other:?}")),
        })
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Gatelog {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill().is_ok();
        let _waited = self.child.wait().is_ok();
    }
}

/// The binary that cargo built beside the test or program that runs now, for those that are not
/// told it by cargo.
///
/// # Errors
/// When it is not there.
pub fn beside_current_exe() -> anyhow::Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let found = exe
        .ancestors()
        .map(|dir: &Path| dir.join("gatelog"))
        .find(|path| path.is_file());
    found.context("no gatelog binary beside this one: run cargo build -p gatelog")
}
