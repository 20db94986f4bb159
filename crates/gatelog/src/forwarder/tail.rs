//! What is behind an output: how far it has come, what waits, and what is put aside.
//!
//! **Shape.** Shared by the output's thread, which confirms, and the watcher, which takes the oldest
//! records away where too much waits. What has been passed is told to
//! the thread, so that it gives up a delivery of records that are no longer its business.
//!
//! **Invariants.** What is passed moves under the lock only, and only forward. Letters are durable
//! before it moves past them, and a record's letter is written and the record passed under the same
//! lock, so that the thread and the watcher never both write one. Where whole frames are passed the
//! journal keeps that; how much of one, [a file](ProgressFile) of the output's own.

mod backlog;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gatelog_journal::{Cursor, Damage, Journal, Position, ReaderHandle};
use metrics::Counter;
use tokio::sync::watch;

use super::eras::Id;
use super::inbox::Inbox;
use super::progress::{Passed, Wanted};
use super::progress_file::ProgressFile;
use super::scout::Field;
use super::view::{Taken, Taker};
use crate::dead_letter::{DeadLetter, Letter, UnreadableFrame};
use crate::health::Health;
use crate::intake;
use crate::loss::Losses;
use crate::output::{Entry, Output, Settings, Start};
use crate::telemetry::Telemetry;

/// How often the file is made durable: with the watcher's tick, within a second of a delivery.
const SYNC_PERIOD: Duration = Duration::from_millis(600);

/// What is behind one output.
pub(super) struct Tail {
    reader: String,
    terms: watch::Sender<Arc<Terms>>,
    dead_letter: DeadLetter,
    health: Arc<Health>,
    standing: Standing,
    /// Keeps what is not passed in the journal.
    handle: ReaderHandle,
    /// Everything before it is done with.
    passed: watch::Sender<Passed>,
    /// Since when it has been known how long records wait.
    since: Instant,
    state: Mutex<State>,
    progress: Mutex<Progress>,
}

/// What holds for an output at present.
pub(super) struct Terms {
    pub(super) output: Arc<dyn Output>,
    pub(super) settings: Settings,
    /// When everything before this is done with, it ends: it is no longer among those in force.
    pub(super) until: Option<Position>,
    pub(super) counts: Counts,
}

/// What is counted of an output, under its present name.
#[derive(Clone)]
pub(super) struct Counts {
    pub(super) delivered: Counter,
    pub(super) rejected: Counter,
    pub(super) errors: Counter,
    backlog: Counter,
}

impl Terms {
    /// Terms of one that stays, and is treated so.
    pub(super) fn of(entry: &Entry, settings: Settings, telemetry: &Telemetry) -> Self {
        let output = &entry.output;
        output.count_in(telemetry);
        let counter = |metric| telemetry.counter_of(metric, &[("output", output.name())]);
        Self {
            output: Arc::clone(output),
            settings,
            until: None,
            counts: Counts {
                delivered: counter("gatelog_output_delivered_total"),
                rejected: counter("gatelog_output_rejected_total"),
                errors: counter("gatelog_output_errors_total"),
                backlog: counter("gatelog_output_backlog_total"),
            },
        }
    }

    /// Whether they are those of one that stays, is this one and is treated so.
    pub(super) fn are_of(&self, settings: &Settings, entry: &Entry) -> bool {
        let is_it = Arc::ptr_eq(&self.output, &entry.output);
        is_it && self.settings == *settings && self.until.is_none()
    }

    /// The same for one that ends there.
    pub(super) fn until(&self, until: Position) -> Self {
        Self {
            output: Arc::clone(&self.output),
            settings: self.settings.clone(),
            until: Some(until),
            counts: self.counts.clone(),
        }
    }
}

struct State {
    /// The watcher's way to what waits.
    cursor: Cursor,
    losses: Losses,
    /// Why the journal could not let go of what was passed last.
    refused: Option<String>,
    /// Frames before it that cannot be decoded have been put aside.
    aside: Position,
    /// The letters that come again have been cut.
    cut: bool,
    /// The watcher could not do its work.
    failing: bool,
    /// Since when records over the limit cannot be put aside.
    stuck_since: Option<Instant>,
    /// The log has told that too much waits.
    told_backlog: bool,
}

