//! `gatelog dry-run`: what it says is what `gatelog serve` does.

use std::fmt::Write as _;
use std::process::Command;

use gatelog_testkit::gatelog::Gatelog;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::filter::{ENVOY_FILTER, bodies, post, traffic, vectors};
use crate::service::{lines, start, start_with};

/// Exit code, standard output and standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    let output = command
        .arg("dry-run")
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The day in which the tests' records began.
const DAY: [&str; 4] = [
    "--since",
    "2026-03-23T00:00:00Z",
    "--until",
    "2026-03-24T00:00:00Z",
];

/// The report as JSON of what is in a file.
fn dry_run(gatelog: &Gatelog, option: &str, text: &str, more: &[&str]) -> Value {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("tried.yaml");
    std::fs::write(&file, text).unwrap();
    let url = gatelog.url();
    let mut arguments = vec![option, file.to_str().unwrap(), "--url", &url, "--json"];
    arguments.extend(DAY);
    arguments.extend(more);
    let (code, out, error) = run(&arguments);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

/// Standard records, ids that the real Envoy was asked about, and a trace for each of many requests.
fn everything() -> String {
    let ids = vectors();
    let mut body = bodies(&ids, 200) + &bodies(&ids, 503) + &bodies(&ids, 0);
    body.push_str(&lines(0..600));
    // Without an id a runtime filter throws dice.
    for (number, line) in (0_u32..).zip(traffic(0..1000).lines()) {
        let mut record: Value = serde_json::from_str(line).unwrap();
        let scattered = number.wrapping_mul(0x9e37_79b9);
        record["request_id"] = json!(format!("{scattered:08x}-0000-4000-8000-{number:012x}"));
        writeln!(body, "{record}").unwrap();
    }
    for number in 0..20 {
        let record = json!({"response_code": 200, "request_id": format!("{number:08x}"),
            "start_time": format!("2026-03-23T{number:02}:59:59.999Z"), "route": format!("r{number}"),
            "request_headers": {"x-tenant": if number % 2 == 0 { "a" } else { "b" }},
            "grpc_status": number, "sample_weight": 3, "response_flags": "DC"});
        writeln!(body, "{record}").unwrap();
    }
    body
}

/// What a store has: rows, their estimate, errors of 4xx and 5xx.
fn stored(gatelog: &Gatelog, accepted: u64) -> (u64, f64, [u64; 2]) {
    let found = gatelog.wait_for_rows("", accepted).unwrap();
    let count = |class: &str| {
        let found = gatelog.query(&format!("status_class={class}")).unwrap();
        found["total"].as_u64().unwrap()
    };
    let estimated = found.get("estimated_total").unwrap_or(&found["total"]);
    (
        found["total"].as_u64().unwrap(),
        estimated.as_f64().unwrap(),
        [count("4xx"), count("5xx")],
    )
}

#[test]
fn what_it_says_is_what_serve_keeps() {
    let all = start();
    let body = everything();
    let sent = post(&all, &[], &body)["accepted"].as_u64().unwrap();
    let (_, truth, errors) = stored(&all, sent);
    let tenant = "filter: {and_filter: {filters: [{header_filter: {header: {name: x-tenant, exact_match: a}}}, \
        {runtime_filter: {runtime_key: k, percent_sampled: {numerator: 30}}}]}}";
    let cel = "filter: {extension_filter: {name: cel, typed_config: {\"@type\": \
        type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter, \
        expression: \"response.code >= 400 || request.method == 'POST'\"}}}";
    let both =
        format!("{ENVOY_FILTER}sample: {{rate: 0.3, keep: {{status_ge: 500, slower_than: 90ms}}}}");
    for config in [
        ENVOY_FILTER,
        "sample: {rate: 0.1, keep: {status_ge: 400, flags: any}}",
        both.as_str(),
        tenant,
        cel,
        "filter: {response_flag_filter: {}}",
        "filter: {grpc_status_filter: {statuses: [INTERNAL, UNAVAILABLE]}}",
    ] {
        let told = dry_run(&all, "--filter", config, &[]);
        let served = start_with(config);
        let answer = post(&served, &[], &body);
        let accepted = answer["accepted"].as_u64().unwrap();
        let (rows, estimated, [kept_4xx, kept_5xx]) = stored(&served, accepted);
        assert_eq!(told["looked_at"]["records"], json!(sent), "{config}");
        assert_eq!(
            told["looked_at"]["estimated"].as_f64(),
            Some(truth),
            "{config}"
        );
        assert_eq!(told["kept"]["records"], json!(rows), "{config}: {told}");
        assert_eq!(told["dropped"]["records"], answer["filtered"], "{config}");
        let told_estimate = told["kept"]["estimate"].as_f64().unwrap();
        assert!(
            (told_estimate - estimated).abs() < 1e-6,
            "{config}: {told_estimate} {estimated}"
        );
        let of = |fate: &str, class: &str| {
            let sum = &told["errors"][fate]["by_status"][class]["records"];
            sum.as_u64().unwrap_or(0)
        };
        assert_eq!(
            [of("kept", "4xx"), of("kept", "5xx")],
            [kept_4xx, kept_5xx],
            "{config}"
        );
        let both = ["4xx", "5xx"].map(|class| of("kept", class) + of("dropped", class));
        assert_eq!(both, errors, "{config}");
        assert_eq!(told["weighted"], 20);
    }
}

#[test]
fn a_whole_envoy_filter_is_tried_with_runtime_keys_and_conditions() {
    let gatelog = start();
    let ids = vectors();
    let count = ids.len() as u64;
    post(
        &gatelog,
        &[],
        &(bodies(&ids, 200) + &bodies(&ids, 503) + &lines(0..50)),
    );
    gatelog.wait_for_rows("", 2 * count + 50).unwrap();
    // As it is pasted, without `filter:` before it.
    let (_, pasted) = ENVOY_FILTER.split_once("filter:\n").unwrap();
    let of = |more: &[&str]| {
        let told = dry_run(
            &gatelog,
            "--filter",
            pasted,
            &[&["--where", "route_name=r"], more].concat(),
        );
        assert_eq!(told["looked_at"]["records"], json!(2 * count));
        (told["kept"]["records"].as_u64().unwrap(), told)
    };
    let sampled = ids.iter().filter(|(_, logged)| *logged).count() as u64;
    let (kept, told) = of(&[]);
    assert_eq!(kept, count + sampled);
    assert_eq!(told["errors"]["dropped"]["records"], 0);
    assert_eq!(
        told["dropped_routes"],
        json!([{"name": "r", "records": count - sampled,
        "estimated": count - sampled, "errors": 0, "bytes": told["dropped"]["bytes"]}])
    );
    assert_eq!(of(&["--runtime", "log.sampled=0"]).0, count);
    assert_eq!(of(&["--runtime", "log.sampled=100"]).0, 2 * count);
    // The errors are the first that a threshold too high loses, and they are shown.
    let keys = [
        "--runtime",
        "log.sampled=0",
        "--runtime",
        "log.status.from=504",
    ];
    let (kept, told) = of(&keys);
    assert_eq!(kept, 0);
    assert_eq!(
        told["errors"]["dropped"]["by_status"]["5xx"]["records"],
        json!(count)
    );
    assert_eq!(told["dropped_routes"][0]["errors"], json!(count));
    let example = &told["dropped_errors"][0];
    assert!(
        ids.iter().any(|(id, _)| example["request_id"] == json!(id)),
        "{example}"
    );
    assert_eq!(
        (&example["response_code"], &example["by"]),
        (&json!(503), &json!("filter"))
    );
}

#[test]
fn rules_of_redaction_are_counted_one_by_one() {
    let gatelog = start_with("redact: {query: [old]}");
    let at = "2026-03-23T02:10:01.217Z";
    let mut body = String::new();
    for number in 0..150 {
        let record = json!({"start_time": at, "path": format!("/a?session={number}&token=x&old=1"),
            "response_code": if number % 3 == 0 { 500 } else { 200 },
            "request_headers": {"x-session": "s", "authorization": "Bearer x"},
            "request_body": if number % 2 == 0 { r#"{"user":{"email":"e@example.com"}}"# } else { "{}" }});
        writeln!(body, "{record}").unwrap();
    }
    post(&gatelog, &[], &body);
    gatelog.wait_for_rows("", 150).unwrap();
    let rules = |told: &Value| -> Vec<(String, u64)> {
        let rules = told["redaction"]["rules"].as_array().unwrap().iter();
        rules
            .map(|rule| {
                (
                    rule["rule"].as_str().unwrap().to_owned(),
                    rule["records"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    let config = "redact: {headers: [X-Session, X-None], query: [session, old], body: [$.user.email], how: hash}\n";
    let told = dry_run(&gatelog, "--redact", config, &[]);
    let expected = |numbers: [u64; 5]| {
        let names = [
            "header X-Session",
            "header X-None",
            "query session",
            "query old",
            "body $.user.email",
        ];
        names
            .map(str::to_owned)
            .into_iter()
            .zip(numbers)
            .collect::<Vec<_>>()
    };
    // What is redacted already is not again.
    assert_eq!(rules(&told), expected([150, 0, 150, 0, 75]));
    assert_eq!(
        (
            &told["redaction"]["records"],
            &told["redaction"]["by_built_in_rules"]
        ),
        (&json!(150), &json!(0))
    );
    assert_eq!(told["kept"]["records"], 150);
    // Together with a filter only what is kept counts.
    let filter =
        "filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 400}}}}\n";
    let told = dry_run(&gatelog, "--filter", &format!("{config}{filter}"), &[]);
    assert_eq!(rules(&told), expected([50, 0, 50, 0, 25]));
    assert_eq!(told["kept"]["records"], 50);
    assert!(!told.to_string().contains("e@example.com"));
}

#[test]
fn a_person_gets_a_table() {
    let gatelog = start();
    let ids = vectors();
    post(&gatelog, &[], &bodies(&ids, 503));
    gatelog.wait_for_rows("", ids.len() as u64).unwrap();
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("f.yaml");
    std::fs::write(
        &file,
        "status_code_filter: {comparison: {op: LE, value: {default_value: 399}}}",
    )
    .unwrap();
    let url = gatelog.url();
    let mut arguments = vec!["--filter", file.to_str().unwrap(), "--url", &url];
    arguments.extend(DAY);
    let (code, out, error) = run(&arguments);
    assert_eq!((code, error.as_str()), (0, ""));
    for part in [
        "tried: filter",
        "looked at",
        "100.00 %",
        "status 5xx",
        "some of the dropped errors",
        "(by filter)",
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    // Without a time it is the last day, in which there is nothing.
    let (code, out, _) = run(&arguments[..4]);
    assert_eq!(code, 0);
    let looked_at = out
        .lines()
        .find(|line| line.starts_with("looked at"))
        .unwrap();
    assert_eq!(looked_at.split_whitespace().nth(2), Some("0"), "{out}");
}

#[test]
fn what_cannot_be_tried_is_told_by_the_exit_code() {
    let gatelog = start();
    let dir = TempDir::new().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = file("good.yaml", "filter: {not_health_check_filter: {}}");
    let wrong = file("wrong.yaml", "filter: {status_code_filter: {}}");
    let (url, away) = (gatelog.url(), "http://127.0.0.1:1".to_owned());
    for (arguments, expected, part) in [
        (
            vec!["--filter", wrong.as_str(), "--url", &url],
            64,
            "`comparison` is required",
        ),
        (
            vec!["--filter", "/none.yaml", "--url", &url],
            64,
            "/none.yaml: ",
        ),
        (vec!["--url", &url], 64, "--filter"),
        (
            vec!["--filter", &good, "--since", "yesterday"],
            64,
            "such as 30m",
        ),
        (
            vec!["--filter", &good, "--url", &url, "--until", "2d"],
            64,
            "--since",
        ),
        (
            vec!["--filter", &good, "--url", &url, "--where", "colour=red"],
            64,
            "colour: no such parameter",
        ),
        (
            vec!["--filter", &good, "--url", &away],
            1,
            "GET http://127.0.0.1:1/query: ",
        ),
        (
            vec!["--filter", &good, "--url", "ftp://a"],
            64,
            "expected an address",
        ),
    ] {
        let (code, out, error) = run(&arguments);
        assert_eq!(code, expected, "{arguments:?}: {out}{error}");
        assert!(error.contains(part), "{part} in {error}");
    }
    // A path that is not gatelog's.
    let elsewhere = format!("{url}/health");
    let (code, _, error) = run(&["--filter", &good, "--url", &elsewhere]);
    assert_eq!(code, 1, "{error}");
    let warned = file(
        "warned.yaml",
        "metadata_filter: {matcher: {filter: a, path: [{key: b}], value: {present_match: true}}}",
    );
    let (code, _, error) = run(&["--filter", &warned, "--url", &url]);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("warning: filter: "), "{error}");
}
