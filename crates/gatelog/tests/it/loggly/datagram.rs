//! What datagrams hold, and what becomes of those that nobody takes.

use gatelog::output::kong_json::{CustomFields, KongJson, LogFormat};
use gatelog_record::{Timestamp, standard};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::service::{lines, setup};

#[test]
fn each_record_is_a_datagram_byte_for_byte_as_kongs() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let start = Timestamp::from_millis(1_774_231_801_217);
    for (word, format) in LogFormat::WORDS {
        let dir = TempDir::new().unwrap();
        let (socket, port) = datagrams();
        let config = one(
            port,
            &format!(", log_format: {word}, tags: [kong, 'a\"b]']"),
        );
        let gatelog = setup(&dir).config(config).start().unwrap();
        gatelog.ingest(lines(0..40)).unwrap();
        let json = KongJson::new(format, CustomFields::default());
        for number in 0..40 {
            let message = next(&socket);
            let (head, rest) = message.split_once(' ').unwrap();
            let (time, rest) = rest.split_once(' ').unwrap();
            assert_eq!((head, time.len(), time.ends_with('Z')), ("<14>1", 20, true));
            let mut object = Vec::new();
            json.write(&standard::record(number, start), &mut object);
            let expected = format!(
                "{} kong - - [{KEY}@41058 tag=\"kong\" tag=\"a\\\"b\\]\"] {}",
                host.trim(),
                String::from_utf8(object).unwrap()
            );
            assert_eq!(rest, expected);
        }
        wait_for_end(&gatelog);
        assert!(is_empty(&socket));
        assert_eq!(metric(&gatelog, "gatelog_output_delivered_total"), 40);
        assert_eq!(metric(&gatelog, "gatelog_output_shortened_total"), 0);
        assert_eq!(state(&gatelog)["ok"], true);
        assert_key_is_secret(&gatelog, dir.path());
    }
}

#[test]
fn what_is_too_long_for_a_datagram_is_shortened_and_counted_and_not_lost() {
    let dir = TempDir::new().unwrap();
    let (socket, port) = datagrams();
    let gatelog = setup(&dir).config(one(port, "")).start().unwrap();
    let long = json!({
        "method": "GET", "path": "/long", "response_code": 200, "request_id": "id-1",
        "request_headers": {"x-long": "é".repeat(50_000), "x-short": "kept"},
    });
    let body = format!("{}\n{long}\n{}\n", r#"{"path":"/a"}"#, r#"{"path":"/b"}"#);
    gatelog.ingest(body).unwrap();
    assert_eq!(object(&next(&socket))["request"]["uri"], "/a");
    let message = next(&socket);
    assert!(
        (65_400..=65_507).contains(&message.len()),
        "{}",
        message.len()
    );
    let object = object(&message);
    assert_eq!(object["request"]["headers"]["x-short"], "kept");
    let value = object["request"]["headers"]["x-long"].as_str().unwrap();
    let (kept, mark) = value.split_once("...").unwrap();
    assert_eq!(mark, format!("[truncated {} bytes]", 100_000 - kept.len()));
    assert_eq!(super::object(&next(&socket))["request"]["uri"], "/b");
    wait_for_end(&gatelog);
    assert_eq!(metric(&gatelog, "gatelog_output_shortened_total"), 1);
    assert_eq!(metric(&gatelog, "gatelog_output_delivered_total"), 3);
    // By a limit of one's own.
    drop(gatelog);
    let gatelog = setup(&dir)
        .config(one(port, ", max_message_bytes: 1100"))
        .start()
        .unwrap();
    gatelog.ingest(lines(0..20)).unwrap();
    for at in 0..20 {
        let message = next(&socket);
        assert!(message.len() <= 1100, "{message}");
        let object = super::object(&message);
        assert_eq!(object["response"]["status"], 200, "{at}: {message}");
    }
}

/// A datagram to a port of this host that nobody listens on is told at once: nothing is lost.
#[test]
fn records_wait_while_nobody_listens() {
    let dir = TempDir::new().unwrap();
    let (socket, port) = datagrams();
    drop(socket);
    let gatelog = setup(&dir).config(one(port, "")).start().unwrap();
    gatelog.ingest(lines(0..50)).unwrap();
    wait_for_error(
        &gatelog,
        &format!("send to 127.0.0.1:{port}: nobody listens there"),
    );
    // Ingestion and the store do not notice.
    gatelog.wait_for_rows("", 50).unwrap();
    assert!(metric(&gatelog, "gatelog_output_unreachable_total") > 0);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let numbers = (0..50).map(|_| number(&object(&next(&socket))));
    assert!(numbers.eq(0..50));
    wait_for_end(&gatelog);
    assert_eq!(state(&gatelog)["ok"], true);
    assert_key_is_secret(&gatelog, dir.path());
}

#[test]
fn a_name_that_leads_nowhere_is_told_and_so_is_an_address_that_is_denied() {
    for (config, error) in [
        (
            format!("plugins: [{{name: loggly, config: {{host: nowhere.invalid, key: {KEY}}}}}]"),
            "nowhere.invalid: the name cannot be resolved",
        ),
        (
            format!("outputs: {{deny_private: true}}\n{}", one(9, "")),
            "127.0.0.1: no public address",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let gatelog = setup(&dir).config(config).start().unwrap();
        gatelog.ingest(lines(0..5)).unwrap();
        wait_for_error(&gatelog, error);
        gatelog.wait_for_rows("", 5).unwrap();
    }
}
