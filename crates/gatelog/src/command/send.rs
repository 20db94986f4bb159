//! `gatelog send`: standard records to a running server.
//!
//! For newcomers, demonstrations and measurements: the records are
//! `gatelog_record::standard`, and what is printed is what the server acknowledged.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, Uri, header};
use clap::Args;
use gatelog_record::{json, standard};
use serde::Deserialize;

use super::client::Client;
use super::{USAGE, number, print};
use crate::intake;

/// Arguments of `gatelog send`.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// Where the server is, as http://HOST:PORT; without a path records go to /ingest.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = http_url)]
    url: Uri,
    /// Records a second, all connections together; as many as go without it.
    #[arg(long, value_name = "N", value_parser = number(1, u64::MAX))]
    rate: Option<u64>,
    /// Records to send.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = number(0, u64::MAX))]
    count: u64,
    /// Records in a request: 1 sends single objects, more NDJSON.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = number(1, 10_000))]
    batch: u64,
    /// Connections at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = number(1, 1000))]
    connections: u64,
}

#[derive(Debug, Default)]
struct Tally {
    next: AtomicU64,
    acknowledged: AtomicU64,
    /// Dropped by a filter or by sampling, as is configured there.
    filtered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    latencies: Mutex<Vec<Duration>>,
    /// What went wrong first; one is enough to see why.
    failure: Mutex<Option<String>>,
}

/// The part of the server's answer that counts.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    #[serde(default)]
    filtered: u64,
    #[serde(default)]
    rejected: Vec<serde::de::IgnoredAny>,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let Some(url) = ingest_url(&arguments.url) else {
        print::error(format_args!("{}: not an http:// address", arguments.url));
        return ExitCode::from(USAGE);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(send(arguments, &url)),
        Err(error) => {
            print::error(error);
            ExitCode::FAILURE
        }
    }
}

/// Reads the argument `--url`.
pub(super) fn http_url(text: &str) -> Result<Uri, String> {
    let url: Option<Uri> = text.parse().ok();
    url.filter(|url| ingest_url(url).is_some())
        .ok_or_else(|| "expected an address such as http://127.0.0.1:8080".to_owned())
}

/// The address with `/ingest` where it names no path.
pub(super) fn ingest_url(url: &Uri) -> Option<Uri> {
    let mut parts = url.clone().into_parts();
    if parts.scheme.as_ref().map(axum::http::uri::Scheme::as_str) != Some("http") {
        return None;
    }
    if url.path() == "/" {
        parts.path_and_query = Some("/ingest".parse().ok()?);
    }
    Uri::from_parts(parts).ok()
}

async fn send(arguments: &Arguments, url: &Uri) -> ExitCode {
    let begun = Instant::now();
    let tally = Arc::new(Tally::default());
    let client = Client::new();
    let senders: Vec<_> = (0..arguments.connections)
        .map(|_| {
            let (client, tally) = (client.clone(), Arc::clone(&tally));
            let (arguments, url) = (arguments.clone(), url.clone());
            tokio::spawn(async move {
                while let Some((first, count)) = take(&tally.next, &arguments) {
                    pace(begun, first, arguments.rate).await;
                    send_one(&client, &url, first, count, &tally).await;
                }
            })
        })
        .collect();
    for sender in senders {
        let _ended = sender.await.is_ok();
    }
    report(&tally, url, begun.elapsed())
}

/// The next records to send: the number of the first, and how many.
fn take(next: &AtomicU64, arguments: &Arguments) -> Option<(u64, u64)> {
    let first = next.fetch_add(arguments.batch, Ordering::Relaxed);
    (first < arguments.count).then(|| (first, arguments.batch.min(arguments.count - first)))
}

/// Waits until the record with this number is due.
async fn pace(begun: Instant, number: u64, rate: Option<u64>) {
    #[expect(clippy::cast_precision_loss, reason = "a pace, not a count")]
    if let Some(rate) = rate {
        let due = begun + Duration::from_secs_f64(number as f64 / rate as f64);
        tokio::time::sleep_until(due.into()).await;
    }
}

async fn send_one(client: &Client, url: &Uri, first: u64, count: u64, tally: &Tally) {
    let now = intake::now();
    let mut body = String::new();
    for number in first..first + count {
        json::write(&standard::record(number, now), &mut body);
        body.push('\n');
    }
    let begun = Instant::now();
    match post(client, url, body).await {
        Ok(answer) => {
            tally
                .acknowledged
                .fetch_add(answer.accepted, Ordering::Relaxed);
            tally.filtered.fetch_add(answer.filtered, Ordering::Relaxed);
            tally
                .refused
                .fetch_add(answer.rejected.len() as u64, Ordering::Relaxed);
            tally
                .latencies
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(begun.elapsed());
        }
        Err(error) => fail(tally, count, error),
    }
}

fn fail(tally: &Tally, count: u64, error: String) {
    tally.failed.fetch_add(count, Ordering::Relaxed);
    tally
        .failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(error);
}

async fn post(client: &Client, url: &Uri, body: String) -> Result<Answer, String> {
    let ndjson = HeaderValue::from_static("application/x-ndjson");
    let headers = vec![(header::CONTENT_TYPE, ndjson)];
    let answer = client.post(url.clone(), headers, body.into()).await?;
    if !answer.status.is_success() {
        let body = String::from_utf8_lossy(&answer.body);
        return Err(format!("{}: {body}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|error| format!("not gatelog's answer: {error}"))
}

fn report(tally: &Tally, url: &Uri, elapsed: Duration) -> ExitCode {
    let acknowledged = tally.acknowledged.load(Ordering::Relaxed);
    let filtered = match tally.filtered.load(Ordering::Relaxed) {
        0 => String::new(),
        filtered => format!("{filtered} filtered, "),
    };
    let (refused, failed) = (
        tally.refused.load(Ordering::Relaxed),
        tally.failed.load(Ordering::Relaxed),
    );
    let mut latencies = std::mem::take(
        &mut *tally
            .latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner),
    );
    latencies.sort_unstable();
    let percentile = |percent: usize| {
        let at = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(at).copied().unwrap_or_default().as_secs_f64() * 1000.0
    };
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = acknowledged as f64 / elapsed.as_secs_f64();
    print::line(format_args!(
        "{acknowledged} acknowledged, {filtered}{refused} rejected, {failed} failed in {:.2} s: {rate:.0} \
         records/s, answers p50 {:.2} ms, p99 {:.2} ms",
        elapsed.as_secs_f64(),
        percentile(50),
        percentile(99),
    ));
    match tally
        .failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_deref()
    {
        Some(failure) => {
            print::error(format_args!("POST {url}: {failure}"));
            ExitCode::FAILURE
        }
        None if refused > 0 => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_ingest() {
        let url = |text: &str| ingest_url(&text.parse().unwrap()).map(|url| url.to_string());
        assert_eq!(url("http://a:1").as_deref(), Some("http://a:1/ingest"));
        assert_eq!(
            url("http://a/logs?x=1").as_deref(),
            Some("http://a/logs?x=1")
        );
        assert!(http_url("a b").is_err() && http_url("localhost:8080").is_err());
        assert_eq!(url("https://a"), None);
        assert_eq!(url("/path"), None);
    }
}
