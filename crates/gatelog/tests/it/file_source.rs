//! Log files that are followed: each line becomes a row once, whatever comes between.

mod envoy;
mod faults;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatelog_format::Known;
use gatelog_record::AccessRecord;
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::wait;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::{lines, setup};

const DEADLINE: Duration = Duration::from_secs(30);

/// A log, and the data directory of what follows it.
struct Log {
    dir: TempDir,
    data: TempDir,
    /// Behind the path, in the configuration.
    more: &'static str,
}

impl Log {
    fn new(more: &'static str) -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            data: TempDir::new().unwrap(),
            more,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("access.log")
    }

    fn setup(&self) -> Setup {
        let path = self.path();
        let config = format!(
            "sources: [{{file: {{path: {}{}}}}}]\n",
            path.display(),
            self.more
        );
        setup(&self.data).config(config)
    }

    fn append(&self, text: impl AsRef<[u8]>) {
        append(&self.path(), text);
    }

    /// The letters of lines.
    fn letters(&self) -> Vec<Value> {
        let path = self.data.path().join("dead-letter/files.lines");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn wait_for_letters(&self, count: usize) -> Vec<Value> {
        wait::until("letters", DEADLINE, || {
            let letters = self.letters();
            if letters.len() >= count {
                Ok(letters)
            } else {
                Err(letters)
            }
        })
        .unwrap()
    }
}

fn append(path: &Path, text: impl AsRef<[u8]>) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).append(true).open(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

/// What `/ready` says of the first source.
fn source(gatelog: &Gatelog) -> Value {
    let (status, body) = gatelog.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status == 200, ready["ready"] == true, "{body}");
    ready["sources"][0].clone()
}

fn wait_for_source(gatelog: &Gatelog, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait::until(what, DEADLINE, || {
        let source = source(gatelog);
        if is_so(&source) {
            Ok(source)
        } else {
            Err(source)
        }
    })
    .unwrap()
}

/// How often each number is among the rows.
fn tally(gatelog: &Gatelog) -> BTreeMap<u64, u32> {
    let mut tally = BTreeMap::new();
    for row in gatelog.all_rows("").unwrap() {
        let path = row["path"].as_str().unwrap();
        let number = path.rsplit('=').next().unwrap().parse().unwrap();
        *tally.entry(number).or_default() += 1;
    }
    tally
}

/// Waits until these numbers are there, and checks that each is there once.
fn expect_once(gatelog: &Gatelog, numbers: std::ops::Range<u64>) {
    gatelog
        .wait_for_rows("", numbers.end - numbers.start)
        .unwrap();
    let once: BTreeMap<u64, u32> = numbers.map(|number| (number, 1)).collect();
    assert_eq!(tally(gatelog), once);
}

#[test]
fn a_file_is_followed_over_both_kinds_of_rotation_and_a_restart() {
    let log = Log::new("");
    // What is there before is left out, as `start: end` is the default.
    log.append(lines(5000..5010));
    let gatelog = log.setup().start().unwrap();
    wait_for_source(&gatelog, "the file", |source| {
        source["files"][0]["offset"] != Value::Null
    });
    let text = lines(0..10);
    let (whole, part) = text.split_at(text.len() - 20);
    log.append(whole);
    gatelog.wait_for_rows("", 9).unwrap();
    // The last line waits for its end, and for what rotation does to it.
    log.append(part);
    gatelog.wait_for_rows("", 10).unwrap();
    let old = log.dir.path().join("access.log.1");
    fs::rename(log.path(), &old).unwrap();
    append(&old, lines(10..20));
    log.append(lines(20..30));
    gatelog.wait_for_rows("", 30).unwrap();
    append(&old, lines(30..40));
    gatelog.wait_for_rows("", 40).unwrap();
    gatelog.wait_for_log("was renamed or removed").unwrap();
    let shown = source(&gatelog);
    assert_eq!(
        (
            shown["ok"].as_bool(),
            shown["files"].as_array().unwrap().len()
        ),
        (Some(true), 2)
    );
    // copytruncate, behind which the file is longer than before.
    fs::copy(log.path(), log.dir.path().join("access.log.2")).unwrap();
    fs::write(log.path(), lines(40..60)).unwrap();
    gatelog.wait_for_log("was truncated").unwrap();
    expect_once(&gatelog, 0..60);
    assert!(gatelog.terminate().unwrap().success());
    // Renamed while nobody looks.
    log.append(lines(60..70));
    fs::rename(log.path(), log.dir.path().join("access.log.3")).unwrap();
    log.append(lines(70..80));
    let gatelog = log.setup().start().unwrap();
    expect_once(&gatelog, 0..80);
    wait_for_source(&gatelog, "no lag", |source| source["lag_bytes"] == 0);
    let metrics = gatelog.get("/metrics").unwrap().1;
    let path = log.path().display().to_string();
    for expected in [
        format!("gatelog_file_lines_total{{path=\"{path}\"}} 20"),
        format!("gatelog_file_lag_bytes{{path=\"{path}\"}} 0"),
        "gatelog_records_accepted_total 20".to_owned(),
        "gatelog_records_duplicate_total 0".to_owned(),
    ] {
        assert!(metrics.contains(&expected), "{expected}: {metrics}");
    }
}

