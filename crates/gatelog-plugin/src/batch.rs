//! The queue of one worker: records in, batches out, never more bytes than allowed.
//!
//! **Shape.** One batch is open; it is full by number or by bytes, or due by age, and then waits
//! its turn. A batch that was taken still counts against the bytes until it is settled, so the cap
//! holds whatever the collector does.
//!
//! **Invariants.** Records are numbered without gaps as they come. A batch keeps its first number
//! for good, also through retries; batches wait in the order of their numbers. A number that never
//! reaches the collector is a record that was dropped.
//!
//! **Limits.** When a record finds no room, the oldest batch that waits is dropped, whole; what is
//! in flight is never dropped, as it may have arrived. A batch that is halved needs a byte more than
//! before, which no room is made for.

use std::collections::VecDeque;

/// When batches are full, and how much may be held.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Records of a batch; 1 makes bodies of a single object.
    pub batch_records: u32,
    /// Bytes of a batch.
    pub batch_bytes: usize,
    /// Age of the oldest record of a batch that is not full.
    pub flush_interval_ns: u64,
    /// Bytes of all batches, taken ones included.
    pub queue_bytes: usize,
}

/// Records that travel together.
#[derive(Debug, Default)]
pub struct Batch {
    /// Number of the first record.
    pub sequence: u64,
    /// How many there are.
    pub records: u32,
    /// How often the collector answered that it would not take it.
    pub refusals: u32,
    body: String,
    /// Where each record ends in the body.
    ends: Vec<usize>,
    begun_ns: u64,
}

/// What waits, and the batch that is being filled.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    open: Batch,
    waiting: VecDeque<Batch>,
    /// Of the open batch and those that wait.
    bytes: usize,
    /// Of those that were taken and not settled.
    taken_bytes: usize,
    next_sequence: u64,
}

impl Batch {
    /// The body to post: an array, or a single object where batches have one record.
    pub fn body(&self) -> &[u8] {
        self.body.as_bytes()
    }

