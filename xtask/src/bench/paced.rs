//! A load with a rate: how long an answer takes while the server is not at its limit.
//!
//! **Shape.** One thread posts on all connections in turn, each at fixed moments, and waits for
//! whatever comes first: the next moment or an answer. A time is counted from the moment at which the
//! request was due, so a server that stalls is charged for all that wait. A thread for each connection
//! would take more of the processors than the server does.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::quantile;
use super::wrk;

const CONNECTIONS: u32 = 64;

/// What the senders saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paced {
    pub(super) per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// A connection with at most one request under way.
struct Connection {
    stream: TcpStream,
    /// When its next request is due.
    due: Instant,
    /// When the one under way was due.
    waiting_since: Option<Instant>,
    answer: Vec<u8>,
}

/// Posts single records to `127.0.0.1:PORT` at this rate for some seconds.
///
/// # Errors
/// When a connection fails, or an answer is not 200.
pub(super) fn load(port: u16, per_second: f64, seconds: u64) -> anyhow::Result<Paced> {
    let requests: Vec<String> = wrk::bodies(1)
        .into_iter()
        .map(|body| {
            format!(
                "POST /ingest HTTP/1.1\r\nhost: gatelog\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            )
        })
        .collect();
    send(port, &requests, per_second, seconds)
}

/// Sends these requests in turn, which have to be answered with 200 and a length.
///
/// # Errors
/// As [`load`].
pub(super) fn send(
    port: u16,
    requests: &[String],
    per_second: f64,
    seconds: u64,
) -> anyhow::Result<Paced> {
    let mut requests = requests.iter().map(String::as_bytes).cycle();
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / per_second);
    let begin = Instant::now() + Duration::from_millis(200);
    let end = begin + Duration::from_secs(seconds);
    let mut connections = (0..CONNECTIONS)
        .map(|nth| Connection::open(port, begin + every * nth / CONNECTIONS))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut times = Vec::new();
    loop {
        let now = Instant::now();
        let mut next = None;
        for connection in &mut connections {
            if connection.waiting_since.is_some() {
                continue;
            }
            if connection.due <= now.min(end) {
                let request = requests.next().context("no requests")?;
                connection.post(request)?;
                connection.due += every;
            } else if connection.due < end {
                next = Some(next.map_or(connection.due, |next: Instant| next.min(connection.due)));
            }
        }
        let is_idle = connections.iter().all(|one| one.waiting_since.is_none());
        if is_idle && next.is_none() {
            break;
        }
        let mut ready = wait(&connections, next)?.into_iter();
        for connection in &mut connections {
            if connection.waiting_since.is_some() && ready.next().unwrap_or_default() {
                times.extend(connection.answered()?);
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let per_second = times.len() as f64 / begin.elapsed().as_secs_f64();
    Ok(Paced {
        per_second,
        p50_ms: quantile(&mut times, 0.5),
        p99_ms: quantile(&mut times, 0.99),
    })
}

/// Waits until an answer comes or `next` is there; which of those that wait have something to read.
fn wait(connections: &[Connection], next: Option<Instant>) -> anyhow::Result<Vec<bool>> {
    let waiting = connections
        .iter()
        .filter(|one| one.waiting_since.is_some())
        .map(|one| PollFd::new(&one.stream, PollFlags::IN));
    let mut waiting: Vec<_> = waiting.collect();
    let rest = next.map_or(Duration::from_secs(10), |next| {
        next.saturating_duration_since(Instant::now())
    });
    poll(&mut waiting, Some(&Timespec::try_from(rest)?))?;
    let ready = waiting.iter().map(|one| !one.revents().is_empty());
    Ok(ready.collect())
}

impl Connection {
    fn open(port: u16, due: Instant) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            due,
            waiting_since: None,
            answer: Vec::new(),
        })
    }

    fn post(&mut self, request: &[u8]) -> anyhow::Result<()> {
        // It is small, and the one before was answered: the socket has room for it.
        self.stream.write_all(request)?;
        self.waiting_since = Some(self.due);
        Ok(())
    }

    /// How long the request under way took, in ms, if its answer is here.
    fn answered(&mut self) -> anyhow::Result<Option<f64>> {
        let Some(due) = self.waiting_since else {
            return Ok(None);
        };
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => bail!("a connection was closed"),
            Ok(read) => self.answer.extend(piece.iter().take(read)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let answer = std::str::from_utf8(&self.answer)?;
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            return Ok(None);
        };
        ensure!(head.starts_with("HTTP/1.1 200"), "an answer: {answer}");
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.context("no content-length")?.parse()?;
        if body.len() < length {
            return Ok(None);
        }
        self.answer.clear();
        self.waiting_since = None;
        Ok(Some(due.elapsed().as_secs_f64() * 1000.0))
    }
}
