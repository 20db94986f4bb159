//! Outputs that take, refuse, hang and flap, each beside others.

mod changes;
mod faults;
mod in_force;
mod killed;
mod many;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatelog::dead_letter::DeadLetters;
use gatelog::forwarder::{Grounds, Outputs, reader_name};
use gatelog::output::{MaxBacklog, Output, OutputSet, Routing, Settings, Start, Undelivered};
use gatelog::telemetry::Telemetry;
use gatelog_journal::{Config, Journal, Lag, Position};
use gatelog_record::{AccessRecord, Timestamp, standard, wire};
use gatelog_store::BoxFuture;
use gatelog_testkit::wait;
use tempfile::TempDir;
use tokio::sync::watch;

const DEADLINE: Duration = Duration::from_mins(1);

/// What an output does with a batch of these numbers, at its so many'th delivery.
type Answer = dyn Fn(&[u64], u32) -> Does + Send + Sync;

/// See [`Answer`].
enum Does {
    Takes,
    Hangs,
    /// Takes so many, from the first; the others later, after this pause.
    TakesOnly(usize, Option<Duration>),
    /// Takes those that are in neither list.
    Says(Undelivered),
}

fn later(delivered: usize) -> Does {
    Does::TakesOnly(delivered, None)
}

fn refused(places: impl IntoIterator<Item = usize>, reason: &str) -> Does {
    Does::Says(Undelivered::refused(places, reason))
}

/// An output in this process.
struct Receiver {
    name: &'static str,
    answer: Box<Answer>,
    seen: Mutex<Vec<u64>>,
    deliveries: Mutex<u32>,
}

impl Receiver {
    fn new(
        name: &'static str,
        answer: impl Fn(&[u64], u32) -> Does + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            answer: Box::new(answer),
            seen: Mutex::default(),
            deliveries: Mutex::default(),
        })
    }

    fn taking(name: &'static str) -> Arc<Self> {
        Self::new(name, |_, _| Does::Takes)
    }

    fn seen(&self) -> Vec<u64> {
        self.seen.lock().unwrap().clone()
    }

    fn deliveries(&self) -> u32 {
        *self.deliveries.lock().unwrap()
    }

    fn wait_for(&self, count: usize) -> Vec<u64> {
        let what = format!("{count} records at {}", self.name);
        wait::until(&what, DEADLINE, || {
            let seen = self.seen();
            if seen.len() >= count {
                Ok(seen)
            } else {
                Err(seen.len())
            }
        })
        .unwrap()
    }
}

fn number(record: &AccessRecord<'_>) -> u64 {
    record.model.as_deref().unwrap().parse().unwrap()
}

impl Output for Receiver {
    fn name(&self) -> &str {
        self.name
    }

    fn deliver<'a>(
        &'a self,
        records: &'a [&'a AccessRecord<'a>],
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let numbers: Vec<u64> = records.iter().map(|record| number(record)).collect();
            let delivery = {
                let mut deliveries = self.deliveries.lock().unwrap();
                *deliveries += 1;
                *deliveries
            };
            let saw = |numbers: &[u64]| self.seen.lock().unwrap().extend_from_slice(numbers);
            match (self.answer)(&numbers, delivery) {
                Does::Takes => saw(&numbers),
                Does::Hangs => std::future::pending().await,
                Does::TakesOnly(count, after) => {
                    saw(&numbers[..count]);
                    let undelivered = Undelivered::later(count..numbers.len(), "503");
                    return Err(Undelivered {
                        after,
                        ..undelivered
                    });
                }
                Does::Says(undelivered) => {
                    let taken = (0..numbers.len()).filter(|place| {
                        !undelivered.later.contains(place)
                            && undelivered
                                .refused
                                .iter()
                                .all(|refused| refused.index != *place)
                    });
                    saw(&taken.map(|place| numbers[place]).collect::<Vec<_>>());
                    return Err(undelivered);
                }
            }
            Ok(())
        })
    }
}

/// Quick retries, batches of 10, everything from the oldest.
fn settings() -> Settings {
    Settings {
        max_batch_records: 10,
        max_coalescing_delay: Duration::from_millis(20),
        initial_retry_delay: Duration::from_millis(1),
        max_retry_delay: Duration::from_millis(5),
        start: Start::Oldest,
        ..Settings::default()
    }
}

fn bytes(bytes: u64) -> MaxBacklog {
    MaxBacklog {
        bytes,
        ..Settings::default().max_backlog
    }
}

/// A journal and its outputs, as the service has them.
struct Rig {
    dir: PathBuf,
    /// Removes the directory in the end, unless it is another's.
    temporary: Option<Arc<TempDir>>,
    journal: Arc<Journal>,
    max_bytes: u64,
    telemetry: Telemetry,
    running: Option<(Outputs, watch::Sender<bool>)>,
}

