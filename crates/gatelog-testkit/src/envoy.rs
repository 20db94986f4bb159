//! The real Envoy, with the plugin in it.
//!
//! **Shape.** A [`Gateway`] says what stands behind it and how the plugin is set up; [`Envoy`]
//! starts the program with that and tells its ports, its log, its statistics and the lines of its
//! own access log, whose keys are the names of gatelog's columns.
//!
//! ```no_run
//! use gatelog_testkit::envoy::{Envoy, Gateway};
//! use gatelog_testkit::upstream;
//!
//! let (web, llm, mcp) = (upstream::web()?, upstream::llm()?, upstream::mcp()?);
//! # let collector_port = 8080;
//! let gateway = Gateway::new(collector_port)
//!     .upstreams(web.port(), llm.port(), mcp.port())
//!     .plugin(serde_json::json!({"batch": {"flush_interval_ms": 100}}));
//! let envoy = Envoy::start(&gateway)?;
//! ureq::get(envoy.url("/web/status/200")).call()?;
//! # anyhow::Ok(())
//! ```
//!
//! **Failure.** Where the program or the plugin is missing, the error says which command makes it.

mod gateway;
mod patch;

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::wait;

pub use gateway::{Attach, Gateway};

/// How long Envoy may take to be ready: on a busy machine it compiles the plugin for seconds.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Envoy's count of refused listeners.
const REFUSED: &str = "listener_manager.lds.update_rejected";

/// A running Envoy. It is killed when this is dropped.
pub struct Envoy {
    process: Child,
    admin: SocketAddr,
    gateway: SocketAddr,
    directory: TempDir,
}

/// The files of one Envoy.
pub(crate) struct Files {
    /// The plugin.
    pub(crate) plugin: PathBuf,
    /// What Envoy's own access logger writes.
    pub(crate) access_log: PathBuf,
    /// The listeners, read again when the file is replaced.
    pub(crate) listeners: PathBuf,
    /// The plugin's filter, the same.
    pub(crate) extension: PathBuf,
}

impl Files {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            plugin: plugin_file()?,
            access_log: directory.join("access.log"),
            listeners: directory.join("listeners.json"),
            extension: directory.join("extension.json"),
        })
    }
}

/// The plugin as built by `cargo xtask plugin`, or what `GATELOG_PLUGIN` names.
///
/// # Errors
/// It is missing.
pub fn plugin_file() -> anyhow::Result<PathBuf> {
    find("GATELOG_PLUGIN", "target/gatelog-plugin.wasm", "the plugin")
}

/// The Envoy that `cargo xtask test` installs, or what `GATELOG_ENVOY` names.
///
/// # Errors
/// It is missing.
pub fn envoy_file() -> anyhow::Result<PathBuf> {
    find(
        "GATELOG_ENVOY",
        "target/tools/envoy/envoy/_bin/envoy",
        "Envoy",
    )
}

fn find(variable: &str, place: &str, what: &str) -> anyhow::Result<PathBuf> {
    let file = if let Some(file) = env::var_os(variable) {
        PathBuf::from(file)
    } else {
        let crate_directory = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = crate_directory.ancestors().nth(2);
        workspace.unwrap_or(crate_directory).join(place)
    };
    ensure!(
        file.is_file(),
        "{what} is not at {}: run `cargo xtask test`, or set {variable}",
        file.display()
    );
    Ok(file)
}

