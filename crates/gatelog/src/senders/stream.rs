//! What is known of one stream of numbers: which are durable, and which are about to be.
//!
//! **Shape.** A frame is appended and its numbers are put in flight, with the journal's ticket for
//! it, under one lock. Whoever looks next asks the journal what became of the tickets: the numbers
//! of a durable frame are durable, those of a failed one are forgotten. So it does not matter
//! whether the request that appended it still waits.
//!
//! **Invariants.** A number is durable, in flight, or unknown; runs in flight share no number with
//! each other or with the durable ones. Only an unknown number is ever appended. That of an item that
//! was refused stays unknown: it is taken when it comes with a record.
//!
//! **Limits.** [`MAX_FLIGHTS`] runs in flight; the runs of [`Numbers`].

use gatelog_journal::TicketState;

use super::gaps::Moment;
use super::ledger::Ledger;
use super::numbers::{Numbers, Run};

/// Runs in flight; beyond it a stream takes nothing until the disk has answered. A worker of our
/// plugin has at most 32 batches under way.
pub(super) const MAX_FLIGHTS: usize = 4096;

/// A stream of numbers, with tickets of the journal as `T`.
#[derive(Debug)]
pub(super) struct State<T> {
    pub(super) durable: Numbers,
    flights: Vec<Flight<T>>,
    /// Checksum of the body of an `Idempotency-Key`, of which something is known.
    pub(super) checksum: Option<u64>,
    /// Of a worker; the body of an `Idempotency-Key` has none.
    pub(super) ledger: Option<Box<Ledger>>,
}

/// Numbers whose frame is not known to be durable.
#[derive(Clone, Copy, Debug)]
struct Flight<T> {
    run: Run,
    ticket: T,
}

