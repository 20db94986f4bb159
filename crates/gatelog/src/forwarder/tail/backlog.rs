//! What waits for an output, held within its limits.
//!
//! **Age.** How long a record has waited is known for as long as this process has been up; for longer
//! it is what clocks say, and these step: a machine that finds the right time of day after a start
//! would find a day's backlog too old at once. So a record has waited for the time that the journal's
//! clock has shown since its receipt, or since this process began, whichever is less. A process
//! that is restarted more often than `max_backlog` allows records to wait sheds none for their age;
//! the limit in bytes holds all the same.
//!
//! **Failure.** An output must not hold the journal over its limit, whatever fails. While records
//! cannot be put aside, they wait for [`STUCK`]; then the oldest are dropped and counted.

use std::time::{Duration, Instant};

use gatelog_journal::{Frame, Position, Read};

use super::super::chunk::Contents;
use super::super::progress::{Passed, Wanted};
use super::{Standing, State, Tail, set_aside};
use crate::caught::caught;
use crate::dead_letter::Letter;
use crate::intake;
use crate::loss::{Dropped, Losses};
use crate::output::MaxBacklog;

/// The most bytes of frames that are taken away at once: others wait for the watcher, too.
const SHED_BYTES: u64 = 1 << 20;

/// For how long the backlog may stay over its limit because records cannot be put aside.
const STUCK: Duration = Duration::from_secs(10);

/// The reason in the dead letter of records that waited too long or were too many.
const OVER_BACKLOG: &str = "max_backlog: more waited for the output than may";

/// How much too much waits.
#[derive(Clone, Copy, Debug)]
struct Over {
    bytes: u64,
    /// How long the oldest frame has been there by the journal's clock, if that is too long.
    aged_seconds: Option<u64>,
    /// Records that wait.
    records: u64,
}

impl Tail {
    /// Where too much waits, takes some of the oldest records away. Answers whether more is to be
    /// taken away at once.
    pub(in super::super) fn tend(&self) -> bool {
        let mut state = self.state();
        match self.shed(&mut state) {
            Ok(more) => {
                if std::mem::take(&mut state.failing) {
                    self.health.set(None);
                }
                more
            }
            Err(error) => {
                state.stuck_since.get_or_insert_with(Instant::now);
                state.failing = true;
                self.health.set(Some(error));
                false
            }
        }
    }

    /// Takes note that [`tend`](Self::tend) panicked.
    pub(in super::super) fn tending_panicked(&self, panic: &str) {
        let mut state = self.state();
        state.stuck_since.get_or_insert_with(Instant::now);
        state.failing = true;
        let error = format!("what waits for the output cannot be looked after: {panic}");
        self.health.set(Some(error));
    }

    fn max_backlog(&self) -> MaxBacklog {
        self.terms().settings.max_backlog
    }

    fn over(&self) -> Option<Over> {
        let lag = self.handle.lag();
        let bytes = lag.bytes.saturating_sub(self.max_backlog().bytes);
        let aged = self.is_too_old(lag.seconds);
        (bytes > 0 || aged).then_some(Over {
            bytes,
            aged_seconds: aged.then_some(lag.seconds),
            records: lag.records,
        })
    }

    /// Whether what has been there for so long by the journal's clock has waited too long.
    fn is_too_old(&self, seconds: u64) -> bool {
        seconds.min(self.since.elapsed().as_secs()) > self.max_backlog().age.as_secs()
    }

