//! No byte that a client or an upstream can send stops the plugin.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use gatelog_testkit::envoy::{Envoy, Gateway};
use serde_json::json;

use super::rig::{self, Collector, PATIENCE, exchange, get};

/// Envoy answers some of it with 400, and then there may be no headers at all.
#[test]
fn bytes_that_are_no_text_and_broken_requests_are_recorded_too() {
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port()).plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let mut not_utf8 =
        b"GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-request-id: latin\r\n\
        user-agent: caf\xe9\r\nx-mse-consumer: \xff\xfe\r\n\r\n"
            .to_vec();
    assert_eq!(exchange(envoy.address(), &not_utf8), 200);
    not_utf8 =
        b"GET /direct HTTP/1.1\r\nhost: a\r\nx-\xe9: 1\r\nconnection: close\r\n\r\n".to_vec();
    let odd_name = exchange(envoy.address(), &not_utf8);
    assert_eq!(exchange(envoy.address(), b"GARBAGE\r\n\r\n"), 400);
    assert_eq!(
        exchange(
            envoy.address(),
            b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"
        ),
        400
    );
    assert_eq!(exchange(envoy.address(), &get("/direct", "after")), 200);

    let records = collector.wait_for_records(5);
    assert_eq!(records.len(), 5);
    // Batches of one record overtake each other.
    let latin = records
        .iter()
        .find(|record| record.request_id.as_deref() == Some("latin"))
        .unwrap();
    assert_eq!(latin.user_agent.as_deref(), Some("caf\u{fffd}"));
    assert_eq!(latin.consumer.as_deref(), Some("\u{fffd}\u{fffd}"));
    let mut codes: Vec<_> = records
        .iter()
        .map(|record| record.response_code.unwrap())
        .collect();
    codes.sort_unstable();
    let mut expected = [200, i64::from(odd_name), 400, 400, 200];
    expected.sort_unstable();
    assert_eq!(codes, expected);
    assert!(!rig::records(&collector.taken()[0]).is_empty());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}

/// A frame of HTTP/2 on the first stream, or on the connection.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [
        length[1], length[2], length[3], kind, flags, 0, 0, 0, stream,
    ];
    [&head[..], payload].concat()
}

/// A header as HPACK writes one that is in no table.
fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let length = |bytes: &[u8]| [u8::try_from(bytes.len()).unwrap()];
    [&[0], &length(name)[..], name, &length(value), value].concat()
}

/// Sends a request with one more header over HTTP/2, byte by byte as it stands here, and waits for the
/// connection's end or an answer to a ping behind it.
fn exchange_http2(to: SocketAddr, id: &str, name: &[u8], value: &[u8]) {
    let headers = [
        literal(b":method", b"GET"),
        literal(b":scheme", b"http"),
        literal(b":path", b"/direct"),
        literal(b":authority", b"a"),
        literal(b"x-request-id", id.as_bytes()),
        literal(name, value),
    ];
    let bytes = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, b""),
        frame(1, 5, 1, &headers.concat()),
        frame(6, 0, 0, b"ping-it!"),
    ];
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&bytes.concat()).unwrap();
    let mut answer: Vec<u8> = Vec::new();
    while !answer.windows(8).any(|window| window == b"ping-it!") {
        let mut some = [0; 1024];
        match stream.read(&mut some) {
            Ok(0) | Err(_) => break,
            Ok(count) => answer.extend(&some[..count]),
        }
    }
}

#[test]
fn names_of_headers_over_http2_do_not_stop_the_plugin() {
    let collector = Collector::start();
    let everything = json!({"batch": {"max_records": 1}, "capture": {"request_headers": ["*"]}});
    let envoy = Envoy::start(&Gateway::new(collector.port()).plugin(everything)).unwrap();
    for (nth, (name, value)) in [
        (&b"x-\xe9"[..], &b"1"[..]),
        (b"\xff\xfe", b"1"),
        (b"x\0y", b"1"),
        (b"x-value", b"caf\xe9"),
        (b"x-value", b"\xff\xfe"),
        (b"", b"1"),
        (b"X-Upper", b"1"),
        (b":odd", b"1"),
        (b"x y", b"1"),
    ]
    .into_iter()
    .enumerate()
    {
        exchange_http2(envoy.address(), &format!("odd-{nth}"), name, value);
    }
    assert_eq!(exchange(envoy.address(), &get("/direct", "after")), 200);
    collector.wait_for_records(3);
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    assert_eq!(exchange(envoy.address(), &get("/direct", "after")), 200);
}

/// Answers each connection with the next of these.
fn answering(answers: Vec<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            drop(stream.read(&mut [0; 4096]));
            drop(stream.write_all(answer));
        }
    });
    port
}

#[test]
fn names_of_headers_of_an_upstream_do_not_stop_the_plugin() {
    let port = answering(vec![
        b"HTTP/1.1 200 OK\r\nx-\xe9: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\xff\xfe: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx y: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 200 \xe9\xe9\r\nx-v: caf\xe9\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        b"HTTP/1.1 999 OK\r\ncontent-type: \xff\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
    ]);
    let collector = Collector::start();
    let everything = json!({"batch": {"max_records": 1}, "capture": {"response_headers": ["*"]}});
    let gateway = Gateway::new(collector.port())
        .upstreams(port, 1, 1)
        .plugin(everything);
    let envoy = Envoy::start(&gateway).unwrap();
    let statuses: Vec<u16> = (0..5)
        .map(|nth| exchange(envoy.address(), &get("/web/a", &format!("odd-{nth}"))))
        .collect();
    let mut records = collector.wait_for_records(5);
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    // Batches of one record overtake each other.
    records.sort_by(|one, other| one.request_id.cmp(&other.request_id));
    let codes: Vec<_> = records.iter().map(|record| record.response_code).collect();
    let statuses: Vec<_> = statuses
        .into_iter()
        .map(|code| Some(i64::from(code)))
        .collect();
    assert_eq!(codes, statuses);
}
