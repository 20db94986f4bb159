//! The form in which a checkpoint has what is known of a stream.
//!
//! All numbers are little endian:
//!
//! ```text
//! stream  = 1(u8) text sender, text boot, text worker, used(u64) numbers ledger
//!         | 2(u8) text key, used(u64) numbers checksum(u64)
//! text    = length(u16) bytes
//! numbers = floor(u64) runs(u32) (start(u64) end(u64))*
//! ledger  = received highest counted_from refused duplicates beyond_window dropped (u64 each)
//!           numbers, those refused
//!           first_seen last_seen (i64, microseconds)
//!           gaps(u32) (start(u64) end(u64) noticed(i64))*
//! ```

use gatelog_record::{Timestamp, wire};

use super::Name;
use super::gaps::{Gap, Gaps};
use super::ledger::Ledger;
use super::numbers::{Numbers, Run};
use super::stream::State;

/// In place of a stream, behind the last one.
pub(super) const END: u8 = 0;

/// Nobody counts so far, one by one. Below it there is room to go on.
const UNREACHED: u64 = 1 << 62;

const WORKER: u8 = 1;
const KEY: u8 = 2;

fn put(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_le_bytes());
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    // Names are bounded far below.
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_time(time: Timestamp, out: &mut Vec<u8>) {
    out.extend_from_slice(&time.micros().to_le_bytes());
}

/// Appends a stream.
pub(super) fn put_stream<T>(name: &Name, used: u64, state: &State<T>, out: &mut Vec<u8>) {
    match name.stream() {
        wire::Stream::Worker {
            sender,
            boot,
            worker,
        } => {
            out.push(WORKER);
            for text in [sender, boot, worker] {
                put_text(text, out);
            }
        }
        wire::Stream::Key { key } => {
            out.push(KEY);
            put_text(key, out);
        }
    }
    put(used, out);
    put_numbers(&state.durable, out);
    match &state.ledger {
        Some(ledger) => put_ledger(ledger, out),
        None => put(state.checksum.unwrap_or_default(), out),
    }
}

fn put_numbers(numbers: &Numbers, out: &mut Vec<u8>) {
    put(numbers.floor(), out);
    put_count(numbers.runs().len(), out);
    for run in numbers.runs() {
        put(run.start, out);
        put(run.end, out);
    }
}

fn put_ledger(ledger: &Ledger, out: &mut Vec<u8>) {
    for number in [
        ledger.received,
        ledger.highest,
        ledger.counted_from,
        ledger.refused_items,
        ledger.duplicates,
        ledger.beyond_window,
        ledger.dropped,
    ] {
        put(number, out);
    }
    put_numbers(&ledger.refused, out);
    put_time(ledger.first_seen, out);
    put_time(ledger.last_seen, out);
    put_count(ledger.gaps.list().len(), out);
    for gap in ledger.gaps.list() {
        put(gap.run.start, out);
        put(gap.run.end, out);
        put_time(gap.noticed, out);
    }
}

/// A stream read back.
pub(super) struct Restored {
    pub(super) name: Name,
    pub(super) used: u64,
    pub(super) durable: Numbers,
    pub(super) checksum: Option<u64>,
    pub(super) ledger: Option<Ledger>,
}

/// What is left to be read.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of these bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn count(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn time(&mut self) -> Option<Timestamp> {
        let micros = i64::from_le_bytes(self.array()?);
        Some(Timestamp::from_micros(micros))
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u16::from_le_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn run(&mut self) -> Option<Run> {
        Some(Run::new(self.number()?, self.number()?))
    }

    /// The next stream; an inner `None` behind the last one.
    #[expect(clippy::option_option, reason = "damage, the end, a stream")]
    pub(super) fn stream(&mut self) -> Option<Option<Restored>> {
        let kind = self.byte()?;
        let stream = match kind {
            END => return self.0.is_empty().then_some(None),
            WORKER => wire::Stream::Worker {
                sender: self.text()?,
                boot: self.text()?,
                worker: self.text()?,
            },
            KEY => wire::Stream::Key { key: self.text()? },
            _ => return None,
        };
        let name = Name::new(stream)?;
        let used = self.number().filter(|used| *used < UNREACHED)?;
        let durable = self.numbers()?;
        let (checksum, ledger) = if kind == WORKER {
            (None, Some(self.ledger()?))
        } else {
            (Some(self.number()?), None)
        };
        Some(Some(Restored {
            name,
            used,
            durable,
            checksum,
            ledger,
        }))
    }

    fn numbers(&mut self) -> Option<Numbers> {
        let floor = self.number()?;
        let runs = (0..self.count()?).map(|_| self.run());
        Numbers::from_runs(floor, runs.collect::<Option<_>>()?)
    }

    fn ledger(&mut self) -> Option<Ledger> {
        let mut ledger = Ledger::new(0, Timestamp::EPOCH);
        ledger.received = self.number()?;
        ledger.highest = self.number()?;
        ledger.counted_from = self.number()?;
        ledger.refused_items = self.number()?;
        ledger.duplicates = self.number()?;
        ledger.beyond_window = self.number()?;
        ledger.dropped = self.number()?;
        ledger.refused = self.numbers()?;
        ledger.first_seen = self.time()?;
        ledger.last_seen = self.time()?;
        let gaps = (0..self.count()?).map(|_| {
            Some(Gap {
                run: self.run()?,
                noticed: self.time()?,
                since: None,
            })
        });
        let whole = Run::new(ledger.counted_from, ledger.highest);
        ledger.gaps = Gaps::from_list(gaps.collect::<Option<_>>()?, whole)?;
        let counted = [ledger.duplicates, ledger.beyond_window];
        let possible = ledger.counted_from <= ledger.highest
            && ledger.received <= whole.len()
            && counted.iter().all(|count| *count < UNREACHED);
        possible.then_some(ledger)
    }
}
