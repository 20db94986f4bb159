//! A journal in use, step by step, until it ends.

use std::collections::BTreeMap;

use gatelog_journal::{Journal, Reader, Start};
use gatelog_testkit::conservation::{Ledger, Reading};
use gatelog_testkit::disk::{Crash, SimulatedDisk};

use crate::program::Program;
use crate::reading::{READER, append, open, read_all};

/// A frame that was acknowledged, and where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// Where its round begins, which is what was appended with it.
    pub(crate) round: u64,
}

/// The machine as the next start finds it.
#[derive(Debug)]
pub(crate) struct After {
    pub(crate) disk: SimulatedDisk,
    pub(crate) segment_bytes: u64,
    pub(crate) ledger: Ledger,
    /// By number.
    pub(crate) places: BTreeMap<usize, Place>,
    /// All before this number may be gone.
    pub(crate) released: usize,
    pub(crate) has_released: bool,
}

impl After {
    /// The numbers that are owed, if nothing was touched.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = usize> {
        self.places
            .range(self.released..)
            .map(|(number, _)| *number)
    }
}

/// The machine while it runs.
pub(crate) struct Machine {
    is: After,
    opened: Option<(Journal, Reader, Reading)>,
}

impl Machine {
    pub(crate) fn new(size: u64) -> Self {
        let is = After {
            disk: SimulatedDisk::new(size),
            segment_bytes: 200 + size * 4,
            ledger: Ledger::default(),
            places: BTreeMap::new(),
            released: 0,
            has_released: false,
        };
        Self { is, opened: None }
    }

    /// One step; `program` has what it needs.
    pub(crate) fn step(&mut self, step: u8, program: &mut Program<'_>) {
        match step % 8 {
            0..=2 => {
                let lengths: Vec<_> = (0..=step % 3)
                    .map(|_| usize::from(program.byte()))
                    .collect();
                self.append(&lengths);
            }
            3 => self.append(&[usize::from(program.short() % 2048)]),
            4 => self.release(),
            5 => self.opened = None,
            6 => self.crash(program.byte()),
            _ => {
                self.open();
                let at = self.is.disk.changes() + u64::from(program.byte() % 8);
                self.is.disk.fail_power_at(at);
            }
        }
    }

    /// The journal with its reader, unless the power is off.
    fn open(&mut self) {
        if self.opened.is_some() {
            return;
        }
        let Ok(journal) = open(&self.is.disk, self.is.segment_bytes) else {
            assert!(self.is.disk.is_off(), "it opens");
            return;
        };
        if let Ok(reader) = journal.reader(READER, Start::Oldest) {
            let reading = Reading::after(self.is.released);
            self.opened = Some((journal, reader, reading));
        }
    }

    fn append(&mut self, lengths: &[usize]) {
        self.open();
        let Some((journal, ..)) = &self.opened else {
            return;
        };
        let made: Vec<_> = lengths
            .iter()
            .map(|length| self.is.ledger.payload(*length))
            .collect();
        let payloads: Vec<_> = made.iter().map(|(_, payload)| payload.clone()).collect();
        // A refusal is no obligation.
        let appended = append(journal, &payloads).unwrap_or_default();
        let round = appended.first().map_or(0, |first| first.from);
        for ((number, _), seen) in made.iter().zip(appended) {
            self.is.ledger.acknowledge(*number);
            let (from, to) = (seen.from, seen.to);
            self.is.places.insert(*number, Place { from, to, round });
        }
    }

    /// Reads all and releases it.
    fn release(&mut self) {
        self.open();
        let Some((_, reader, reading)) = &mut self.opened else {
            return;
        };
        if self.is.disk.is_off() {
            return;
        }
        for seen in read_all(reader, 700) {
            let payload = seen.payload.as_deref();
            let Some(payload) = payload else {
                panic!("told of damage: {seen:?}");
            };
            if let Err(error) = reading.take(&self.is.ledger, payload) {
                panic!("{error}");
            }
        }
        self.is.released = reading.next();
        self.is.has_released = true;
        // Refused or not: it may be done.
        let _refused = reader.release(reader.position()).is_err();
    }

    fn crash(&mut self, how: u8) {
        let how = match how % 4 {
            0 => Crash::Process,
            1 => Crash::LoseUnsynced,
            _ => Crash::PowerFailure { seed: how.into() },
        };
        let disk = self.is.disk.crash(how);
        self.opened = None;
        self.is.disk = disk;
    }

    /// It ends, in the end.
    pub(crate) fn end(mut self, how: u8) -> After {
        if how == 0 {
            self.opened = None;
        }
        self.crash(how);
        self.is
    }
}