impl<T: Copy + PartialEq> State<T> {
    /// A stream of which only the ledger is known, if it has one.
    pub(super) fn new(ledger: Option<Ledger>) -> Self {
        Self {
            durable: Numbers::default(),
            flights: Vec::new(),
            checksum: None,
            ledger: ledger.map(Box::new),
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.durable.heap_bytes()
            + self.flights.capacity() * size_of::<Flight<T>>()
            + self.ledger.as_ref().map_or(0, |ledger| ledger.heap_bytes())
    }

    /// Asks what became of the frames in flight.
    pub(super) fn settle(&mut self, state: impl Fn(T) -> TicketState, now: Moment) {
        let Self {
            durable,
            flights,
            ledger,
            ..
        } = self;
        flights.retain(|flight| {
            match state(flight.ticket) {
                TicketState::Pending => return true,
                TicketState::Durable => {
                    durable.insert(flight.run);
                    if let Some(ledger) = ledger {
                        ledger.received += flight.run.len();
                    }
                }
                TicketState::Failed => {
                    if let Some(ledger) = ledger {
                        ledger.gaps.open(flight.run, now);
                    }
                }
            }
            false
        });
    }

    /// Gives back memory that only a busy stream needs.
    pub(super) fn shrink(&mut self) {
        if self.flights.is_empty() {
            self.flights = Vec::new();
        }
    }

    /// Whether no number of the run is known.
    pub(super) fn is_new(&self, run: Run) -> bool {
        self.durable.overlapping(run).is_empty() && self.in_flight(run).next().is_none()
    }

    /// The numbers of a run that are not known, in order.
    pub(super) fn new_runs(&self, run: Run) -> Vec<Run> {
        let durable = self.durable.overlapping(run).iter().copied();
        let flights = self.in_flight(run).map(|flight| flight.run);
        let mut known: Vec<Run> = durable.chain(flights).collect();
        known.sort_unstable();
        run.without_all(known)
    }

    /// Whether a body with this checksum is the one of the key, which it is from now on if nothing is
    /// known of another one.
    pub(super) fn is_body(&mut self, checksum: Option<u64>) -> bool {
        let known = !self.durable.runs().is_empty() || !self.flights.is_empty();
        if known && let (Some(before), Some(now)) = (self.checksum, checksum) {
            return before == now;
        }
        self.checksum = checksum.or(self.checksum);
        true
    }

    /// Takes note of items that came and were no records.
    pub(super) fn refuse(&mut self, refused: &[Run], now: Moment) {
        if self.ledger.is_none() {
            return;
        }
        for run in refused {
            let unknown = self.new_runs(*run);
            if let Some(ledger) = &mut self.ledger {
                for run in unknown {
                    ledger.refuse(run, now);
                }
            }
        }
    }

    /// The tickets on which numbers of this run depend, each once.
    pub(super) fn tickets(&self, run: Run) -> Vec<T> {
        let mut tickets = Vec::new();
        for flight in self.in_flight(run) {
            if !tickets.contains(&flight.ticket) {
                tickets.push(flight.ticket);
            }
        }
        tickets
    }

    fn in_flight(&self, run: Run) -> impl Iterator<Item = &Flight<T>> {
        self.flights
            .iter()
            .filter(move |flight| !flight.run.and(run).is_empty())
    }

    /// Whether nothing more can be put in flight.
    pub(super) fn is_crowded(&self) -> bool {
        self.flights.len() >= MAX_FLIGHTS
    }

    /// Puts in flight a run of numbers that were not known. What lies below the window is not kept.
    pub(super) fn put_in_flight(&mut self, run: Run, ticket: T, now: Moment) {
        let tracked = Run::new(run.start.max(self.durable.floor()), run.end);
        if let Some(ledger) = &mut self.ledger {
            ledger.beyond_window += run.len() - tracked.len();
        }
        if tracked.is_empty() {
            return;
        }
        if let Some(ledger) = &mut self.ledger {
            ledger.take(tracked, now);
        }
        match self.flights.last_mut() {
            Some(last) if last.ticket == ticket && last.run.end == tracked.start => {
                last.run.end = tracked.end;
            }
            _ => self.flights.push(Flight {
                run: tracked,
                ticket,
            }),
        }
    }

    /// Takes numbers that the journal has, at the start.
    pub(super) fn replay(&mut self, run: Run, now: Moment) {
        let added = self.durable.insert(run);
        if let Some(ledger) = &mut self.ledger {
            ledger.received += added;
            if added > 0 {
                ledger.take(run, now);
            }
        }
    }

    /// How many numbers are in flight.
    pub(super) fn numbers_in_flight(&self) -> u64 {
        self.flights.iter().map(|flight| flight.run.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// What may happen to a stream.
    #[derive(Clone, Debug)]
    enum Event {
        /// A body with so many items from this number.
        Body(u64, u64),
        /// So many items from this number that are no records.
        Refused(u64, u64),
        /// The journal answers one of the appends that wait.
        Answer(prop::sample::Index, bool),
        /// The process ends and starts again: what is not durable is lost.
        Restart,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            6 => (0u64..120, 1u64..20).prop_map(|(first, items)| Event::Body(first, items)),
            1 => (0u64..120, 1u64..10).prop_map(|(first, items)| Event::Refused(first, items)),
            4 => (any::<prop::sample::Index>(), any::<bool>())
                .prop_map(|(which, well)| Event::Answer(which, well)),
            1 => Just(Event::Restart),
        ]
    }

    /// Numbers of runs.
    fn numbers(runs: &[Run]) -> BTreeSet<u64> {
        runs.iter().flat_map(|run| run.start..run.end).collect()
    }

    /// A plain set of numbers beside the stream, and every append with its fate.
    #[derive(Default)]
    struct Model {
        durable: BTreeSet<u64>,
        refused: BTreeSet<u64>,
        pending: BTreeMap<u32, BTreeSet<u64>>,
        answers: BTreeMap<u32, TicketState>,
        highest: u64,
        next_ticket: u32,
    }

    impl Model {
        fn in_flight(&self) -> BTreeSet<u64> {
            self.pending.values().flatten().copied().collect()
        }

        fn known(&self, run: Run) -> BTreeSet<u64> {
            let all = &self.durable | &self.in_flight();
            all.range(run.start..run.end).copied().collect()
        }
    }

    proptest! {
        #[test]
        fn a_stream_is_a_set_of_numbers(events in prop::collection::vec(event(), 1..120)) {
            let now = Moment::now();
            let mut state: State<u32> = State::new(Some(Ledger::new(0, now.time)));
            let mut model = Model::default();
            for event in events {
                match event {
                    Event::Body(first, items) => {
                        let run = Run::new(first, first + items);
                        let settled = model.answers.clone();
                        state.settle(|ticket| settled[&ticket], now);
                        let new = state.new_runs(run);
                        let expected = &numbers(&[run]) - &model.known(run);
                        prop_assert_eq!(numbers(&new), expected.clone());
                        prop_assert_eq!(state.is_new(run), expected.len() as u64 == items);
                        let awaited: BTreeSet<u32> = state.tickets(run).into_iter().collect();
                        let of = |numbers: &BTreeSet<u64>| numbers.range(run.start..run.end).next().is_some();
                        let pending = model.pending.iter().filter(|(_, numbers)| of(numbers));
                        prop_assert_eq!(awaited, pending.map(|(ticket, _)| *ticket).collect());
                        if new.is_empty() {
                            continue;
                        }
                        let ticket = model.next_ticket;
                        model.next_ticket += 1;
                        for run in new {
                            state.put_in_flight(run, ticket, now);
                        }
                        model.refused = &model.refused - &expected;
                        model.answers.insert(ticket, TicketState::Pending);
                        model.pending.insert(ticket, expected);
                        model.highest = model.highest.max(run.end);
                    }
                    Event::Refused(first, items) => {
                        let run = Run::new(first, first + items);
                        state.refuse(&[run], now);
                        let unknown = &numbers(&[run]) - &model.known(run);
                        if let Some(last) = unknown.last() {
                            model.highest = model.highest.max(last + 1);
                        }
                        model.refused.extend(unknown);
                    }
                    Event::Answer(which, well) => {
                        if model.pending.is_empty() {
                            continue;
                        }
                        let ticket = *which.get(&model.pending.keys().collect::<Vec<_>>());
                        let ticket = *ticket;
                        let numbers = model.pending.remove(&ticket).unwrap_or_default();
                        let answer = if well { TicketState::Durable } else { TicketState::Failed };
                        model.answers.insert(ticket, answer);
                        if well {
                            model.durable.extend(numbers);
                        }
                    }
                    Event::Restart => {
                        let settled = model.answers.clone();
                        state.settle(|ticket| settled[&ticket], now);
                        let runs = state.durable.runs().to_vec();
                        model.refused.clear();
                        state = State::new(Some(Ledger::new(0, now.time)));
                        for run in runs {
                            // Twice: a checkpoint may have what is read again behind it.
                            state.replay(run, now);
                            state.replay(run, now);
                        }
                        model.pending.clear();
                        model.highest = model.durable.last().map_or(0, |last| last + 1);
                    }
                }
                let settled = model.answers.clone();
                state.settle(|ticket| settled[&ticket], now);
                prop_assert_eq!(numbers(state.durable.runs()), model.durable.clone());
                let in_flight = model.in_flight();
                prop_assert_eq!(state.numbers_in_flight(), in_flight.len() as u64);
                let Some(ledger) = &state.ledger else { unreachable!() };
                let come = &(&model.durable | &in_flight) | &model.refused;
                prop_assert_eq!(ledger.refused_items, model.refused.len() as u64);
                let missing = &numbers(&[Run::new(0, model.highest)]) - &come;
                prop_assert_eq!(ledger.received, model.durable.len() as u64);
                prop_assert_eq!(ledger.outstanding(state.numbers_in_flight()), missing.len() as u64);
                let listed: Vec<Run> = ledger.gaps.list().iter().map(|gap| gap.run).collect();
                prop_assert_eq!(numbers(&listed), missing, "{:?}", listed);
            }
        }
    }

    #[test]
    fn numbers_below_the_window_are_taken_and_told() {
        let now = Moment::now();
        let mut state: State<u32> = State::new(Some(Ledger::new(0, now.time)));
        state.durable = Numbers::from_runs(100, vec![Run::new(110, 120)]).unwrap();
        assert_eq!(state.new_runs(Run::new(90, 115)), [Run::new(90, 110)]);
        state.put_in_flight(Run::new(90, 110), 1, now);
        assert_eq!(state.numbers_in_flight(), 10);
        assert_eq!(state.ledger.as_ref().unwrap().beyond_window, 10);
        assert!(state.is_new(Run::new(90, 100)), "it cannot be told");
    }
}
