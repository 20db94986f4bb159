//! No secret is in anything that the service writes: random secrets wherever a record has room for
//! them, then every byte of what was written is searched.

mod planted;

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelog::config::{self, Config};
use gatelog::output::{Output, OutputSet, Settings, Start, Undelivered};
use gatelog::service;
use gatelog_record::{AccessRecord, json as record_json};
use gatelog_store::BoxFuture;
use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use self::planted::{Sent, found, planted};
use crate::service::{lines, setup, start_with};

const DEADLINE: Duration = Duration::from_secs(30);

/// What is redacted besides the built-in names.
const REDACT: &str =
    r#"{ headers: [X-Session], query: [session], body: ["$.user.email", "$..pin"], how: HOW }"#;

/// Sends everything; the answers.
fn send_all(gatelog: &Gatelog, bodies: &[Sent]) -> (u64, String) {
    let mut answers = String::new();
    let mut accepted = 0;
    for Sent { headers, body } in bodies {
        let (_, answer) = gatelog.ingest_with(headers, body).unwrap();
        let counted: Value = serde_json::from_str(&answer).unwrap();
        accepted += counted["accepted"].as_u64().unwrap();
        writeln!(answers, "{answer}").unwrap();
    }
    (accepted, answers)
}

/// Fails if there is a secret in it.
fn search(what: &str, bytes: &[u8]) {
    if let Some(place) = found(bytes) {
        panic!("a secret in {what}: {place}");
    }
}

/// Searches each file below the directory.
fn search_files(dir: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += search_files(&path);
        } else {
            search(&path.display().to_string(), &fs::read(&path).unwrap());
            files += 1;
        }
    }
    files
}

/// Every row of both stores as text.
fn rows(gatelog: &Gatelog, mariadb: &MariaDb, database: &str) -> String {
    let mut text = String::new();
    for row in gatelog.all_rows("fields=all").unwrap() {
        writeln!(text, "{row}").unwrap();
    }
    let stored = mariadb.sql(&format!("SELECT * FROM {database}.access_logs"));
    for row in stored.unwrap() {
        writeln!(text, "{row:?}").unwrap();
    }
    text
}

/// Waits for the database. The lake keeps rows in memory for a while, and the journal holds them.
fn wait_for_database(gatelog: &Gatelog) {
    wait::until("the database to have everything", DEADLINE, || {
        let (_, body) = gatelog.get("/ready").unwrap();
        let ready: Value = serde_json::from_str(&body).unwrap();
        let mut stores = ready["stores"].as_array().unwrap().iter();
        let mysql = stores.find(|store| store["name"] == "mysql").unwrap();
        if mysql["lag_bytes"] == 0 {
            Ok(())
        } else {
            Err(body)
        }
    })
    .unwrap();
}

/// A whole service with two stores, one of which refuses some records, under the most talkative log.
fn nothing_is_written(how: &str) {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let database = format!("redaction_{how}");
    let dsn = mariadb.database(&database).unwrap();
    mariadb
        .sql(&format!(
            "CREATE TABLE {database}.access_logs (
                 id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time DATETIME(3) NOT NULL,
                 model VARCHAR(64), response_code INT, path VARCHAR(200), authority VARCHAR(32),
                 user_agent VARCHAR(40), ai_log JSON, request_headers TEXT, response_headers TEXT,
                 request_body TEXT, response_body TEXT,
                 CONSTRAINT odd CHECK (response_code <> 666)
             ) ENGINE=InnoDB"
        ))
        .unwrap();
    let file_log = |name: &str, more: &str| {
        let path = dir.path().join(name);
        format!(
            "{{name: file-log, instance_name: {name}, config: {{path: {}, {more}}}}}",
            path.display()
        )
    };
    let file_logs = [
        file_log(
            "kong.log",
            "custom_fields: {all: \"%REQ(COOKIE)% %REQ(:PATH)%\"}",
        ),
        file_log("hango.log", "access_log_format: hango"),
    ];
    let config = format!(
        "log: {{level: trace}}\nquery_store: lake\nredact: {}\nstore: {{lake: {{}}, mysql: {{dsn: \"{dsn}\"}}}}\nplugins: [{}]\n",
        REDACT.replace("HOW", how),
        file_logs.join(", ")
    );
    let mut gatelog = setup(&dir).config(config).start().unwrap();
    let bodies = planted(1);
    let (accepted, answers) = send_all(&gatelog, &bodies);
    assert!(accepted > 500, "{accepted}");
    assert!(answers.matches("\"index\"").count() > 100, "{answers}");
    search("an answer", answers.as_bytes());
    gatelog.wait_for_rows("", accepted).unwrap();
    wait_for_database(&gatelog);
    let rows = rows(&gatelog, mariadb, &database);
    // What came is there but for the secrets.
    assert!(
        rows.matches("/planted").count() as u64 > accepted,
        "{accepted}"
    );
    search("a row", rows.as_bytes());
    let letters = fs::read_to_string(dir.path().join("dead-letter/mysql.ndjson")).unwrap();
    assert!(letters.lines().count() > 20, "{letters}");
    for path in ["/ready", "/metrics", "/senders", "/query?path=token"] {
        search(path, gatelog.get(path).unwrap().1.as_bytes());
    }
    gatelog.signal("TERM").unwrap();
    gatelog.wait_for_end(DEADLINE).unwrap();
    search("the log", gatelog.log().join("\n").as_bytes());
    for name in ["kong.log", "hango.log"] {
        let written = fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(written.lines().count() as u64, accepted, "{name}");
    }
    let files = search_files(dir.path());
    assert!(files > 5, "{files} files");
}

