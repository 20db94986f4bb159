//! What is behind an output: how far it has come, what waits, and what is put aside.
//!
//! **Shape.** Shared by the output's thread, which confirms, and the watcher, which takes the oldest
//! records away where too much waits. What has been passed is told to
//! the thread, so that it gives up a delivery of records that are no longer its business.
//!
//! **Invariants.** The position moves under the lock only, and only forward. Letters are durable
//! before it moves past them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatelog_journal::{Cursor, Damage, Journal, Position, Read, ReaderHandle};
use metrics::Counter;
use tokio::sync::watch;

use super::progress::Wanted;
use crate::dead_letter::{DeadLetter, Kept, Letter, UnreadableFrame};
use crate::health::Health;
use crate::intake;
use crate::loss::{Dropped, Losses};
use crate::output::{MaxBacklog, Output, Settings};
use crate::telemetry::Telemetry;

/// The most bytes of frames that are taken away at once: others wait for the watcher, too.
const SHED_BYTES: u64 = 1 << 20;

/// For how long the backlog may stay over its limit because the dead letter cannot be written;
/// then the oldest records are dropped: an output must not hold the journal to its cap.
const UNWRITABLE: Duration = Duration::from_secs(10);

/// The reason in the dead letter of records that waited too long or were too many.
const OVER_BACKLOG: &str = "max_backlog: more waited for the output than may";

/// What is behind one output.
pub(super) struct Tail {
    reader: String,
    output: Arc<dyn Output>,
    max_backlog: MaxBacklog,
    dead_letter: DeadLetter,
    health: Arc<Health>,
    backlog: Counter,
    /// Keeps what is not passed in the journal.
    handle: ReaderHandle,
    /// Everything before it is done with.
    passed: watch::Sender<Position>,
    state: Mutex<State>,
}

struct State {
    /// The watcher's way to what waits.
    cursor: Cursor,
    losses: Losses,
    /// How many wanted records behind `passed` are done with: of a frame that is not as a whole.
    done_behind: usize,
    /// Why the journal could not let go of what was passed last.
    refused: Option<String>,
    /// Frames before it that cannot be decoded have been put aside.
    aside: Position,
    /// The letters that come again have been cut.
    cut: bool,
    /// The watcher could not do its work.
    failing: bool,
    /// Since when letters cannot be written for records over the limit.
    unwritable_since: Option<Instant>,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail")
            .field("reader", &self.reader)
            .field("passed", &self.passed())
            .finish_non_exhaustive()
    }
}

