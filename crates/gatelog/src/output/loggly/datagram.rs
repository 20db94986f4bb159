//! Messages as datagrams.
//!
//! **Shape.** One connected socket stays open. The name is resolved again after a failure, and
//! [every minute](REFRESH): a socket whose address is still among those found is kept. Where a name has
//! several addresses, the next one has its turn after a failure.
//!
//! **Failure.** Nobody confirms a datagram. Where the answer comes back that nobody listens (ICMP, which
//! the kernel tells with the next call as `ECONNREFUSED`), the records wait from the one before that
//! call on: a receiver on this host, for which it is told at once, loses nothing so. From afar it is
//! told later, so some may be lost; each such answer is counted. What the network drops silently
//! nobody knows of.
//!
//! **Limits.** 65,507 bytes of a datagram over IPv4, 65,527 over IPv6. Where the kernel says that a
//! datagram is too long all the same, the limit of this socket is lowered.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use gatelog_record::AccessRecord;
use rustix::io::Errno;
use tokio::net::UdpSocket;

use super::Counts;
use super::message::{Clock, Message, Written};
use super::receiver::Receiver;
use crate::output::{Refused, Undelivered};

/// How long an address is good without being looked up again.
const REFRESH: Duration = Duration::from_mins(1);

/// 65,535 less the headers of IPv4 and UDP.
const MAX_V4_BYTES: usize = 65_507;

/// 65,535 less the header of UDP.
const MAX_V6_BYTES: usize = 65_527;

/// The pause where the system has no room for a datagram and does not tell when it has.
const NO_BUFFER_PAUSE: Duration = Duration::from_millis(1);

/// The datagrams of one output.
#[derive(Debug)]
pub(super) struct Datagrams {
    receiver: Receiver,
    limit: Option<usize>,
    open: Option<Open>,
    /// How many addresses of the name have been given up: the one that is next has its turn.
    given_up: usize,
    buffer: Vec<u8>,
    clock: Clock,
}

/// An open socket.
#[derive(Debug)]
struct Open {
    socket: UdpSocket,
    peer: SocketAddr,
    limit: usize,
    resolved: Instant,
}

impl Datagrams {
    pub(super) fn new(receiver: Receiver, limit: Option<usize>) -> Self {
        Self {
            receiver,
            limit,
            open: None,
            given_up: 0,
            buffer: Vec::new(),
            clock: Clock::default(),
        }
    }

