//! Frames without the records that are known already.

use gatelog_record::WireError;
use gatelog_record::wire::{self, Item, Origin, Stream};

use super::numbers::Run;

/// A frame of a body, ready to be appended.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// A batch with an origin.
    pub bytes: &'a [u8],
    /// How many records it holds.
    pub records: u32,
    /// Numbers of its items.
    pub numbers: Run,
}

/// A frame made of a part of another one.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) bytes: Vec<u8>,
    pub(super) records: u32,
    pub(super) numbers: Run,
}

impl Piece {
    /// As a frame.
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame {
            bytes: &self.bytes,
            records: self.records,
            numbers: self.numbers,
        }
    }
}

/// The pieces of a frame of this body that have these numbers, which are in order. Those without a
/// record are left out.
pub(super) fn cut(
    frame: &Frame<'_>,
    stream: Stream<'_>,
    checksum: Option<u64>,
    wanted: &[Run],
) -> Result<Vec<Piece>, WireError> {
    let mut pieces = Vec::new();
    let mut number = frame.numbers.start;
    let mut items = wire::items(frame.bytes)?;
    // A record that lies behind the piece at hand.
    let mut held = None;
    let dropped = dropped(frame)?;
    for run in wanted {
        let run = run.and(frame.numbers);
        if run.is_empty() {
            continue;
        }
        let mut piece = Draft::new(stream, checksum, run, &dropped);
        while let Some((at, record)) = held.take().map_or_else(
            || next_record(&mut items, &mut number),
            |held| Ok(Some(held)),
        )? {
            if at >= run.end {
                held = Some((at, record));
                break;
            }
            if at >= run.start {
                piece.push(at, record);
            }
        }
        pieces.extend(piece.finish());
    }
    Ok(pieces)
}

/// The next record and its number. `number` is that of the next item.
fn next_record<'a>(
    items: &mut wire::Items<'a>,
    number: &mut u64,
) -> Result<Option<(u64, &'a [u8])>, WireError> {
    for item in items {
        match item? {
            Item::Refused(count) | Item::Dropped(count) => *number = number.saturating_add(count),
            Item::Record(bytes) => {
                let at = *number;
                *number = number.saturating_add(1);
                return Ok(Some((at, bytes)));
            }
        }
    }
    Ok(None)
}

/// The numbers of a frame's records that were not to be kept, in order.
fn dropped(frame: &Frame<'_>) -> Result<Vec<Run>, WireError> {
    let (mut number, mut dropped) = (frame.numbers.start, Vec::new());
    for item in wire::items(frame.bytes)? {
        let before = number;
        let (items, is_dropped) = match item? {
            Item::Record(_) => (1, false),
            Item::Refused(items) => (items, false),
            Item::Dropped(items) => (items, true),
        };
        number = number.saturating_add(items);
        if is_dropped {
            dropped.push(Run::new(before, number));
        }
    }
    Ok(dropped)
}

/// A piece being made.
struct Draft<'d> {
    /// Numbers of what was dropped, in the whole frame.
    dropped: &'d [Run],
    bytes: Vec<u8>,
    records: u32,
    numbers: Run,
    /// Number of the item that would come next.
    next: u64,
}

impl<'d> Draft<'d> {
    fn new(stream: Stream<'_>, checksum: Option<u64>, numbers: Run, dropped: &'d [Run]) -> Self {
        let mut bytes = Vec::new();
        let origin = Origin {
            stream,
            first: numbers.start,
            items: items_of(numbers),
            checksum,
        };
        wire::begin_batch_from(&origin, &mut bytes);
        Self {
            dropped,
            bytes,
            records: 0,
            numbers,
            next: numbers.start,
        }
    }

    fn push(&mut self, number: u64, record: &[u8]) {
        self.skip_to(number);
        self.bytes.extend_from_slice(record);
        self.records += 1;
        self.next = number.saturating_add(1);
    }

    /// Items without a record lie before this number.
    fn skip_to(&mut self, number: u64) {
        let skipped = Run::new(self.next, number);
        let mut at = skipped.start;
        for run in self.dropped.iter().map(|run| run.and(skipped)) {
            if !run.is_empty() {
                self.refuse(Run::new(at, run.start));
                wire::write_dropped(items_of(run), &mut self.bytes);
                at = run.end;
            }
        }
        self.refuse(Run::new(at, number));
    }

