//! The frames of a body while they are made.
//!
//! **Shape.** Records are written one behind the other; a frame that has its size is set aside and
//! the next one begun. Where the sender numbers its items, each frame says which of them it holds,
//! refused and dropped ones included: the numbers of all frames follow each other without a gap.

use gatelog_record::AccessRecord;
use gatelog_record::wire::{self, ItemsPlace, Origin};

use crate::senders::{Frame, Run, Sent};

/// Runs of refused items that are told apart in a body. What lies between those behind is taken, and
/// taken again if it is repeated.
const MAX_REFUSED_RUNS: usize = 4096;

/// A frame is full when it has grown to this.
pub(super) const FRAME_BYTES: usize = 512 << 10;

/// The frames of a body.
pub(super) struct Frames<'b> {
    /// Those that have their size.
    full: Vec<(Vec<u8>, Content)>,
    /// The one being made, in the thread's buffer.
    last: &'b mut Vec<u8>,
    content: Content,
    /// Who numbers the items, if anyone does.
    sent: Option<&'b Sent>,
    /// Items without a record behind the last one, neighbours of a kind together.
    without: Vec<(Without, u32)>,
    /// Places in the body of all items that were refused, where they are numbered.
    refused_runs: Vec<Run>,
}

/// What a frame holds.
#[derive(Clone, Copy, Debug, Default)]
struct Content {
    records: u32,
    /// Places in the body of its items, where they are numbered: the first, and behind the last.
    begin: u64,
    end: u64,
    items_at: ItemsPlace,
}

impl<'b> Frames<'b> {
    /// No frames yet; they are made in this buffer.
    pub(super) fn new(buffer: &'b mut Vec<u8>, sent: Option<&'b Sent>) -> Self {
        buffer.clear();
        Self {
            full: Vec::new(),
            last: buffer,
            content: Content::default(),
            sent,
            without: Vec::new(),
            refused_runs: Vec::new(),
        }
    }

    /// Appends a record; answers how many bytes it takes.
    pub(super) fn push(&mut self, record: &AccessRecord<'_>) -> usize {
        let before = self.last.len();
        if self.last.is_empty() {
            match self.sent {
                None => wire::begin_batch(self.last),
                Some(sent) => self.begin(sent),
            }
        }
        for (what, items) in self.without.drain(..) {
            what.write(items, self.last);
        }
        wire::write_record(record, self.last);
        self.content.records += 1;
        self.content.end += 1;
        let bytes = self.last.len() - before;
        if self.last.len() >= FRAME_BYTES {
            let next = Vec::with_capacity(FRAME_BYTES + FRAME_BYTES / 8);
            let mut full = std::mem::replace(self.last, next);
            let end = self.content.end;
            self.content.seal(&mut full);
            let begun = Content {
                begin: end,
                end,
                ..Content::default()
            };
            self.full
                .push((full, std::mem::replace(&mut self.content, begun)));
        }
        bytes
    }

    fn begin(&mut self, sent: &Sent) {
        let origin = Origin {
            stream: sent.name.stream(),
            // Numbers beyond the last that there is are refused in the end.
            first: sent.first.wrapping_add(self.content.begin),
            items: 0,
            checksum: sent.checksum,
        };
        self.content.items_at = wire::begin_batch_from(&origin, self.last);
    }

    /// Passes over an item that is no record.
    pub(super) fn refuse(&mut self) {
        if self.sent.is_none() {
            return;
        }
        let place = self.content.end;
        self.pass_over(Without::Refused);
        let full = self.refused_runs.len() >= MAX_REFUSED_RUNS;
        match self.refused_runs.last_mut() {
            Some(last) if last.end == place || full => last.end = place + 1,
            _ => self.refused_runs.push(Run::new(place, place + 1)),
        }
    }

    /// Passes over a record that is not to be kept.
    pub(super) fn drop_record(&mut self) {
        if self.sent.is_some() {
            self.pass_over(Without::Dropped);
        }
    }

    fn pass_over(&mut self, what: Without) {
        self.content.end += 1;
        match self.without.last_mut() {
            Some((last, items)) if *last == what => *items += 1,
            _ => self.without.push((what, 1)),
        }
    }

    /// Writes down what came without a record behind the last one.
    pub(super) fn finish(&mut self) {
        let frame = if self.content.records > 0 {
            Some((&mut *self.last, &mut self.content))
        } else {
            // The items behind the last full frame belong to it.
            let end = self.content.end;
            self.full.last_mut().map(|(bytes, content)| {
                content.end = end;
                (bytes, content)
            })
        };
        if self.sent.is_some()
            && let Some((bytes, content)) = frame
        {
            for (what, items) in self.without.drain(..) {
                what.write(items, bytes);
            }
            content.seal(bytes);
        }
    }

    /// All frames that have a record, as bytes and number of records.
    pub(super) fn all(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.contents()
            .map(|(bytes, content)| (bytes, content.records))
    }

    /// All frames that have a record, with the numbers of their items from the first that was sent.
    /// `None` when the numbers go beyond the last that there is.
    pub(super) fn numbered(&self, first: u64) -> Option<Vec<Frame<'_>>> {
        first.checked_add(self.content.end)?;
        let frame = |(bytes, content): (_, &Content)| Frame {
            bytes,
            records: content.records,
            numbers: Run::new(first + content.begin, first + content.end),
        };
        Some(self.contents().map(frame).collect())
    }

    /// The numbers of the items that were refused, in order, from the first that was sent. Without a
    /// frame nothing keeps the numbers of those that were dropped, and they are as refused ones.
    pub(super) fn refused(&self, first: u64) -> Vec<Run> {
        if self.contents().next().is_none() {
            let all = Run::new(first, first.saturating_add(self.content.end));
            return Vec::from_iter((!all.is_empty()).then_some(all));
        }
        let shifted = |run: &Run| {
            Run::new(
                first.saturating_add(run.start),
                first.saturating_add(run.end),
            )
        };
        self.refused_runs.iter().map(shifted).collect()
    }

    /// How many items there are, where they are numbered.
    pub(super) fn items(&self) -> u64 {
        self.content.end
    }

    fn contents(&self) -> impl Iterator<Item = (&[u8], &Content)> {
        let last = (self.content.records > 0).then_some((self.last.as_slice(), &self.content));
        let full = self.full.iter();
        full.map(|(bytes, content)| (bytes.as_slice(), content))
            .chain(last)
    }
}

