//! Requests to one receiver, over connections that are kept.
//!
//! **Shape.** A connection that is free is used again, the one that was used last first; without one a new
//! one is made. Those that nothing is sent on for `keepalive` are closed.
//!
//! **Limits.** There are as many connections as requests at a time. Each step has `timeout`, as in Kong:
//! to connect, TLS, the request up to the head of the answer, and each part of its body.
//!
//! **Failure.** A receiver may close a connection that was kept in the moment in which it is used again:
//! such a request is sent once more over a new one, at once. All else is the answer. That the batch was
//! taken is an answer only when all of it came; of any other the status is enough.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HeaderMap, PROXY_AUTHORIZATION};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::HttpLogError;
use super::answer::Answer;
use super::endpoint::Endpoint;
use super::proxy::{Proxy, TunnelError};
use crate::config::plugins;
use crate::output::address::{ConnectError, Reach};
use crate::output::tls::TlsClient;

/// The most of an answer that is read, so that its connection can be used again.
const ANSWER_BYTES: usize = 64 << 10;

type Body = Full<Bytes>;

/// What sends requests.
pub(super) struct Client {
    host: String,
    port: u16,
    tls: Option<Arc<TlsClient>>,
    proxy: Option<Proxy>,
    reach: Reach,
    timeout: Duration,
    keepalive: Duration,
    idle: Arc<Mutex<Idle>>,
}

