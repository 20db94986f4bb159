//! `http-log` through a whole service: what goes over the wire, and what becomes of what does not arrive.

mod failing;
mod receiver;
mod secure;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use gatelog::output::kong_json::{CustomFields, KongJson, LogFormat};
use gatelog_record::{Timestamp, standard};
use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::receiver::{Does, Receiver, Request, ok};
use crate::service::{lines, setup, start_with};

const DEADLINE: Duration = Duration::from_mins(1);

/// One global `http-log` to the receiver, with these keys besides.
fn one(receiver: &Receiver, more: &str) -> String {
    let url = format!("http://{}/logs", receiver.address());
    format!("plugins: [{{name: http-log, config: {{http_endpoint: \"{url}\"{more}}}}}]\n")
}

/// What `/ready` says of the outputs.
fn outputs(gatelog: &Gatelog) -> Vec<Value> {
    let (_, body) = gatelog.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&body).unwrap();
    ready["outputs"].as_array().unwrap().clone()
}

/// Waits until no output has anything behind it.
fn wait_for_outputs(gatelog: &Gatelog) {
    wait::until("the outputs to have everything", DEADLINE, || {
        let outputs = outputs(gatelog);
        let idle = outputs.iter().all(|output| output["lag_bytes"] == 0);
        idle.then_some(()).ok_or(outputs)
    })
    .unwrap();
}

/// Waits until `/ready` says this of an output.
fn wait_for_reason(gatelog: &Gatelog, text: &str) {
    wait::until(&format!("{text:?} in /ready"), DEADLINE, || {
        let (_, body) = gatelog.get("/ready").unwrap();
        body.contains(text).then_some(()).ok_or(body)
    })
    .unwrap();
}

