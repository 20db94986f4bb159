//! Where messages go: a name or an address, and a port.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::output::address::Reach;

/// A receiver.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    host: String,
    port: u16,
    /// For how long it is waited for, at each step.
    pub(super) timeout: Duration,
    reach: Reach,
}

impl Receiver {
    pub(super) fn new(host: &str, port: u16, timeout: Duration, reach: Reach) -> Self {
        Self {
            host: host.to_owned(),
            port,
            timeout,
            reach,
        }
    }

    /// Its addresses, at least one.
    pub(super) async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        let found = self.reach.resolve(&self.host, self.port, self.timeout);
        found.await.map_err(io::Error::other)
    }

    /// A connection to it.
    pub(super) async fn connect(&self) -> io::Result<TcpStream> {
        let connected = self.reach.connect(&self.host, self.port, self.timeout);
        connected.await.map_err(io::Error::other)
    }

    /// Waits for a step no longer than allowed, and says in an error what was tried.
    pub(super) async fn limited<T>(
        &self,
        step: &str,
        done: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        if let Ok(done) = timeout(self.timeout, done).await {
            return done.map_err(|error| self.failed(step, &error));
        }
        let ms = self.timeout.as_millis();
        Err(self.failed(step, &format_args!("nothing within {ms} ms")))
    }

    /// An error that says what was tried.
    pub(super) fn failed(&self, step: &str, error: &dyn fmt::Display) -> io::Error {
        io::Error::other(format!("{step} {self}: {error}"))
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
