//! Fault 16: a store that is never there.

use std::path::Path;

use gatelog_testkit::gatelog::Gatelog;
use serde_json::Value;
use tempfile::TempDir;

use super::raw::{exchange, post, status};
use super::rig::{Rig, peak_mib, start};
use crate::service::setup;

const CAP_MIB: u64 = 64;

fn disk_mib(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap();
    let bytes: u64 = entries
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    bytes >> 20
}

fn lag(gatelog: &Gatelog) -> u64 {
    let ready: Value = serde_json::from_str(&gatelog.get("/ready").unwrap().1).unwrap();
    ready["stores"][0]["lag_bytes"].as_u64().unwrap()
}

#[test]
fn a_store_that_is_never_there_fills_the_journal_to_its_cap_and_no_further() {
    let dir = TempDir::new().unwrap();
    let gone = format!(
        "journal: {{ max_bytes: {CAP_MIB}MiB }}\nstore: {{ mysql: {{ dsn: \"u:p@tcp(127.0.0.1:1)/d\" }} }}\n"
    );
    let rig = Rig::new();
    let gatelog = start(&setup(&dir).config(&gone));
    rig.up(&gatelog);
    rig.wait_for_batches(20);
    rig.down();
    // A few large records fill it in less time than many small ones.
    let record = format!(
        r#"{{"path":"/filler","request_body":"{}"}}"#,
        "x".repeat(512 << 10)
    );
    let body = record.repeat(4);
    let (mut before, mut taken) = (0, 0);
    let refused = loop {
        let answer = exchange(&gatelog, &post("", body.as_bytes()));
        if status(&answer) != 200 {
            break answer;
        }
        taken += 1;
        let now = lag(&gatelog);
        assert!(now > before, "the lag does not grow: {now} behind {before}");
        before = now;
        assert!(taken < 100, "the cap is not obeyed");
    };
    assert_eq!(status(&refused), 503, "{refused}");
    assert!(refused.contains("retry-after: "), "{refused}");
    assert!(refused.contains("the journal is full"), "{refused}");
    gatelog
        .wait_for_log("the journal takes no records: senders are answered 503")
        .unwrap();
    let journal = dir.path().join("journal");
    assert!(disk_mib(&journal) <= CAP_MIB, "{} MiB", disk_mib(&journal));
    let metrics = gatelog.get("/metrics").unwrap().1;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("gatelog_reader_lag_bytes{reader=\"mysql\"} "));
    assert!(line.unwrap().parse::<f64>().unwrap() > 40e6, "{line:?}");
    assert!(peak_mib(&gatelog) < 256, "{} MiB", peak_mib(&gatelog));
    // A start with a full journal is a start, and refuses as before.
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = start(&setup(&dir).config(&gone));
    let answer = exchange(&gatelog, &post("", body.as_bytes()));
    assert_eq!(status(&answer), 503, "{answer}");
    drop(gatelog);
    // With a store that is there it drains, and takes records again without a restart.
    let gatelog = start(&setup(&dir).config(format!("journal: {{ max_bytes: {CAP_MIB}MiB }}\n")));
    let verdict = rig.finish(&gatelog);
    assert_eq!(
        (
            verdict.lost.count,
            verdict.doubled.count,
            verdict.damaged.count
        ),
        (0, 0, 0),
        "{verdict:?}"
    );
    assert_eq!(verdict.invented.count, taken * 4, "{verdict:?}");
}
