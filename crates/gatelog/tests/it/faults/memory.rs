//! Fault 11: large bodies and bombs, all at once, with little memory; and with so little that the
//! system refuses it.

use std::sync::atomic::{AtomicU64, Ordering};

use gatelog_record::{Timestamp, json, standard};
use gatelog_testkit::gatelog::Gatelog;
use tempfile::TempDir;

use super::raw::{exchange, post, status};
use super::rig::{Rig, peak_mib, start};
use crate::service::setup;

/// Two bodies are decompressed at a time, to 32 MiB each, and doubled once while they grow; 128 MiB
/// of bodies wait; the process itself takes 100 MiB.
const PEAK_MIB: u64 = 450;

/// A quarter of the default sizes, which take too long without optimisation.
const CONFIG: &str = "ingest: { max_body_bytes: 8MiB, max_decompressed_bytes: 32MiB }\n";

#[test]
fn many_large_bodies_and_bombs_at_once_are_refused_and_records_pass() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    let gatelog = start(&setup(&dir).config(CONFIG));
    rig.up(&gatelog);
    rig.wait_for_batches(10);
    let bomb = zstd::bulk::compress(&vec![b' '; 40 << 20], 1).unwrap();
    let large = vec![b' '; 9 << 20];
    let nested = "[".repeat(5 << 20).into_bytes();
    let (refused, other) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for number in 0..12 {
            let request = match number % 3 {
                0 => post("content-encoding: zstd\r\n", &bomb),
                1 => post("", &large),
                _ => post("", &nested),
            };
            let (gatelog, refused, other) = (&gatelog, &refused, &other);
            scope.spawn(move || {
                let answer = exchange(gatelog, &request);
                match status(&answer) {
                    413 | 503 | 400 => refused.fetch_add(1, Ordering::Relaxed),
                    // It was answered before it had sent everything.
                    0 => other.fetch_add(1, Ordering::Relaxed),
                    _ => panic!("{answer}"),
                }
            });
        }
    });
    println!(
        "{refused:?} refused, {other:?} closed, peak {} MiB",
        peak_mib(&gatelog)
    );
    assert!(refused.into_inner() >= 8);
    rig.wait_for_batches(10);
    assert!(peak_mib(&gatelog) < PEAK_MIB, "{} MiB", peak_mib(&gatelog));
    rig.finish_clean(&gatelog);
}

/// The address space that it has at present, in KiB.
fn address_space_kib(gatelog: &Gatelog) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gatelog.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    kib.unwrap().trim().parse().unwrap()
}

/// What the load and the stores take beside, and no large body.
const ROOM_KIB: u64 = 300 << 10;

/// The system refuses memory for what is large; it is told to come again, and records pass.
#[test]
fn memory_that_the_system_refuses_costs_the_body_that_wanted_it_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let idle_kib = {
        let rig = Rig::new();
        let gatelog = start(&setup(&dir));
        rig.up(&gatelog);
        rig.wait_for_batches(30);
        address_space_kib(&gatelog)
    };
    let dir = TempDir::new().unwrap();
    let limit = format!("ulimit -v {}", idle_kib + ROOM_KIB);
    let rig = Rig::new();
    let gatelog = start(&setup(&dir).behind(&limit));
    rig.up(&gatelog);
    rig.wait_for_batches(10);
    let mut record = String::new();
    json::write(&standard::record(1, Timestamp::EPOCH), &mut record);
    record.push('\n');
    // 127 MiB of records, of white space, and of what is not UTF-8; each packed and at once.
    let bodies = [
        record.repeat((127 << 20) / record.len()).into_bytes(),
        vec![b' '; 127 << 20],
        vec![0xff; 127 << 20],
    ];
    let packed = bodies.map(|body| zstd::bulk::compress(&body, 1).unwrap());
    let plain = vec![b' '; 31 << 20];
    let refused = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..12 {
            let request = match packed.get(number % 4) {
                Some(body) => post("content-encoding: zstd\r\n", body),
                None => post("", &plain),
            };
            let (gatelog, refused) = (&gatelog, &refused);
            scope.spawn(move || {
                let answer = exchange(gatelog, &request);
                match status(&answer) {
                    503 if answer.contains("there is no memory") => {
                        assert!(answer.contains("retry-after: 1\r\n"), "{answer}");
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    // One that comes alone may find the memory that it needs.
                    0 | 400 | 503 => {}
                    other => panic!("{other} {answer}"),
                }
            });
        }
    });
    println!("{refused:?} refused, {idle_kib} KiB idle");
    assert!(refused.into_inner() >= 4);
    rig.wait_for_batches(10);
    rig.finish_clean(&gatelog);
}