impl Rig {
    fn new(config: Config) -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let mut rig = Self::over(dir.path(), config);
        rig.temporary = Some(dir);
        rig
    }

    fn over(dir: &Path, config: Config) -> Self {
        Self {
            journal: Arc::new(Journal::open(&dir.join("journal"), config).unwrap()),
            max_bytes: config.max_bytes,
            telemetry: Telemetry::default(),
            running: None,
            dir: dir.to_owned(),
            temporary: None,
        }
    }

    fn start(&mut self, outputs: Vec<(Arc<Receiver>, Settings)>) {
        self.start_with(u64::MAX, outputs);
    }

    fn start_with(&mut self, letter_bytes: u64, outputs: Vec<(Arc<Receiver>, Settings)>) {
        let count = outputs.len();
        let panics = AtomicU32::new(0);
        let routing = move |record: &AccessRecord<'_>, to: &mut Vec<usize>| {
            let service = record.service.as_deref();
            let panics = service == Some("panics") && panics.fetch_add(1, Ordering::Relaxed) < 9;
            assert!(!panics, "over a record");
            if service != Some("another") {
                to.extend(0..count);
            }
        };
        self.start_routed(letter_bytes, outputs, Arc::new(routing));
    }

    fn start_routed(
        &mut self,
        letter_bytes: u64,
        outputs: Vec<(Arc<Receiver>, Settings)>,
        routing: Arc<dyn Routing>,
    ) {
        let outputs = outputs
            .into_iter()
            .map(|(output, settings)| (output as Arc<dyn Output>, settings));
        let set = OutputSet::new(outputs.collect(), routing);
        self.start_eras(letter_bytes, vec![(Position::START, set)]);
    }

    fn start_eras(&mut self, letter_bytes: u64, eras: Vec<(Position, OutputSet)>) {
        let id = self.journal.id().to_string();
        let grounds = Grounds {
            journal: Arc::clone(&self.journal),
            journal_max_bytes: self.max_bytes,
            data_dir: self.dir.clone(),
            dead_letters: DeadLetters::open(&self.dir, letter_bytes, &id).unwrap(),
            telemetry: self.telemetry.clone(),
        };
        let registered = Outputs::register(eras, grounds).unwrap();
        let stop = watch::Sender::new(false);
        self.running = Some((registered.start(&stop, None).unwrap(), stop));
    }

    /// Ends everything and opens the journal again.
    fn restart(self) -> Self {
        let (dir, temporary) = (self.dir.clone(), self.temporary.clone());
        drop(self);
        let mut again = Self::over(&dir, Config::default());
        again.temporary = temporary;
        again
    }

    fn stop(&mut self) {
        if let Some((outputs, stop)) = self.running.take() {
            stop.send_replace(true);
            outputs.join();
        }
    }

    /// Appends one frame of these records; false when the journal is full.
    fn append(&self, numbers: std::ops::Range<u64>) -> bool {
        self.append_of("ours", numbers)
    }

    fn append_of(&self, service: &str, numbers: std::ops::Range<u64>) -> bool {
        let mut payload = Vec::new();
        wire::begin_batch(&mut payload);
        let start = Timestamp::from_millis(1_774_231_801_217);
        let count = u32::try_from(numbers.end - numbers.start).unwrap();
        for number in numbers {
            let record = AccessRecord {
                model: Some(number.to_string().into()),
                service: Some(service.to_owned().into()),
                ..standard::record(number, start)
            };
            wire::write_record(&record, &mut payload);
        }
        let Ok(appended) = self.journal.append(&payload, count) else {
            return false;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(appended).is_ok()
    }

    fn lag(&self, output: &str) -> Lag {
        let reader = reader_name(output);
        let mut lags = self.journal.lags().into_iter();
        lags.find(|lag| lag.reader == reader).unwrap()
    }

    /// Waits until an output has nothing behind it.
    fn wait_for_end(&self, output: &str) {
        wait::until("the end of the journal", DEADLINE, || {
            let lag = self.lag(output);
            if lag.bytes == 0 { Ok(()) } else { Err(lag) }
        })
        .unwrap();
    }

    fn health(&self, output: &str) -> Option<String> {
        let (outputs, _) = self.running.as_ref().unwrap();
        let mut states = outputs.states().into_iter();
        let state = states.find(|state| state.name == output).unwrap();
        state.health.error()
    }

    /// How often each number is in the dead letter of an output, by reason.
    fn letters(&self, output: &str) -> BTreeMap<(u64, String), u32> {
        let mut letters = BTreeMap::new();
        for file in fs::read_dir(self.dir.join("dead-letter")).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if !name.starts_with(&reader_name(output)) || !name.ends_with(".ndjson") {
                continue;
            }
            // What is written at this moment may not be whole.
            let text = fs::read_to_string(path).unwrap();
            for line in text
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'))
            {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["dead_letter_output"], output);
                let number = line["model"].as_str().unwrap().parse().unwrap();
                let reason = line["dead_letter_reason"].as_str().unwrap().to_owned();
                *letters.entry((number, reason)).or_default() += 1;
            }
        }
        letters
    }

    /// The value of a metric that has all of these in its line; 0 when there is none.
    fn metric(&self, name: &str, with: &str) -> u64 {
        let text = self.telemetry.render();
        let line = text
            .lines()
            .find(|line| line.starts_with(name) && line.contains(with));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop();
    }
}

