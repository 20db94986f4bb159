//! What the load, the faults and the check write down: the oracle and the counts of the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::oracle::{Finding, Oracle};

/// The books, shared by all who write in them.
#[derive(Clone, Debug, Default)]
pub struct Books(Arc<Mutex<Entries>>);

/// What is in them.
#[derive(Debug, Default)]
pub struct Entries {
    /// What was sent and promised.
    pub oracle: Oracle,
    /// Requests with records, each attempt counted.
    pub sent: u64,
    /// Of those, answered 200.
    pub acknowledged: u64,
    /// Of those, without an answer.
    pub unanswered: u64,
    /// Of those, answered 503.
    pub refused: u64,
    /// Of those, sent again after no answer or a refusal.
    pub repeated: u64,
    /// Of those, answered as known already, in whole or in part.
    pub recognised: u64,
    /// Answers that contradict the contract.
    pub wrong: Finding,
    /// Queries asked in the meantime.
    pub queries: u64,
    /// SIGKILLs.
    pub kills: u64,
    /// Of those, behind an acknowledgement of the process that was killed: these alone can lose one.
    pub kills_under_load: u64,
    /// Of those, before the process listened.
    pub kills_in_recovery: u64,
    /// SIGTERMs.
    pub terminations: u64,
    /// Starts up to an answer of `/health`.
    pub starts: u64,
    /// The longest from a start until `/health` answered.
    pub slowest_start: Duration,
}

impl Books {
    /// The entries, to be read or written. Not to be held while waiting for anything.
    pub fn open(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
