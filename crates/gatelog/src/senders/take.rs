//! Taking a body into its stream: what is known of it is left out.

use gatelog_journal::{Appended, Journal, Ticket};

use super::cut::{Piece, cut};
use super::shelf::Held;
use super::{Error, Frame, Moment, Run, Sent, Taken};

/// A body whose items are numbered.
pub(super) struct Body<'b> {
    pub(super) sent: &'b Sent,
    pub(super) frames: &'b [Frame<'b>],
    /// Numbers of the items that are no records, in order.
    pub(super) refused: &'b [Run],
}

impl Body<'_> {
    /// Appends the records whose numbers are not known.
    pub(super) fn take_into(
        &self,
        state: &mut Held<'_>,
        journal: &Journal,
        now: Moment,
    ) -> Result<Taken, Error> {
        state.settle(|ticket| journal.state(ticket), now);
        if let Some(ledger) = &mut state.ledger {
            ledger.last_seen = now.time;
            // Bodies overtake each other, and what was dropped stays dropped.
            let dropped = self.sent.dropped.unwrap_or_default();
            ledger.dropped = ledger.dropped.max(dropped);
        }
        if !state.is_body(self.sent.checksum) {
            return Err(Error::OtherBody);
        }
        state.refuse(self.refused, now);
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else {
            return Ok(Taken::default());
        };
        let whole = Run::new(first.numbers.start, last.numbers.end);
        if state.is_crowded() {
            return Err(Error::Crowded);
        }
        let records = self.frames.iter().map(|frame| u64::from(frame.records));
        let records: u64 = records.sum();
        if state.is_new(whole) {
            let appended = append(journal, self.frames)?;
            self.put_in_flight(state, whole, appended.ticket(), now);
            return Ok(Taken {
                accepted: records,
                duplicates: 0,
                appended: vec![appended],
            });
        }
        let tickets = state.tickets(whole).into_iter();
        let mut appended: Vec<Appended> = tickets.map(|ticket| journal.appended(ticket)).collect();
        let accepted = match self.append_new(state, journal, now)? {
            Some((own, records)) => {
                appended.push(own);
                records
            }
            None => 0,
        };
        let duplicates = records - accepted;
        if let Some(ledger) = &mut state.ledger {
            ledger.duplicates += duplicates;
        }
        Ok(Taken {
            accepted,
            duplicates,
            appended,
        })
    }

    /// Appends the records of which some are known, without those; how many it were, if any.
    fn append_new(
        &self,
        state: &mut Held<'_>,
        journal: &Journal,
        now: Moment,
    ) -> Result<Option<(Appended, u64)>, Error> {
        let Sent { name, checksum, .. } = self.sent;
        let mut pieces = Vec::new();
        for frame in self.frames {
            let wanted = state.new_runs(frame.numbers);
            if !wanted.is_empty() {
                pieces.extend(cut(frame, name.stream(), *checksum, &wanted)?);
            }
        }
        if pieces.is_empty() {
            return Ok(None);
        }
        let new: Vec<Frame<'_>> = pieces.iter().map(Piece::frame).collect();
        let appended = append(journal, &new)?;
        for frame in &new {
            self.put_in_flight(state, frame.numbers, appended.ticket(), now);
        }
        let records = new.iter().map(|frame| u64::from(frame.records)).sum();
        Ok(Some((appended, records)))
    }

    /// Puts in flight the numbers of this run that are of records.
    fn put_in_flight(&self, state: &mut Held<'_>, run: Run, ticket: Ticket, now: Moment) {
        if self.refused.is_empty() {
            state.put_in_flight(run, ticket, now);
            return;
        }
        for taken in run.without_all(self.refused.iter().copied()) {
            state.put_in_flight(taken, ticket, now);
        }
    }
}

fn append(journal: &Journal, frames: &[Frame<'_>]) -> gatelog_journal::Result<Appended> {
    if let [frame] = frames {
        return journal.append(frame.bytes, frame.records);
    }
    let frames: Vec<(&[u8], u32)> = frames
        .iter()
        .map(|frame| (frame.bytes, frame.records))
        .collect();
    journal.append_all(&frames)
}
