//! A real rsyslog of the test's own, which says what it understood of each message.
//!
//! **Shape.** [`Rsyslog::start`] takes datagrams and connections, in both framings;
//! [`Rsyslog::start_tls`] takes encrypted connections. Each message becomes an object with the parsed
//! fields of RFC 5424: `pri`, `time`, `host`, `app`, `procid`, `msgid`, `data`, `msg`.
//!
//! **Invariants.** It listens on 127.0.0.1 only, writes into a directory of its own, and is killed when
//! the handle is dropped.

use std::fs;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::wait;

/// How long a start, and what is waited for, may take.
const DEADLINE: Duration = Duration::from_mins(1);

/// Where Debian has what is not on everyone's path.
const PROGRAM: &str = "/usr/sbin/rsyslogd";

/// A running rsyslog.
#[derive(Debug)]
pub struct Rsyslog {
    directory: TempDir,
    port: u16,
    config: String,
    child: Child,
}

impl Rsyslog {
    /// One that takes datagrams and connections on the same port.
    ///
    /// # Errors
    /// When rsyslog is not installed, or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let port = wait::free_port()?;
        let inputs = format!(
            r#"module(load="imudp")
input(type="imudp" address="127.0.0.1" port="{port}" rcvbufSize="4m")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="{port}")
"#
        );
        Self::make(port, "", &inputs)
    }

    /// One that takes connections with TLS, by the certificate and the key (PEM) in these files.
    ///
    /// # Errors
    /// As [`start`](Self::start); also when its driver for TLS is not installed.
    pub fn start_tls(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let port = wait::free_port()?;
        let certificate = certificate.display();
        let global = format!(
            "defaultNetstreamDriver=\"gtls\" defaultNetstreamDriverCAFile=\"{certificate}\" \
             defaultNetstreamDriverCertFile=\"{certificate}\" defaultNetstreamDriverKeyFile=\"{}\"",
            key.display()
        );
        let inputs = format!(
            r#"module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="{port}")
"#
        );
        Self::make(port, &global, &inputs)
    }

    fn make(port: u16, global: &str, inputs: &str) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("rsyslog").tempdir()?;
        let path = directory.path().display();
        let properties = [
            ("pri", "pri"),
            ("time", "timereported\" dateFormat=\"rfc3339"),
            ("host", "hostname"),
            ("app", "app-name"),
            ("procid", "procid"),
            ("msgid", "msgid"),
            ("data", "structured-data"),
            ("msg", "msg"),
        ]
        .map(|(name, property)| {
            format!("property(outname=\"{name}\" name=\"{property}\" format=\"jsonf\")\n")
        });
        let config = format!(
            "global(workDirectory=\"{path}\" maxMessageSize=\"2m\" {global})\n{inputs}\
             template(name=\"object\" type=\"list\" option.jsonf=\"on\") {{\n{}}}\n\
             action(type=\"omfile\" file=\"{path}/messages\" template=\"object\")\n",
            properties.concat()
        );
        let child = spawn(directory.path(), &config)?;
        let mut this = Self {
            directory,
            port,
            config,
            child,
        };
        this.wait_for_start()?;
        Ok(this)
    }

    fn wait_for_start(&mut self) -> anyhow::Result<()> {
        let listens = || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(|error| error.to_string())
        };
        let up = wait::until("rsyslog to listen", DEADLINE, listens);
        let said = || fs::read_to_string(self.directory.path().join("said")).unwrap_or_default();
        up.with_context(said)?;
        if self.config.contains("imudp") {
            let taken = || match UdpSocket::bind((Ipv4Addr::LOCALHOST, self.port)) {
                Ok(_) => Err("the port is free"),
                Err(_) => Ok(()),
            };
            wait::until("rsyslog to take datagrams", DEADLINE, taken).with_context(said)?;
        }
        Ok(())
    }

    /// Kills it; what it has taken stays.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        let _status = self.child.wait()?;
        Ok(())
    }

    /// Starts it again after [`stop`](Self::stop), on the same port.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = spawn(self.directory.path(), &self.config)?;
        self.wait_for_start()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has understood so far, in the order of arrival.
    ///
    /// # Errors
    /// When what it wrote is no JSON.
    pub fn messages(&self) -> anyhow::Result<Vec<Value>> {
        let text = fs::read_to_string(self.directory.path().join("messages")).unwrap_or_default();
        let lines = text
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        let messages = lines.map(|line| {
            serde_json::from_str(line).with_context(|| format!("rsyslog wrote {line}"))
        });
        messages.collect()
    }

    /// Waits for so many messages.
    ///
    /// # Errors
    /// When they do not come.
    pub fn wait_for(&self, count: usize) -> anyhow::Result<Vec<Value>> {
        wait::until(&format!("{count} messages"), DEADLINE, || {
            let messages = self.messages().map_err(|error| error.to_string())?;
            if messages.len() >= count {
                Ok(messages)
            } else {
                Err(messages.len().to_string())
            }
        })
    }
}

fn spawn(directory: &Path, config: &str) -> anyhow::Result<Child> {
    let file = directory.join("rsyslog.conf");
    fs::write(&file, config)?;
    let program = Path::new(PROGRAM);
    ensure!(
        program.is_file(),
        "rsyslog is not installed: run `cargo xtask test`, which installs it"
    );
    let said = fs::File::create(directory.join("said"))?;
    let child = Command::new(program)
        .arg("-n")
        .arg("-f")
        .arg(&file)
        .arg("-i")
        .arg(directory.join("pid"))
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()?;
    Ok(child)
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill().is_ok();
        let _waited = self.child.wait().is_ok();
    }
}
