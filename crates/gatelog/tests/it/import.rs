//! `gatelog import`: log files of gateways become rows, each record once.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use gatelog_format::Known;
use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::wait::{self, free_port};
use serde_json::Value;
use tempfile::TempDir;

use crate::service::{lines, setup, start, start_with};

fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    command
        .args(["import", "--url", url])
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Exit code, standard output and standard error.
fn outcome(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let code = output.status.code().unwrap();
    (code, text(&output.stdout), text(&output.stderr))
}

fn import(service: &Gatelog, arguments: &[&str]) -> (i32, String, String) {
    outcome(&command(&service.url(), arguments).output().unwrap())
}

fn file(dir: &TempDir, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = dir.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The lines that the real Envoy printed with a format that has a name, each with its row of the vectors.
fn printed(known: Known) -> Vec<(Value, String)> {
    include_str!("../../../gatelog-format/tests/data/envoy_vectors.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|row| {
            let format = row["format"].as_str();
            format.is_some_and(|format| format.trim_end() == known.format().trim_end())
        })
        .map(|row| {
            let line = row["expected"].as_str().unwrap().trim_end().to_owned();
            (row, line)
        })
        .collect()
}

#[test]
fn lines_that_envoy_printed_become_the_records_of_its_requests() {
    for (known, told) in [
        (Known::Envoy, Some("read as envoy's text format")),
        (Known::Istio, Some("read as istio's text format")),
        (Known::Hango, None),
    ] {
        let service = start();
        let dir = TempDir::new().unwrap();
        let rows = printed(known);
        assert!(rows.len() > 2, "{}", known.name());
        let printed: Vec<&str> = rows.iter().map(|(_, line)| line.as_str()).collect();
        let log = printed.join("\n");
        let log = file(&dir, "access.log", log);
        let (code, out, error) = import(&service, &[&log]);
        let name = known.name();
        assert_eq!(code, 0, "{name}: {out}{error}");
        assert!(
            out.starts_with(&format!(
                "{} accepted, 0 duplicates, 0 rejected",
                rows.len()
            )),
            "{out}"
        );
        match told {
            Some(told) => assert!(error.contains(told), "{error}"),
            None => assert_eq!(error, ""),
        }
        service.wait_for_rows("", rows.len() as u64).unwrap();
        let stored = service.all_rows("").unwrap();
        // Of equal start times the order is that of the ids.
        let mut knew: Vec<_> = rows
            .iter()
            .map(|(row, _)| {
                let header = |name: &str| {
                    let headers = row["request"]["headers"].as_array().unwrap();
                    let found = headers.iter().find(|header| header[0] == name);
                    found.map(|header| header[1].as_str().unwrap().to_owned())
                };
                let agent = header("user-agent").filter(|agent| !agent.is_empty());
                (
                    row["stream"]["response_code"].as_i64(),
                    header(":method"),
                    agent,
                )
            })
            .collect();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut found: Vec<_> = stored
            .iter()
            .map(|row| {
                (
                    row["response_code"].as_i64(),
                    text(&row["method"]),
                    text(&row["user_agent"]),
                )
            })
            .collect();
        knew.sort();
        found.sort();
        assert_eq!(found, knew, "{name}");
    }
}

#[test]
fn a_format_of_ones_own_is_read_and_what_is_none_of_its_lines_is_rejected() {
    let service = start();
    let dir = TempDir::new().unwrap();
    let log = file(
        &dir,
        "own.log",
        "GET /a 200\n\nnonsense\nPOST /b é x\nPUT /c 503",
    );
    let rejects = dir.path().join("rejects");
    let kept = rejects.to_str().unwrap();
    let format = "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE%";
    let (code, out, error) = import(&service, &["--format", format, "--rejects", kept, &log]);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("2 accepted, 0 duplicates, 2 rejected; 5 lines of 1 file"),
        "{out}"
    );
    assert!(
        error.contains("own.log: line 3, byte 12: expected ` `"),
        "{error}"
    );
    assert!(
        error.contains("own.log: line 4, byte 21: the value of RESPONSE_CODE"),
        "{error}"
    );
    assert_eq!(
        fs::read_to_string(&rejects).unwrap(),
        "nonsense\nPOST /b é x\n"
    );
    service.wait_for_rows("", 2).unwrap();
    service
        .wait_for_rows("path=/c&response_code=503", 1)
        .unwrap();

    let json = r#"{"m":"%REQ(:METHOD)%","p":"%REQ(:PATH)%"}"#;
    let log = file(&dir, "own.json", "{\"p\":\"/j\",\"m\":\"GET\"}\n");
    let (code, _, error) = import(&service, &["--format", json, "--json", &log]);
    assert_eq!(code, 0, "{error}");
    service.wait_for_rows("path=/j", 1).unwrap();
}

