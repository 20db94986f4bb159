//! The limits: what a loop that only sends achieves, with the same bytes to the same receivers.
//!
//! **Shape.** Everything is made before; a thread for each connection writes it, over and over, and where
//! there are answers it waits for each.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::ensure;
use gatelog_testkit::wait;

use super::receiver::Receiver;
use super::{Http, real};

/// What stands before a record as `loggly` sends it.
const HEADER: &str = "<14>1 2026-07-01T08:09:10Z bench kong - - [bench@41058 tag=\"kong\"] ";

/// Bytes of one write of a stream.
const PIECE_BYTES: usize = 64 << 10;

/// How long a receiver may take for what is still on its way.
const DEADLINE: Duration = Duration::from_secs(10);

/// What came of a loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Received.
    pub(super) per_second: f64,
    /// Of those sent.
    pub(super) lost_percent: f64,
}

/// These records in requests, over and over for so long.
pub(super) fn http(
    receiver: &Receiver,
    http: Http,
    lines: &[String],
    time: Duration,
) -> anyhow::Result<Sent> {
    let requests: Vec<Vec<u8>> = lines
        .chunks(usize::try_from(http.batch)?)
        .map(|chunk| request(receiver.port, chunk, http.batch > 1))
        .collect();
    let port = receiver.port;
    let begun = Instant::now();
    let sent = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..http.connections)
            .map(|_| scope.spawn(|| post(port, &requests, begun + time)))
            .collect();
        let mut sent = 0;
        for sender in senders {
            match sender.join() {
                Ok(count) => sent += count?,
                Err(_) => anyhow::bail!("a sender panicked"),
            }
        }
        Ok(sent)
    })?;
    Ok(Sent {
        per_second: real(sent * http.batch) / begun.elapsed().as_secs_f64(),
        lost_percent: 0.0,
    })
}

fn request(port: u16, lines: &[String], list: bool) -> Vec<u8> {
    let body = lines.join(",");
    let body = if list { format!("[{body}]") } else { body };
    let length = body.len();
    format!(
        "POST /logs HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n\
         user-agent: bench\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Requests that were answered.
fn post(port: u16, requests: &[Vec<u8>], until: Instant) -> anyhow::Result<u64> {
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connection.set_nodelay(true)?;
    let mut answer = [0; 1024];
    let mut answered = 0;
    for request in requests.iter().cycle() {
        connection.write_all(request)?;
        let length = connection.read(&mut answer)?;
        let answer = answer.get(..length).unwrap_or_default();
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "no success");
        answered += 1;
        if Instant::now() > until {
            break;
        }
    }
    Ok(answered)
}

/// So many of these records as datagrams.
pub(super) fn datagrams(
    receiver: &Receiver,
    lines: &[String],
    records: u64,
) -> anyhow::Result<Sent> {
    let messages: Vec<String> = lines.iter().map(|line| format!("{HEADER}{line}")).collect();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, receiver.port))?;
    let before = receiver.messages();
    let begun = Instant::now();
    for message in messages.iter().cycle().take(usize::try_from(records)?) {
        socket.send(message.as_bytes())?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let received = real(settled(receiver) - before);
    Ok(Sent {
        per_second: received / seconds,
        lost_percent: 100.0 * (1.0 - received / real(records)),
    })
}

/// At least so many of these records as lines.
pub(super) fn stream(receiver: &Receiver, lines: &[String], records: u64) -> anyhow::Result<Sent> {
    let text: String = lines.iter().flat_map(|line| [HEADER, line, "\n"]).collect();
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, receiver.port))?;
    let times = records.div_ceil(lines.len() as u64);
    let sent = times * lines.len() as u64;
    let before = receiver.messages();
    let begun = Instant::now();
    for _ in 0..times {
        for piece in text.as_bytes().chunks(PIECE_BYTES) {
            connection.write_all(piece)?;
        }
    }
    wait::until("the receiver of lines", DEADLINE, || {
        let missing = before + sent - receiver.messages();
        if missing == 0 { Ok(()) } else { Err(missing) }
    })?;
    Ok(Sent {
        per_second: real(sent) / begun.elapsed().as_secs_f64(),
        lost_percent: 0.0,
    })
}

/// What a receiver has when no more comes.
fn settled(receiver: &Receiver) -> u64 {
    let mut seen = receiver.messages();
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = receiver.messages();
        if now == seen {
            return now;
        }
        seen = now;
    }
}
