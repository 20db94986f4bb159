//! Clients: bytes over HTTP/1, with all the ways to leave early, and HTTP/2.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use gatelog_testkit::wait;
use http_body_util::BodyExt as _;
use hyper::client::conn::http2;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::upstream::Pieces;
use crate::rig::PATIENCE;

/// A request as it goes over the wire; `headers` are whole lines.
pub(super) fn request(line: &str, id: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{line} HTTP/1.1\r\nhost: kinds.example\r\nx-request-id: {id}\r\nuser-agent: kinds/1\r\n\
         {headers}\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// As [`request`], and the connection ends with the answer.
pub(super) fn closing(line: &str, id: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    request(line, id, &format!("connection: close\r\n{headers}"), body)
}

/// With a body whose length is announced.
pub(super) fn post(path: &str, id: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("content-length: {}\r\n{headers}", body.len());
    closing(&format!("POST {path}"), id, &headers, body)
}

/// Sends the bytes and reads the answer to its end.
pub(super) fn exchange(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = open(to, bytes);
    let mut answer = Vec::new();
    // A gateway that resets a connection it has no more use for has answered before.
    drop(stream.read_to_end(&mut answer));
    answer
}

/// Sends the bytes, waits for the condition, and hangs up.
pub(super) fn leave_when(to: SocketAddr, bytes: &[u8], condition: impl Fn() -> bool) {
    let stream = open(to, bytes);
    until(condition);
    drop(stream);
}

/// Sends the bytes, reads until these are there, and hangs up.
pub(super) fn leave_after(to: SocketAddr, bytes: &[u8], seen: &[u8]) {
    let mut stream = open(to, bytes);
    read_until(&mut stream, seen);
    stream.shutdown(Shutdown::Both).unwrap();
}

/// Opens a tunnel with the bytes and has this echoed through it; the other side ends it.
pub(super) fn tunnel(to: SocketAddr, bytes: &[u8], message: &[u8]) {
    let mut stream = open(to, bytes);
    read_until(&mut stream, b"\r\n\r\n");
    stream.write_all(message).unwrap();
    read_until(&mut stream, message);
    drop(stream.read_to_end(&mut Vec::new()));
}

fn open(to: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn read_until(stream: &mut TcpStream, seen: &[u8]) {
    let mut answer: Vec<u8> = Vec::new();
    while !answer.windows(seen.len()).any(|window| window == seen) {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the answer ended");
        answer.extend(&some[..count]);
    }
}

fn until(condition: impl Fn() -> bool) {
    let probe = || condition().then_some(()).ok_or("not yet");
    wait::until("the upstream to be asked", PATIENCE, probe).unwrap();
}

/// A request over HTTP/2.
pub(super) fn http2(path: &str, id: &str, content_type: &str, body: Pieces) -> Request<Pieces> {
    Request::builder()
        .method("POST")
        .uri(format!("http://kinds.example{path}"))
        .header("x-request-id", id)
        .header("user-agent", "kinds/1")
        .header("content-type", content_type)
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

/// Sends it over a connection of its own and reads the answer to its end, trailers included.
pub(super) fn exchange_http2(to: SocketAddr, request: Request<Pieces>) {
    runtime().block_on(async {
        let answer: Response<_> = connect(to).await.send_request(request).await.unwrap();
        drop(answer.into_body().collect().await);
    });
}

/// Sends it, waits for the condition, and resets the stream.
pub(super) fn reset_http2(
    to: SocketAddr,
    request: Request<Pieces>,
    condition: impl Fn() -> bool + Send + 'static,
) {
    runtime().block_on(async {
        let mut sender = connect(to).await;
        let answer = tokio::spawn(sender.send_request(request));
        let waited = tokio::task::spawn_blocking(move || until(condition));
        waited.await.unwrap();
        answer.abort();
        drop(answer.await);
        // The connection's task sends the reset; another request over it is answered after that.
        let next = http2("/direct", "", "text/plain", Pieces::default());
        drop(sender.send_request(next).await);
    });
}

async fn connect(to: SocketAddr) -> http2::SendRequest<Pieces> {
    let stream = tokio::net::TcpStream::connect(to).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}
