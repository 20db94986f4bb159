//! Receivers that count and do nothing else: requests of HTTP, datagrams, lines.
//!
//! **Shape.** Blocking threads, one for each connection; they end with the process. A request is answered
//! with 200 and no body. Bodies are read and forgotten.
//!
//! **Limits.** A request has a `Content-Length`, and the next one comes behind its answer: true of `http-log`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;
use socket2::SockRef;

/// What the kernel is asked to keep for a receiver that is behind; it gives up to `net.core.rmem_max`.
const ROOM_BYTES: usize = 64 << 20;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A receiver on a port of its own.
pub(super) struct Receiver {
    pub(super) port: u16,
    /// What the kernel keeps for it, as it counts: with what it needs for each datagram.
    pub(super) room_bytes: usize,
    counts: Arc<Counts>,
}

/// Messages are requests, datagrams or lines; bytes are those of bodies, datagrams or the stream.
#[derive(Default)]
struct Counts {
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Counts {
    fn add(&self, messages: usize, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
    }
}

impl Receiver {
    /// Of HTTP requests.
    pub(super) fn http() -> anyhow::Result<Self> {
        Self::accept(requests)
    }

    /// Of lines.
    pub(super) fn tcp() -> anyhow::Result<Self> {
        Self::accept(lines)
    }

    /// Of datagrams.
    pub(super) fn udp() -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let room = SockRef::from(&socket);
        room.set_recv_buffer_size(ROOM_BYTES)?;
        let room_bytes = room.recv_buffer_size()?;
        let port = socket.local_addr()?.port();
        let counts = Arc::<Counts>::default();
        let shared = Arc::clone(&counts);
        std::thread::spawn(move || {
            let mut datagram = vec![0; 1 << 16];
            while let Ok(bytes) = socket.recv(&mut datagram) {
                shared.add(1, bytes);
            }
        });
        Ok(Self {
            port,
            room_bytes,
            counts,
        })
    }

    fn accept(serve: fn(&mut TcpStream, &Counts) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let counts = Arc::<Counts>::default();
        let shared = Arc::clone(&counts);
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let counts = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A sender that is killed leaves in the middle of a request.
                    drop(serve(&mut connection, &counts));
                });
            }
        });
        Ok(Self {
            port,
            room_bytes: 0,
            counts,
        })
    }

    /// Messages so far.
    pub(super) fn messages(&self) -> u64 {
        self.counts.messages.load(Ordering::Relaxed)
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }
}

fn requests(connection: &mut TcpStream, counts: &Counts) -> anyhow::Result<()> {
    connection.set_nodelay(true)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let mut filled = 0;
        let head = loop {
            let read = connection.read(buffer.get_mut(filled..).unwrap_or_default())?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            let seen = buffer.get(..filled).unwrap_or_default();
            if let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let length = content_length(buffer.get(..head).unwrap_or_default())
            .context("a request without Content-Length")?;
        let mut missing = (head + length).saturating_sub(filled);
        while missing > 0 {
            let read = connection.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            missing = missing.saturating_sub(read);
        }
        counts.add(1, length);
        connection.write_all(ANSWER)?;
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })
}

fn lines(connection: &mut TcpStream, counts: &Counts) -> anyhow::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let read = connection.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        let seen = buffer.get(..read).unwrap_or_default();
        let ends: usize = seen.iter().map(|byte| usize::from(*byte == b'\n')).sum();
        counts.add(ends, read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_however_they_are_cut() {
        let receiver = Receiver::http().unwrap();
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, receiver.port)).unwrap();
        let mut answer = [0; ANSWER.len()];
        for parts in [
            ["POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nb", "\r\n\r\n"],
            ["POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody", ""],
            ["POST / HTTP/1.1\r\ncontent-le", "ngth: 4\r\n\r\nbody"],
        ] {
            for part in parts {
                connection.write_all(part.as_bytes()).unwrap();
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            connection.read_exact(&mut answer).unwrap();
            assert_eq!(answer, ANSWER);
        }
        assert_eq!((receiver.messages(), receiver.bytes()), (3, 13));
    }
}
