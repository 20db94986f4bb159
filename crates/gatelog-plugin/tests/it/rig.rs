//! A collector that keeps what it gets, and a client that speaks raw HTTP.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelog_record::AccessRecord;
use gatelog_testkit::upstream::{Reply, Request, Server};
use gatelog_testkit::wait;

/// How long anything may take that should happen at once: builds run beside the tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Stands in for gatelog: answers with a status, and keeps the requests it answered well.
pub(crate) struct Collector {
    server: Option<Server>,
    port: u16,
    kept: Arc<Kept>,
}

/// What to answer: a status and the whole answer, which has the same.
type Respond = Box<dyn Fn(&Request) -> (u16, Reply) + Send>;

struct Kept {
    status: AtomicU16,
    respond: Mutex<Option<Respond>>,
    taken: Mutex<Vec<Request>>,
    seen: Mutex<Vec<Request>>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let kept = Arc::new(Kept {
            status: AtomicU16::new(200),
            respond: Mutex::default(),
            taken: Mutex::default(),
            seen: Mutex::default(),
        });
        let server = serve(0, &kept);
        Self {
            port: server.port(),
            server: Some(server),
            kept,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Answers with this status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.kept.status.store(status, Ordering::SeqCst);
    }

    /// Answers as this says from now on.
    pub(crate) fn respond(&self, respond: impl Fn(&Request) -> (u16, Reply) + Send + 'static) {
        *self.kept.respond.lock().unwrap() = Some(Box::new(respond));
    }

    /// Goes away: connections break, new ones are refused.
    pub(crate) fn go_away(&mut self) {
        self.server = None;
    }

    pub(crate) fn come_back(&mut self) {
        self.server = Some(serve(self.port, &self.kept));
    }

    /// The requests that were answered with 2xx.
    pub(crate) fn taken(&self) -> Vec<Request> {
        self.kept.taken.lock().unwrap().clone()
    }

    /// Every request.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.kept.seen.lock().unwrap().clone()
    }

    /// The records of the requests that were answered with 2xx.
    pub(crate) fn records(&self) -> Vec<AccessRecord<'static>> {
        self.taken().iter().flat_map(records).collect()
    }

    /// Waits until there are so many records, and gives them.
    pub(crate) fn wait_for_records(&self, count: usize) -> Vec<AccessRecord<'static>> {
        wait::until("records", PATIENCE, || {
            let records = self.records();
            if records.len() >= count {
                Ok(records)
            } else {
                Err(records.len())
            }
        })
        .unwrap()
    }
}

fn serve(port: u16, kept: &Arc<Kept>) -> Server {
    let kept = Arc::clone(kept);
    Server::start_on(port, move |request| {
        let plain = |status| (status, Reply::new(status));
        let respond = kept.respond.lock().unwrap();
        let (status, reply) = respond.as_ref().map_or_else(
            || plain(kept.status.load(Ordering::SeqCst)),
            |respond| respond(request),
        );
        kept.seen.lock().unwrap().push(request.clone());
        if (200..300).contains(&status) {
            kept.taken.lock().unwrap().push(request.clone());
        }
        reply
    })
    .unwrap()
}

/// The records of a body: an array of objects, or one object.
pub(crate) fn records(request: &Request) -> Vec<AccessRecord<'static>> {
    let body = std::str::from_utf8(&request.body).unwrap();
    let items: Vec<&serde_json::value::RawValue> =
        serde_json::from_str(body).unwrap_or_else(|_| vec![serde_json::from_str(body).unwrap()]);
    items
        .iter()
        .map(|item| {
            gatelog_record::json::read(item.get())
                .unwrap()
                .0
                .into_owned()
        })
        .collect()
}

/// A request without a body.
pub(crate) fn get(path: &str, id: &str) -> Vec<u8> {
    request("GET", path, id, "", b"")
}

/// A request as it goes over the wire; `headers` are whole lines.
pub(crate) fn request(method: &str, path: &str, id: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: shop.example\r\nx-request-id: {id}\r\n\
         connection: close\r\n{headers}"
    )
    .into_bytes();
    if !body.is_empty() {
        bytes.extend(format!("content-length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}

/// Sends the bytes and reads the answer to its end; gives its status.
pub(crate) fn exchange(to: SocketAddr, bytes: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = String::from_utf8_lossy(&answer);
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

/// Sends the bytes, reads the answer until it contains `until`, and hangs up.
pub(crate) fn abort(to: SocketAddr, bytes: &[u8], until: &[u8]) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer: Vec<u8> = Vec::new();
    while !answer.windows(until.len()).any(|window| window == until) {
        let mut some = [0; 1024];
        let count = stream.read(&mut some).unwrap();
        assert!(count > 0, "the answer ended");
        answer.extend(&some[..count]);
    }
    stream.shutdown(Shutdown::Both).unwrap();
}