#[test]
fn files_that_a_pattern_finds_are_read_by_their_own_forms() {
    let log = Log::new("");
    let dir = log.dir.path();
    let config = format!(
        "sources: [{{file: {{path: {}/*/access.log, start: beginning}}}}]\n",
        dir.display()
    );
    let gatelog = setup(&log.data).config(config).start().unwrap();
    assert_eq!(source(&gatelog)["files"], serde_json::json!([]));
    let envoy = r#"[2026-03-23T02:10:01.217Z] "GET /e HTTP/1.1" 200 - 0 5 3 2 "-" "curl" "id" "a.example" "10.0.0.1:80""#;
    let record = AccessRecord {
        path: Some("/h".into()),
        user_agent: Some("a \"b\" c".into()),
        response_code: Some(503),
        ..AccessRecord::default()
    };
    let mut hango = Vec::new();
    let template = Known::Hango.template().unwrap();
    template.render(&record, &mut hango);
    let hango = String::from_utf8(hango).unwrap();
    for (name, content) in [
        ("one", format!("{envoy}\n")),
        ("two", "\n{\"method\":\"GET\",\"path\":\"/j\"}\n".to_owned()),
        ("three", hango),
        (
            "four",
            "127.0.0.1 - - [x] \"GET / HTTP/1.0\" 200 1\n".to_owned(),
        ),
    ] {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("access.log"), content).unwrap();
    }
    let known = |path: &str| gatelog.wait_for_rows(&format!("path={path}"), 1);
    known("/e").unwrap();
    known("/j").unwrap();
    known("/h").unwrap();
    // What is not known waits in its file, and is told.
    let wrong = wait_for_source(&gatelog, "an error", |source| source["ok"] == false);
    let error = wrong["error"].as_str().unwrap();
    assert!(
        error.contains("four/access.log: neither JSON nor"),
        "{error}"
    );
    assert_eq!(gatelog.get("/ready").unwrap().0, 200);
    let lines = fs::read_to_string(log.data.path().join("dead-letter/files.lines"));
    let lines = lines.unwrap_or_default();
    assert!(!lines.contains("127.0.0.1 - -"), "{lines}");
    // The operator says what it is.
    assert!(gatelog.terminate().unwrap().success());
    let config = format!(
        "sources: [{{file: {{path: {}/four/access.log, start: beginning, \
         format: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% - - [x] \"%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %BYTES_SENT%'}}}}]\n",
        dir.display()
    );
    let gatelog = setup(&log.data).config(config).start().unwrap();
    gatelog.wait_for_rows("", 4).unwrap();
    // What is no longer configured is no longer followed.
    assert_eq!(source(&gatelog)["files"].as_array().unwrap().len(), 1);
}

