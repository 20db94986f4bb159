//! Kong's `loggly`: each record as a syslog message with Kong's log JSON.
//!
//! **Shape.** [`Message`] makes the bytes of a message, and [shortens](shorten) what is too long.
//! They leave as [datagrams](datagram), or over a [connection](stream) with TCP or TLS.
//!
//! **Promise.** Nobody confirms a syslog message. A record is delivered when the kernel has taken its
//! message: at least once so far, in the order of the journal. What happens behind that is seen where
//! the network tells it: a datagram to a port that nobody listens on comes again with those behind it,
//! and a connection that is lost with a batch under way takes the whole batch again.
//!
//! **Failure.** A receiver that cannot be reached, or does not take anything for `timeout`, is tried
//! again until `max_backlog`. Only a message that cannot be made short enough for the network is
//! refused for good.
//!
//! **Source.** `kong/plugins/loggly/handler.lua` of Kong 3.10; RFC 5424, RFC 5425, RFC 6587.

mod datagram;
mod message;
mod receiver;
mod shorten;
mod stream;

use std::sync::OnceLock;
use std::time::Duration;

use gatelog_record::AccessRecord;
use gatelog_store::BoxFuture;
use metrics::Counter;
use tokio::sync::Mutex;

use self::datagram::Datagrams;
use self::message::Message;
use self::receiver::Receiver;
use self::stream::Stream;
use super::address::Reach;
use super::kong_json::CustomFieldError;
use super::tls::{TlsClient, TlsError};
use super::{Output, Settings, Undelivered};
use crate::config::plugins::{self, Severities, Transport};
use crate::telemetry::Telemetry;

/// One `loggly`.
#[derive(Debug)]
pub struct Loggly {
    name: String,
    severities: Severities,
    message: Message,
    wire: Mutex<Wire>,
    counts: OnceLock<Counts>,
}

/// Why a `loggly` cannot be made. The operator mends what it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogglyError {
    /// A custom field cannot be used.
    #[error("custom_fields: {0}")]
    CustomField(#[from] CustomFieldError),
    /// The key cannot be had, or is none.
    #[error("config.key: {0}")]
    Key(#[from] plugins::KeyError),
    /// Files of TLS cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsError),
}

/// How messages leave.
#[derive(Debug)]
enum Wire {
    Datagrams(Datagrams),
    Stream(Stream),
}

/// What only this output knows of.
#[derive(Clone, Debug)]
struct Counts {
    below_level: Counter,
    shortened: Counter,
    unreachable: Counter,
}

impl Counts {
    /// Counts nothing.
    fn none() -> Self {
        Self {
            below_level: Counter::noop(),
            shortened: Counter::noop(),
            unreachable: Counter::noop(),
        }
    }
}

impl Loggly {
    /// Under this name, to what may be reached.
    ///
    /// # Errors
    /// [`LogglyError`].
    pub fn new(
        name: String,
        settings: &plugins::Loggly,
        reach: Reach,
    ) -> Result<Self, LogglyError> {
        let message = Message::new(settings, &message::hostname())?;
        let receiver = Receiver::new(&settings.host, settings.port, settings.timeout, reach);
        let limit = settings.max_message_bytes;
        let wire = match &settings.transport {
            Transport::Udp => Wire::Datagrams(Datagrams::new(receiver, limit)),
            Transport::Tcp(framing) => Wire::Stream(Stream::new(receiver, *framing, limit, None)),
            Transport::Tls(framing, tls) => {
                let client = TlsClient::new(tls, &settings.host, &[])?;
                Wire::Stream(Stream::new(receiver, *framing, limit, Some(client)))
            }
        };
        Ok(Self {
            name,
            severities: settings.severities,
            message,
            wire: Mutex::new(wire),
            counts: OnceLock::new(),
        })
    }

    /// Many messages in a row, and none of them late.
    pub fn settings(delivery: plugins::Delivery) -> Settings {
        Settings {
            max_batch_records: 1000,
            max_coalescing_delay: Duration::from_millis(100),
            initial_retry_delay: Duration::from_millis(100),
            max_retry_delay: Duration::from_secs(10),
            max_backlog: delivery.max_backlog,
            start: delivery.start,
            ..Settings::default()
        }
    }
}

impl Loggly {
    /// Those that are sent by their severity, with their places.
    fn of_level<'a>(
        &self,
        records: &[&'a AccessRecord<'a>],
    ) -> (Vec<usize>, Vec<&'a AccessRecord<'a>>) {
        let numbered = records.iter().copied().enumerate();
        let sent = numbered.filter(|(_, record)| {
            let severity = self.severities.of_status(record.response_code);
            self.severities.takes(severity)
        });
        sent.unzip()
    }
}

impl Output for Loggly {
    fn name(&self) -> &str {
        &self.name
    }

    fn count_in(&self, telemetry: &Telemetry) {
        let labels = &[("output", self.name.as_str())];
        let counts = Counts {
            below_level: telemetry.counter_of("gatelog_output_below_level_total", labels),
            shortened: telemetry.counter_of("gatelog_output_shortened_total", labels),
            unreachable: telemetry.counter_of("gatelog_output_unreachable_total", labels),
        };
        // Whoever was first is the same.
        let _first = self.counts.set(counts).is_ok();
    }

    fn deliver<'a>(
        &'a self,
        records: &'a [&'a AccessRecord<'a>],
    ) -> BoxFuture<'a, Result<(), Undelivered>> {
        Box::pin(async move {
            let mut wire = self.wire.lock().await;
            let counts = self.counts.get().cloned().unwrap_or_else(Counts::none);
            let (places, sent) = self.of_level(records);
            let below_level = records.len() - sent.len();
            if sent.is_empty() {
                counts.below_level.increment(below_level as u64);
                return Ok(());
            }
            let mut undelivered = match &mut *wire {
                Wire::Datagrams(datagrams) => datagrams.send(&self.message, &sent, &counts).await,
                Wire::Stream(stream) => stream.send(&self.message, &sent, &counts).await,
            };
            // They are confirmed with this, whatever becomes of the others, and do not come again.
            counts.below_level.increment(below_level as u64);
            let place = |index: &mut usize| *index = places.get(*index).copied().unwrap_or(*index);
            undelivered.later.iter_mut().for_each(place);
            let refused = undelivered.refused.iter_mut();
            refused.for_each(|refused| place(&mut refused.index));
            if undelivered.later.is_empty() && undelivered.refused.is_empty() {
                Ok(())
            } else {
                Err(undelivered)
            }
        })
    }
}
