//! Stand-in until the journal tells the fate of an append itself.

use std::sync::Arc;

use crate::{Appended, Journal, Position};

/// Names an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    end: Position,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// Not known yet.
    Pending,
    /// It is durable.
    Durable,
    /// It is not, and will not be.
    Failed,
}

impl Appended {
    /// The append's ticket.
    pub fn ticket(&self) -> Ticket {
        Ticket { end: self.end }
    }
}

impl Journal {
    /// What became of an append.
    pub fn state(&self, ticket: Ticket) -> TicketState {
        if self.end() >= ticket.end {
            TicketState::Durable
        } else if self.failure().is_some() && self.end() < ticket.end {
            TicketState::Failed
        } else {
            TicketState::Pending
        }
    }

    /// A second one to wait for the same append.
    pub fn appended(&self, ticket: Ticket) -> Appended {
        Appended {
            end: ticket.end,
            shared: Arc::clone(&self.shared),
        }
    }
}
