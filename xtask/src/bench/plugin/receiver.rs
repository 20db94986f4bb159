//! Where the plugin sends: gatelog, or a server that says yes to each batch.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gatelog_testkit::gatelog::{Gatelog, Setup};

use crate::bench::candidate;

/// Takes batches.
pub(super) enum Receiver {
    /// Says yes and counts; nothing else.
    Yes(Yes),
    /// The real one, with the lake.
    Gatelog(Box<Gatelog>),
}

/// See [`Receiver::Yes`]. Its threads end with the process.
pub(super) struct Yes {
    port: u16,
    last: Arc<Mutex<Last>>,
}

/// The batch that ended last, by the sender's numbers.
#[derive(Default)]
struct Last {
    first_record: u64,
    dropped: u64,
    body: Vec<u8>,
}

impl Receiver {
    /// One that says yes.
    pub(super) fn yes() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let last = Arc::new(Mutex::default());
        let shared = Arc::clone(&last);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let last = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(&connection, &last)));
            }
        });
        Ok(Self::Yes(Yes { port, last }))
    }

    /// The real one, as built in this directory.
    pub(super) fn gatelog(built: &Path, data: &Path) -> anyhow::Result<Self> {
        let gatelog = Setup::new(built.join("gatelog"), data).start()?;
        Ok(Self::Gatelog(Box::new(gatelog)))
    }

    pub(super) fn port(&self) -> anyhow::Result<u16> {
        match self {
            Self::Yes(yes) => Ok(yes.port),
            Self::Gatelog(gatelog) => gatelog.port(),
        }
    }

    /// Records that it has: gatelog counts them; the other goes by the numbers of the one worker that
    /// sends, which have no gaps but what that has dropped.
    pub(super) fn accepted(&self) -> anyhow::Result<u64> {
        match self {
            Self::Gatelog(gatelog) => candidate::accepted(gatelog),
            Self::Yes(yes) => {
                let last = yes.last.lock().unwrap_or_else(PoisonError::into_inner);
                let records = match serde_json::from_slice(&last.body) {
                    Ok(serde_json::Value::Array(records)) => records.len() as u64,
                    Ok(_) => 1,
                    Err(_) => 0,
                };
                Ok((last.first_record + records).saturating_sub(last.dropped))
            }
        }
    }
}

fn serve(connection: &TcpStream, last: &Mutex<Last>) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut to = connection;
    let mut from = BufReader::with_capacity(1 << 16, connection);
    loop {
        let mut batch = Last::default();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.split_once(':') else {
                // The request line, or the end of the head.
                if line == "\r\n" {
                    break;
                }
                continue;
            };
            let value = value.trim().parse().unwrap_or_default();
            match name {
                "content-length" => length = value,
                "gatelog-sequence" => batch.first_record = value,
                "gatelog-dropped" => batch.dropped = value,
                _ => {}
            }
        }
        from.by_ref().take(length).read_to_end(&mut batch.body)?;
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n\
                      {\"accepted\":1}";
        {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if batch.first_record >= last.first_record {
                *last = batch;
            }
        }
        to.write_all(answer.as_bytes())?;
    }
}
