//! Answers to appends: who waits, and how they are woken.
//!
//! **Shape.** An [`Appended`] waits for a position to be durable. Waking a task of another thread
//! costs a system call, and there are as many waiting as requests are under way; so a thread that
//! serves many runs an [`Acknowledger`], which the writer wakes once in a round, and which wakes
//! those of its own thread, for next to nothing. On threads without one the writer wakes each.
//!
//! **Invariants.** The position is made durable and published before the waiting are looked for,
//! and looked at again after one has been put among the waiting: none can be missed. When a
//! generation ends, all are woken, and those who still have to wait put themselves there again.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::shared::Shared;
use crate::ticket::{Ticket, TicketState};
use crate::{Error, Position, Result};

/// Who waits for which position.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Vec<(Position, Waker)>);

impl Waiting {
    /// Wakes those who wait for `durable` or less.
    fn wake_up_to(&mut self, durable: Position) {
        for (_, waker) in self.0.extract_if(.., |(position, _)| *position <= durable) {
            waker.wake();
        }
    }
}

thread_local! {
    /// Those of this thread, while an [`Acknowledger`] runs on it, and the journal it is of.
    static LOCAL: RefCell<Option<(Arc<Shared>, Waiting)>> = const { RefCell::new(None) };
}

/// Wakes those who wait on no thread with an acknowledger.
pub(crate) fn wake_others(shared: &Shared, durable: Position) {
    shared
        .others
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .wake_up_to(durable);
}

/// The place of those who wait on no thread with an acknowledger.
pub(crate) type Others = Mutex<Waiting>;

/// The answer to an append: the position behind the frame, once that is durable.
#[derive(Debug)]
pub struct Appended {
    pub(crate) ticket: Ticket,
    pub(crate) shared: Arc<Shared>,
}

impl Appended {
    /// What to ask about this append with, also when this is gone.
    pub fn ticket(&self) -> Ticket {
        self.ticket
    }

    fn answer(&self) -> Option<Result<Position>> {
        match self.shared.state(self.ticket) {
            TicketState::Pending => None,
            TicketState::Durable => Some(Ok(self.ticket.end)),
            TicketState::Failed => {
                let reason = self.shared.generations().reason();
                Some(Err(Error::Poisoned { reason }))
            }
        }
    }

    /// Puts the waker among those of this thread; false when nobody here would wake it.
    fn wait_here(&self, waker: &Waker) -> bool {
        LOCAL.with_borrow_mut(|local| match local {
            Some((shared, waiting)) if Arc::ptr_eq(shared, &self.shared) => {
                waiting.0.push((self.ticket.end, waker.clone()));
                true
            }
            _ => false,
        })
    }
}

impl Future for Appended {
    type Output = Result<Position>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(answer) = self.answer() {
            return Poll::Ready(answer);
        }
        if !self.wait_here(context.waker()) {
            let mut others = self
                .shared
                .others
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            others.0.push((self.ticket.end, context.waker().clone()));
        }
        self.answer().map_or(Poll::Pending, Poll::Ready)
    }
}

/// Wakes the appends that wait on its thread: a future for a thread's own, single-threaded runtime,
/// to be polled beside what appends there. It ends when the journal does.
#[derive(Debug)]
pub struct Acknowledger(Arc<Shared>);

impl Acknowledger {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Does it. Of several on one thread the last one counts.
    pub async fn run(self) {
        let mut published = self.0.published.subscribe();
        let mut generation = published.borrow().generation;
        let _here = Here::enter(Arc::clone(&self.0));
        while published.changed().await.is_ok() {
            let now = *published.borrow_and_update();
            let ended = now.closed || now.generation != generation;
            generation = now.generation;
            let reached = if ended {
                // All of them are to look.
                Position::new(u64::MAX)
            } else {
                now.position
            };
            LOCAL.with_borrow_mut(|local| {
                if let Some((_, waiting)) = local {
                    waiting.wake_up_to(reached);
                }
            });
            if now.closed {
                return;
            }
        }
    }
}

/// This thread has an acknowledger for as long as this lives.
struct Here;

impl Here {
    fn enter(shared: Arc<Shared>) -> Self {
        LOCAL.set(Some((shared, Waiting::default())));
        Self
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        // Those who still wait look for themselves, and find another place to wait.
        if let Some((_, mut waiting)) = LOCAL.take() {
            waiting.wake_up_to(Position::new(u64::MAX));
        }
    }
}
