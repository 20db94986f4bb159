//! What an output takes at a time: chunks in which there is something for it, and what lies between.
//!
//! **Limits.** [`VIEW_BYTES`] of chunks, and one more.

use std::sync::Arc;

use gatelog_journal::{Cursor, Damage, Position};

use super::chunk::Chunk;
use super::eras::Id;
use super::inbox::{Ahead, Inbox};
use super::progress::Wanted;
use super::rack::Fetched;
use super::scout::Field;

/// Bytes of the journal that are looked at, or held, at a time.
pub(super) const VIEW_BYTES: u64 = 512 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct View {
    /// Each with the position from which on it counts: it may begin within the one before it.
    chunks: Vec<(Position, Arc<Chunk>)>,
    begin: Position,
    end: Position,
}

/// What there is for an output.
#[derive(Debug)]
pub(super) enum Taken {
    View(View),
    Damaged(Damage),
    /// Nothing before this position.
    Nothing(Position),
}

/// Who takes.
#[derive(Clone, Copy)]
pub(super) struct Taker<'t> {
    pub(super) id: Id,
    pub(super) inbox: &'t Inbox,
    /// The eras in which it came to be.
    pub(super) version: u64,
}

impl Taker<'_> {
    /// Takes what there is behind `at`.
    ///
    /// # Errors
    /// As [`Cursor::read`].
    pub(super) fn take(
        self,
        at: Position,
        field: &Field,
        cursor: &mut Cursor,
    ) -> gatelog_journal::Result<Taken> {
        // Before the inbox is asked.
        let looked = field.looked();
        let mut next = match self.inbox.next(at) {
            Ahead::Unknown => at,
            Ahead::At(position) => position,
            Ahead::Nothing => return Ok(Taken::Nothing(looked.max(at))),
        };
        let mut view = View {
            chunks: Vec::new(),
            begin: at,
            end: next,
        };
        let mut bytes = 0;
        while bytes < VIEW_BYTES {
            match field
                .rack
                .fetch(self.id, next, self.version, cursor, &field.routes)?
            {
                Fetched::Chunk(chunk) => {
                    bytes += chunk.end.since(next);
                    view.end = chunk.end;
                    if chunk.concerns(self.id) {
                        view.chunks.push((next, chunk));
                    }
                }
                Fetched::Passed(end) => view.end = end,
                Fetched::Damaged(damage) if view.end == next && view.chunks.is_empty() => {
                    return Ok(Taken::Damaged(damage));
                }
                Fetched::Nothing if view.end == at => return Ok(Taken::Nothing(at)),
                // Damage is met again behind what is before it.
                Fetched::Damaged(_) | Fetched::Nothing => break,
            }
            next = match self.inbox.after(view.end) {
                Ahead::Unknown => view.end,
                Ahead::At(position) => position,
                Ahead::Nothing => {
                    view.end = view.end.max(looked);
                    break;
                }
            };
        }
        Ok(Taken::View(view))
    }
}

impl View {
    /// What an output wants of it.
    pub(super) fn wanted(&self, output: Id) -> Wanted<'_> {
        let mut wanted = Wanted::nothing(self.begin, self.end);
        for (from, chunk) in &self.chunks {
            wanted.add(chunk.contents(), chunk.wishes().get(&output), *from);
        }
        wanted
    }
}

#[cfg(test)]
mod tests {
    use gatelog_journal::{Config, Journal, Start};
    use gatelog_record::{AccessRecord, wire};

    use super::super::chunk::{Found, Frames};
    use super::super::eras::{Era, Eras, Member};
    use super::*;

    fn append(journal: &Journal, number: i64) {
        let mut payload = Vec::new();
        wire::begin_batch(&mut payload);
        let record = AccessRecord {
            duration: Some(number),
            ..AccessRecord::default()
        };
        wire::write_record(&record, &mut payload);
        let appended = journal.append(&payload, 1).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(appended).unwrap();
    }

    /// Who comes from behind meets a chunk of the scout's that begins within the one that it has read.
    #[test]
    fn chunks_that_overlap_give_each_record_once() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), Config::default()).unwrap();
        let reader = journal.reader("r", Start::Oldest).unwrap();
        let start = journal.end();
        let era = Era {
            from: start,
            routing: Arc::new(|_: &AccessRecord<'_>, to: &mut Vec<usize>| to.push(0)),
            members: vec![Member {
                id: Id(0),
                start: Start::Oldest,
            }],
        };
        let field = Field::default();
        let inboxes = std::collections::BTreeMap::new();
        *field.routes.change() = Arc::new(Eras::new(0, &[era], inboxes));
        let mut cursor = reader.cursor();
        let mut fetch = |at| {
            let fetched = field.rack.fetch(Id(0), at, 0, &mut cursor, &field.routes);
            assert!(matches!(fetched, Ok(Fetched::Chunk(_))), "{fetched:?}");
        };
        append(&journal, 0);
        append(&journal, 1);
        let within = journal.end();
        append(&journal, 2);
        fetch(start);
        append(&journal, 3);
        let mut scouts = reader.cursor();
        scouts.seek(within).unwrap();
        let Ok(Found::Frames(frames)) = Frames::read(&mut scouts) else {
            panic!("nothing was read");
        };
        let newest = Chunk::of(frames, &field.routes.now());
        field.rack.keep_newest(Arc::new(newest));
        let inbox = Inbox::new();
        let taker = Taker {
            id: Id(0),
            inbox: &inbox,
            version: 0,
        };
        let Ok(Taken::View(view)) = taker.take(start, &field, &mut reader.cursor()) else {
            panic!("nothing was taken");
        };
        let wanted = view.wanted(Id(0));
        let numbers: Vec<_> = wanted
            .records
            .iter()
            .map(|record| record.duration)
            .collect();
        assert_eq!(numbers, [0, 1, 2, 3].map(Some));
        assert!(wanted.places.is_sorted());
    }
}