#[test]
fn everything_comes_once_and_in_order_in_batches() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("plain", |numbers, _| {
        assert!(numbers.len() <= 10, "{numbers:?}");
        Does::Takes
    });
    for frame in 0..30 {
        assert!(rig.append(frame * 7..(frame + 1) * 7));
        assert!(rig.append_of("another", 1000..1003));
    }
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    rig.wait_for_end("plain");
    assert_eq!(receiver.seen(), (0..210).collect::<Vec<_>>());
    assert_eq!(receiver.deliveries(), 21, "batches that are not full");
    assert_eq!(rig.metric("gatelog_output_delivered_total", "plain"), 210);
    assert_eq!(rig.health("plain"), None);
    // Over a restart, too; this time with no old ones.
    let mut rig = rig.restart();
    let receiver = Receiver::taking("plain");
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    assert!(rig.append(500..501));
    rig.wait_for_end("plain");
    assert_eq!(receiver.seen(), [500]);
}

#[test]
fn a_new_output_starts_now_unless_it_is_to_start_with_the_oldest() {
    let mut rig = Rig::new(Config::default());
    let (now, oldest) = (Receiver::taking("now"), Receiver::taking("oldest"));
    assert!(rig.append(0..5));
    let begins_now = Settings {
        start: Start::Now,
        ..settings()
    };
    rig.start(vec![
        (Arc::clone(&now), begins_now.clone()),
        (Arc::clone(&oldest), settings()),
    ]);
    assert!(rig.append(5..8));
    assert_eq!(oldest.wait_for(8), (0..8).collect::<Vec<_>>());
    rig.wait_for_end("now");
    assert_eq!(now.seen(), [5, 6, 7]);
    // It is known now: what comes while it is away is for it.
    let mut rig = rig.restart();
    assert!(rig.append(8..9));
    let now = Receiver::taking("now");
    rig.start(vec![(Arc::clone(&now), begins_now)]);
    rig.wait_for_end("now");
    assert_eq!(now.seen(), [8]);
}

#[test]
fn what_is_refused_goes_to_the_dead_letter_and_its_neighbours_do_not() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("picky", |numbers, _| {
        if numbers.contains(&25) {
            return refused(0..numbers.len(), "413");
        }
        let odd: Vec<_> = (0..numbers.len())
            .filter(|index| numbers[*index] % 10 == 3)
            .collect();
        if odd.is_empty() {
            Does::Takes
        } else {
            refused(odd, "400")
        }
    });
    for frame in 0..10 {
        assert!(rig.append(frame * 5..(frame + 1) * 5));
    }
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    rig.wait_for_end("picky");
    let taken = (0..50).filter(|number| number % 10 != 3 && !(20..30).contains(number));
    assert_eq!(receiver.seen(), taken.collect::<Vec<_>>());
    let expected = [3, 13, 33, 43].map(|number| (number, "400".to_owned()));
    let expected = expected
        .into_iter()
        .chain((20..30).map(|number| (number, "413".to_owned())));
    let expected: BTreeMap<_, _> = expected.map(|letter| (letter, 1)).collect();
    assert_eq!(rig.letters("picky"), expected);
    assert_eq!(rig.metric("gatelog_output_rejected_total", "picky"), 14);
    assert_eq!(rig.metric("gatelog_output_delivered_total", "picky"), 36);
    assert_eq!(rig.health("picky"), None);
}

