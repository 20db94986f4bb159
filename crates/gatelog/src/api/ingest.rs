//! `POST /ingest`: records in, acknowledged when they are on disk.
//!
//! **Answers.** 200 `{"accepted":n}`, with `"filtered":k` where records were dropped by the
//! [filter or the sampling policy](crate::selection), `"duplicates":d` where records were here already (of
//! a sender that numbers them: [`headers`](crate::senders::headers)), and
//! `"rejected":[{"index":i,"error":"…"}]` where items were refused; 400 in that shape when all were,
//! and where the headers of the numbers are malformed; 413 what is too large now and for ever; 415 an
//! unknown `Content-Encoding`; 422 another body under the `Idempotency-Key` of one that was taken
//! (draft-ietf-httpapi-idempotency-key-header, §2.7); 503 with `Retry-After` what can be taken later:
//! the journal is full or cannot be written, there is no room or memory, the process ends.
//!
//! **Kong** sends a batch again for as long as the answer is not 2xx, and nothing behind it: one bad item
//! would hold up its log. So where all items were refused and one of them has the shape of
//! [Kong's](crate::decode), or the User-Agent is that of Kong's plugins (of a body in which nothing can be
//! read, the only sign), the answer is 200 with `rejected`. Other programs that send with
//! lua-resty-http get the same.
//!
//! **Limits.** Bodies under way share the [`room`](super::room). [`LARGE_AT_ONCE`] of those that are
//! large or compressed are decompressed and decoded at a time.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use axum::body::{Bytes, HttpBody as Body};
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::Response;
use gatelog_journal::Error as JournalError;
use gatelog_record::json::write_text;

use super::arrival::{self, Arrived, BODY_TIMEOUT, Missing};
use super::room::NoRoom;
use crate::decode::{InflateError, inflate};
use crate::intake::{self, Outcome};
use crate::senders::headers::{self, HeaderError};
use crate::senders::{self, Sent};
use crate::service::Service;

/// Bodies above this, or compressed, are decoded outside the async threads.
const LARGE_BYTES: usize = 256 << 10;

/// Large and compressed bodies that are decoded at the same time.
pub const LARGE_AT_ONCE: usize = 2;

/// Memory that has to be there besides what a large body needs itself: for the records of others.
const SPARE_BYTES: usize = 64 << 20;

/// How the User-Agent of Kong's log plugins begins (lua-resty-http, `kong/plugins/http-log`).
const USER_AGENT_OF_KONG: &str = "lua-resty-http/";

/// Answers `POST /ingest`.
pub async fn ingest<B>(service: &Arc<Service>, request: Request<B>) -> Response
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let (head, body) = request.into_parts();
    let answer = match begin(service, &head.headers).await {
        Ok(begun) => answer(service, begun, body).await,
        Err(refusal) => {
            arrival::discard(body).await;
            Err(refusal)
        }
    };
    let response = match answer {
        Ok(outcome) => {
            let of_kong = outcome.of_kong || is_from_kong(&head.headers);
            acknowledged(&outcome, of_kong)
        }
        Err(refusal) => {
            if let Refusal::Journal(error) = &refusal {
                service.refused.note(error);
            }
            refusal.response()
        }
    };
    service.count_request(response.status());
    response
}

/// Whether the client is what Kong's plugins send with.
fn is_from_kong(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT);
    agent.is_some_and(|agent| agent.as_bytes().starts_with(USER_AGENT_OF_KONG.as_bytes()))
}

/// The answer to a request that cannot be finished as the process ends.
pub fn stopping() -> Response {
    Refusal::Stopping.response()
}

/// What the head of a request says of its body.
struct Begun<'h> {
    sent: Option<Sent>,
    encoding: Option<&'h str>,
}

async fn begin<'h>(service: &Service, headers: &'h HeaderMap) -> Result<Begun<'h>, Refusal> {
    if service.is_stopping() {
        return Err(Refusal::Stopping);
    }
    let sent = headers::read(headers)?;
    let encoding = match headers
        .get(header::CONTENT_ENCODING)
        .map(HeaderValue::to_str)
    {
        None => None,
        Some(Ok(encoding)) => Some(encoding),
        Some(Err(_)) => return Err(InflateError::UnknownEncoding("?".to_owned()).into()),
    };
    if sent.is_some() && !service.senders.is_restored() {
        service.senders.restored().await?;
    }
    Ok(Begun { sent, encoding })
}

async fn answer<B>(service: &Arc<Service>, begun: Begun<'_>, body: B) -> Result<Outcome, Refusal>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let Begun { sent, encoding } = begun;
    let mut outcome = {
        let limit = service.limits.body_bytes;
        let arrived = arrival::read(&service.room, body, limit).await;
        let Arrived { bytes, place } = arrived.map_err(|missing| Refusal::of(missing, limit))?;
        if encoding.is_none() && bytes.len() <= LARGE_BYTES {
            take(service, sent.as_ref(), Cow::Borrowed(&bytes))?
        } else {
            let length = bytes.len();
            let _place = match place {
                Some(place) => place,
                None => service.room.place(Some(length), length, limit).await?,
            };
            take_large(service, encoding, sent, bytes).await?
        }
    };
    for appended in outcome.appended.drain(..) {
        appended.await?;
    }
    service.intake.count_acknowledged(&mut outcome);
    Ok(outcome)
}

