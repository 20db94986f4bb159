//! Bytes over a socket, as no library would send them.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use gatelog_testkit::gatelog::Gatelog;

/// How long the server may take to answer or to close.
const PATIENCE: Duration = Duration::from_secs(15);

pub(crate) fn connect(gatelog: &Gatelog) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", gatelog.port().unwrap())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends the bytes and what follows nothing; answers all that comes back until the server closes.
/// The bytes have to make it close: by `connection: close`, or by being wrong.
pub(crate) fn exchange(gatelog: &Gatelog, bytes: &[u8]) -> String {
    let mut stream = connect(gatelog);
    // The server may have had enough before the end.
    let _sent = stream.write_all(bytes).is_ok();
    read_to_end(&mut stream)
}

/// As [`exchange`], and the sender goes away behind the bytes, with its ear still open.
pub(crate) fn exchange_cut(gatelog: &Gatelog, bytes: &[u8]) -> String {
    let mut stream = connect(gatelog);
    let _sent = stream.write_all(bytes).is_ok();
    let _shut = stream.shutdown(Shutdown::Write).is_ok();
    read_to_end(&mut stream)
}

fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} behind {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of the first answer; 0 when there is none.
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    status.map_or(0, |digits| digits.parse().unwrap())
}

/// A whole request with this body.
pub(crate) fn post(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
