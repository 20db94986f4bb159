//! What the appenders, the writer and the readers have in common.
//!
//! **Locks.** Of those that are held together the order is: `deleting`, `shelf`, `queue`,
//! `generations`, then those within a [`Hold`](crate::hold::Hold).

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::acknowledge::Others;
use crate::clock::Clock;
use crate::damage::DamageBook;
use crate::directory::{Home, Lock};
use crate::hold::Marks;
use crate::keeper::Keeper;
use crate::shelf::Shelf;
use crate::ticket::{Generations, Published, Ticket, TicketState};
use crate::{Config, Position};

/// See above.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) home: Home,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) queue: Mutex<Queue>,
    /// Signalled when there is something to write, or the journal closes.
    pub(crate) work: Condvar,
    /// Where the journal ended when it was opened.
    pub(crate) opened_at: Position,
    /// How far everything is durable.
    pub(crate) published: watch::Sender<Published>,
    pub(crate) generations: Mutex<Generations>,
    /// Who waits for that on threads without an [`Acknowledger`](crate::Acknowledger).
    pub(crate) others: Others,
    pub(crate) shelf: Mutex<Shelf>,
    /// Held while segments are deleted, one after the other, and while the spare file is taken.
    pub(crate) deleting: Mutex<()>,
    pub(crate) damage: Mutex<DamageBook>,
    /// Places that any cursor has come by: what one reader has read another need not look up.
    pub(crate) seen: Mutex<Marks>,
    pub(crate) keeper: Keeper,
    /// Held for as long as anybody can touch the files.
    pub(crate) _lock: Lock,
}

/// What waits for the writer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Whole frames, in order: the next round.
    pub(crate) bytes: Vec<u8>,
    /// How many appends and how many records they come from.
    pub(crate) appends: usize,
    pub(crate) records: u64,
    /// Behind the last frame in `bytes`.
    pub(crate) end: Position,
    pub(crate) generation: u64,
    /// The number of appends at which the writer wants to be woken; 0 while it is awake.
    pub(crate) wake_at: usize,
    pub(crate) closed: bool,
    /// Whether the newest segment is to be sealed although the next round has a place in it: it is
    /// larger than others, and could never be given back while it is the newest.
    pub(crate) seal: bool,
    /// Why nothing is taken at present.
    pub(crate) failed: Option<String>,
    /// Bytes that are free on the disk, while they are too few.
    pub(crate) disk_full: Option<u64>,
}

impl Shared {
    /// How far everything is durable.
    pub(crate) fn durable(&self) -> Position {
        self.published.borrow().position
    }

    /// What became of an append.
    pub(crate) fn state(&self, ticket: Ticket) -> TicketState {
        let now = *self.published.borrow();
        if ticket.generation == now.generation {
            // Nothing of the past is needed, and nobody else is kept waiting for it.
            return Generations::default().state(ticket, now);
        }
        self.generations().state(ticket, now)
    }

    pub(crate) fn is_short_of_disk(&self) -> bool {
        self.queue().disk_full.is_some()
    }

    /// Nothing that holds these locks can panic half-way, so a poisoned lock is as good as any.
    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Marks> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn generations(&self) -> MutexGuard<'_, Generations> {
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
