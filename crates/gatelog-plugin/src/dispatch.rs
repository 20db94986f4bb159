//! Posts batches to the collector, and deals with its answers.
//!
//! **Shape.** Calls are made from the root context only: Envoy never gives an answer to a context
//! that belongs to a request. Several batches are in flight while the collector answers well. After
//! a failure all sending pauses, for longer each time, and then a single batch tries.
//!
//! **Invariants.** A batch keeps its number through every attempt, so that the collector can tell
//! a repetition; where it is halved, each half has the number of its own first record. A batch is given
//! up only when the collector itself turned it down: for good (400, or 413 for a single record), or
//! [`MAX_REFUSALS`] times with an answer that says neither yes nor "later". While the collector is away,
//! batches wait for as long as the queue has room.
//!
//! **Limits.** [`MAX_IN_FLIGHT`] calls at once, far below Envoy's default circuit breaker of 1024.
//! `Retry-After` counts up to [`LONGEST_RETRY_AFTER_NS`]; as a date it is passed over.

#[cfg(test)]
mod ledger_tests;

use crate::answer::Answer;
use crate::batch::{Batch, Queue};
use crate::config::Delivery;
use crate::host::{Call, CallRefused, Host};
use crate::identity::Identity;

/// Calls at once, while all is well.
pub const MAX_IN_FLIGHT: usize = 32;

/// Attempts for a batch that the collector turns down without saying that it is for good.
pub const MAX_REFUSALS: u32 = 10;

/// The first pause after a failure, in nanoseconds; each further one doubles.
const FIRST_PAUSE_NS: u64 = 100_000_000;

/// The longest pause, in nanoseconds.
const LONGEST_PAUSE_NS: u64 = 5_000_000_000;

/// The longest pause that a collector may ask for, in nanoseconds.
pub const LONGEST_RETRY_AFTER_NS: u64 = 60_000_000_000;

/// The sending side of a worker.
#[derive(Debug)]
pub struct Dispatch {
    cluster: String,
    timeout_ms: u32,
    /// The headers that are the same for every batch.
    headers: Vec<(String, String)>,
    in_flight: Vec<(u32, Batch)>,
    trouble: Option<Trouble>,
}

/// The collector did not answer well the last time.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    failures: u32,
    until_ns: u64,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The collector has dealt with the batch.
    Sent {
        /// Records that it has.
        records: u32,
        /// Records that it refused for good.
        rejected: u32,
    },
    /// It will be tried again.
    Again,
    /// It will be tried again in two halves; it had so many bytes.
    Halved(usize),
    /// Dropped: the collector will never take it.
    Refused(u32),
    /// Dropped: the collector turned it down too often.
    GaveUp(u32),
    /// No batch has this token.
    Unknown,
}

/// What to log, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Sending pauses; said for the first failure and then ever more rarely.
    Paused {
        /// Failures in a row.
        failures: u32,
        /// Of the last one.
        reason: String,
    },
    /// The collector answers again.
    Recovered {
        /// Failures in a row before.
        failures: u32,
    },
}

/// What an answer means for the batch.
enum Verdict {
    Taken,
    Never,
    TooLarge,
    Later,
    No,
}

impl Verdict {
    /// No status: the call broke off or took too long. Envoy answers 503 and 504 itself where it
    /// does not reach the collector.
    fn of(status: Option<u16>) -> Self {
        match status {
            Some(200..=299) => Verdict::Taken,
            Some(400) => Verdict::Never,
            Some(413) => Verdict::TooLarge,
            None | Some(408 | 429 | 502 | 503 | 504) => Verdict::Later,
            Some(_) => Verdict::No,
        }
    }
}

impl Dispatch {
    /// Nothing in flight.
    pub fn new(config: &Delivery, identity: &Identity) -> Self {
        let mut headers = vec![
            (":method", "POST".to_owned()),
            (":path", config.collector_path.clone()),
            (":authority", config.authority().to_owned()),
            ("content-type", "application/json".to_owned()),
            ("gatelog-boot", identity.boot.clone()),
            ("gatelog-worker", identity.worker.to_string()),
        ];
        if let Some(token) = &config.collector_token {
            headers.push(("authorization", format!("Bearer {token}")));
        }
        let own = headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let more = config
            .collector_headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
        Self {
            cluster: config.cluster(),
            timeout_ms: config.timeout_ms,
            headers: own.chain(more).collect(),
            in_flight: Vec::new(),
            trouble: None,
        }
    }

