//! What the filter and the sampling policy keep, and what of them can be changed while they run.

use std::collections::BTreeSet;

use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::mariadb::MariaDb;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{setup, start, start_with};

const VECTORS: &str = include_str!("../../../gatelog-filter/testdata/filter_vectors.json");

/// The filter of the Hango manual, as its `EnvoyFilter` has it, with a key for each of its meanings.
pub(crate) const ENVOY_FILTER: &str = "
filter:
  apiVersion: networking.istio.io/v1alpha3
  kind: EnvoyFilter
  metadata: { name: accesslog-filter, namespace: hango-system }
  spec:
    configPatches:
      - applyTo: NETWORK_FILTER
        match: { listener: { filterChain: { filter: { name: envoy.http_connection_manager } } } }
        patch:
          operation: MERGE
          value:
            name: envoy.filters.network.http_connection_manager
            typed_config:
              \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
              accessLog:
                - filter:
                    or_filter:
                      filters:
                        - status_code_filter:
                            comparison:
                              op: GE
                              value: { runtime_key: log.status.from, default_value: 400 }
                        - runtime_filter:
                            runtime_key: log.sampled
                            percent_sampled: { numerator: 50 }
";

/// The ids of requests on which the real Envoy was asked, and whether it logged them at 50 %.
pub(crate) fn vectors() -> Vec<(String, bool)> {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    let half = json!([50, "HUNDRED"]);
    let logged = |vector: &Value| {
        let decisions = vector["decisions"].as_array().unwrap();
        let of =
            |decision: &&Value| json!([decision["numerator"], decision["denominator"]]) == half;
        decisions.iter().find(of).unwrap()["logged"]
            .as_bool()
            .unwrap()
    };
    vectors
        .iter()
        .map(|vector| {
            (
                vector["x_request_id"].as_str().unwrap().to_owned(),
                logged(vector),
            )
        })
        .collect()
}

/// A record for each id, answered with this code.
pub(crate) fn bodies(ids: &[(String, bool)], code: u16) -> String {
    let line = |(id, _): &(String, bool)| {
        let record = json!({"request_id": id, "response_code": code, "method": "GET", "path": "/a",
            "start_time": "2026-03-23T02:10:01.217Z", "duration": 5, "route_name": "r"});
        format!("{record}\n")
    };
    ids.iter().map(line).collect()
}

