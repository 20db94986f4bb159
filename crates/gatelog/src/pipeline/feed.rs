//! What is written next: gathered, read and decoded, also while the store is still at the batch
//! before.
//!
//! **Limits.** Two batches are in memory at the most: the one that is written, and the next.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gatelog_journal::{Damage, Error, Position, Read, Reader};
use gatelog_record::AccessRecord;
use gatelog_store::Gathering;
use tokio::sync::watch;

use super::frames::Decoded;

/// How often it is looked how many records wait.
const GATHER_TICK: Duration = Duration::from_millis(10);

/// The least that is read at once, after failures: what a slow network carries in time.
const LEAST_CHUNK_BYTES: usize = 8 << 10;

/// After so many records it is looked whether the store has something to do.
const TURN_RECORDS: usize = 64;

/// What is written at once.
pub(super) struct Batch<'b> {
    pub(super) begin: Position,
    pub(super) end: Position,
    pub(super) decoded: Decoded<'b>,
    /// There are no frames where some were: the position has to come behind it, too.
    pub(super) damage: Option<Damage>,
}

/// Reads batches for one store.
pub(super) struct Feed {
    pub(super) reader: Reader,
    gathering: Gathering,
    /// How much is read at once: as much as is gathered, less while writing fails.
    chunk_bytes: usize,
    /// Where batches end, in order.
    milestones: VecDeque<Position>,
    /// Room for the records of a batch.
    spare: Vec<AccessRecord<'static>>,
    stop: watch::Receiver<bool>,
}

impl Feed {
    pub(super) fn new(reader: Reader, gathering: Gathering, stop: watch::Receiver<bool>) -> Self {
        Self {
            reader,
            gathering,
            chunk_bytes: gathering.bytes,
            milestones: VecDeque::new(),
            spare: Vec::new(),
            stop,
        }
    }

    /// From now on batches end at these positions, in order, where frames do.
    pub(super) fn end_at(&mut self, milestones: Vec<u64>) {
        self.milestones = milestones.into_iter().map(Position::new).collect();
    }

    /// The next batch, as soon as there is enough for a write that is worth its cost, or it has waited
    /// long enough; `None` when there is nothing.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub(super) async fn next<'b>(
        &mut self,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Batch<'b>>, Error> {
        let over = Instant::now() + self.gathering.delay;
        while !*self.stop.borrow() && !self.has_enough(0) && self.reader.unread_bytes() > 0 {
            let left = over.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let stopped = self.stop.changed();
            let _stopped = tokio::time::timeout(left.min(GATHER_TICK), stopped).await;
        }
        self.read(buffer).await
    }

    /// The batch behind those of `in_flight` records that are not yet written, if there is enough for
    /// one already.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub(super) async fn ahead<'b>(
        &mut self,
        in_flight: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Option<Batch<'b>>, Error> {
        if self.has_enough(in_flight) {
            self.read(buffer).await
        } else {
            Ok(None)
        }
    }

    /// Whether so much waits that more need not be waited for.
    fn has_enough(&self, in_flight: usize) -> bool {
        self.reader.unread_bytes() >= self.gathering.bytes as u64
            || self.reader.lag().records >= self.gathering.records + in_flight as u64
    }

    async fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Option<Batch<'b>>, Error> {
        let begin = self.reader.position();
        let batch = match self.reader.read_into(self.chunk_bytes, buffer)? {
            Read::Nothing => {
                self.spare = Vec::new();
                return Ok(None);
            }
            Read::Damaged(damage) => Batch {
                begin,
                end: damage.to,
                decoded: Decoded::default(),
                damage: Some(damage),
            },
            Read::Chunk(chunk) => {
                let mut end = chunk.end();
                let mut decoded = Decoded::with_room(std::mem::take(&mut self.spare));
                let mut turn = TURN_RECORDS;
                for frame in chunk {
                    let frame_end = frame.end;
                    decoded.append(frame);
                    while self.milestones.pop_front_if(|it| *it < frame_end).is_some() {}
                    if self.milestones.front() == Some(&frame_end) {
                        end = frame_end;
                        self.reader.seek(end)?;
                        break;
                    }
                    if decoded.records.len() >= turn {
                        turn = decoded.records.len() + TURN_RECORDS;
                        tokio::task::yield_now().await;
                    }
                }
                Batch {
                    begin,
                    end,
                    decoded,
                    damage: None,
                }
            }
        };
        Ok(Some(batch))
    }

    /// Takes note of a batch that was written: from now on more is read at once, if it was less.
    pub(super) fn written(&mut self, batch: Batch<'_>) {
        self.spare = emptied(batch.decoded.records);
        self.chunk_bytes = (self.chunk_bytes + self.chunk_bytes / 8).min(self.gathering.bytes);
    }

    /// Takes note of a batch that could not be written: less is read at once, so that a slow network
    /// carries it.
    pub(super) fn failed(&mut self, batch: &Batch<'_>) {
        let half = batch.end.get().saturating_sub(batch.begin.get()) / 2;
        let half = usize::try_from(half).unwrap_or(usize::MAX);
        self.chunk_bytes = half.max(LEAST_CHUNK_BYTES);
    }
}

/// The room of records that are no longer needed. The compiler does it without another allocation.
fn emptied(mut records: Vec<AccessRecord<'_>>) -> Vec<AccessRecord<'static>> {
    records.clear();
    records
        .into_iter()
        .map(|_| AccessRecord::default())
        .collect()
}

#[cfg(test)]
mod tests {
    use gatelog_journal::{Config, Journal, Start};
    use gatelog_record::{Timestamp, standard, wire};

    use super::*;

    /// Where the batches end in which ten frames of one record each are read.
    fn batch_ends(milestones: impl Fn(&[Position]) -> Vec<u64>) -> (Vec<Position>, Vec<Position>) {
        let dir = tempfile::TempDir::new().unwrap();
        let journal = Journal::open(dir.path(), Config::default()).unwrap();
        let mut payload = Vec::new();
        wire::begin_batch(&mut payload);
        wire::write_record(&standard::record(0, Timestamp::EPOCH), &mut payload);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut frames = Vec::new();
        for _ in 0..10 {
            let appended = journal.append(&payload, 1).unwrap();
            runtime.block_on(appended).unwrap();
            frames.push(journal.end());
        }
        let (_stop, stopped) = watch::channel(false);
        let reader = journal.reader("store", Start::Oldest).unwrap();
        let mut feed = Feed::new(reader, Gathering::default(), stopped);
        feed.end_at(milestones(&frames));
        let (mut buffer, mut ends) = (Vec::new(), Vec::new());
        while let Some(batch) = runtime.block_on(feed.next(&mut buffer)).unwrap() {
            ends.push(batch.end);
        }
        (frames, ends)
    }

    #[test]
    fn a_batch_ends_at_each_milestone_that_is_the_end_of_a_frame() {
        let (frames, ends) = batch_ends(|_| Vec::new());
        assert_eq!(ends, [frames[9]]);
        let (frames, ends) = batch_ends(|frames| {
            // The one in the middle lies within a frame.
            vec![frames[3].get(), frames[5].get() - 1, frames[6].get()]
        });
        assert_eq!(ends, [frames[3], frames[6], frames[9]]);
    }

    #[test]
    fn the_room_is_used_again() {
        let records = vec![AccessRecord::default(); 100];
        let (place, capacity) = (records.as_ptr() as usize, records.capacity());
        let empty = emptied(records);
        assert_eq!(
            (empty.as_ptr() as usize, empty.capacity()),
            (place, capacity)
        );
        assert!(empty.is_empty());
    }
}
