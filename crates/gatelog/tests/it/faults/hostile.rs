//! Fault 17: clients that break the rules of HTTP, of JSON, or of manners. Each is answered as the
//! contract says or closed, memory stays bounded, and the records of others pass.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::wait;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::raw::{connect, exchange, exchange_cut, post, status};
use super::rig::peak_mib;
use crate::service::{TestService, lines, start, start_with};

/// Without load the process takes about 60 MiB; the rest is room for one decompressed body of the
/// largest size (128 MiB) and its records in each of two decoders, which most cases do not need.
const PEAK_MIB: u64 = 400;

const RECORD: &str = r#"{"method":"GET","path":"/hostile"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An ordinary record passes, and exactly so many rows are there.
fn alive(service: &TestService, rows: u64) {
    assert_eq!(service.ingest(lines(0..1)).unwrap().0, 200);
    service.wait_for_rows("", rows + 1).unwrap();
    let peak = peak_mib(service);
    assert!(peak < PEAK_MIB, "{peak} MiB");
}

#[test]
fn bodies_that_do_not_fit_their_length_are_not_taken() {
    let service = start();
    let head = "POST /ingest HTTP/1.1\r\nhost: x\r\n";
    // Longer than what comes: the whole record in it is not acknowledged.
    let long = format!("{head}content-length: 500\r\n\r\n{RECORD}");
    assert_ne!(status(&exchange_cut(&service, long.as_bytes())), 200);
    // Shorter: what follows is no request.
    let length = RECORD.len();
    let short = format!("{head}content-length: {length}\r\n\r\n{RECORD}{RECORD}\r\n\r\n");
    let answer = exchange(&service, short.as_bytes());
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
    for wrong in [
        "content-length: -1\r\n",
        "content-length: 12x\r\n",
        "content-length: 99999999999999999999999\r\n",
        "content-length: 10\r\ncontent-length: 20\r\n",
        "transfer-encoding: nonsense\r\n",
    ] {
        let answer = exchange(&service, format!("{head}{wrong}\r\n{RECORD}").as_bytes());
        assert!(matches!(status(&answer), 0 | 400), "{wrong}: {answer}");
    }
    alive(&service, 1);
}

