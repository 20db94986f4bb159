//! Everything that runs: gatelog, the sample upstreams, and Envoy with the plugin between them.

use std::fmt;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use anyhow::Context as _;
use gatelog_testkit::envoy::{Envoy, Gateway};
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::upstream::{self, Server};
use tempfile::TempDir;

/// The ports that the documentation names; another one is taken where they are not free.
const GATELOG_PORT: u16 = 8080;
const ENVOY_PORT: u16 = 10_000;

/// The running programs. They end, and their data goes, when this is dropped: the sender first.
pub(crate) struct Stage {
    pub(crate) envoy: Envoy,
    pub(crate) gatelog: Gatelog,
    _upstreams: [Server; 3],
    data: TempDir,
}

impl Stage {
    /// Starts all of them; Envoy and the plugin are those of `GATELOG_ENVOY` and `GATELOG_PLUGIN`.
    ///
    /// # Errors
    /// When one does not start; its log is in the error.
    pub(crate) fn start(gatelog: &Path) -> anyhow::Result<Self> {
        let data = TempDir::with_prefix("gatelog-demo-")?;
        let gatelog = Setup::new(gatelog, data.path())
            .listen(format!("127.0.0.1:{}", free_or_any(GATELOG_PORT)))
            .start()?;
        let upstreams = [upstream::web()?, upstream::llm()?, upstream::mcp()?];
        let [web, llm, mcp] = upstreams.each_ref().map(Server::port);
        let gateway = Gateway::new(gatelog.port()?)
            .upstreams(web, llm, mcp)
            .listen_port(free_or_any(ENVOY_PORT))
            .workers(2);
        let envoy = Envoy::start(&gateway).context("Envoy")?;
        Ok(Self {
            envoy,
            gatelog,
            _upstreams: upstreams,
            data,
        })
    }
}

/// The addresses, for people to try.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gatelog = self.gatelog.url();
        writeln!(f, "Envoy     {}", self.envoy.url("/web/hello"))?;
        writeln!(f, "          {}   (admin)", self.envoy.admin())?;
        writeln!(f, "queries   {gatelog}/query?page_size=5")?;
        writeln!(f, "          {gatelog}/query?status_class=5xx")?;
        writeln!(f, "state     {gatelog}/ready")?;
        writeln!(f, "          {gatelog}/metrics")?;
        write!(
            f,
            "data      {}   (deleted at the end)",
            self.data.path().display()
        )
    }
}

/// The port, or 0 (one of the machine's choice) where somebody has it.
fn free_or_any(port: u16) -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_or(0, |_| port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_not_insisted_on() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_eq!(free_or_any(port), 0);
    }
}
