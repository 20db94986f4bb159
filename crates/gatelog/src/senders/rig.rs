//! For tests: a journal, what is known of its senders, and bodies.

use std::path::Path;

use gatelog_journal::{Config, Journal, Read, Start};
use gatelog_record::wire::{
    Origin, Stream, begin_batch_from, read_batch, read_origin, write_record,
};
use gatelog_record::{Timestamp, standard};

use super::{Error, Frame, Keeper, Moment, Name, READER, Run, Senders, Sent, Taken, restore};

/// A journal in a directory, with its senders.
pub(super) struct Rig {
    pub(super) journal: std::sync::Arc<Journal>,
    pub(super) senders: std::sync::Arc<Senders>,
    reader: gatelog_journal::Reader,
    dir: std::path::PathBuf,
}

impl Rig {
    /// As the service starts.
    pub(super) fn open(dir: &Path) -> Self {
        let journal = Journal::open(&dir.join("journal"), Config::default()).unwrap();
        let mut reader = journal.reader(READER, Start::Oldest).unwrap();
        let (senders, wanted) = restore::restore(dir, &journal).unwrap();
        restore::catch_up(&senders, &journal, &mut reader, wanted, journal.end());
        Self {
            journal: journal.into(),
            senders: senders.into(),
            reader,
            dir: dir.to_owned(),
        }
    }

    /// The same with other bounds, and nothing restored.
    pub(super) fn with_bounds(mut self, workers: usize, key_bytes: usize, keys: usize) -> Self {
        self.senders = Senders::with_bounds(workers, key_bytes, keys).into();
        self
    }

    /// Ends as the service does.
    pub(super) fn stop(self) {
        let end = self.journal.end();
        let keeper = Keeper::start(
            self.dir,
            self.senders,
            self.journal,
            self.reader,
            end,
            10 << 30,
        );
        keeper.unwrap().stop();
    }

    /// Sends records with these numbers, and does not wait for the answer.
    pub(super) fn send(&self, name: &Name, numbers: std::ops::Range<u64>) -> Result<Taken, Error> {
        let sent = Sent {
            name: name.clone(),
            first: numbers.start,
            dropped: None,
            checksum: None,
        };
        let mut batch = Vec::new();
        let origin = Origin {
            stream: name.stream(),
            first: numbers.start,
            items: u32::try_from(numbers.end - numbers.start).unwrap(),
            checksum: None,
        };
        begin_batch_from(&origin, &mut batch);
        for number in numbers.clone() {
            write_record(&standard::record(number, Timestamp::EPOCH), &mut batch);
        }
        let frame = Frame {
            bytes: &batch,
            records: origin.items,
            numbers: Run::new(numbers.start, numbers.end),
        };
        self.senders
            .take(&self.journal, &sent, &[frame], &[], Moment::now())
    }

    /// Sends records with these numbers; how many were accepted and how many duplicates.
    pub(super) fn sends(&self, name: &Name, numbers: std::ops::Range<u64>) -> (u64, u64) {
        let taken = self.send(name, numbers).unwrap();
        wait(taken)
    }

    /// Numbers of the records in the journal, each as often as it is there.
    pub(super) fn journaled(&self, name: &Name) -> Vec<u64> {
        let mut reader = self.journal.reader("rig", Start::Oldest).unwrap();
        let mut numbers = Vec::new();
        while let Read::Chunk(chunk) = reader.read(1 << 20).unwrap() {
            for frame in chunk {
                let origin = read_origin(frame.payload).unwrap().unwrap();
                if origin.stream == name.stream() {
                    let records = read_batch(frame.payload).unwrap().count() as u64;
                    numbers.extend(origin.first..origin.first + records);
                }
            }
        }
        numbers
    }
}

/// Waits until all of it is durable.
pub(super) fn wait(taken: Taken) -> (u64, u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    for appended in taken.appended {
        runtime.block_on(appended).unwrap();
    }
    (taken.accepted, taken.duplicates)
}

pub(super) fn worker(worker: &str) -> Name {
    Name::new(Stream::Worker {
        sender: "gw",
        boot: "1",
        worker,
    })
    .unwrap()
}

pub(super) fn key(key: &str) -> Name {
    Name::new(Stream::Key { key }).unwrap()
}