/// Why an item is in no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Refused,
    Dropped,
}

impl Without {
    fn write(self, items: u32, batch: &mut Vec<u8>) {
        match self {
            Self::Refused => wire::write_refused(items, batch),
            Self::Dropped => wire::write_dropped(items, batch),
        }
    }
}

impl Content {
    /// Writes the number of items into the frame's origin.
    fn seal(&self, bytes: &mut [u8]) {
        if self.items_at != ItemsPlace::default() {
            let items = u32::try_from(self.end - self.begin).unwrap_or(u32::MAX);
            wire::set_items(self.items_at, items, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::senders::Name;

    fn record(path_bytes: usize) -> AccessRecord<'static> {
        AccessRecord {
            path: Some("x".repeat(path_bytes).into()),
            ..AccessRecord::default()
        }
    }

    fn sent(first: u64) -> Sent {
        Sent {
            name: Name::new(wire::Stream::Key { key: "k" }).unwrap(),
            first,
            dropped: None,
            checksum: None,
        }
    }

    #[test]
    fn a_body_is_spread_over_frames_of_our_size_and_no_record_is_cut() {
        let mut buffer = Vec::new();
        let mut frames = Frames::new(&mut buffer, None);
        for _ in 0..25 {
            frames.push(&record(FRAME_BYTES / 10));
        }
        frames.finish();
        let counts: Vec<_> = frames.all().map(|(_, records)| records).collect();
        assert_eq!(counts, [10, 10, 5]);
        for (frame, count) in frames.all() {
            let records = wire::read_batch(frame).unwrap();
            assert_eq!(records.filter_map(Result::ok).count(), count as usize);
            assert_eq!(wire::read_origin(frame), Ok(None));
        }
    }

    #[test]
    fn one_large_record_does_not_stay_with_the_thread() {
        let mut buffer = Vec::new();
        Frames::new(&mut buffer, None).push(&record(20 << 20));
        assert!(buffer.capacity() < 1 << 20, "{} bytes", buffer.capacity());
    }

    #[test]
    fn every_item_has_its_number_in_the_frame_that_it_came_to() {
        let (mut buffer, sent) = (Vec::new(), sent(1000));
        let mut frames = Frames::new(&mut buffer, Some(&sent));
        // Refused before, between and behind records, and behind the last full frame.
        let body = "..rr.r.rr..r..rr...";
        let body = body.replace("..r", ".-r");
        for item in body.chars() {
            match item {
                'r' => {
                    frames.push(&record(FRAME_BYTES / 4 + 1));
                }
                '-' => frames.drop_record(),
                _ => frames.refuse(),
            }
        }
        frames.finish();
        let numbered = frames.numbered(sent.first).unwrap();
        let runs: Vec<_> = numbered
            .iter()
            .map(|frame| (frame.records, frame.numbers.start, frame.numbers.end))
            .collect();
        assert_eq!(runs, [(4, 1000, 1008), (4, 1008, 1019)]);
        let refused = [(1000, 1001), (1004, 1005), (1006, 1007), (1009, 1010)];
        let mut refused = refused.map(|(start, end)| Run::new(start, end)).to_vec();
        refused.extend([Run::new(1012, 1013), Run::new(1016, 1019)]);
        assert_eq!(frames.refused(sent.first), refused);
        let mut told = String::new();
        for frame in &numbered {
            let origin = wire::read_origin(frame.bytes).unwrap().unwrap();
            assert_eq!(origin.first, frame.numbers.start);
            assert_eq!(u64::from(origin.items), frame.numbers.len());
            for item in wire::items(frame.bytes).unwrap() {
                match item.unwrap() {
                    wire::Item::Record(_) => told.push('r'),
                    wire::Item::Refused(count) => told.extend((0..count).map(|_| '.')),
                    wire::Item::Dropped(count) => told.extend((0..count).map(|_| '-')),
                }
            }
        }
        assert_eq!(told, body);
    }

    #[test]
    fn of_very_many_refused_items_the_last_are_one_run() {
        let (mut buffer, sent) = (Vec::new(), sent(0));
        let mut frames = Frames::new(&mut buffer, Some(&sent));
        for _ in 0..MAX_REFUSED_RUNS + 10 {
            frames.push(&record(1));
            frames.refuse();
        }
        let refused = frames.refused(0);
        assert_eq!(refused.len(), MAX_REFUSED_RUNS);
        let end = 2 * (MAX_REFUSED_RUNS as u64 + 10);
        assert_eq!(refused.last(), Some(&Run::new(end - 21, end)));
    }

    #[test]
    fn numbers_end_at_the_last_that_there_is() {
        let (mut buffer, sent) = (Vec::new(), sent(u64::MAX - 2));
        let mut frames = Frames::new(&mut buffer, Some(&sent));
        frames.push(&record(1));
        frames.push(&record(1));
        frames.finish();
        assert!(frames.numbered(sent.first).is_some());
        frames.push(&record(1));
        frames.finish();
        assert!(frames.numbered(u64::MAX - 2).is_none());
    }
}
