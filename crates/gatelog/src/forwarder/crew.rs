//! All outputs that run, and how that set changes while they do.
//!
//! **Shape.** What is in force is the newest [era](super::eras). An output is known by the name of its
//! reader: one that is in the new set, too, goes on where it is, with what now holds for it; one that is
//! not delivers what was received before the change, and then ends.
//!
//! **Invariants.** An era begins at the end of the journal, behind the readers of its new outputs, and is
//! kept before it counts. While that is decided nobody looks at the eras: what is read at that time is
//! sorted by the new ones. An era is forgotten when every output has passed it.
//!
//! **Failure.** A change that cannot be kept is none: its new readers are taken away again.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use gatelog_failpoint as failpoint;
use gatelog_journal::{Journal, Position, Start};
use tokio::sync::{oneshot, watch};

use super::attendant::Attendant;
use super::courier::Courier;
use super::eras::{Era, Eras, Id, Member};
use super::inbox::Inbox;
use super::progress_file::{self, ProgressFile};
use super::scout::{self, Field};
use super::tail::{Standing, Tail, Terms};
use super::watcher;
use super::{ChangeError, OutputState};
use crate::dead_letter::DeadLetters;
use crate::output::{Entry, OutputSet, Settings};
use crate::telemetry::Telemetry;

/// Where outputs work.
#[derive(Clone, Debug)]
pub struct Grounds {
    /// What they read.
    pub journal: Arc<Journal>,
    /// The journal's cap: an output holds at most half of it.
    pub journal_max_bytes: u64,
    /// Their own files are below it.
    pub data_dir: PathBuf,
    /// Where they put aside what they cannot pass on.
    pub dead_letters: DeadLetters,
    /// Where they count.
    pub telemetry: Telemetry,
}

/// Called when no output needs the eras before this position any more.
pub type Passed = dyn Fn(Position) + Send + Sync;

/// See the module.
pub(super) struct Crew {
    grounds: Grounds,
    field: Arc<Field>,
    /// For `/ready`, which waits for no disk.
    states: RwLock<Vec<OutputState>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    eras: Vec<Era>,
    version: u64,
    next_id: u32,
    members: BTreeMap<Id, Aboard>,
    /// Since it has been started.
    stop: Option<watch::Receiver<bool>>,
    /// Since there has been an output.
    scout: Option<Attendant>,
    watcher: Option<Attendant>,
    passed: Option<Box<Passed>>,
}

