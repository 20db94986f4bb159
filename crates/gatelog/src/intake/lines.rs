//! Lines of a file that is followed.
//!
//! **Shape.** As a body whose items are numbered, but taken apart by the caller, who knows the form of
//! the lines and keeps those that are no records.

use gatelog_format::Named;
use gatelog_journal::Journal;
use gatelog_record::{AccessRecord, Flaws};
use std::borrow::Cow;

use super::frames::Frames;
use super::{Error, FRAME, Fate, Intake, Outcome, append_numbered, now};
use crate::selection::Dropped;
use crate::senders::{Senders, Sent};

/// What a line is.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "one at a time, on its way from the reader to the frame"
)]
pub enum LineItem<'l> {
    /// A record, what was odd about it, and how many bytes it came in.
    Record(AccessRecord<'l>, Flaws, usize),
    /// None. Its number stays free.
    None,
}

impl Intake {
    /// Appends the records of lines that are numbered from `sent.first` on, as far as they are new. It is
    /// the caller that counts and keeps lines which are no records.
    ///
    /// # Errors
    /// [`Error`]; nothing was appended.
    pub fn take_lines<'l>(
        &self,
        journal: &Journal,
        senders: &Senders,
        sent: &Sent,
        lines: impl Iterator<Item = LineItem<'l>>,
    ) -> Result<Outcome, Error> {
        FRAME.with_borrow_mut(|buffer| {
            let mut frames = Frames::new(buffer, Some(sent));
            let now = now();
            let mut dropped = Dropped::default();
            let mut outlay = self.selection.outlay();
            for line in lines {
                match line {
                    LineItem::None => frames.refuse(),
                    LineItem::Record(record, flaws, bytes) => {
                        match self.push(record, bytes, flaws, now, &mut frames) {
                            Fate::Kept { came, .. } => outlay.add(came),
                            Fate::Dropped(reason) => {
                                dropped.count(reason);
                                frames.drop_record();
                            }
                        }
                    }
                }
            }
            let taken = append_numbered(journal, senders, sent, frames)?;
            Ok(Outcome {
                accepted: taken.accepted,
                duplicates: taken.duplicates,
                dropped,
                outlay,
                rejected: Vec::new(),
                of_kong: false,
                appended: taken.appended,
            })
        })
    }

    /// Whether one of these headers and query parameters is redacted.
    pub fn is_secret(&self, named: &[Named]) -> bool {
        named.iter().any(|named| match named {
            Named::Header(name) => self.rules.is_secret_header(name),
            Named::Parameter(name) => {
                let url = format!("/?{name}=1");
                self.rules.url(&url) != url
            }
        })
    }

    /// A text without the secrets that the rules know.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.rules.scrub(text)
    }
}
