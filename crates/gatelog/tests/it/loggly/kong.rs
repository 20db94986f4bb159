//! Kong's own cases for its plugin, and the examples of its documentation.

use std::collections::BTreeSet;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::service::setup;

/// What comes of one record: PRI and object of its message, or nothing.
fn sent(more: &str, record: &Value) -> Option<(String, Value)> {
    let dir = TempDir::new().unwrap();
    let (socket, port) = datagrams();
    let gatelog = setup(&dir).config(one(port, more)).start().unwrap();
    gatelog.ingest(record.to_string()).unwrap();
    wait_for_end(&gatelog);
    if metric(&gatelog, "gatelog_output_below_level_total") > 0 {
        assert!(is_empty(&socket));
        return None;
    }
    let message = next(&socket);
    assert!(is_empty(&socket));
    let (pri, _) = message.split_once(">1 ").unwrap();
    Some((pri.trim_start_matches('<').to_owned(), object(&message)))
}

fn request(status: u16) -> Value {
    json!({
        "method": "GET", "path": "/", "response_code": status, "protocol": "HTTP/1.1",
        "downstream_remote_address": "127.0.0.1:40000",
    })
}

fn grpc() -> Value {
    json!({
        "method": "POST", "path": "/hello.HelloService/SayHello", "response_code": 200,
        "protocol": "HTTP/2", "downstream_remote_address": "127.0.0.1:40000",
        "request_headers": {"content-type": "application/grpc"},
    })
}

/// Kong's cases 1 to 10.
#[test]
fn severities_are_kongs() {
    let warning = ", log_level: info, successful_severity: warning";
    let debug = ", log_level: debug, successful_severity: info";
    let crit = ", log_level: crit, successful_severity: crit";
    for (case, more, record, pri) in [
        (1, warning, request(200), "12"),
        (2, warning, grpc(), "12"),
        (3, debug, request(200), "14"),
        (4, debug, grpc(), "14"),
        (5, crit, request(200), "10"),
        (6, crit, grpc(), "10"),
        (7, "", request(200), "14"),
        (8, "", request(200), "14"),
        (9, "", request(401), "14"),
        (10, "", request(500), "14"),
    ] {
        let (found, object) = sent(more, &record).unwrap();
        assert_eq!(found, pri, "case {case}");
        assert_eq!(object["client_ip"], "127.0.0.1", "case {case}");
    }
}

/// Kong's cases 11 and 12, with formats in the place of Lua.
#[test]
fn custom_fields_are_in_the_object_and_take_members_away() {
    let fields = r#", custom_fields: {new_field: "%RESPONSE_CODE%", nested.keys: "456", escape\.dots: "789", nested.escape\.dots: "135", route: ""}"#;
    let mut record = request(200);
    record["route_name"] = json!("r");
    let (pri, object) = sent(fields, &record).unwrap();
    assert_eq!(pri, "14");
    assert_eq!(object["new_field"], 200);
    assert_eq!(object["nested"]["keys"], "456");
    assert_eq!(object["escape.dots"], "789");
    assert_eq!(object["nested"]["escape.dots"], "135");
    assert_eq!(object.get("route"), None);
}

/// What Kong itself does not test.
#[test]
fn what_is_less_severe_than_the_level_is_not_sent_and_counted() {
    let levels = ", log_level: crit, client_errors_severity: warning, server_errors_severity: alert, successful_severity: crit";
    assert_eq!(sent(levels, &request(404)), None);
    assert_eq!(sent(levels, &request(500)).unwrap().0, "9");
    assert_eq!(sent(levels, &request(200)).unwrap().0, "10");
    // A connection that is no request has no status.
    let connection =
        json!({"protocol": "TCP", "bytes_sent": 5, "downstream_remote_address": "127.0.0.1:1"});
    assert_eq!(sent(levels, &connection).unwrap().0, "10");
}

/// The blocks of the documentation, but for the receiver, the placeholders, and the slip in the third,
/// which says `consumer` and means the route.
#[test]
fn the_examples_of_kongs_documentation_work_as_they_are() {
    let block = |scope: &str, port: u16| {
        format!(
            "plugins:\n- name: loggly\n  {scope}\n  config: \n    key: {KEY}\n    host: 127.0.0.1\n    port: {port}\n"
        )
    };
    for (scope, wanted) in [
        ("service: billing", "/service"),
        ("route: pay", "/route"),
        ("consumer: bob", "/consumer"),
    ] {
        let dir = TempDir::new().unwrap();
        let (socket, port) = datagrams();
        let gatelog = setup(&dir).config(block(scope, port)).start().unwrap();
        let items = [
            r#"{"path":"/none"}"#,
            r#"{"path":"/service","service":"billing"}"#,
            r#"{"path":"/route","route_name":"pay"}"#,
            r#"{"path":"/consumer","consumer":"bob"}"#,
        ];
        gatelog.ingest(items.join("\n")).unwrap();
        wait_for_end(&gatelog);
        assert_eq!(object(&next(&socket))["request"]["uri"], wanted);
        assert!(is_empty(&socket), "{scope}");
    }
}

#[test]
fn the_most_specific_instance_has_the_record_each_with_its_own_tags() {
    let dir = TempDir::new().unwrap();
    let (socket, port) = datagrams();
    let log = |tag: &str, more: &str| {
        format!(
            "{{name: loggly, {more} config: {{host: localhost, port: {port}, key: {KEY}, tags: [{tag}]}}}}"
        )
    };
    let config = format!(
        "services: [{{name: billing, plugins: [{}], routes: [{{name: pay, plugins: [{}]}}]}}]\nplugins: [{}, {}]\n",
        log("service", ""),
        log("route", ""),
        log("global", ""),
        log("disabled", "consumer: bob, enabled: false,"),
    );
    let gatelog = setup(&dir).config(config).start().unwrap();
    let items = [
        r#"{"path":"/global"}"#,
        r#"{"path":"/service","service":"billing"}"#,
        r#"{"path":"/route","service":"billing","route_name":"pay","consumer":"bob"}"#,
    ];
    gatelog.ingest(items.join("\n")).unwrap();
    let found: BTreeSet<_> = (0..3)
        .map(|_| {
            let message = next(&socket);
            let uri = object(&message)["request"]["uri"].clone();
            let uri = uri.as_str().unwrap().to_owned();
            assert!(message.contains(&format!("tag=\"{}\"]", uri.trim_start_matches('/'))));
            uri
        })
        .collect();
    let expected = ["/global", "/route", "/service"].map(str::to_owned);
    assert!(found.into_iter().eq(expected));
}
