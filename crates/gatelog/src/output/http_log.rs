//! Kong's `http-log`: records as JSON in the bodies of requests.
//!
//! **Shape.** [`HttpLog`] makes a body of a batch, sends it with a [`Client`](client::Client), which keeps
//! connections, and takes the [answer](answer::Answer) for the batch. Of the batches that it is given at
//! once each has a connection of its own.
//!
//! ```text
//! records ─► batches ─► body (JSON, gzip) ─► Client ─► Answer: taken | later | refused
//!                          ▲                                             │
//!                          └───────────── halves of a refused batch ─────┘
//! ```
//!
//! **Promise.** A batch is confirmed when the receiver has answered 2xx and the answer is whole. Each
//! record comes at least once: again where the answer was lost.
//!
//! **Limits.** A batch that is refused for what it holds (400, 413, 422) is halved until it is known which
//! record it is: at most twice as many requests as it has records. Of an answer 64 KiB are read.
//!
//! **Failure.** 408, 429, 5xx and whatever keeps an answer from coming are tried again; other answers are
//! not. What is behind a failed part of a batch waits for it, so that the batch stays in order.
//!
//! **Source.** `kong/plugins/http-log/handler.lua` of Kong 3.10; RFC 9110.

mod answer;
mod client;
mod endpoint;
mod proxy;

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use gatelog_record::AccessRecord;
use gatelog_store::BoxFuture;
use http_body_util::Full;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use hyper::{Method, Request, Uri};

use self::answer::Answer;
use self::client::Client;
pub use self::endpoint::Endpoint;
pub use self::proxy::ProxyError;
use super::address::Reach;
use super::kong_json::{CustomFieldError, KongJson};
use super::tls::TlsError;
use super::{Output, Refused, Undelivered};
use crate::config::plugins::{self, DestinationError};

/// A buffer that has grown over this is not kept.
const KEPT_BYTES: usize = 4 << 20;