pub(crate) fn post(gatelog: &Gatelog, headers: &[(&str, &str)], body: &str) -> Value {
    let (status, answer) = gatelog.ingest_with(headers, body.as_bytes()).unwrap();
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn patch(gatelog: &Gatelog, changes: &Value) -> (u16, Value) {
    let (status, answer) = gatelog
        .admin_patch("/runtime", changes.to_string())
        .unwrap();
    (status, serde_json::from_str(&answer).unwrap())
}

fn request_ids(rows: &[Value]) -> BTreeSet<&str> {
    rows.iter()
        .map(|row| row["request_id"].as_str().unwrap())
        .collect()
}

fn filtered(gatelog: &Gatelog, reason: &str) -> u64 {
    let name = format!("gatelog_filtered_total{{reason=\"{reason}\"}}");
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn the_seeds_filter_keeps_every_error_and_of_the_rest_what_envoy_keeps() {
    let gatelog = start_with(ENVOY_FILTER);
    let ids = vectors();
    let sampled: Vec<_> = ids.iter().filter(|(_, logged)| *logged).cloned().collect();
    let dropped = ids.len() - sampled.len();
    assert!(!sampled.is_empty() && dropped > 0);
    let answer = post(&gatelog, &[], &bodies(&ids, 503));
    assert_eq!(answer, json!({"accepted": ids.len()}));
    let answer = post(&gatelog, &[], &bodies(&ids, 200));
    assert_eq!(
        answer,
        json!({"accepted": sampled.len(), "filtered": dropped})
    );

    // Every error stands for itself, every other one for two.
    let errors = gatelog
        .wait_for_rows("status=503", ids.len() as u64)
        .unwrap();
    assert!(errors.get("estimated_total").is_none(), "{errors}");
    let found = gatelog
        .wait_for_rows("status=200", sampled.len() as u64)
        .unwrap();
    assert_eq!(found["estimated_total"], json!(2 * sampled.len()));
    let all = gatelog.query("").unwrap();
    let estimated = ids.len() + 2 * sampled.len();
    assert_eq!(all["total"], json!(ids.len() + sampled.len()));
    assert_eq!(all["estimated_total"], json!(estimated));
    let rows = gatelog.all_rows("status=200&fields=all").unwrap();
    let expected = sampled.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(request_ids(&rows), expected);
    assert!(
        rows.iter()
            .all(|row| row["sample_weight"].as_f64() == Some(2.0))
    );
    let told = ["filter", "sample"].map(|reason| filtered(&gatelog, reason));
    assert_eq!(told, [dropped as u64, 0]);

    // Nothing is left of a body, and it is taken all the same.
    let none: Vec<_> = ids.iter().filter(|(_, logged)| !*logged).cloned().collect();
    assert_eq!(
        post(&gatelog, &[], &bodies(&none, 200)),
        json!({"accepted": 0, "filtered": none.len()})
    );
    let with_a_bad_one = format!("{}{{}}\n", bodies(&none, 200));
    let answer = post(&gatelog, &[], &with_a_bad_one);
    assert_eq!(answer["filtered"], json!(none.len()));
    assert_eq!(answer["rejected"][0]["index"], json!(none.len()));
}

#[test]
fn a_patch_counts_at_once_and_survives_a_restart() {
    let dir = TempDir::new().unwrap();
    let setup = setup(&dir).config(ENVOY_FILTER);
    let ids = vectors();
    let kept = |gatelog: &Gatelog| post(gatelog, &[], &bodies(&ids, 200))["accepted"].clone();
    let gatelog = setup.start().unwrap();
    let half = kept(&gatelog);
    let (status, answer) = patch(&gatelog, &json!({"log.sampled": 0, "other": 7}));
    assert_eq!(status, 200, "{answer}");
    let place = "filter.or_filter.filters[1].runtime_filter";
    let default = json!({"numerator": 50, "denominator": "HUNDRED"});
    let sampled = json!({"value": 0, "read_by": [{"place": place, "default": default}]});
    assert_eq!(answer["runtime"]["log.sampled"], sampled);
    assert_eq!(answer["runtime"]["log.status.from"]["value"], Value::Null);
    assert_eq!(
        answer["runtime"]["other"],
        json!({"value": 7, "read_by": []})
    );
    assert_eq!(kept(&gatelog), json!(0));
    // All or nothing.
    let (status, error) = patch(
        &gatelog,
        &json!({"log.sampled": 100, "log.status.from": true}),
    );
    assert_eq!(status, 400);
    assert_eq!(
        (&error["name"], &error["code"]),
        (&json!("schema violation"), &json!(2))
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("log.status.from"),
        "{error}"
    );
    assert_eq!(kept(&gatelog), json!(0));

    gatelog.kill().unwrap();
    let gatelog = setup.start().unwrap();
    let (status, shown) = gatelog.admin_get("/runtime").unwrap();
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((status, &shown), (200, &answer));
    assert_eq!(kept(&gatelog), json!(0));
    assert_eq!(patch(&gatelog, &json!({"log.status.from": 200})).0, 200);
    assert_eq!(kept(&gatelog), json!(ids.len()));
    assert_eq!(
        patch(
            &gatelog,
            &json!({"log.status.from": null, "log.sampled": null})
        )
        .0,
        200
    );
    assert_eq!(kept(&gatelog), half);
    assert!(gatelog.terminate().unwrap().success());
}

#[test]
fn the_admin_listener_answers_as_kongs_does_and_can_be_off() {
    let gatelog = start();
    let not_found = (404, json!({"message": "Not found"}).to_string());
    assert_eq!(gatelog.admin_get("/nothing").unwrap(), not_found);
    let not_allowed = json!({"message": "Method not allowed"}).to_string();
    let url = format!("{}/runtime", gatelog.admin_url().unwrap());
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut answer = agent.post(&url).send("{}").unwrap();
    assert_eq!(answer.status().as_u16(), 405);
    assert_eq!(answer.body_mut().read_to_string().unwrap(), not_allowed);
    for (body, message) in [
        ("{", "Cannot parse JSON body"),
        ("log.sampled=5", "Cannot parse JSON body"),
        ("[1]", "expected a JSON object"),
    ] {
        let (status, answer) = gatelog.admin_patch("/runtime", body).unwrap();
        assert_eq!(status, 400);
        assert!(answer.contains(message), "{answer}");
    }
    // The data listener has none of it.
    assert_eq!(gatelog.get("/runtime").unwrap().0, 404);

    let dir = TempDir::new().unwrap();
    let off = setup(&dir).admin_listen("off").start().unwrap();
    assert!(off.admin_url().is_err());

    // An address that is taken is named before anything is made on the disk.
    let taken = gatelog.admin_url().unwrap().replace("http://", "");
    let dir = TempDir::new().unwrap();
    let error = setup(&dir)
        .admin_listen(&taken)
        .start()
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("listen on {taken} (admin_listen; `off`")),
        "{error}"
    );
    assert!(!dir.path().join("journal").exists());
}

