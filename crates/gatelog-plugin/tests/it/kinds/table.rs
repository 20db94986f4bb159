//! The kinds of requests, and how each comes about.

mod failed;
mod gone;
mod http2;
mod local;
mod served;

use std::net::SocketAddr;
use std::sync::Arc;

use gatelog_testkit::envoy::Envoy;
use gatelog_testkit::upstream::Server;

use super::client::{closing, exchange};
use super::upstream::Http2;

/// What a client needs to know to send a request of any kind.
pub(super) struct Stage<'s> {
    pub(super) envoy: &'s Envoy,
    pub(super) gateway: SocketAddr,
    /// The same over TLS.
    pub(super) tls: SocketAddr,
    pub(super) web: &'s Server,
    pub(super) http2: &'s Arc<Http2>,
}

impl Stage<'_> {
    /// Requests whose headers the gateway has read so far.
    fn begun(&self) -> u64 {
        self.envoy.stat("http.gateway.downstream_rq_total").unwrap()
    }
}

/// A kind of request.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// What is sent, for the page.
    pub(super) sent: &'static str,
    /// What makes it the kind it is.
    pub(super) code: i64,
    pub(super) flags: &'static str,
    /// How its line is known.
    pub(super) known: Known,
    /// Sends it, under this id.
    pub(super) send: fn(&Stage<'_>, &str),
}

/// How the line of a kind is known.
pub(super) enum Known {
    /// By its request id, which is its name with `-` for what is no letter.
    Id,
    /// Envoy has read no headers: by the response code details.
    Details(&'static str),
}

impl Kind {
    pub(super) fn id(&self) -> String {
        let letters = |char: char| {
            if char.is_ascii_alphanumeric() {
                char
            } else {
                '-'
            }
        };
        self.name.to_lowercase().chars().map(letters).collect()
    }
}

/// A kind that is known by its id.
const fn kind(
    name: &'static str,
    sent: &'static str,
    (code, flags): (i64, &'static str),
    send: fn(&Stage<'_>, &str),
) -> Kind {
    Kind {
        name,
        sent,
        code,
        flags,
        known: Known::Id,
        send,
    }
}

const fn nameless(
    name: &'static str,
    sent: &'static str,
    (code, flags): (i64, &'static str),
    details: &'static str,
    send: fn(&Stage<'_>, &str),
) -> Kind {
    Kind {
        known: Known::Details(details),
        ..kind(name, sent, (code, flags), send)
    }
}

/// The answer is for Envoy's log to tell of.
fn get(stage: &Stage<'_>, path: &str, id: &str) {
    exchange(stage.gateway, &closing(&format!("GET {path}"), id, "", b""));
}

/// Every kind, in the order of the page.
pub(super) fn all() -> impl Iterator<Item = &'static Kind> {
    let tables: [&[Kind]; 5] = [
        &served::KINDS,
        &local::KINDS,
        &failed::KINDS,
        &gone::KINDS,
        &http2::KINDS,
    ];
    tables.into_iter().flatten()
}
