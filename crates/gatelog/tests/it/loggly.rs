//! `loggly` through a whole service: what arrives at a receiver, for which records, and after what.

mod datagram;
mod kong;
mod rsyslog;
mod secure;
mod stream;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::wait;
use serde_json::Value;

const DEADLINE: Duration = Duration::from_mins(1);

/// What no log, no answer and no file but the configuration may show.
const KEY: &str = "f3a3aa10-the-secret-token";

/// A receiver of datagrams, on a port of its own.
fn datagrams() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn next(socket: &UdpSocket) -> String {
    let mut space = vec![0; 1 << 16];
    let length = socket.recv(&mut space).unwrap();
    space.truncate(length);
    String::from_utf8(space).unwrap()
}

/// Whether there is nothing more, once nothing can be on its way.
fn is_empty(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).unwrap();
    socket.recv(&mut [0; 1]).is_err()
}

/// The object in a message.
fn object(message: &str) -> Value {
    let (_, json) = message.split_once("] {").unwrap();
    serde_json::from_str(&format!("{{{json}")).unwrap()
}

/// A plugin of this key for a receiver on this port.
fn one(port: u16, more: &str) -> String {
    format!(
        "plugins: [{{name: loggly, config: {{host: 127.0.0.1, port: {port}, key: {KEY}{more}}}}}]\n"
    )
}

/// The number of a standard record, by its object in Kong's JSON.
fn number(object: &Value) -> u64 {
    let uri = object["request"]["uri"].as_str().unwrap();
    uri.rsplit('=').next().unwrap().parse().unwrap()
}

/// What `/ready` says of the output.
fn state(gatelog: &Gatelog) -> Value {
    let (_, body) = gatelog.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&body).unwrap();
    ready["outputs"][0].clone()
}

/// Waits until the output has nothing behind it.
fn wait_for_end(gatelog: &Gatelog) {
    wait::until("the output to have everything", DEADLINE, || {
        let state = state(gatelog);
        if state["lag_bytes"] == 0 {
            Ok(())
        } else {
            Err(state)
        }
    })
    .unwrap();
}

/// Waits until `/ready` tells an error that has this.
fn wait_for_error(gatelog: &Gatelog, text: &str) {
    wait::until("the output to say so", DEADLINE, || {
        let state = state(gatelog);
        let error = state["error"].as_str().unwrap_or_default();
        if error.contains(text) {
            Ok(())
        } else {
            Err(state)
        }
    })
    .unwrap();
}

fn metric(gatelog: &Gatelog, name: &str) -> u64 {
    let (_, text) = gatelog.get("/metrics").unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name}{{")));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// The key is in nothing that gatelog says or writes.
fn assert_key_is_secret(gatelog: &Gatelog, data_dir: &Path) {
    assert!(!gatelog.log().join("\n").contains(KEY));
    for path in ["/ready", "/metrics"] {
        assert!(!gatelog.get(path).unwrap().1.contains(KEY), "{path}");
    }
    let Ok(letters) = fs::read_dir(data_dir.join("dead-letter")) else {
        return;
    };
    for letter in letters {
        let bytes = fs::read(letter.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(KEY));
    }
}

/// A listener on a port of its own.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Reads so many lines of a connection.
fn read_lines(stream: &TcpStream, count: usize) -> Vec<String> {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let lines = BufReader::new(stream).lines().take(count);
    lines.collect::<Result<_, _>>().unwrap()
}