/// Decodes a body and appends its records.
fn take(
    service: &Service,
    sent: Option<&Sent>,
    body: Cow<'_, [u8]>,
) -> Result<Outcome, intake::Error> {
    let Service {
        intake,
        journal,
        senders,
        ..
    } = service;
    match sent {
        None => intake.take(journal, body),
        Some(sent) => intake.take_numbered(journal, senders, sent, body),
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
        let body = match inflate(encoding.as_deref(), &body, limit)? {
            Some(inflated) => {
                drop(body);
                Bytes::from(inflated)
            }
            None => body,
        };
        if body.len() > LARGE_BYTES {
            expect_memory(body.len())?;
        }
        // What was decompressed is ours alone, and not copied.
        let body = match body.try_into_mut() {
            Ok(ours) => Cow::Owned(Vec::from(ours)),
            Err(shared) => return Ok(take(&service, sent.as_ref(), Cow::Borrowed(&shared))?),
        };
        Ok(take(&service, sent.as_ref(), body)?)
    });
    match task.await {
        Ok(outcome) => outcome,
        Err(_) => Err(Refusal::Unreadable(
            "the body could not be decoded".to_owned(),
        )),
    }
}

/// Asks the system for the memory that the records of a body of so many bytes may take, in frames and
/// in the journal's queue while that grows, and gives it back. What is asked for bit by bit later
/// could only end the process if it was not there.
fn expect_memory(bytes: usize) -> Result<(), Refusal> {
    let wanted = bytes.saturating_mul(3).saturating_add(SPARE_BYTES);
    let mut memory: Vec<u8> = Vec::new();
    let reserved = memory.try_reserve_exact(wanted);
    reserved.map_err(|_| Refusal::NoMemory)
}

/// Why a body was not taken.
#[derive(Debug)]
enum Refusal {
    /// The body itself, with the limit in bytes.
    TooLarge(usize),
    /// It could never be taken.
    TooMuch(String),
    Busy,
    Stopping,
    Slow,
    NoMemory,
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
            senders::Error::Journal(error) => error.into(),
            error => Self::Numbers(error),
        }
    }
}

impl From<intake::Error> for Refusal {
    fn from(error: intake::Error) -> Self {
        match error {
            intake::Error::Journal(error) => error.into(),
            intake::Error::Senders(error) => error.into(),
            intake::Error::NoMemory => Self::NoMemory,
            intake::Error::TooLarge { .. } => Self::TooMuch(error.to_string()),
        }
    }
}

impl From<NoRoom> for Refusal {
    fn from(NoRoom: NoRoom) -> Self {
        Self::Busy
    }
}

impl From<InflateError> for Refusal {
    fn from(error: InflateError) -> Self {
        Self::Inflate(error)
    }
}

impl From<JournalError> for Refusal {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::FrameSize { .. } => Self::TooMuch(error.to_string()),
            error => Self::Journal(error),
        }
    }
}

impl Refusal {
    /// Of a body of at most `limit` bytes.
    fn of(missing: Missing, limit: usize) -> Self {
        match missing {
            Missing::TooLarge => Self::TooLarge(limit),
            Missing::NoRoom | Missing::GaveWay => Self::Busy,
            Missing::NoMemory => Self::NoMemory,
            Missing::Slow => Self::Slow,
            Missing::Broken(reason) => Self::Unreadable(reason),
        }
    }

    fn response(&self) -> Response {
        let (status, error) = match self {
            Self::TooLarge(limit) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body is larger than {limit} bytes"),
            ),
            Self::TooMuch(reason) => (StatusCode::PAYLOAD_TOO_LARGE, reason.clone()),
            Self::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "the body did not arrive within {} s",
                    BODY_TIMEOUT.as_secs()
                ),
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "there is no room for the body beside others".to_owned(),
            ),
            Self::Stopping => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the collector is ending".to_owned(),
            ),
            Self::NoMemory => (
                StatusCode::SERVICE_UNAVAILABLE,
                "there is no memory for the body".to_owned(),
            ),
            Self::Unreadable(reason) => (StatusCode::BAD_REQUEST, reason.clone()),
            Self::Headers(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Self::Numbers(error) => (
                match error {
                    senders::Error::Overflow { .. } => StatusCode::BAD_REQUEST,
                    senders::Error::OtherBody => StatusCode::UNPROCESSABLE_ENTITY,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                },
                error.to_string(),
            ),
            Self::Inflate(error) => (
                match error {
                    InflateError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                    InflateError::UnknownEncoding(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    InflateError::Damaged { .. } => StatusCode::BAD_REQUEST,
                    InflateError::NoMemory => StatusCode::SERVICE_UNAVAILABLE,
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
            | Self::Stopping
            | Self::NoMemory
            | Self::Inflate(InflateError::NoMemory)
            | Self::Numbers(senders::Error::Crowded | senders::Error::Restoring)
            | Self::Journal(JournalError::Overloaded { .. }) => Some("1"),
            Self::Journal(JournalError::Full { .. } | JournalError::DiskFull { .. }) => Some("5"),
            Self::Journal(_) => Some("30"),
            _ => None,
        };
        if matches!(self, Self::Stopping) {
            // The next one is for whoever comes behind this process.
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        if let Some(seconds) = seconds {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        response
    }
}

fn acknowledged(outcome: &Outcome, of_kong: bool) -> Response {
    let filtered = outcome.dropped.total();
    let taken = outcome.accepted + outcome.duplicates + filtered;
    let status = if taken == 0 && !outcome.rejected.is_empty() && !of_kong {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let mut body = format!("{{\"accepted\":{}", outcome.accepted);
    if filtered > 0 {
        body.push_str(",\"filtered\":");
        body.push_str(&filtered.to_string());
    }
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