/// Of several batches that are under way at a time only what was not taken comes again.
#[test]
fn of_several_batches_at_a_time_only_those_come_again_that_were_not_taken() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("wide", |numbers, delivery| match delivery {
        1 => {
            assert_eq!(numbers, (0..30).collect::<Vec<_>>());
            let mut answer = Undelivered::refused([3, 25], "400");
            answer.later = (10..20).collect();
            answer.reason = "503".to_owned();
            Does::Says(answer)
        }
        2 => {
            assert_eq!(numbers, (10..20).collect::<Vec<_>>());
            let mut answer = Undelivered::refused([9], "400");
            answer.later = vec![0, 4];
            Does::Says(answer)
        }
        3 => {
            assert_eq!(numbers, [10, 14]);
            Does::Takes
        }
        _ => {
            assert_eq!(numbers, (30..40).collect::<Vec<_>>());
            Does::Takes
        }
    });
    assert!(rig.append(0..40));
    let wide = Settings {
        concurrency: 3,
        ..settings()
    };
    rig.start(vec![(Arc::clone(&receiver), wide)]);
    rig.wait_for_end("wide");
    let mut seen = receiver.seen();
    seen.sort_unstable();
    let taken: Vec<_> = (0..40)
        .filter(|number| ![3, 19, 25].contains(number))
        .collect();
    assert_eq!(seen, taken);
    assert_eq!(receiver.deliveries(), 4);
    let letters = [3, 19, 25].map(|number| ((number, "400".to_owned()), 1));
    assert_eq!(rig.letters("wide"), letters.into_iter().collect());
    assert_eq!(rig.metric("gatelog_output_delivered_total", "wide"), 37);
    assert_eq!(rig.metric("gatelog_output_rejected_total", "wide"), 3);
    assert_eq!(rig.health("wide"), None);
}

#[test]
fn a_batch_is_tried_for_as_long_as_it_may_be_and_the_pause_is_the_receivers() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("limited", |numbers, delivery| {
        match (numbers[0], delivery) {
            (0, 1) => Does::TakesOnly(0, Some(Duration::from_millis(600))),
            (10, _) => later(0),
            _ => Does::Takes,
        }
    });
    assert!(rig.append(0..30));
    let retry = Settings {
        max_retry_time: Some(Duration::from_millis(300)),
        ..settings()
    };
    let begun = std::time::Instant::now();
    rig.start(vec![(Arc::clone(&receiver), retry)]);
    receiver.wait_for(10);
    assert!(begun.elapsed() >= Duration::from_millis(600));
    rig.wait_for_end("limited");
    let expected: Vec<_> = (0..10).chain(20..30).collect();
    assert_eq!(receiver.seen(), expected);
    let letters = rig.letters("limited");
    let reason = "max_retry_time: 503".to_owned();
    assert_eq!(
        letters,
        (10..20)
            .map(|number| ((number, reason.clone()), 1))
            .collect()
    );
    assert!(receiver.deliveries() > 5);
}

#[test]
fn a_receiver_that_takes_a_part_gets_the_pause_that_it_asks_for() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("partly", |_, delivery| match delivery {
        1 => Does::TakesOnly(4, Some(Duration::from_millis(600))),
        _ => Does::Takes,
    });
    assert!(rig.append(0..10));
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    receiver.wait_for(4);
    let begun = std::time::Instant::now();
    assert_eq!(receiver.wait_for(10), (0..10).collect::<Vec<_>>());
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(receiver.deliveries(), 2);
}

#[test]
fn what_waits_too_long_goes_to_the_dead_letter_although_the_delivery_hangs() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("hanging", |numbers, _| {
        if numbers[0] < 20 {
            Does::Hangs
        } else {
            Does::Takes
        }
    });
    assert!(rig.append(0..7));
    assert!(rig.append(7..20));
    let aged = Settings {
        max_backlog: MaxBacklog {
            age: Duration::from_secs(1),
            ..Settings::default().max_backlog
        },
        ..settings()
    };
    rig.start(vec![(Arc::clone(&receiver), aged)]);
    wait::until("the silence to be told", DEADLINE, || {
        rig.health("hanging")
            .filter(|error| error.starts_with("no answer"))
            .ok_or("well")
    })
    .unwrap();
    rig.wait_for_end("hanging");
    let letters = rig.letters("hanging");
    let numbers: Vec<_> = letters.keys().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert!(letters.values().all(|count| *count == 1), "{letters:?}");
    // The thread is free again.
    assert!(rig.append(20..23));
    rig.wait_for_end("hanging");
    assert_eq!(receiver.seen(), [20, 21, 22]);
    assert_eq!(rig.metric("gatelog_output_backlog_total", "hanging"), 20);
}

#[test]
fn a_frame_that_cannot_be_decoded_is_put_aside_once() {
    let mut rig = Rig::new(Config::default());
    assert!(rig.append(0..2));
    drop(rig.journal.append(&[9, 1], 3).unwrap());
    assert!(rig.append(2..4));
    let receiver = Receiver::taking("undecodable");
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    rig.wait_for_end("undecodable");
    assert_eq!(receiver.seen(), [0, 1, 2, 3]);
    let file = rig.dir.join("dead-letter/output-undecodable.frames");
    assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 1);
    assert_eq!(
        rig.metric("gatelog_frames_unreadable_total", "output-undecodable"),
        1
    );
}
