//! What the environment asks for: one place, when, and what.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

/// What is to happen at one place.
#[derive(Debug)]
pub(crate) struct Order {
    name: String,
    action: Action,
    /// The first time it happens, counted from 1.
    first: u64,
    /// How often it happens.
    times: u64,
    /// How often the place was reached.
    reached: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Kill,
    Fail(rustix::io::Errno),
}

/// The order for this place, if it is due now.
pub(crate) fn due(name: &str) -> Option<&'static Order> {
    static ORDERS: OnceLock<Vec<Order>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let Ok(text) = std::env::var("FAILPOINT") else {
            return Vec::new();
        };
        let orders: Option<Vec<_>> = text.split(',').map(parse).collect();
        // A test that hopes for a failure that never comes proves nothing.
        assert!(orders.is_some(), "FAILPOINT={text} cannot be read");
        orders.unwrap_or_default()
    });
    orders.iter().find(|order| order.is_due(name))
}

/// Reads `name=action`, `name=action@first`, `name=action@firstxtimes`.
fn parse(text: &str) -> Option<Order> {
    let (name, rest) = text.split_once('=')?;
    let (action, when) = rest.split_once('@').unwrap_or((rest, "1"));
    let (first, times) = when.split_once('x').unwrap_or((when, "1"));
    Some(Order {
        name: name.to_owned(),
        action: match action {
            "kill" => Action::Kill,
            "eio" => Action::Fail(rustix::io::Errno::IO),
            "enospc" => Action::Fail(rustix::io::Errno::NOSPC),
            _ => return None,
        },
        first: first.parse().ok()?,
        times: times.parse().ok()?,
        reached: AtomicU64::new(0),
    })
}

impl Order {
    fn is_due(&self, name: &str) -> bool {
        if self.name != name {
            return false;
        }
        let reached = self.reached.fetch_add(1, Ordering::Relaxed) + 1;
        reached >= self.first && reached - self.first < self.times
    }

    /// Ends the process, if that is what was asked for.
    pub(crate) fn kill(&self) {
        if self.action == Action::Kill {
            // Nothing is flushed and nothing is dropped, as in a crash.
            let _sent = kill_process(getpid(), Signal::KILL).is_ok();
            // The signal ends this thread, too, in a moment.
            loop {
                std::thread::park();
            }
        }
    }

    /// Ends the process or answers the error that was asked for.
    pub(crate) fn refuse(&self) -> io::Result<()> {
        self.kill();
        match self.action {
            Action::Kill => Ok(()),
            Action::Fail(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_due_at_its_place_and_times_only() {
        let due = |text: &str| {
            let order = parse(text).unwrap();
            (0..6).map(|_| order.is_due("a.b")).collect::<Vec<_>>()
        };
        assert_eq!(due("a.b=kill"), [true, false, false, false, false, false]);
        assert_eq!(due("a.b=eio@2x3"), [false, true, true, true, false, false]);
        assert_eq!(due("a=eio@1x9"), [false; 6]);
        let order = parse("a.b=enospc").unwrap();
        let refused = order.refuse().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for text in ["", "a", "a=", "a=stop", "a=kill@", "a=kill@1x", "a=kill@x2"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