impl Envoy {
    /// Starts Envoy and waits until it serves the gateway's listener.
    ///
    /// # Errors
    /// Envoy or the plugin is missing, or Envoy does not take the configuration; its log is in the
    /// error.
    pub fn start(gateway: &Gateway) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let files = Files::new(directory.path())?;
        let bootstrap = directory.path().join("bootstrap.json");
        std::fs::write(&bootstrap, gateway.bootstrap(&files).to_string())?;
        std::fs::write(&files.listeners, gateway.listeners(&files).to_string())?;
        std::fs::write(&files.extension, gateway.extension(&files).to_string())?;
        Self::run(directory, &bootstrap, gateway.workers)
    }

    /// Starts Envoy with a bootstrap of one's own, YAML, and waits until it serves its first listener.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(bootstrap: &str) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("bootstrap.yaml");
        std::fs::write(&file, bootstrap)?;
        Self::run(directory, &file, 1)
    }

    fn run(directory: TempDir, bootstrap: &Path, workers: u32) -> anyhow::Result<Self> {
        let program = envoy_file()?;
        let log = std::fs::File::create(directory.path().join("envoy.log"))?;
        let stdout = std::fs::File::create(directory.path().join("stdout"))?;
        let process = Command::new(program)
            .arg("--config-path")
            .arg(bootstrap)
            .arg("--admin-address-path")
            .arg(directory.path().join("admin"))
            .args(["--concurrency", &workers.to_string()])
            .args(["--use-dynamic-base-id", "--log-level", "warn"])
            // A listener that was replaced goes after a second, not after ten minutes.
            .args(["--drain-time-s", "1", "--parent-shutdown-time-s", "2"])
            .args(["--component-log-level", "wasm:info"])
            // Ten seconds by default, which every test that reads lines would wait.
            .args(["--file-flush-interval-msec", "100"])
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(log)
            .spawn()
            .context("Envoy could not be started")?;
        // From here on the process is killed on every way out.
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self {
            process,
            admin: unknown,
            gateway: unknown,
            directory,
        };
        match envoy.find_ports() {
            Ok(()) => Ok(envoy),
            Err(error) => bail!("{error:#}; its log:\n{}", envoy.log()),
        }
    }

    fn find_ports(&mut self) -> anyhow::Result<()> {
        let written = self.directory.path().join("admin");
        self.admin = wait::until("Envoy's admin address", START_LIMIT, || {
            self.alive()?;
            anyhow::Ok(std::fs::read_to_string(&written)?.trim().parse()?)
        })?;
        let listener = wait::until("Envoy's listener", START_LIMIT, || {
            self.alive()?;
            if self.stat(REFUSED)? > 0 {
                return Ok(None);
            }
            ensure!(self.admin_text("/ready")?.contains("LIVE"), "not ready");
            let listeners: Value =
                serde_json::from_str(&self.admin_text("/listeners?format=json")?)?;
            let statuses = listeners
                .get("listener_statuses")
                .and_then(Value::as_array)
                .context("no listeners")?;
            let address = statuses
                .iter()
                .find(|status| status.get("name").is_some_and(|name| name == gateway::NAME))
                .and_then(|status| status.pointer("/local_address/socket_address"))
                .context("no listener")?;
            let text = |key| address.get(key).map(Value::to_string).unwrap_or_default();
            let host = text("address");
            let address = format!("{}:{}", host.trim_matches('"'), text("port_value"));
            anyhow::Ok(Some(address.parse()?))
        })?;
        self.gateway = listener.context("Envoy refused the listener")?;
        Ok(())
    }

    /// An error when the process has ended: there is nothing to wait for.
    fn alive(&mut self) -> anyhow::Result<()> {
        match self.process.try_wait()? {
            Some(status) => bail!("Envoy ended with {status}"),
            None => Ok(()),
        }
    }

    /// Gives the listener another configuration, as a control plane would, and waits until Envoy
    /// has taken it. Clusters stay as they are.
    ///
    /// # Errors
    /// Envoy refuses it.
    pub fn update(&self, gateway: &Gateway) -> anyhow::Result<()> {
        let files = Files::new(self.directory.path())?;
        let updates = || self.stat("listener_manager.lds.update_success");
        let refusals = || self.stat(REFUSED);
        let (before, refused) = (updates()?, refusals()?);
        let new = files.listeners.with_extension("new");
        std::fs::write(&new, gateway.listeners(&files).to_string())?;
        std::fs::rename(&new, &files.listeners)?;
        wait::until("the new listener", START_LIMIT, || {
            ensure!(updates()? > before || refusals()? > refused, "not yet");
            anyhow::Ok(())
        })?;
        ensure!(
            refusals()? == refused,
            "Envoy refused the listener:\n{}",
            self.log()
        );
        Ok(())
    }

    /// Gives the plugin's filter another configuration by extension discovery ([`Attach::Discovered`]),
    /// and waits until Envoy has taken it.
    ///
    /// # Errors
    /// Envoy refuses it.
    pub fn update_extension(&self, gateway: &Gateway) -> anyhow::Result<()> {
        const PREFIX: &str = "extension_config_discovery.http_filter.gatelog";
        let files = Files::new(self.directory.path())?;
        let taken = || self.stat(&format!("{PREFIX}.config_reload"));
        let refused = || self.stat(&format!("{PREFIX}.update_rejected"));
        let (before, refused_before) = (taken()?, refused()?);
        let new = files.extension.with_extension("new");
        std::fs::write(&new, gateway.extension(&files).to_string())?;
        std::fs::rename(&new, &files.extension)?;
        wait::until("the new filter", START_LIMIT, || {
            ensure!(taken()? > before || refused()? > refused_before, "not yet");
            anyhow::Ok(())
        })?;
        ensure!(
            refused()? == refused_before,
            "Envoy refused the filter:\n{}",
            self.log()
        );
        Ok(())
    }

    /// Where the gateway listens.
    pub fn address(&self) -> SocketAddr {
        self.gateway
    }

    /// The process, to be measured.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The URL of a path on the gateway.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway)
    }

    /// Where the admin interface listens.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// What Envoy has logged so far: warnings, and what plugins log.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.directory.path().join("envoy.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The lines on Envoy's standard output so far: what an access logger to `/dev/stdout` prints.
    pub fn stdout(&self) -> Vec<String> {
        let text = std::fs::read(self.directory.path().join("stdout")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        // The last line may still be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(str::to_owned).collect()
    }

    /// The lines of Envoy's own access log so far, under the names of gatelog's columns.
    ///
    /// # Errors
    /// A line is no JSON.
    pub fn access_log(&self) -> anyhow::Result<Vec<Value>> {
        let file = self.directory.path().join("access.log");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        // The last line may still be on its way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect()
    }

    /// A counter or gauge of Envoy's; one that it does not know yet is 0.
    ///
    /// # Errors
    /// The admin interface does not answer.
    pub fn stat(&self, name: &str) -> anyhow::Result<u64> {
        let all = self.admin_text("/stats")?;
        let value = all
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(value.unwrap_or("0").parse()?)
    }

    /// Sets a key of the runtime, from the next request on, as an operator does by the admin interface.
    ///
    /// # Errors
    /// The admin interface does not answer, or refuses.
    pub fn set_runtime(&self, key: &str, value: &str) -> anyhow::Result<()> {
        let url = format!("http://{}/runtime_modify?{key}={value}", self.admin);
        ureq::post(url).send_empty()?;
        Ok(())
    }

    fn admin_text(&self, path: &str) -> anyhow::Result<String> {
        let mut answer = ureq::get(format!("http://{}{path}", self.admin)).call()?;
        Ok(answer.body_mut().read_to_string()?)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