impl Tail {
    /// Registers the output's reader with the journal.
    pub(super) fn register(
        reader: &str,
        output: Arc<dyn Output>,
        settings: &Settings,
        journal: &Journal,
        dead_letter: DeadLetter,
        health: Arc<Health>,
        telemetry: &Telemetry,
    ) -> gatelog_journal::Result<Self> {
        let registered = journal.reader(reader, settings.start)?;
        let position = registered.position();
        let name = output.name();
        Ok(Self {
            reader: reader.to_owned(),
            max_backlog: settings.max_backlog,
            dead_letter,
            backlog: telemetry.counter_of("gatelog_output_backlog_total", &[("output", name)]),
            handle: registered.handle(),
            passed: watch::Sender::new(position),
            state: Mutex::new(State {
                cursor: registered.cursor(),
                losses: Losses::new(reader, Arc::clone(&health), telemetry),
                done_behind: 0,
                refused: None,
                aside: position,
                cut: false,
                failing: false,
                unwritable_since: None,
            }),
            health,
            output,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.output.name()
    }

    pub(super) fn reader(&self) -> &str {
        &self.reader
    }

    pub(super) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub(super) fn output(&self) -> &dyn Output {
        &*self.output
    }

    pub(super) fn passed(&self) -> Position {
        *self.passed.borrow()
    }

    /// How many records of a chunk are done with.
    pub(super) fn done(&self, chunk: &Wanted<'_>) -> usize {
        let state = self.state();
        chunk.first_behind(self.passed()) + state.done_behind
    }

    /// News of what is passed, by the watcher's doing or one's own.
    pub(super) fn news(&self) -> watch::Receiver<Position> {
        self.passed.subscribe()
    }

    /// Cuts the letters that will come again, before the first record is read. Until then nothing
    /// is put aside.
    pub(super) fn cut_letters(&self) -> std::io::Result<()> {
        let mut state = self.state();
        if !state.cut {
            self.dead_letter.cut_behind(self.passed())?;
            state.cut = true;
        }
        Ok(())
    }

    /// Takes note that the first `count` records of a chunk are done with.
    pub(super) fn confirm(&self, chunk: &Wanted<'_>, count: usize) {
        let mut state = self.state();
        let (position, done_behind) = chunk.passed(count);
        let passed = self.passed();
        if position > passed {
            self.pass(&mut state, position, done_behind);
        } else if position == passed {
            state.done_behind = state.done_behind.max(done_behind);
        }
    }

    /// Puts records of a chunk aside that the receiver refuses, durably. Nothing is passed by it.
    pub(super) fn refuse(
        &self,
        chunk: &Wanted<'_>,
        refused: &[(usize, &str)],
    ) -> std::io::Result<Kept> {
        // Under the lock, so that letters of the watcher do not come between.
        let mut state = self.state();
        let passed = self.passed();
        let letters = refused.iter().filter_map(|(index, reason)| {
            Some(Letter {
                record: chunk.records.get(*index)?,
                reason,
                position: *chunk.ends.get(*index)?,
            })
        });
        // What the watcher has taken away meanwhile is in the dead letter.
        let letters = letters.filter(|letter| letter.position > passed);
        let kept = self.dead_letter.keep(letters, intake::now())?;
        gatelog_failpoint::pass("output.letter_written");
        state.losses.dropped(kept);
        Ok(kept)
    }

    /// Puts frames aside that cannot be decoded, unless the watcher has done it.
    pub(super) fn set_aside(&self, frames: &[UnreadableFrame<'_>]) -> std::io::Result<()> {
        let mut state = self.state();
        let State { losses, aside, .. } = &mut *state;
        set_aside(losses, aside, &self.dead_letter, frames)
    }

    /// Passes a place where the journal is damaged, once all before it is done with.
    pub(super) fn pass_damage(&self, damage: &Damage) {
        let mut state = self.state();
        state.losses.damaged(damage);
        if damage.to > self.passed() {
            self.pass(&mut state, damage.to, 0);
        }
    }

    /// Where too much waits, takes some of the oldest records away. Answers whether more is to be taken away at once.
    pub(super) fn tend(&self) -> bool {
        let mut state = self.state();
        match self.shed(&mut state) {
            Ok(more) => {
                if std::mem::take(&mut state.failing) {
                    self.health.set(None);
                }
                more
            }
            Err(error) => {
                state.failing = true;
                self.health.set(Some(error));
                false
            }
        }
    }

    /// Takes some of the oldest records away, where too much waits; answers whether it did.
    fn shed(&self, state: &mut State) -> Result<bool, String> {
        let State {
            cursor,
            losses,
            aside,
            done_behind,
            unwritable_since,
            cut,
            ..
        } = state;
        let lag = self.handle.lag();
        let over_bytes = lag.bytes.saturating_sub(self.max_backlog.bytes);
        if over_bytes == 0 && lag.seconds <= self.max_backlog.age.as_secs() {
            return Ok(false);
        }
        if !*cut {
            let done = self.dead_letter.cut_behind(self.passed());
            done.map_err(|error| format!("the dead letter cannot be read: {error}"))?;
            *cut = true;
        }
        let bytes = usize::try_from(over_bytes.min(SHED_BYTES)).unwrap_or(usize::MAX);
        cursor
            .seek(self.passed())
            .map_err(|error| error.to_string())?;
        let begin = cursor.position();
        let chunk = match cursor.read(bytes).map_err(|error| error.to_string())? {
            Read::Nothing => return Ok(false),
            Read::Chunk(chunk) => chunk,
            Read::Damaged(damage) => {
                losses.damaged(&damage);
                self.pass(state, damage.to, 0);
                return Ok(true);
            }
        };
        let end = chunk.end();
        let wanted = Wanted::of(chunk, begin, end, &*self.output);
        let first = (*done_behind).min(wanted.records.len());
        let letters = wanted.records.iter().zip(&wanted.ends).skip(first);
        let letters = letters.map(|(record, end)| Letter {
            record,
            reason: OVER_BACKLOG,
            position: *end,
        });
        let count = (wanted.records.len() - first) as u64;
        let kept = set_aside(losses, aside, &self.dead_letter, &wanted.unreadable)
            .and_then(|()| self.dead_letter.keep(letters, intake::now()));
        match kept {
            Ok(kept) => {
                *unwritable_since = None;
                losses.dropped(kept);
            }
            Err(error) => {
                let since = *unwritable_since.get_or_insert_with(Instant::now);
                if since.elapsed() < UNWRITABLE {
                    return Err(format!("the dead letter cannot be written: {error}"));
                }
                losses.drop_records(count + wanted.unreadable_records(), Dropped::Unwritable);
            }
        }
        gatelog_failpoint::pass("output.shed");
        self.backlog.increment(count);
        if over_bytes > 0 && count > 0 {
            tracing::debug!(output = self.name(), records = count, "over max_backlog");
        }
        self.pass(state, end, 0);
        Ok(true)
    }

    fn pass(&self, state: &mut State, position: Position, done_behind: usize) {
        state.done_behind = done_behind;
        self.passed.send_replace(position);
        // The journal tries again to keep the position, and makes it durable within a second.
        let refused = self.handle.release(position).err();
        let refused = refused.map(|error| error.to_string());
        if refused != state.refused
            && let Some(error) = &refused
        {
            tracing::warn!(output = self.name(), %error, "the journal cannot let go");
        }
        state.refused = refused;
    }

    /// Another way to what waits.
    pub(super) fn cursor(&self) -> Cursor {
        self.state().cursor.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts those of the frames aside that have not been, in this process.
fn set_aside(
    losses: &mut Losses,
    aside: &mut Position,
    dead_letter: &DeadLetter,
    frames: &[UnreadableFrame<'_>],
) -> std::io::Result<()> {
    let new = frames.partition_point(|frame| frame.position <= *aside);
    let new = frames.get(new..).unwrap_or_default();
    losses.set_aside(dead_letter, new)?;
    if let Some(last) = new.last() {
        *aside = last.position;
    }
    Ok(())
}