/// Why there is no `http-log`. The operator mends what it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpLogError {
    /// Its URL or a header cannot be used.
    #[error(transparent)]
    Destination(#[from] DestinationError),
    /// A custom field cannot be used.
    #[error("config.custom_fields: {0}")]
    CustomField(#[from] CustomFieldError),
    /// TLS cannot be used.
    #[error("config.{0}")]
    Tls(#[from] TlsError),
    /// The environment's proxy cannot be used.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The URL cannot be asked for.
    #[error("config.http_endpoint: {0}")]
    Target(#[from] hyper::http::Error),
}

/// One `http-log`.
#[derive(Debug)]
pub struct HttpLog {
    name: String,
    json: KongJson,
    /// Records of a request; with 1 the body is no list.
    batch_records: usize,
    gzip: bool,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    client: Client,
    /// Buffers for bodies.
    spare: Mutex<Vec<Vec<u8>>>,
}

impl HttpLog {
    /// Under this name, to where it may connect. It reads files and the
    /// environment.
    ///
    /// # Errors
    /// [`HttpLogError`].
    pub fn new(
        name: String,
        settings: &plugins::HttpLog,
        reach: Reach,
    ) -> Result<Self, HttpLogError> {
        let destination = settings.destination()?;
        let endpoint = &destination.endpoint;
        let client = Client::new(endpoint, settings, reach)?;
        let mut headers = HeaderMap::new();
        let agent = concat!("gatelog/", env!("CARGO_PKG_VERSION"));
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        for (name, value) in destination.headers {
            headers.insert(name, value);
        }
        // These are never anybody else's to say.
        let content_type = HeaderValue::from_static(settings.content_type);
        headers.insert(CONTENT_TYPE, content_type);
        let host = HeaderValue::from_str(&endpoint.authority);
        headers.insert(HOST, host.map_err(hyper::http::Error::from)?);
        if let Some(authorization) = &endpoint.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if settings.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        client.add_headers(&mut headers);
        Ok(Self {
            name,
            json: settings.json.writer()?,
            batch_records: settings.queue.max_batch_size,
            gzip: settings.gzip,
            method: settings.method.clone(),
            uri: client.uri(endpoint)?,
            headers,
            client,
            spare: Mutex::default(),
        })
    }

    /// Whether one could be made of these settings, here and now. It reads files and the environment.
    ///
    /// # Errors
    /// [`HttpLogError`].
    pub fn check(settings: &plugins::HttpLog) -> Result<(), HttpLogError> {
        let destination = settings.destination()?;
        let _: Client = Client::new(&destination.endpoint, settings, Reach::default())?;
        Ok(())
    }

    /// Delivers one batch, or says which of its places were not taken.
    async fn batch(&self, records: &[&AccessRecord<'_>]) -> Undelivered {
        let mut undelivered = Undelivered::default();
        // The next part is the last one here.
        let whole = 0..records.len();
        let mut parts = vec![whole];
        while let Some(part) = parts.pop() {
            match self
                .part(records.get(part.clone()).unwrap_or_default())
                .await
            {
                Answer::Taken => {}
                Answer::Refused {
                    by_contents,
                    reason,
                } => {
                    if by_contents && part.len() > 1 {
                        let middle = part.start + part.len() / 2;
                        parts.extend([middle..part.end, part.start..middle]);
                    } else {
                        let refused = part.map(|index| Refused {
                            index,
                            reason: reason.clone(),
                        });
                        undelivered.refused.extend(refused);
                    }
                }
                Answer::Later { reason, after } => {
                    let rest = parts.iter().rev().cloned().flatten();
                    undelivered.later = part.chain(rest).collect();
                    undelivered.reason = reason;
                    undelivered.after = after;
                    break;
                }
            }
        }
        undelivered
    }

    /// Sends records with one request.
    async fn part(&self, records: &[&AccessRecord<'_>]) -> Answer {
        let body = match self.body(records) {
            Ok(body) => body,
            Err(error) => return Answer::later(format!("gzip: {error}")),
        };
        let request = || {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = self.method.clone();
            *request.uri_mut() = self.uri.clone();
            request.headers_mut().clone_from(&self.headers);
            request
        };
        let answer = self.client.send(request).await;
        self.keep(body);
        answer
    }

    /// As Kong: an object, or where a batch may have several always a list of them.
    fn body(&self, records: &[&AccessRecord<'_>]) -> io::Result<Bytes> {
        let mut json = self.buffer();
        if self.batch_records > 1 {
            json.push(b'[');
            for (index, record) in records.iter().enumerate() {
                if index > 0 {
                    json.push(b',');
                }
                self.json.write(record, &mut json);
            }
            json.push(b']');
        } else {
            for record in records {
                self.json.write(record, &mut json);
            }
        }
        if !self.gzip {
            return Ok(json.into());
        }
        let mut gzip = GzEncoder::new(self.buffer(), Compression::fast());
        gzip.write_all(&json)?;
        self.keep(json.into());
        Ok(gzip.finish()?.into())
    }

    fn buffer(&self) -> Vec<u8> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.pop().unwrap_or_default()
    }

    /// Keeps the memory of a body that nobody else has.
    fn keep(&self, body: Bytes) {
        if body.is_unique() && body.len() <= KEPT_BYTES {
            let mut buffer = Vec::from(body);
            buffer.clear();
            let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
            spare.push(buffer);
        }
    }
}

impl Output for HttpLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn deliver<'a>(
        &'a self,
        records: &'a [&'a AccessRecord<'a>],
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let size = self.batch_records.max(1);
            let batches = records.chunks(size).map(|batch| self.batch(batch));
            let begins = (0..records.len()).step_by(size);
            let mut all = Undelivered::default();
            for (begin, undelivered) in begins.zip(join_all(batches).await) {
                add(&mut all, begin, undelivered);
            }
            if all.later.is_empty() && all.refused.is_empty() {
                Ok(())
            } else {
                Err(all)
            }
        })
    }
}

/// Adds what became of the batch that begins at this place.
fn add(all: &mut Undelivered, begin: usize, of_batch: Undelivered) {
    let Undelivered {
        later,
        reason,
        after,
        refused,
    } = of_batch;
    if !later.is_empty() && all.later.is_empty() {
        all.reason = reason;
    }
    all.after = all.after.max(after);
    all.later
        .extend(later.into_iter().map(|index| begin + index));
    all.refused
        .extend(refused.into_iter().map(|refused| Refused {
            index: begin + refused.index,
            ..refused
        }));
}
