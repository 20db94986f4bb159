//! Lines into the journal, and what is none to the dead letter.
//!
//! **Invariants.** In this order: the records of a batch are durable, then the letters of its other
//! lines, then it is taken. A batch that comes again, as a part of that failed, changes nothing of what
//! was done.
//!
//! **Failure.** A journal that takes nothing, a disk that refuses a letter, and a file of which no line is
//! known are reasons to let the lines wait in the file.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use gatelog_record::wire;
use metrics::Counter;
use tokio::runtime::Handle;

use super::follower::{Lines, Sink};
use super::places::Places;
use super::tail::Line;
use crate::config::FileSource;
use crate::dead_letter::{LineLetter, LineLetters};
use crate::intake::{self, LineItem};
use crate::senders::{Name, Sent};
use crate::service::Service;
use crate::source::form::{FORMAT, Form, TRIED_LINES, Unknown, Unreadable};

/// Before a file's key in the names of streams. No header can have it, so nobody sends under a file's
/// name.
const PREFIX: &str = "\tfile:";

/// The word for lines that are too long.
const TOO_LONG: &str = "line_too_long";

/// In place of a line of which nobody knows where a secret in it begins and ends, and of the reason,
/// which may quote it.
const WITHHELD: &str = "no line of its format, or too long; it is not shown, as the format has a \
                        header or query parameter in it that is redacted";

/// What such a line is written as.
const MASK: &str = "***";

/// The reader's name of letters, in `/metrics`.
const READER: &str = "files";

/// What is counted of files, for the page of metrics.
pub const METRICS: [(&str, &str); 7] = [
    (
        "gatelog_file_lines_total",
        "Lines of followed files that were journaled, dropped by the filter, or put aside.",
    ),
    (
        "gatelog_file_bytes_total",
        "Bytes of followed files that are done with.",
    ),
    (
        "gatelog_file_rejected_total",
        "Lines of followed files that are no records, by reason.",
    ),
    (
        "gatelog_file_rotations_total",
        "Followed files that were renamed, removed or truncated.",
    ),
    (
        "gatelog_file_errors_total",
        "Times that a followed file could not be read, or its lines were not taken.",
    ),
    (
        "gatelog_file_lag_bytes",
        "Bytes of followed files that are not done with.",
    ),
    ("gatelog_file_open", "Followed files that are open."),
];

/// Puts lines through the intake.
pub(super) struct Journaling {
    service: Arc<Service>,
    runtime: Handle,
    letters: LineLetters,
    sources: Vec<Of>,
    /// The forms of files whose source says none, by their keys.
    recognised: HashMap<String, Form>,
    dropped_letters: Counter,
}

/// What belongs to a source.
struct Of {
    path: String,
    form: Option<Form>,
    lines: Counter,
    bytes: Counter,
}

/// A line that is no record.
struct Rejected<'l> {
    line: &'l [u8],
    offset: u64,
    /// Its length in the file.
    bytes: u64,
    why: Unreadable,
}

impl Journaling {
    /// Of these sources. Letters behind the places are cut.
    pub(super) fn new(
        sources: &[FileSource],
        service: Arc<Service>,
        runtime: Handle,
        places: &Places,
    ) -> io::Result<Self> {
        let letters = service.dead_letters.of_lines();
        letters.cut(|key, offset| places.of(key).is_some_and(|place| offset >= place.offset))?;
        let telemetry = &service.telemetry;
        let of = |source: &FileSource| {
            let label = || Some(("path", source.path.clone()));
            let form = source
                .form()
                .map_err(|(key, problem)| io::Error::other(format!("{key}: {problem}")))?;
            Ok(Of {
                path: source.path.clone(),
                form,
                lines: telemetry.counter("gatelog_file_lines_total", label()),
                bytes: telemetry.counter("gatelog_file_bytes_total", label()),
            })
        };
        let sources = sources.iter().map(of).collect::<io::Result<_>>()?;
        let dropped_letters = telemetry.counter_of(
            "gatelog_dead_letter_dropped_total",
            &[("reader", READER), ("reason", "full")],
        );
        Ok(Self {
            runtime,
            letters,
            sources,
            recognised: HashMap::new(),
            dropped_letters,
            service,
        })
    }

    /// Makes sure that the form of a file is known.
    fn recognise(&mut self, lines: &Lines<'_>) -> Result<(), String> {
        let is_said = |of: &Of| of.form.is_some();
        if self.sources.get(lines.source).is_some_and(is_said)
            || self.recognised.contains_key(lines.key)
        {
            return Ok(());
        }
        let texts = lines.parts.iter().map(|line| text(lines.bytes, line));
        let mut texts = texts
            .filter(|line| !line.trim_ascii().is_empty())
            .peekable();
        if texts.peek().is_none() {
            return Ok(());
        }
        let texts: Vec<&[u8]> = texts.take(TRIED_LINES).collect();
        let head = texts.join(&b'\n');
        let (form, name) = Form::recognise(&head).map_err(|Unknown| {
            format!(
                "{Unknown}; `format` says what its lines are, as in the gateway's configuration"
            )
        })?;
        tracing::info!(
            file = %lines.path.display(),
            "a log file is read as {}",
            name.map_or("JSON".to_owned(), |name| format!("{name}'s text format"))
        );
        self.recognised.insert(lines.key.to_owned(), form);
        Ok(())
    }

