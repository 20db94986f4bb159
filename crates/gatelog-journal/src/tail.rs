//! Where the newest segment ends.
//!
//! **The question.** At some place there is no whole frame. Either a write was not finished there, and
//! it and all behind it was never acknowledged; or there was a frame once, that was durable, and the
//! disk has lost it. The first has to be cut, the second must not be, with what stands behind it.
//!
//! **The answer.** What is written at once is a *round*, and is written when all before it is durable.
//! A header says where its round began. So if behind the place there stands a header of a round that
//! began behind it too, then the place had been durable. The header alone is proof enough, as its
//! checksum is its own. Without such a header the place is in the last round, and is cut: nothing
//! shows that it was ever acknowledged, and after a crash, most likely, it was not.
//!
//! **Limits.** Damage in the last round before a crash passes for an unfinished write.

use std::collections::VecDeque;

use crate::frame::Header;
use crate::scan::Scan;
use crate::{Position, Result, segment};

/// What the newest segment holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Behind the last frame that is kept.
    pub(crate) end: Position,
    /// Records up to there, as far as headers tell.
    pub(crate) records: u64,
    /// When the newest of them was appended; 0 when there are none.
    pub(crate) newest_ms: u64,
    /// Where the round of the last frame that is kept began, if that is known.
    pub(crate) last_round: Option<Position>,
    /// Places before the end that had been durable and are no frames.
    pub(crate) damaged: Vec<(Position, Position)>,
    /// Behind the last header that can be read, with its payload.
    seen: Position,
}

/// A place with no whole frame, of which is not known whether it had been durable: and what was
/// known up to there.
#[derive(Debug)]
struct Doubt {
    from: Position,
    /// Where the next whole frame stands.
    to: Option<Position>,
    records: u64,
    newest_ms: u64,
    last_round: Option<Position>,
}

impl Tail {
    /// Reads all of the segment that begins at `base`.
    pub(crate) fn find(scan: &mut Scan<'_>, base: Position) -> Result<Self> {
        let mut tail = Self {
            end: base,
            records: 0,
            newest_ms: 0,
            last_round: None,
            damaged: Vec::new(),
            seen: base,
        };
        let mut doubts = VecDeque::new();
        let mut at = base;
        while at < scan.limit() {
            let Some(header) = scan.header_at(at)? else {
                tail.doubt(&mut doubts, at);
                let Some((next, _)) = scan.next_header(at.plus(1))? else {
                    break;
                };
                at = next;
                continue;
            };
            tail.prove(&mut doubts, header.round(at), at);
            if scan.is_whole(at, &header)? {
                tail.take(&mut doubts, at, &header);
            } else {
                tail.doubt(&mut doubts, at);
            }
            at = header.end(at);
            tail.seen = at.min(scan.limit());
        }
        // What is still in doubt is cut, with all behind it.
        if let Some(first) = doubts.pop_front() {
            tail.end = first.from;
            tail.records = first.records;
            tail.newest_ms = first.newest_ms;
            tail.last_round = first.last_round;
        }
        Ok(tail)
    }

    /// There is no whole frame at `at`, where the last one ended or the last doubt goes on.
    fn doubt(&self, doubts: &mut VecDeque<Doubt>, at: Position) {
        if doubts.back().is_none_or(|last| last.to.is_some()) {
            doubts.push_back(Doubt {
                from: at,
                to: None,
                records: self.records,
                newest_ms: self.newest_ms,
                last_round: self.last_round,
            });
        }
    }

    /// Everything before `durable` had been durable. One who knows that stands at `at`.
    fn prove(&mut self, doubts: &mut VecDeque<Doubt>, durable: Option<Position>, at: Position) {
        let proven = |doubt: &mut Doubt| durable.is_some_and(|durable| doubt.from < durable);
        while let Some(doubt) = doubts.pop_front_if(proven) {
            self.damaged.push((doubt.from, doubt.to.unwrap_or(at)));
        }
    }

    fn take(&mut self, doubts: &mut VecDeque<Doubt>, at: Position, header: &Header) {
        if let Some(last) = doubts.back_mut() {
            last.to = last.to.or(Some(at));
        }
        self.end = header.end(at);
        self.records += u64::from(header.records);
        self.newest_ms = self.newest_ms.max(header.time_ms);
        self.last_round = header.round(at);
    }

    /// Behind the last byte that a write may have left which was not finished.
    ///
    /// In a file that was used before, what follows can be from its former use. Only headers tell the
    /// one from the other, up to the length that the file had; behind that, all but zeros is ours.
    pub(crate) fn torn_end(
        &self,
        scan: &mut Scan<'_>,
        base: Position,
        stale_bytes: u64,
    ) -> Result<Position> {
        const PIECE_BYTES: usize = 64 << 10;
        let mut torn_end = self.end.max(self.seen);
        let mut at = torn_end.max(base.plus(stale_bytes.saturating_sub(segment::HEADER_BYTES)));
        while at < scan.limit() {
            let bytes = scan.bytes(at, PIECE_BYTES)?;
            let last = bytes.iter().rposition(|byte| *byte != 0);
            if let Some(last) = last {
                torn_end = at.plus(last as u64 + 1);
            }
            at = at.plus(bytes.len().max(1) as u64);
        }
        Ok(torn_end)
    }
}
