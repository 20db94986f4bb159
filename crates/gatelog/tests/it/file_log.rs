//! `file-log` through a whole service: what is in the file, for which records, and after what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use gatelog::output::kong_json::{CustomFields, KongJson, LogFormat};
use gatelog_format::Known;
use gatelog_record::{Timestamp, standard};
use gatelog_testkit::envoy::{Envoy, Gateway};
use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::{upstream, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{lines, setup};

const DEADLINE: Duration = Duration::from_mins(1);

/// The whole lines of a file that may be written at this moment.
fn lines_of(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    whole.map(str::to_owned).collect()
}

fn wait_for_lines(path: &Path, count: usize) -> Vec<String> {
    let what = format!("{count} lines in {}", path.display());
    wait::until(&what, DEADLINE, || {
        let lines = lines_of(path);
        if lines.len() >= count {
            Ok(lines)
        } else {
            Err(lines.len())
        }
    })
    .unwrap()
}

/// Waits until no output has anything behind it.
fn wait_for_outputs(gatelog: &Gatelog) {
    wait::until("the outputs to have everything", DEADLINE, || {
        let outputs = outputs(gatelog);
        if outputs.iter().all(|output| output["lag_bytes"] == 0) {
            Ok(())
        } else {
            Err(outputs)
        }
    })
    .unwrap();
}

/// What `/ready` says of the outputs.
fn outputs(gatelog: &Gatelog) -> Vec<Value> {
    let (_, body) = gatelog.get("/ready").unwrap();
    let ready: Value = serde_json::from_str(&body).unwrap();
    ready["outputs"].as_array().unwrap().clone()
}

/// The number of a standard record, by its line in Kong's JSON.
fn number(line: &str) -> u64 {
    let line: Value = serde_json::from_str(line).unwrap();
    let uri = line["request"]["uri"].as_str().unwrap();
    uri.rsplit('=').next().unwrap().parse().unwrap()
}

/// A configuration with one `file-log` in the directory.
fn one(dir: &TempDir, more: &str) -> String {
    let path = dir.path().join("access.log");
    format!(
        "plugins: [{{name: file-log, config: {{path: {}{more}}}}}]\n",
        path.display()
    )
}

#[test]
fn every_record_is_a_line_of_kongs_json() {
    for (word, format) in LogFormat::WORDS {
        let dir = TempDir::new().unwrap();
        let config = one(&dir, &format!(", log_format: {word}"));
        let gatelog = setup(&dir).config(config).start().unwrap();
        gatelog.ingest(lines(0..300)).unwrap();
        let written = wait_for_lines(&dir.path().join("access.log"), 300);
        let json = KongJson::new(format, CustomFields::default());
        let start = Timestamp::from_millis(1_774_231_801_217);
        let expected = (0..300).map(|number| {
            let mut line = Vec::new();
            json.write(&standard::record(number, start), &mut line);
            line.push(b'\n');
            String::from_utf8(line).unwrap()
        });
        assert!(written.into_iter().eq(expected), "{word}");
        let (_, metrics) = gatelog.get("/metrics").unwrap();
        let counted = "gatelog_output_delivered_total{output=\"file-log\"} 300";
        assert!(metrics.contains(counted), "{metrics}");
        let state = &outputs(&gatelog)[0];
        assert_eq!(
            (&state["name"], &state["ok"]),
            (&json!("file-log"), &json!(true))
        );
    }
}

#[test]
fn custom_fields_are_in_the_line_and_win() {
    let dir = TempDir::new().unwrap();
    let fields = r#"{ tenant: "%REQ(X-MSE-CONSUMER)%", request.code: "%RESPONSE_CODE%", response: "", client_ip: none }"#;
    let config = one(&dir, &format!(", custom_fields: {fields}"));
    let gatelog = setup(&dir).config(config).start().unwrap();
    gatelog
        .ingest(r#"{"path":"/a","consumer":"bob","response_code":201,"client_ip":"1.1.1.1"}"#)
        .unwrap();
    let line = wait_for_lines(&dir.path().join("access.log"), 1).remove(0);
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["tenant"], "bob");
    assert_eq!(line["request"]["code"], 201);
    assert_eq!(line["request"]["uri"], "/a");
    assert_eq!(line.get("response"), None);
    assert_eq!(line["client_ip"], "none");
}

#[test]
fn the_most_specific_instance_has_the_record_and_no_other() {
    let dir = TempDir::new().unwrap();
    let log = |file: &str, more: &str| {
        let path = dir.path().join(file);
        format!(
            "{{name: file-log, {more} config: {{path: {}}}}}",
            path.display()
        )
    };
    let config = format!(
        "services: [{{name: billing, id: s-1, plugins: [{}], routes: [{{name: pay, plugins: [{}]}}]}}]\n\
         consumers: [{{username: bob, custom_id: b-1, plugins: [{}]}}]\n\
         plugins: [{}, {}, {}, {}]\n",
        log("service", ""),
        log("route", ""),
        log("consumer", ""),
        log("global", ""),
        log("second", "instance_name: second,"),
        log("both", "service: s-1, consumer: b-1,"),
        log("off", "route: off-route, enabled: false,"),
    );
    let gatelog = setup(&dir).config(config).start().unwrap();
    let items = [
        r#"{"path":"/none"}"#,
        r#"{"path":"/service","service":"billing"}"#,
        r#"{"path":"/cluster","upstream_cluster":"outbound|80||billing"}"#,
        r#"{"path":"/id","service":"s-1"}"#,
        r#"{"path":"/route","service":"billing","route_name":"pay"}"#,
        r#"{"path":"/consumer","consumer":"b-1","route":"pay"}"#,
        r#"{"path":"/both","consumer":"bob","route":"pay","service":"billing"}"#,
        r#"{"path":"/off","route":"off-route"}"#,
    ];
    gatelog.ingest(items.join("\n")).unwrap();
    wait_for_outputs(&gatelog);
    let paths = |file: &str| -> Vec<String> {
        let lines = lines_of(&dir.path().join(file)).into_iter();
        let uri = |line: String| {
            let line: Value = serde_json::from_str(&line).unwrap();
            line["request"]["uri"].as_str().unwrap().to_owned()
        };
        lines.map(uri).collect()
    };
    assert_eq!(paths("global"), ["/none", "/off"]);
    assert_eq!(paths("second"), ["/none", "/off"]);
    assert_eq!(paths("service"), ["/service", "/cluster", "/id"]);
    assert_eq!(paths("route"), ["/route"]);
    assert_eq!(paths("consumer"), ["/consumer"]);
    assert_eq!(paths("both"), ["/both"]);
    assert!(!dir.path().join("off").exists());
}

/// The seed's format, without what only a filter of Hango's publishes and Envoy alone does not know.
fn hango_without_filter_state() -> String {
    let members = Known::Hango.format().trim_end();
    let members = members.trim_start_matches("{\"").trim_end_matches("\"}");
    let members = members
        .split("\",\"")
        .filter(|member| !member.contains("FILTER_STATE"));
    let members: Vec<_> = members.collect();
    assert_eq!(members.len(), 21);
    format!("{{\"{}\"}}\n", members.join("\",\""))
}

#[test]
fn a_format_prints_what_envoy_itself_prints_for_the_same_requests() {
    let dir = TempDir::new().unwrap();
    let formats = [
        hango_without_filter_state(),
        Known::Envoy.format().to_owned(),
    ];
    let file = |who: &str, at: usize| dir.path().join(format!("{who}-{at}.log"));
    let plugins = formats.iter().enumerate().map(|(at, format)| {
        json!({
            "name": "file-log",
            "instance_name": at.to_string(),
            "config": {"path": file("gatelog", at), "access_log_format": format},
        })
    });
    let config = json!({"plugins": plugins.collect::<Vec<_>>()}).to_string();
    let gatelog = setup(&dir).config(config).start().unwrap();
    let loggers = formats.iter().enumerate().map(|(at, format)| {
        json!({"name": "envoy.access_loggers.file", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": file("envoy", at),
            "log_format": {"text_format_source": {"inline_string": format}},
        }})
    });
    let web = upstream::web().unwrap();
    let gateway = Gateway::new(gatelog.port().unwrap())
        .upstreams(web.port(), 1, 1)
        .plugin(json!({"batch": {"flush_interval_ms": 100}}))
        .patch(json!({"typed_config": {"access_log": loggers.collect::<Vec<_>>()}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0);
    let agent = agent.build().new_agent();
    let paths = [
        "/web/anything?a=1",
        "/web/status/500",
        "/direct",
        "/dead",
        "/nowhere",
        "/redirect",
    ];
    for path in paths {
        let mut answer = agent
            .get(envoy.url(path))
            .header("x-request-id", path)
            .call()
            .unwrap();
        answer.body_mut().read_to_vec().unwrap();
    }
    for at in 0..formats.len() {
        let ours = wait_for_lines(&file("gatelog", at), paths.len());
        let envoys = wait_for_lines(&file("envoy", at), paths.len());
        let sorted = |lines: Vec<String>| lines.into_iter().collect::<BTreeSet<_>>();
        assert_eq!(sorted(ours), sorted(envoys));
    }
}

/// Sets it when dropped.
struct Stops<'s>(&'s AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn files_that_are_moved_away_under_load_lose_and_double_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("access.log");
    let gatelog = setup(&dir).config(one(&dir, "")).start().unwrap();
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let next = sent.load(Ordering::Relaxed);
                gatelog.ingest(lines(next..next + 20)).unwrap();
                sent.store(next + 20, Ordering::Relaxed);
            }
        });
        // Also when this fails, or the sender would go on for ever.
        let _stops = Stops(&stop);
        for at in 0..8 {
            wait_for_lines(&path, 20);
            fs::rename(&path, dir.path().join(format!("access.log.{at}"))).unwrap();
        }
    });
    wait_for_outputs(&gatelog);
    let files = (0..8)
        .map(|at| dir.path().join(format!("access.log.{at}")))
        .chain([path]);
    let seen = files
        .flat_map(|file| lines_of(&file))
        .map(|line| number(&line));
    assert!(seen.eq(0..sent.into_inner()), "in order, each once");
}