    /// The records are durable; now the others are.
    fn keep(
        &self,
        lines: &Lines<'_>,
        rejected: &[Rejected<'_>],
        form: Option<&Form>,
    ) -> io::Result<()> {
        if rejected.is_empty() {
            return Ok(());
        }
        let file = lines.path.display().to_string();
        let intake = &self.service.intake;
        let is_secret = form.is_some_and(|form| intake.is_secret(form.named()));
        let scrubbed: Vec<(String, String)> = rejected
            .iter()
            .map(|rejected| {
                if is_secret {
                    return (WITHHELD.to_owned(), MASK.to_owned());
                }
                let line = String::from_utf8_lossy(rejected.line);
                let reason = intake.scrub(&rejected.why.message).into_owned();
                (reason, intake.scrub(&line).into_owned())
            })
            .collect();
        let letters = rejected.iter().zip(&scrubbed);
        let letters = letters.map(|(rejected, (reason, line))| LineLetter {
            file: &file,
            key: lines.key,
            offset: rejected.offset,
            bytes: rejected.bytes,
            reason,
            line,
        });
        let kept = self.letters.keep(letters, intake::now())?;
        self.dropped_letters.increment(kept.dropped);
        let (offset, first) = (rejected.first(), scrubbed.first());
        tracing::warn!(
            file,
            lines = rejected.len(),
            dropped = kept.dropped,
            byte = offset.map(|first| first.offset),
            reason = first.map(|(reason, _)| reason.as_str()),
            "lines are no records; they are in dead-letter/files.lines, but for those dropped"
        );
        Ok(())
    }

    fn count(&self, lines: &Lines<'_>, rejected: &[Rejected<'_>]) {
        let Some(source) = self.sources.get(lines.source) else {
            return;
        };
        source.lines.increment(lines.parts.len() as u64);
        source.bytes.increment(lines.done_bytes());
        for Rejected { why, .. } in rejected {
            let labels = [("path", source.path.as_str()), ("reason", why.reason)];
            let telemetry = &self.service.telemetry;
            let counter = telemetry.counter_of("gatelog_file_rejected_total", &labels);
            counter.increment(1);
        }
    }
}

impl Sink for Journaling {
    fn take(&mut self, lines: &Lines<'_>) -> Result<(), String> {
        let service = Arc::clone(&self.service);
        if !service.senders.is_restored() {
            return Err("what was journaled before is still being looked up".to_owned());
        }
        self.recognise(lines)?;
        let given = self.sources.get(lines.source);
        let form = given.and_then(|source| source.form.as_ref());
        let form = form.or_else(|| self.recognised.get(lines.key));
        let key = format!("{PREFIX}{}", lines.key);
        let name = Name::new(wire::Stream::Key { key: &key });
        let sent = Sent {
            name: name.ok_or("the key of a file has a line break")?,
            first: lines.first,
            dropped: None,
            checksum: None,
        };
        let mut rejected = Vec::new();
        let items = lines.parts.iter().map(|line| {
            let bytes = text(lines.bytes, line);
            let why = match (line.too_long, form) {
                (Some(length), _) => Unreadable {
                    reason: TOO_LONG,
                    message: format!(
                        "the line has {length} bytes, and may have {}; this is its beginning",
                        super::LINE_BYTES
                    ),
                },
                _ if bytes.trim_ascii().is_empty() => return LineItem::None,
                (None, None) => Unreadable {
                    reason: FORMAT,
                    message: Unknown.to_string(),
                },
                (None, Some(form)) => match form.read(bytes) {
                    Ok((record, flaws)) => return LineItem::Record(record, flaws, bytes.len()),
                    Err(why) => why,
                },
            };
            rejected.push(Rejected {
                line: bytes,
                offset: lines.offset + line.begin as u64,
                bytes: line.too_long.unwrap_or(bytes.len() as u64),
                why,
            });
            LineItem::None
        });
        let taken = service
            .intake
            .take_lines(&service.journal, &service.senders, &sent, items);
        let mut outcome = taken.map_err(|error| {
            if let intake::Error::Senders(crate::senders::Error::Journal(error))
            | intake::Error::Journal(error) = &error
            {
                service.refused.note(error);
            }
            error.to_string()
        })?;
        for appended in outcome.appended.drain(..) {
            let durable = self.runtime.block_on(appended);
            durable.map_err(|error| error.to_string())?;
        }
        gatelog_failpoint::pass("source.journaled"); // the place is before these lines
        self.keep(lines, &rejected, form)
            .map_err(|error| format!("the dead letter: {error}"))?;
        gatelog_failpoint::pass("source.letters_kept");
        service.intake.count_acknowledged(&mut outcome);
        self.count(lines, &rejected);
        Ok(())
    }

    fn forget(&mut self, key: &str) {
        self.recognised.remove(key);
    }
}

impl Lines<'_> {
    /// Bytes of the file that these lines take, with their line breaks.
    fn done_bytes(&self) -> u64 {
        let bytes = |line: &Line| {
            let whole = line.end.saturating_sub(line.begin) as u64;
            line.too_long.unwrap_or(whole) + 1
        };
        self.parts.iter().map(bytes).sum()
    }
}

fn text<'b>(bytes: &'b [u8], line: &Line) -> &'b [u8] {
    bytes.get(line.begin..line.end).unwrap_or_default()
}
