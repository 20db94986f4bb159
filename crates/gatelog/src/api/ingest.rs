//! `POST /ingest`: records in, acknowledged when they are on disk.
//!
//! **Answers.** 200 `{"accepted":n}`, with `"duplicates":d` where records were here already (of a
//! sender that numbers them: [`headers`](crate::senders::headers)), and
//! `"rejected":[{"index":i,"error":"…"}]` where items were refused; 400 in that shape when all were,
//! and where the headers of the numbers are malformed; 413 too large; 415 an unknown
//! `Content-Encoding`; 503 with `Retry-After` when the journal is full or cannot be written.
//!
//! **Limits.** Bodies above [`LARGE_BYTES`] share [`ROOM_MEBIBYTES`] of memory; who finds no room
//! within [`ROOM_TIMEOUT`] is answered 503. [`LARGE_AT_ONCE`] of them are decompressed and decoded
//! at a time. A body must arrive within [`BODY_TIMEOUT`].

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Bytes, HttpBody as Body};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use gatelog_journal::Error as JournalError;
use gatelog_record::json::write_text;
use http_body_util::BodyExt;
use tokio::sync::SemaphorePermit;

use crate::decode::{InflateError, inflate};
use crate::intake::Outcome;
use crate::senders::headers::{self, HeaderError};
use crate::senders::{self, Sent};
use crate::service::Service;

/// Bodies above this, or compressed, are decoded outside the async threads.
const LARGE_BYTES: usize = 256 << 10;

/// Memory for large bodies as they come over the network, before decompression.
pub const ROOM_MEBIBYTES: usize = 128;

/// How long a body may wait for room.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// Large and compressed bodies that are decoded at the same time.
pub const LARGE_AT_ONCE: usize = 2;

/// How long a sender may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// Answers `POST /ingest`.
pub async fn ingest<B>(service: &Arc<Service>, request: Request<B>) -> Response
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let (head, body) = request.into_parts();
    let response = match answer(service, &head.headers, body).await {
        Ok(outcome) => acknowledged(&outcome),
        Err(refusal) => refusal.response(),
    };
    service.count_request(response.status());
    response
}

async fn answer<B>(service: &Arc<Service>, headers: &HeaderMap, body: B) -> Result<Outcome, Refusal>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let limit = service.limits.body_bytes;
    let sent = headers::read(headers)?;
    let encoding = match headers
        .get(header::CONTENT_ENCODING)
        .map(HeaderValue::to_str)
    {
        None => None,
        Some(Ok(encoding)) => Some(encoding),
        Some(Err(_)) => return Err(InflateError::UnknownEncoding("?".to_owned()).into()),
    };
    let at_most = body
        .size_hint()
        .upper()
        .map_or(limit, |upper| as_usize(upper).min(limit));
    let small = at_most <= LARGE_BYTES;
    // Room is taken before the body is read: those who wait for it wait in the network.
    let room = if small {
        None
    } else {
        Some(room(service, at_most).await?)
    };
    let body = match tokio::time::timeout(BODY_TIMEOUT, read(body, limit)).await {
        Ok(body) => body?,
        Err(_) => return Err(Refusal::Slow),
    };
    let mut outcome = if small && encoding.is_none() {
        take(service, sent.as_ref(), &body)?
    } else {
        take_large(service, encoding, sent, body).await?
    };
    drop(room);
    for appended in outcome.appended.drain(..) {
        appended.await?;
    }
    service.intake.count_acknowledged(&outcome);
    Ok(outcome)
}

/// Room in memory for a body of this size.
async fn room(service: &Arc<Service>, bytes: usize) -> Result<SemaphorePermit<'_>, Refusal> {
    let mebibytes = bytes.div_ceil(1 << 20).min(ROOM_MEBIBYTES);
    let wanted = service
        .room
        .acquire_many(u32::try_from(mebibytes).unwrap_or(u32::MAX));
    match tokio::time::timeout(ROOM_TIMEOUT, wanted).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Refusal::Busy),
    }
}

fn as_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Reads a body of at most `limit` bytes.
///
/// A larger one is read on for as much again and thrown away: a sender that is still sending when
/// it is answered sees a broken connection in place of the answer.
async fn read<B>(mut body: B, limit: usize) -> Result<Bytes, Refusal>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let (mut parts, mut length) = (Vec::new(), 0usize);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Unreadable(error.to_string()))?;
        let Ok(part) = frame.into_data() else {
            continue;
        };
        length = length.saturating_add(part.len());
        if length > limit.saturating_mul(2) {
            break;
        }
        if length > limit {
            parts.clear();
        } else if parts.is_empty() && body.is_end_stream() {
            return Ok(part);
        } else {
            parts.push(part);
        }
    }
    if length > limit {
        Err(Refusal::TooLarge { limit })
    } else {
        Ok(Bytes::from(parts.concat()))
    }
}

