//! Plugins that are changed over the Admin API: what is in force after a start, and after a crash at every
//! step of a change.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;

use gatelog_testkit::gatelog::{Gatelog, Setup};
use serde_json::{Value, json};

use super::*;
use crate::service::setup;

/// A gatelog that is started again where it is killed.
struct Stage {
    dir: TempDir,
    setup: Setup,
    running: Option<Gatelog>,
    /// Which file each record is to be in.
    expected: BTreeMap<u64, &'static str>,
    /// Records that the process ended over: they may be there or not.
    unknown: BTreeSet<u64>,
    next: u64,
    killed: u32,
}

impl Stage {
    fn new(failpoint: Option<&str>, config: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let again = setup(&dir).config(config);
        let first = match failpoint {
            Some(failpoint) => again.clone().variable("FAILPOINT", failpoint),
            None => again.clone(),
        };
        Self {
            running: Some(first.start().unwrap()),
            setup: again,
            dir,
            expected: BTreeMap::new(),
            unknown: BTreeSet::new(),
            next: 0,
            killed: 0,
        }
    }

    fn gatelog(&self) -> &Gatelog {
        self.running.as_ref().unwrap()
    }

    fn restart(&mut self) {
        if let Some(gatelog) = self.running.take() {
            assert!(gatelog.terminate().unwrap().success());
        }
        self.running = Some(self.setup.start().unwrap());
    }

    /// The answer to a request; `None` if the process ends over it, which is started again.
    fn send(&mut self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let url = format!("{}{path}", self.gatelog().admin_url().unwrap());
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let answer = match (method, body) {
            ("DELETE", _) => agent.delete(url).call(),
            ("GET", _) => agent.get(url).call(),
            ("PATCH", Some(body)) => agent
                .patch(url)
                .header("content-type", "application/json")
                .send(body.to_string()),
            (_, body) => agent
                .post(url)
                .header("content-type", "application/json")
                .send(body.unwrap_or(&Value::Null).to_string()),
        };
        let answer = answer.and_then(|mut answer| {
            let text = answer.body_mut().read_to_string()?;
            let value = serde_json::from_str(&text).unwrap_or(Value::Null);
            Ok((answer.status().as_u16(), value))
        });
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                self.ended(&format!("{method} {path}: {error}"));
                None
            }
        }
    }

    /// The process has ended, or is about to: begins the next one.
    fn ended(&mut self, over: &str) {
        let mut gatelog = self.running.take().unwrap();
        let status = gatelog.wait_for_end(Duration::from_secs(20)).unwrap();
        assert_eq!(status.signal(), Some(9), "{over}");
        self.killed += 1;
        self.running = Some(self.setup.start().unwrap());
    }

    /// The instance names in force.
    fn names(&mut self) -> Vec<String> {
        let mut answer = self.send("GET", "/plugins", None);
        if answer.is_none() {
            answer = self.send("GET", "/plugins", None);
        }
        let (_, plugins) = answer.unwrap();
        let plugins = plugins["data"].as_array().unwrap().iter();
        let names = plugins.map(|plugin| plugin["instance_name"].as_str().unwrap().to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    /// Makes a change, again if it did not come to count before the process ended.
    fn change(&mut self, method: &str, path: &str, body: Option<&Value>, then: &[&str]) {
        if let Some((status, answer)) = self.send(method, path, body) {
            assert!((200..300).contains(&status), "{status} {answer}");
        } else if method == "PATCH" || self.names() != then {
            let (status, answer) = self.send(method, path, body).unwrap();
            assert!((200..300).contains(&status), "{status} {answer}");
        }
        assert_eq!(self.names(), then);
    }

    fn add(&mut self, name: &str, scope: &Value, then: &[&str]) {
        let path = self.dir.path().join(name);
        let mut plugin = json!({
            "name": "file-log", "instance_name": name, "config": {"path": path},
        });
        plugin
            .as_object_mut()
            .unwrap()
            .extend(scope.as_object().unwrap().clone());
        self.change("POST", "/plugins", Some(&plugin), then);
    }

    /// Sends records of a service, which are for this file.
    fn ingest(&mut self, service: &str, file: &'static str) {
        let numbers = self.next..self.next + 10;
        self.next = numbers.end;
        let record = |number: u64| {
            let mut body = String::new();
            let record = AccessRecord {
                service: Some(service.to_owned().into()),
                path: Some(format!("/{number}").into()),
                ..standard::record(number, Timestamp::from_millis(1_774_231_801_217))
            };
            gatelog_record::json::write(&record, &mut body);
            body
        };
        let body: Vec<_> = numbers.clone().map(record).collect();
        let answer = self.gatelog().ingest(body.join("\n"));
        self.expected
            .extend(numbers.clone().map(|number| (number, file)));
        match answer {
            Ok((status, answer)) => assert_eq!(status, 200, "{answer}"),
            Err(error) => {
                self.unknown.extend(numbers);
                self.ended(&error.to_string());
            }
        }
    }

    /// Waits until nothing waits, and holds the files against what they are to have.
    fn check(&mut self, outputs: usize) {
        wait::until("the outputs to be done", DEADLINE, || {
            let body = match self.gatelog().get("/ready") {
                Ok((_, body)) => body,
                Err(error) => {
                    self.ended(&error.to_string());
                    return Err(error.to_string());
                }
            };
            let ready: Value = serde_json::from_str(&body).unwrap();
            let states = ready["outputs"].as_array().unwrap();
            if states.len() == outputs && states.iter().all(|state| state["lag_bytes"] == 0) {
                Ok(())
            } else {
                Err(body)
            }
        })
        .unwrap();
        for name in ["a", "b", "c"] {
            let text = fs::read_to_string(self.dir.path().join(name)).unwrap_or_default();
            let mut found = BTreeMap::new();
            for line in text.lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let uri = line["request"]["uri"].as_str().unwrap();
                let number: u64 = uri.trim_start_matches('/').parse().unwrap();
                *found.entry(number).or_insert(0) += 1;
            }
            let expected = self.expected.iter().filter(|(_, file)| **file == name);
            let is_known =
                |number: &u64| found.contains_key(number) || !self.unknown.contains(number);
            let expected = expected.map(|(number, _)| *number).filter(is_known);
            let expected: Vec<_> = expected.collect();
            let found_numbers: Vec<_> = found.keys().copied().collect();
            assert_eq!(found_numbers, expected, "{name}");
            if self.killed == 0 {
                assert!(found.values().all(|count| *count == 1), "{found:?}");
            }
        }
    }

    /// What readers and outputs have on the disk.
    fn files(&self) -> Vec<String> {
        let of = |dir: &str| {
            fs::read_dir(setup_dir(&self.dir).join(dir))
                .into_iter()
                .flatten()
        };
        let names = of("journal").chain(of("outputs"));
        let names = names.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("output-")).collect()
    }
}

