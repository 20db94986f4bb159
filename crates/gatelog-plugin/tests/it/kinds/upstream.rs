//! Upstreams that the test kit has not: one that misbehaves on the wire, and one that speaks HTTP/2.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use gatelog_testkit::upstream::{Body, Reply, Server};
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::runtime::Runtime;

/// `hello, hello, hello` and a line's end, five times, as gzip has it.
const ZIPPED: [u8; 34] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7,
    0x51, 0xc8, 0x40, 0xa2, 0xb8, 0x32, 0xa8, 0x2c, 0x06, 0x00, 0xde, 0x81, 0xca, 0xa4, 0x64, 0x00,
    0x00, 0x00,
];

/// `/gzip`, `/sse`, and `/flaky/ID`, which answers 503 the first time.
pub(super) fn ordinary() -> Server {
    let seen = Mutex::new(Vec::<String>::new());
    Server::start(move |request| match request.path.as_str() {
        "/gzip" => Reply::new(200)
            .header("content-type", "text/plain")
            .header("content-encoding", "gzip")
            .body(Body::Whole(ZIPPED.to_vec())),
        "/sse" => {
            let event = |number| {
                let text = format!("data: {{\"number\":{number}}}\n\n");
                (Duration::from_millis(5), text.into_bytes())
            };
            Reply::new(200)
                .header("content-type", "text/event-stream")
                .body(Body::Chunks((0..5).map(event).collect()))
        }
        path => {
            let mut seen = seen.lock().unwrap();
            let first = !seen.iter().any(|known| known == path);
            seen.push(path.to_owned());
            Reply::text(if first { 503 } else { 200 }, "flaky\n")
        }
    })
    .unwrap()
}

/// Says no to everybody who is asked about.
pub(super) fn authority() -> Server {
    Server::start(|_| Reply::text(403, "denied\n")).unwrap()
}

/// An upstream that answers with bytes of its own; connections end with the process.
pub(super) struct Raw(pub(super) u16);

impl Raw {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || drop(serve(connection)));
            }
        });
        Self(port)
    }
}

fn serve(mut connection: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let answer = match path {
        "/garbage" => "this is not HTTP\r\n\r\n",
        "/half" => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789",
        "/websocket" => {
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"
        }
        // What came through a CONNECT has no path: it goes back as it came.
        _ => head.as_str(),
    };
    connection.write_all(answer.as_bytes())?;
    if path == "/websocket" {
        let mut some = [0; 1024];
        let count = connection.read(&mut some)?;
        connection.write_all(&some[..count])?;
    }
    connection.shutdown(Shutdown::Write)?;
    // Resets nothing: the other side has its answer first.
    connection.read_to_end(&mut Vec::new())?;
    Ok(())
}

/// A body of some pieces, and trailers.
#[derive(Default)]
pub(super) struct Pieces(pub(super) VecDeque<Frame<Bytes>>);

impl Pieces {
    /// A gRPC message each.
    pub(super) fn messages(messages: &[&[u8]]) -> Self {
        let frame = |message: &&[u8]| {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            Frame::data(Bytes::from([&[0], &length[..], message].concat()))
        };
        Self(messages.iter().map(frame).collect())
    }

    fn trailers(mut self, status: &'static str) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        self.0.push_back(Frame::trailers(trailers));
        self
    }
}

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// A gRPC server over HTTP/2 without TLS.
pub(super) struct Http2 {
    pub(super) port: u16,
    asked: Arc<AtomicUsize>,
    _runtime: Runtime,
}

impl Http2 {
    pub(super) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        runtime.spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let asked = Arc::clone(&counter);
                let service = service_fn(move |request| answer(request, Arc::clone(&asked)));
                let served = http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(connection), service);
                tokio::spawn(served);
            }
        });
        Self {
            port,
            asked,
            _runtime: runtime,
        }
    }

    /// Requests so far.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn answer(
    request: Request<Incoming>,
    asked: Arc<AtomicUsize>,
) -> Result<Response<Pieces>, std::io::Error> {
    asked.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    match path.as_str() {
        // The server's stack resets the stream.
        "/grpc/reset" => return Err(std::io::Error::other("no answer")),
        "/grpc/never" => std::future::pending().await,
        _ => {}
    }
    // A client that resets its stream is none of our business.
    drop(request.into_body().collect().await);
    let answer = Response::builder().header("content-type", "application/grpc");
    let (answer, body) = match path.as_str() {
        "/grpc/unary" => (answer, Pieces::messages(&[b"answer"]).trailers("0")),
        "/grpc/stream" => (
            answer,
            Pieces::messages(&[b"one", b"two", b"three"]).trailers("0"),
        ),
        "/grpc/broken" => (answer, Pieces::messages(&[b"one"]).trailers("13")),
        "/grpc/missing" => (answer.header("grpc-status", "5"), Pieces::default()),
        _ => (
            Response::builder().header("content-type", "text/plain"),
            Pieces([Frame::data(Bytes::from_static(b"plain\n"))].into()),
        ),
    };
    Ok(answer.body(body).unwrap())
}
