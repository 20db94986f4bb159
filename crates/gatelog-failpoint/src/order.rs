//! What the environment asks for: one place, when, and what.

use std::io;
use std::path::PathBuf;
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
    /// For how long it happens.
    span: Span,
    /// How often the place was reached.
    reached: AtomicU64,
}

/// For how long an order is due, from its first time on.
#[derive(Debug)]
enum Span {
    Times(u64),
    /// For as long as this file is there.
    While(PathBuf),
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

/// Reads `name=action`, `name=action@first`, `name=action@firstxtimes`, `name=action@first~file`.
fn parse(text: &str) -> Option<Order> {
    let (name, rest) = text.split_once('=')?;
    let (action, when) = rest.split_once('@').unwrap_or((rest, "1"));
    let (first, span) = if let Some((first, file)) = when.split_once('~') {
        (first, Span::While(file.into()))
    } else {
        let (first, times) = when.split_once('x').unwrap_or((when, "1"));
        (first, Span::Times(times.parse().ok()?))
    };
    Some(Order {
        name: name.to_owned(),
        action: match action {
            "kill" => Action::Kill,
            "eio" => Action::Fail(rustix::io::Errno::IO),
            "enospc" => Action::Fail(rustix::io::Errno::NOSPC),
            _ => return None,
        },
        first: first.parse().ok()?,
        span,
        reached: AtomicU64::new(0),
    })
}

impl Order {
    fn is_due(&self, name: &str) -> bool {
        if self.name != name {
            return false;
        }
        let reached = self.reached.fetch_add(1, Ordering::Relaxed) + 1;
        reached >= self.first
            && match &self.span {
                Span::Times(times) => reached - self.first < *times,
                Span::While(file) => file.exists(),
            }
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
    fn an_order_may_last_for_as_long_as_a_file_is_there() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let order = parse(&format!("a.b=eio@2~{}", file.path().display())).unwrap();
        let due = || order.is_due("a.b");
        assert_eq!([due(), due(), due()], [false, true, true]);
        drop(file);
        assert!(!due());
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for text in ["", "a", "a=", "a=stop", "a=kill@", "a=kill@1x", "a=kill@x2"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
