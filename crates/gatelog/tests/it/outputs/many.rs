//! Many outputs over one journal: what each record costs, and who is woken.

use super::*;

const OUTPUTS: u64 = 50;
const RECORDS: u64 = 600;
const FRAME: u64 = 20;

/// Outputs of which each gets one record in a hundred, and half of the records go to nobody.
struct Many {
    receivers: Vec<Arc<Receiver>>,
    /// How often a record was looked at.
    looks: Arc<AtomicU32>,
}

impl Many {
    fn start(rig: &mut Rig) -> Self {
        let name = |number| -> &'static str { format!("many{number}").leak() };
        let receivers = (0..OUTPUTS).map(|number| Receiver::taking(name(number)));
        let receivers: Vec<_> = receivers.collect();
        let looks = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&looks);
        let routing = move |record: &AccessRecord<'_>, to: &mut Vec<usize>| {
            counted.fetch_add(1, Ordering::Relaxed);
            let output = number(record) % 100;
            if output < OUTPUTS {
                to.push(usize::try_from(output).unwrap());
            }
        };
        let outputs = receivers.iter().map(|one| (Arc::clone(one), settings()));
        rig.start_routed(u64::MAX, outputs.collect(), Arc::new(routing));
        Self { receivers, looks }
    }

    /// Waits until all have come to the end; each has got its own of these and nothing else.
    fn check(&self, rig: &Rig, numbers: std::ops::Range<u64>) {
        for (output, receiver) in (0..).zip(&self.receivers) {
            rig.wait_for_end(receiver.name);
            let own = numbers.clone().filter(|number| number % 100 == output);
            assert_eq!(receiver.seen(), own.collect::<Vec<_>>(), "{output}");
        }
    }
}

fn append(rig: &Rig, numbers: std::ops::Range<u64>) {
    for first in numbers.step_by(usize::try_from(FRAME).unwrap()) {
        assert!(rig.append(first..first + FRAME));
    }
}

/// Also those that are behind, as after a restart, look at a record together.
#[test]
fn each_record_is_looked_at_once_for_all() {
    let mut rig = Rig::new(Config::default());
    let many = Many::start(&mut rig);
    append(&rig, 0..RECORDS);
    many.check(&rig, 0..RECORDS);
    let looks = many.looks.load(Ordering::Relaxed);
    assert_eq!(u64::from(looks), RECORDS);
    rig.stop();
    append(&rig, RECORDS..2 * RECORDS);
    let many = Many::start(&mut rig);
    many.check(&rig, RECORDS..2 * RECORDS);
    let looks = many.looks.load(Ordering::Relaxed);
    assert!(u64::from(looks) <= 2 * RECORDS, "{looks}");
}

/// Also where they come from so far behind that what one has read is gone before the next one comes.
#[test]
fn a_long_way_is_looked_at_once_for_those_who_have_nothing_there() {
    const RECORDS: u64 = 20_000;
    let mut rig = Rig::new(Config::default());
    append(&rig, 0..RECORDS);
    let name = |number| -> &'static str { format!("idle{number}").leak() };
    let slow = Receiver::new("slow", |_, _| {
        std::thread::sleep(Duration::from_micros(100));
        Does::Takes
    });
    let idle = (0..20).map(|number| Receiver::taking(name(number)));
    let receivers: Vec<_> = std::iter::once(slow).chain(idle).collect();
    let looks = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&looks);
    let routing = move |_: &AccessRecord<'_>, to: &mut Vec<usize>| {
        counted.fetch_add(1, Ordering::Relaxed);
        to.push(0);
    };
    let outputs = receivers.iter().map(|one| (Arc::clone(one), settings()));
    rig.start_routed(u64::MAX, outputs.collect(), Arc::new(routing));
    for receiver in &receivers {
        rig.wait_for_end(receiver.name);
        assert_eq!(rig.health(receiver.name), None, "{}", receiver.name);
    }
    assert_eq!(receivers[0].seen().len() as u64, RECORDS);
    assert!(receivers.iter().skip(1).all(|one| one.seen().is_empty()));
    let looks = u64::from(looks.load(Ordering::Relaxed));
    assert!(looks <= 3 * RECORDS, "{looks} looks at {RECORDS} records");
}

/// A receiver that hangs, and one that is far behind, take nothing from the others.
#[test]
fn who_is_behind_reads_for_itself() {
    let mut rig = Rig::new(Config::default());
    let held = Arc::new(AtomicU32::new(1));
    let holds = Arc::clone(&held);
    let slow = Receiver::new("slow", move |_, _| {
        if holds.load(Ordering::Relaxed) == 1 {
            later(0)
        } else {
            Does::Takes
        }
    });
    let well = Receiver::taking("well");
    let patient = Settings {
        max_retry_delay: Duration::from_millis(50),
        ..settings()
    };
    rig.start(vec![
        (Arc::clone(&slow), patient),
        (Arc::clone(&well), settings()),
    ]);
    // More than is kept of the journal for all.
    let records = 8000;
    append(&rig, 0..records);
    rig.wait_for_end("well");
    let all: Vec<_> = (0..records).collect();
    assert!(well.seen() == all);
    assert!(slow.seen().is_empty());
    held.store(0, Ordering::Relaxed);
    rig.wait_for_end("slow");
    assert!(slow.seen() == all, "{}", slow.seen().len());
}
