//! Whatever the collector answers and whenever: each record is either acknowledged or counted as dropped, none
//! is both, and what travels has its number.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::batch::Limits;
use crate::config::Config;
use crate::fake::Fake;

/// The collector takes no larger body.
const MOST_BYTES: usize = 120;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A record with so many bytes of its own.
    Push(usize),
    Send,
    /// The answer to one of the calls under way.
    Answer(usize, Says),
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
enum Says {
    Yes,
    /// It has the batch, and the answer is lost.
    Lost,
    No(Option<u16>),
}

fn step() -> impl Strategy<Value = Step> {
    let statuses = prop_oneof![
        Just(None),
        Just(Some(503)),
        Just(Some(500)),
        Just(Some(400)),
        Just(Some(429)),
    ];
    let says = prop_oneof![
        3 => Just(Says::Yes),
        1 => Just(Says::Lost),
        2 => statuses.prop_map(Says::No),
    ];
    prop_oneof![
        4 => (0..200_usize).prop_map(Step::Push),
        2 => Just(Step::Send),
        3 => (any::<usize>(), says).prop_map(|(which, says)| Step::Answer(which, says)),
        1 => (1..9000_u64).prop_map(Step::Wait),
    ]
}

struct Ledger {
    host: Fake,
    queue: Queue,
    dispatch: Dispatch,
    pushed: u64,
    acknowledged: u64,
    dropped: u64,
    answered: BTreeSet<usize>,
    /// Numbers that the collector has.
    journal: BTreeSet<u64>,
    /// Firsts of the batches that it has.
    known: BTreeSet<u64>,
}

impl Ledger {
    fn new(batch_records: u32) -> Self {
        let config = Config::parse(br#"{"collector_cluster":"c"}"#).unwrap();
        let host = Fake::default();
        let identity = Identity::new(&host);
        Self {
            queue: Queue::new(Limits {
                batch_records,
                batch_bytes: 300,
                flush_interval_ns: 1_000_000,
                queue_bytes: 1000,
            }),
            dispatch: Dispatch::new(&config.delivery, &identity),
            host,
            pushed: 0,
            acknowledged: 0,
            dropped: 0,
            answered: BTreeSet::new(),
            journal: BTreeSet::new(),
            known: BTreeSet::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Push(bytes) => {
                let record = format!(r#"{{"n":{},"x":"{}"}}"#, self.pushed, "x".repeat(bytes));
                self.dropped += self.queue.push(&record, || self.host.now_ns());
                self.pushed += 1;
            }
            Step::Send => {
                let dropped = self.dropped;
                self.dispatch
                    .send_due(&self.host, &mut self.queue, "gw", dropped);
            }
            Step::Answer(which, says) => self.answer(which, says),
            Step::Wait(ms) => self.host.advance_ms(ms),
        }
    }

    fn open(&self) -> Vec<usize> {
        let calls = 0..self.host.calls.borrow().len();
        calls.filter(|call| !self.answered.contains(call)).collect()
    }

    fn answer(&mut self, which: usize, says: Says) {
        let open = self.open();
        let Some(call) = open
            .get(which.checked_rem(open.len()).unwrap_or(0))
            .copied()
        else {
            return;
        };
        self.answered.insert(call);
        let made = self.host.calls.borrow()[call].clone();
        let status = match says {
            _ if made.body.len() > MOST_BYTES => Some(413),
            Says::Yes => Some(200),
            Says::Lost => None,
            Says::No(status) => status,
        };
        if made.body.len() <= MOST_BYTES && matches!(says, Says::Yes | Says::Lost) {
            self.store(&made.headers["gatelog-sequence"], &made.body);
        }
        let answer = status.map_or_else(Answer::default, Answer::of);
        let token = u32::try_from(call).unwrap();
        let (outcome, _) = self
            .dispatch
            .on_answer(&self.host, &mut self.queue, token, &answer);
        match outcome {
            Outcome::Sent { records, .. } => self.acknowledged += u64::from(records),
            Outcome::Refused(records) | Outcome::GaveUp(records) => {
                self.dropped += u64::from(records);
            }
            Outcome::Again | Outcome::Halved(_) => {}
            Outcome::Unknown => panic!("{call} was under way"),
        }
    }

    /// As the collector does: a batch that it has is passed over.
    fn store(&mut self, sequence: &str, body: &str) {
        let first: u64 = sequence.parse().unwrap();
        let items = match serde_json::from_str(body).unwrap() {
            Value::Array(items) => items,
            item => vec![item],
        };
        let is_new = self.known.insert(first);
        for (item, number) in items.iter().zip(first..) {
            assert_eq!(item["n"], number, "{body}");
            assert_eq!(self.journal.insert(number), is_new, "{number}");
        }
    }

    /// The collector is well again.
    fn finish(&mut self) {
        self.queue.flush();
        for _ in 0..10_000 {
            self.take(Step::Wait(6000));
            self.take(Step::Send);
            if self.open().is_empty() {
                break;
            }
            while !self.open().is_empty() {
                self.answer(0, Says::Yes);
            }
        }
        assert!(self.queue.is_empty() && self.dispatch.is_idle());
        assert_eq!(self.acknowledged + self.dropped, self.pushed);
        let stored = u64::try_from(self.journal.len()).unwrap();
        assert!(stored >= self.acknowledged && stored <= self.pushed);
        // Nothing that was sent and settled holds room: a batch as large as the queue finds all of it.
        let whole = "x".repeat(1000 - 2);
        assert_eq!(self.queue.push(&whole, || 0), 0);
    }
}

proptest! {
    #[test]
    fn each_record_is_acknowledged_or_counted(
        records in 1..9_u32,
        steps in proptest::collection::vec(step(), 0..300),
    ) {
        let mut ledger = Ledger::new(records);
        for step in steps {
            ledger.take(step);
        }
        ledger.finish();
    }
}