/// What was confirmed more than a second before does not come again, and nothing is missing.
#[test]
fn after_kill_9_every_acknowledged_record_is_in_the_file() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("access.log");
    let mut acknowledged = 0;
    for _ in 0..3 {
        let gatelog = setup(&dir).config(one(&dir, "")).start().unwrap();
        let before = lines_of(&path).len();
        for _ in 0..40 {
            gatelog
                .ingest(lines(acknowledged..acknowledged + 25))
                .unwrap();
            acknowledged += 25;
        }
        wait_for_lines(&path, before + 1);
        gatelog.kill().unwrap();
    }
    let gatelog = setup(&dir).config(one(&dir, "")).start().unwrap();
    wait_for_outputs(&gatelog);
    let mut counts = BTreeMap::new();
    for line in lines_of(&path) {
        *counts.entry(number(&line)).or_insert(0u32) += 1;
    }
    assert!(counts.keys().copied().eq(0..acknowledged));
    // A life of its own for each of the three that ended.
    assert!(counts.values().all(|count| *count <= 4), "{counts:?}");
    // What was confirmed is not written again by one that ends as it should.
    let whole = lines_of(&path).len();
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).config(one(&dir, "")).start().unwrap();
    gatelog
        .ingest(lines(acknowledged..acknowledged + 1))
        .unwrap();
    assert_eq!(
        number(&wait_for_lines(&path, whole + 1)[whole]),
        acknowledged
    );
}