/// An output that runs, or will.
struct Aboard {
    tail: Arc<Tail>,
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

/// A thread that waits for a word to begin.
struct Ready {
    gate: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Crew {
    /// Registers the readers of all outputs of these eras, which begin where they say, in ascending order.
    pub(super) fn register(
        eras: Vec<(Position, OutputSet)>,
        grounds: Grounds,
    ) -> gatelog_journal::Result<Arc<Self>> {
        let field = Arc::new(Field::default());
        let end = grounds.journal.end();
        field.begin(end);
        let mut ids = BTreeMap::new();
        let mut entries = BTreeMap::new();
        let mut known = Vec::new();
        let begins: Vec<_> = eras.iter().map(|(from, _)| *from).collect();
        for (at, (from, OutputSet { outputs, routing })) in eras.into_iter().enumerate() {
            let until = begins.get(at + 1).copied();
            let mut members = Vec::new();
            for entry in outputs {
                let next = Id(u32::try_from(ids.len()).unwrap_or(u32::MAX));
                let id = *ids.entry(entry.reader.clone()).or_insert(next);
                let start = entry.settings.start;
                members.push(Member { id, start });
                entries.insert(id, (entry, until));
            }
            known.push(Era {
                from,
                routing,
                members,
            });
        }
        let dir = progress_file::dir(&grounds.data_dir);
        let readers: Vec<_> = ids.keys().map(String::as_str).collect();
        if let Err(error) = progress_file::keep_only(&dir, &readers) {
            tracing::warn!(%error, "what outputs that are no longer configured have left cannot be removed");
        }
        let crew = Self {
            grounds,
            field,
            states: RwLock::default(),
            state: Mutex::default(),
        };
        let mut state = crew.state();
        state.eras = known;
        state.next_id = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        for (id, (entry, until)) in entries {
            let aboard = crew.board(id, 0, &entry, until)?;
            aboard.inbox.open(end);
            state.members.insert(id, aboard);
        }
        *crew.field.routes.change() = Arc::new(state.eras_now());
        crew.show(&state);
        drop(state);
        Ok(Arc::new(crew))
    }

    /// Registers an output.
    fn board(
        &self,
        id: Id,
        version: u64,
        entry: &Entry,
        until: Option<Position>,
    ) -> gatelog_journal::Result<Aboard> {
        let Grounds {
            journal,
            data_dir,
            dead_letters,
            telemetry,
            ..
        } = &self.grounds;
        let reader = entry.reader.as_str();
        let dead_letter = dead_letters.of_output(entry.output.name(), reader);
        let progress = ProgressFile::open(&progress_file::dir(data_dir), reader, journal);
        let inbox = Arc::new(Inbox::new());
        let standing = Standing {
            id,
            inbox: Arc::clone(&inbox),
            version,
            field: Arc::clone(&self.field),
        };
        let terms = self.terms(entry);
        let terms = match until {
            Some(until) => terms.until(until),
            None => terms,
        };
        let tail = Tail::register(
            reader,
            terms,
            journal,
            dead_letter,
            progress,
            standing,
            telemetry,
        )?;
        Ok(Aboard {
            tail: Arc::new(tail),
            inbox,
            thread: None,
        })
    }

    fn terms(&self, entry: &Entry) -> Terms {
        Terms::of(entry, self.settings(entry), &self.grounds.telemetry)
    }

    /// How it is treated here.
    fn settings(&self, entry: &Entry) -> Settings {
        let mut settings = entry.settings.clone();
        let max_bytes = &mut settings.max_backlog.bytes;
        *max_bytes = (*max_bytes).min(self.grounds.journal_max_bytes / 2);
        settings
    }

    /// The names of all readers.
    pub(super) fn readers(&self) -> Vec<String> {
        let state = self.state();
        let tails = state.members.values().map(|aboard| &aboard.tail);
        tails.map(|tail| tail.reader().to_owned()).collect()
    }

    /// Starts the threads. They end some time after `stop` turns true.
    pub(super) fn start(
        self: &Arc<Self>,
        stop: &watch::Receiver<bool>,
        passed: Option<Box<Passed>>,
    ) -> io::Result<()> {
        let mut state = self.state();
        for aboard in state.members.values() {
            aboard.tail.begin();
        }
        state.stop = Some(stop.clone());
        state.passed = passed;
        self.start_common(&mut state, None)?;
        let mut all_ready = Vec::new();
        for (id, aboard) in &state.members {
            all_ready.push((*id, self.ready(aboard, stop)?));
        }
        state.begin(all_ready);
        Ok(())
    }

    /// Starts the threads for all outputs, if there is one and they do not run.
    fn start_common(
        self: &Arc<Self>,
        state: &mut State,
        first: Option<&Arc<Tail>>,
    ) -> io::Result<()> {
        let mut tails = state.members.values().map(|aboard| &aboard.tail);
        let Some(tail) = first.or_else(|| tails.next()) else {
            return Ok(());
        };
        let cursor = tail.cursor();
        if state.scout.is_none() {
            if first.is_some() {
                self.field.begin(self.grounds.journal.end());
            }
            state.scout = Some(scout::start(Arc::clone(&self.field), cursor)?);
        }
        if state.watcher.is_none() {
            state.watcher = Some(watcher::start(Arc::downgrade(self))?);
        }
        Ok(())
    }

    fn ready(self: &Arc<Self>, aboard: &Aboard, stop: &watch::Receiver<bool>) -> io::Result<Ready> {
        let courier = Courier::new(Arc::clone(&aboard.tail), Arc::downgrade(self));
        let (gate, opened) = oneshot::channel();
        let thread = courier.start(opened, stop.clone())?;
        Ok(Ready { gate, thread })
    }

    /// Puts other outputs in the place of those in force. `keep` is given the position from which they
    /// count, and the one before which eras are no longer needed; it makes that durable.
    pub(super) fn change(
        self: &Arc<Self>,
        set: OutputSet,
        keep: impl FnOnce(Position, Position) -> io::Result<Kept>,
    ) -> Result<Kept, ChangeError> {
        let mut state = self.state();
        let stop = state.stop.clone().filter(|stop| !*stop.borrow());
        let stop = stop.ok_or(ChangeError::Ending)?;
        let version = state.version + 1;
        let mut joining = BTreeMap::new();
        let mut entries = Vec::new();
        for entry in set.outputs {
            let id = if let Some(known) = state.id_of(&entry.reader) {
                known
            } else {
                let id = Id(state.next_id);
                state.next_id = state.next_id.saturating_add(1);
                match self.board(id, version, &entry, None) {
                    Ok(aboard) => joining.insert(id, aboard),
                    Err(error) => {
                        self.disembark(joining);
                        return Err(ChangeError::Journal(error));
                    }
                };
                id
            };
            entries.push((id, entry));
        }
        failpoint::pass("output.readers_registered");
        let all_ready: io::Result<Vec<_>> = joining
            .iter()
            .map(|(id, aboard)| Ok((*id, self.ready(aboard, &stop)?)))
            .collect();
        let first = joining.values().next().map(|aboard| &aboard.tail);
        let common = self.start_common(&mut state, first);
        let all_ready = match common.and(all_ready) {
            Ok(all_ready) => all_ready,
            Err(error) => {
                self.disembark(joining);
                return Err(ChangeError::Io(error));
            }
        };
        state.forget_passed();
        // Until the end nobody sorts what he has read.
        let mut routes = self.field.routes.change();
        let from = self.grounds.journal.end();
        let oldest = state.eras.first().map_or(from, |era| era.from);
        let kept = match keep(from, oldest) {
            Ok(kept) => kept,
            Err(error) => {
                drop(routes);
                // Their threads end, as the gate never opens.
                drop(all_ready);
                self.disembark(joining);
                return Err(ChangeError::Io(error));
            }
        };
        failpoint::pass("output.era_kept");
        for (id, aboard) in joining {
            aboard.inbox.open(from);
            state.members.insert(id, aboard);
        }
        state.version = version;
        self.put_in_force(&mut state, from, entries, set.routing);
        *routes = Arc::new(state.eras_now());
        drop(routes);
        failpoint::pass("output.era_in_force");
        state.begin(all_ready);
        self.show(&state);
        Ok(kept)
    }

    fn put_in_force(
        &self,
        state: &mut State,
        from: Position,
        entries: Vec<(Id, Entry)>,
        routing: Arc<dyn crate::output::Routing>,
    ) {
        // No record belongs to one that begins there, too.
        state.eras.retain(|era| era.from < from);
        for (id, aboard) in &state.members {
            let stays = entries.iter().find(|(staying, _)| staying == id);
            let terms = aboard.tail.terms();
            match stays {
                // A pause before another attempt ends for nobody else's sake.
                Some((_, entry)) if terms.are_of(&self.settings(entry), entry) => {}
                Some((_, entry)) => aboard.tail.set_terms(self.terms(entry)),
                None if terms.until.is_none() => aboard.tail.set_terms(terms.until(from)),
                None => {}
            }
        }
        let members = entries.into_iter().map(|(id, entry)| Member {
            id,
            start: entry.settings.start,
        });
        state.eras.push(Era {
            from,
            routing,
            members: members.collect(),
        });
    }

    /// Takes away the readers of outputs that do not come to run.
    fn disembark(&self, joining: BTreeMap<Id, Aboard>) {
        for aboard in joining.into_values() {
            self.forget(&aboard.tail);
        }
    }

    /// Takes away all that an output has on the disk but its dead letters.
    fn forget(&self, tail: &Tail) {
        let journal = &self.grounds.journal;
        let retired = journal
            .reader(tail.reader(), Start::Now)
            .and_then(gatelog_journal::Reader::retire);
        if let Err(error) = retired {
            tracing::warn!(output = tail.name(), %error, "the position of an output that has ended cannot be removed");
        }
        if let Err(error) = tail.forget_progress() {
            tracing::warn!(output = tail.name(), %error, "the progress of an output that has ended cannot be removed");
        }
    }

    /// Ends an output that is done with all that it was to deliver; false if it is not, or is in force
    /// again.
    pub(super) fn end(&self, id: Id) -> bool {
        let mut state = self.state();
        let Some(aboard) = state.members.get(&id) else {
            return true;
        };
        if !aboard.tail.is_over() {
            return false;
        }
        self.forget(&aboard.tail);
        failpoint::pass("output.ended");
        tracing::info!(
            output = aboard.tail.name(),
            "the output has ended: it was taken away, and nothing waits for it"
        );
        state.members.remove(&id);
        self.show(&state);
        true
    }

    /// Forgets the eras that every output has passed.
    pub(super) fn forget_eras(&self) {
        let mut state = self.state();
        if !state.forget_passed() {
            return;
        }
        *self.field.routes.change() = Arc::new(state.eras_now());
        if let (Some(passed), Some(oldest)) = (&state.passed, state.eras.first()) {
            passed(oldest.from);
        }
    }

    /// All outputs, also those that are to end.
    pub(super) fn tails(&self) -> BTreeMap<Id, Arc<Tail>> {
        let state = self.state();
        let members = state.members.iter();
        members
            .map(|(id, aboard)| (*id, Arc::clone(&aboard.tail)))
            .collect()
    }

    /// How all of them are.
    pub(super) fn states(&self) -> Vec<OutputState> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.clone()
    }

