//! Reading everything back through `GET /query`, and showing it to the oracle.
//!
//! **Shape.** First a record is sent and waited for: the store reads the journal in order, so when it
//! is seen, everything before it is, and the collector is alive. Then the whole of time is divided
//! into windows of about [`WINDOW_ROWS`] rows, which are read by [`ASKERS`] at a time, each window
//! page by page with cursors: what a page costs does not depend on how much there is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use gatelog_record::{Timestamp, json};
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::task::JoinSet;

use super::books::Books;
use super::load::url;
use super::oracle::Id;
use super::payload;
use crate::command::client::Client;
use crate::intake;

/// The lane of the records that are sent to see whether the collector is alive.
const FRESH_LANE: u16 = 9999;

/// Rows in a window, about.
const WINDOW_ROWS: u64 = 1000;

/// Rows in a page: the most that may be asked for, without a cursor and with one.
const FIRST_PAGE_ROWS: u32 = 100;
const PAGE_ROWS: u32 = 1000;

/// Windows that are read at a time.
const ASKERS: usize = 3;

/// How long nothing may change before the store counts as stuck.
const STUCK: Duration = Duration::from_mins(1);

/// The part of an answer of `GET /query` that counts.
#[derive(Deserialize)]
struct Page {
    total: Option<u64>,
    logs: Option<Vec<Box<RawValue>>>,
    next_cursor: Option<String>,
}

/// Where to read.
#[derive(Clone, Debug)]
pub struct ReadBack {
    client: Client,
    address: SocketAddr,
    books: Books,
}

impl ReadBack {
    /// Of the collector at this address, into these books.
    pub fn new(address: SocketAddr, books: &Books) -> Self {
        Self {
            client: Client::new(),
            address,
            books: books.clone(),
        }
    }

    /// Waits until the store has everything that was acknowledged, reads it all, and shows it to the
    /// oracle. Answers how many rows there were and how long the reading took.
    ///
    /// # Errors
    /// The collector did not take a record, the store did not catch up, or a query was not answered.
    pub async fn read(&self) -> Result<(u64, Duration), String> {
        self.catch_up().await?;
        let begun = Instant::now();
        let total = self.total().await?;
        self.books.open().oracle.forget_sightings();
        let shown = self.all(total).await?;
        if shown != total {
            return Err(format!("{total} rows were counted, {shown} shown"));
        }
        Ok((total, begun.elapsed()))
    }

