//! Every target over its seeds, and over some thousand mutations of them.

use std::fs;
use std::path::Path;

use gatelog_invariants::TARGETS;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use crate::mutation::{apply, edits};

/// Mutations of each target in every run of the tests.
const CASES: u32 = 2000;

/// The same of those that open a journal several times.
const CASES_OF_JOURNALS: u32 = 200;

/// Targets that do.
const JOURNALS: [&str; 4] = ["frame", "position", "recovery", "senders"];

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    let entries =
        fs::read_dir(root.join(target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_seed_keeps_the_invariants() {
    for (target, check) in TARGETS {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target}");
        for seed in seeds {
            check(&seed);
        }
    }
}

#[test]
fn mutations_of_the_seeds_keep_the_invariants() {
    for (target, check) in TARGETS {
        let seeds = seeds(target);
        let mutant = (any::<Index>(), any::<Index>(), edits());
        let config = ProptestConfig {
            cases: if JOURNALS.contains(target) {
                CASES_OF_JOURNALS
            } else {
                CASES
            },
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(&mutant, |(seed, other, edits)| {
            let mut bytes = seed.get::<Vec<u8>>(&seeds).clone();
            apply(&edits, other.get::<Vec<u8>>(&seeds), &mut bytes);
            check(&bytes);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{target}: {error}"));
    }
}
