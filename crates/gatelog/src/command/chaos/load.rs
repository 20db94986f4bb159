//! The load: several senders at once, each in a manner of its own, that go on through crashes.
//!
//! **Shape.** A lane has one connection and one batch under way. [`Manner`] says what it does with a
//! batch that got no answer: plain senders leave it (it may be stored or not), numbered and keyed
//! ones send it again until it is answered, and rely on the collector to know it again. Where the
//! collector listens is told by a watch channel, `None` while it is down.

use std::io::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use flate2::Compression;
use flate2::write::GzEncoder;
use gatelog_record::Timestamp;
use hyper::body::Bytes;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::books::Books;
use super::oracle::Id;
use super::payload;
use super::random::Random;
use crate::command::client::{Answer, Client};
use crate::intake;

/// The pause before a batch is sent again, and after a refusal.
const PAUSE: Duration = Duration::from_millis(30);

/// How long lanes may go on to get their last batch answered.
const LAST_ANSWERS: Duration = Duration::from_mins(2);

/// Records in the largest batch: some frames of the journal.
const LARGE_BATCH: u64 = 2000;

/// Bytes in the body of a bulky record.
const BULKY_BYTES: usize = 256 << 10;

/// What a sender does to be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Nothing: a batch without an answer is given up.
    Plain,
    /// The sender protocol: boot, worker and sequence; sent again until answered.
    Numbered,
    /// An `Idempotency-Key`; sent again until answered.
    Keyed,
    /// As plain, with records of [`BULKY_BYTES`] that fill segments in no time.
    Bulky,
}

/// The lanes that the chaos command runs.
pub const LANES: [Manner; 8] = [
    Manner::Plain,
    Manner::Numbered,
    Manner::Keyed,
    Manner::Plain,
    Manner::Numbered,
    Manner::Keyed,
    Manner::Plain,
    Manner::Numbered,
];

/// Where the collector listens; `None` while it is down.
pub type Address = watch::Receiver<Option<SocketAddr>>;

/// A running load.
#[derive(Debug)]
pub struct Load {
    lanes: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// What all lanes have in common.
#[derive(Clone, Debug)]
struct Lane {
    number: u16,
    manner: Manner,
    /// Tells this run's senders from those of other runs.
    run: u64,
    address: Address,
    stop: watch::Receiver<bool>,
    books: Books,
    client: Client,
    random: Random,
    /// When the load began, and how many records each lane may send in a second.
    pace: (Instant, u64),
}

/// One batch, as it is sent and sent again.
struct Batch {
    numbers: Range<u64>,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

/// The part of the collector's answer that counts.
#[derive(Deserialize)]
struct Counts {
    accepted: u64,
    #[serde(default)]
    duplicates: u64,
    #[serde(default)]
    rejected: Vec<serde::de::IgnoredAny>,
}

impl Load {
    /// Starts the lanes and one asker of queries in the current runtime, with at most `rate`
    /// records a second of them all.
    pub fn start(
        lanes: &[Manner],
        rate: u64,
        random: &Random,
        address: &Address,
        books: &Books,
    ) -> Self {
        let stop = watch::Sender::new(false);
        let each = rate / (lanes.len() as u64).max(1);
        let lane = |(number, manner): (u16, Manner)| Lane {
            number,
            manner,
            run: random.clone().next(),
            address: address.clone(),
            stop: stop.subscribe(),
            books: books.clone(),
            client: Client::new(),
            random: random.fork(number.into()),
            pace: (Instant::now(), each.max(1)),
        };
        let mut tasks = JoinSet::new();
        for numbered in (0..).zip(lanes.iter().copied()) {
            tasks.spawn(lane(numbered).send());
        }
        tasks.spawn(lane((u16::MAX, Manner::Plain)).ask());
        Self { lanes: tasks, stop }
    }

