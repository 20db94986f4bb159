//! Outputs that come, go and come back while records arrive: each record is for those of its time.

use std::collections::BTreeSet;

use gatelog::forwarder::Kept;

use super::*;

/// Outputs in force from a position on: a record is for the one that its number, divided by how many
/// there are, leaves as a rest.
type Era = (Position, Vec<usize>);

struct Stage {
    rig: Rig,
    receivers: Vec<Arc<Receiver>>,
    eras: Vec<Era>,
    /// The frames: the position behind each, and its record.
    frames: Vec<(Position, u64)>,
}

fn routing(count: usize) -> Arc<dyn Routing> {
    Arc::new(move |record: &AccessRecord<'_>, to: &mut Vec<usize>| {
        if count > 0 {
            to.push(usize::try_from(number(record)).unwrap() % count);
        }
    })
}

impl Stage {
    fn new(receivers: Vec<Arc<Receiver>>) -> Self {
        let mut stage = Self {
            rig: Rig::new(Config::default()),
            receivers,
            eras: vec![(Position::START, Vec::new())],
            frames: Vec::new(),
        };
        let set = stage.set(&[]);
        stage.rig.start_eras(u64::MAX, vec![(Position::START, set)]);
        stage
    }

    fn set(&self, outputs: &[usize]) -> OutputSet {
        let entries = outputs.iter().map(|output| {
            let receiver = Arc::clone(&self.receivers[*output]);
            let treated = Settings {
                start: Start::Now,
                max_coalescing_delay: Duration::ZERO,
                ..settings()
            };
            (receiver as Arc<dyn Output>, treated)
        });
        OutputSet::new(entries.collect(), routing(outputs.len()))
    }

    fn change(&mut self, outputs: &[usize]) {
        let set = self.set(outputs);
        let (running, _) = self.rig.running.as_ref().unwrap();
        let mut begun = None;
        let keep = |from, _| {
            begun = Some(from);
            Ok(Kept::Durable)
        };
        running.change(set, keep).unwrap();
        self.eras.push((begun.unwrap(), outputs.to_vec()));
    }

    fn append(&mut self, number: u64) {
        assert!(self.rig.append(number..number + 1));
        self.frames.push((self.rig.journal.end(), number));
    }

    /// What a receiver is to get.
    fn expected(&self, receiver: usize) -> Vec<u64> {
        let of = |(end, number): &(Position, u64)| {
            let (_, outputs) = self.eras.iter().rfind(|(from, _)| from < end)?;
            let place = usize::try_from(*number)
                .unwrap()
                .checked_rem(outputs.len())?;
            (outputs[place] == receiver).then_some(*number)
        };
        self.frames.iter().filter_map(of).collect()
    }

    fn states(&self) -> Vec<gatelog::forwarder::OutputState> {
        self.rig.running.as_ref().unwrap().0.states()
    }

    /// Takes all outputs away, and waits until nothing of them is left.
    fn finish(&mut self) {
        self.change(&[]);
        wait::until("the outputs to end", DEADLINE, || {
            let states = self.states();
            if states.is_empty() {
                Ok(())
            } else {
                Err(states)
            }
        })
        .unwrap();
        for (index, receiver) in self.receivers.iter().enumerate() {
            let (seen, expected) = (receiver.seen(), self.expected(index));
            assert!(
                seen == expected,
                "{}: {seen:?}, not {expected:?}",
                receiver.name
            );
        }
        assert_eq!(self.rig.journal.lags(), []);
        let names = |dir: &str| -> BTreeSet<String> {
            let files = fs::read_dir(self.rig.dir.join(dir)).into_iter().flatten();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            names.collect()
        };
        let positions = names("journal")
            .into_iter()
            .filter(|name| name.contains("output-"));
        assert_eq!(positions.collect::<Vec<_>>(), [""; 0]);
        assert_eq!(names("outputs"), BTreeSet::new());
        wait::until("the threads to end", DEADLINE, || {
            let threads = threads("output-turn");
            if threads.is_empty() {
                Ok(())
            } else {
                Err(threads)
            }
        })
        .unwrap();
    }
}

/// The threads of this process whose names begin so.
fn threads(name: &str) -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|found| found.starts_with(name)).collect()
}

/// Some take all, one takes it in parts, one is slow.
fn turning() -> Vec<Arc<Receiver>> {
    vec![
        Receiver::taking("turn0"),
        Receiver::taking("turn1"),
        Receiver::new("turn2", |numbers, delivery| match delivery % 3 {
            0 => later(0),
            1 => later(numbers.len() / 2),
            _ => Does::Takes,
        }),
        Receiver::new("turn3", |_, _| {
            std::thread::sleep(Duration::from_millis(3));
            Does::Takes
        }),
    ]
}

