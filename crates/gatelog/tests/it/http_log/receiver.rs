//! An HTTP receiver that answers as a test says, and writes down what came, to the byte.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use gatelog_testkit::wait;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_mins(1);

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Which connection it came over, from 0.
    pub(super) connection: usize,
    pub(super) method: String,
    pub(super) target: String,
    /// Names in small letters.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What is done with a request.
pub(super) enum Does {
    /// This status, with these lines of headers.
    Answers(u16, &'static str),
    /// This answer, byte for byte; then the connection is closed.
    Writes(&'static str),
    /// The connection is closed without an answer.
    Drops,
    /// Nothing, for ever.
    Hangs,
    /// A success, this much later.
    Late(Duration),
    /// A success, and the connection is closed without a word about it.
    AnswersAndCloses,
}

type Answer = dyn Fn(&Request, usize) -> Does + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    /// Connections so many are cut in the middle of a request.
    cuts: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    busy: AtomicUsize,
    most_busy: AtomicUsize,
    tls: Option<Arc<ServerConfig>>,
    stop: AtomicBool,
}

/// The receiver. It takes no more connections once it is dropped.
pub(super) struct Receiver {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

pub(super) fn ok() -> Does {
    Does::Answers(200, "")
}

impl Receiver {
    /// Answers by the request and how many came before.
    pub(super) fn start(answer: impl Fn(&Request, usize) -> Does + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", None, answer)
    }

    pub(super) fn taking() -> Self {
        Self::start(|_, _| ok())
    }

    pub(super) fn start_at(
        address: &str,
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Request, usize) -> Does + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            cuts: AtomicUsize::new(0),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            most_busy: AtomicUsize::new(0),
            tls,
            stop: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if accepting.stop.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    shared.open.fetch_add(1, Ordering::SeqCst);
                    // A connection that ends is an answer, too.
                    let _ended = shared.serve(stream.unwrap(), number).is_err();
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// `127.0.0.1:PORT`
    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next so many requests are cut off in their middle.
    pub(super) fn cut_requests(&self, count: usize) {
        self.shared.cuts.store(count, Ordering::SeqCst);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections there have been.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(super) fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// The most requests that waited for their answer at a time.
    pub(super) fn most_busy(&self) -> usize {
        self.shared.most_busy.load(Ordering::SeqCst)
    }

    pub(super) fn wait_for_requests(&self, count: usize) -> Vec<Request> {
        wait::until(&format!("{count} requests"), DEADLINE, || {
            let requests = self.requests();
            if requests.len() >= count {
                Ok(requests)
            } else {
                Err(requests.len())
            }
        })
        .unwrap()
    }

    /// The numbers of the records that were answered 2xx, in the order in which they came.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.requests().iter().flat_map(Request::numbers).collect()
    }

    pub(super) fn wait_for_numbers(&self, count: usize) -> Vec<u64> {
        wait::until(&format!("{count} records"), DEADLINE, || {
            let numbers = self.numbers();
            if numbers.len() >= count {
                Ok(numbers)
            } else {
                Err(numbers.len())
            }
        })
        .unwrap()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // It waits for a connection.
        let _woken = TcpStream::connect(self.address).is_ok();
    }
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} comes twice");
        value
    }

    /// The records of the body.
    pub(super) fn records(&self) -> Vec<Value> {
        match serde_json::from_slice(&self.body).unwrap() {
            Value::Array(records) => records,
            record => vec![record],
        }
    }

    /// The numbers of its standard records.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let number = |record: &Value| {
            let uri = record["request"]["uri"].as_str().unwrap();
            uri.rsplit('=').next().unwrap().parse().unwrap()
        };
        self.records().iter().map(number).collect()
    }
}

trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

impl Shared {
    fn serve(&self, stream: TcpStream, connection: usize) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let tcp = stream.try_clone()?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(config) => {
                let server = ServerConnection::new(Arc::clone(config));
                Box::new(StreamOwned::new(server.map_err(io::Error::other)?, stream))
            }
        };
        let mut stream = BufReader::new(stream);
        while let Some(request) = self.read(&mut stream, &tcp, connection)? {
            let busy = self.busy.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_busy.fetch_max(busy, Ordering::SeqCst);
            let before = self.requests.lock().unwrap().len();
            let does = (self.answer)(&request, before);
            self.requests.lock().unwrap().push(request);
            let went = answer(stream.get_mut(), &tcp, &does);
            self.busy.fetch_sub(1, Ordering::SeqCst);
            if !went? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn read(
        &self,
        stream: &mut impl BufRead,
        tcp: &TcpStream,
        connection: usize,
    ) -> io::Result<Option<Request>> {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        assert_eq!(words.next(), Some("HTTP/1.1"));
        let mut request = Request {
            connection,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let header = (name.to_lowercase(), value.trim().to_owned());
            request.headers.push(header);
        }
        let length = request.header("content-length").unwrap_or("0");
        let length: usize = length.parse().unwrap();
        let cut = |left: usize| left.checked_sub(1);
        let cuts = self
            .cuts
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, cut);
        if cuts.is_ok() {
            stream.read_exact(&mut vec![0; length / 2])?;
            tcp.shutdown(Shutdown::Both)?;
            return Ok(None);
        }
        request.body = vec![0; length];
        stream.read_exact(&mut request.body)?;
        Ok(Some(request))
    }
}

/// True when the connection goes on.
fn answer(stream: &mut Box<dyn Stream>, tcp: &TcpStream, does: &Does) -> io::Result<bool> {
    let mut write = |text: &str| {
        stream.write_all(text.as_bytes())?;
        stream.flush()
    };
    let success = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    match does {
        Does::Answers(status, headers) => {
            write(&format!(
                "HTTP/1.1 {status} X\r\nContent-Length: 2\r\n{headers}\r\nok"
            ))?;
        }
        Does::Writes(text) => {
            write(text)?;
            tcp.shutdown(Shutdown::Both)?;
            return Ok(false);
        }
        Does::Drops => {
            tcp.shutdown(Shutdown::Both)?;
            return Ok(false);
        }
        Does::Hangs => {
            // Until the other side has had enough.
            let mut byte = [0];
            return Ok(stream.read(&mut byte)? > 0);
        }
        Does::Late(pause) => {
            thread::sleep(*pause);
            write(success)?;
        }
        Does::AnswersAndCloses => {
            write(success)?;
            tcp.shutdown(Shutdown::Both)?;
            return Ok(false);
        }
    }
    Ok(true)
}