    /// Sends each record's message, and says which have to come again.
    pub(super) async fn send(
        &mut self,
        message: &Message,
        records: &[&AccessRecord<'_>],
        counts: &Counts,
    ) -> Undelivered {
        let mut refused = Vec::new();
        let failure = match self.opened().await {
            Ok(mut open) => {
                let sent = self
                    .send_over(&mut open, message, records, counts, &mut refused)
                    .await;
                match sent {
                    Ok(()) => {
                        self.open = Some(open);
                        return Undelivered {
                            refused,
                            ..Undelivered::default()
                        };
                    }
                    Err(failure) => failure,
                }
            }
            Err(error) => (0, error),
        };
        self.given_up = self.given_up.wrapping_add(1);
        let (from, error) = failure;
        refused.retain(|refused: &Refused| refused.index < from);
        Undelivered {
            refused,
            ..Undelivered::later(from..records.len(), error.to_string())
        }
    }

    /// Sends what there is; a failure with the place that it begins at.
    async fn send_over(
        &mut self,
        open: &mut Open,
        message: &Message,
        records: &[&AccessRecord<'_>],
        counts: &Counts,
        refused: &mut Vec<Refused>,
    ) -> Result<(), (usize, io::Error)> {
        // Of datagrams before these, which are gone.
        if let Ok(Some(_)) = open.socket.take_error() {
            counts.unreachable.increment(1);
        }
        for (place, record) in records.iter().enumerate() {
            loop {
                self.buffer.clear();
                let written = message.write(record, &mut self.clock, open.limit, &mut self.buffer);
                if written == Written::TooLong {
                    let reason = format!("no message fits into {} bytes", open.limit);
                    refused.push(Refused {
                        index: place,
                        reason,
                    });
                    break;
                }
                match self.send_one(open).await {
                    Ok(()) => {
                        if written == Written::Shortened {
                            counts.shortened.increment(1);
                        }
                        break;
                    }
                    Err(error) if is(&error, Errno::MSGSIZE) => {
                        // By a quarter at a time; in the end it is refused.
                        open.limit = open.limit.min(self.buffer.len()) / 4 * 3;
                    }
                    Err(error) => {
                        return Err(self.failed(place.saturating_sub(1), place, &error, counts));
                    }
                }
            }
        }
        match open.socket.take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => {
                let last = records.len().saturating_sub(1);
                Err(self.failed(last, last, &error, counts))
            }
        }
    }

    /// Where records wait from after this error: from the one that nobody listened to, else from the
    /// one that was not sent.
    fn failed(
        &self,
        unheard: usize,
        unsent: usize,
        error: &io::Error,
        counts: &Counts,
    ) -> (usize, io::Error) {
        if error.kind() == ErrorKind::ConnectionRefused {
            counts.unreachable.increment(1);
            let error = self.receiver.failed("send to", &"nobody listens there");
            return (unheard, error);
        }
        (unsent, self.receiver.failed("send to", error))
    }

    /// Sends what is in the buffer, as soon as the system takes it.
    async fn send_one(&self, open: &Open) -> io::Result<()> {
        match open.socket.try_send(&self.buffer) {
            Ok(_) => return Ok(()),
            Err(error) if waits(&error) => {}
            Err(error) => return Err(error),
        }
        let sent = async {
            loop {
                match open.socket.try_send(&self.buffer) {
                    Ok(_) => return Ok(()),
                    Err(error) if is(&error, Errno::NOBUFS) => {
                        tokio::time::sleep(NO_BUFFER_PAUSE).await;
                    }
                    Err(error) if waits(&error) => open.socket.writable().await?,
                    Err(error) => return Err(error),
                }
            }
        };
        match tokio::time::timeout(self.receiver.timeout, sent).await {
            Ok(sent) => sent,
            Err(_) => Err(ErrorKind::TimedOut.into()),
        }
    }

    /// The open socket, or a new one. It is put back when all went well with it.
    async fn opened(&mut self) -> io::Result<Open> {
        let open = self.open.take();
        let Some(mut open) = open else {
            let addresses = self.receiver.addresses().await?;
            return self.connect(&addresses).await;
        };
        if open.resolved.elapsed() < REFRESH {
            return Ok(open);
        }
        open.resolved = Instant::now();
        match self.receiver.addresses().await {
            Ok(addresses) if !addresses.contains(&open.peer) => self.connect(&addresses).await,
            // Who has no name server goes on with what it knows.
            Ok(_) | Err(_) => Ok(open),
        }
    }

    /// A socket for the first address that can have one.
    async fn connect(&self, addresses: &[SocketAddr]) -> io::Result<Open> {
        let mut failure = io::Error::from(ErrorKind::AddrNotAvailable);
        for peer in in_turn(addresses, self.given_up) {
            let connected = async {
                let own: SocketAddr = if peer.is_ipv4() {
                    (Ipv4Addr::UNSPECIFIED, 0).into()
                } else {
                    (Ipv6Addr::UNSPECIFIED, 0).into()
                };
                let socket = UdpSocket::bind(own).await?;
                socket.connect(peer).await?;
                Ok(socket)
            };
            let most = if peer.is_ipv4() {
                MAX_V4_BYTES
            } else {
                MAX_V6_BYTES
            };
            match connected.await {
                Ok(socket) => {
                    return Ok(Open {
                        socket,
                        peer,
                        limit: self.limit.map_or(most, |limit| limit.min(most)),
                        resolved: Instant::now(),
                    });
                }
                Err(error) => failure = error,
            }
        }
        Err(self.receiver.failed("send to", &failure))
    }
}

/// All addresses, beginning behind those that have been given up.
fn in_turn(addresses: &[SocketAddr], given_up: usize) -> impl Iterator<Item = SocketAddr> {
    let first = given_up.checked_rem(addresses.len()).unwrap_or(0);
    let turns = addresses.iter().copied().cycle().skip(first);
    turns.take(addresses.len())
}

/// Whether there will be room for the datagram later.
fn waits(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock || is(error, Errno::NOBUFS)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
mod tests;
