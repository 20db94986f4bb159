use std::fs;
use std::path::Path;
use std::sync::Arc;

use gatelog_journal::{Config, Journal, Start};
use gatelog_record::{AccessRecord, Timestamp, standard, wire};
use gatelog_store::BoxFuture;
use tempfile::TempDir;

use super::*;
use crate::dead_letter::DeadLetters;
use crate::forwarder::eras::{Era, Eras, Id, Member};
use crate::forwarder::inbox::Inbox;
use crate::forwarder::progress_file::{self, ProgressFile};
use crate::forwarder::scout::Field;
use crate::forwarder::tail::Terms;
use crate::forwarder::view::Taken;
use crate::output::{Entry, MaxBacklog, Output, Settings, Undelivered};
use crate::telemetry::Telemetry;

const DEADLINE: Duration = Duration::from_secs(20);

/// Takes nothing.
struct Silent;

/// Gives it everything; panics over the records of the service "panic".
fn route(record: &AccessRecord<'_>, to: &mut Vec<usize>) {
    assert_ne!(record.service.as_deref(), Some("panic"));
    to.push(0);
}

impl Output for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn deliver<'a>(
        &'a self,
        _: &'a [&'a AccessRecord<'a>],
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(std::future::pending())
    }
}

/// A tail without threads.
struct Rig {
    dir: TempDir,
    journal: Journal,
    telemetry: Telemetry,
    tail: Tail,
}

impl Rig {
    fn new(max_backlog: MaxBacklog) -> Self {
        Self::over(TempDir::new().unwrap(), max_backlog, Config::default())
    }

    fn over(dir: TempDir, max_backlog: MaxBacklog, config: Config) -> Self {
        let journal = Journal::open(&dir.path().join("journal"), config).unwrap();
        let letters = DeadLetters::open(dir.path(), u64::MAX, &journal.id().to_string()).unwrap();
        let telemetry = Telemetry::default();
        let settings = Settings {
            max_backlog,
            start: Start::Oldest,
            ..Settings::default()
        };
        let progress =
            ProgressFile::open(&progress_file::dir(dir.path()), "output-silent", &journal);
        let (id, inbox) = (Id(0), Arc::new(Inbox::new()));
        let era = Era {
            from: Position::START,
            routing: Arc::new(route),
            members: vec![Member {
                id,
                start: Start::Oldest,
            }],
        };
        let field = Arc::new(Field::default());
        let inboxes = [(id, Arc::clone(&inbox))].into();
        *field.routes.change() = Arc::new(Eras::new(0, &[era], inboxes));
        let entry = Entry {
            reader: "output-silent".to_owned(),
            output: Arc::new(Silent),
            settings,
        };
        let standing = Standing {
            id,
            inbox,
            version: 0,
            field,
        };
        let tail = Tail::register(
            "output-silent",
            Terms::of(&entry, entry.settings.clone(), &telemetry),
            &journal,
            letters.of_output("silent", "output-silent"),
            progress,
            standing,
            &telemetry,
        );
        Self {
            tail: tail.unwrap(),
            dir,
            journal,
            telemetry,
        }
    }

    fn restart(self, max_backlog: MaxBacklog) -> Self {
        let Self {
            dir, journal, tail, ..
        } = self;
        drop((journal, tail));
        Self::over(dir, max_backlog, Config::default())
    }

    /// Appends frames of one record.
    fn append(&self, frames: u64) {
        self.append_of("ours", frames);
    }

    fn append_of(&self, service: &str, frames: u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let mut last = None;
        for number in 0..frames {
            let mut payload = Vec::new();
            wire::begin_batch(&mut payload);
            let record = AccessRecord {
                service: Some(service.to_owned().into()),
                ..standard::record(number, Timestamp::EPOCH)
            };
            wire::write_record(&record, &mut payload);
            last = Some(self.journal.append(&payload, 1).unwrap());
        }
        runtime.block_on(last.unwrap()).unwrap();
    }

    fn wait_for_age(&self, seconds: u64) {
        gatelog_testkit::wait::until("the records to be old", DEADLINE, || {
            let lag = self.tail.handle.lag();
            if lag.seconds >= seconds {
                Ok(())
            } else {
                Err(lag)
            }
        })
        .unwrap();
    }

    /// How often the watcher has something to do at once.
    fn steps(&self) -> u64 {
        (0..10_000).take_while(|_| self.tail.tend()).count() as u64
    }

    fn waiting(&self) -> u64 {
        self.tail.handle.lag().records
    }

    fn letters(&self) -> usize {
        let path = self.dir.path().join("dead-letter/output-silent.ndjson");
        fs::read_to_string(path).map_or(0, |text| text.lines().count())
    }