#[test]
fn json_is_taken_in_every_form_with_its_neighbours_and_its_places() {
    let service = start();
    let dir = TempDir::new().unwrap();
    let record = |number: u64| lines(number..number + 1).trim_end().to_owned();
    let array = file(
        &dir,
        "array.json",
        format!("[\n{},\n{{}},\n{}\n]\n", record(0), record(1)),
    );
    let bad = format!("{}\n{{\"method\":tru}}\n{}", record(2), record(3));
    let bad = file(&dir, "bad.ndjson", bad);
    let letter = record(4).replacen(
        '{',
        r#"{"dead_letter_reason":"x","dead_letter_store":"mysql","#,
        1,
    );
    let letter = file(&dir, "mysql.ndjson", letter + "\n");
    let rejects = dir.path().join("rejects");
    let (code, out, error) = import(
        &service,
        &[
            &array,
            &bad,
            &letter,
            "--rejects",
            rejects.to_str().unwrap(),
        ],
    );
    assert_eq!(code, 1);
    assert!(
        out.starts_with("5 accepted, 0 duplicates, 2 rejected; 9 lines of 3 files"),
        "{out}"
    );
    assert!(error.contains("array.json: line 3, byte "), "{error}");
    assert!(error.contains("bad.ndjson: line 2, byte "), "{error}");
    assert_eq!(
        fs::read_to_string(&rejects).unwrap(),
        "{}\n{\"method\":tru}\n"
    );
    service.wait_for_rows("", 5).unwrap();
}

#[test]
fn json_with_quotes_that_are_not_escaped_is_read_as_its_gateway_has_written_it() {
    let service = start();
    let dir = TempDir::new().unwrap();
    let template = Known::Hango.template().unwrap();
    let (record, _) = gatelog_record::json::read(
        r#"{"method":"GET","path":"/q","response_code":200,"start_time":"2026-03-23T02:10:01.217Z","user_agent":"say \"hi\", {x}"}"#,
    )
    .unwrap();
    let mut log = Vec::new();
    template.render(&record, &mut log);
    assert!(serde_json::from_slice::<Value>(&log).is_err());
    log.extend(lines(0..1).as_bytes());
    let log = file(&dir, "hango.log", log);
    let (code, out, error) = import(&service, &[&log]);
    assert_eq!(code, 0, "{out}{error}");
    let found = service.wait_for_rows("path_exact=/q", 1).unwrap();
    assert_eq!(found["logs"][0]["user_agent"], "say \"hi\", {x}");
}

#[test]
fn compressed_files_and_standard_input_are_read_and_a_directory_is_told() {
    let service = start();
    let dir = TempDir::new().unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(lines(0..30).as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    // Names do not count.
    let packed = file(&dir, "a.log", &gzip);
    let zstd = file(
        &dir,
        "b.gz",
        zstd::encode_all(lines(30..50).as_bytes(), 1).unwrap(),
    );
    let mut child = command(&service.url(), &[&packed, "-", &zstd])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines(50..60).as_bytes())
        .unwrap();
    let (code, out, error) = outcome(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{error}");
    assert!(
        out.starts_with("60 accepted, 0 duplicates, 0 rejected; 60 lines of 3 files"),
        "{out}"
    );
    service.wait_for_rows("", 60).unwrap();

    // What can be read is taken, and the failure told.
    let cut = file(&dir, "cut.gz", &gzip[..gzip.len() - 20]);
    let nowhere = dir.path().join("nowhere");
    let directory = dir.path().to_str().unwrap();
    let more = file(&dir, "more.log", lines(60..61));
    let (code, out, error) = import(
        &service,
        &[directory, &cut, nowhere.to_str().unwrap(), &more],
    );
    assert_eq!(code, 1);
    assert!(
        error.contains("is a directory; name the files in it"),
        "{error}"
    );
    assert!(
        error.contains("cut.gz: cannot be read on behind byte "),
        "{error}"
    );
    assert!(error.contains("nowhere: "), "{error}");
    assert!(out.contains(" of 4 files"), "{out}");
    service.wait_for_rows("request_id=", 0).ok();
    assert!(service.all_rows("").unwrap().len() >= 61);
}

#[test]
fn an_import_that_is_run_again_takes_nothing_twice_unless_it_is_asked_to() {
    let service = start();
    let dir = TempDir::new().unwrap();
    let log = file(&dir, "access.log", lines(0..2500));
    let (code, out, _) = import(&service, &[&log]);
    assert_eq!(
        (code, out.starts_with("2500 accepted, 0 duplicates")),
        (0, true),
        "{out}"
    );
    // Under another name, and compressed.
    let other = file(
        &dir,
        "other.zst",
        zstd::encode_all(lines(0..2500).as_bytes(), 1).unwrap(),
    );
    let (code, out, _) = import(&service, &[&other]);
    assert_eq!(
        (code, out.starts_with("0 accepted, 2500 duplicates")),
        (0, true),
        "{out}"
    );
    // Another file that begins alike.
    let mut longer = lines(0..2499);
    longer.push_str(&lines(9000..9001));
    let longer = file(&dir, "longer.log", longer);
    let (_, out, _) = import(&service, &[&longer]);
    let new = out.split(' ').next().unwrap().parse::<u64>().unwrap();
    assert!(
        (1..=1000).contains(&new),
        "the last batch is another one: {out}"
    );
    let short = file(&dir, "short.log", lines(0..10));
    for _ in 0..2 {
        let (_, out, _) = import(&service, &["--again", &short]);
        assert!(out.starts_with("10 accepted, 0 duplicates"), "{out}");
    }
    service.wait_for_rows("", 2500 + new + 20).unwrap();
}

/// An import of many small batches, which takes a while.
fn slow_import(url: &str, log: &str) -> Child {
    command(url, &["--batch", "10", log]).spawn().unwrap()
}

fn wait_for_some(service: &Gatelog, least: u64) {
    wait::until("some to be taken", Duration::from_secs(30), || {
        let found = service.query("").map_err(|error| error.to_string())?;
        let total = found["total"].as_u64().unwrap();
        if total >= least {
            Ok(())
        } else {
            Err(total.to_string())
        }
    })
    .unwrap();
}

#[test]
fn an_import_that_was_killed_goes_on_where_it_was() {
    let service = start();
    let dir = TempDir::new().unwrap();
    let log = file(&dir, "access.log", lines(0..6000));
    let mut child = slow_import(&service.url(), &log);
    wait_for_some(&service, 500);
    child.kill().unwrap();
    child.wait().unwrap();
    let output = slow_import(&service.url(), &log)
        .wait_with_output()
        .unwrap();
    let (code, out, error) = outcome(&output);
    assert_eq!(code, 0, "{error}");
    let numbers: Vec<u64> = out
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(numbers[0] + numbers[1], 6000, "{out}");
    assert!(numbers[1] >= 500 && numbers[0] > 0, "{out}");
    service.wait_for_rows("", 6000).unwrap();
}

#[test]
fn a_server_that_dies_and_comes_back_has_every_record_once() {
    let data = TempDir::new().unwrap();
    let address = format!("127.0.0.1:{}", free_port().unwrap());
    let service = setup(&data).listen(&address).start().unwrap();
    let dir = TempDir::new().unwrap();
    let log = file(&dir, "access.log", lines(0..6000));
    let child = slow_import(&service.url(), &log);
    wait_for_some(&service, 500);
    service.kill().unwrap();
    let service = setup(&data).listen(&address).start().unwrap();
    let (code, out, error) = outcome(&child.wait_with_output().unwrap());
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("waiting for the server: "), "{error}");
    assert!(out.contains(" 0 rejected; 6000 lines"), "{out}");
    service.wait_for_rows("", 6000).unwrap();
}

