//! A small HTTP/1.1 server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;

/// A server on loopback. It ends, its connections included, when it is dropped.
pub struct Server {
    port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    handler: Box<dyn Fn(&Request) -> Reply + Send + Sync>,
    ended: AtomicBool,
    requests: AtomicU64,
    connections: Mutex<Vec<TcpStream>>,
}

/// A request, read to its end.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST` …
    pub method: String,
    /// With the query string.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
}

/// What to answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

/// The body of an answer.
#[derive(Clone, Debug, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// All at once.
    Whole(Vec<u8>),
    /// Chunks, each after a pause.
    Chunks(Vec<(Duration, Vec<u8>)>),
    /// No answer at all: the connection is closed.
    HangUp,
}

impl Request {
    /// The first value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

impl Reply {
    /// Without a body.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }

    /// Plain text.
    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status)
            .header("content-type", "text/plain")
            .body(Body::Whole(text.as_bytes().to_vec()))
    }

    /// JSON.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::new(status)
            .header("content-type", "application/json")
            .body(Body::Whole(value.to_string().into_bytes()))
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }
}

impl Server {
    /// Starts on a port of the machine's choice.
    ///
    /// # Errors
    /// The machine gives out no port.
    pub fn start(
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        Self::start_on(0, handler)
    }

    /// Starts on this port: where a server comes back.
    ///
    /// # Errors
    /// The port is taken.
    pub fn start_on(
        port: u16,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .with_context(|| format!("port {port}"))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            handler: Box::new(handler),
            ended: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            connections: Mutex::default(),
        });
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self {
            port,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// The port it listens on, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Requests read so far.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the acceptor, which then sees that it should end.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
        for connection in self.shared.connections().iter() {
            drop(connection.shutdown(Shutdown::Both));
        }
    }
}

impl Shared {
    fn connections(&self) -> std::sync::MutexGuard<'_, Vec<TcpStream>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let Ok(connection) = connection else {
            continue;
        };
        if let Ok(handle) = connection.try_clone() {
            shared.connections().push(handle);
        }
        let shared = Arc::clone(shared);
        // A client that goes away ends its connection, and nobody else's.
        std::thread::spawn(move || drop(serve(&connection, &shared)));
    }
}

fn serve(connection: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = read_request(&mut reader)? {
        shared.requests.fetch_add(1, Ordering::SeqCst);
        let reply = (shared.handler)(&request);
        if !write_reply(connection, &request, &reply)? {
            break;
        }
    }
    connection.shutdown(Shutdown::Both)
}

fn broken(what: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned())
}

/// One line without its end.
fn read_line(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line)?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// The next request; `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let line = read_line(reader)?;
    if line.is_empty() {
        return Ok(None);
    }
    let mut parts = line.split(' ');
    let mut request = Request {
        method: parts.next().unwrap_or_default().to_owned(),
        path: parts.next().unwrap_or_default().to_owned(),
        ..Request::default()
    };
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a header"))?;
        request
            .headers
            .push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    if request.header("transfer-encoding").is_some() {
        loop {
            let size = read_line(reader)?;
            let size = usize::from_str_radix(&size, 16).map_err(|_| broken("a chunk"))?;
            read_body(reader, size, &mut request.body)?;
            read_line(reader)?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = request.header("content-length") {
        let length = length.parse().map_err(|_| broken("content-length"))?;
        read_body(reader, length, &mut request.body)?;
    }
    Ok(Some(request))
}

fn read_body(reader: &mut impl Read, length: usize, body: &mut Vec<u8>) -> std::io::Result<()> {
    let read = reader.take(length as u64).read_to_end(body)?;
    if read == length {
        Ok(())
    } else {
        Err(broken("the body ended early"))
    }
}

/// Writes the answer; `false` when the connection should be closed.
fn write_reply(mut to: &TcpStream, request: &Request, reply: &Reply) -> std::io::Result<bool> {
    if matches!(reply.body, Body::HangUp) {
        return Ok(false);
    }
    let length;
    let framing = match &reply.body {
        Body::Whole(body) => {
            length = body.len().to_string();
            Some(("content-length", length.as_str()))
        }
        Body::Chunks(_) => Some(("transfer-encoding", "chunked")),
        Body::Empty if matches!(reply.status, 204 | 304) => None,
        Body::Empty | Body::HangUp => Some(("content-length", "0")),
    };
    let mut head = format!("HTTP/1.1 {} Sample\r\n", reply.status);
    let own = reply
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in own.chain(framing) {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    to.write_all(head.as_bytes())?;
    if request.method != "HEAD" {
        match &reply.body {
            Body::Whole(body) => to.write_all(body)?,
            Body::Chunks(chunks) => write_chunks(to, chunks)?,
            Body::Empty | Body::HangUp => {}
        }
    }
    Ok(request.header("connection") != Some("close"))
}

fn write_chunks(mut to: &TcpStream, chunks: &[(Duration, Vec<u8>)]) -> std::io::Result<()> {
    for (pause, chunk) in chunks {
        std::thread::sleep(*pause);
        let mut framed = format!("{:x}\r\n", chunk.len()).into_bytes();
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
        to.write_all(&framed)?;
    }
    to.write_all(b"0\r\n\r\n")
}