#[test]
fn a_patch_that_is_too_large_is_refused_and_changes_nothing() {
    let gatelog = start_with(ENVOY_FILTER);
    let of = |bytes: usize| format!("{{\"log.sampled\":7{}}}", " ".repeat(bytes - 17));
    let (status, answer) = gatelog.admin_patch("/runtime", of((1 << 20) + 1)).unwrap();
    assert_eq!(status, 413, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["message"].is_string(), "{answer}");
    let value = || -> Value {
        let (_, shown) = gatelog.admin_get("/runtime").unwrap();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        shown["runtime"]["log.sampled"]["value"].clone()
    };
    assert_eq!(value(), Value::Null);
    let largest = of(1 << 20);
    assert_eq!(largest.len(), 1 << 20);
    assert_eq!(gatelog.admin_patch("/runtime", largest).unwrap().0, 200);
    assert_eq!(value(), json!(7));
}

#[test]
fn what_is_repeated_is_known_whatever_the_filter_has_dropped_of_it() {
    let dir = TempDir::new().unwrap();
    let setup = setup(&dir).config(ENVOY_FILTER);
    let gatelog = setup.start().unwrap();
    let ids = vectors();
    let sampled = ids.iter().filter(|(_, logged)| *logged).count();
    let dropped = ids.len() - sampled;
    let body = bodies(&ids, 200);
    let worker = [
        ("gatelog-sender", "gw-1"),
        ("gatelog-boot", "1a2b"),
        ("gatelog-worker", "0"),
        ("gatelog-sequence", "0"),
    ];
    let first = json!({"accepted": sampled, "filtered": dropped});
    let again = json!({"accepted": 0, "filtered": dropped, "duplicates": sampled});
    for headers in [&worker[..], &[("Idempotency-Key", "a")]] {
        assert_eq!(post(&gatelog, headers, &body), first);
        assert_eq!(post(&gatelog, headers, &body), again);
    }
    assert_eq!(filtered(&gatelog, "filter"), 2 * dropped as u64, "once");
    let rows = |gatelog: &Gatelog| gatelog.wait_for_rows("", 2 * sampled as u64).unwrap();
    rows(&gatelog);
    gatelog.kill().unwrap();
    let gatelog = setup.start().unwrap();
    for headers in [&worker[..], &[("Idempotency-Key", "a")]] {
        assert_eq!(post(&gatelog, headers, &body), again);
    }
    // What was dropped stays dropped, also where it would be kept now.
    assert_eq!(patch(&gatelog, &json!({"log.sampled": 100})).0, 200);
    let known = json!({"accepted": 0, "duplicates": ids.len()});
    for headers in [&worker[..], &[("Idempotency-Key", "a")]] {
        assert_eq!(post(&gatelog, headers, &body), known);
    }
    rows(&gatelog);
    // Nothing is missing, and a body of which nothing was kept is not missing either.
    patch(&gatelog, &json!({"log.sampled": 0}));
    let next = ids.len().to_string();
    let headers = [
        worker[0],
        worker[1],
        worker[2],
        ("gatelog-sequence", next.as_str()),
    ];
    let none = json!({"accepted": 0, "filtered": ids.len()});
    assert_eq!(post(&gatelog, &headers, &body), none);
    let (_, senders) = gatelog.get("/senders").unwrap();
    let senders: Value = serde_json::from_str(&senders).unwrap();
    assert_eq!(senders["senders"][0]["missing"], json!(0), "{senders}");
}