#[test]
fn a_batch_that_is_too_large_for_the_server_goes_in_parts() {
    let service = start_with("ingest: { max_body_bytes: 64KiB, max_decompressed_bytes: 64KiB }\n");
    let dir = TempDir::new().unwrap();
    let huge = format!(
        "{{\"method\":\"GET\",\"path\":\"/{}\"}}\n",
        "x".repeat(70 << 10)
    );
    let log = file(&dir, "access.log", lines(0..100) + &huge + &lines(100..200));
    let (code, out, error) = import(&service, &[&log]);
    assert_eq!(code, 1);
    assert!(
        out.starts_with("200 accepted, 0 duplicates, 1 rejected"),
        "{out}"
    );
    assert!(
        error.contains("access.log: line 101, byte ") && error.contains("413"),
        "{error}"
    );
    let (_, out, _) = import(&service, &[&log]);
    assert!(
        out.starts_with("0 accepted, 200 duplicates, 1 rejected"),
        "{out}"
    );
    service.wait_for_rows("", 200).unwrap();
}

#[test]
fn wrong_usage_and_a_server_that_is_not_there_are_told_at_once() {
    let dir = TempDir::new().unwrap();
    let log = file(&dir, "access.log", lines(0..10));
    let url = format!("http://127.0.0.1:{}", free_port().unwrap());
    let run = |arguments: &[&str]| outcome(&command(&url, arguments).output().unwrap());
    for (arguments, told) in [
        (
            &["--format", "%PROTCOL%", &log][..],
            "did you mean `PROTOCOL`?",
        ),
        (
            &["--format", "%PROTOCOL%%DURATION%", &log],
            "put a separator there",
        ),
        (
            &["--format", "%PROTOCOL%\n%DURATION%", &log],
            "a line break in it",
        ),
        (&["--rejects", &log, &log], "would overwrite it"),
        (&["--json", &log], "--format"),
        (&["--batch", "1001", &log], "from 1 to 1000"),
        (&[], "FILE"),
    ] {
        let (code, _, error) = run(arguments);
        assert_eq!(code, 64, "{arguments:?}: {error}");
        assert!(error.contains(told), "{arguments:?}: {error}");
    }
    assert_eq!(fs::read_to_string(Path::new(&log)).unwrap(), lines(0..10));
    let (code, _, error) = run(&[&log]);
    assert_eq!(code, 1);
    assert!(error.contains(&url) && error.contains("refused"), "{error}");
    let unknown: PathBuf = dir.path().join("apache.log");
    fs::write(&unknown, "127.0.0.1 - - [x] \"GET / HTTP/1.0\" 200 1\n").unwrap();
    let (code, _, error) = run(&[unknown.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(error.contains("--format says"), "{error}");
}
