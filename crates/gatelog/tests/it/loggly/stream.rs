//! Connections that are refused, lost and silent.

use std::collections::BTreeMap;
use std::net::Shutdown;

use tempfile::TempDir;

use super::*;
use crate::service::{lines, setup};

#[test]
fn a_dead_receiver_delays_nobody_and_gets_everything_later() {
    let dir = TempDir::new().unwrap();
    let (listening, port) = listener();
    drop(listening);
    let config = one(port, ", transport: tcp, framing: octet-counted");
    let gatelog = setup(&dir).config(config).start().unwrap();
    gatelog.ingest(lines(0..200)).unwrap();
    wait_for_error(&gatelog, "refused");
    gatelog.wait_for_rows("", 200).unwrap();
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (stream, _) = listening.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut reader = BufReader::new(&stream);
    for expected in 0..200 {
        // The length, a blank, and so many bytes: nothing in between.
        let mut length = Vec::new();
        reader.read_until(b' ', &mut length).unwrap();
        let length = String::from_utf8(length).unwrap();
        let mut message = vec![0; length.trim_end().parse().unwrap()];
        std::io::Read::read_exact(&mut reader, &mut message).unwrap();
        let message = String::from_utf8(message).unwrap();
        assert!(
            message.starts_with("<14>1 ") && message.ends_with('}'),
            "{message}"
        );
        assert_eq!(number(&object(&message)), expected);
    }
    wait_for_end(&gatelog);
    assert_key_is_secret(&gatelog, dir.path());
}

#[test]
fn what_a_dead_receiver_does_not_get_goes_to_the_dead_letter_without_the_key() {
    let dir = TempDir::new().unwrap();
    let (listening, port) = listener();
    drop(listening);
    let config = one(port, ", transport: tcp, max_backlog: {bytes: 20KiB}");
    let gatelog = setup(&dir).config(config).start().unwrap();
    for batch in 0..20 {
        gatelog.ingest(lines(batch * 50..(batch + 1) * 50)).unwrap();
    }
    wait::until("the oldest to be put aside", DEADLINE, || {
        match metric(&gatelog, "gatelog_output_backlog_total") {
            0 => Err("none"),
            _ => Ok(()),
        }
    })
    .unwrap();
    let letters = fs::read_dir(dir.path().join("dead-letter")).unwrap();
    let texts = letters.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    assert!(texts.collect::<String>().contains("dead_letter_reason"));
    assert_key_is_secret(&gatelog, dir.path());
}

/// What is passed over is done with; of the others none is lost, nor comes in another's place.
#[test]
fn those_that_are_passed_over_do_not_disturb_those_that_wait() {
    let dir = TempDir::new().unwrap();
    let (listening, port) = listener();
    drop(listening);
    let config = one(
        port,
        ", transport: tcp, log_level: err, server_errors_severity: crit",
    );
    let gatelog = setup(&dir).config(config).start().unwrap();
    let status = |n| if n % 3 == 1 { 503 } else { 200 };
    let items = (0..60).map(|n| {
        let status = status(n);
        format!(r#"{{"path":"/?n={n}","response_code":{status}}}"#)
    });
    gatelog
        .ingest(items.collect::<Vec<_>>().join("\n"))
        .unwrap();
    wait_for_error(&gatelog, "refused");
    assert_eq!(metric(&gatelog, "gatelog_output_below_level_total"), 40);
    let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (stream, _) = listening.accept().unwrap();
    let read = read_lines(&stream, 20);
    let read = read.iter().map(|line| number(&object(line)));
    assert!(read.eq((0..60).filter(|n| status(*n) == 503)));
    wait_for_end(&gatelog);
    assert_eq!(metric(&gatelog, "gatelog_output_below_level_total"), 40);
}

/// A connection that is closed is seen before the next batch, which goes over a new one.
#[test]
fn a_connection_that_was_closed_is_opened_anew_and_nothing_is_lost() {
    let dir = TempDir::new().unwrap();
    let (listening, port) = listener();
    let gatelog = setup(&dir)
        .config(one(port, ", transport: tcp"))
        .start()
        .unwrap();
    for round in 0..5 {
        let numbers = round * 20..(round + 1) * 20;
        gatelog.ingest(lines(numbers.clone())).unwrap();
        let (stream, _) = listening.accept().unwrap();
        let read = read_lines(&stream, 20);
        let read = read.iter().map(|line| number(&object(line)));
        assert!(read.eq(numbers), "round {round}");
        wait_for_end(&gatelog);
        stream.shutdown(Shutdown::Both).unwrap();
    }
    assert_eq!(metric(&gatelog, "gatelog_output_errors_total"), 0);
}

/// A receiver that takes nothing for `timeout` is given up, and the batch comes again as a whole.
#[test]
fn a_receiver_that_hangs_is_given_up_and_gets_what_was_not_taken() {
    let dir = TempDir::new().unwrap();
    let (listening, port) = listener();
    let config = one(port, ", transport: tcp, timeout: 300");
    let gatelog = setup(&dir).config(config).start().unwrap();
    // More than all buffers between have room for.
    let body = "x".repeat(20_000);
    let items = (0..1000).map(|n| format!(r#"{{"path":"/?n={n}","user_agent":"{body}"}}"#));
    gatelog
        .ingest(items.collect::<Vec<_>>().join("\n"))
        .unwrap();
    let (_silent, _) = listening.accept().unwrap();
    wait_for_error(&gatelog, "within 300 ms");
    // What the kernel had taken before is gone with the connection; all behind it comes, in order.
    let (stream, _) = listening.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut seen = Vec::new();
    for line in BufReader::new(&stream).lines() {
        seen.push(number(&object(&line.unwrap())));
        if seen.last() == Some(&999) {
            break;
        }
    }
    assert!(
        seen[0] > 0 && seen.iter().copied().eq(seen[0]..1000),
        "{seen:?}"
    );
}

#[test]
fn a_restart_loses_nothing_and_repeats_nothing_that_was_taken() {
    let dir = TempDir::new().unwrap();
    let (listening, port) = listener();
    let mut seen = BTreeMap::new();
    let mut take = |stream: &TcpStream, until: u64| {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while !seen.contains_key(&(until - 1)) {
            line.clear();
            if reader.read_line(&mut line).unwrap() == 0 {
                break;
            }
            *seen.entry(number(&object(line.trim_end()))).or_insert(0) += 1;
        }
    };
    for round in 0..4 {
        let config = one(port, ", transport: tcp");
        let gatelog = setup(&dir).config(config).start().unwrap();
        let until = (round + 1) * 100;
        gatelog.ingest(lines(round * 100..until)).unwrap();
        let (stream, _) = listening.accept().unwrap();
        if round % 2 == 0 {
            take(&stream, until);
            wait_for_end(&gatelog);
            assert!(gatelog.terminate().unwrap().success());
        } else {
            // At once: some may have been taken, and come again.
            gatelog.kill().unwrap();
            drop(stream);
        }
    }
    let gatelog = setup(&dir)
        .config(one(port, ", transport: tcp"))
        .start()
        .unwrap();
    gatelog.ingest(lines(400..401)).unwrap();
    let (stream, _) = listening.accept().unwrap();
    take(&stream, 401);
    drop(gatelog);
    assert!(
        seen.keys()
            .copied()
            .filter(|number| number / 100 % 2 == 0)
            .eq((0..100).chain(200..300).chain(400..401))
    );
    let of_terminated = seen.iter().filter(|(number, _)| **number < 100);
    assert!(of_terminated.into_iter().all(|(_, count)| *count == 1));
}
