use serde_json::json;

use super::*;
use crate::config::plugins::Kind;
use crate::config::plugins::Plugin;
use crate::output::{MaxBacklog, Start};

fn read(config: &Value) -> Result<HttpLog, String> {
    let plugin: Result<Plugin, _> =
        serde_json::from_value(json!({"name": "http-log", "config": config}));
    let plugin = plugin.map_err(|error| error.to_string())?;
    match plugin.kind() {
        Kind::HttpLog(settings) => Ok(*settings.clone()),
        other => panic!("{other:?}"),
    }
}

/// With these keys beside the URL.
fn with(keys: Value) -> Result<HttpLog, String> {
    let mut config = json!({"http_endpoint": "http://h/"});
    let Value::Object(keys) = keys else { panic!() };
    config.as_object_mut().unwrap().extend(keys);
    read(&config)
}

fn error(keys: Value) -> String {
    with(keys).unwrap_err()
}

#[test]
fn a_url_is_enough_and_the_rest_is_kongs() {
    let read = with(json!({})).unwrap();
    assert_eq!(read.method, Method::POST);
    assert_eq!(read.content_type, "application/json");
    assert_eq!(
        (read.timeout, read.keepalive),
        (Duration::from_secs(10), Duration::from_mins(1))
    );
    assert_eq!(
        (read.gzip, read.proxy, read.tls.clone()),
        (false, true, Tls::default())
    );
    assert_eq!(read.settings(), Settings::default());
    assert_eq!(read.warnings(), Vec::<String>::new());
    assert_eq!(read.json, LogJson::default());
    // As Kong shows a plugin: all there is, and null for what is not.
    let shown = json!({
        "method": "POST", "content_type": "application/json", "timeout": 10000, "keepalive": 60000,
        "headers": null, "custom_fields_by_lua": null, "retry_count": null, "queue_size": null,
        "flush_timeout": null,
        "queue": {
            "max_batch_size": 1, "max_coalescing_delay": 1, "max_retry_time": 60, "max_bytes": null,
            "initial_retry_delay": 0.01, "max_retry_delay": 60, "concurrency_limit": 1,
        },
    });
    let minute = Some(Duration::from_mins(1));
    let expected = Settings {
        max_retry_time: minute,
        ..Settings::default()
    };
    assert_eq!(with(shown).unwrap().settings(), expected);
}

#[test]
fn every_key_is_read() {
    let read = with(json!({
        "method": "PATCH", "content_type": "application/json; charset=utf-8", "timeout": 1,
        "keepalive": 0, "headers": {"X-One": "1", "Authorization": "Bearer x"},
        "compression": "gzip", "proxy": "none", "ssl_verify": false,
        "tls": {"ca_file": "/ca", "cert_file": "/cert", "key_file": "/key", "server_name": "n"},
        "log_format": "kong-3", "custom_fields": {"a": "b"}, "start": "oldest",
        "max_backlog": {"bytes": "1MiB", "age": "1h"},
        "queue": {
            "max_batch_size": 200, "max_coalescing_delay": 0.5, "initial_retry_delay": 0.2,
            "max_retry_delay": 3, "max_retry_time": -1, "max_entries": 5, "max_bytes": 6,
            "concurrency_limit": -1,
        },
    }))
    .unwrap();
    assert_eq!(read.method, Method::PATCH);
    assert_eq!(read.content_type, "application/json; charset=utf-8");
    assert_eq!(
        (read.timeout, read.keepalive),
        (Duration::from_millis(1), Duration::ZERO)
    );
    assert!(read.gzip && !read.proxy && !read.tls.verify);
    assert_eq!(read.tls.cert_file.as_deref().unwrap(), "/cert");
    assert_eq!(read.tls.server_name.as_deref(), Some("n"));
    let expected = Settings {
        max_batch_records: 200,
        concurrency: 64,
        max_coalescing_delay: Duration::from_millis(500),
        initial_retry_delay: Duration::from_millis(200),
        max_retry_delay: Duration::from_secs(3),
        max_retry_time: Some(Duration::ZERO),
        max_backlog: MaxBacklog {
            bytes: 1 << 20,
            age: Duration::from_hours(1),
        },
        start: Start::Oldest,
    };
    assert_eq!(read.settings(), expected);
    let warnings = read.warnings().join("\n");
    for text in [
        "config.queue.max_entries",
        "config.queue.max_bytes",
        "config.ssl_verify is false",
    ] {
        assert!(warnings.contains(text), "{warnings}");
    }
    let headers = read.destination().unwrap().headers;
    assert_eq!(headers.len(), 2);
    assert!(headers.contains(&(
        HeaderName::from_static("x-one"),
        HeaderValue::from_static("1")
    )));
    assert!(!format!("{read:?}").contains("Bearer"));
}

