//! A load with a rate: how long an answer takes while the server is not at its limit.
//!
//! **Shape.** Each connection is a thread that posts at fixed moments. A time is counted from the
//! moment at which the request was due, so a server that stalls is charged for all that wait.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

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
    let every = Duration::from_secs_f64(f64::from(CONNECTIONS) / per_second);
    let begin = Instant::now() + Duration::from_millis(200);
    let end = begin + Duration::from_secs(seconds);
    let sender = |nth: u32| {
        let due = begin + every * nth / CONNECTIONS;
        send(port, &requests, nth as usize, due, every, end)
    };
    let times = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|nth| scope.spawn(move || sender(nth)))
            .collect();
        let joined = senders.into_iter().map(|sender| match sender.join() {
            Ok(times) => times,
            Err(_) => anyhow::bail!("a sender panicked"),
        });
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut times = times.concat();
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let per_second = times.len() as f64 / begin.elapsed().as_secs_f64();
    Ok(Paced {
        per_second,
        p50_ms: quantile(&mut times, 0.5),
        p99_ms: quantile(&mut times, 0.99),
    })
}

/// Posts at `due` and every `every` after it, and answers the times in ms.
fn send(
    port: u16,
    requests: &[String],
    first: usize,
    mut due: Instant,
    every: Duration,
    end: Instant,
) -> anyhow::Result<Vec<f64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    let mut times = Vec::new();
    for request in requests.iter().cycle().skip(first * 31) {
        if due > end {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(request.as_bytes())?;
        read_answer(&mut answers)?;
        times.push(due.elapsed().as_secs_f64() * 1000.0);
        due += every;
    }
    Ok(times)
}

fn read_answer(answers: &mut impl BufRead) -> anyhow::Result<()> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    ensure!(line.starts_with("HTTP/1.1 200"), "an answer: {line}");
    let mut length = 0;
    while line.trim_end() != "" {
        line.clear();
        answers.read_line(&mut line)?;
        if let Some(("content-length", value)) = line.split_once(':') {
            length = value.trim().parse().context("content-length")?;
        }
    }
    std::io::copy(&mut answers.take(length), &mut std::io::sink())?;
    Ok(())
}