/// Requests by their number: one in ten is an error, and each has a trace of its own.
pub(crate) fn traffic(numbers: std::ops::Range<u32>) -> String {
    let line = |number: u32| {
        let code = if number.is_multiple_of(10) { 500 } else { 200 };
        let trace = format!("4bf92f3577b34da6{:016x}", u64::from(number) * 0x9e37_79b9);
        let record = json!({"trace_id": trace, "response_code": code, "path": "/a",
            "start_time": "2026-03-23T02:10:01.217Z", "duration": number % 100, "route_name": "r"});
        format!("{record}\n")
    };
    numbers.map(line).collect()
}

const SAMPLE: &str = "sample: {rate: 0.1, keep: {status_ge: 400}}\n";

/// Keeps a tenth of many requests; the estimate has to be near what was sent.
fn sample_and_estimate(gatelog: &Gatelog) {
    const SENT: u32 = 10_000;
    let answer = post(gatelog, &[], &traffic(0..SENT));
    let accepted = answer["accepted"].as_u64().unwrap();
    assert_eq!(
        answer["filtered"].as_u64().unwrap(),
        u64::from(SENT) - accepted
    );
    let found = gatelog.wait_for_rows("", accepted).unwrap();
    // 9000 of weight 10 with chance 0.1: a deviation is 285. The ids are always the same, and so is this.
    let estimated = found["estimated_total"].as_f64().unwrap();
    assert!(
        (estimated - f64::from(SENT)).abs() < 3.0 * 285.0,
        "{estimated}"
    );
    let errors = gatelog.query("status=500").unwrap();
    assert_eq!(errors["total"], json!(SENT / 10), "every error is kept");
    let others = gatelog.query("status=200").unwrap();
    let weight = others["estimated_total"].as_f64().unwrap() / others["total"].as_f64().unwrap();
    assert!((weight - 10.0).abs() < 1e-9, "{weight}");
    assert_eq!(filtered(gatelog, "sample"), u64::from(SENT) - accepted);
}

#[test]
fn a_sample_in_the_lake_estimates_what_was_sent() {
    sample_and_estimate(&start_with(SAMPLE));
}

#[test]
fn a_sample_in_mysql_estimates_what_was_sent() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("sampled").unwrap();
    let setup = setup(&dir).config(SAMPLE).variable("MYSQL_DSN", dsn);
    sample_and_estimate(&setup.start().unwrap());
}

#[test]
fn a_table_without_a_column_for_weights_is_told() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("unweighed").unwrap();
    let gatelog = setup(&dir).variable("MYSQL_DSN", &dsn).start().unwrap();
    post(&gatelog, &[], &traffic(0..1));
    gatelog.wait_for_rows("", 1).unwrap();
    mariadb
        .sql("ALTER TABLE unweighed.access_logs DROP COLUMN sample_weight")
        .unwrap();
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).config(SAMPLE).variable("MYSQL_DSN", &dsn);
    let gatelog = gatelog.start().unwrap();
    gatelog.wait_for_log("lacks columns").unwrap();
    let (_, ready) = gatelog.get("/ready").unwrap();
    let warning = "the table access_logs has no column for sample_weight: ";
    assert!(ready.contains(warning), "{ready}");
}

