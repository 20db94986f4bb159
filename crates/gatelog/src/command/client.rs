//! HTTP to a running server, as the commands that talk to one need it.
//!
//! **Limits.** `http://` only; an answer has to be there, body included, within [`TIMEOUT`].
//!
//! **Failure.** What a server may have received is never sent again: that is the caller's to do or to
//! leave.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use super::print;

/// How long an answer may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// A client with its own connections, which clones share.
#[derive(Clone, Debug)]
pub(super) struct Client(Pool<HttpConnector, Full<Bytes>>);

/// What a server answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// When to come again, if it says so.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

impl Client {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(TIMEOUT));
        Self(Pool::builder(TokioExecutor::new()).build(connector))
    }

    /// The answer of a GET.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn get(&self, url: Uri) -> Result<Answer, String> {
        self.request(Method::GET, url, Vec::new(), Bytes::new())
            .await
    }

    /// The answer of a POST with these headers.
    ///
    /// # Errors
    /// Why there is none. The server may have taken the body all the same.
    pub(super) async fn post(
        &self,
        url: Uri,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Answer, String> {
        self.request(Method::POST, url, headers, body).await
    }

    async fn request(
        &self,
        method: Method,
        url: Uri,
        headers: Vec<(HeaderName, HeaderValue)>,
        body: Bytes,
    ) -> Result<Answer, String> {
        let request = Request::builder().method(method).uri(url);
        let mut request = request
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        request.headers_mut().extend(headers);
        let answered = async {
            let response = self.0.request(request).await;
            let response = response.map_err(|error| print::with_causes(&error))?;
            let status = response.status();
            let retry_after = retry_after(response.headers());
            let body = response.into_body().collect().await;
            let body = body.map_err(|error| print::with_causes(&error))?.to_bytes();
            Ok(Answer {
                status,
                retry_after,
                body,
            })
        };
        match tokio::time::timeout(TIMEOUT, answered).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }
}

/// `Retry-After` in seconds; the form with a date is passed over.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}
