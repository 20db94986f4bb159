//! Why the journal takes no records, for `/ready` and the log.
//!
//! **Shape.** A task looks every [`PERIOD`], and is told of bodies that were refused in between. The log
//! has a warning when refusals begin and a line when they have ended: not before none was seen for
//! [`CALM`], as a journal at its cap takes a little and is full again. So there are at most two lines in
//! that time, however often it changes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gatelog_journal::Error;

use crate::api::lookout::Sight;
use crate::service::{Limits, Service};

/// How often it is looked.
const PERIOD: Duration = Duration::from_millis(500);

/// How long none was seen when they have ended.
const CALM: Duration = Duration::from_secs(10);

/// The reason why the journal refuses records now, if it does.
pub fn reason(service: &Service, sight: &Sight) -> Option<String> {
    service.journal.failure().or_else(|| full(service, sight))
}

/// What is full, if anything is: the journal has reached its cap, or the disk its reserve.
fn full(service: &Service, sight: &Sight) -> Option<String> {
    /// What the journal counts as full before it is, and what it takes for itself.
    const MARGIN_BYTES: u64 = (1 << 20) + (64 << 10);
    if !service.journal.is_full() {
        return None;
    }
    let Limits {
        journal_bytes: max_bytes,
        reserve_bytes,
        ..
    } = service.limits;
    let used_bytes = service.journal.used_bytes();
    let error = if used_bytes + MARGIN_BYTES > max_bytes {
        Error::Full {
            used_bytes,
            max_bytes,
        }
    } else {
        Error::DiskFull {
            free_bytes: sight.free_bytes.unwrap_or_default(),
            reserve_bytes,
        }
    };
    Some(error.to_string())
}

/// Bodies that were refused since it was last looked: a large one is, before the journal is full.
#[derive(Debug, Default)]
pub struct Refused(Mutex<Option<String>>);

impl Refused {
    /// Takes note of a body that the journal did not take.
    pub fn note(&self, error: &Error) {
        let is_told = matches!(
            error,
            Error::Full { .. } | Error::DiskFull { .. } | Error::Poisoned { .. }
        );
        if is_told {
            *self.last() = Some(error.to_string());
        }
    }

    fn take(&self) -> Option<String> {
        self.last().take()
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the log, for ever.
pub(crate) async fn tell(service: Arc<Service>) {
    let mut story = Story::default();
    loop {
        tokio::time::sleep(PERIOD).await;
        let looks_well = service.journal.failure().is_none() && !service.journal.is_full();
        let now = match service.refused.take() {
            Some(error) => Some(error),
            None if looks_well => None,
            None => reason(&service, &service.sight().await),
        };
        match story.goes_on(now.is_some(), Instant::now()) {
            Some(News::Begun) => tracing::warn!(
                reason = now,
                "the journal takes no records: senders are answered 503 and have to keep them"
            ),
            Some(News::Ended) => tracing::info!("the journal takes records again"),
            None => {}
        }
    }
}

/// What the log knows.
#[derive(Debug, Default)]
struct Story {
    /// When records were last seen to be refused, once that is told.
    last_seen: Option<Instant>,
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    Begun,
    Ended,
}

impl Story {
    /// Takes note of whether records are refused now; answers what is to be told.
    fn goes_on(&mut self, refused: bool, now: Instant) -> Option<News> {
        match self.last_seen {
            None if refused => {
                self.last_seen = Some(now);
                Some(News::Begun)
            }
            Some(_) if refused => {
                self.last_seen = Some(now);
                None
            }
            Some(last) if now.duration_since(last) >= CALM => {
                self.last_seen = None;
                Some(News::Ended)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_come_and_go_are_told_once_until_they_have_ended() {
        let begun = Instant::now();
        let mut story = Story::default();
        let mut at =
            |seconds: u64, refused| story.goes_on(refused, begun + Duration::from_secs(seconds));
        assert_eq!(at(0, false), None);
        assert_eq!(at(1, true), Some(News::Begun));
        for second in 2..60 {
            assert_eq!(at(second, second % 5 == 0), None, "{second}");
        }
        // Seen last at 55.
        assert_eq!(at(64, false), None);
        assert_eq!(at(65, false), Some(News::Ended));
        assert_eq!(at(66, false), None);
        assert_eq!(at(67, true), Some(News::Begun));
    }

    #[test]
    fn what_a_sender_may_send_again_at_once_is_not_told() {
        let refused = Refused::default();
        refused.note(&Error::Closed);
        assert_eq!(refused.take(), None);
        let full = Error::Full {
            used_bytes: 1,
            max_bytes: 1,
        };
        refused.note(&full);
        assert_eq!(refused.take(), Some(full.to_string()));
        assert_eq!(refused.take(), None);
    }
}