fn setup_dir(dir: &TempDir) -> PathBuf {
    let data = dir.path().join("data");
    if data.is_dir() {
        data
    } else {
        dir.path().to_owned()
    }
}

/// Outputs come, one more specific than another, and go.
fn a_life(stage: &mut Stage) {
    stage.ingest("s", "");
    stage.add("a", &json!({}), &["a"]);
    stage.ingest("s", "a");
    stage.add("b", &json!({"service": {"name": "s"}}), &["a", "b"]);
    stage.ingest("s", "b");
    stage.ingest("t", "a");
    stage.change("DELETE", "/plugins/a", None, &["b"]);
    stage.ingest("t", "");
    stage.ingest("s", "b");
    stage.change(
        "PATCH",
        "/plugins/b",
        Some(&json!({"service": {"name": "t"}})),
        &["b"],
    );
    stage.ingest("t", "b");
    stage.ingest("s", "");
    stage.add("c", &json!({"service": {"name": "s"}}), &["b", "c"]);
    stage.ingest("s", "c");
    stage.change("DELETE", "/plugins/b", None, &["c"]);
    stage.ingest("t", "");
}

#[test]
fn changes_over_the_admin_api_count_at_once_and_last() {
    let mut stage = Stage::new(None, "{}");
    a_life(&mut stage);
    stage.restart();
    assert_eq!(stage.names(), ["c"]);
    stage.ingest("s", "c");
    stage.check(1);
    assert_eq!(stage.files().len(), 1, "{:?}", stage.files());
    let kept = setup_dir(&stage.dir).join("kong.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let (_, metrics) = stage.gatelog().get("/metrics").unwrap();
    assert!(
        !metrics.contains("output=\"file-log@a\""),
        "of the life before: {metrics}"
    );
}

/// The file's plugins count where the file has changed; what was posted lasts until then.
#[test]
fn a_changed_file_is_a_change_and_what_waits_is_for_those_before() {
    let dir = TempDir::new().unwrap();
    let (gone, a) = (dir.path().join("not-there/a"), dir.path().join("b"));
    let with = |name: &str, path: &Path| {
        let path = path.display();
        format!("plugins: [{{name: file-log, instance_name: {name}, config: {{path: {path}}}}}]\n")
    };
    // It cannot be written yet, so its records wait.
    let gatelog = setup(&dir).config(with("a", &gone)).start().unwrap();
    let body = gatelog_body(0..10);
    assert_eq!(gatelog.ingest(body).unwrap().0, 200);
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).config(with("b", &a)).start().unwrap();
    assert_eq!(gatelog.ingest(gatelog_body(10..20)).unwrap().0, 200);
    let ready = || -> Value {
        let (_, body) = gatelog.get("/ready").unwrap();
        serde_json::from_str(&body).unwrap()
    };
    let outputs = ready()["outputs"].as_array().unwrap().clone();
    assert_eq!(outputs[0]["name"], "file-log@a");
    assert_eq!(outputs[0]["ending"], true);
    fs::create_dir(gone.parent().unwrap()).unwrap();
    wait::until("the one before to end", DEADLINE, || {
        let ready = ready();
        if ready["outputs"].as_array().unwrap().len() == 1 {
            Ok(())
        } else {
            Err(ready)
        }
    })
    .unwrap();
    assert_eq!(fs::read_to_string(&gone).unwrap().lines().count(), 10);
    wait::until("the other's records", DEADLINE, || {
        let lines = fs::read_to_string(&a).unwrap_or_default().lines().count();
        if lines == 10 { Ok(()) } else { Err(lines) }
    })
    .unwrap();
}

