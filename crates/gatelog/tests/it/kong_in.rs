//! Kong as a source: what its log plugins send, from the socket to the store, and out again.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{TestService, lines, setup, start, start_with};

/// The example of the seed's documentation, verbatim.
const SEED: &str = include_str!("../data/kong/seed-log.json");

/// What Kong 3.10 sends of a call to an LLM.
const KONG_3: &str = include_str!("../data/kong/kong-3-log.json");

/// What Kong's plugins call themselves.
const AGENT: (&str, &str) = ("user-agent", "lua-resty-http/0.17.2 (Lua) ngx_lua/10028");

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

fn ingest(service: &Gatelog, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let (status, answer) = service.ingest_with(headers, body.as_bytes()).unwrap();
    (status, parsed(&answer))
}

/// The rows, of which there are so many.
fn rows(service: &Gatelog, count: u64) -> Vec<Value> {
    let found = service.wait_for_rows("fields=all", count).unwrap();
    found["logs"].as_array().unwrap().clone()
}

fn row<'r>(rows: &'r [Value], key: &str, value: impl Into<Value>) -> &'r Value {
    let value = value.into();
    let found = rows.iter().find(|row| row[key] == value);
    found.unwrap_or_else(|| panic!("no {key} {value} in {rows:?}"))
}

#[test]
fn the_seeds_object_becomes_a_row_with_all_that_it_says() {
    let service = start();
    assert_eq!(
        ingest(&service, &[AGENT], SEED),
        (200, json!({"accepted": 1}))
    );
    let rows = rows(&service, 1);
    let row = &rows[0];
    for (key, value) in [
        ("start_time", json!("2015-06-02T01:50:22.425Z")),
        ("method", json!("GET")),
        ("path", json!("/get")),
        ("authority", json!("httpbin.org")),
        ("user_agent", json!("curl/7.37.1")),
        ("bytes_received", json!(75)),
        ("bytes_sent", json!(434)),
        ("response_code", json!(200)),
        ("duration", json!(1921)),
        ("upstream_service_time", json!("1430")),
        ("gateway_latency", json!(9)),
        ("upstream_host", json!("127.0.0.1:8000")),
        ("upstream_request_attempt_count", json!(2)),
        ("service", json!("myservice")),
        ("service_id", json!("0590139e-7481-466c-bcdf-929adcaaf804")),
        ("route_id", json!("75818c5f-202d-4b82-a553-6a46e7c9a19e")),
        ("consumer", json!("demo")),
        ("consumer_id", json!("35b03bfc-7a5b-4a23-a594-aa350c585fa8")),
        ("client_ip", json!("127.0.0.1")),
        ("downstream_remote_address", json!("127.0.0.1")),
        ("tls_version", json!("TLSv1.2")),
        ("flaws", Value::Null),
        ("ai_log", Value::Null),
    ] {
        assert_eq!(row[key], value, "{key}");
    }
    let sent = parsed(SEED);
    assert_eq!(row["tries"], sent["tries"]);
    assert_eq!(row["request_headers"], sent["request"]["headers"]);
    assert_eq!(row["response_headers"], sent["response"]["headers"]);
    for member in ["authenticated_entity", "workspaces", "upstream_uri"] {
        assert_eq!(row["kong"][member], sent[member], "{member}");
    }
    assert_eq!(row["kong"]["service"]["retries"], 5);
    let found = service
        .query("service=myservice&consumer=demo&response_code=200")
        .unwrap();
    assert_eq!(found["total"], 1);
}

#[test]
fn objects_of_both_ages_come_alone_in_arrays_and_among_others() {
    let service = start();
    assert_eq!(
        ingest(&service, &[AGENT], KONG_3),
        (200, json!({"accepted": 1}))
    );
    // A batch is an array without white space; an entry of Lua's cjson escapes slashes.
    let escaped = KONG_3
        .trim()
        .replace('/', "\\/")
        .replace("9ec9264a", "00000000");
    let array = format!("[{escaped},{}]", parsed(SEED));
    assert_eq!(
        ingest(&service, &[AGENT], &array),
        (200, json!({"accepted": 2}))
    );
    let other = KONG_3.trim().replace("9ec9264a", "11111111");
    let mixed = format!("{}{other}\n{SEED}{}", lines(0..2), lines(2..3));
    assert_eq!(ingest(&service, &[], &mixed), (200, json!({"accepted": 5})));
    let rows = rows(&service, 8);
    for id in ["9ec9264a", "00000000", "11111111"] {
        let id = format!("{id}fbbbad5fe5c64877d92eeb04");
        let row = row(&rows, "request_id", id);
        assert_eq!(row["path"], "/v1/chat?trace=1&tag=a&tag=b%20c&dry");
        assert_eq!(row["model"], "gpt-4o-2024-11-20");
        assert_eq!(row["requested_model"], "gpt-4o");
        assert_eq!(
            (&row["input_tokens"], &row["output_tokens"]),
            (&json!(24), &json!(180))
        );
        assert_eq!(row["total_tokens"], 204);
        assert_eq!(row["ai_first_token_duration"], 310);
        assert_eq!(row["ai_service_duration"], 1480);
        assert_eq!(
            (&row["route"], &row["route_name"]),
            (&json!("chat"), &json!("chat"))
        );
        assert_eq!(row["consumer_custom_id"], "crm-17");
        assert_eq!(row["kong"]["workspace_name"], "default");
        assert_eq!(row["kong"]["latencies"]["receive"], 1041);
        assert_eq!(row["ai_log"], Value::Null);
        // What Kong has masked is masked in our way.
        assert_eq!(row["request_headers"]["authorization"], "***");
    }
    let standard = rows.iter().filter(|row| row["kong"].is_null());
    assert_eq!(standard.count(), 3);
}