#[test]
fn lines_that_are_no_records_are_put_aside_with_their_place_and_without_secrets() {
    let log =
        Log::new(", start: beginning, format: \"%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%\"");
    let nonsense = "nonsense?access_token=QXZJVKqxzjvk&a=b authorization: Bearer QXZJVKqxz";
    let wrong = "GET /b?password=QXZJVKqxzjvk x";
    log.append(format!(
        "GET /a 200\n{nonsense}\n\n{wrong}\nPUT /c?api_key=QXZJVKqxzjvk 503\n"
    ));
    let before = fs::metadata(log.path()).unwrap().len();
    let long = "x".repeat((3 << 20) + 7);
    log.append(&long);
    log.append("\nGET /d 204\n");
    let gatelog = log.setup().start().unwrap();
    gatelog.wait_for_rows("", 3).unwrap();
    let letters = log.wait_for_letters(3);
    let place = |letter: &Value| {
        assert_eq!(letter["dead_letter_file"], log.path().to_str().unwrap());
        (
            letter["dead_letter_byte"].as_u64().unwrap(),
            letter["dead_letter_bytes"].as_u64().unwrap(),
        )
    };
    assert_eq!(
        letters.iter().map(place).collect::<Vec<_>>(),
        [
            (11, nonsense.len() as u64),
            (13 + nonsense.len() as u64, wrong.len() as u64),
            (before, (3 << 20) + 7),
        ]
    );
    assert!(
        letters[0]["dead_letter_reason"]
            .as_str()
            .unwrap()
            .contains("RESPONSE_CODE"),
        "{letters:?}"
    );
    assert!(
        letters[0]["line"]
            .as_str()
            .unwrap()
            .starts_with("nonsense?access_token=")
    );
    assert_eq!(letters[2]["line"].as_str().unwrap().len(), 1 << 20);
    let all = fs::read_to_string(log.data.path().join("dead-letter/files.lines")).unwrap();
    let logged = gatelog.log().join("\n");
    let (_, ready) = gatelog.get("/ready").unwrap();
    for (what, text) in [("letters", &all), ("log", &logged), ("ready", &ready)] {
        assert!(!text.contains("QXZ"), "{what}: {text}");
    }
    let metrics = gatelog.get("/metrics").unwrap().1;
    let path = log.path().display().to_string();
    for (reason, count) in [("format", 2), ("line_too_long", 1)] {
        let expected =
            format!("gatelog_file_rejected_total{{path=\"{path}\",reason=\"{reason}\"}} {count}");
        assert!(metrics.contains(&expected), "{expected}: {metrics}");
    }
    // They are not put aside again.
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = log.setup().start().unwrap();
    log.append("GET /e 200\n");
    gatelog.wait_for_rows("", 4).unwrap();
    assert_eq!(log.letters().len(), 3);
}

#[test]
fn a_line_of_a_format_with_a_secret_in_it_is_put_aside_without_what_it_says() {
    for (key, format, unreadable) in [
        (
            "format",
            r#"'%REQ(:METHOD)% "%REQ(X-SESSION)%" %RESPONSE_CODE%'"#,
            r#"GET "QXZJVKqxzjvk" x"#,
        ),
        (
            "format",
            "'%COALESCE({\"operators\": [{\"command\": \"QUERY_PARAM\", \"param\": \"session\"}]})% %RESPONSE_CODE%'",
            "QXZJVKqxzjvk QXZJVKqxzjvk",
        ),
        (
            "json_format",
            "{h: '%RESP(X-OTHER?X-SESSION)%', code: '%RESPONSE_CODE%'}",
            r#"{"h":"QXZJVKqxzjvk","code":"QXZJVKqxzjvk"}"#,
        ),
    ] {
        let log = Log::new("");
        let config = format!(
            "sources: [{{file: {{path: {}, start: beginning, {key}: {format}}}}}]\n\
             redact: {{headers: [X-Session], query: [session]}}\n",
            log.path().display()
        );
        log.append(format!("{unreadable}\n"));
        let gatelog = setup(&log.data).config(config).start().unwrap();
        let letters = log.wait_for_letters(1);
        assert_eq!(letters[0]["dead_letter_byte"], 0);
        assert_eq!(letters[0]["line"], "***");
        gatelog.wait_for_log("lines are no records").unwrap();
        let logged = gatelog.log().join("\n");
        for text in [&logged, &letters[0].to_string()] {
            assert!(!text.contains("QXZ"), "{format}: {text}");
        }
    }
}

