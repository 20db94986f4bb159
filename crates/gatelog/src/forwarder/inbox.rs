//! Where an output learns what there is for it, so that its thread is woken for nothing else.
//!
//! **Shape.** The [scout](super::scout) tells of each stretch of the journal that has something for an
//! output. Before the position from which it tells, an output looks for itself.
//!
//! **Limits.** So many stretches are kept apart; beyond that the last ones are one, with what lies between.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatelog_journal::Position;
use tokio::sync::Notify;

/// Stretches that are kept apart.
const MAX_SPANS: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Inbox {
    /// From there on it is told.
    since: AtomicU64,
    spans: Mutex<VecDeque<Span>>,
    arrived: Notify,
}

/// A stretch of the journal in which there is something for an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) begin: Position,
    pub(super) end: Position,
    /// How many records it has for the output.
    pub(super) records: usize,
}

/// Where an output goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ahead {
    /// Here: it is not known what there is.
    Unknown,
    /// Here; before it there is nothing.
    At(Position),
    /// There is nothing for it as far as the scout has looked.
    Nothing,
}

impl Inbox {
    /// An empty one, to which nothing is told yet.
    pub(super) fn new() -> Self {
        Self {
            since: AtomicU64::new(u64::MAX),
            spans: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// Everything is told to it from this position on.
    pub(super) fn open(&self, since: Position) {
        self.since.store(since.get(), Ordering::Release);
    }

    /// Tells of a stretch behind those before it.
    pub(super) fn tell(&self, span: Span) {
        let mut spans = self.spans();
        let is_full = spans.len() >= MAX_SPANS;
        match spans.back_mut().filter(|_| is_full) {
            Some(last) => {
                last.end = span.end;
                last.records = last.records.saturating_add(span.records);
            }
            None => spans.push_back(span),
        }
        drop(spans);
        self.arrived.notify_one();
    }

    /// Where an output goes on that is done with everything before `at`; what is before it is forgotten.
    pub(super) fn next(&self, at: Position) -> Ahead {
        let mut spans = self.spans();
        while spans.pop_front_if(|span| span.end <= at).is_some() {}
        drop(spans);
        self.after(at)
    }

    /// Where there is something behind `at`.
    pub(super) fn after(&self, at: Position) -> Ahead {
        if at.get() < self.since.load(Ordering::Acquire) {
            return Ahead::Unknown;
        }
        let spans = self.spans();
        let first = spans.iter().find(|span| span.end > at);
        first.map_or(Ahead::Nothing, |span| Ahead::At(at.max(span.begin)))
    }

    /// Whether so many records wait for it, about, or so many bytes of the journal with some.
    pub(super) fn has(&self, records: usize, bytes: u64) -> bool {
        let (mut has_records, mut has_bytes) = (0, 0);
        let spans = self.spans();
        spans.iter().any(|span| {
            has_records += span.records;
            has_bytes += span.end.since(span.begin);
            has_records >= records || has_bytes >= bytes
        })
    }

    /// Returns when something was told since it was last asked; sometimes without that.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    fn spans(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(begin: u64, end: u64) -> Span {
        Span {
            begin: Position::new(begin),
            end: Position::new(end),
            records: 1,
        }
    }

    #[test]
    fn what_is_between_stretches_is_skipped_and_what_is_before_all_is_unknown() {
        let inbox = Inbox::new();
        assert_eq!(inbox.next(Position::new(10)), Ahead::Unknown);
        inbox.open(Position::new(10));
        inbox.tell(span(20, 30));
        inbox.tell(span(50, 60));
        let next = |at| inbox.next(Position::new(at));
        let at = |at| Ahead::At(Position::new(at));
        assert_eq!(next(9), Ahead::Unknown);
        assert_eq!((next(10), next(25), next(30)), (at(20), at(25), at(50)));
        assert!(inbox.has(1, u64::MAX) && !inbox.has(2, u64::MAX));
        assert_eq!(next(60), Ahead::Nothing);
    }

    #[test]
    fn too_many_stretches_become_one_that_has_them_all() {
        let inbox = Inbox::new();
        let count = MAX_SPANS as u64 + 10;
        for number in 0..count {
            inbox.tell(span(number * 10, number * 10 + 1));
        }
        assert!(inbox.has(MAX_SPANS + 10, u64::MAX));
        let last = inbox.spans().back().copied().unwrap();
        assert_eq!(last.begin, Position::new((MAX_SPANS as u64 - 1) * 10));
        assert_eq!(last.end, Position::new((count - 1) * 10 + 1));
    }
}
