//! Everything at once, in any order: a state machine that appends, reads, releases, crashes, opens
//! again and lets the disk fail, against the ledger.

use gatelog_journal::{Appended, Config};
use gatelog_testkit::disk::{Crash, Failure, Fault, Op};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

use super::world::{Opened, READERS, World, answer_of, take};

#[derive(Clone, Debug)]
enum Step {
    /// Frames appended together; the answer is awaited.
    Append(Vec<usize>),
    /// The same; nobody waits, the answer is looked at when the journal is next asked for one.
    AppendAndGoOn(usize),
    /// A reader reads some, and releases what it has read so far, or not.
    Read {
        reader: usize,
        bytes: usize,
        release: bool,
    },
    /// The disk begins to fail, once, some times or until it is mended.
    Fail(Op, Failure, u64, u64),
    Heal,
    /// So many bytes are free from now on.
    Room(u64),
    /// The journal is closed and opened.
    Reopen,
    /// The process or the machine ends, and starts again.
    Crash(Crash),
    /// Another start with other settings.
    SegmentBytes(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let op = prop::sample::select(vec![
        Op::Write,
        Op::SyncData,
        Op::SyncAll,
        Op::Create,
        Op::Open,
        Op::Read,
        Op::Rename,
        Op::Remove,
        Op::SyncDir,
        Op::SetLength,
        Op::List,
    ]);
    let failure = prop::sample::select(vec![
        Failure::Io,
        Failure::NoSpace,
        Failure::TooManyFiles,
        Failure::Torn,
    ]);
    let times = prop_oneof![3 => 1u64..4, 1 => Just(u64::MAX)];
    let crash = prop_oneof![
        Just(Crash::Process),
        Just(Crash::LoseUnsynced),
        any::<u64>().prop_map(|seed| Crash::PowerFailure { seed }),
    ];
    prop_oneof![
        8 => prop::collection::vec(12usize..900, 1..4).prop_map(Step::Append),
        3 => (12usize..400).prop_map(Step::AppendAndGoOn),
        6 => (0..READERS.len(), 1usize..3000, any::<bool>())
            .prop_map(|(reader, bytes, release)| Step::Read { reader, bytes, release }),
        2 => (op, failure, 0u64..4, times)
            .prop_map(|(op, failure, after, times)| Step::Fail(op, failure, after, times)),
        2 => Just(Step::Heal),
        1 => (0u64..5000).prop_map(Step::Room),
        1 => Just(Step::Reopen),
        2 => crash.prop_map(Step::Crash),
        1 => (300u64..3000).prop_map(Step::SegmentBytes),
    ]
}

/// What is true of the machine: the world, and the journal while it is open.
struct Machine {
    world: World,
    opened: Option<Opened>,
    /// Answers that nobody has awaited yet, with their numbers.
    unawaited: Vec<(usize, Appended)>,
}

impl Machine {
    fn new() -> Self {
        let mut world = World::new();
        world.config = Config {
            segment_bytes: 1500,
            max_bytes: 40_000,
            ..world.config
        };
        Self {
            world,
            opened: None,
            unawaited: Vec::new(),
        }
    }

    /// The open journal; a start that the disk refuses is tried again when it is next needed.
    fn opened(&mut self) -> Option<&mut Opened> {
        if self.opened.is_none() {
            self.opened = self.world.open().ok();
        }
        self.opened.as_mut()
    }

    fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Append(lengths) => {
                if self.opened().is_some() {
                    // Before it, so that what was appended first is first in the ledger.
                    self.await_all();
                    if let Some(opened) = &self.opened {
                        // A refusal is no obligation.
                        drop(self.world.append(&opened.journal, lengths));
                    }
                }
            }
            Step::AppendAndGoOn(bytes) => {
                self.opened();
                if let Some(opened) = &self.opened {
                    let (number, payload) = self.world.ledger.payload(*bytes);
                    let answer = opened.journal.append(&payload, 1);
                    self.unawaited
                        .extend(answer.ok().map(|answer| (number, answer)));
                }
            }
            Step::Read {
                reader,
                bytes,
                release,
            } => self.read(*reader, *bytes, *release)?,
            Step::Fail(op, failure, after, times) => {
                self.world.was_full |= *failure == Failure::NoSpace;
                let fault = Fault::new(*op, *failure).after(*after).times(*times);
                self.world.disk.fail(fault);
            }
            Step::Heal => self.heal(),
            Step::Room(bytes) => {
                self.world.was_full = true;
                let used = self.world.disk.used_bytes();
                self.world.disk.set_capacity_bytes(used + bytes);
            }
            Step::Reopen => {
                self.await_all();
                self.opened = None;
            }
            Step::Crash(how) => {
                // Nobody has heard these answers, but they may have been given.
                self.unawaited.clear();
                let after = self.world.after(*how);
                self.opened = None;
                self.world = after;
            }
            Step::SegmentBytes(bytes) => self.world.config.segment_bytes = *bytes,
        }
        Ok(())
    }

    fn heal(&mut self) {
        self.world.disk.heal();
        self.world.disk.set_capacity_bytes(u64::MAX);
    }

    fn await_all(&mut self) {
        for (number, answer) in self.unawaited.drain(..) {
            if answer_of(answer).is_ok() {
                self.world.ledger.acknowledge(number);
            }
        }
    }

    fn read(&mut self, reader: usize, bytes: usize, release: bool) -> anyhow::Result<()> {
        self.opened();
        let Some(opened) = &mut self.opened else {
            return Ok(());
        };
        let (name, reader, reading) = &mut opened.readers[reader];
        // What the disk refuses is tried again later.
        if let Ok(found) = reader.read(bytes) {
            take(found, reading, &self.world.ledger, self.world.was_full)?;
        }
        if release {
            // Also if that fails: it may be done or not.
            self.world.released.insert(name, reading.next());
            let _refused = reader.release(reader.position()).is_err();
        }
        Ok(())
    }

    /// The faults stop: all that is owed is there, and it lives; also after one more crash.
    fn end(mut self) -> anyhow::Result<()> {
        self.heal();
        self.await_all();
        if let Some(opened) = &mut self.opened {
            // It may be full, until something is released.
            self.world.read(opened, &READERS)?;
            self.world.append_in_time(&opened.journal)?;
            self.world.read(opened, &READERS)?;
        }
        let mut after = self.world.after(Crash::PowerFailure { seed: 7 });
        self.opened = None;
        after.survives()
    }
}

fn every_run_conserves(cases: u32, steps: usize) {
    let regressions = FileFailurePersistence::Direct(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/faults/model.proptest-regressions"
    ));
    let config = ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(regressions)),
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    };
    let runs = prop::collection::vec(step(), 1..steps);
    let outcome = TestRunner::new(config).run(&runs, |steps| {
        let mut machine = Machine::new();
        for (index, step) in steps.iter().enumerate() {
            machine.step(step).map_err(|error| {
                TestCaseError::fail(format!("step {index}: {}", machine.world.explain(&error)))
            })?;
        }
        let world = machine.world.clone();
        machine
            .end()
            .map_err(|error| TestCaseError::fail(format!("at the end: {}", world.explain(&error))))
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_journal_keeps_what_it_owes_whatever_happens_in_whatever_order() {
    every_run_conserves(300, 60);
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn a_million_steps_of_whatever_happens_lose_nothing() {
    // Half of the greatest length on average. They mostly wait for repairs, so many run at once.
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| every_run_conserves(500, 200));
        }
    });
}