#[test]
fn what_comes_with_a_weight_stands_for_more() {
    let gatelog = start_with(ENVOY_FILTER);
    let id = vectors().into_iter().find(|(_, logged)| *logged).unwrap().0;
    let of = |code: u16| json!({"request_id": id, "response_code": code, "sample_weight": 5});
    post(&gatelog, &[], &format!("{}\n{}", of(200), of(500)));
    let found = gatelog.wait_for_rows("", 2).unwrap();
    assert_eq!(found["estimated_total"], json!(15));
}

#[test]
fn bytes_that_are_not_utf8_are_no_way_around_the_filter() {
    let gatelog = start_with(
        "filter: {status_code_filter: {comparison: {op: GE, value: {default_value: 400}}}}",
    );
    let body =
        b"{\"path\":\"/\xff\",\"response_code\":200}\n{\"path\":\"/\xff\",\"response_code\":400}";
    let (status, answer) = gatelog.ingest(body).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (status, answer),
        (200, json!({"accepted": 1, "filtered": 1}))
    );
}

#[test]
fn a_budget_is_not_given_anew_by_a_restart() {
    let dir = TempDir::new().unwrap();
    let setup = setup(&dir).config("sample: {rate: 1, budget_per_day: 1GiB}");
    let gatelog = setup.start().unwrap();
    post(&gatelog, &[], &traffic(0..100));
    assert!(gatelog.terminate().unwrap().success());
    let spent = || -> Value {
        serde_json::from_slice(&std::fs::read(dir.path().join("sample.spent")).unwrap()).unwrap()
    };
    let first = spent();
    assert!(first["bytes"].as_u64().unwrap() > 10_000, "{first}");
    let gatelog = setup.start().unwrap();
    post(&gatelog, &[], &traffic(100..200));
    assert!(gatelog.terminate().unwrap().success());
    let second = spent();
    // Unless the day ended in between.
    if first["day"] == second["day"] {
        assert!(
            second["bytes"].as_u64() > first["bytes"].as_u64(),
            "{second}"
        );
        assert!(second["bytes"].as_u64().unwrap() > 20_000, "{second}");
    }
}

#[test]
fn a_wrong_filter_is_told_with_its_place_and_a_useless_one_by_a_warning() {
    let dir = TempDir::new().unwrap();
    let check = |yaml: &str| {
        let file = dir.path().join("c.yaml");
        std::fs::write(&file, yaml).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gatelog"));
        let output = command
            .arg("check")
            .arg(&file)
            .env_clear()
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), told)
    };
    for (yaml, parts) in [
        (
            ENVOY_FILTER.replace("numerator", "numerators"),
            &["accessLog[0].filter.or_filter.filters[1].runtime_filter.percent_sampled", "numerators", "line 3"][..],
        ),
        (
            "listen: 127.0.0.1:0\nfilter:\n  status_code_filter: {}\n".to_owned(),
            &["status_code_filter", "`comparison` is required", "line 3"],
        ),
        (
            "filter: {extension_filter: {typed_config: {\"@type\": type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter, expression: \"1 +\"}}}".to_owned(),
            &["filter: "],
        ),
        ("sample:\n  keep:\n    status: 400\n".to_owned(), &["status_ge", "line 3"]),
    ] {
        let (code, told) = check(&yaml);
        assert_eq!(code, 64, "{told}");
        for part in parts {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
    let (code, told) = check(
        "filter: {metadata_filter: {matcher: {filter: a, path: [{key: b}], value: {present_match: true}}}}",
    );
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("warning: filter: "), "{told}");
}