#[test]
fn the_standard_output_takes_lines_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let captured = dir.path().join("stdout");
    let config = "plugins: [{name: file-log, config: {path: /dev/stdout, access_log_format: \"%REQ(:PATH)%\"}}]";
    let gatelog = setup(&dir)
        .behind(&format!("exec >{}", captured.display()))
        .config(config)
        .start()
        .unwrap();
    gatelog.ingest(lines(0..3)).unwrap();
    wait_for_lines(&captured, 3);
    gatelog.ingest(lines(3..4)).unwrap();
    let lines = wait_for_lines(&captured, 4);
    let expected = (0..4).map(|n| format!("/v1/chat/completions?n={n}\n"));
    assert!(lines.iter().cloned().eq(expected), "{lines:?}");
}

#[test]
fn a_full_disk_leaves_no_half_line_and_loses_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("access.log");
    let full = dir.path().join("full");
    let gatelog = setup(&dir)
        .config(one(&dir, ""))
        .variable(
            "FAILPOINT",
            format!("file_log.write=enospc@2~{}", full.display()),
        )
        .start()
        .unwrap();
    gatelog.ingest(lines(0..10)).unwrap();
    wait_for_lines(&path, 10);
    fs::write(&full, "").unwrap();
    gatelog.ingest(lines(10..20)).unwrap();
    wait::until("the output to say so", DEADLINE, || {
        let state = outputs(&gatelog).remove(0);
        let error = state["error"].as_str().unwrap_or_default();
        if error.contains("write ") && error.contains("access.log") && error.contains("No space") {
            Ok(())
        } else {
            Err(state)
        }
    })
    .unwrap();
    // Only a part fitted, and is not left there.
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 10);
    fs::remove_file(&full).unwrap();
    let numbers = wait_for_lines(&path, 20);
    assert!(numbers.iter().map(|line| number(line)).eq(0..20));
    wait_for_outputs(&gatelog);
    assert_eq!(outputs(&gatelog)[0]["ok"], true);
}