fn many_changes(changes: u64) {
    let mut stage = Stage::new(turning());
    let mut number = 0;
    for change in 0..changes {
        // From a small generator, so that every run is the same.
        let word = (change + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
        let outputs: Vec<_> = (0..4).filter(|output| word >> output & 1 == 1).collect();
        stage.change(&outputs);
        for _ in 0..word >> 5 & 3 {
            stage.append(number);
            number += 1;
        }
    }
    assert!(number > changes);
    stage.finish();
}

#[test]
fn changes_lose_nothing_double_nothing_and_leave_nothing_behind() {
    many_changes(150);
}

mod faults {
    use super::*;

    #[test]
    #[ignore = "long: cargo xtask test faults --long"]
    fn two_thousand_changes_lose_nothing_and_leave_nothing_behind() {
        many_changes(2000);
    }
}

/// What waits for one that is taken away comes to it, and what is received later does not; that one stays
/// in `/ready` until then.
#[test]
fn an_output_that_is_taken_away_gets_what_waited_for_it() {
    let held = Arc::new(AtomicU32::new(1));
    let holds = Arc::clone(&held);
    let slow = Receiver::new("turn-held", move |_, _| {
        if holds.load(Ordering::Relaxed) == 1 {
            later(0)
        } else {
            Does::Takes
        }
    });
    let mut stage = Stage::new(vec![slow, Receiver::taking("turn-other")]);
    stage.change(&[0]);
    (0..20).for_each(|number| stage.append(number));
    stage.change(&[1]);
    (20..30).for_each(|number| stage.append(number));
    assert_eq!(
        stage.receivers[1].wait_for(10),
        (20..30).collect::<Vec<_>>()
    );
    let states = stage.states();
    let ending: Vec<_> = states
        .iter()
        .map(|state| (state.name.as_str(), state.ending))
        .collect();
    assert_eq!(ending, [("turn-held", true), ("turn-other", false)]);
    // It comes back while it still has something to do.
    stage.change(&[0, 1]);
    (30..40).for_each(|number| stage.append(number));
    held.store(0, Ordering::Relaxed);
    stage.finish();
}

/// A change that cannot be kept is none.
#[test]
fn a_change_that_cannot_be_kept_changes_nothing() {
    let mut stage = Stage::new(turning());
    stage.change(&[0]);
    stage.append(0);
    let set = stage.set(&[1, 2]);
    let (running, _) = stage.rig.running.as_ref().unwrap();
    let refused = running.change(set, |_, _| Err(std::io::Error::other("no room")));
    assert!(refused.unwrap_err().to_string().contains("no room"));
    stage.append(1);
    let names: Vec<_> = stage.states().into_iter().map(|state| state.name).collect();
    assert_eq!(names, ["turn0"]);
    stage.finish();
}

/// The newest settings hold at once, also for what has failed before.
#[test]
fn what_holds_for_an_output_changes_while_it_waits_to_try_again() {
    let mut stage = Stage::new(vec![Receiver::new("turn-retry", |_, delivery| {
        if delivery == 1 { later(0) } else { Does::Takes }
    })]);
    let long = |pause| {
        let receiver = Arc::clone(&stage.receivers[0]) as Arc<dyn Output>;
        let treated = Settings {
            initial_retry_delay: pause,
            max_retry_delay: pause,
            start: Start::Now,
            ..settings()
        };
        OutputSet::new(vec![(receiver, treated)], routing(1))
    };
    let (patient, quick) = (
        long(Duration::from_hours(1)),
        long(Duration::from_millis(1)),
    );
    let mut begun = Vec::new();
    let mut keep = |from| {
        begun.push((from, vec![0]));
        Ok(Kept::Durable)
    };
    let running = stage.rig.running.as_ref().unwrap().0.clone();
    running.change(patient, |from, _| keep(from)).unwrap();
    stage.append(0);
    wait::until("the first delivery", DEADLINE, || {
        if stage.receivers[0].deliveries() == 1 {
            Ok(())
        } else {
            Err("none")
        }
    })
    .unwrap();
    running.change(quick, |from, _| keep(from)).unwrap();
    stage.eras.extend(begun);
    assert_eq!(stage.receivers[0].wait_for(1), [0]);
    stage.finish();
}

fn all(outputs: Vec<(&Arc<Receiver>, Settings)>) -> OutputSet {
    let outputs = outputs.into_iter();
    let outputs = outputs.map(|(one, treated)| (Arc::clone(one) as Arc<dyn Output>, treated));
    OutputSet::all(outputs.collect())
}

fn begins_now() -> Settings {
    Settings {
        start: Start::Now,
        ..settings()
    }
}

fn waits_for_end(stage: &Stage, outputs: usize) {
    wait::until("outputs to end", DEADLINE, || {
        let states = stage.states();
        if states.len() == outputs {
            Ok(())
        } else {
            Err(states)
        }
    })
    .unwrap();
}

/// All that was there before it came is for it, once: what nobody wanted, and what others have read and
/// sorted before it was known, however much of that is kept.
#[test]
fn one_that_begins_with_the_oldest_while_others_run_gets_all_that_is_there() {
    // All of it is kept as it was sorted before, and so much that only for whom it was is known.
    for before in [1000, 20_000] {
        begins_with_the_oldest(before);
    }
}

fn begins_with_the_oldest(before: u64) {
    const FRAME: u64 = 500;
    let receivers = ["turn-a", "turn-b", "turn-c"].map(Receiver::taking);
    let mut stage = Stage::new(receivers.to_vec());
    let running = stage.rig.running.as_ref().unwrap().0.clone();
    let in_force = |outputs: Vec<(&Arc<Receiver>, Settings)>| {
        running
            .change(all(outputs), |_, _| Ok(Kept::Durable))
            .unwrap();
    };
    for first in (0..before).step_by(usize::try_from(FRAME).unwrap()) {
        assert!(stage.rig.append(first..first + FRAME));
    }
    let [a, b, c] = &receivers;
    in_force(vec![(a, settings())]);
    let everything: Vec<_> = (0..before).collect();
    assert!(a.wait_for(everything.len()) == everything);
    in_force(vec![(a, settings()), (b, settings())]);
    assert!(b.wait_for(everything.len()) == everything);
    in_force(vec![(a, settings()), (b, settings()), (c, begins_now())]);
    assert!(stage.rig.append(before..before + FRAME));
    let everything: Vec<_> = (0..before + FRAME).collect();
    assert!(a.wait_for(everything.len()) == everything);
    assert!(b.wait_for(everything.len()) == everything);
    let end: Vec<_> = (before..before + FRAME).collect();
    assert!(c.wait_for(end.len()) == end);
    in_force(Vec::new());
    waits_for_end(&stage, 0);
    stage.rig.stop();
    let seen = receivers.each_ref().map(|one| one.seen().len());
    assert_eq!(seen, [everything.len(), everything.len(), end.len()]);
}

/// Nothing of one that has ended is left for the next one of its name, also where it was done with a part
/// of a frame.
#[test]
fn what_one_had_of_a_frame_is_gone_with_it() {
    let held = Arc::new(AtomicU32::new(1));
    let holds = Arc::clone(&held);
    let partly = Receiver::new("turn-partly", move |_, delivery| {
        if delivery > 1 && holds.load(Ordering::Relaxed) == 1 {
            later(0)
        } else {
            Does::Takes
        }
    });
    let mut stage = Stage::new(vec![partly]);
    stage.change(&[0]);
    assert!(stage.rig.append(0..20));
    let seen = stage.receivers[0].wait_for(10);
    assert_eq!(seen, (0..10).collect::<Vec<_>>());
    let file = stage.rig.dir.join("outputs/output-turn-partly.progress");
    wait::until("the progress", DEADLINE, || {
        file.exists().then_some(()).ok_or("none")
    })
    .unwrap();
    stage.change(&[]);
    held.store(0, Ordering::Relaxed);
    waits_for_end(&stage, 0);
    assert!(!file.exists());
    let seen = stage.receivers[0].seen();
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
    // Nor is it made once more when it is time to make it durable.
    std::thread::sleep(Duration::from_secs(1));
    assert!(!file.exists());
    stage.frames.clear();
    stage.rig.stop();
}

/// A pause that a receiver asks for is not cut short because something else changes.
#[test]
fn a_change_of_others_ends_no_pause() {
    let failing = Receiver::new("turn-failing", |_, _| later(0));
    let other = Receiver::taking("turn-other");
    let stage = Stage::new(vec![failing, other]);
    let [failing, other] = [0, 1].map(|at| &stage.receivers[at]);
    let patient = Settings {
        initial_retry_delay: Duration::from_hours(1),
        max_retry_delay: Duration::from_hours(1),
        ..begins_now()
    };
    let running = &stage.rig.running.as_ref().unwrap().0;
    let in_force = |outputs: Vec<(&Arc<Receiver>, Settings)>| {
        running
            .change(all(outputs), |_, _| Ok(Kept::Durable))
            .unwrap();
    };
    in_force(vec![(failing, patient.clone())]);
    assert!(stage.rig.append(0..1));
    wait::until("the first attempt", DEADLINE, || {
        (failing.deliveries() == 1).then_some(()).ok_or("none")
    })
    .unwrap();
    for round in 1..6 {
        in_force(vec![(failing, patient.clone()), (other, begins_now())]);
        assert!(stage.rig.append(round..round + 1));
        // It has had its turn since the change.
        other.wait_for(usize::try_from(round).unwrap());
        in_force(vec![
            (failing, patient.clone()),
            (
                other,
                Settings {
                    max_batch_records: usize::try_from(round).unwrap(),
                    ..begins_now()
                },
            ),
        ]);
    }
    assert_eq!(failing.deliveries(), 1);
}