    /// Ends it: plain lanes at once, the others when their last batch is answered.
    ///
    /// # Errors
    /// How many lanes got no answer for a batch that they have to send again.
    pub async fn finish(mut self) -> Result<(), String> {
        self.stop.send_replace(true);
        let all = async { while self.lanes.join_next().await.is_some() {} };
        match tokio::time::timeout(LAST_ANSWERS, all).await {
            Ok(()) => Ok(()),
            Err(_) => Err(format!(
                "{} lanes got no answer for {} s after the last fault",
                self.lanes.len(),
                LAST_ANSWERS.as_secs()
            )),
        }
    }
}

impl Lane {
    async fn send(mut self) {
        let mut issued = 0;
        while let Some(mut address) = self.up().await {
            let batch = self.batch();
            issued += batch.numbers.end - batch.numbers.start;
            let mut attempt = 0;
            while !self.attempt(address, &batch, attempt).await {
                tokio::time::sleep(PAUSE).await;
                if matches!(self.manner, Manner::Plain | Manner::Bulky) {
                    break;
                }
                attempt += 1;
                // A batch that is to be sent again is, whether the load is to end or not.
                match self.address.wait_for(Option::is_some).await {
                    Ok(known) => address = known.unwrap_or(address),
                    Err(_) => return,
                }
            }
            self.rest(issued).await;
        }
    }

    /// Where the collector listens, once it does; `None` when the load is to end.
    async fn up(&mut self) -> Option<SocketAddr> {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => None,
            address = self.address.wait_for(Option::is_some) => *address.ok()?,
        }
    }

    /// Keeps the pace, with some jitter, so that lanes do not go in step.
    async fn rest(&mut self, issued: u64) {
        let (begun, rate) = self.pace;
        let due = begun + Duration::from_millis(issued.saturating_mul(1000) / rate);
        let jitter = Duration::from_micros(self.random.below(3000));
        tokio::select! {
            _ = self.stop.wait_for(|stop| *stop) => {}
            () = tokio::time::sleep_until((due + jitter).into()) => {}
        }
    }

    fn batch(&mut self) -> Batch {
        let random = &mut self.random;
        let (bulky, body_bytes) = match self.manner {
            Manner::Bulky => (true, BULKY_BYTES),
            _ => (false, 0),
        };
        let count = match random.below(100) {
            _ if bulky => 8,
            0 => 1 + random.below(LARGE_BATCH),
            1..40 => 1,
            _ => 1 + random.below(100),
        };
        let numbers = self.books.open().oracle.issue(self.number, count);
        let now = Timestamp::from_millis(intake::now().millis());
        let mut body = String::new();
        let as_array = random.percent(20);
        for number in numbers.clone() {
            let separator = match (as_array, number == numbers.start) {
                (true, true) => '[',
                (true, false) => ',',
                (false, _) => '\n',
            };
            body.push(separator);
            let lane = self.number;
            payload::write(Id { lane, number }, now, body_bytes, &mut body);
        }
        if as_array {
            body.push(']');
        }
        let mut headers = self.identification(&numbers);
        let body = if self.random.percent(15) {
            headers.push((header::CONTENT_ENCODING, HeaderValue::from_static("gzip")));
            gzip(body.as_bytes())
        } else {
            body.into_bytes()
        };
        Batch {
            numbers,
            headers,
            body: body.into(),
        }
    }

    /// The headers by which a batch is known again.
    fn identification(&self, numbers: &Range<u64>) -> Vec<(HeaderName, HeaderValue)> {
        let boot = format!("chaos-{:016x}", self.run);
        let pairs = match self.manner {
            Manner::Plain | Manner::Bulky => Vec::new(),
            Manner::Numbered => vec![
                ("gatelog-sender", "chaos".to_owned()),
                ("gatelog-boot", boot),
                ("gatelog-worker", self.number.to_string()),
                ("gatelog-sequence", numbers.start.to_string()),
                ("gatelog-dropped", "0".to_owned()),
            ],
            Manner::Keyed => vec![(
                "idempotency-key",
                format!("{boot}-{}-{}", self.number, numbers.start),
            )],
        };
        let header = |(name, value): (&'static str, String)| {
            let value = HeaderValue::try_from(value).ok()?;
            Some((HeaderName::from_static(name), value))
        };
        pairs.into_iter().filter_map(header).collect()
    }

