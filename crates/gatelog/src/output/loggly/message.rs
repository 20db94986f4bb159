//! A record as a syslog message, byte by byte as Kong writes it.
//!
//! ```text
//! <14>1 2026-07-01T08:09:10Z gw-1 kong - - [TOKEN@41058 tag="kong"] {"request":{…},…}
//! ```
//!
//! **Shape.** What is the same for all messages is made once; per message there are the priority, the
//! time of sending and the JSON.
//!
//! **Invariants.** A message is one line of UTF-8 without a control character. In tags `"`, `\` and `]`
//! are escaped (RFC 5424 §6.3.3), which Kong leaves out; a host without a name is `-`.
//!
//! **Limits.** The name of the host is that of the process' start. A message that is too long is
//! [shortened](super::shorten).

use std::fs;
use std::io::Write as _;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use gatelog_record::AccessRecord;

use super::LogglyError;
use super::shorten::shorten;
use crate::config::plugins::{self, Severities};
use crate::output::kong_json::KongJson;

/// Loggly's number as an enterprise.
const ENTERPRISE: &str = "@41058";

/// Facility `user`: 1, times 8.
const FACILITY: u8 = 8;

/// What Linux says that the host is called, as `gethostname` does.
const HOSTNAME_FILE: &str = "/proc/sys/kernel/hostname";

/// The most characters of a host's name (RFC 5424 §6).
const MAX_HOSTNAME: usize = 255;

/// What makes messages of records.
#[derive(Debug)]
pub(super) struct Message {
    json: KongJson,
    severities: Severities,
    /// From the blank behind the time to the one before the JSON.
    middle: Vec<u8>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Whole,
    Shortened,
    /// It was not written: not even the least of it fits.
    TooLong,
}

/// The time of sending, in whole seconds.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: u64,
    text: Vec<u8>,
}

impl Clock {
    fn now(&mut self) -> &[u8] {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        self.at(now.map_or(0, |since| since.as_secs()))
    }

    fn at(&mut self, second: u64) -> &[u8] {
        if self.text.is_empty() || self.second != second {
            let time = i64::try_from(second).ok();
            let time: DateTime<Utc> = time
                .and_then(|second| DateTime::from_timestamp(second, 0))
                .unwrap_or_default();
            self.second = second;
            self.text.clear();
            // Writing to memory does not fail.
            let _written = write!(self.text, "{}", time.format("%Y-%m-%dT%H:%M:%SZ")).is_ok();
        }
        &self.text
    }
}

impl Message {
    /// By the settings, from the host of this name.
    pub(super) fn new(settings: &plugins::Loggly, hostname: &str) -> Result<Self, LogglyError> {
        let key = settings.key.reveal()?;
        let mut middle = format!(" {hostname} kong - - [{key}{ENTERPRISE}");
        for tag in &settings.tags {
            middle.push_str(" tag=\"");
            for letter in tag.chars() {
                if matches!(letter, '"' | '\\' | ']') {
                    middle.push('\\');
                }
                middle.push(letter);
            }
            middle.push('"');
        }
        middle.push_str("] ");
        Ok(Self {
            json: settings.log_json.writer()?,
            severities: settings.severities,
            middle: middle.into_bytes(),
        })
    }

    /// Appends the message of a record, in at most `limit` bytes.
    pub(super) fn write(
        &self,
        record: &AccessRecord<'_>,
        clock: &mut Clock,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Written {
        let begin = out.len();
        let severity = self.severities.of_status(record.response_code);
        let priority = FACILITY + severity.number();
        // Writing to memory does not fail.
        let _written = write!(out, "<{priority}>1 ").is_ok();
        out.extend_from_slice(clock.now());
        out.extend_from_slice(&self.middle);
        let json_at = out.len();
        self.json.write(record, out);
        let over = |out: &[u8]| out.len() - begin > limit;
        if !over(out) {
            return Written::Whole;
        }
        let json = out.split_off(json_at);
        let room = limit.saturating_sub(json_at - begin);
        shorten(&json, room, record, out);
        if over(out) {
            out.truncate(begin);
            return Written::TooLong;
        }
        Written::Shortened
    }
}

/// The name of this host as a message can have it, or `-`.
pub(super) fn hostname() -> String {
    let name = fs::read_to_string(HOSTNAME_FILE).unwrap_or_default();
    let name = name.trim();
    let is_fit = (1..=MAX_HOSTNAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_fit { name } else { "-" }.to_owned()
}

#[cfg(test)]
pub(super) mod tests;