/// A number of `/metrics`.
fn metric(gatelog: &Gatelog, name: &str) -> u64 {
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let line = metrics.lines().find(|line| line.starts_with(name));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// The letters of an output: the numbers of their records, with the reason.
fn letters(dir: &TempDir, output: &str) -> Vec<(u64, String)> {
    let file = gatelog::forwarder::reader_name(output);
    let path = dir.path().join(format!("dead-letter/{file}.ndjson"));
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let letter = |line: &str| {
        let letter: Value = serde_json::from_str(line).unwrap();
        let path = letter["path"].as_str().unwrap();
        let number = path.rsplit('=').next().unwrap().parse().unwrap();
        (
            number,
            letter["dead_letter_reason"].as_str().unwrap().to_owned(),
        )
    };
    whole.map(letter).collect()
}

fn wait_for_letters(dir: &TempDir, output: &str, count: usize) -> Vec<(u64, String)> {
    wait::until(&format!("{count} letters"), DEADLINE, || {
        let letters = letters(dir, output);
        if letters.len() >= count {
            Ok(letters)
        } else {
            Err(letters)
        }
    })
    .unwrap()
}

/// All numbers below this one.
fn up_to(count: u64) -> Vec<u64> {
    (0..count).collect()
}

/// The object of a standard record.
fn object(number: u64, format: LogFormat) -> String {
    let start = Timestamp::from_millis(1_774_231_801_217);
    let mut out = Vec::new();
    KongJson::new(format, CustomFields::default())
        .write(&standard::record(number, start), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_record_is_a_request_with_its_object_and_kongs_headers() {
    for (word, format) in LogFormat::WORDS {
        let receiver = Receiver::taking();
        let port = receiver.port();
        let config = format!(
            "plugins: [{{name: http-log, config: {{log_format: {word}, http_endpoint: \
             \"http://testuser:test%70assword@localhost:{port}/bin/:id;a=b?token=x%2Fy&z\"}}}}]"
        );
        let gatelog = start_with(&config);
        gatelog.ingest(lines(0..20)).unwrap();
        for (number, request) in (0..).zip(receiver.wait_for_requests(20)) {
            assert_eq!(request.method, "POST");
            assert_eq!(request.target, "/bin/:id;a=b?token=x%2Fy&z");
            let expected = object(number, format);
            assert_eq!(String::from_utf8_lossy(&request.body), expected);
            let agent = format!("gatelog/{}", env!("CARGO_PKG_VERSION"));
            let length = expected.len().to_string();
            let headers: BTreeMap<_, _> = request.headers.clone().into_iter().collect();
            let expected: BTreeMap<_, _> = [
                ("authorization", "Basic dGVzdHVzZXI6dGVzdHBhc3N3b3Jk"),
                ("content-length", &length),
                ("content-type", "application/json"),
                ("host", &format!("localhost:{port}")),
                ("user-agent", &agent),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
            assert_eq!(headers, expected);
            assert_eq!(request.connection, 0, "the connection is used again");
        }
        wait_for_outputs(&gatelog);
        assert_eq!(receiver.requests().len(), 20);
        assert_eq!(
            metric(
                &gatelog,
                "gatelog_output_delivered_total{output=\"http-log\"}"
            ),
            20
        );
        assert_eq!(
            metric(&gatelog, "gatelog_output_errors_total{output=\"http-log\"}"),
            0
        );
    }
}

#[test]
fn methods_content_types_and_headers_are_as_configured() {
    let receiver = Receiver::taking();
    let charset = "application/json; charset=utf-8";
    let config = one(
        &receiver,
        &format!(
            ", method: PATCH, content_type: {charset}, headers: {{Hello-World: hi, user-agent: me, \
             X-Token: \"{{vault://env/my-token}}\"}}"
        ),
    );
    let dir = TempDir::new().unwrap();
    let setup = setup(&dir).config(config).variable("MY_TOKEN", "t0ken");
    let gatelog = setup.start().unwrap();
    gatelog.ingest(lines(0..1)).unwrap();
    let request = receiver.wait_for_requests(1).remove(0);
    assert_eq!(request.method, "PATCH");
    assert_eq!(request.header("content-type"), Some(charset));
    assert_eq!(request.header("hello-world"), Some("hi"));
    assert_eq!(request.header("user-agent"), Some("me"));
    assert_eq!(request.header("x-token"), Some("t0ken"));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn the_url_may_stand_in_the_environment_and_be_an_ipv6_address() {
    let receiver = Receiver::start_at("[::1]:0", None, |_, _| ok());
    let config = "plugins: [{name: http-log, config: {method: PUT, http_endpoint: \"{vault://env/log-url}\"}}]";
    let dir = TempDir::new().unwrap();
    let url = format!("http://{}", receiver.address());
    let gatelog = setup(&dir).config(config).variable("LOG_URL", url);
    let gatelog = gatelog.start().unwrap();
    gatelog.ingest(lines(0..1)).unwrap();
    let request = receiver.wait_for_requests(1).remove(0);
    assert_eq!((&*request.method, &*request.target), ("PUT", "/"));
    assert_eq!(request.header("host"), Some(&*receiver.address()));
}

#[test]
fn batches_are_lists_without_white_space_also_of_one() {
    let receiver = Receiver::taking();
    let queue = ", queue: {max_batch_size: 5, max_coalescing_delay: 0.1}";
    let gatelog = start_with(&one(&receiver, queue));
    gatelog.ingest(lines(0..11)).unwrap();
    receiver.wait_for_numbers(11);
    gatelog.ingest(lines(11..12)).unwrap();
    assert_eq!(receiver.wait_for_numbers(12), up_to(12));
    for request in receiver.requests() {
        let objects: Vec<_> = request
            .numbers()
            .into_iter()
            .map(|number| object(number, LogFormat::Seed))
            .collect();
        assert!(objects.len() <= 5);
        let expected = format!("[{}]", objects.join(","));
        assert_eq!(String::from_utf8_lossy(&request.body), expected);
    }
    let last = receiver.requests().pop().unwrap();
    assert!(last.body.starts_with(b"[{") && last.records().len() == 1);
}

#[test]
fn a_full_batch_leaves_however_long_it_may_wait() {
    for limit in [1, 8] {
        let receiver = Receiver::taking();
        let queue = format!(
            ", queue: {{max_batch_size: 2, max_coalescing_delay: 1000, concurrency_limit: {limit}}}"
        );
        let gatelog = start_with(&one(&receiver, &queue));
        gatelog.ingest(lines(0..1)).unwrap();
        gatelog.ingest(lines(1..2)).unwrap();
        let request = receiver.wait_for_requests(1).remove(0);
        assert_eq!(request.numbers(), [0, 1], "{limit}");
    }
}

#[test]
fn what_ends_is_flushed_however_long_a_batch_may_wait() {
    let receiver = Receiver::taking();
    let queue = ", queue: {max_batch_size: 1000, max_coalescing_delay: 1000}";
    let gatelog = start_with(&one(&receiver, queue));
    gatelog.ingest(lines(0..3)).unwrap();
    gatelog.signal("TERM").unwrap();
    assert_eq!(receiver.wait_for_numbers(3), [0, 1, 2]);
}

#[test]
fn gzip_is_for_those_who_ask_for_it() {
    let receiver = Receiver::taking();
    let more = ", compression: gzip, queue: {max_batch_size: 10, max_coalescing_delay: 0.1}";
    let gatelog = start_with(&one(&receiver, more));
    gatelog.ingest(lines(0..10)).unwrap();
    let mut numbers = Vec::new();
    wait::until("10 records", DEADLINE, || {
        numbers.clear();
        for mut request in receiver.requests() {
            assert_eq!(request.header("content-encoding"), Some("gzip"));
            let mut body = Vec::new();
            let mut gzip = flate2::read::GzDecoder::new(&*request.body);
            std::io::Read::read_to_end(&mut gzip, &mut body).unwrap();
            request.body = body;
            numbers.extend(request.numbers());
        }
        if numbers.len() == 10 {
            Ok(())
        } else {
            Err(numbers.len())
        }
    })
    .unwrap();
    assert_eq!(numbers, up_to(10));
}

#[test]
fn connections_are_kept_for_keepalive_and_no_longer() {
    let receiver = Receiver::taking();
    let gatelog = start_with(&one(&receiver, ", keepalive: 1000"));
    for round in 1..=2 {
        gatelog.ingest(lines(0..5)).unwrap();
        receiver.wait_for_requests(round * 5);
        assert_eq!(receiver.connections(), round);
        wait::until("the connection to be closed", DEADLINE, || {
            match receiver.open() {
                0 => Ok(()),
                open => Err(open),
            }
        })
        .unwrap();
    }
    let receiver = Receiver::taking();
    let gatelog = start_with(&one(&receiver, ", keepalive: 0"));
    gatelog.ingest(lines(0..5)).unwrap();
    receiver.wait_for_requests(5);
    assert_eq!(receiver.connections(), 5);
}

#[test]
fn several_batches_are_under_way_at_a_time_and_each_is_in_order() {
    for (limit, expected, late) in [("4", 4, 300), ("-1", 16, 800), ("1", 1, 50)] {
        let receiver = Receiver::start(move |_, _| Does::Late(Duration::from_millis(late)));
        let queue = format!(
            ", queue: {{max_batch_size: 3, max_coalescing_delay: 0.1, concurrency_limit: {limit}}}"
        );
        let gatelog = start_with(&one(&receiver, &queue));
        gatelog.ingest(lines(0..48)).unwrap();
        let mut numbers = receiver.wait_for_numbers(48);
        for request in receiver.requests() {
            assert!(request.numbers().is_sorted());
        }
        assert_eq!(receiver.most_busy(), expected, "{limit}");
        if limit == "1" {
            assert!(numbers.is_sorted());
        }
        numbers.sort_unstable();
        assert_eq!(numbers, up_to(48));
        assert!(receiver.connections() <= expected);
    }
}

#[test]
fn two_endpoints_are_not_mixed() {
    let receivers = [Receiver::taking(), Receiver::taking()];
    let log = |receiver: &Receiver| {
        let url = format!("http://{}/logs", receiver.address());
        let queue = "queue: {max_batch_size: 5, max_coalescing_delay: 0.1}";
        format!("[{{name: http-log, config: {{http_endpoint: \"{url}\", {queue}}}}}]")
    };
    let config = format!(
        "services: [{{name: one, plugins: {}}}, {{name: two, plugins: {}}}]",
        log(&receivers[0]),
        log(&receivers[1])
    );
    let gatelog = start_with(&config);
    let mut body = String::new();
    for number in 0..200 {
        for (service, status) in [("one", 200 + number % 10), ("two", 300 + number % 10)] {
            let item = json!({"path": format!("/?n={number}"), "service": service, "response_code": status});
            body.push_str(&item.to_string());
        }
    }
    gatelog.ingest(body).unwrap();
    for (receiver, hundred) in receivers.iter().zip([2, 3]) {
        assert_eq!(receiver.wait_for_numbers(200), up_to(200));
        let records = receiver
            .requests()
            .into_iter()
            .flat_map(|request| request.records());
        for record in records {
            assert_eq!(
                record["response"]["status"].as_u64().unwrap() / 100,
                hundred
            );
        }
    }
}

#[test]
fn unmatched_requests_and_custom_fields_arrive() {
    let receiver = Receiver::taking();
    let fields = r#", custom_fields: {new_field: "123", nested.keys: "456", 'escape\.dots': "789", 'nested.escape\.dots': "135"}"#;
    let gatelog = start_with(&one(&receiver, fields));
    gatelog
        .ingest(
            r#"{"path":"/nowhere","response_code":404,"downstream_remote_address":"127.0.0.1:5"}"#,
        )
        .unwrap();
    let request = receiver.wait_for_requests(1).remove(0);
    let record = &request.records()[0];
    assert_eq!(record["response"]["status"], 404);
    assert_eq!(record["client_ip"], "127.0.0.1");
    assert_eq!(record["new_field"], "123");
    assert_eq!(
        record["nested"],
        json!({"keys": "456", "escape.dots": "135"})
    );
    assert_eq!(record["escape.dots"], "789");
    wait_for_outputs(&gatelog);
    assert_eq!(receiver.requests().len(), 1);
    let log = gatelog.log();
    assert!(
        !log.iter().any(|line| line.contains("\"ERROR\"")),
        "{log:?}"
    );
}

#[test]
fn what_cannot_be_used_ends_the_start_and_warnings_are_told() {
    let plugin = |config: &str| format!("plugins: [{{name: http-log, config: {{{config}}}}}]");
    for (config, text) in [
        (
            "http_endpoint: \"{vault://env/nobody}\"",
            "http-log: config.http_endpoint: the environment variable NOBODY of its reference is not set",
        ),
        (
            "http_endpoint: \"https://h/\", tls: {ca_file: /nowhere/ca.pem}",
            "http-log: config.tls.ca_file /nowhere/ca.pem: ",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let started = setup(&dir).config(plugin(config)).start_or_end().unwrap();
        let gatelog_testkit::gatelog::Started::Ended(status, log) = started else {
            panic!("{config}: it has started");
        };
        assert!(!status.success() && log.contains(text), "{log}");
        let check = std::process::Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .arg("check")
            .arg(dir.path().join("gatelog.yaml"))
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(check.status.code(), Some(64));
        let said = String::from_utf8_lossy(&check.stderr);
        assert!(said.contains(text), "{said}");
    }
    let config = "http_endpoint: \"http://127.0.0.1:9/\", queue_size: 46, flush_timeout: 92, \
                  retry_count: 5, queue: {max_entries: 10000}, ssl_verify: false";
    let gatelog = start_with(&plugin(config));
    for text in [
        "http-log: config.queue_size is deprecated",
        "http-log: config.flush_timeout is deprecated",
        "http-log: config.retry_count no longer works",
        "http-log: config.queue.max_entries has no meaning",
        "http-log: config.ssl_verify is false",
    ] {
        gatelog.wait_for_log(text).unwrap();
    }
}