/// The connections that are free, the one that was used last at the end.
#[derive(Default)]
struct Idle {
    connections: Vec<(SendRequest<Body>, Instant)>,
    /// What closes those that nobody uses.
    closing: Option<JoinHandle<()>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    #[error("TLS: {0}")]
    Tls(std::io::Error),
    #[error("{}", with_source(.0))]
    Http(#[from] hyper::Error),
    /// In the middle of an answer.
    #[error("the answer is cut off: {}", with_source(.0))]
    Cut(hyper::Error),
    #[error("{what} took longer than {} ms", .limit.as_millis())]
    Late { what: &'static str, limit: Duration },
}

impl Client {
    pub(super) fn new(
        endpoint: &Endpoint,
        settings: &plugins::HttpLog,
        reach: Reach,
    ) -> Result<Self, HttpLogError> {
        let tls = if endpoint.tls {
            let client = TlsClient::new(&settings.tls, &endpoint.host, &["http/1.1"])?;
            Some(Arc::new(client))
        } else {
            None
        };
        let proxy = if settings.proxy {
            Proxy::of_environment(endpoint)?
        } else {
            None
        };
        Ok(Self {
            host: endpoint.host.clone(),
            port: endpoint.port,
            tls,
            proxy,
            reach,
            timeout: settings.timeout,
            keepalive: settings.keepalive,
            idle: Arc::default(),
        })
    }

    /// What a request asks for: a path, or of a proxy the whole URL.
    pub(super) fn uri(&self, endpoint: &Endpoint) -> Result<Uri, hyper::http::Error> {
        let uri = match self.plain_proxy() {
            Some(_) => format!("http://{}{}", endpoint.authority, endpoint.target).parse(),
            None => endpoint.target.parse(),
        };
        uri.map_err(|error: hyper::http::uri::InvalidUri| error.into())
    }

    /// What the proxy needs beside a receiver's headers.
    pub(super) fn add_headers(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = self
            .plain_proxy()
            .and_then(|proxy| proxy.authorization.as_ref())
        {
            headers.insert(PROXY_AUTHORIZATION, authorization.clone());
        }
    }

    /// The proxy, where it is asked in the receiver's place.
    fn plain_proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref().filter(|_| self.tls.is_none())
    }

    /// Sends what `request` makes, twice if it must be, and takes the answer.
    pub(super) async fn send(&self, request: impl Fn() -> Request<Body>) -> Answer {
        let sent = match self.free() {
            None => None,
            Some(connection) => match self.exchange(connection, request()).await {
                // It was closed meanwhile.
                Err(SendError::Http(_)) => None,
                sent => Some(sent),
            },
        };
        let sent = match sent {
            Some(sent) => sent,
            None => match self.connect().await {
                Ok(connection) => self.exchange(connection, request()).await,
                Err(error) => Err(error),
            },
        };
        sent.unwrap_or_else(|error| Answer::later(error.to_string()))
    }

    async fn exchange(
        &self,
        mut connection: SendRequest<Body>,
        request: Request<Body>,
    ) -> Result<Answer, SendError> {
        let answered = async {
            connection.ready().await?;
            connection.send_request(request).await
        };
        let answered = timeout(self.timeout, answered).await;
        let mut response = answered.map_err(|_| self.late("the answer"))??;
        let answer = Answer::of(response.status(), response.headers(), SystemTime::now());
        match self.read(&mut response).await {
            Ok(true) => self.keep(connection),
            // Who says that he has it has to say it to the end. Who does not may close the connection when
            // he has said so, with a request under way that he does not want.
            Err(error) if answer == Answer::Taken => return Err(error),
            Ok(false) | Err(_) => {}
        }
        Ok(answer)
    }

    /// Reads the body of an answer; true when that was all of it.
    async fn read(&self, response: &mut Response<Incoming>) -> Result<bool, SendError> {
        let mut left = ANSWER_BYTES;
        loop {
            let frame = timeout(self.timeout, response.frame()).await;
            let Some(frame) = frame.map_err(|_| self.late("the rest of the answer"))? else {
                return Ok(true);
            };
            let bytes = frame.map_err(SendError::Cut)?;
            let bytes = bytes.data_ref().map_or(0, Bytes::len);
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                // The connection is closed with what comes yet.
                None => return Ok(false),
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Body>, SendError> {
        let stream = match &self.proxy {
            None => {
                self.reach
                    .connect(&self.host, self.port, self.timeout)
                    .await?
            }
            Some(proxy) => {
                self.reach.check_written(&self.host)?;
                // Where the proxy is, the operator has said, and nobody else.
                let anywhere = Reach::default();
                anywhere
                    .connect(&proxy.host, proxy.port, self.timeout)
                    .await?
            }
        };
        let Some(tls) = &self.tls else {
            return self.speak(stream).await;
        };
        let stream = match &self.proxy {
            None => stream,
            Some(proxy) => {
                let to = if self.host.contains(':') {
                    format!("[{}]:{}", self.host, self.port)
                } else {
                    format!("{}:{}", self.host, self.port)
                };
                let tunnel = timeout(self.timeout, proxy.tunnel(stream, &to)).await;
                tunnel.map_err(|_| self.late("the proxy's answer"))??
            }
        };
        let stream = timeout(self.timeout, tls.connect(stream)).await;
        let stream = stream.map_err(|_| self.late("the TLS handshake"))?;
        self.speak(stream.map_err(SendError::Tls)?).await
    }

    /// HTTP over this.
    async fn speak<S>(&self, stream: S) -> Result<SendRequest<Body>, SendError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong with it is told to the request that is under way.
        tokio::spawn(async move {
            let _told = connection.await.is_ok();
        });
        Ok(sender)
    }

    fn late(&self, what: &'static str) -> SendError {
        SendError::Late {
            what,
            limit: self.timeout,
        }
    }

    /// A connection that is free, and open as far as is known.
    fn free(&self) -> Option<SendRequest<Body>> {
        let mut idle = locked(&self.idle);
        loop {
            let (connection, since) = idle.connections.pop()?;
            if !connection.is_closed() && since.elapsed() < self.keepalive {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request.
    fn keep(&self, connection: SendRequest<Body>) {
        if self.keepalive.is_zero() || connection.is_closed() {
            return;
        }
        let mut idle = locked(&self.idle);
        idle.connections.push((connection, Instant::now()));
        if idle.closing.as_ref().is_none_or(JoinHandle::is_finished) {
            let closing = close_unused(Arc::clone(&self.idle), self.keepalive);
            idle.closing = Some(tokio::spawn(closing));
        }
    }
}

/// Closes connections that nothing is sent on, until there is none.
async fn close_unused(idle: Arc<Mutex<Idle>>, keepalive: Duration) {
    tokio::time::sleep(keepalive).await;
    loop {
        let next = {
            let mut idle = locked(&idle);
            let open = |(connection, since): &(SendRequest<Body>, Instant)| {
                !connection.is_closed() && since.elapsed() < keepalive
            };
            idle.connections.retain(open);
            let Some((_, since)) = idle.connections.first() else {
                // Whoever comes next finds that nothing closes.
                idle.closing = None;
                return;
            };
            *since + keepalive
        };
        tokio::time::sleep_until(next).await;
    }
}

fn locked(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the library says, with what lies beneath it.
fn with_source(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(closing) = locked(&self.idle).closing.take() {
            closing.abort();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