#[test]
fn headers_are_as_kong_allows_them() {
    assert!(with(json!({"headers": {"X-My-Header": "123", "X-Your-Header": "abc"}})).is_ok());
    assert!(
        error(json!({"headers": {"X-A": ""}}))
            .contains("config.headers: length must be at least 1")
    );
    for name in [
        "Host",
        "host",
        "Content-Length",
        "content-length",
        "CONTENT-LENGTH",
        "Content-Type",
        "content-type",
        "Transfer-Encoding",
    ] {
        let error = error(json!({"headers": {name: "x"}}));
        let own = OWN
            .iter()
            .find(|own| own.eq_ignore_ascii_case(name))
            .unwrap();
        assert!(
            error.contains(&format!("config.headers: cannot contain '{own}' header")),
            "{error}"
        );
    }
    assert!(error(json!({"headers": {"a b": "x"}})).contains("bad header name 'a b'"));
    assert!(
        error(json!({"headers": {"a": ["x"]}})).contains("config.headers: a: expected a string")
    );
    assert!(
        error(json!({"headers": {"a": "secret\n"}})).contains("config.headers: a: a header cannot")
    );
    assert!(!error(json!({"headers": {"a": "secret\n"}})).contains("secret"));
}

#[test]
fn userinfo_goes_without_an_authorization_header_only() {
    let user = "http://bob:secret@h/";
    assert!(with(json!({"http_endpoint": user})).is_ok());
    assert!(with(json!({"http_endpoint": user, "headers": {"X-A": "1"}})).is_ok());
    assert!(with(json!({"headers": {"Authorization": "x"}})).is_ok());
    for name in ["Authorization", "AuthoRIZATion"] {
        let error = error(json!({"http_endpoint": user, "headers": {name: "x"}}));
        let text = "config: specifying both an 'Authorization' header and user info in \
                    'http_endpoint' is not allowed";
        assert!(error.contains(text), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

#[test]
fn keys_of_former_times_are_converted_with_a_warning() {
    let read = with(json!({"retry_count": 10, "queue_size": 46, "flush_timeout": 92})).unwrap();
    assert_eq!(read.settings().max_batch_records, 46);
    assert_eq!(
        read.settings().max_coalescing_delay,
        Duration::from_secs(92)
    );
    assert_eq!(
        read.warnings(),
        [
            "config.queue_size is deprecated, please use config.queue.max_batch_size instead",
            "config.flush_timeout is deprecated, please use config.queue.max_coalescing_delay instead",
        ]
    );
    let read = with(json!({"retry_count": 10, "queue_size": 1, "flush_timeout": 2})).unwrap();
    assert_eq!(
        (read.settings(), read.warnings()),
        (Settings::default(), Vec::new())
    );
    let read = with(json!({"retry_count": 5})).unwrap();
    assert_eq!(read.settings(), Settings::default());
    let text = "config.retry_count no longer works, please use config.queue.max_retry_time instead";
    assert_eq!(read.warnings(), [text]);
    let both = json!({"queue_size": 46, "queue": {"max_batch_size": 7}});
    assert_eq!(with(both).unwrap().settings().max_batch_records, 46);
}

#[test]
fn what_is_wrong_is_said_in_kongs_words() {
    for (keys, text) in [
        (
            json!({"http_endpoint": null}),
            "config.http_endpoint: required field missing",
        ),
        (
            json!({"http_endpoint": 5}),
            "config.http_endpoint: expected a string",
        ),
        (
            json!({"http_endpoint": "example.com"}),
            "config.http_endpoint: missing scheme in url",
        ),
        (
            json!({"http_endpoint": "http://"}),
            "config.http_endpoint: missing host in url",
        ),
        (
            json!({"http_endpoint": "tcp://h"}),
            "config.http_endpoint: expected an http or https url",
        ),
        (
            json!({"method": "post"}),
            "config.method: expected one of: POST, PUT, PATCH",
        ),
        (
            json!({"method": "GET"}),
            "config.method: expected one of: POST, PUT, PATCH",
        ),
        (
            json!({"content_type": "text/plain"}),
            "config.content_type: expected one of: application/json, application/json; charset=utf-8",
        ),
        (
            json!({"timeout": "soon"}),
            "config.timeout: expected a number",
        ),
        (
            json!({"timeout": 0}),
            "config.timeout: value should be between 1 and 2147483646",
        ),
        (
            json!({"keepalive": -1}),
            "config.keepalive: value should be between 0 and 2147483646",
        ),
        (json!({"headers": "x"}), "config.headers: expected a map"),
    ] {
        let error = error(keys.clone());
        assert!(error.contains(text), "{keys}: {error}");
    }
    // One thing is said once.
    let missing = error(json!({"http_endpoint": null}));
    assert_eq!(missing.matches("http_endpoint").count(), 1);
}

#[test]
fn what_is_wrong_with_the_queue_and_the_rest_is_said() {
    for (keys, text) in [
        (json!({"queue": 5}), "config.queue: expected a record"),
        (
            json!({"queue": {"max_batch_size": 0}}),
            "config.queue.max_batch_size: value should be between 1 and 1000000",
        ),
        (
            json!({"queue": {"max_batch_size": 1.5}}),
            "config.queue.max_batch_size: expected an integer",
        ),
        (
            json!({"queue": {"max_coalescing_delay": 3601}}),
            "config.queue.max_coalescing_delay: value should be between 0 and 3600",
        ),
        (
            json!({"queue": {"initial_retry_delay": 0}}),
            "config.queue.initial_retry_delay: value should be between 0.001 and 1000000",
        ),
        (
            json!({"queue": {"concurrency_limit": 0}}),
            "config.queue.concurrency_limit: expected -1, or a value between 1 and 64",
        ),
        (
            json!({"queue": {"concurrency_limit": 65}}),
            "config.queue.concurrency_limit: expected -1, or a value between 1 and 64",
        ),
        (
            json!({"queue": {"size": 1}}),
            "config.queue.size: unknown field",
        ),
        (
            json!({"http_endpoin": "x"}),
            "config.http_endpoin: unknown field",
        ),
        (
            json!({"tls": {"cert_file": "/c"}}),
            "config.tls.key_file: required with cert_file",
        ),
        (
            json!({"tls": {"key_file": "/c"}}),
            "config.tls.cert_file: required with key_file",
        ),
        (
            json!({"compression": "zstd"}),
            "config.compression: expected one of: none, gzip",
        ),
        (
            json!({"custom_fields_by_lua": {"a": "return 1"}}),
            "config.custom_fields_by_lua: gatelog runs no Lua",
        ),
        (
            json!({"http_endpoint": "{vault://aws/x}"}),
            "config.http_endpoint: gatelog knows references",
        ),
        (
            json!({"headers": {"a": "{vault://hcv/x}"}}),
            "config.headers: a: gatelog knows references",
        ),
    ] {
        let error = error(keys.clone());
        assert!(error.contains(text), "{keys}: {error}");
    }
}

#[test]
fn references_are_looked_up_when_the_output_is_made() {
    let keys = json!({
        "http_endpoint": "{vault://env/gatelog-test-unset}",
        "headers": {"Authorization": "{vault://env/gatelog-test-unset}"},
    });
    let read = with(keys).unwrap();
    let error = read.destination().unwrap_err().to_string();
    assert_eq!(
        error,
        "config.http_endpoint: the environment variable GATELOG_TEST_UNSET of its reference is not set"
    );
    // HOME, or what else is in every environment.
    let (name, value) = std::env::vars()
        .find(|(_, value)| value.starts_with('/'))
        .unwrap();
    let read = with(json!({"headers": {"X-A": format!("{{vault://env/{name}}}")}})).unwrap();
    assert_eq!(read.destination().unwrap().headers[0].1, value.as_str());
}