#[test]
fn filter_and_redaction_hold_for_lines_of_files() {
    let log = Log::new(
        ", start: beginning}}]\nredact: {query: [session]}\nfilter: {status_code_filter: {comparison: {op: GE, value: {default_value: 400}}}}\nlog: {level: info}\ncompat: {empty_strings: false}\ningest: {max_body_bytes: 1MiB",
    );
    // The configuration's end closes what this leaves open.
    let config = format!(
        "sources: [{{file: {{path: {}{}}}\n",
        log.path().display(),
        log.more
    );
    log.append("{\"method\":\"GET\",\"path\":\"/ok\",\"response_code\":200}\n");
    log.append(
        "{\"method\":\"GET\",\"path\":\"/bad?session=QXZJVKqxzjvk\",\"response_code\":500}\n",
    );
    let gatelog = setup(&log.data).config(config).start().unwrap();
    let found = gatelog.wait_for_rows("", 1).unwrap();
    let path = found["logs"][0]["path"].as_str().unwrap();
    assert!(
        path.starts_with("/bad?session=") && !path.contains("QXZ"),
        "{path}"
    );
    let metrics = gatelog.get("/metrics").unwrap().1;
    assert!(
        metrics.contains("gatelog_filtered_total{reason=\"filter\"} 1"),
        "{metrics}"
    );
}

#[test]
fn a_path_that_cannot_be_followed_is_told_and_is_no_reason_not_to_be_ready() {
    let log = Log::new("");
    fs::create_dir(log.path()).unwrap();
    let gatelog = log.setup().start().unwrap();
    let wrong = wait_for_source(&gatelog, "an error", |source| source["ok"] == false);
    assert!(
        wrong["error"]
            .as_str()
            .unwrap()
            .ends_with("access.log: it is no file"),
        "{wrong}"
    );
    gatelog.wait_for_log("cannot be followed").unwrap();
    fs::remove_dir(log.path()).unwrap();
    wait_for_source(&gatelog, "the error to be over", |source| {
        source["ok"] == true
    });
    log.append(lines(0..3));
    expect_once(&gatelog, 0..3);
}

#[test]
fn sources_that_cannot_be_used_are_named_before_the_start() {
    let dir = TempDir::new().unwrap();
    let check = |source: &str| {
        let file = dir.path().join("gatelog.yaml");
        fs::write(&file, format!("sources: [{source}]\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
        let output = command
            .arg("check")
            .arg(&file)
            .env_clear()
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), error)
    };
    for (source, told) in [
        (
            "{file: {path: a.log, format: '%PROTCOL%'}}",
            "did you mean `PROTOCOL`?",
        ),
        (
            "{file: {path: a.log, format: '%PROTOCOL%%DURATION%'}}",
            "put a separator there",
        ),
        (
            "{file: {path: a.log, format: \"%PROTOCOL%\\n%DURATION%\"}}",
            "a line break in it",
        ),
        (
            "{file: {path: a.log, json_format: {a: '%PROTCOL%'}}}",
            "sources.file.json_format",
        ),
        (
            "{file: {path: a.log, format: envoy, json_format: {a: '%PROTOCOL%'}}}",
            "either format or",
        ),
        ("{file: {path: ''}}", "sources.file.path: it is empty"),
        ("{file: {path: /var/log/}}", "a directory"),
        ("{file: {path: '/var/log/[a'}}", "/var/log/[a"),
        ("{file: {path: a.log, start: middle}}", "beginning"),
        ("{file: {path: a.log, from: end}}", "unknown field"),
        ("{file: {}}", "path"),
        ("{}", "file"),
    ] {
        let (code, error) = check(source);
        assert_eq!(code, 64, "{source}: {error}");
        assert!(error.contains(told), "{source}: {error}");
    }
    for source in [
        "{file: {path: a.log}}",
        "{file: {path: '/var/log/*.log', format: hango, start: oldest}}",
        "{file: {path: a.log, json_format: {method: '%REQ(:METHOD)%', code: '%RESPONSE_CODE%'}}}",
    ] {
        let (code, error) = check(source);
        assert_eq!(code, 0, "{source}: {error}");
    }
    let path = dir.path().join("files.places");
    fs::write(&path, "nonsense").unwrap();
    let setup = setup(&dir).config("sources: [{file: {path: a.log}}]\n");
    let error = setup.start().unwrap_err().to_string();
    assert!(error.contains("files.places"), "{error}");
}
