//! Fault 3: SIGTERM with work inside, within the grace period and beyond it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::raw::{connect, status};
use super::rig::{Rig, start};
use crate::service::{lines, setup};

#[test]
fn sigterm_under_load_ends_cleanly_and_keeps_what_was_acknowledged() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    for _ in 0..2 {
        let gatelog = start(&setup(&dir));
        rig.up(&gatelog);
        rig.wait_for_batches(30);
        assert!(gatelog.terminate().unwrap().success());
        rig.down();
    }
    rig.finish_clean(&start(&setup(&dir)));
}

/// A database that takes connections and never says anything: the store cannot end in time. The
/// process ends all the same, and the next one finds everything in the journal.
#[test]
fn a_store_that_hangs_does_not_keep_the_process_from_ending() {
    let dir = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let dsn = format!("u:p@tcp(127.0.0.1:{port})/d");
    let rig = Rig::new();
    let mut gatelog = start(&setup(&dir).variable("MYSQL_DSN", dsn));
    rig.up(&gatelog);
    rig.wait_for_batches(30);
    let begun = Instant::now();
    gatelog.signal("TERM").unwrap();
    rig.down();
    let status = gatelog.wait_for_end(Duration::from_secs(40)).unwrap();
    assert!(status.success(), "{status}");
    println!("ended after {:?}", begun.elapsed());
    // The lake reads the same journal from its beginning.
    rig.finish_clean(&start(&setup(&dir)));
}

/// Posts one record on a connection that stays; all of the answer, or nothing if it was closed.
fn post_and_stay(stream: &mut TcpStream) -> String {
    let body = lines(0..1);
    let length = body.trim_end().len();
    let head = format!("POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    let _sent = write!(stream, "{head}{}", body.trim_end()).is_ok();
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with(b"}")
        && let Ok(length @ 1..) = stream.read(&mut buffer)
    {
        answer.extend_from_slice(&buffer[..length]);
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn who_sends_while_it_ends_is_told_to_come_again() {
    let dir = TempDir::new().unwrap();
    let mut gatelog = start(&setup(&dir));
    let mut kept = connect(&gatelog);
    // Behind the grace period this one is told, too, and not cut off.
    let mut half = connect(&gatelog);
    write!(
        half,
        "POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{{"
    )
    .unwrap();
    assert_eq!(status(&post_and_stay(&mut kept)), 200);
    gatelog.signal("TERM").unwrap();
    let told = |answer: &str| {
        assert_eq!(status(answer), 503, "{answer:?}");
        let answer = answer.to_ascii_lowercase();
        for header in ["retry-after: 1\r\n", "connection: close\r\n"] {
            assert!(answer.contains(header), "{answer}");
        }
    };
    let begun = Instant::now();
    let mut accepted = 1;
    let last = loop {
        let answer = post_and_stay(&mut kept);
        if status(&answer) != 200 {
            break answer;
        }
        accepted += 1;
        assert!(begun.elapsed() < Duration::from_secs(10), "{accepted}");
    };
    told(&last);
    let mut answer = String::new();
    half.read_to_string(&mut answer).unwrap();
    told(&answer);
    assert!(
        gatelog
            .wait_for_end(Duration::from_secs(20))
            .unwrap()
            .success()
    );
    start(&setup(&dir)).wait_for_rows("", accepted).unwrap();
}