    /// Takes some of the oldest records away, where too much waits; answers whether it did.
    fn shed(&self, state: &mut State) -> Result<bool, String> {
        // Whatever fails now, the oldest go.
        let since = state.stuck_since;
        let stuck = since.is_some_and(|since| since.elapsed() >= STUCK);
        let Some(over) = self.over() else {
            if !stuck {
                state.stuck_since = None;
            }
            state.told_backlog = false;
            return Ok(false);
        };
        let cut = self.cut(state);
        let cut = cut.map_err(|error| format!("the dead letter cannot be read: {error}"));
        if !stuck {
            cut.clone()?;
        }
        let State {
            cursor,
            losses,
            aside,
            ..
        } = state;
        let passed = self.passed();
        let read = cursor.seek(passed.position).and_then(|()| {
            let bytes = match over.aged_seconds {
                Some(_) => SHED_BYTES,
                None => over.bytes.min(SHED_BYTES),
            };
            let begin = cursor.position();
            Ok((
                begin,
                cursor.read(usize::try_from(bytes).unwrap_or(usize::MAX))?,
            ))
        });
        let (begin, chunk) = match read {
            Err(_) if stuck && over.bytes > 0 => {
                self.pass_unread(state, over);
                return Ok(true);
            }
            Err(error) => return Err(error.to_string()),
            Ok((_, Read::Nothing)) => return Ok(false),
            Ok((_, Read::Damaged(damage))) => {
                losses.damaged(&damage);
                self.pass(state, Passed::behind(damage.to));
                return Ok(true);
            }
            Ok((begin, Read::Chunk(chunk))) => (begin, chunk),
        };
        let frames = self.too_many(begin, chunk, over);
        let Some(end) = frames.last().map(|frame| frame.end) else {
            return Ok(false);
        };
        let all = frames.iter().map(|frame| u64::from(frame.records)).sum();
        let look = || self.look_at(frames);
        let (contents, wishes) = match if stuck { caught(look) } else { Ok(look()) } {
            Ok(looked) => looked,
            Err(panic) => {
                tracing::error!(
                    output = self.name(),
                    panic,
                    "what is over max_backlog cannot be looked at"
                );
                losses.drop_records(all, Dropped::Unreadable);
                self.terms().counts.backlog.increment(all);
                self.pass(state, Passed::behind(end));
                return Ok(true);
            }
        };
        let mut wanted = Wanted::nothing(begin, end);
        wanted.add(&contents, wishes.as_ref(), begin);
        let count = (wanted.records.len() - wanted.first_behind(passed.place)) as u64;
        match cut.and_then(|()| self.put_aside(losses, aside, &wanted)) {
            Ok(()) => state.stuck_since = None,
            Err(error) if !stuck => return Err(error),
            Err(_) => losses.drop_records(count + wanted.unreadable_records(), Dropped::Unwritable),
        }
        gatelog_failpoint::pass("output.shed");
        self.terms().counts.backlog.increment(count);
        self.tell_backlog(state, count);
        self.pass(state, Passed::behind(end));
        Ok(true)
    }

    /// Tells the log that records were taken away, once for as long as too much waits.
    fn tell_backlog(&self, state: &mut State, records: u64) {
        if records > 0 && !std::mem::replace(&mut state.told_backlog, true) {
            tracing::warn!(
                output = self.name(),
                records,
                "more waits for the output than max_backlog allows: its oldest records go to the dead letter"
            );
        }
    }

    /// What the frames hold, and what the output wants of it.
    fn look_at<'f>(&self, frames: Vec<Frame<'f>>) -> (Contents<'f>, Option<Vec<usize>>) {
        let Standing { id, field, .. } = &self.standing;
        let contents = Contents::of(frames.into_iter());
        let wishes = field.routes.now().sort(&contents).remove(id);
        (contents, wishes)
    }

    /// Writes letters for what is not done with.
    fn put_aside(
        &self,
        losses: &mut Losses,
        aside: &mut Position,
        wanted: &Wanted<'_>,
    ) -> Result<(), String> {
        let letters = wanted.records.iter().zip(&wanted.places);
        let letters = letters.skip(wanted.first_behind(self.passed().place));
        let letters = letters.map(|(record, place)| Letter {
            record,
            reason: OVER_BACKLOG,
            place: *place,
        });
        let kept = set_aside(losses, aside, &self.dead_letter, &wanted.unreadable)
            .and_then(|()| self.dead_letter.keep(letters, intake::now()));
        losses
            .dropped(kept.map_err(|error| format!("the dead letter cannot be written: {error}"))?);
        Ok(())
    }

    /// The first of the frames, which begin at `begin`, as many as are too many or too old.
    fn too_many<'f>(
        &self,
        begin: Position,
        frames: impl Iterator<Item = Frame<'f>>,
        over: Over,
    ) -> Vec<Frame<'f>> {
        let enough = begin.plus(over.bytes);
        let mut next = begin;
        let mut oldest_ms = None;
        let frames = frames.take_while(|frame| {
            let oldest_ms = *oldest_ms.get_or_insert(frame.time_ms);
            let younger_seconds = frame.time_ms.saturating_sub(oldest_ms) / 1000;
            let too_old = |oldest: u64| self.is_too_old(oldest.saturating_sub(younger_seconds));
            let goes = next < enough || over.aged_seconds.is_some_and(too_old);
            next = frame.end;
            goes
        });
        frames.collect()
    }

    /// Passes as much as is too much, unread. The place is most likely none between frames: the
    /// journal finds the next one behind it, and tells of damage where the disk failed anyway.
    fn pass_unread(&self, state: &mut State, over: Over) {
        let to = self.passed().position.plus(over.bytes);
        self.pass(state, Passed::behind(to));
        // As far as it can be counted without what is unread.
        let dropped = over
            .records
            .saturating_sub(self.handle.lag().records)
            .max(1);
        state.losses.drop_records(dropped, Dropped::Unreadable);
        self.terms().counts.backlog.increment(dropped);
    }
}

#[cfg(test)]
mod tests;
