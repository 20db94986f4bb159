//! Fault 1: SIGKILL at any moment, under load; by the command that ships.

use std::process::{Command, Output};

use gatelog::command::chaos::random::Random;
use tempfile::TempDir;

fn chaos(kills: u64, seed: u64, rate: u64) -> (TempDir, Output) {
    let dir = TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["chaos", "--kills", &kills.to_string()])
        .args(["--seed", &seed.to_string(), "--rate", &rate.to_string()])
        .current_dir(dir.path())
        .env_clear()
        .output()
        .unwrap();
    (dir, output)
}

fn check(kills: u64, seed: u64, rate: u64) {
    let (dir, output) = chaos(kills, seed, rate);
    let ledger = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    println!("{ledger}");
    assert!(output.status.success(), "{ledger}{error}");
    assert!(ledger.contains(&format!("{kills} SIGKILL")), "{ledger}");
    assert!(
        ledger.contains("0 lost, 0 doubled, 0 invented, 0 damaged"),
        "{ledger}"
    );
    // It cleans up behind itself.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn fifteen_kills_lose_and_double_nothing() {
    check(15, 3, 500);
}

/// The first choice of this seed is to kill the child before it listens, which can lose nothing.
#[test]
fn a_run_ends_only_when_something_that_had_acknowledged_records_was_killed() {
    let is_such = |seed: &u64| {
        let mut choices = Random::new(*seed).fork(0);
        choices.below(100) < 15
    };
    let seed = (0..1000).find(is_such).unwrap();
    let (_dir, output) = chaos(1, seed, 500);
    let ledger = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{ledger}");
    assert!(ledger.contains("1 SIGKILL, 0 of them before"), "{ledger}");
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn two_hundred_kills_lose_and_double_nothing() {
    check(200, 1, 3000);
}

#[test]
fn a_directory_that_holds_something_is_refused_and_not_touched() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("mine"), "kept").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["chaos", "--kills", "1", "--data-dir"])
        .arg(dir.path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(64));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