struct Progress {
    file: ProgressFile,
    synced: Option<Instant>,
    /// Why it could not be written last.
    refused: Option<String>,
}

impl std::fmt::Debug for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tail")
            .field("reader", &self.reader)
            .field("passed", &self.passed())
            .finish_non_exhaustive()
    }
}

/// Where an output stands among all of them.
pub(super) struct Standing {
    pub(super) id: Id,
    pub(super) inbox: Arc<Inbox>,
    /// The version of the eras in which it came to be.
    pub(super) version: u64,
    pub(super) field: Arc<Field>,
}

impl Tail {
    /// Registers the output's reader with the journal; with the file, and what it says.
    pub(super) fn register(
        reader: &str,
        terms: Terms,
        journal: &Journal,
        dead_letter: DeadLetter,
        (file, kept): (ProgressFile, Option<Passed>),
        standing: Standing,
        telemetry: &Telemetry,
    ) -> gatelog_journal::Result<Self> {
        // One that is to end has ended already if it has no position.
        let start = match terms.until {
            None => terms.settings.start,
            Some(_) => Start::Now,
        };
        let registered = journal.reader(reader, start)?;
        let position = registered.position();
        let mut passed = Passed::behind(position);
        if let Some(kept) = kept.filter(|kept| kept.place > passed.place) {
            passed = Passed {
                position: position.max(kept.position),
                ..kept
            };
        }
        let health = Arc::new(Health::new("output", terms.output.name()));
        Ok(Self {
            reader: reader.to_owned(),
            terms: watch::Sender::new(Arc::new(terms)),
            dead_letter,
            standing,
            handle: registered.handle(),
            passed: watch::Sender::new(passed),
            since: Instant::now(),
            state: Mutex::new(State {
                cursor: registered.cursor(),
                losses: Losses::new(reader, Arc::clone(&health), telemetry),
                refused: None,
                aside: passed.place.frame_end(),
                cut: false,
                failing: false,
                stuck_since: None,
                told_backlog: false,
            }),
            progress: Mutex::new(Progress {
                file,
                synced: None,
                refused: None,
            }),
            health,
        })
    }

    /// Releases what the file knows to be done with and the journal does not. Not before all readers
    /// are registered.
    pub(super) fn begin(&self) {
        let position = self.passed().position;
        if position > self.handle.released() {
            self.release(&mut self.state(), position);
        }
    }

