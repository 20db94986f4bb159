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
    chunks: Vec<Arc<Chunk>>,
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
                        view.chunks.push(chunk);
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
        for chunk in &self.chunks {
            wanted.add(chunk.contents(), chunk.wishes().get(&output));
        }
        wanted
    }
}
