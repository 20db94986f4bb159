//! The real rsyslog understands each field, over every transport and in every framing.

use std::path::PathBuf;
use std::time::SystemTime;

use chrono::DateTime;
use gatelog_testkit::rsyslog::Rsyslog;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::service::{lines, setup};

/// Sends records of all classes of status, and looks at each field that rsyslog parsed.
fn assert_understood(rsyslog: &Rsyslog, dir: &TempDir, more: &str) {
    let more = format!(
        ", log_level: debug, successful_severity: debug, client_errors_severity: err, \
         server_errors_severity: emerg{more}"
    );
    let before = rsyslog.messages().unwrap().len();
    let gatelog = setup(dir)
        .config(one(rsyslog.port(), &more))
        .start()
        .unwrap();
    let begun = SystemTime::now();
    let items = [(200, 15), (404, 11), (503, 8)];
    let body = items.map(|(status, _)| {
        json!({"path": "/é\"\n", "response_code": status, "request_headers": {"x-a": "\u{1}]\\"}})
            .to_string()
    });
    gatelog.ingest(body.join("\n")).unwrap();
    let messages = rsyslog.wait_for(before + 3).unwrap().split_off(before);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for (message, (status, pri)) in messages.iter().zip(items) {
        assert_eq!(message["pri"], pri.to_string());
        let time = DateTime::parse_from_rfc3339(message["time"].as_str().unwrap()).unwrap();
        let since = SystemTime::from(time) + Duration::from_secs(1);
        assert!(since > begun && SystemTime::from(time) <= SystemTime::now());
        assert_eq!(message["host"], host.trim());
        assert_eq!(message["app"], "kong");
        assert_eq!(message["procid"], "-");
        assert_eq!(message["msgid"], "-");
        assert_eq!(
            message["data"],
            format!("[{KEY}@41058 tag=\"kong\" tag=\"q\\\"b\\]s\\\\é\"]")
        );
        let object: Value = serde_json::from_str(message["msg"].as_str().unwrap()).unwrap();
        assert_eq!(object["response"]["status"], status);
        assert_eq!(object["request"]["uri"], "/é\"\n");
        assert_eq!(object["request"]["headers"]["x-a"], "\u{1}]\\");
    }
    gatelog.ingest(lines(0..500)).unwrap();
    let messages = rsyslog
        .wait_for(before + 503)
        .unwrap()
        .split_off(before + 3);
    let numbers = messages.iter().map(|message| {
        let object = serde_json::from_str(message["msg"].as_str().unwrap());
        number(&object.unwrap())
    });
    assert!(numbers.eq(0..500));
    assert_key_is_secret(&gatelog, dir.path());
}

const TAGS: &str = r#", tags: [kong, 'q"b]s\é', kong]"#;

#[test]
fn datagrams_and_connections_are_understood_in_both_framings() {
    let rsyslog = Rsyslog::start().unwrap();
    for transport in [
        "",
        ", transport: tcp",
        ", transport: tcp, framing: octet-counted",
    ] {
        let dir = TempDir::new().unwrap();
        assert_understood(&rsyslog, &dir, &format!("{TAGS}{transport}"));
    }
    // No tags at all are no parameters, which rsyslog takes, too.
    let dir = TempDir::new().unwrap();
    let before = rsyslog.messages().unwrap().len();
    let gatelog = setup(&dir)
        .config(one(rsyslog.port(), ", tags: []"))
        .start()
        .unwrap();
    gatelog.ingest(lines(0..1)).unwrap();
    let message = rsyslog.wait_for(before + 1).unwrap().remove(before);
    assert_eq!(message["data"], format!("[{KEY}@41058]"));
    assert!(message["msg"].as_str().unwrap().starts_with('{'));
}

fn pair(dir: &TempDir, name: &str) -> (PathBuf, PathBuf) {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let paths = (
        dir.path().join(format!("{name}.pem")),
        dir.path().join(format!("{name}.key")),
    );
    fs::write(&paths.0, cert.pem()).unwrap();
    fs::write(&paths.1, signing_key.serialize_pem()).unwrap();
    paths
}

#[test]
fn encrypted_connections_are_understood_in_both_framings_and_from_the_right_receiver_only() {
    let files = TempDir::new().unwrap();
    let (certificate, key) = pair(&files, "own");
    let (other, _) = pair(&files, "other");
    let rsyslog = Rsyslog::start_tls(&certificate, &key).unwrap();
    let by = |ca: &PathBuf| format!("{TAGS}, transport: tls, tls: {{ca_file: {}}}", ca.display());
    for framing in ["", ", framing: octet-counted"] {
        let dir = TempDir::new().unwrap();
        assert_understood(&rsyslog, &dir, &format!("{}{framing}", by(&certificate)));
    }
    let dir = TempDir::new().unwrap();
    assert_understood(
        &rsyslog,
        &dir,
        &format!("{TAGS}, transport: tls, ssl_verify: false"),
    );
    // Another's certificate: it is told, and nothing is sent.
    let before = rsyslog.messages().unwrap().len();
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir)
        .config(one(rsyslog.port(), &by(&other)))
        .start()
        .unwrap();
    gatelog.ingest(lines(0..10)).unwrap();
    wait_for_error(&gatelog, "TLS with 127.0.0.1:");
    wait_for_error(&gatelog, "certificate");
    gatelog.wait_for_rows("", 10).unwrap();
    assert_eq!(rsyslog.messages().unwrap().len(), before);
    assert_key_is_secret(&gatelog, dir.path());
}

/// The receiver's own end loses what it had not read yet; what comes while it is away waits.
#[test]
fn a_receiver_that_comes_back_gets_what_came_while_it_was_away() {
    let mut rsyslog = Rsyslog::start().unwrap();
    let dir = TempDir::new().unwrap();
    let config = one(rsyslog.port(), ", transport: tcp");
    let gatelog = setup(&dir).config(config).start().unwrap();
    gatelog.ingest(lines(0..100)).unwrap();
    rsyslog.wait_for(100).unwrap();
    rsyslog.stop().unwrap();
    gatelog.ingest(lines(100..200)).unwrap();
    wait_for_error(&gatelog, "refused");
    rsyslog.start_again().unwrap();
    let messages = rsyslog.wait_for(200).unwrap();
    let numbers = messages.iter().map(|message| {
        let object = serde_json::from_str(message["msg"].as_str().unwrap());
        number(&object.unwrap())
    });
    assert!(numbers.eq(0..200));
}