    /// What holds at present.
    pub(super) fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.terms.borrow())
    }

    /// News of what holds.
    pub(super) fn new_terms(&self) -> watch::Receiver<Arc<Terms>> {
        self.terms.subscribe()
    }

    /// Has this hold from the next batch on.
    pub(super) fn set_terms(&self, terms: Terms) {
        self.terms.send_replace(Arc::new(terms));
    }

    /// Whether it is to end and is done with all that it was to deliver.
    pub(super) fn is_over(&self) -> bool {
        let until = self.terms.borrow().until;
        until.is_some_and(|until| self.passed().position >= until)
    }

    /// Removes the file of its own.
    pub(super) fn forget_progress(&self) -> std::io::Result<()> {
        self.progress().file.remove()
    }

    pub(super) fn name(&self) -> String {
        self.terms.borrow().output.name().to_owned()
    }

    pub(super) fn reader(&self) -> &str {
        &self.reader
    }

    pub(super) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub(super) fn id(&self) -> Id {
        self.standing.id
    }

    pub(super) fn inbox(&self) -> &Inbox {
        &self.standing.inbox
    }

    /// What there is for the output behind `at`.
    pub(super) fn take(&self, at: Position, cursor: &mut Cursor) -> gatelog_journal::Result<Taken> {
        let Standing {
            id,
            inbox,
            version,
            field,
        } = &self.standing;
        let taker = Taker {
            id: *id,
            inbox,
            version: *version,
        };
        taker.take(at, field, cursor)
    }

    pub(super) fn passed(&self) -> Passed {
        *self.passed.borrow()
    }

    /// How many records of a chunk are done with.
    pub(super) fn done(&self, chunk: &Wanted<'_>) -> usize {
        chunk.first_behind(self.passed().place)
    }

    /// News of what is passed, by the watcher's doing or one's own.
    pub(super) fn news(&self) -> watch::Receiver<Passed> {
        self.passed.subscribe()
    }

    /// Cuts the letters that will come again, before the first record is read. Until then nothing
    /// is put aside.
    pub(super) fn cut_letters(&self) -> std::io::Result<()> {
        self.cut(&mut self.state())
    }

    fn cut(&self, state: &mut State) -> std::io::Result<()> {
        if !state.cut {
            self.dead_letter.cut_behind(self.passed().place)?;
            state.cut = true;
        }
        Ok(())
    }

    /// Takes note that the first `count` records of a chunk are done with.
    pub(super) fn confirm(&self, chunk: &Wanted<'_>, count: usize) {
        self.pass(&mut self.state(), chunk.passed(count));
    }

    /// Takes note that the first `count` records of a chunk are done with, of which the receiver
    /// refuses some: puts these aside, durably, and answers how many. What the watcher has taken
    /// away meanwhile is in the dead letter, and is not among them.
    pub(super) fn refuse(
        &self,
        chunk: &Wanted<'_>,
        count: usize,
        refused: &[(usize, &str)],
    ) -> std::io::Result<u64> {
        let mut state = self.state();
        let passed = self.passed().place;
        let letters = refused.iter().filter_map(|(index, reason)| {
            Some(Letter {
                record: chunk.records.get(*index).copied()?,
                reason,
                place: *chunk.places.get(*index)?,
            })
        });
        let letters = letters.filter(|letter| letter.place > passed);
        let kept = self.dead_letter.keep(letters, intake::now())?;
        gatelog_failpoint::pass("output.letter_written");
        state.losses.dropped(kept);
        self.pass(&mut state, chunk.passed(count));
        Ok(kept.kept + kept.dropped)
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
        self.pass(&mut state, Passed::behind(damage.to));
    }

    /// Passes a stretch in which there is nothing for the output.
    pub(super) fn pass_nothing(&self, to: Position) {
        self.pass(&mut self.state(), Passed::behind(to));
    }

    /// Passes what lies before, if it has not been.
    fn pass(&self, state: &mut State, to: Passed) {
        let before = self.passed();
        if to.place <= before.place {
            return;
        }
        let to = Passed {
            position: to.position.max(before.position),
            ..to
        };
        self.passed.send_replace(to);
        if to.place.records().is_some_and(|records| records > 0) {
            let mut progress = self.progress();
            let written = progress.file.write(to);
            self.tell(&mut progress, written);
        }
        if to.position > before.position {
            self.release(state, to.position);
        }
    }

    fn release(&self, state: &mut State, position: Position) {
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

    /// Makes durable how far it has come, if that is due or the process ends.
    pub(super) fn sync_progress(&self, ends: bool) {
        let mut progress = self.progress();
        let recent = |synced: Instant| synced.elapsed() < SYNC_PERIOD;
        if progress.synced.is_some_and(recent) && !ends {
            return;
        }
        progress.synced = Some(Instant::now());
        let synced = progress.file.sync();
        self.tell(&mut progress, synced);
    }

    fn tell(&self, progress: &mut Progress, done: std::io::Result<()>) {
        let refused = done.err().map(|error| error.to_string());
        if refused != progress.refused
            && let Some(error) = &refused
        {
            tracing::warn!(output = self.name(), %error, "the output's progress cannot be kept; after a crash records come again");
        }
        progress.refused = refused;
    }

    /// Another way to what waits.
    pub(super) fn cursor(&self) -> Cursor {
        self.state().cursor.clone()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
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
