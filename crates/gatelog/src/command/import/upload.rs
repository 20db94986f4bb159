//! Batches to the server, until it has taken them.
//!
//! **Failure.** A server that is full, that ends or that is not there is waited for, and the batch is
//! sent again under its key: what had been taken is a duplicate then. When nothing is taken for as long
//! as the patience lasts, or the server refuses for good, or the very first batch finds nobody, the
//! import has failed, and whoever reads files is told by the closed channel.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use indicatif::ProgressBar;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::super::client::{self, Client};
use super::super::print;
use super::batch::Batch;
use super::rejects::Rejects;
use crate::backoff::Backoff;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest pause before a batch is sent again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What the uploads have in common.
#[derive(Debug)]
pub(super) struct Uploads {
    client: Client,
    url: Uri,
    patience: Duration,
    pub(super) rejects: Arc<Rejects>,
    pub(super) bar: ProgressBar,
    state: Mutex<State>,
    /// The reason for the wait was told.
    waiting: AtomicBool,
}

#[derive(Debug)]
struct State {
    tally: Tally,
    /// The server has answered.
    met: bool,
    /// When it last took something.
    last_taken: Instant,
    failure: Option<String>,
}

/// What the server has said of the records.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) duplicates: u64,
    pub(super) filtered: u64,
}

/// The server's answer.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    #[serde(default)]
    duplicates: u64,
    #[serde(default)]
    filtered: u64,
    #[serde(default)]
    rejected: Vec<Rejected>,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
struct Rejected {
    index: usize,
    error: String,
}

/// What became of a request.
enum Sent {
    Taken(Answer),
    /// To be sent again, after this pause if the server names one.
    Later(String, Option<Duration>),
    TooLarge(String),
    Refused(String),
}

impl Uploads {
    pub(super) fn new(
        url: Uri,
        patience: Duration,
        rejects: Arc<Rejects>,
        bar: ProgressBar,
    ) -> Self {
        Self {
            client: Client::new(),
            url,
            patience,
            rejects,
            bar,
            state: Mutex::new(State {
                tally: Tally::default(),
                met: false,
                last_taken: Instant::now(),
                failure: None,
            }),
            waiting: AtomicBool::new(false),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tally(&self) -> Tally {
        self.state().tally
    }

    /// Why not all was sent.
    pub(super) fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Ends the import.
    pub(super) fn fail(&self, reason: String) {
        self.state().failure.get_or_insert(reason);
    }

    /// Uploads what waits, until no more comes or the import has failed.
    pub(super) async fn work(
        self: Arc<Self>,
        batches: Arc<tokio::sync::Mutex<mpsc::Receiver<Batch>>>,
    ) {
        loop {
            let batch = batches.lock().await.recv().await;
            let Some(batch) = batch else { return };
            let mut parts = vec![batch];
            while let Some(batch) = parts.pop() {
                match self.deliver(&batch).await {
                    Ok(()) => {}
                    Err(Some(halves)) => parts.extend(halves.into_iter().rev()),
                    Err(None) => {
                        batches.lock().await.close();
                        return;
                    }
                }
            }
        }
    }

    /// Sends a batch until it is taken.
    ///
    /// # Errors
    /// Its halves, when it is too large; nothing, when the import has failed.
    async fn deliver(&self, batch: &Batch) -> Result<(), Option<[Batch; 2]>> {
        let mut backoff = Backoff::new(Duration::from_millis(100), LONGEST_PAUSE);
        loop {
            if self.failure().is_some() {
                return Err(None);
            }
            match self.send(batch).await {
                Sent::Taken(answer) => {
                    self.count(batch, &answer);
                    return Ok(());
                }
                Sent::TooLarge(reason) => {
                    let halves = batch.halves();
                    if halves.is_some() {
                        return Err(halves);
                    }
                    if let Some((place, record)) = batch.item(0) {
                        self.rejects.reject(&batch.file, place, &reason, record);
                    }
                    return Ok(());
                }
                Sent::Refused(reason) => {
                    self.fail(reason);
                    return Err(None);
                }
                Sent::Later(reason, pause) => {
                    let (met, since) = {
                        let state = self.state();
                        (state.met, state.last_taken.elapsed())
                    };
                    if !met || since >= self.patience {
                        self.fail(reason);
                        return Err(None);
                    }
                    if !self.waiting.swap(true, Ordering::Relaxed) {
                        let told = format_args!("waiting for the server: {reason}");
                        self.bar.suspend(|| print::error(told));
                    }
                    let pause = pause.unwrap_or(Duration::ZERO).min(LONGEST_PAUSE);
                    tokio::time::sleep(pause.max(backoff.pause())).await;
                }
            }
        }
    }

    async fn send(&self, batch: &Batch) -> Sent {
        let Ok(key) = HeaderValue::from_str(&batch.key) else {
            return Sent::Refused("a key that is none".to_owned());
        };
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        let headers = vec![(header::CONTENT_TYPE, ndjson), (KEY, key)];
        let sent = self
            .client
            .post(self.url.clone(), headers, batch.body.clone());
        let client::Answer {
            status,
            retry_after,
            body,
        } = match sent.await {
            Ok(answer) => answer,
            Err(error) => return Sent::Later(error, None),
        };
        self.state().met = true;
        let told = || format!("{status}: {}", String::from_utf8_lossy(&body).trim());
        let answer: Option<Answer> = serde_json::from_slice(&body).ok();
        match (status, answer) {
            (StatusCode::OK | StatusCode::BAD_REQUEST, Some(answer)) if answer.error.is_none() => {
                Sent::Taken(answer)
            }
            (StatusCode::PAYLOAD_TOO_LARGE, _) => Sent::TooLarge(told()),
            (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS, _) => {
                Sent::Later(told(), retry_after)
            }
            (status, _) if status.is_server_error() => Sent::Later(told(), retry_after),
            _ => Sent::Refused(told()),
        }
    }

    fn count(&self, batch: &Batch, answer: &Answer) {
        for Rejected { index, error } in &answer.rejected {
            if let Some((place, record)) = batch.item(*index) {
                self.rejects.reject(&batch.file, place, error, record);
            }
        }
        let mut state = self.state();
        state.last_taken = Instant::now();
        state.tally.accepted += answer.accepted;
        state.tally.duplicates += answer.duplicates;
        state.tally.filtered += answer.filtered;
        let records = state.tally.accepted + state.tally.duplicates;
        drop(state);
        self.waiting.store(false, Ordering::Relaxed);
        self.bar.set_message(format!("{records} records"));
    }
}
