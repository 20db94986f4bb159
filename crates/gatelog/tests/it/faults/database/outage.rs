//! A dead database costs disk, never memory, never a row.

use std::time::{Duration, Instant};

use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::proxy::Mode;

use super::stage::{PEAK_MIB, Stage};
use crate::faults::rig::{LANES, peak_mib};

/// What an outage may add to the peak of a process that has stored under load before.
const MORE_MIB: u64 = 24;

/// An outage of each kind, so long each, under so much load.
fn outages(rate: u64, length: Duration) {
    let stage = Stage::with(MariaDb::start().unwrap(), &LANES, rate, "2s");
    stage.begin();
    stage.wait_for_rows(500);
    let before = peak_mib(stage.gatelog());
    let disk = || stage.ready().1["journal"]["used_bytes"].as_u64().unwrap();
    for mode in [Mode::Refuse, Mode::Hang] {
        stage.proxy.set(mode);
        stage.told("mysql is not available");
        let (begun, used) = (Instant::now(), disk());
        while begun.elapsed() < length {
            stage.rig.wait_for_batches(20);
        }
        let (now, used) = (peak_mib(stage.gatelog()), disk() - used);
        println!(
            "{mode:?}: {} MiB of disk, {now} MiB at most, {before} before",
            used >> 20
        );
        assert!(now <= before + MORE_MIB, "{now} MiB, {before} before");
        stage.proxy.set(Mode::Pass);
        stage.recovered();
    }
    // A backlog is stored in the largest batches there are, larger than those before.
    stage.rig.down();
    stage.drained();
    let after = peak_mib(stage.gatelog());
    println!("{after} MiB at most when all is stored");
    assert!(after < PEAK_MIB, "{after} MiB");
    assert!(stage.finish().is_empty());
}

#[test]
fn an_outage_under_load_costs_disk_and_no_memory_and_no_row() {
    outages(1000, Duration::from_secs(1));
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn a_long_outage_under_load_costs_disk_and_no_memory_and_no_row() {
    outages(1500, Duration::from_mins(2));
}
