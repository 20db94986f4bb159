//! The command line: exit codes, messages, and what the commands do.

use std::fs;
use std::process::{Command, Output};

use gatelog_testkit::wait::free_port;
use tempfile::TempDir;

use crate::service::{lines, setup, start, start_with};

fn gatelog(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_shows_where_a_file_is_wrong_and_what_is_allowed() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("gatelog.yaml");
    fs::write(
        &file,
        "listen: 127.0.0.1:8080\njournal:\n  max_byte: 20GiB\n",
    )
    .unwrap();
    let output = gatelog(&["check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(64));
    let error = text(&output.stderr);
    for part in ["gatelog.yaml", "line 3", "max_byte", "max_bytes", "sync"] {
        assert!(error.contains(part), "{part} in: {error}");
    }
    fs::write(&file, "listen: 127.0.0.1:8080\n").unwrap();
    let output = gatelog(&["check", file.to_str().unwrap()]);
    assert!(output.status.success() && text(&output.stdout).contains("valid"));
}

#[test]
fn check_has_the_environment_that_serve_would_have() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("gatelog.yaml");
    fs::write(&file, "store: { mysql: { retention: 30d } }\n").unwrap();
    let check = |variables: &[(&str, &str)]| {
        Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .arg("check")
            .arg(&file)
            .env_clear()
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    };
    let without = check(&[]);
    assert_eq!(without.status.code(), Some(64));
    assert!(text(&without.stderr).contains("it is needed here or in MYSQL_DSN"));
    let dsn = ("MYSQL_DSN", "u:p@tcp(127.0.0.1:1)/d");
    let with = check(&[dsn]);
    assert!(with.status.success(), "{}", text(&with.stderr));
    let wrong = check(&[dsn, ("GATELOG_JOURNAL__SYNC", "always")]);
    assert_eq!(wrong.status.code(), Some(64));
    assert!(text(&wrong.stderr).contains("GATELOG_JOURNAL__SYNC"));
}

#[test]
fn an_argument_that_is_wrong_is_answered_with_what_would_be_right() {
    for (arguments, expected) in [
        (&["serve", "--listen", ":8080"][..], "such as 0.0.0.0:8080"),
        (
            &["send", "--url", "localhost:8080"],
            "such as http://127.0.0.1:8080",
        ),
        (
            &["send", "--url", "https://a"],
            "such as http://127.0.0.1:8080",
        ),
        (
            &["send", "--rate", "0"],
            "expected a whole number, at least 1",
        ),
        (
            &["send", "--batch", "20k"],
            "expected a whole number from 1 to 10000",
        ),
        (
            &["send", "--connections", "1001"],
            "expected a whole number from 1 to 1000",
        ),
        (
            &["chaos", "--minutes", "x"],
            "expected a whole number from 1 to 10080",
        ),
        (&["chaos", "--seed", "x"], "expected a whole number"),
    ] {
        let output = gatelog(arguments);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn wrong_usage_and_wrong_configuration_exit_with_64() {
    for arguments in [
        &["serve", "--nonsense"][..],
        &["serve", "--config", "/nowhere.yaml"],
        &[],
    ] {
        assert_eq!(gatelog(arguments).status.code(), Some(64), "{arguments:?}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .arg("serve")
        .env_clear()
        .env("GATELOG_JOURNAL__MAX_BYTE", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(text(&output.stderr).contains("GATELOG_JOURNAL__MAX_BYTE"));
}

#[test]
fn a_second_process_on_a_data_directory_does_not_start_and_says_why() {
    let dir = TempDir::new().unwrap();
    let _first = setup(&dir).start().unwrap();
    let error = setup(&dir).start().unwrap_err().to_string();
    assert!(
        error.contains("exit status: 1") && error.contains("in use by another process"),
        "{error}"
    );
}

#[test]
fn an_address_that_is_taken_is_named() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let running = setup(&first).start().unwrap();
    let address = format!("127.0.0.1:{}", running.port().unwrap());
    let error = setup(&second)
        .listen(&address)
        .start()
        .unwrap_err()
        .to_string();
    assert!(error.contains(&format!("listen on {address}")), "{error}");
    // Nothing is left behind, not even the directory.
    let data_dir = second.path().join("data");
    let output = gatelog(&[
        "serve",
        "--listen",
        &address,
        "--data-dir",
        data_dir.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!data_dir.exists());
}

#[test]
fn send_prints_what_was_acknowledged() {
    let service = start();
    let output = gatelog(&[
        "send",
        "--url",
        &service.url(),
        "--count",
        "120",
        "--batch",
        "50",
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(
        printed.starts_with("120 acknowledged, 0 rejected, 0 failed in "),
        "{printed}"
    );
    service.wait_for_rows("", 120).unwrap();
    let single = gatelog(&[
        "send",
        "--url",
        &service.url(),
        "--count",
        "3",
        "--batch",
        "1",
    ]);
    assert!(single.status.success());
    service.wait_for_rows("", 123).unwrap();
}

#[test]
fn send_tells_what_a_filter_has_dropped() {
    let service =
        start_with("filter: { header_filter: { header: { name: x-none, present_match: true } } }");
    let url = service.url();
    let output = gatelog(&["send", "--url", &url, "--count", "7", "--batch", "3"]);
    let printed = text(&output.stdout);
    let expected = "0 acknowledged, 7 filtered, 0 rejected, 0 failed in ";
    assert!(printed.starts_with(expected), "{printed}");
}

#[test]
fn send_fails_when_nobody_answers() {
    let url = format!("http://127.0.0.1:{}", free_port().unwrap());
    let output = gatelog(&["send", "--url", &url, "--count", "2", "--batch", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).starts_with("0 acknowledged, 0 rejected, 2 failed"));
    assert!(
        text(&output.stderr).to_lowercase().contains("refused"),
        "{}",
        text(&output.stderr)
    );
    let named = format!("POST {url}/ingest: ");
    assert!(
        text(&output.stderr).contains(&named),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_go_collectors_port_variable_works() {
    let dir = TempDir::new().unwrap();
    let port = free_port().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["serve", "--data-dir", dir.path().to_str().unwrap()])
        .env_clear()
        .env("PORT", port.to_string())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    let posted = gatelog_testkit::wait::until(
        "an answer on the port",
        std::time::Duration::from_secs(30),
        || {
            ureq::post(&url)
                .send(lines(0..1))
                .map(|response| response.status().as_u16())
        },
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(posted.unwrap(), 200);
}

#[test]
fn every_example_is_valid() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let files: Vec<_> = fs::read_dir(examples)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert!(files.len() >= 3);
    for file in files {
        let output = gatelog(&["check", file.to_str().unwrap()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

#[test]
fn format_renders_records_one_line_each() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("records.ndjson");
    let records = concat!(
        r#"{"method":"GET","path":"/a","response_code":200,"start_time":"2026-03-23T02:10:01.217Z"}"#,
        "\n\n",
        r#"{"method":"POST","response_flags":"UF,URX","user_agent":"a \"b\""}"#,
        "\nno record\n"
    );
    fs::write(&file, records).unwrap();
    let file = file.to_str().unwrap();
    let format =
        "%START_TIME(%s%3f)% %REQ(:METHOD)% %RESPONSE_FLAGS% [%REQ(USER-AGENT)%] %SPAN_ID%";
    let output = gatelog(&["format", format, file]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "1774231801217 GET - [-] -\n- POST UF,URX [a \"b\"] -\n"
    );
    let errors = text(&output.stderr);
    assert!(errors.contains("no record answers %SPAN_ID%"), "{errors}");
    assert!(errors.contains("line 4: "), "{errors}");

    let output = gatelog(&["format", "envoy", file]);
    let first = r#"[2026-03-23T02:10:01.217Z] "GET /a -" 200 - 0 0 - - "-" "-" "-" "-" "-""#;
    assert_eq!(text(&output.stdout).lines().next(), Some(first));

    let json = r#"{"m":"%REQ(:METHOD)%","c":"%RESPONSE_CODE%","d":"%DURATION%"}"#;
    let output = gatelog(&["format", json, file, "--json", "--omit-empty-values"]);
    let first = r#"{"c":200,"m":"GET"}"#;
    assert_eq!(text(&output.stdout).lines().next(), Some(first));
}

#[test]
fn format_shows_where_a_format_is_wrong() {
    let output = gatelog(&["format", "%REQ(:PATH)% %PROTCOL%", "/nowhere"]);
    assert_eq!(output.status.code(), Some(64));
    let error = text(&output.stderr);
    let expected = "gatelog: unknown operator `PROTCOL`; did you mean `PROTOCOL`?, at byte 13\n  \
        %REQ(:PATH)% %PROTCOL%\n               ^\n";
    assert_eq!(error, expected);

    let output = gatelog(&["format", "%PROTOCOL%", "/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nowhere"));
}