    /// Sends what is due.
    pub fn send_due(
        &mut self,
        host: &impl Host,
        queue: &mut Queue,
        sender: &str,
        dropped: u64,
    ) -> Option<Notice> {
        let now_ns = host.now_ns();
        let allowed = match self.trouble {
            None => MAX_IN_FLIGHT,
            Some(trouble) if now_ns < trouble.until_ns => 0,
            Some(_) => 1,
        };
        while self.in_flight.len() < allowed {
            let batch = queue.take(now_ns)?;
            match self.call(host, &batch, sender, dropped) {
                Ok(token) => self.in_flight.push((token, batch)),
                Err(refused) => {
                    queue.put_back(batch);
                    let failures = self.pause(now_ns, None)?;
                    let reason = format!("{refused} (`{}`)", self.cluster);
                    return Some(Notice::Paused { failures, reason });
                }
            }
        }
        None
    }

    fn call(
        &self,
        host: &impl Host,
        batch: &Batch,
        sender: &str,
        dropped: u64,
    ) -> Result<u32, CallRefused> {
        let (sequence, dropped) = (batch.sequence.to_string(), dropped.to_string());
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        headers.extend([
            ("gatelog-sender", sender),
            ("gatelog-sequence", sequence.as_str()),
            ("gatelog-dropped", dropped.as_str()),
        ]);
        host.call(&Call {
            cluster: &self.cluster,
            headers: &headers,
            body: batch.body(),
            timeout_ms: self.timeout_ms,
        })
    }

    /// Takes the answer to a call.
    pub fn on_answer(
        &mut self,
        host: &impl Host,
        queue: &mut Queue,
        token: u32,
        answer: &Answer,
    ) -> (Outcome, Option<Notice>) {
        let Some(place) = self.in_flight.iter().position(|(held, _)| *held == token) else {
            return (Outcome::Unknown, None);
        };
        let (_, batch) = self.in_flight.swap_remove(place);
        let outcome = settle(queue, batch, answer);
        if !matches!(outcome, Outcome::Again | Outcome::GaveUp(_)) {
            let notice = self.trouble.take().map(|trouble| Notice::Recovered {
                failures: trouble.failures,
            });
            return (outcome, notice);
        }
        let mut reason = match answer.status {
            None => "the collector did not answer".to_owned(),
            Some(status) => format!("the collector answered {status} {}", answer.reason),
        };
        if let Some(seconds) = answer.retry_after_s {
            reason = format!("{reason}, not before {seconds} s");
        }
        let notice = self
            .pause(host.now_ns(), answer.retry_after_s)
            .map(|failures| Notice::Paused { failures, reason });
        (outcome, notice)
    }

    /// Pauses, for longer than the last time, and for as long as the collector asked; gives the failures
    /// in a row now and then, to be logged. Failures of calls that were begun before the pause belong to
    /// the one that caused it.
    fn pause(&mut self, now_ns: u64, retry_after_s: Option<u64>) -> Option<u32> {
        let asked_ns = retry_after_s
            .unwrap_or(0)
            .saturating_mul(1_000_000_000)
            .min(LONGEST_RETRY_AFTER_NS);
        let asked_until_ns = now_ns + asked_ns;
        let failures = match &mut self.trouble {
            Some(trouble) if now_ns < trouble.until_ns => {
                trouble.until_ns = trouble.until_ns.max(asked_until_ns);
                return None;
            }
            Some(trouble) => trouble.failures.saturating_add(1),
            None => 1,
        };
        let doubled = FIRST_PAUSE_NS.saturating_mul(1 << (failures - 1).min(30));
        let pause_ns = doubled.min(LONGEST_PAUSE_NS);
        // The lower bits of the time are random enough to keep gateways from coming all at once.
        let jitter_ns = now_ns.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (pause_ns / 2);
        self.trouble = Some(Trouble {
            failures,
            until_ns: (now_ns + pause_ns / 2 + jitter_ns).max(asked_until_ns),
        });
        failures.is_power_of_two().then_some(failures)
    }

    /// Whether no call is under way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Records in flight.
    pub fn records_in_flight(&self) -> u64 {
        let records = self
            .in_flight
            .iter()
            .map(|(_, batch)| u64::from(batch.records));
        records.sum()
    }
}

