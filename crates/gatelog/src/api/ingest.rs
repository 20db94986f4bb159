//! `POST /ingest`: records in, acknowledged when they are on disk.
//!
//! **Answers.** 200 `{"accepted":n}`, with `"rejected":[{"index":i,"error":"…"}]` where items were
//! refused; 400 in that shape when all were; 413 too large; 415 an unknown `Content-Encoding`; 503
//! with `Retry-After` when the journal is full or cannot be written.
//!
//! **Limits.** Bodies above [`LARGE_BYTES`] are read one at a time each in [`LARGE_AT_ONCE`] places,
//! so that memory does not follow the number of senders. A body must arrive within
//! [`BODY_TIMEOUT`].

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use gatelog_journal::Error as JournalError;
use gatelog_record::json::write_text;
use http_body_util::BodyExt;

use crate::decode::{InflateError, inflate};
use crate::intake::Outcome;
use crate::service::Service;

/// Bodies above this, or compressed, are decoded outside the async threads.
const LARGE_BYTES: usize = 256 << 10;

/// Large bodies that are in memory at the same time.
pub const LARGE_AT_ONCE: usize = 2;

/// How long a sender may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// Answers `POST /ingest`.
pub async fn ingest(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let response = match answer(&service, &headers, body).await {
        Ok(outcome) => acknowledged(&outcome),
        Err(refusal) => refusal.response(),
    };
    service.count_request(response.status());
    response
}

async fn answer(
    service: &Arc<Service>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Outcome, Refusal> {
    let limit = service.limits.body_bytes;
    let length = body.size_hint();
    let encoding = match headers
        .get(header::CONTENT_ENCODING)
        .map(HeaderValue::to_str)
    {
        None => None,
        Some(Ok(encoding)) => Some(encoding),
        Some(Err(_)) => return Err(InflateError::UnknownEncoding("?".to_owned()).into()),
    };
    // A place is taken before the body is read: waiting senders wait in the network, not in memory.
    let small = encoding.is_none()
        && length
            .upper()
            .is_some_and(|upper| upper <= LARGE_BYTES as u64);
    let _place = if small {
        None
    } else {
        service.large_bodies.acquire().await.ok()
    };
    let body = match tokio::time::timeout(BODY_TIMEOUT, read(body, limit)).await {
        Ok(body) => body?,
        Err(_) => return Err(Refusal::Slow),
    };
    let mut outcome = if small {
        service.intake.take(&service.journal, &body)?
    } else {
        take_large(service, encoding, body).await?
    };
    for appended in outcome.appended.drain(..) {
        appended.await?;
    }
    service.intake.count_acknowledged(outcome.accepted);
    Ok(outcome)
}

/// Reads a body of at most `limit` bytes.
///
/// A larger one is read on for as much again and thrown away: a sender that is still sending when
/// it is answered sees a broken connection in place of the answer.
async fn read(mut body: Body, limit: usize) -> Result<Bytes, Refusal> {
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

/// Decompresses and decodes on a thread that may block.
async fn take_large(
    service: &Arc<Service>,
    encoding: Option<&str>,
    body: Bytes,
) -> Result<Outcome, Refusal> {
    let service = Arc::clone(service);
    let encoding = encoding.map(str::to_owned);
    let task = tokio::task::spawn_blocking(move || -> Result<Outcome, Refusal> {
        let limit = service.limits.decompressed_bytes;
        let inflated = inflate(encoding.as_deref(), &body, limit)?;
        Ok(service
            .intake
            .take(&service.journal, inflated.as_deref().unwrap_or(&body))?)
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
    Slow,
    Unreadable(String),
    Inflate(InflateError),
    Journal(JournalError),
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
            Self::Unreadable(reason) => (StatusCode::BAD_REQUEST, reason.clone()),
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
        if let Self::Journal(error) = self {
            let seconds = match error {
                JournalError::Overloaded { .. } => "1",
                JournalError::Full { .. } => "5",
                _ => "30",
            };
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

fn acknowledged(outcome: &Outcome) -> Response {
    let status = if outcome.accepted == 0 && !outcome.rejected.is_empty() {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let mut body = format!("{{\"accepted\":{}", outcome.accepted);
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
