//! The thread that looks at each record once, for all outputs.
//!
//! **Shape.** It reads and decodes what the journal gets, keeps the chunks in the [rack](super::rack), and
//! tells each output of those that have something for it. An output that wants nothing of a chunk is not
//! woken for it; it passes from time to time what the scout has looked at.
//!
//! **Invariants.** What it has looked at is told before it says how far it has looked.
//!
//! **Failure.** Where it cannot read or decode, the outputs look for themselves: each of them tells of
//! its own, and puts aside what is to be put aside.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatelog_journal::{Cursor, Position};
use tokio::sync::watch;

use super::attendant::Attendant;
use super::chunk::{Chunk, Found, Frames};
use super::eras::{Eras, Routes};
use super::inbox::Span;
use super::rack::Rack;
use crate::caught::caught;

/// What the threads of all outputs have in common.
#[derive(Default)]
pub(super) struct Field {
    pub(super) routes: Routes,
    pub(super) rack: Rack,
    looked: AtomicU64,
}

impl Field {
    /// How far the scout has looked. To be asked before an inbox is: then what the inbox does not tell
    /// of is nothing.
    pub(super) fn looked(&self) -> Position {
        Position::new(self.looked.load(Ordering::Acquire))
    }

    /// Where the scout begins.
    pub(super) fn begin(&self, position: Position) {
        self.looked.store(position.get(), Ordering::Release);
    }
}

/// Starts the scout; it looks at everything behind [`Field::looked`], with a cursor of its own.
pub(super) fn start(field: Arc<Field>, cursor: Cursor) -> io::Result<Attendant> {
    Attendant::start("output-scout", |stop| scout(field, cursor, stop))
}

async fn scout(field: Arc<Field>, mut cursor: Cursor, mut stop: watch::Receiver<bool>) {
    let _sought = cursor.seek(field.looked()).is_ok();
    loop {
        let at = field.looked();
        tokio::select! {
            waited = cursor.wait() => {
                if waited.is_err() {
                    return;
                }
            }
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if field.routes.now().inboxes().is_empty() {
            // Whoever comes now is told of what is passed over.
            field.pass_unread(at, &mut cursor);
            continue;
        }
        let looked = caught(|| field.look(at, &mut cursor));
        if !matches!(looked, Ok(Ok(()))) {
            field.pass_unread(at, &mut cursor);
        }
    }
}

impl Field {
    /// Looks at the next chunk.
    fn look(&self, at: Position, cursor: &mut Cursor) -> gatelog_journal::Result<()> {
        match Frames::read(cursor)? {
            Found::Nothing => {}
            Found::Damaged(damage) => self.tell_all(&self.routes.now(), at, damage.to),
            Found::Frames(frames) => {
                let skipped = frames.begin() != at;
                let eras = self.routes.now();
                let chunk = Arc::new(Chunk::of(frames, &eras));
                self.rack.keep_newest(Arc::clone(&chunk));
                if skipped || !chunk.contents().unreadable.is_empty() {
                    self.tell_all(&eras, at, chunk.end);
                } else {
                    self.tell(&eras, &chunk);
                }
            }
        }
        Ok(())
    }

    fn tell(&self, eras: &Eras, chunk: &Chunk) {
        for (output, wishes) in chunk.wishes() {
            if let Some(inbox) = eras.inboxes().get(output) {
                inbox.tell(Span {
                    begin: chunk.begin,
                    end: chunk.end,
                    records: wishes.len(),
                });
            }
        }
        self.begin(chunk.end);
    }

    /// Has all outputs look at a stretch themselves.
    fn tell_all(&self, eras: &Eras, begin: Position, end: Position) {
        for inbox in eras.inboxes().values() {
            inbox.tell(Span {
                begin,
                end,
                records: 1,
            });
        }
        self.begin(end);
    }

    /// Leaves what is there to the outputs.
    fn pass_unread(&self, at: Position, cursor: &mut Cursor) {
        let end = cursor.position().plus(cursor.unread_bytes());
        // The end of the journal is always there.
        let _sought = cursor.seek(end).is_ok();
        self.tell_all(&self.routes.now(), at, end);
    }
}