#[test]
fn chunks_are_read_with_their_extensions_and_not_otherwise() {
    let service = start();
    let head = "POST /ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let (first, second) = RECORD.split_at(9);
    let good = format!(
        "{head}{:x};name=\"v;w\"\r\n{first}\r\n{:X};x\r\n{second}\r\n0;last\r\ntrailer: y\r\n\r\n",
        first.len(),
        second.len()
    );
    let answer = exchange(&service, good.as_bytes());
    assert!(answer.ends_with(r#"{"accepted":1}"#), "{answer}");
    for bad in [
        format!("zz\r\n{RECORD}\r\n0\r\n\r\n"),
        format!("-5\r\n{RECORD}\r\n0\r\n\r\n"),
        format!("ffffffffffffffffff\r\n{RECORD}\r\n0\r\n\r\n"),
        format!("{:x}\r\n{RECORD}garbage\r\n0\r\n\r\n", RECORD.len()),
        // An extension without end.
        format!("1;{}", "x".repeat(1 << 20)),
    ] {
        let answer = exchange_cut(&service, format!("{head}{bad}").as_bytes());
        let begin: String = bad.chars().take(20).collect();
        assert!(matches!(status(&answer), 0 | 400), "{begin}: {answer}");
    }
    // The last chunk is missing: the record is whole, the body is not.
    let cut = format!("{head}{:x}\r\n{RECORD}\r\n", RECORD.len());
    assert_ne!(status(&exchange_cut(&service, cut.as_bytes())), 200);
    alive(&service, 1);
}

#[test]
fn odd_json_is_taken_or_refused_by_item() {
    let service = start();
    let deep = format!(r#"{{"ai_log":{}"#, "{\"a\":".repeat(100_000));
    let mut rows = 0;
    for (body, accepted) in [
        (r#"{"method":"GET","path":"/tru"#.to_owned(), 0),
        (format!("[{RECORD},{RECORD}"), 2),
        (r#"{"path":"/a","path":"/b"}"#.to_owned(), 1),
        (r#"{"duration":NaN}"#.to_owned(), 0),
        (r#"{"duration":Infinity}"#.to_owned(), 0),
        (r#"{"duration":1e400}"#.to_owned(), 0),
        (r#"{"bytes_sent":99999999999999999999}"#.to_owned(), 0),
        (r#"{"bytes_sent":-9223372036854775808}"#.to_owned(), 1),
        (format!(r#"{{"bytes_sent":{}}}"#, "9".repeat(100_000)), 0),
        (deep, 0),
        ("[".repeat(100_000), 0),
        // What is broken ends at its line.
        (format!("{RECORD}\0{RECORD}\n{RECORD}"), 2),
        ("\u{feff}".to_owned() + RECORD, 1),
    ] {
        let (code, answer) = service.ingest(&body).unwrap();
        let begin: String = body.chars().take(40).collect();
        assert!(matches!(code, 200 | 400), "{begin}: {code} {answer}");
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["accepted"], accepted, "{begin}: {answer}");
        assert_eq!(code == 200, accepted > 0, "{begin}: {answer}");
        rows += accepted;
    }
    let not_utf8 = b"{\"path\":\"/\xff\xfe\xc0\xaf\xed\xa0\x80\"}";
    assert_eq!(service.ingest(not_utf8).unwrap().0, 200);
    alive(&service, rows + 1);
}

#[test]
fn heads_that_are_too_large_or_are_none_are_refused() {
    let service = start();
    let one = format!(
        "POST /ingest HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n",
        "y".repeat(1 << 20)
    );
    assert_eq!(status(&exchange(&service, one.as_bytes())), 431);
    let many = "x: y\r\n".repeat(1 << 18);
    let many = format!("POST /ingest HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert_eq!(status(&exchange(&service, many.as_bytes())), 431);
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(1 << 20));
    assert!(matches!(
        status(&exchange(&service, path.as_bytes())),
        414 | 431
    ));
    for nonsense in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03hello, is this TLS?\r\n\r\n"[..],
        b"POST /ingest HTTP/9.9\r\n\r\n",
        b"POST /ingest HTTP/1.1\r\nno colon\r\n\r\n",
        b"PO ST /ingest HTTP/1.1\r\nhost: x\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, and never one",
    ] {
        let answer = exchange_cut(&service, nonsense);
        assert_ne!(status(&answer), 200, "{answer}");
    }
    alive(&service, 0);
}

#[test]
fn bombs_of_every_encoding_are_refused() {
    let service = start_with("ingest: { max_body_bytes: 1MiB, max_decompressed_bytes: 8MiB }\n");
    let bomb = vec![b' '; 12 << 20];
    let gzip_bomb = gzip(&bomb);
    let zstd_bomb = zstd::bulk::compress(&bomb, 3).unwrap();
    for (encoding, bomb) in [("gzip", &gzip_bomb), ("zstd", &zstd_bomb)] {
        let headers = format!("content-encoding: {encoding}\r\n");
        let answer = exchange(&service, &post(&headers, bomb));
        assert_eq!(status(&answer), 413, "{encoding}: {answer}");
        let cut = &bomb[..bomb.len() / 2];
        let answer = exchange(&service, &post(&headers, cut));
        assert!(matches!(status(&answer), 400 | 413), "{encoding}: {answer}");
    }
    // Packed twice, as some proxies do; what it says is what is undone.
    let twice = gzip(&gzip(RECORD.as_bytes()));
    let answer = exchange(&service, &post("content-encoding: gzip\r\n", &twice));
    assert_eq!(status(&answer), 400, "{answer}");
    alive(&service, 0);
}

#[test]
fn requests_behind_each_other_and_those_that_ask_first_are_answered_in_order() {
    let service = start();
    let request = |path: &str, close: &str| {
        let body = format!(r#"{{"path":"{path}"}}"#);
        let length = body.len();
        format!("POST /ingest HTTP/1.1\r\nhost: x\r\n{close}content-length: {length}\r\n\r\n{body}")
    };
    let mut pipeline = String::new();
    for number in 0..50 {
        pipeline.push_str(&request(&format!("/{number}"), ""));
    }
    pipeline.push_str("GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let answer = exchange(&service, pipeline.as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 51, "{answer}");
    assert!(answer.ends_with("ok"), "{answer}");

    let mut stream = connect(&service);
    let head = "POST /ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\nexpect: 100-continue\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n", RECORD.len()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(RECORD.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 200, "{answer}");
    alive(&service, 51);
}

#[test]
fn http_2_without_negotiation_is_understood() {
    let service = start();
    let port = service.port().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let body = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .unwrap();
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let request = hyper::Request::post(format!("http://127.0.0.1:{port}/ingest"))
            .body(Full::new(Bytes::from(lines(0..20))))
            .unwrap();
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap().to_bytes()
    });
    assert_eq!(&body[..], br#"{"accepted":20}"#);
    alive(&service, 20);
}

/// Half a head, half a body, one byte now and then, or nothing: they wait, the others do not.
fn crowd(service: &Gatelog, each: usize) -> Vec<TcpStream> {
    let manners: [&[u8]; 6] = [
        b"",
        b"PRI",
        b"POST /ing",
        b"POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n",
        b"POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"method\":",
        b"POST /ingest HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"m",
    ];
    let mut streams = Vec::new();
    for _ in 0..each {
        for manner in manners {
            let mut stream = connect(service);
            stream.write_all(manner).unwrap();
            streams.push(stream);
        }
    }
    streams
}

/// So many connections that do nothing take at most 64 KiB each: a connection's buffer and its task.
fn connections_that_dawdle(each: usize) {
    let service = start();
    let before = peak_mib(&service);
    let mut streams = crowd(&service, each);
    for number in 0..20 {
        let answered = service.ingest(lines(number..number + 1)).unwrap();
        assert_eq!(answered.0, 200, "{answered:?}");
    }
    // Those that say one byte more now and then are no nearer to an end.
    for stream in streams.iter_mut().take(100) {
        let _open = stream.write_all(b"x").is_ok();
    }
    // Half open: gone without a word (a reset, as there are bytes unread or not).
    drop(streams.split_off(streams.len() / 2));
    service.wait_for_rows("", 20).unwrap();
    let taken_mib = peak_mib(&service) - before;
    let limit_mib = 32 + (6 * each as u64 * 64) / 1024;
    println!("{} connections: {taken_mib} MiB", 6 * each);
    assert!(taken_mib < limit_mib, "{taken_mib} MiB of {limit_mib}");
    drop(streams);
    wait::until(
        "the descriptors to be given back",
        Duration::from_secs(20),
        || {
            let open = std::fs::read_dir(format!("/proc/{}/fd", service.pid()))
                .unwrap()
                .count();
            if open < 100 { Ok(()) } else { Err(open) }
        },
    )
    .unwrap();
    assert_eq!(service.ingest(lines(20..21)).unwrap().0, 200);
    service.wait_for_rows("", 21).unwrap();
}

#[test]
fn a_thousand_connections_that_dawdle_stop_nobody() {
    connections_that_dawdle(200);
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn ten_thousand_connections_that_dawdle_stop_nobody() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.maximum.is_some_and(|most| most < 14_000) {
        println!(
            "skipped: {:?} open files are all that is permitted",
            limit.maximum
        );
        return;
    }
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    connections_that_dawdle(2000);
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn who_does_not_finish_a_head_or_a_body_is_sent_away() {
    let service = start();
    let streams = crowd(&service, 3);
    for mut stream in streams {
        // A head may take two minutes, a body one.
        stream
            .set_read_timeout(Some(Duration::from_secs(150)))
            .unwrap();
        let mut answer = String::new();
        // Closed, with or without an answer, and not left open.
        if let Err(error) = stream.read_to_string(&mut answer) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{answer}");
        }
        assert!(matches!(status(&answer), 0 | 408), "{answer}");
    }
    alive(&service, 0);
}
