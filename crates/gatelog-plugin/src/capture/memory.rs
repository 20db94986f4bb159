//! What a worker remembers between requests, to ask the proxy less: each attribute costs about a
//! microsecond.
//!
//! **Shape.** Which of an attribute's two names this proxy knows; what belongs to a connection and
//! so is the same for all its requests; whether there is such a thing as Mixer. And what all requests that
//! are open share: places for compressed bodies, room for captured ones.
//!
//! **Limits.** [`CONNECTIONS`] connections; when there are more, all are forgotten and read again.

use std::collections::HashMap;

use gatelog_usage::Budget;

use super::attribute::{Text, integer, text};
use super::prefix::Room;
use crate::host::Host;

/// Connections remembered.
const CONNECTIONS: usize = 256;

/// Requests for which Mixer's status is asked for at first, and one in how many later.
const MIXER_TRIES: u32 = 64;

/// What a worker remembers.
#[derive(Debug)]
pub struct Memory {
    names: Option<Names>,
    connections: HashMap<i64, Connection>,
    mixer: Mixer,
    budget: Budget,
    room: Room,
}

/// Which names of attributes the proxy knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// `xds.route_name`, as Envoy since 1.25 and Higress.
    Xds,
    /// `route_name`, as older ones.
    Flat,
}

/// What is the same for all requests of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// `destination.address`.
    pub(super) local_address: Text,
    /// `connection.requested_server_name`.
    pub(super) server_name: Text,
    /// `connection.tls_version`.
    pub(super) tls_version: Text,
}

/// Whether there is a status of Mixer's, which is gone since Istio 1.8.
#[derive(Debug, Default)]
struct Mixer {
    found: bool,
    asked: u32,
}

impl Memory {
    /// Of nothing; all bodies together may be captured up to so many bytes at a time.
    pub fn new(body_bytes: usize) -> Self {
        Self {
            names: None,
            connections: HashMap::new(),
            mixer: Mixer::default(),
            budget: Budget::default(),
            room: Room::new(body_bytes),
        }
    }

    /// `xds.KEY`, or `KEY` from a proxy that does not know the first.
    pub(super) fn xds(&mut self, host: &impl Host, key: &'static str) -> Text {
        if self.names != Some(Names::Flat) {
            let found = text(host, &["xds", key]);
            if found.is_some() || self.names.is_some() {
                self.names = Some(Names::Xds);
                return found;
            }
        }
        let found = text(host, &[key]);
        if found.is_some() {
            self.names = Some(Names::Flat);
        }
        found
    }

    /// How many compressed bodies are read at a time.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Where the beginnings of bodies are.
    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// What belongs to the connection of the request.
    pub(super) fn connection(&mut self, host: &impl Host) -> Connection {
        let Some(id) = integer(host, &["connection_id"]) else {
            return Connection::read(host);
        };
        if let Some(known) = self.connections.get(&id) {
            return known.clone();
        }
        if self.connections.len() >= CONNECTIONS {
            self.connections.clear();
        }
        let connection = Connection::read(host);
        self.connections.insert(id, connection.clone());
        connection
    }

    /// `istio.mixer`'s status. Where there has never been one, not every request is asked for it.
    pub(super) fn mixer_status(&mut self, host: &impl Host) -> Text {
        let Mixer { found, asked } = &mut self.mixer;
        *asked = asked.wrapping_add(1);
        if !*found && *asked > MIXER_TRIES && !asked.is_multiple_of(MIXER_TRIES) {
            return None;
        }
        let status = text(
            host,
            &["metadata", "filter_metadata", "istio.mixer", "status"],
        );
        *found |= status.is_some();
        status
    }
}

impl Connection {
    fn read(host: &impl Host) -> Self {
        Self {
            local_address: text(host, &["destination", "address"]),
            server_name: text(host, &["connection", "requested_server_name"]),
            tls_version: text(host, &["connection", "tls_version"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    impl Default for Memory {
        fn default() -> Self {
            Self::new(1 << 20)
        }
    }

    #[test]
    fn flat_names_count_where_the_present_ones_are_missing() {
        let old = Fake::default().text("route_name", "r");
        let mut memory = Memory::default();
        assert_eq!(memory.xds(&old, "route_name").as_deref(), Some("r"));
        old.asked.borrow_mut().clear();
        assert_eq!(memory.xds(&old, "route_name").as_deref(), Some("r"));
        assert_eq!(*old.asked.borrow(), ["route_name"], "asked once more");

        let new = old.text("xds.route_name", "new");
        let mut memory = Memory::default();
        assert_eq!(memory.xds(&new, "route_name").as_deref(), Some("new"));
        new.asked.borrow_mut().clear();
        assert_eq!(memory.xds(&new, "cluster_name"), None);
        assert_eq!(
            *new.asked.borrow(),
            ["xds.cluster_name"],
            "the proxy is new"
        );
    }

    #[test]
    fn what_belongs_to_a_connection_is_read_once_for_it() {
        let mut host = Fake::default()
            .integer("connection_id", 1)
            .text("connection.tls_version", "TLSv1.3");
        let mut memory = Memory::default();
        for _ in 0..2 {
            let connection = memory.connection(&host);
            assert_eq!(connection.tls_version.as_deref(), Some("TLSv1.3"));
        }
        let reads = |host: &Fake| {
            let asked = host.asked.borrow();
            asked
                .iter()
                .filter(|path| path.contains("tls_version"))
                .count()
        };
        assert_eq!(reads(&host), 1);
        for id in 2..2000 {
            host.set("connection_id", i64::to_le_bytes(id).to_vec());
            host.set("connection.tls_version", id.to_string().into_bytes());
            let connection = memory.connection(&host);
            assert_eq!(connection.tls_version, Some(id.to_string().into()));
            assert!(memory.connections.len() <= CONNECTIONS);
        }
    }

    #[test]
    fn mixer_is_forgotten_only_where_it_never_was() {
        const STATUS: &str = "metadata.filter_metadata.istio.mixer.status";
        let mut host = Fake::default();
        let mut memory = Memory::default();
        for _ in 0..1000 {
            assert_eq!(memory.mixer_status(&host), None);
        }
        let asked = host.asked.borrow().len();
        assert!(asked < 100, "{asked}");
        host.set(STATUS, b"ok".to_vec());
        let found = (0..64).filter(|_| memory.mixer_status(&host).is_some());
        assert!(found.count() >= 1);
        let found = (0..64).filter(|_| memory.mixer_status(&host).is_some());
        assert_eq!(found.count(), 64);
    }
}