#[test]
fn no_masked_secret_is_written_anywhere() {
    nothing_is_written("mask");
}

#[test]
fn no_hashed_secret_is_written_anywhere() {
    nothing_is_written("hash");
}

/// An output that remembers what it was given, and refuses some of it.
#[derive(Default)]
struct Remembers(Mutex<String>);

impl Output for Remembers {
    fn name(&self) -> &'static str {
        "remembers"
    }

    fn deliver<'a>(
        &'a self,
        records: &'a [&'a AccessRecord<'a>],
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let mut seen = self.0.lock().unwrap();
            for (place, record) in records.iter().enumerate() {
                record_json::write(record, &mut seen);
                seen.push('\n');
                if record.response_code == Some(666) {
                    return Err(Undelivered::refused([place], "400"));
                }
            }
            Ok(())
        })
    }
}

#[test]
fn no_secret_comes_to_an_output_or_its_dead_letter() {
    let dir = TempDir::new().unwrap();
    let mut config: Config =
        config::parse(&format!("redact: {}", REDACT.replace("HOW", "drop"))).unwrap();
    config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.data_dir = dir.path().to_owned();
    let output = Arc::new(Remembers::default());
    let settings = Settings {
        max_coalescing_delay: Duration::from_millis(1),
        start: Start::Oldest,
        ..Settings::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outputs = OutputSet::all(vec![(Arc::clone(&output) as Arc<dyn Output>, settings)]);
    let running = runtime
        .block_on(service::start_with_outputs(&config, outputs))
        .unwrap();
    let mut accepted = 0;
    for Sent { headers, body } in planted(2) {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let mut request = agent.post(format!("http://{}/ingest", running.address));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send(&body[..]).unwrap().body_mut().read_to_string();
        let answer: Value = serde_json::from_str(&answer.unwrap()).unwrap();
        accepted += answer["accepted"].as_u64().unwrap();
    }
    let seen = wait::until("everything at the output", DEADLINE, || {
        let seen = output.0.lock().unwrap().clone();
        let lines = seen.lines().count() as u64;
        if lines == accepted {
            Ok(seen)
        } else {
            Err(lines)
        }
    });
    search("an output", seen.unwrap().as_bytes());
    runtime.block_on(running.stop());
    let letters = fs::read_to_string(dir.path().join("dead-letter/output-remembers.ndjson"));
    assert!(letters.unwrap().lines().count() > 20);
    search_files(dir.path());
}

#[test]
fn what_is_configured_is_redacted_and_counted() {
    let service = start_with("redact: { query: [session], how: drop }\n");
    let item = json!({"path": "/a?session=x&token=y&b=c", "req_headers": {"cookie": "z"}});
    service.ingest(format!("{}{item}", lines(0..3))).unwrap();
    let found = service
        .wait_for_rows("path_exact=/a?b%3Dc&fields=all", 1)
        .unwrap();
    assert_eq!(found["logs"][0]["request_headers"], Value::Null);
    let (_, metrics) = service.get("/metrics").unwrap();
    let counted = "gatelog_records_redacted_total 1";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn a_key_is_kept_so_that_hashes_stay_the_same() {
    let dir = TempDir::new().unwrap();
    let mut paths = Vec::new();
    for _ in 0..2 {
        let gatelog = setup(&dir)
            .variable("GATELOG_REDACT__HOW", "hash")
            .variable("GATELOG_REDACT__QUERY", "[session]")
            .start()
            .unwrap();
        gatelog.ingest(r#"{"path":"/a?session=x"}"#).unwrap();
        let rows = paths.len() as u64 + 1;
        let found = gatelog.wait_for_rows("", rows).unwrap();
        paths.push(found["logs"][0]["path"].clone());
        gatelog.terminate().unwrap();
    }
    assert!(paths[0].as_str().unwrap().starts_with("/a?session=hash:"));
    assert_eq!(paths[0], paths[1]);
}

#[test]
fn a_wrong_rule_is_told_before_the_start() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("gatelog.yaml");
    let told = |text: &str| {
        fs::write(&file, text).unwrap();
        let no_variables: [(String, String); 0] = [];
        config::load(Some(&file), no_variables)
            .unwrap_err()
            .to_string()
    };
    let error = told("redact: { body: [user.email] }");
    assert!(
        error.starts_with("redact.body: \"user.email\": byte 0: a path begins with `$`"),
        "{error}"
    );
    let error = told("redact: { header: [a] }");
    assert!(error.contains("unknown field `header`"), "{error}");
    let error = told("redact: { how: hash, hash_key: secretsecret }");
    assert_eq!(error, "redact.hash_key: at least 16 bytes");
    let error = told("redact: { how: hash, hash_key: [secretsecret] }");
    assert!(!error.contains("secretsecret"), "{error}");
}