fn gatelog_body(numbers: std::ops::Range<u64>) -> String {
    crate::service::lines(numbers)
}

/// What is not ours to understand ends the start, and is named.
#[test]
fn entities_that_cannot_be_read_prevent_the_start() {
    let dir = TempDir::new().unwrap();
    let again = setup(&dir);
    assert!(again.start().unwrap().terminate().unwrap().success());
    fs::write(setup_dir(&dir).join("kong.json"), "{\"version\":9}").unwrap();
    let error = again.start().unwrap_err().to_string();
    assert!(
        error.contains("kong.json") && error.contains("later gatelog"),
        "{error}"
    );
}

mod faults {
    use super::*;

    const STEPS: [&str; 6] = [
        "output.readers_registered",
        "output.era_kept",
        "output.era_in_force",
        "output.ended",
        "whole_file.written",
        "whole_file.renamed",
    ];

    fn killed_at(name: &str, nth: u32) {
        println!("{name}@{nth}");
        let mut stage = Stage::new(Some(&format!("{name}=kill@{nth}")), "{}");
        a_life(&mut stage);
        // An end is at its own time.
        if name == "output.ended" && stage.killed == 0 {
            stage.ended(name);
        }
        stage.check(1);
        assert_eq!(stage.killed, 1, "{name}@{nth} was not reached");
        assert_eq!(stage.names(), ["c"]);
        assert!(stage.files().len() <= 2, "{:?}", stage.files());
    }

    #[test]
    fn a_crash_at_a_step_of_a_change_leaves_each_record_for_those_of_its_time() {
        for name in STEPS {
            if name != "output.ended" {
                killed_at(name, 2);
            }
        }
    }

    #[test]
    #[ignore = "long: cargo xtask test faults --long"]
    fn a_crash_at_every_step_of_every_change() {
        for name in STEPS {
            for nth in if name == "output.ended" { 1..=1 } else { 1..=6 } {
                killed_at(name, nth);
            }
        }
    }

    /// The disk refuses: nothing changes, and it is told.
    #[test]
    fn a_change_that_cannot_be_written_is_refused_and_the_next_one_is_not() {
        for name in ["whole_file.write", "whole_file.sync_directory"] {
            let mut stage = Stage::new(Some(&format!("{name}=eio@2")), "{}");
            stage.add("a", &json!({}), &["a"]);
            let path = stage.dir.path().join("b");
            let plugin = json!({
                "name": "file-log", "instance_name": "b", "config": {"path": path},
                "service": {"name": "s"},
            });
            let (status, answer) = stage.send("POST", "/plugins", Some(&plugin)).unwrap();
            assert_eq!(status, 500, "{answer}");
            assert_eq!(stage.names(), ["a"]);
            stage.ingest("s", "a");
            stage.change("POST", "/plugins", Some(&plugin), &["a", "b"]);
            stage.ingest("s", "b");
            stage.check(2);
        }
    }
}
