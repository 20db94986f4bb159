use serde_json::json;

use super::*;
use crate::config::plugins::{Kind, Plugin, Severity};

/// What is read of these keys and a key of Loggly's.
fn read(mut config: Value) -> Result<Loggly, String> {
    if let Value::Object(keys) = &mut config {
        keys.entry("key").or_insert_with(|| json!("T-1"));
    }
    let plugin = json!({"name": "loggly", "config": config});
    let plugin: Plugin = serde_json::from_value(plugin).map_err(|error| error.to_string())?;
    match plugin.kind() {
        Kind::Loggly(read) => Ok((**read).clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_are_kongs() {
    let read = read(json!({})).unwrap();
    let expected = Loggly {
        host: "logs-01.loggly.com".to_owned(),
        port: 514,
        key: Token(Referable::new("T-1")),
        tags: vec!["kong".to_owned()],
        timeout: Duration::from_secs(10),
        severities: Severities {
            log_level: Severity::Info,
            successful: Severity::Info,
            client_errors: Severity::Info,
            server_errors: Severity::Info,
        },
        log_json: LogJson::default(),
        transport: Transport::Udp,
        max_message_bytes: None,
        delivery: Delivery::default(),
    };
    assert_eq!(read, expected);
    assert!(!format!("{read:?}").contains("T-1"));
}

#[test]
fn a_key_may_stand_in_the_environment() {
    let read = read(json!({"key": "{vault://env/loggly-key-that-is-not-set}"})).unwrap();
    let error = read.key.reveal().unwrap_err().to_string();
    assert!(error.contains("LOGGLY_KEY_THAT_IS_NOT_SET"), "{error}");
}

#[test]
fn every_key_is_read() {
    let read = read(json!({
        "host": "[2001:db8::1]", "tags": ["b", "a", "b"], "timeout": 0.5, "log_level": "crit",
        "successful_severity": "emerg", "client_errors_severity": "warning",
        "server_errors_severity": "debug", "log_format": "kong-3", "custom_fields": {"a": "b"},
        "transport": "tls", "framing": "octet-counted", "ssl_verify": false, "port": null,
        "tls": {"ca_file": "/ca", "cert_file": "/cert", "key_file": "/key", "server_name": "n"},
        "max_message_bytes": 8192, "start": "oldest", "max_backlog": {"bytes": "1MiB"},
    }))
    .unwrap();
    assert_eq!((read.host.as_str(), read.port), ("2001:db8::1", 6514));
    assert_eq!(read.tags, ["b", "a"]);
    assert_eq!(read.timeout, Duration::from_micros(500));
    assert_eq!(read.severities.log_level, Severity::Crit);
    assert_eq!(read.severities.server_errors, Severity::Debug);
    assert_eq!(read.max_message_bytes, Some(8192));
    assert_eq!(read.delivery.max_backlog.bytes, 1 << 20);
    let tls = Tls {
        verify: false,
        ca_file: Some("/ca".into()),
        cert_file: Some("/cert".into()),
        key_file: Some("/key".into()),
        server_name: Some("n".to_owned()),
    };
    assert_eq!(read.transport, Transport::Tls(Framing::OctetCounted, tls));
}

#[test]
fn hosts_and_numbers_are_what_kong_takes() {
    for host in ["a", "logs_1.example.", "127.0.0.1", "::1", "[::1]"] {
        assert!(read(json!({"host": host})).is_ok(), "{host}");
    }
    for port in [json!(0), json!(65535), json!(514.0)] {
        assert!(read(json!({"port": port})).is_ok(), "{port}");
    }
    let timeout = |ms: Value| read(json!({"timeout": ms})).map(|read| read.timeout);
    assert_eq!(timeout(json!(0)), Ok(Duration::from_mins(1)));
    assert_eq!(
        timeout(json!(2_147_483_646)).map(|long| long.as_secs()),
        Ok(2_147_483)
    );
    assert_eq!(read(json!({"tags": "one"})).unwrap().tags, ["one"]);
    assert_eq!(read(json!({"tags": []})).unwrap().tags, [""; 0]);
}

fn is_wrong<const N: usize>(cases: [(Value, &str); N]) {
    for (config, problem) in cases {
        let error = read(config.clone()).unwrap_err();
        assert!(error.contains(problem), "{config}: {error}");
        assert!(!error.contains("token"), "{error}");
    }
}

#[test]
fn what_is_wrong_with_the_receiver_is_named_and_not_shown() {
    let long = "x".repeat(300);
    is_wrong([
        (json!({"key": null}), "config.key: required field missing"),
        (json!({"key": 5}), "config.key: expected a string"),
        (
            json!({"key": "{vault://hcv/token}"}),
            "config.key: gatelog knows references",
        ),
        (json!({"key": ""}), "config.key: length must be at least 1"),
        (
            json!({"key": "my token"}),
            "config.key: expected up to 256 printable",
        ),
        (
            json!({"key": "token]"}),
            "config.key: expected up to 256 printable",
        ),
        (
            json!({"key": "a=b"}),
            "config.key: expected up to 256 printable",
        ),
        (
            json!({"key": "a\"b"}),
            "config.key: expected up to 256 printable",
        ),
        (
            json!({"key": "tokén"}),
            "config.key: expected up to 256 printable",
        ),
        (
            json!({"key": long}),
            "config.key: expected up to 256 printable",
        ),
        (
            json!({"host": "h:514"}),
            "config.host: must not have a port",
        ),
        (
            json!({"host": "1.2.3.4:1"}),
            "config.host: must not have a port",
        ),
        (
            json!({"host": "[::1]:514"}),
            "config.host: must not have a port",
        ),
        (json!({"host": "a b"}), "config.host: invalid value"),
        (json!({"host": "http://a/"}), "config.host: invalid value"),
        (
            json!({"host": ""}),
            "config.host: length must be at least 1",
        ),
        (
            json!({"port": 65536}),
            "config.port: value should be between 0 and 65535",
        ),
        (
            json!({"port": -1}),
            "config.port: value should be between 0 and 65535",
        ),
        (json!({"port": "514"}), "config.port: expected an integer"),
        (json!({"port": 1.5}), "config.port: expected an integer"),
    ]);
}

#[test]
fn what_is_wrong_with_messages_is_named() {
    is_wrong([
        (json!({"timeout": "1"}), "config.timeout: expected a number"),
        (
            json!({"timeout": -1}),
            "config.timeout: value should be between 0 and 2147483646",
        ),
        (json!({"tags": {}}), "config.tags: expected a set"),
        (json!({"tags": [1]}), "config.tags: expected a string"),
        (
            json!({"tags": [""]}),
            "config.tags: length must be at least 1",
        ),
        (
            json!({"tags": ["a\nb"]}),
            "config.tags: expected no control characters",
        ),
        (
            json!({"tags": ["x".repeat(3000)]}),
            "config.tags: expected up to 4096 bytes",
        ),
        (
            json!({"log_level": "warn"}),
            "config.log_level: expected one of: debug, info, notice, warning, err, crit, alert, emerg",
        ),
        (
            json!({"client_errors_severity": "INFO"}),
            "config.client_errors_severity: expected one of",
        ),
        (
            json!({"transport": "http"}),
            "config.transport: expected one of: udp, tcp, tls",
        ),
        (
            json!({"framing": "newline"}),
            "config.framing: it belongs to transport tcp or tls",
        ),
        (
            json!({"transport": "tcp", "ssl_verify": false}),
            "config.ssl_verify: it belongs to transport tls",
        ),
        (
            json!({"tls": {"ca_file": "/c"}}),
            "config.tls: it belongs to transport tls",
        ),
        (
            json!({"transport": "tls", "tls": {"key_file": "/k"}}),
            "config.tls.cert_file: required with key_file",
        ),
        (
            json!({"max_message_bytes": 1023}),
            "config.max_message_bytes: value should be between 1024",
        ),
        (
            json!({"max_message_bytes": 1024}),
            "config.max_message_bytes: value should be at least 1024 and the bytes of all tags",
        ),
        (
            json!({"tag": "a"}),
            "config.tag: unknown field; expected one of: host, port, key, tags",
        ),
        (
            json!({"custom_fields_by_lua": {"a": "return 1"}}),
            "config.custom_fields_by_lua: gatelog runs no Lua",
        ),
    ]);
}
