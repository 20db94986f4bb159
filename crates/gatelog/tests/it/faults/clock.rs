//! Fault 19: clocks that are wrong. The journal's own clock has its tests beside it.

use gatelog_record::{Timestamp, json, standard};
use gatelog_testkit::gatelog::Setup;
use tempfile::TempDir;

use super::rig::{Rig, start};
use crate::service::setup;

const TEN_YEARS_MS: i64 = 3653 * 86_400_000;

/// Gateways' clocks: records from ten years ago and from in ten years, and from the edges of time.
#[test]
fn records_far_in_the_past_and_the_future_are_stored_and_found() {
    let dir = TempDir::new().unwrap();
    let gatelog = start(&setup(&dir));
    let now = gatelog::intake::now().millis();
    let moments = [
        Timestamp::EPOCH,
        Timestamp::from_millis(now - TEN_YEARS_MS),
        Timestamp::from_millis(now),
        Timestamp::from_millis(now + TEN_YEARS_MS),
        Timestamp::from_millis(i64::MAX),
    ];
    let mut body = String::new();
    for (number, moment) in (0..).zip(moments) {
        json::write(&standard::record(number, moment), &mut body);
        body.push('\n');
    }
    assert_eq!(gatelog.ingest(&body).unwrap().0, 200);
    gatelog.wait_for_rows("", 5).unwrap();
    // From memory, and from files behind a restart.
    let check = |gatelog: &gatelog_testkit::gatelog::Gatelog| {
        for moment in moments {
            let at = moment.to_rfc3339_millis();
            let to = Timestamp::from_micros(moment.micros() + 999);
            let found = gatelog.query(&format!("start={at}&end={to}")).unwrap();
            assert_eq!(found["total"], 1, "{at}: {found}");
            assert_eq!(found["logs"][0]["start_time"], at);
        }
        let rows = gatelog.all_rows("").unwrap();
        let order: Vec<_> = rows
            .iter()
            .map(|row| row["start_time"].as_str().unwrap())
            .collect();
        assert!(order.is_sorted(), "{order:?}");
        assert_eq!(order.len(), 5);
    };
    check(&gatelog);
    assert!(gatelog.terminate().unwrap().success());
    check(&start(&setup(&dir)));
}

/// The collector's own clock, where it can be shifted.
#[test]
fn a_clock_that_jumps_between_starts_loses_and_doubles_nothing() {
    let Some(library) = faketime() else {
        println!("skipped: libfaketime is not installed");
        return;
    };
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    for offset in ["+0", "-1h", "+3650d", "-3650d"] {
        let gatelog = start(&shifted(&setup(&dir), &library, offset));
        rig.up(&gatelog);
        rig.wait_for_batches(20);
        gatelog.kill().unwrap();
        rig.down();
    }
    rig.finish_clean(&start(&setup(&dir)));
}

fn shifted(setup: &Setup, library: &str, offset: &str) -> Setup {
    setup
        .clone()
        .variable("LD_PRELOAD", library)
        .variable("FAKETIME", offset)
        .variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

fn faketime() -> Option<String> {
    [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib64/faketime/libfaketimeMT.so.1",
    ]
    .into_iter()
    .find(|path| std::path::Path::new(path).is_file())
    .map(str::to_owned)
}