/// Kong sends a batch again for as long as the answer is no 2xx, and nothing behind it.
#[test]
fn what_cannot_be_read_among_kongs_objects_is_told_with_200() {
    let service = start();
    let bad = SEED.replace("\"434\"", "\"much\"");
    let told =
        "response.size: expected an integer (or one in a string, \"-\" or \"\"), found \"much\"";
    let rejected = json!({"accepted": 0, "rejected": [{"index": 0, "error": told}]});
    // By its shape, alone and in a batch.
    assert_eq!(ingest(&service, &[], &bad), (200, rejected.clone()));
    assert_eq!(ingest(&service, &[], &format!("[{bad}]")), (200, rejected));
    let (status, answer) = ingest(&service, &[], &format!("[{{\"request\":tru}},{bad}]"));
    assert_eq!((status, &answer["accepted"]), (200, &json!(0)));
    assert_eq!(answer["rejected"].as_array().unwrap().len(), 2);
    let (status, answer) = ingest(&service, &[], &format!("[{bad},{KONG_3}]"));
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)));
    assert_eq!(answer["rejected"][0]["index"], 0);
    // Where nothing can be read, by who sends it.
    for broken in ["{\"request\":{", "[{\"request\":", "nonsense", "{}", ""] {
        let (status, answer) = ingest(&service, &[AGENT], broken);
        assert_eq!((status, &answer["accepted"]), (200, &json!(0)), "{broken}");
        assert!(!answer["rejected"].as_array().unwrap().is_empty());
        let curl = ("user-agent", "curl/8 lua-resty-http/0.17");
        assert_eq!(ingest(&service, &[curl], broken).0, 400, "{broken}");
    }
    // Other gateways' items are refused as before.
    assert_eq!(ingest(&service, &[], r#"{"response_code":"x"}"#).0, 400);
    rows(&service, 1);
}

#[test]
fn secrets_are_redacted_wherever_kong_logs_them() {
    let service = start_with("redact: { headers: [X-Session], body: [\"$..email\"] }");
    let log = json!({
        "request": {
            "method": "GET", "uri": "/a?token=SECRET&b=1",
            "url": "http://bob:SECRET@a.example:8000/a?token=SECRET&b=1",
            "querystring": {"token": "SECRET", "b": "1"},
            "headers": {"host": "a.example", "authorization": "Bearer SECRET", "cookie": ["SECRET", "x"],
                "x-session": "SECRET", "referer": "http://a/?apikey=SECRET"},
        },
        "upstream_uri": "/up?token=SECRET&b=1",
        "response": {"status": 200, "headers": {"set-cookie": "SECRET"}},
        "authenticated_entity": {"id": "1", "consumer_id": "2", "key": "SECRET"},
        "own": {"X-Session": "SECRET", "nested": [{"password": "SECRET", "email": "SECRET"}]},
        "route": {"id": "r", "own": "http://a/?access_token=SECRET"},
        "latencies": {"request": 1, "proxy": 1, "kong": 0}, "started_at": 1_433_209_822_425_i64,
    });
    let apart = json!({
        "request": {"uri": "/b", "querystring": {"sig": "SECRET"}, "url": "http://a/b?sig=SECRET"},
        "started_at": 1,
    });
    let refused = r#"{"request":{"size":"token=SECRET"},"started_at":1}"#;
    let (status, answer) = ingest(&service, &[AGENT], &format!("[{log},{apart},{refused}]"));
    assert_eq!((status, &answer["accepted"]), (200, &json!(2)));
    let rows = rows(&service, 2);
    let all = format!("{answer} {rows:?} {}", service.log().join("\n"));
    assert!(!all.contains("SECRET"), "{all}");
    let first = row(&rows, "path", "/a?token=***&b=1");
    assert_eq!(first["kong"]["authenticated_entity"]["key"], "***");
    assert_eq!(first["kong"]["authenticated_entity"]["id"], "1");
    assert_eq!(first["kong"]["upstream_uri"], "/up?token=***&b=1");
    assert_eq!(first["request_headers"]["cookie"], json!(["***", "***"]));
    assert_eq!(row(&rows, "path", "/b")["query"], "sig=***");
}

fn file_log(path: &Path, format: &str) -> String {
    let path = path.display();
    format!(
        "  - {{ name: file-log, instance_name: {format}, config: {{ path: {path}, log_format: {format} }} }}\n"
    )
}

fn lines_of(path: &Path, count: usize) -> Vec<Value> {
    let what = format!("{count} lines in {}", path.display());
    wait::until(&what, Duration::from_secs(30), || {
        let text = fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(parsed).collect();
        if lines.len() == count {
            Ok(lines)
        } else {
            Err(text)
        }
    })
    .unwrap()
}

fn without_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, value| !value.is_null());
        members.values_mut().for_each(without_nulls);
    }
}