    fn show(&self, state: &State) {
        let tails = state.members.values().map(|aboard| &aboard.tail);
        let states = tails.map(|tail| OutputState {
            name: tail.name(),
            reader: tail.reader().to_owned(),
            health: Arc::clone(tail.health()),
            ending: tail.terms().until.is_some(),
        });
        let mut shown = self.states.write().unwrap_or_else(PoisonError::into_inner);
        *shown = states.collect();
    }

    /// Waits for the threads to end, which they do some time after `stop` has turned true.
    pub(super) fn join(&self) {
        let mut state = self.state();
        let threads: Vec<_> = state
            .members
            .values_mut()
            .filter_map(|aboard| aboard.thread.take())
            .collect();
        let (watcher, scout) = (state.watcher.take(), state.scout.take());
        drop(state);
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("an output's thread ended in a panic");
            }
        }
        // It is needed while they end, and makes durable what they have confirmed.
        if let Some(watcher) = watcher {
            watcher.join();
        }
        if let Some(scout) = scout {
            scout.join();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a change that counts.
#[derive(Debug)]
pub enum Kept {
    /// It is durable.
    Durable,
    /// It is not sure that it still counts after a failure of the machine.
    Unsure(io::Error),
}

impl State {
    fn id_of(&self, reader: &str) -> Option<Id> {
        let mut members = self.members.iter();
        let found = members.find(|(_, aboard)| aboard.tail.reader() == reader);
        found.map(|(id, _)| *id)
    }

    fn eras_now(&self) -> Eras {
        let members = self.members.iter();
        let inboxes = members.map(|(id, aboard)| (*id, Arc::clone(&aboard.inbox)));
        Eras::new(self.version, &self.eras, inboxes.collect())
    }

    fn begin(&mut self, all_ready: Vec<(Id, Ready)>) {
        for (id, Ready { gate, thread }) in all_ready {
            let _open = gate.send(()).is_ok();
            if let Some(aboard) = self.members.get_mut(&id) {
                aboard.thread = Some(thread);
            }
        }
    }

    /// Forgets the eras that every output has passed; whether there was one.
    fn forget_passed(&mut self) -> bool {
        let passed = self.members.values().map(|aboard| aboard.tail.passed());
        let passed = passed.map(|passed| passed.position).min();
        let mut forgot = false;
        while let [_, next, ..] = self.eras.as_slice()
            && passed.is_none_or(|passed| next.from <= passed)
        {
            self.eras.remove(0);
            forgot = true;
        }
        forgot
    }
}