    fn refuse(&mut self, run: Run) {
        if !run.is_empty() {
            wire::write_refused(items_of(run), &mut self.bytes);
        }
    }

    fn finish(mut self) -> Option<Piece> {
        self.skip_to(self.numbers.end);
        (self.records > 0).then_some(Piece {
            bytes: self.bytes,
            records: self.records,
            numbers: self.numbers,
        })
    }
}

/// How many items a frame with these numbers has.
fn items_of(numbers: Run) -> u32 {
    u32::try_from(numbers.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use gatelog_record::{AccessRecord, Timestamp, standard};
    use proptest::prelude::*;

    use super::*;

    const STREAM: Stream<'_> = Stream::Key { key: "k" };

    /// Numbers of the records in a batch, as its origin and its refused items tell them; the record
    /// with a number has that number in it.
    fn numbers_in(batch: &[u8]) -> Vec<u64> {
        let origin = wire::read_origin(batch).unwrap().unwrap();
        assert_eq!(origin.checksum, Some(7));
        let (mut number, mut numbers) = (origin.first, Vec::new());
        let mut records = wire::read_batch(batch).unwrap();
        for item in wire::items(batch).unwrap() {
            match item.unwrap() {
                Item::Refused(count) => number += count,
                Item::Dropped(count) => {
                    assert!((number..number + count).all(is_dropped));
                    number += count;
                }
                Item::Record(_) => {
                    let record = records.next().unwrap().unwrap();
                    assert_eq!(record, record_with(number));
                    numbers.push(number);
                    number += 1;
                }
            }
        }
        assert_eq!(number, origin.first + u64::from(origin.items));
        numbers
    }

    /// Of the numbers without a record.
    fn is_dropped(number: u64) -> bool {
        number.is_multiple_of(3)
    }

    fn record_with(number: u64) -> AccessRecord<'static> {
        standard::record(number, Timestamp::EPOCH)
    }

    proptest! {
        #[test]
        fn pieces_have_what_was_wanted(
            taken in prop::collection::vec(any::<bool>(), 1..60),
            first in 0u64..50,
            wanted in prop::collection::vec((1u64..10, 1u64..10), 0..8),
        ) {
            let numbers = Run::new(first, first + taken.len() as u64);
            let has_record = |number: u64| taken[usize::try_from(number - first).unwrap()];
            let without = (first..numbers.end).filter(|number| !has_record(*number));
            let dropped: Vec<Run> = without
                .filter(|number| is_dropped(*number))
                .map(|number| Run::new(number, number + 1))
                .collect();
            let mut draft = Draft::new(STREAM, Some(7), numbers, &dropped);
            let mut record = Vec::new();
            for (index, taken) in taken.iter().enumerate() {
                if *taken {
                    let number = first + index as u64;
                    record.clear();
                    wire::write_record(&record_with(number), &mut record);
                    draft.push(number, &record);
                }
            }
            let Some(whole) = draft.finish() else { return Ok(()) };
            let frame = Frame { bytes: &whole.bytes, records: whole.records, numbers: whole.numbers };
            let mut runs = Vec::new();
            let mut end = 0;
            for (gap, length) in wanted {
                runs.push(Run::new(end + gap, end + gap + length));
                end += gap + length;
            }
            let pieces = cut(&frame, STREAM, Some(7), &runs).unwrap();
            let mut found = Vec::new();
            for piece in &pieces {
                let numbers = numbers_in(&piece.bytes);
                let of_piece = dropped.iter().filter(|run| !run.and(piece.numbers).is_empty());
                let told = super::dropped(&piece.frame()).unwrap();
                prop_assert_eq!(told, of_piece.copied().collect::<Vec<_>>());
                prop_assert!(!numbers.is_empty() && numbers.len() == piece.records as usize);
                found.extend(numbers);
            }
            let is_wanted = |number: &u64| runs.iter().any(|run| (run.start..run.end).contains(number));
            let expected: Vec<u64> = numbers_in(&whole.bytes).into_iter().filter(is_wanted).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
