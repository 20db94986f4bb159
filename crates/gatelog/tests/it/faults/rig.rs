//! The load and the oracle of `gatelog chaos` around a process that a test starts and ends.

use std::net::SocketAddr;
use std::time::Duration;

use gatelog::command::chaos::books::Books;
use gatelog::command::chaos::load::{Load, Manner};
use gatelog::command::chaos::oracle::{Id, Verdict};
use gatelog::command::chaos::payload;
use gatelog::command::chaos::random::Random;
use gatelog::command::chaos::read_back::ReadBack;
use gatelog_testkit::gatelog::{Gatelog, Setup};
use gatelog_testkit::record::Timestamp;
use gatelog_testkit::wait;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// One lane of each manner, which is what most faults need.
pub(crate) const LANES: [Manner; 3] = [Manner::Plain, Manner::Numbered, Manner::Keyed];

/// A running load.
pub(crate) struct Rig {
    runtime: Runtime,
    address: watch::Sender<Option<SocketAddr>>,
    load: Option<Load>,
    pub(crate) books: Books,
}

impl Rig {
    /// A load that begins when a collector is [up](Self::up).
    pub(crate) fn new() -> Self {
        Self::with(&LANES)
    }

    /// A load of these lanes.
    pub(crate) fn with(lanes: &[Manner]) -> Self {
        Self::paced(lanes, 3000)
    }

    /// A load of these lanes, with at most so many records a second of them all.
    pub(crate) fn paced(lanes: &[Manner], rate: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = watch::Sender::new(None);
        let books = Books::default();
        let load = {
            let _entered = runtime.enter();
            Load::start(lanes, rate, &Random::new(1), &address.subscribe(), &books)
        };
        Self {
            runtime,
            address,
            load: Some(load),
            books,
        }
    }

    /// The lanes send to this one from now on.
    pub(crate) fn up(&self, gatelog: &Gatelog) {
        self.address.send_replace(Some(address(gatelog)));
    }

    /// The lanes wait.
    pub(crate) fn down(&self) {
        self.address.send_replace(None);
    }

    /// Waits until so many more batches are acknowledged.
    pub(crate) fn wait_for_batches(&self, count: u64) {
        let before = self.books.open().acknowledged;
        wait::until(
            "batches to be acknowledged",
            Duration::from_secs(30),
            || {
                let books = self.books.open();
                let more = books.acknowledged - before;
                if more >= count {
                    Ok(())
                } else {
                    Err((more, books.wrong.clone()))
                }
            },
        )
        .unwrap();
    }

    /// Sends a batch of so many records besides the load.
    pub(crate) fn send(&self, gatelog: &Gatelog, count: u64) {
        let lane = 1000;
        let numbers = self.books.open().oracle.issue(lane, count);
        let mut body = String::new();
        for number in numbers.clone() {
            let start = Timestamp::from_millis(1_774_231_801_217);
            payload::write(Id { lane, number }, start, 0, &mut body);
            body.push('\n');
        }
        assert_eq!(gatelog.ingest(&body).unwrap().0, 200);
        self.books.open().oracle.acknowledge(lane, numbers);
    }

    /// Ends the load: the last batches that are to be answered are, by this one.
    pub(crate) fn end_load(&mut self, gatelog: &Gatelog) {
        self.up(gatelog);
        let load = self.load.take().unwrap();
        self.runtime.block_on(load.finish()).unwrap();
    }

    /// Reads everything back from this one, for the oracle.
    pub(crate) fn read_back(&self, gatelog: &Gatelog) {
        let reader = ReadBack::new(address(gatelog), &self.books);
        self.runtime.block_on(reader.read()).unwrap();
    }

    /// Ends the load, reads everything back from this one, and tells what was found.
    pub(crate) fn finish(mut self, gatelog: &Gatelog) -> Verdict {
        self.end_load(gatelog);
        self.read_back(gatelog);
        let books = self.books.open();
        assert_eq!(books.wrong.count, 0, "{:?}", books.wrong.examples);
        books.oracle.verdict()
    }

    /// As [`finish`](Self::finish), and everything has to be right.
    pub(crate) fn finish_clean(self, gatelog: &Gatelog) -> Verdict {
        let verdict = self.finish(gatelog);
        assert!(verdict.is_clean(), "{verdict:?}");
        assert!(verdict.acknowledged > 0);
        verdict
    }
}

fn address(gatelog: &Gatelog) -> SocketAddr {
    let url = gatelog.url();
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// A process that is expected to listen.
pub(crate) fn start(setup: &Setup) -> Gatelog {
    setup.start().unwrap()
}

/// The peak of the resident memory so far, in MiB.
pub(crate) fn peak_mib(gatelog: &Gatelog) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gatelog.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .unwrap();
    kib.trim().parse::<u64>().unwrap() / 1024
}