    /// Sends a fresh record, and waits until it is seen.
    async fn catch_up(&self) -> Result<(), String> {
        let id = {
            let mut books = self.books.open();
            let number = books.oracle.issue(FRESH_LANE, 1).start;
            Id {
                lane: FRESH_LANE,
                number,
            }
        };
        let start = Timestamp::from_millis(intake::now().millis());
        let mut body = String::new();
        payload::write(id, start, 0, &mut body);
        let name = json::read(&body).ok().and_then(|(record, _)| {
            let name = record.request_id?;
            Some(name.into_owned())
        });
        let question = format!("page_size=1&request_id={}", name.unwrap_or_default());
        let url = url(self.address, "/ingest").ok_or("no address")?;
        let answer = self.client.post(url, Vec::new(), Bytes::from(body)).await?;
        if answer.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!(
                "a fresh record was answered {}: {body}",
                answer.status
            ));
        }
        let numbers = id.number..id.number + 1;
        self.books.open().oracle.acknowledge(FRESH_LANE, numbers);
        let (mut rows, mut since) = (0, Instant::now());
        loop {
            // The store may answer errors until it has opened.
            if let Ok(page) = self.page(&question).await
                && page.total.is_some_and(|total| total > 0)
            {
                return Ok(());
            }
            let now = self.total().await.unwrap_or(rows);
            if now != rows {
                (rows, since) = (now, Instant::now());
            } else if since.elapsed() > STUCK {
                return Err(format!(
                    "the store did not catch up: {rows} rows for {} s, a fresh record is not seen",
                    STUCK.as_secs()
                ));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn total(&self) -> Result<u64, String> {
        let page = self.page("page_size=1").await?;
        page.total.ok_or_else(|| "no total".to_owned())
    }

    async fn page(&self, question: &str) -> Result<Page, String> {
        let url = url(self.address, &format!("/query?{question}")).ok_or("no address")?;
        let answer = self.client.get(url).await?;
        if answer.status != StatusCode::OK {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("GET /query?{question}: {} {body}", answer.status));
        }
        serde_json::from_slice(&answer.body).map_err(|error| format!("not an answer: {error}"))
    }

    /// Reads all rows; how many were shown.
    async fn all(&self, total: u64) -> Result<u64, String> {
        let windows = Arc::new(windows(
            self.edge("asc").await?,
            self.edge("desc").await?,
            total.div_ceil(WINDOW_ROWS),
        ));
        let next = Arc::new(AtomicU64::new(0));
        let mut askers: JoinSet<Result<u64, String>> = JoinSet::new();
        for _ in 0..ASKERS {
            let (reader, windows, next) = (self.clone(), Arc::clone(&windows), Arc::clone(&next));
            askers.spawn(async move {
                let mut shown = 0;
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let at = usize::try_from(at).unwrap_or(usize::MAX);
                    let Some(window) = windows.get(at) else {
                        return Ok(shown);
                    };
                    shown += reader.window(window).await?;
                }
            });
        }
        let mut shown = 0;
        while let Some(asker) = askers.join_next().await {
            shown += asker.map_err(|error| error.to_string())??;
        }
        Ok(shown)
    }

    /// The start time of the first or the last row.
    async fn edge(&self, order: &str) -> Result<Timestamp, String> {
        let question = format!("page_size=1&count=none&sort_by=start_time&sort_order={order}");
        let page = self.page(&question).await?;
        let row = page.logs.and_then(|rows| rows.into_iter().next());
        let time = row.and_then(|row| json::read(row.get()).ok()?.0.start_time);
        time.ok_or_else(|| "a row without a start time".to_owned())
    }

    /// Reads the rows of a window, which is a condition on the start time.
    async fn window(&self, window: &str) -> Result<u64, String> {
        let mut place = format!("&page_size={FIRST_PAGE_ROWS}");
        let mut shown = 0;
        loop {
            let question =
                format!("fields=all&count=none&sort_by=start_time&sort_order=asc{window}{place}");
            let page = self.page(&question).await?;
            let rows = page.logs.unwrap_or_default();
            shown += rows.len() as u64;
            let sightings: Vec<_> = rows.iter().map(|row| payload::examine(row.get())).collect();
            let mut books = self.books.open();
            for sighting in sightings {
                books.oracle.see(sighting);
            }
            match page.next_cursor {
                Some(next) => place = format!("&page_size={PAGE_ROWS}&cursor={next}"),
                None => return Ok(shown),
            }
        }
    }
}

/// So many conditions on the start time that together hold for each row once, most of them between
/// `first` and `last`.
fn windows(first: Timestamp, last: Timestamp, count: u64) -> Vec<String> {
    let span = last.micros().saturating_sub(first.micros());
    let count = i64::try_from(count)
        .unwrap_or(i64::MAX)
        .clamp(1, span.max(1));
    let edge = |window: i64| {
        let part = i128::from(span) * i128::from(window) / i128::from(count);
        first.micros() + i64::try_from(part).unwrap_or(span)
    };
    (0..count)
        .map(|window| {
            let mut condition = String::new();
            if window > 0 {
                let from = Timestamp::from_micros(edge(window));
                condition = format!("&start={from}");
            }
            if window + 1 < count {
                let to = Timestamp::from_micros(edge(window + 1) - 1);
                condition = format!("{condition}&end={to}");
            }
            condition
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_moment_once() {
        let moment = Timestamp::from_micros;
        let windows = windows(moment(1_000_000), moment(3_000_000), 3);
        assert_eq!(
            windows,
            [
                "&end=1970-01-01T00:00:01.666665Z",
                "&start=1970-01-01T00:00:01.666666Z&end=1970-01-01T00:00:02.333332Z",
                "&start=1970-01-01T00:00:02.333333Z",
            ]
        );
        let one = moment(5);
        assert_eq!(super::windows(one, one, 9), [""]);
        assert_eq!(super::windows(one, moment(6), 0), [""]);
    }
}
