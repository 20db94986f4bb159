//! Fault 11: large bodies and bombs, all at once, with little memory.

use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;

use super::raw::{exchange, post, status};
use super::rig::{Rig, peak_mib, start};
use crate::service::setup;

/// Two bodies are decompressed at a time, to 32 MiB each, and doubled once while they grow; 128 MiB
/// of bodies wait; the process itself takes 100 MiB.
const PEAK_MIB: u64 = 450;

/// Address space: the peak, and what threads' stacks and the allocator reserve without using it.
const ADDRESS_SPACE_KIB: u64 = 3 << 20;

/// A quarter of the default sizes, which take too long without optimisation.
const CONFIG: &str = "ingest: { max_body_bytes: 8MiB, max_decompressed_bytes: 32MiB }\n";

#[test]
fn many_large_bodies_and_bombs_at_once_are_refused_and_records_pass() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    let setup = setup(&dir).config(CONFIG);
    let gatelog = start(&setup.behind(&format!("ulimit -v {ADDRESS_SPACE_KIB}")));
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