    /// Records that were dropped, for this reason.
    fn dropped(&self, reason: &str) -> u64 {
        let text = self.telemetry.render();
        let mut lines = text.lines();
        let line = lines.find(|line| {
            line.starts_with("gatelog_dead_letter_dropped_total")
                && line.contains(&format!("\"{reason}\""))
        });
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// As if so long had passed since something failed first.
    fn stuck_for(&self, duration: Duration) {
        self.tail.state().stuck_since = Some(Instant::now().checked_sub(duration).unwrap());
    }
}

fn limits(bytes: u64, age: Duration) -> MaxBacklog {
    MaxBacklog { bytes, age }
}

const HOUR: Duration = Duration::from_hours(1);

/// The clock of a machine may be set between two processes; then all that waits seems old.
#[test]
fn what_clocks_say_of_the_time_before_the_start_sheds_nothing() {
    let limits = limits(u64::MAX, Duration::ZERO);
    let rig = Rig::new(limits);
    rig.append(5);
    rig.wait_for_age(2);
    let mut rig = rig.restart(limits);
    // The process has only just begun, however long the test's machine takes for that.
    rig.tail.since = Instant::now() + HOUR;
    assert!(rig.tail.handle.lag().seconds >= 2);
    assert_eq!((rig.steps(), rig.letters()), (0, 0));
    // It has been up for so long itself.
    rig.tail.since = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
    assert_eq!(rig.steps(), 1);
    assert_eq!((rig.waiting(), rig.letters()), (0, 5));
}

#[test]
fn what_is_too_old_goes_in_large_steps_and_what_is_younger_stays() {
    let mut rig = Rig::new(limits(u64::MAX, Duration::from_secs(2)));
    rig.tail.since = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
    rig.append(300);
    rig.wait_for_age(4);
    rig.append(10);
    let steps = rig.steps();
    assert!(steps <= 2, "{steps} steps for 300 frames");
    assert_eq!((rig.letters(), rig.waiting()), (300, 10));
}

#[test]
fn no_more_goes_than_is_too_much() {
    let rig = Rig::new(limits(40 << 10, HOUR));
    rig.append(200);
    let frame_bytes = rig.tail.handle.lag().bytes / 200;
    rig.steps();
    let left = rig.tail.handle.lag().bytes;
    assert!(left <= 40 << 10 && left + frame_bytes > 40 << 10, "{left}");
}

/// A dead letter whose end cannot be looked at, for longer than the output may hold the journal.
#[test]
fn a_dead_letter_that_cannot_be_read_does_not_hold_the_journal() {
    let rig = Rig::new(limits(0, HOUR));
    rig.append(5);
    fs::create_dir(rig.dir.path().join("dead-letter/output-silent.ndjson")).unwrap();
    assert_eq!((rig.steps(), rig.waiting()), (0, 5));
    assert!(rig.tail.state().stuck_since.is_some());
    let error = rig.tail.health.error().unwrap();
    assert!(error.contains("the dead letter cannot be read"), "{error}");
    rig.stuck_for(STUCK);
    rig.steps();
    assert_eq!((rig.waiting(), rig.dropped("unwritable")), (0, 5));
}

fn oldest_segment(rig: &Rig) -> std::path::PathBuf {
    let files = fs::read_dir(rig.dir.path().join("journal")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let is_segment =
        |path: &std::path::PathBuf| path.extension().is_some_and(|name| name == "segment");
    paths.filter(is_segment).min().unwrap()
}

/// In place of its oldest file there is something that answers errors.
#[test]
fn a_journal_that_cannot_be_read_is_not_held() {
    let small = Config {
        segment_bytes: 64 << 10,
        ..Config::default()
    };
    let rig = Rig::over(TempDir::new().unwrap(), limits(10 << 10, HOUR), small);
    // More than a file.
    for _ in 0..5 {
        rig.append(60);
    }
    let path: &Path = &oldest_segment(&rig);
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    rig.steps();
    rig.stuck_for(STUCK);
    rig.steps();
    let lag = rig.tail.handle.lag();
    assert!(lag.bytes <= 10 << 10, "{lag:?}");
    assert!(lag.records < 20, "{lag:?}");
    let gone = rig.dropped("unreadable") + rig.letters() as u64;
    assert!(gone > 0, "{}", rig.telemetry.render());
}

#[test]
fn records_over_which_a_routing_panics_are_not_held() {
    let rig = Rig::new(limits(0, HOUR));
    rig.append_of("panic", 3);
    rig.append(2);
    assert!(caught(|| rig.tail.tend()).is_err());
    rig.tail.tending_panicked("words");
    let error = rig.tail.health.error().unwrap();
    assert!(error.ends_with("looked after: words"), "{error}");
    rig.stuck_for(STUCK);
    rig.steps();
    assert_eq!(rig.waiting(), 0);
    assert_eq!(rig.dropped("unreadable") + rig.letters() as u64, 5);
    assert_eq!(rig.tail.health.error(), None);
}

/// The thread and the watcher never both write a letter: it is written and the record passed at once.
#[test]
fn a_record_that_is_refused_is_not_taken_away_as_well() {
    let rig = Rig::new(limits(0, HOUR));
    rig.append(2);
    // As the thread does before anything else.
    rig.tail.cut_letters().unwrap();
    let mut cursor = rig.tail.cursor();
    let at = cursor.position();
    let Taken::View(view) = rig.tail.take(at, &mut cursor).unwrap() else {
        panic!("no chunk")
    };
    let wanted = view.wanted(rig.tail.id());
    assert_eq!(rig.tail.refuse(&wanted, 1, &[(0, "400")]).unwrap(), 1);
    rig.steps();
    assert_eq!((rig.waiting(), rig.letters()), (0, 2));
    // And the other way round.
    assert_eq!(rig.tail.refuse(&wanted, 2, &[(1, "400")]).unwrap(), 0);
    assert_eq!(rig.letters(), 2);
}
