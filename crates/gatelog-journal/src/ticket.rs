//! What became of an append, told exactly, also after the journal has failed and gone on.
//!
//! **Shape.** When a write fails, all that was not durable is given up, and positions behind the
//! durable end are used again by later appends. So a position alone does not name an append: the
//! stretch between two failures is a *generation*, and a [`Ticket`] is a generation and a position.
//!
//! **Invariants.**
//! - An append of the present generation is durable when the durable end has reached it; one of an
//!   earlier generation is durable if its end is not behind the durable end at which that generation
//!   ended, and has failed otherwise. Neither ever changes.
//! - The end of a generation is kept before the next one is published.
//!
//! **Limits.** Each failure leaves 8 bytes in memory until the process ends.

use crate::Position;

/// An append, to ask about later: [`Journal::state`](crate::Journal::state). It means something to
/// the open journal that gave it, and to no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub(crate) generation: u64,
    pub(crate) end: Position,
}

impl Ticket {
    /// The position behind the append, if it becomes durable.
    pub fn end(self) -> Position {
        self.end
    }
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// It is not durable yet.
    Pending,
    /// It is durable.
    Durable,
    /// It was given up: no reader of this process will see it. Only if the process ends before the
    /// journal has gone on can it be found after the next start.
    Failed,
}

/// How far the journal is, as everybody may know.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Published {
    pub(crate) generation: u64,
    /// Everything before this is durable.
    pub(crate) position: Position,
    /// Whether nothing more will come.
    pub(crate) closed: bool,
}

/// Where the earlier generations have ended.
#[derive(Debug, Default)]
pub(crate) struct Generations {
    ends: Vec<Position>,
    /// Why the latest of them ended.
    reason: String,
}

impl Generations {
    /// Keeps where the present generation ends, and why.
    pub(crate) fn end(&mut self, durable: Position, reason: &str) {
        self.ends.push(durable);
        reason.clone_into(&mut self.reason);
    }

    pub(crate) fn reason(&self) -> String {
        self.reason.clone()
    }

    pub(crate) fn state(&self, ticket: Ticket, now: Published) -> TicketState {
        let durable = if ticket.generation == now.generation {
            Some(now.position)
        } else {
            let generation = usize::try_from(ticket.generation).ok();
            generation.and_then(|index| self.ends.get(index)).copied()
        };
        if durable.is_some_and(|durable| ticket.end <= durable) {
            TicketState::Durable
        } else if ticket.generation == now.generation {
            TicketState::Pending
        } else {
            TicketState::Failed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_that_is_used_again_is_another_append() {
        let mut generations = Generations::default();
        let ticket = |generation, end| Ticket {
            generation,
            end: Position::new(end),
        };
        let now = |generation, end| Published {
            generation,
            position: Position::new(end),
            closed: false,
        };
        assert_eq!(
            generations.state(ticket(0, 20), now(0, 10)),
            TicketState::Pending
        );
        generations.end(Position::new(10), "EIO");
        for published in [now(1, 10), now(1, 30)] {
            let state = |ticket| generations.state(ticket, published);
            assert_eq!(state(ticket(0, 10)), TicketState::Durable);
            assert_eq!(state(ticket(0, 20)), TicketState::Failed);
        }
        let state = |end| generations.state(ticket(1, 20), now(1, end));
        assert_eq!(state(10), TicketState::Pending);
        assert_eq!(state(20), TicketState::Durable);
    }
}