    /// Sends the batch once; whether it was answered for good.
    async fn attempt(&self, address: SocketAddr, batch: &Batch, attempt: u64) -> bool {
        let Some(url) = url(address, "/ingest") else {
            return true;
        };
        let (headers, body) = (batch.headers.clone(), batch.body.clone());
        let answer = self.client.post(url, headers, body).await;
        let mut books = self.books.open();
        books.sent += 1;
        books.repeated += u64::from(attempt > 0);
        let answer = match answer {
            Err(_) => {
                books.unanswered += 1;
                return false;
            }
            Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
                books.refused += 1;
                return false;
            }
            Ok(answer) => answer,
        };
        let count = batch.numbers.end - batch.numbers.start;
        match counts(&answer).filter(|counts| counts.fits(count, attempt > 0)) {
            Some(counts) => {
                books.acknowledged += 1;
                books.recognised += u64::from(counts.duplicates > 0);
                let numbers = batch.numbers.clone();
                books.oracle.acknowledge(self.number, numbers);
            }
            None => books.wrong.add(|| {
                format!(
                    "{:?} batch {}:{} of {count}, sent {} times: {} {}",
                    self.manner,
                    self.number,
                    batch.numbers.start,
                    attempt + 1,
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                )
            }),
        }
        true
    }

    /// Asks a query now and then, as dashboards do.
    async fn ask(mut self) {
        const QUESTIONS: [&str; 4] = [
            "/query?page_size=100&fields=all",
            "/query?model=chaos&status_class=5xx",
            "/query?path=completions&sort_by=duration&count=none",
            "/ready",
        ];
        while let Some(address) = self.up().await {
            let which = usize::try_from(self.random.below(4)).unwrap_or_default();
            let question = QUESTIONS.get(which).copied().unwrap_or_default();
            if let Some(url) = url(address, question) {
                let answered = self.client.get(url).await.is_ok();
                self.books.open().queries += u64::from(answered);
            }
            let pause = Duration::from_millis(50 + self.random.below(300));
            tokio::time::sleep(pause).await;
        }
    }
}

impl Counts {
    /// Whether the whole batch is where it has to be. Only a batch that was sent before can be known.
    fn fits(&self, count: u64, sent_before: bool) -> bool {
        self.accepted + self.duplicates == count
            && self.rejected.is_empty()
            && (sent_before || self.duplicates == 0)
    }
}

fn counts(answer: &Answer) -> Option<Counts> {
    if answer.status != StatusCode::OK {
        return None;
    }
    serde_json::from_slice(&answer.body).ok()
}

pub(super) fn url(address: SocketAddr, path_and_query: &str) -> Option<Uri> {
    format!("http://{address}{path_and_query}").parse().ok()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Into memory neither fails.
    let _written = encoder.write_all(bytes).is_ok();
    encoder.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_when_it_accounts_for_the_whole_batch() {
        let counts = |body: &'static str| {
            counts(&Answer {
                status: StatusCode::OK,
                retry_after: None,
                body: Bytes::from_static(body.as_bytes()),
            })
        };
        assert!(counts(r#"{"accepted":3}"#).unwrap().fits(3, false));
        let known = counts(r#"{"accepted":1,"duplicates":2}"#).unwrap();
        assert!(known.fits(3, true) && !known.fits(3, false) && !known.fits(4, true));
        let rejected = counts(r#"{"accepted":3,"rejected":[{"index":1}]}"#).unwrap();
        assert!(!rejected.fits(3, false));
        assert!(counts("ok").is_none());
    }
}
