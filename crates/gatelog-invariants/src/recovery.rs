//! Recovery: a journal that was used, ended somehow, and was changed behind its back.
//!
//! **Shape.** The bytes are a program: what is done with a journal on a disk in memory, how it ends,
//! and what is done to its files then ([`edit`]). The oracle is the ledger of the fault tests.

mod edit;
mod machine;

use std::collections::BTreeSet;

use gatelog_journal::Error;
use gatelog_testkit::conservation::{Ledger, Reading};

use self::machine::{After, Machine};
use crate::program::Program;
use crate::reading::{goes_on, open, read_all, reader};
use crate::segment_file::Seen;

/// Steps at the most, and edits.
const MAX_STEPS: u8 = 20;
const MAX_EDITS: u8 = 4;

/// - It opens, or says that a file is of a later version, which takes an edit of a header.
/// - What was acknowledged is read, once, in order and as it was, but for what was released and what
///   an edit has touched: the frames themselves, and behind them those of the same round.
/// - Without an edit nothing is told; where only bits were flipped, what is missing is told.
/// - The second start finds what the first has found, and nothing torn. The journal takes a frame and
///   gives it back.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let mut program = Program::new(bytes);
    let mut machine = Machine::new(u64::from(program.byte()));
    for _ in 0..program.byte() % MAX_STEPS {
        let Some(step) = program.step() else { break };
        machine.step(step, &mut program);
    }
    let mut after = machine.end(program.byte());
    let mut touched = edit::Touched::nothing(&after);
    for _ in 0..program.byte() % (MAX_EDITS + 1) {
        touched.add(&edit::one(&mut program, &after), &after);
    }
    touched.write_off(&mut after);
    starts(&after, &touched);
}

fn starts(after: &After, touched: &edit::Touched) {
    let journal = match open(&after.disk, after.segment_bytes) {
        Ok(journal) => journal,
        Err(error) => {
            assert!(touched.headers, "{error}: no header was touched");
            let again = open(&after.disk, after.segment_bytes);
            assert!(matches!(again, Err(Error::Version { .. })), "{again:?}");
            return;
        }
    };
    let recovered = journal.recovered().clone();
    let found = read_all(&mut reader(&journal), 500);
    drop(journal);
    let numbers = is_conserved(after, &found);
    let told = !recovered.problems.is_empty()
        || recovered.torn_bytes > 0
        || found.iter().any(|seen| seen.payload.is_none());
    if touched.is_nothing() {
        assert!(recovered.problems.is_empty(), "{recovered:?}");
        let holes = found.iter().filter(|seen| seen.payload.is_none()).count();
        assert_eq!(holes, 0, "{found:?}");
    }
    // In a file that was used before, the last round may be no more than what was there before.
    if touched.only_flips && !after.has_released {
        let is_missing = |number: &usize| !numbers.contains(number);
        let missing: Vec<_> = after.acknowledged().filter(is_missing).collect();
        assert!(told || missing.is_empty(), "not told: {missing:?}");
    }
    goes_on(&after.disk, after.segment_bytes, &found);
}

/// Everything that is owed was found; the numbers of what was.
fn is_conserved(after: &After, found: &[Seen]) -> BTreeSet<usize> {
    let mut reading = Reading::after(after.released);
    let mut numbers = BTreeSet::new();
    for payload in found.iter().filter_map(|seen| seen.payload.as_ref()) {
        if let Err(error) = reading.take(&after.ledger, payload) {
            panic!("{}", explained(&error, after));
        }
        numbers.extend(number(&after.ledger, payload));
    }
    if let Err(error) = reading.end(&after.ledger) {
        panic!("{}", explained(&error, after));
    }
    numbers
}

fn number(ledger: &Ledger, payload: &[u8]) -> Option<usize> {
    ledger.number(payload).ok()
}

fn explained(error: &dyn std::fmt::Display, after: &After) -> String {
    format!(
        "{error}\n{:?}\n{}",
        after.places,
        after.disk.last_operations().join("\n")
    )
}