/// Does with a batch what the answer to it says.
fn settle(queue: &mut Queue, mut batch: Batch, answer: &Answer) -> Outcome {
    let records = batch.records;
    let outcome = match Verdict::of(answer.status) {
        Verdict::Taken => {
            let rejected = answer.rejected.min(records);
            Outcome::Sent {
                records: records - rejected,
                rejected,
            }
        }
        Verdict::Never => Outcome::Refused(records),
        Verdict::TooLarge => {
            let bytes = batch.body().len();
            return match queue.put_back_halves(batch) {
                Ok(()) => Outcome::Halved(bytes),
                Err(_single) => Outcome::Refused(records),
            };
        }
        Verdict::No if batch.refusals + 1 >= MAX_REFUSALS => Outcome::GaveUp(records),
        Verdict::No => {
            batch.refusals += 1;
            Outcome::Again
        }
        Verdict::Later => Outcome::Again,
    };
    if outcome == Outcome::Again {
        queue.put_back(batch);
    } else {
        queue.settle(&batch);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Limits;
    use crate::fake::Fake;

    const SENT: Outcome = Outcome::Sent {
        records: 1,
        rejected: 0,
    };

    struct Rig {
        host: Fake,
        queue: Queue,
        dispatch: Dispatch,
    }

    impl Rig {
        fn new() -> Self {
            Self::with_batches_of(1)
        }

        fn with_batches_of(batch_records: u32) -> Self {
            let config = crate::config::Config::parse(
                br#"{"collector_service_name":"c.static","collector_port":80,
                     "collector_token":"t0ken","collector_headers":{"X-More":"1"}}"#,
            )
            .unwrap();
            let host = Fake::default();
            let identity = Identity::new(&host);
            Rig {
                queue: Queue::new(Limits {
                    batch_records,
                    batch_bytes: 100,
                    flush_interval_ns: 0,
                    queue_bytes: 10_000,
                }),
                dispatch: Dispatch::new(&config.delivery, &identity),
                host,
            }
        }

        fn push(&mut self, count: usize) {
            for number in 0..count {
                self.queue.push(&format!("{{{number}}}"), || 0);
            }
        }

        fn send(&mut self) -> Option<Notice> {
            self.dispatch.send_due(&self.host, &mut self.queue, "gw", 0)
        }

        fn answer(&mut self, token: u32, status: Option<u16>) -> Outcome {
            let answer = status.map_or_else(Answer::default, Answer::of);
            self.answer_with(token, &answer)
        }

        fn answer_with(&mut self, token: u32, answer: &Answer) -> Outcome {
            self.dispatch
                .on_answer(&self.host, &mut self.queue, token, answer)
                .0
        }

        fn calls(&self) -> usize {
            self.host.calls.borrow().len()
        }

        /// Answers every call with `status` until nothing more is sent for a minute.
        fn answer_all(&mut self, status: Option<u16>) -> Vec<Outcome> {
            let mut outcomes = Vec::new();
            for _ in 0..600 {
                self.send();
                for token in u32::try_from(outcomes.len()).unwrap().. {
                    if token as usize >= self.calls() {
                        break;
                    }
                    outcomes.push(self.answer(token, status));
                }
                self.host.advance_ms(100);
            }
            outcomes
        }
    }

    #[test]
    fn a_call_says_who_sends_what() {
        let mut rig = Rig::new();
        rig.push(1);
        rig.send();
        let call = rig.host.calls.borrow()[0].clone();
        assert_eq!(call.cluster, "outbound|80||c.static");
        assert_eq!(call.body, "{0}");
        for (name, value) in [
            (":method", "POST"),
            (":path", "/ingest"),
            (":authority", "c.static"),
            ("authorization", "Bearer t0ken"),
            ("x-more", "1"),
            ("gatelog-sender", "gw"),
            ("gatelog-worker", "0"),
            ("gatelog-sequence", "0"),
            ("gatelog-dropped", "0"),
        ] {
            assert_eq!(
                call.headers.get(name).map(String::as_str),
                Some(value),
                "{name}"
            );
        }
    }

    #[test]
    fn several_are_in_flight_but_not_any_number() {
        let mut rig = Rig::new();
        rig.push(MAX_IN_FLIGHT + 1);
        rig.send();
        assert_eq!(rig.calls(), MAX_IN_FLIGHT);
        assert_eq!(rig.answer(0, Some(200)), SENT);
        rig.send();
        assert_eq!(rig.calls(), MAX_IN_FLIGHT + 1);
    }

    #[test]
    fn what_is_refused_for_good_is_dropped_and_its_neighbours_are_not_held_up() {
        // 413 is for good where there is nothing to halve.
        for status in [400, 413] {
            let mut rig = Rig::new();
            rig.push(2);
            rig.send();
            assert_eq!(rig.answer(0, Some(status)), Outcome::Refused(1));
            assert_eq!(rig.answer(1, Some(200)), SENT);
            assert!(rig.queue.is_empty());
        }
    }

    #[test]
    fn while_the_collector_is_away_one_batch_tries_and_none_is_lost() {
        for status in [None, Some(503), Some(504), Some(429)] {
            let mut rig = Rig::new();
            rig.push(5);
            let outcomes = rig.answer_all(status);
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Again));
            // A minute: the first wave, and then a probe now and then.
            assert!((10..40).contains(&rig.calls()), "{} calls", rig.calls());
            rig.host.advance_ms(10_000);
            let mut sent = rig.answer_all(Some(200));
            sent.retain(|outcome| matches!(outcome, Outcome::Sent { .. }));
            assert_eq!(sent.len(), 5);
        }
    }

    #[test]
    fn a_retry_keeps_its_number() {
        let mut rig = Rig::new();
        rig.push(2);
        rig.send();
        rig.answer(0, None);
        rig.answer(1, None);
        rig.host.advance_ms(10_000);
        rig.send();
        assert_eq!(rig.calls(), 3, "one tries");
        assert_eq!(rig.answer(2, Some(200)), SENT);
        rig.send();
        assert_eq!(
            rig.host.sent_headers("gatelog-sequence"),
            ["0", "1", "0", "1"]
        );
    }

    #[test]
    fn a_batch_that_is_always_turned_down_is_given_up() {
        let mut rig = Rig::new();
        rig.push(1);
        let outcomes = rig.answer_all(Some(500));
        assert_eq!(outcomes.len(), MAX_REFUSALS as usize);
        assert_eq!(outcomes.last(), Some(&Outcome::GaveUp(1)));
        assert!(rig.queue.is_empty());
    }

    #[test]
    fn a_missing_cluster_is_reported_once_in_a_while_and_nothing_is_lost() {
        let mut rig = Rig::new();
        rig.push(1);
        rig.host.refuse.set(Some(CallRefused::BadArgument));
        let first = rig.send();
        assert!(
            matches!(first, Some(Notice::Paused { failures: 1, ref reason })
            if reason.contains("outbound|80||c.static"))
        );
        assert_eq!(rig.send(), None, "it pauses");
        rig.host.refuse.set(None);
        rig.host.advance_ms(10_000);
        rig.send();
        assert_eq!(rig.answer(0, Some(200)), SENT);
    }

    #[test]
    fn a_batch_that_is_too_large_goes_in_halves_with_numbers_of_their_own() {
        let mut rig = Rig::with_batches_of(4);
        rig.push(4);
        rig.send();
        assert_eq!(rig.answer(0, Some(413)), Outcome::Halved(17));
        rig.send();
        let halves = Outcome::Sent {
            records: 2,
            rejected: 0,
        };
        assert_eq!(rig.answer(1, Some(200)), halves);
        assert_eq!(rig.answer(2, Some(413)), Outcome::Halved(9));
        rig.send();
        assert_eq!(rig.answer(3, Some(413)), Outcome::Refused(1));
        assert_eq!(rig.answer(4, Some(200)), SENT);
        assert_eq!(
            rig.host.sent_headers("gatelog-sequence"),
            ["0", "0", "2", "2", "3"]
        );
        let bodies: Vec<_> = rig
            .host
            .calls
            .borrow()
            .iter()
            .map(|call| call.body.clone())
            .collect();
        assert_eq!(
            bodies,
            [
                "[{0},{1},{2},{3}]",
                "[{0},{1}]",
                "[{2},{3}]",
                "[{2}]",
                "[{3}]"
            ]
        );
        assert!(rig.queue.is_empty());
    }

    #[test]
    fn rejected_records_of_a_batch_that_was_taken_are_told() {
        let mut rig = Rig::with_batches_of(3);
        rig.push(3);
        rig.send();
        let answer = Answer {
            rejected: 2,
            ..Answer::of(200)
        };
        let expected = Outcome::Sent {
            records: 1,
            rejected: 2,
        };
        assert_eq!(rig.answer_with(0, &answer), expected);
        let too_many = Answer {
            rejected: 9,
            ..Answer::of(200)
        };
        rig.push(3);
        rig.send();
        let expected = Outcome::Sent {
            records: 0,
            rejected: 3,
        };
        assert_eq!(rig.answer_with(1, &too_many), expected);
    }

    #[test]
    fn a_collector_that_names_a_time_is_left_alone_until_then() {
        let mut rig = Rig::new();
        rig.push(2);
        rig.send();
        let wait = |seconds| Answer {
            retry_after_s: Some(seconds),
            ..Answer::of(503)
        };
        rig.answer_with(0, &wait(3));
        // It came after the pause began, and asks for longer.
        rig.answer_with(1, &wait(7));
        rig.host.advance_ms(6_999);
        rig.send();
        assert_eq!(rig.calls(), 2);
        rig.host.advance_ms(1);
        rig.send();
        assert_eq!(rig.calls(), 3);
        rig.answer_with(2, &wait(u64::MAX));
        rig.host.advance_ns(LONGEST_RETRY_AFTER_NS);
        rig.send();
        assert_eq!(rig.calls(), 4, "a minute at most");
    }

    #[test]
    fn an_answer_to_nobody_changes_nothing() {
        assert_eq!(Rig::new().answer(7, Some(200)), Outcome::Unknown);
    }
}