    /// Two batches of it, each with its own number; itself where it has a single record.
    fn halve(self) -> Result<(Self, Self), Self> {
        let half = self.records / 2;
        let place = usize::try_from(half).unwrap_or(usize::MAX);
        let cut = place.checked_sub(1).and_then(|last| self.ends.get(last));
        let Some((first, second)) = cut.and_then(|cut| self.body.split_at_checked(*cut)) else {
            return Err(self);
        };
        let mut ends = self.ends.clone();
        let mut second_ends = ends.split_off(place.min(ends.len()));
        // The comma before becomes the bracket.
        for end in &mut second_ends {
            *end = end.saturating_sub(first.len());
        }
        let of = |sequence, records, body, ends| Self {
            sequence,
            records,
            refusals: 0,
            body,
            ends,
            begun_ns: self.begun_ns,
        };
        let rest = second.strip_prefix(',').unwrap_or(second);
        Ok((
            of(self.sequence, half, format!("{first}]"), ends),
            of(
                self.sequence + u64::from(half),
                self.records - half,
                format!("[{rest}"),
                second_ends,
            ),
        ))
    }
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Batch::default(),
            waiting: VecDeque::new(),
            bytes: 0,
            taken_bytes: 0,
            next_sequence: 0,
        }
    }

    /// Appends a record, a JSON object; says how many records were dropped for want of room, this
    /// one included. The clock is asked where a batch begins.
    pub fn push(&mut self, record: &str, now_ns: impl FnOnce() -> u64) -> u64 {
        // A bracket or comma before it, a bracket behind it.
        let size = record.len() + 2;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        if self.taken_bytes + size > self.limits.queue_bytes {
            // Dropping others would not help. The next batch must not span the missing number.
            self.seal();
            return 1;
        }
        let dropped = self.make_room(size);
        if self.open.records > 0 && self.open.body.len() + size > self.limits.batch_bytes {
            self.seal();
        }
        if self.open.records == 0 {
            self.open.sequence = sequence;
            self.open.begun_ns = now_ns();
        }
        let before = self.open.body.len();
        if self.limits.batch_records > 1 {
            self.open
                .body
                .push(if self.open.records == 0 { '[' } else { ',' });
        }
        self.open.body.push_str(record);
        self.open.ends.push(self.open.body.len());
        self.open.records += 1;
        self.bytes += self.open.body.len() - before;
        if self.open.records >= self.limits.batch_records
            || self.open.body.len() >= self.limits.batch_bytes
        {
            self.seal();
        }
        dropped
    }

    /// Drops the oldest until `size` more bytes fit.
    fn make_room(&mut self, size: usize) -> u64 {
        let mut dropped = 0;
        while self.bytes + self.taken_bytes + size > self.limits.queue_bytes {
            if self.waiting.is_empty() {
                self.seal();
            }
            let Some(oldest) = self.pop() else {
                break;
            };
            dropped += u64::from(oldest.records);
        }
        dropped
    }

    fn pop(&mut self) -> Option<Batch> {
        let batch = self.waiting.pop_front()?;
        self.bytes = self.bytes.saturating_sub(batch.body.len());
        Some(batch)
    }

    /// Ends the open batch.
    fn seal(&mut self) {
        if self.open.records == 0 {
            return;
        }
        let mut batch = std::mem::take(&mut self.open);
        if self.limits.batch_records > 1 {
            batch.body.push(']');
            self.bytes += 1;
        }
        self.waiting.push_back(batch);
    }

    /// The batch that should leave now, if there is one: full, or due by its age.
    pub fn take(&mut self, now_ns: u64) -> Option<Batch> {
        let age_ns = now_ns.saturating_sub(self.open.begun_ns);
        if self.waiting.is_empty() && age_ns >= self.limits.flush_interval_ns {
            self.seal();
        }
        let batch = self.pop()?;
        self.taken_bytes += batch.body.len();
        Some(batch)
    }

    /// Makes the open batch due whatever its age.
    pub fn flush(&mut self) {
        self.seal();
    }

    /// Puts back a batch that was taken and did not arrive, at its place.
    pub fn put_back(&mut self, batch: Batch) {
        self.settle(&batch);
        self.bytes += batch.body.len();
        let place = self
            .waiting
            .partition_point(|other| other.sequence < batch.sequence);
        self.waiting.insert(place, batch);
    }

    /// Puts back two halves of a batch that was taken and is too large for the collector.
    ///
    /// # Errors
    /// It has a single record, and is settled.
    pub fn put_back_halves(&mut self, batch: Batch) -> Result<(), Batch> {
        match batch.halve() {
            Ok((first, second)) => {
                // The sum of the halves is one byte more.
                self.taken_bytes += 1;
                self.put_back(first);
                self.put_back(second);
                Ok(())
            }
            Err(single) => {
                self.settle(&single);
                Err(single)
            }
        }
    }

    /// Whether a batch waits that is full, or was put back.
    pub fn has_full(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Ends a batch that was taken: it arrived, or is given up.
    pub fn settle(&mut self, batch: &Batch) {
        self.taken_bytes = self.taken_bytes.saturating_sub(batch.body.len());
    }

    /// Drops everything that waits; says how many records that were.
    pub fn clear(&mut self) -> u64 {
        self.seal();
        let mut dropped = 0;
        while let Some(batch) = self.pop() {
            dropped += u64::from(batch.records);
        }
        dropped
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.open.records == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(batch_records: u32, batch_bytes: usize, queue_bytes: usize) -> Queue {
        Queue::new(Limits {
            batch_records,
            batch_bytes,
            flush_interval_ns: 1000,
            queue_bytes,
        })
    }

    fn text(batch: &Batch) -> &str {
        std::str::from_utf8(batch.body()).unwrap()
    }

    #[test]
    fn a_batch_is_full_by_number() {
        let mut queue = queue(2, 1000, 10_000);
        queue.push("{1}", || 0);
        assert!(queue.take(0).is_none());
        queue.push("{2}", || 0);
        queue.push("{3}", || 0);
        let batch = queue.take(0).unwrap();
        assert_eq!(
            (text(&batch), batch.sequence, batch.records),
            ("[{1},{2}]", 0, 2)
        );
        assert!(queue.take(0).is_none());
    }

    #[test]
    fn a_batch_is_full_by_bytes_and_a_large_record_travels_alone() {
        let mut queue = queue(100, 10, 10_000);
        for record in ["{1}", "{2}", "{a large record}", "{3}"] {
            queue.push(record, || 0);
        }
        let batches: Vec<Batch> = std::iter::from_fn(|| queue.take(0)).collect();
        let texts: Vec<&str> = batches.iter().map(text).collect();
        assert_eq!(texts, ["[{1},{2}]", "[{a large record}]"]);
    }

    #[test]
    fn a_batch_is_due_by_the_age_of_its_oldest_record() {
        let mut queue = queue(100, 1000, 10_000);
        queue.push("{1}", || 500);
        queue.push("{2}", || 1400);
        assert!(queue.take(1499).is_none());
        assert_eq!(queue.take(1500).unwrap().records, 2);
        assert!(queue.take(9999).is_none());
    }

    #[test]
    fn batches_of_one_are_single_objects() {
        let mut queue = queue(1, 1000, 10_000);
        queue.push("{1}", || 0);
        assert_eq!(text(&queue.take(0).unwrap()), "{1}");
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room_and_numbers_tell() {
        let mut queue = queue(1, 10, 13);
        for record in ["{111}", "{222}"] {
            assert_eq!(queue.push(record, || 0), 0);
        }
        assert_eq!(queue.push("{333}", || 0), 1);
        let left: Vec<Batch> = std::iter::from_fn(|| queue.take(0)).collect();
        let left: Vec<_> = left
            .iter()
            .map(|batch| (text(batch), batch.sequence))
            .collect();
        assert_eq!(left, [("{222}", 1), ("{333}", 2)]);
    }

    #[test]
    fn what_is_in_flight_holds_its_bytes_until_it_is_settled() {
        let mut queue = queue(1, 10, 12);
        queue.push("{111}", || 0);
        let taken = queue.take(0).unwrap();
        assert_eq!(queue.push("{222}", || 0), 0);
        assert_eq!(queue.push("{333}", || 0), 1, "222 goes, 111 stays");
        assert_eq!(queue.push("{too large}", || 0), 1, "itself only");
        queue.settle(&taken);
        assert_eq!(queue.push("{555}", || 0), 0);
        let left: Vec<u64> = std::iter::from_fn(|| queue.take(0))
            .map(|batch| batch.sequence)
            .collect();
        assert_eq!(left, [2, 4]);
    }

    #[test]
    fn a_batch_that_comes_back_keeps_its_number_and_its_place() {
        let mut queue = queue(1, 10, 100);
        for record in ["{1}", "{2}", "{3}"] {
            queue.push(record, || 0);
        }
        let (first, second) = (queue.take(0).unwrap(), queue.take(0).unwrap());
        queue.put_back(second);
        queue.put_back(first);
        let order: Vec<u64> = std::iter::from_fn(|| queue.take(0))
            .map(|batch| batch.sequence)
            .collect();
        assert_eq!(order, [0, 1, 2]);
    }

    #[test]
    fn a_batch_is_halved_until_single_records_are_left() {
        let mut queue = queue(5, 1000, 10_000);
        for number in 0..5 {
            queue.push(&format!("{{{number}}}"), || 0);
        }
        let mut singles = Vec::new();
        while let Some(batch) = queue.take(0) {
            if let Err(single) = queue.put_back_halves(batch) {
                singles.push((text(&single).to_owned(), single.sequence, single.records));
            }
        }
        let expected: Vec<_> = (0..5)
            .map(|number| (format!("[{{{number}}}]"), number, 1))
            .collect();
        assert_eq!(singles, expected);
        assert_eq!((queue.bytes, queue.taken_bytes), (0, 0));
    }

    #[test]
    fn no_batch_spans_a_number_that_is_missing() {
        let mut queue = queue(100, 1000, 30);
        queue.push("{0}", || 0);
        assert_eq!(queue.push(&"x".repeat(40), || 0), 1);
        queue.push("{2}", || 0);
        queue.flush();
        let batches: Vec<Batch> = std::iter::from_fn(|| queue.take(0)).collect();
        let numbers: Vec<(u64, u32)> = batches.iter().map(|b| (b.sequence, b.records)).collect();
        assert_eq!(numbers, [(0, 1), (2, 1)]);
        assert!(queue.is_empty());
    }
}