#[test]
fn a_file_that_cannot_be_opened_is_told_and_waits() {
    let dir = TempDir::new().unwrap();
    let config = one(&dir, "").replace("access.log", "missing/access.log");
    let gatelog = setup(&dir).config(config).start().unwrap();
    gatelog.ingest(lines(0..5)).unwrap();
    wait::until("the output to say so", DEADLINE, || {
        let state = outputs(&gatelog).remove(0);
        let error = state["error"].as_str().unwrap_or_default();
        if error.contains("missing/access.log") {
            Ok(())
        } else {
            Err(state)
        }
    })
    .unwrap();
    // That is not ours to mend, and ingestion does not notice.
    gatelog.wait_for_rows("", 5).unwrap();
    wait::until("the stores to be ready", DEADLINE, || {
        match gatelog.get("/ready").unwrap() {
            (200, _) => Ok(()),
            other => Err(other),
        }
    })
    .unwrap();
    fs::create_dir(dir.path().join("missing")).unwrap();
    wait_for_lines(&dir.path().join("missing/access.log"), 5);
}

#[test]
fn check_names_what_is_wrong_with_plugins_and_warns_of_gaps() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("gatelog.yaml");
    let check = |yaml: &str| {
        fs::write(&file, yaml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
        let output = command
            .arg("check")
            .arg(&file)
            .env_clear()
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, error) = check("plugins:\n  - name: udp-log\n    config: {}\n");
    assert_eq!(code, 64);
    assert!(error.contains("there is no such plugin"), "{error}");
    let (code, error) = check("plugins:\n- name: file-log\n  config:\n    path: /x\n    pth: /y\n");
    assert_eq!(code, 64);
    for part in [
        "gatelog.yaml",
        "line 2",
        "config.pth: unknown field; expected one of: path",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    let (code, error) = check(
        "plugins: [{name: file-log, config: {path: /x, access_log_format: \"%TRAILER(A)%\"}}]",
    );
    assert_eq!(code, 0, "{error}");
    assert!(
        error.contains("warning: file-log: no record answers %TRAILER%"),
        "{error}"
    );
}