fn import(service: &TestService, file: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["import", "--url", &service.url()])
        .arg(file)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// In at `/ingest`, out by `file-log`, in by `gatelog import`, out again.
#[test]
fn what_comes_in_goes_out_the_same_and_can_be_imported() {
    let dir = TempDir::new().unwrap();
    let paths = ["seed", "kong-3"].map(|format| dir.path().join(format));
    let config = |suffix: &str| {
        let with = |path: &Path| path.with_extension(suffix);
        let (seed, kong_3) = (with(&paths[0]), with(&paths[1]));
        let plugins = file_log(&seed, "seed") + &file_log(&kong_3, "kong-3");
        ([seed, kong_3], format!("plugins:\n{plugins}"))
    };
    let ([seed, kong_3], first_config) = config("first");
    let first = start_with(&first_config);
    let mut log = parsed(KONG_3);
    assert_eq!(ingest(&first, &[AGENT], &format!("[{SEED},{log}]")).0, 200);
    assert_eq!(lines_of(&seed, 2)[0], parsed(SEED));
    // The one thing that is not as it was.
    log["request"]["headers"]["authorization"] = json!("***");
    log["response"]["headers"]["set-cookie"] = json!(["***", "***"]);
    assert_eq!(lines_of(&kong_3, 2)[1], log);

    let ([seed_again, kong_3_again], second_config) = config("second");
    let second = start_with(&second_config);
    assert!(import(&second, &seed).starts_with("2 accepted"));
    assert!(import(&second, &kong_3).starts_with("2 accepted"));
    let seeds = lines_of(&seed_again, 4);
    assert_eq!(seeds[..2], lines_of(&seed, 2));
    let kong_3s = lines_of(&kong_3_again, 4);
    assert_eq!(kong_3s[2..], lines_of(&kong_3, 2));
    let rows = rows(&second, 4);
    assert_eq!(
        rows.iter()
            .filter(|row| row["model"] == "gpt-4o-2024-11-20")
            .count(),
        2
    );
}

/// A record of another gateway has no object of Kong's to give back, and its line can be read, too.
#[test]
fn lines_that_gatelog_wrote_of_other_gateways_can_be_imported() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("lines");
    let first = start_with(&format!("plugins:\n{}", file_log(&path, "seed")));
    assert_eq!(first.ingest(lines(0..3)).unwrap().0, 200);
    let mut written = lines_of(&path, 3);
    let again_path = dir.path().join("again");
    let second = start_with(&format!("plugins:\n{}", file_log(&again_path, "seed")));
    assert!(import(&second, &path).starts_with("3 accepted"));
    let mut again = lines_of(&again_path, 3);
    written.iter_mut().chain(&mut again).for_each(without_nulls);
    assert_eq!(again, written);
    let key = |row: &Value| row["path"].as_str().unwrap().to_owned();
    let mut expected: Vec<_> = rows(&first, 3).iter().map(key).collect();
    let mut found: Vec<_> = rows(&second, 3).iter().map(key).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn in_mysql_kongs_records_have_the_columns_of_any_other() {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = mariadb.database("kong_in").unwrap();
    let gatelog = setup(&dir).variable("MYSQL_DSN", dsn).start().unwrap();
    let body = format!("[{SEED},{KONG_3}]");
    assert_eq!(
        ingest(&gatelog, &[AGENT], &body),
        (200, json!({"accepted": 2}))
    );
    let rows = rows(&gatelog, 2);
    let row = row(&rows, "route", "chat");
    assert_eq!(row["consumer"], "demo");
    assert_eq!(row["service"], "llm");
    assert_eq!(row["upstream_service_time"], "480");
    assert_eq!(row["downstream_remote_address"], "203.0.113.9");
    assert_eq!(row["model"], "gpt-4o-2024-11-20");
}
