//! The response of an LLM, as it passes.

use crate::budget::{Budget, Permit};
use crate::coding::{self, Counts, Decode, Output};
use crate::content::Content;
use crate::place::PLACES;
use crate::usage::{Unread, Usage};
use crate::walk::Walk;

/// Reads a response body that comes in pieces, as they were on the wire.
///
/// It holds no piece back: the caller passes each on as it is. Dropping it before the
/// body has ended loses nothing but what it has found; [`Response::finish`] gives that at any time.
pub struct Response {
    walk: Option<Walk>,
    encoding: Encoding,
    unread: Option<Unread>,
    budget: Budget,
    counts: Counts,
    seen: Seen,
}

/// What is between the wire and the text.
enum Encoding {
    /// Nothing.
    Plain,
    /// A decompressor that has no place yet, as no byte has come.
    Waits(Box<dyn Decode>),
    Runs {
        decoder: Box<dyn Decode>,
        _permit: Permit,
    },
}

/// What has come of a stream by now, for who measures the time to it. With zstd, which comes out late,
/// `data` is true with the first block and `token` may stay false until the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Data of a first event, line or element.
    pub data: bool,
    /// Text that the model has written: not an event that only says that it has begun.
    pub token: bool,
}

impl Response {
    /// A response with these values of `content-type` and `content-encoding`, empty where it has none.
    pub fn new(content_type: &str, content_encoding: &str, budget: &Budget) -> Self {
        let walk = Content::of(content_type).map(Walk::new);
        let (encoding, unread) = match coding::decoder(content_encoding) {
            _ if walk.is_none() => (Encoding::Plain, None),
            Ok(None) => (Encoding::Plain, None),
            Ok(Some(decoder)) => (Encoding::Waits(decoder), None),
            Err(unread) => (Encoding::Plain, Some(unread)),
        };
        Self {
            walk,
            encoding,
            unread,
            budget: budget.clone(),
            counts: Counts::default(),
            seen: Seen::default(),
        }
    }

    /// Whether a body of this type can hold usage, whether it can be read or not.
    pub fn can_hold_usage(&self) -> bool {
        self.walk.is_some()
    }

    /// Whether more pieces can change what [`Response::finish`] gives. A caller may stop feeding then.
    pub fn is_reading(&self) -> bool {
        self.walk.is_some() && self.unread.is_none()
    }

    /// The next piece of the body. Says what has come by now, with this piece and those before.
    pub fn feed(&mut self, piece: &[u8]) -> Seen {
        if piece.is_empty() || !self.is_reading() {
            return self.seen;
        }
        if let Encoding::Waits(_) = self.encoding {
            self.begin();
        }
        self.read(|decoder, output| decoder.feed(piece, output), piece);
        self.seen
    }

    /// Takes a place for the decompressor.
    fn begin(&mut self) {
        match (
            std::mem::replace(&mut self.encoding, Encoding::Plain),
            self.budget.take(),
        ) {
            (Encoding::Waits(decoder), Some(permit)) => {
                self.encoding = Encoding::Runs {
                    decoder,
                    _permit: permit,
                };
            }
            _ => self.unread = Some(Unread::Busy),
        }
    }

    /// Reads what `step` makes of a piece, or the piece.
    fn read(
        &mut self,
        step: impl FnOnce(&mut dyn Decode, &mut Output<'_>) -> Result<(), Unread>,
        piece: &[u8],
    ) {
        let Some(walk) = &mut self.walk else {
            return;
        };
        match &mut self.encoding {
            _ if self.unread.is_some() => {}
            Encoding::Plain | Encoding::Waits(_) => walk.feed(piece),
            Encoding::Runs { decoder, .. } => {
                self.counts.compressed = self.counts.compressed.saturating_add(piece.len() as u64);
                let mut output = Output {
                    sink: &mut |text| walk.feed(text),
                    counts: &mut self.counts,
                };
                let result = step(decoder.as_mut(), &mut output);
                self.seen.data |= decoder.holds_back() && walk.is_stream();
                if let Err(unread) = result {
                    self.unread = Some(unread);
                    self.encoding = Encoding::Plain;
                }
            }
        }
        self.seen.data |= walk.has_data();
        self.seen.token |= walk.has_token();
    }

    /// What was found, at the body's end or where it was broken off.
    pub fn finish(mut self) -> Usage {
        if let Encoding::Runs { .. } = self.encoding {
            self.read(|decoder, output| decoder.end(output), &[]);
        }
        let unread = self.unread;
        let mut usage = self.walk.map(Walk::usage).unwrap_or_default();
        usage.unread = unread;
        usage
    }
}

/// Makes the tables of formats, which else the first response makes.
pub fn prepare() {
    std::sync::LazyLock::force(&PLACES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_body_costs_less_than_two_kibibytes() {
        // The rest is one text of the scanner, an event, the model and the id.
        assert!(size_of::<Response>() + 3 * 256 + 512 < 2 << 10);
    }
}
