//! Events that say nothing new.
//!
//! Most events of a stream differ from the one before in one string, the text that the model writes. What
//! [`Repeat`] has learnt of two such is the bytes around that string, and an event with the same bytes
//! around any other string need not be scanned.
//!
//! **Invariants.** The result is the one of a scan: the string is of those that nobody asked for, it ends
//! where the known bytes begin again, and so everything that would be told is told by the known bytes. That
//! was nothing new when they were scanned, and nothing became new since.
//!
//! **Limits.** [`MAX_BYTES`] of one event are kept. A stream whose events differ elsewhere is scanned as before,
//! after [`TRIES`] attempts.

use crate::json_scan::{Paths, Scanner, text_end};

/// Bytes of an event; longer ones are always scanned.
const MAX_BYTES: usize = 512;

/// Events that are learnt without use, before none is any more.
const TRIES: u8 = 8;

/// What is known of the last event that was scanned.
#[derive(Clone, Debug)]
pub(crate) struct Repeat {
    event: Vec<u8>,
    /// Bytes of it before the string and behind; none before it where no string is known.
    head: usize,
    tail: usize,
    /// The count of changes at that time.
    changes: u64,
    tries: u8,
}

impl Repeat {
    pub(crate) fn new() -> Self {
        Self {
            event: Vec::new(),
            head: 0,
            tail: 0,
            changes: 0,
            tries: TRIES,
        }
    }

    /// Whether the event, which begins a document, would tell nothing new after so many changes.
    pub(crate) fn covers(&mut self, event: &[u8], changes: u64) -> bool {
        let covers = self.changes == changes && (self.is_same(event) || self.is_alike(event));
        if covers {
            self.tries = TRIES;
        }
        covers
    }

    fn is_same(&self, event: &[u8]) -> bool {
        !event.is_empty() && self.event == event
    }

    fn is_alike(&self, event: &[u8]) -> bool {
        if self.head == 0 {
            return false;
        }
        let before = self.event.get(..self.head).unwrap_or_default();
        let behind = self.event.len().saturating_sub(self.tail);
        let behind = self.event.get(behind..).unwrap_or_default();
        event
            .strip_prefix(before)
            .and_then(|rest| Some((rest, rest.strip_suffix(behind)?)))
            .is_some_and(|(rest, string)| text_end(rest) == Some(string.len()))
    }

    /// An event was scanned, as a whole and alone, and told nothing new after so many changes.
    pub(crate) fn learn(&mut self, event: &[u8], changes: u64, paths: &Paths) {
        if self.tries == 0 || event.len() > MAX_BYTES {
            return;
        }
        self.tries -= 1;
        (self.head, self.tail) = different(&self.event, event)
            .and_then(|at| string_around(event, at, paths))
            .unwrap_or_default();
        self.changes = changes;
        self.event.clear();
        self.event.extend_from_slice(event);
    }
}

/// Where the second one differs from the first.
fn different(first: &[u8], second: &[u8]) -> Option<usize> {
    let mut pairs = first.iter().zip(second);
    pairs.position(|(first, second)| first != second)
}

/// The bytes before the string that this byte is in, and behind it from its quote on, if nobody asks for it.
fn string_around(event: &[u8], at: usize, paths: &Paths) -> Option<(usize, usize)> {
    let quote = memchr::memrchr(b'"', event.get(..at)?)?;
    let (before, rest) = event.split_at_checked(quote + 1)?;
    let mut scanner = Scanner::new(paths);
    scanner.feed(before, &mut |_, _| {});
    let is_inside = scanner.is_in_unwanted_text();
    let behind = rest.len() - text_end(rest)?;
    is_inside.then_some((before.len(), behind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::PLACES;

    fn learnt(first: &str, second: &str) -> Repeat {
        let mut repeat = Repeat::new();
        repeat.learn(first.as_bytes(), 3, &PLACES.usage);
        repeat.learn(second.as_bytes(), 3, &PLACES.usage);
        repeat
    }

    #[test]
    fn only_the_text_may_differ() {
        let event = |text: &str| format!(r#"{{"id":"1","delta":{{"content":"{text}"}},"n":null}}"#);
        let mut repeat = learnt(&event("one"), &event("onward"));
        for text in [
            "two",
            "",
            "onward",
            "o",
            r#"\"quoted\" \\"#,
            "ünï\u{1}",
            "{}",
        ] {
            assert!(repeat.covers(event(text).as_bytes(), 3), "{text}");
        }
        for text in [
            r#"","usage":{"prompt_tokens":7},"x":""#,
            r#"a","b":"c"#,
            r"\",
        ] {
            assert!(!repeat.covers(event(text).as_bytes(), 3), "{text}");
        }
        assert!(!repeat.covers(event("two").as_bytes(), 4), "a change");
        let other = event("two").replace('1', "2");
        assert!(!repeat.covers(other.as_bytes(), 3));
        let longer = format!("{}{{}}", event("two"));
        assert!(!repeat.covers(longer.as_bytes(), 3));
    }

    #[test]
    fn what_is_asked_for_is_not_passed_over() {
        for (first, second) in [
            (r#"{"id":"1","a":"b"}"#, r#"{"id":"2","a":"b"}"#),
            (r#"{"id":"1","a":2}"#, r#"{"id":"1","a":3}"#),
            (r#"{"id":"1","a":{"b":"c"}}"#, r#"{"id":"1","z":{"b":"c"}}"#),
            (r#"{"a":"b"}"#, r#"{"a":"b"}"#),
        ] {
            let mut repeat = learnt(first, second);
            assert_eq!(repeat.head, 0, "{first} {second}");
            assert!(repeat.covers(second.as_bytes(), 3), "the same once more");
            assert!(first == second || !repeat.covers(first.as_bytes(), 3));
        }
    }

    #[test]
    fn a_stream_whose_events_differ_elsewhere_is_given_up() {
        let mut repeat = Repeat::new();
        for number in 0..100 {
            repeat.learn(format!(r#"{{"a":{number}}}"#).as_bytes(), 0, &PLACES.usage);
        }
        assert_eq!(repeat.event, br#"{"a":7}"#);
        repeat = Repeat::new();
        repeat.learn(&[b' '; MAX_BYTES + 1], 0, &PLACES.usage);
        assert!(repeat.event.is_empty());
    }
}
