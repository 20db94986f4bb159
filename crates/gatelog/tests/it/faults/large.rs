//! Bodies that are large, and records that are, at the limits that hold when nothing is configured:
//! each is taken or told why not, for good or for now, in bounded memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use gatelog_testkit::wait;
use serde_json::{Value, json};

use super::raw::{connect, exchange, post, status};
use super::rig::peak_mib;
use crate::service::{TestService, lines, start, start_with};

const MIB: usize = 1 << 20;

/// A packed body: so many bytes of `filling` between two texts.
fn pack_around(begin: &str, filling: u8, bytes: usize, end: &str) -> Vec<u8> {
    let body = [begin.as_bytes(), &vec![filling; bytes], end.as_bytes()].concat();
    zstd::bulk::compress(&body, 1).unwrap()
}

fn packed(service: &TestService, body: &[u8]) -> (u16, Value) {
    let (status, answer) = service
        .ingest_with(&[("content-encoding", "zstd")], body)
        .unwrap();
    (status, serde_json::from_str(&answer).unwrap())
}

/// 100 MiB decompressed, 16 MiB of them looked at as a record; the process itself takes 60 MiB.
const PEAK_MIB: u64 = 400;

#[test]
fn one_enormous_record_is_named_and_its_neighbours_are_taken() {
    let service = start();
    for (filling, twice) in [(b'x', false), (0xff, false), (0xff, true)] {
        let (begin, end) = (lines(0..1), lines(1..2));
        // Of the last one the text alone would fit, and its replacements would not.
        let bytes = if twice { 10 * MIB } else { 100 * MIB };
        let begin = format!("{begin}{{\"path\":\"");
        let body = pack_around(&begin, filling, bytes, &format!("\"}}\n{end}"));
        let (status, answer) = packed(&service, &body);
        assert_eq!((status, &answer["accepted"]), (200, &json!(2)), "{answer}");
        let rejected = answer["rejected"].as_array().unwrap();
        assert_eq!((rejected.len(), &rejected[0]["index"]), (1, &json!(1)));
        let told = rejected[0]["error"].as_str().unwrap();
        let long = if twice { 3 * bytes } else { bytes } + r#"{"path":""}"#.len();
        // Mended with the line break before it.
        let long = if twice { long + 1 } else { long };
        assert_eq!(
            told,
            format!("the item has {long} bytes, a record may have 16777216")
        );
    }
    // Alone it is a bad body, not one to send again.
    let body = pack_around("{\"path\":\"", 0xff, 100 * MIB, "\"}");
    assert_eq!(packed(&service, &body).0, 400);
    service.wait_for_rows("", 6).unwrap();
    let peak = peak_mib(&service);
    println!("peak {peak} MiB");
    assert!(peak < PEAK_MIB, "{peak} MiB");
}

/// The journal has its least size and all its readers keep up: a body that it can never hold is told
/// so, one that it can hold is taken.
#[test]
fn what_the_journal_can_never_hold_is_413_and_what_it_can_hold_is_taken() {
    let service = start_with("journal: { max_bytes: 64MiB }\n");
    let record = lines(0..1);
    let all = record.repeat(100 * MIB / record.len());
    let (status, answer) = packed(&service, &zstd::bulk::compress(all.as_bytes(), 1).unwrap());
    assert_eq!(status, 413, "{answer}");
    let told = answer["error"].as_str().unwrap();
    assert!(
        told.contains("the journal, which takes at most 25165824 at once"),
        "{told}"
    );
    let count = 20 * MIB / record.len();
    for _ in 0..3 {
        let taken = wait::until(
            "room in the journal",
            Duration::from_mins(1),
            || match service.ingest(record.repeat(count)).unwrap() {
                (200, answer) => Ok(answer),
                (503, answer) => Err(answer),
                other => panic!("{other:?}"),
            },
        );
        assert_eq!(taken.unwrap(), format!("{{\"accepted\":{count}}}"));
    }
}

/// Requests that stop in the middle of their body.
fn stuck(service: &TestService, head: &str, begin: &[u8], count: usize) -> Vec<TcpStream> {
    let head = format!("POST /ingest HTTP/1.1\r\nhost: x\r\n{head}\r\n");
    let all = (0..count).map(|_| {
        let mut stream = connect(service);
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(begin).unwrap();
        stream
    });
    all.collect()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let head = format!("{:x}\r\n", bytes.len());
    [head.as_bytes(), bytes, b"\r\n"].concat()
}

/// Large, chunked and small senders, each of which needs more than one read.
fn others_pass(service: &TestService) {
    let begun = Instant::now();
    let large = lines(0..4000);
    let chunked = [
        b"POST /ingest HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
        chunk(&large.as_bytes()[..large.len() / 2]),
        chunk(&large.as_bytes()[large.len() / 2..]),
        b"0\r\n\r\n".to_vec(),
    ];
    let answer = exchange(service, &chunked.concat());
    assert_eq!(status(&answer), 200, "{answer}");
    for body in [large.as_bytes(), lines(0..100).as_bytes()] {
        let answer = exchange(service, &post("", body));
        assert_eq!(status(&answer), 200, "{answer}");
    }
    println!("others passed after {:?}", begun.elapsed());
}

#[test]
fn senders_that_stop_in_the_middle_keep_nobody_out() {
    let service = start();
    let chunked = "transfer-encoding: chunked\r\n";
    let large = "content-length: 33554432\r\n";
    // A few bytes each, as many as like.
    let few = stuck(&service, chunked, &chunk(b"{\"method\":\"GET\""), 600);
    others_pass(&service);
    // All that there is for large ones, asked for and not used.
    let claims = stuck(&service, large, &vec![b' '; 200 << 10], 8);
    others_pass(&service);
    // The same without saying so.
    let grown = stuck(&service, chunked, &chunk(&vec![b' '; 2 << 20]), 8);
    others_pass(&service);
    // Those who gave way, or found no room, were told to come again.
    let mut told = 0;
    for mut stream in claims.into_iter().chain(grown) {
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let mut answer = [0; 1000];
        if let Ok(length) = stream.read(&mut answer) {
            let answer = String::from_utf8_lossy(&answer[..length]);
            if status(&answer) == 503 {
                assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
                told += 1;
            }
        }
    }
    assert!(told > 0);
    drop(few);
    let peak = peak_mib(&service);
    println!("peak {peak} MiB");
}

/// 2,000 bodies of just under 256 KiB that lack their last byte: without a bound they would take
/// 500 MiB.
#[test]
fn small_bodies_that_are_under_way_are_bounded_too() {
    let service = start();
    let before = peak_mib(&service);
    let head = "POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: 262144\r\n\r\n";
    let body = vec![b' '; (256 << 10) - 1];
    let send = || {
        let mut stream = connect(&service);
        // What is not taken is not sent.
        let patience = Some(Duration::from_millis(20));
        stream.set_write_timeout(patience).unwrap();
        let _all = stream.write_all(head.as_bytes()).is_ok() && stream.write_all(&body).is_ok();
        stream
    };
    let held: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..500).map(|_| send()).collect::<Vec<_>>()))
            .collect();
        let joined = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        joined.collect()
    });
    // Others are told to come again, and do not have to often.
    wait::until("others to pass", Duration::from_secs(40), || {
        let answer = exchange(&service, &post("", lines(0..100).as_bytes()));
        if status(&answer) == 200 {
            Ok(())
        } else {
            Err(answer)
        }
    })
    .unwrap();
    let taken = peak_mib(&service) - before;
    println!("{} held, {taken} MiB", held.len());
    assert!(taken < 300, "{taken} MiB");
}
