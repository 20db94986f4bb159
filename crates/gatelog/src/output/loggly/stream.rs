//! Messages over a connection, each told from the next by a line break or by its length.
//!
//! **Shape.** One connection stays open. A batch is written in pieces, each of which the kernel has to
//! take within `timeout`.
//!
//! **Failure.** A receiver of syslog says nothing: that it is gone shows when its end of the connection
//! is closed, which is looked at before a batch and behind it, or when a write fails. The batch comes
//! again then, as a whole, over a new connection; what was taken before it is not repeated, and is lost
//! as far as the receiver has not read it. A receiver that is silent for `timeout` while something is
//! under way to it counts as gone, as does one that answers no probe of an idle connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use gatelog_record::AccessRecord;
use rustls::ProtocolVersion;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::Counts;
use super::message::{Clock, Message, Written};
use super::receiver::Receiver;
use crate::config::plugins::Framing;
use crate::output::tls::TlsClient;
use crate::output::{Refused, Undelivered};

/// What is written at once.
const PIECE_BYTES: usize = 64 << 10;

/// Loggly takes events up to 1 MB.
const MAX_BYTES: usize = 1_000_000;

/// For how long it is waited, over a new connection with TLS, for the receiver to refuse gatelog.
const MOST_SILENT: Duration = Duration::from_secs(1);

/// The connection of one output.
#[derive(Debug)]
pub(super) struct Stream {
    receiver: Receiver,
    framing: Framing,
    limit: usize,
    /// Where it is encrypted.
    tls: Option<Arc<TlsClient>>,
    open: Option<Connection>,
    message: Vec<u8>,
    piece: Vec<u8>,
    clock: Clock,
}

/// A connection, encrypted or not.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

struct Connection(Box<dyn Duplex>);

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(
        receiver: Receiver,
        framing: Framing,
        limit: Option<usize>,
        tls: Option<TlsClient>,
    ) -> Self {
        Self {
            receiver,
            framing,
            limit: limit.unwrap_or(MAX_BYTES),
            tls: tls.map(Arc::new),
            open: None,
            message: Vec::new(),
            piece: Vec::new(),
            clock: Clock::default(),
        }
    }

    /// Writes each record's message, and says which have to come again: all of them, or none.
    pub(super) async fn send(
        &mut self,
        message: &Message,
        records: &[&AccessRecord<'_>],
        counts: &Counts,
    ) -> Undelivered {
        let written = async {
            let mut connection = self.opened().await?;
            let refused = self
                .write_all(&mut connection, message, records, counts)
                .await?;
            if connection.is_closed().await {
                return Err(self
                    .receiver
                    .failed("send to", &"the connection was closed"));
            }
            // Only now: one that is given up in the middle of a write is of no use.
            self.open = Some(connection);
            Ok(refused)
        };
        match written.await {
            Ok(refused) => Undelivered {
                refused,
                ..Undelivered::default()
            },
            Err(error) => Undelivered::later(0..records.len(), error.to_string()),
        }
    }

    async fn write_all(
        &mut self,
        connection: &mut Connection,
        message: &Message,
        records: &[&AccessRecord<'_>],
        counts: &Counts,
    ) -> io::Result<Vec<Refused>> {
        let mut refused = Vec::new();
        self.piece.clear();
        for (place, record) in records.iter().enumerate() {
            match self.frame(message, record) {
                Written::Whole => {}
                Written::Shortened => counts.shortened.increment(1),
                Written::TooLong => {
                    let reason = format!("no message fits into {} bytes", self.limit);
                    refused.push(Refused {
                        index: place,
                        reason,
                    });
                }
            }
            if self.piece.len() >= PIECE_BYTES {
                let written = connection.0.write_all(&self.piece);
                self.receiver.limited("send to", written).await?;
                self.piece.clear();
            }
        }
        let rest = async {
            connection.0.write_all(&self.piece).await?;
            connection.0.flush().await
        };
        self.receiver.limited("send to", rest).await?;
        Ok(refused)
    }

    /// Appends the frame of a record to the piece.
    fn frame(&mut self, message: &Message, record: &AccessRecord<'_>) -> Written {
        match self.framing {
            Framing::Newline => {
                let written = message.write(record, &mut self.clock, self.limit, &mut self.piece);
                if written != Written::TooLong {
                    self.piece.push(b'\n');
                }
                written
            }
            Framing::OctetCounted => {
                self.message.clear();
                let written = message.write(record, &mut self.clock, self.limit, &mut self.message);
                if written != Written::TooLong {
                    let length = self.message.len();
                    // Writing to memory does not fail.
                    let _written =
                        io::Write::write_fmt(&mut self.piece, format_args!("{length} ")).is_ok();
                    self.piece.extend_from_slice(&self.message);
                }
                written
            }
        }
    }

    /// The open connection if it still is, or a new one. It is put back when all went well with it.
    async fn opened(&mut self) -> io::Result<Connection> {
        if let Some(mut connection) = self.open.take()
            && !connection.is_closed().await
        {
            return Ok(connection);
        }
        let stream = self.receiver.connect().await?;
        let socket = SockRef::from(&stream);
        // Where the system cannot do this, a receiver that vanishes is noticed later.
        let _as_it_is = socket.set_keepalive(true).is_err()
            || socket
                .set_tcp_user_timeout(Some(self.receiver.timeout))
                .is_err();
        let Some(tls) = &self.tls else {
            return Ok(Connection(Box::new(stream)));
        };
        let mut encrypted = self
            .receiver
            .limited("TLS with", tls.connect(stream))
            .await?;
        let limit = self.receiver.timeout.min(MOST_SILENT);
        match timeout(limit, let_in(&mut encrypted)).await {
            Ok(Err(error)) => Err(self.receiver.failed("TLS with", &error)),
            // One who says nothing for so long has let gatelog in.
            Ok(Ok(())) | Err(_) => Ok(Connection(Box::new(encrypted))),
        }
    }
}

/// Waits until the receiver has taken gatelog's certificate, or that there is none. In TLS 1.3 it says
/// so only after the handshake, with a ticket if it gives any; what is written before that is lost if it
/// then refuses.
async fn let_in(stream: &mut TlsStream<TcpStream>) -> io::Result<()> {
    if stream.get_ref().1.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Ok(());
    }
    let mut space = [0; 256];
    poll_fn(|context| {
        loop {
            let mut read = ReadBuf::new(&mut space);
            let polled = Pin::new(&mut *stream).poll_read(context, &mut read)?;
            if polled.is_pending() {
                // It may have brought a ticket, which is nothing to read.
                let (_, session) = stream.get_ref();
                let has_ticket = session.tls13_tickets_received() > 0;
                return if has_ticket {
                    Poll::Ready(Ok(()))
                } else {
                    Poll::Pending
                };
            }
            if read.filled().is_empty() {
                return Poll::Ready(Err(io::Error::other("the connection was closed")));
            }
        }
    })
    .await
}

impl Connection {
    /// Whether the receiver has closed it, as far as is known at this moment. What it says otherwise
    /// is of no interest.
    async fn is_closed(&mut self) -> bool {
        // Lets the runtime look at its sockets.
        tokio::task::yield_now().await;
        let mut space = [0; 256];
        poll_fn(|context| {
            loop {
                let mut read = ReadBuf::new(&mut space);
                match Pin::new(&mut self.0).poll_read(context, &mut read) {
                    Poll::Pending => return Poll::Ready(false),
                    Poll::Ready(Ok(())) if !read.filled().is_empty() => {}
                    Poll::Ready(_) => return Poll::Ready(true),
                }
            }
        })
        .await
    }
}
