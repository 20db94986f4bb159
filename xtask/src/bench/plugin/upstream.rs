//! What stands behind the gateway: a server that does as little as an HTTP server can.
//!
//! **Shape.** A blocking thread for each connection, and Envoy keeps a few. A GET gets the same few bytes at
//! once; a POST gets a stream of an LLM's chunks, each written by itself after a pause.
//!
//! **Limits.** A GET has no body and comes in one piece: true of Envoy on loopback.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 7\r\n\r\nproxied";

const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// Chunks of a stream, and the pause before each.
const CHUNKS: usize = 500;
const PAUSE: Duration = Duration::from_millis(1);

/// What a model writes, a chunk for each, over and over: a reader that has seen one has not seen all.
const WORDS: [&str; 8] = [
    " the",
    " gateway",
    " of",
    "\\n",
    " records",
    " é",
    ",",
    " \\\"so\\\"",
];

/// One chunk as `OpenAI` sends it.
fn chunk(word: &str) -> String {
    format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1774231801,\
         \"model\":\"qwen-plus\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\
         \"finish_reason\":null}}]}}\n\n"
    )
}

/// The last ones.
const USAGE: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"model\":\"qwen-plus\",\
    \"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":500,\"total_tokens\":511}}\n\n\
    data: [DONE]\n\n";

/// The server; its threads end with the process.
pub(super) struct Upstream {
    pub(super) port: u16,
    chunks: Arc<AtomicU64>,
}

impl Upstream {
    /// Starts on a free port.
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let chunks = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&chunks);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || drop(serve(connection, &counter)));
            }
        });
        Ok(Self { port, chunks })
    }

    /// Chunks written so far.
    pub(super) fn chunks(&self) -> u64 {
        self.chunks.load(Ordering::Relaxed)
    }
}

fn serve(mut connection: TcpStream, chunks: &AtomicU64) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut request = Vec::new();
    let mut piece = [0; 8192];
    loop {
        let count = connection.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(piece.get(..count).unwrap_or_default());
        if request.ends_with(b"\r\n\r\n") && request.starts_with(b"GET ") {
            connection.write_all(ANSWER)?;
            request.clear();
        } else if request.ends_with(b"}") {
            stream(&mut connection, chunks)?;
            request.clear();
        }
    }
}

/// A stream of chunks to a client that asked with a JSON object.
fn stream(connection: &mut TcpStream, chunks: &AtomicU64) -> std::io::Result<()> {
    let framed = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
    let words = WORDS.map(|word| framed(&chunk(word)));
    let usage = framed(USAGE);
    connection.write_all(STREAM)?;
    for chunk in words.iter().cycle().take(CHUNKS) {
        std::thread::sleep(PAUSE);
        connection.write_all(chunk)?;
        chunks.fetch_add(1, Ordering::Relaxed);
    }
    connection.write_all(&usage)?;
    connection.write_all(b"0\r\n\r\n")
}