/// Decodes a body and appends its records.
fn take(service: &Service, sent: Option<&Sent>, body: &[u8]) -> Result<Outcome, Refusal> {
    let Service {
        intake,
        journal,
        senders,
        ..
    } = service;
    match sent {
        None => Ok(intake.take(journal, body)?),
        Some(sent) => Ok(intake.take_numbered(journal, senders, sent, body)?),
    }
}

/// Decompresses and decodes on a thread that may block.
async fn take_large(
    service: &Arc<Service>,
    encoding: Option<&str>,
    sent: Option<Sent>,
    body: Bytes,
) -> Result<Outcome, Refusal> {
    let Ok(_place) = service.decoders.acquire().await else {
        return Err(Refusal::Busy);
    };
    let service = Arc::clone(service);
    let encoding = encoding.map(str::to_owned);
    let task = tokio::task::spawn_blocking(move || -> Result<Outcome, Refusal> {
        let limit = service.limits.decompressed_bytes;
        let inflated = inflate(encoding.as_deref(), &body, limit)?;
        let body = inflated.as_deref().unwrap_or(&body);
        take(&service, sent.as_ref(), body)
    });
    match task.await {
        Ok(outcome) => outcome,
        Err(_) => Err(Refusal::Unreadable(
            "the body could not be decoded".to_owned(),
        )),
    }
}

/// Why a body was not taken.
#[derive(Debug)]
enum Refusal {
    TooLarge { limit: usize },
    Busy,
    Slow,
    Unreadable(String),
    Headers(HeaderError),
    Inflate(InflateError),
    Numbers(senders::Error),
    Journal(JournalError),
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        Self::Headers(error)
    }
}

impl From<senders::Error> for Refusal {
    fn from(error: senders::Error) -> Self {
        match error {
            senders::Error::Journal(error) => Self::Journal(error),
            error => Self::Numbers(error),
        }
    }
}

impl From<InflateError> for Refusal {
    fn from(error: InflateError) -> Self {
        Self::Inflate(error)
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl Refusal {
    fn response(&self) -> Response {
        let (status, error) = match self {
            Self::TooLarge { limit } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {limit} bytes"),
            ),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "the body did not arrive within {} s",
                    BODY_TIMEOUT.as_secs()
                ),
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "too many large bodies are being read".to_owned(),
            ),
            Self::Unreadable(reason) => (StatusCode::BAD_REQUEST, reason.clone()),
            Self::Headers(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Self::Numbers(error) => (
                match error {
                    senders::Error::Overflow { .. } => StatusCode::BAD_REQUEST,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                },
                error.to_string(),
            ),
            Self::Inflate(error) => (
                match error {
                    InflateError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                    InflateError::UnknownEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    InflateError::Damaged { .. } => StatusCode::BAD_REQUEST,
                },
                error.to_string(),
            ),
            Self::Journal(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        };
        let mut body = r#"{"accepted":0,"error":"#.to_owned();
        write_text(&error, &mut body);
        body.push('}');
        let mut response = super::json(status, body);
        let seconds = match self {
            Self::Busy
            | Self::Numbers(senders::Error::Crowded)
            | Self::Journal(JournalError::Overloaded { .. }) => Some("1"),
            Self::Journal(JournalError::Full { .. } | JournalError::DiskFull { .. }) => Some("5"),
            Self::Journal(_) => Some("30"),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

fn acknowledged(outcome: &Outcome) -> Response {
    let taken = outcome.accepted + outcome.duplicates;
    let status = if taken == 0 && !outcome.rejected.is_empty() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let mut body = format!("{{\"accepted\":{}", outcome.accepted);
    if outcome.duplicates > 0 {
        body.push_str(",\"duplicates\":");
        body.push_str(&outcome.duplicates.to_string());
    }
    let mut separator = ",\"rejected\":[";
    for (index, error) in &outcome.rejected {
        body.push_str(separator);
        body.push_str("{\"index\":");
        body.push_str(&index.to_string());
        body.push_str(",\"error\":");
        write_text(error, &mut body);
        body.push('}');
        separator = ",";
    }
    body.push_str(if separator == "," { "]}" } else { "}" });
    super::json(status, body)
}
