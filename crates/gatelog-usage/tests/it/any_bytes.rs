//! Bytes that nobody would send.

use gatelog_usage::{Request, Unread};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::fixture::{CODINGS, body, content_type, encoded, read};
use crate::formats::names;

/// A body of the table, coded, and damaged in some places.
fn damaged() -> impl Strategy<Value = (&'static str, &'static str, Vec<u8>)> {
    let names: Vec<_> = names().collect();
    let edits = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    (select(names), select(CODINGS.as_slice()), edits).prop_map(|(name, coding, edits)| {
        let mut bytes = encoded(&body(name), coding);
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        (name, coding, bytes)
    })
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    places.push(bytes.len());
    let begins = [0].into_iter().chain(places.clone());
    begins
        .zip(places.clone())
        .map(|(begin, end)| &bytes[begin..end])
        .collect()
}

proptest! {
    #[test]
    fn how_damaged_bodies_are_cut_does_not_matter(
        (name, coding, bytes) in damaged(),
        cuts in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let whole = read(content_type(name), coding, &[&bytes]).0;
        let cut = read(content_type(name), coding, &pieces(&bytes, &cuts)).0;
        // What a decompressor hands on before it finds the damage is its affair.
        if whole.unread == Some(Unread::Broken) {
            prop_assert_eq!(cut.unread, whole.unread);
        } else {
            prop_assert_eq!(cut, whole);
        }
    }

    /// Byte by byte, no event can be known for one that says nothing new.
    #[test]
    fn events_that_are_alike_tell_what_each_alone_tells(
        (begin, usual) in select(vec![
            (r#"{"id":"1","model":"m","choices":[{"text":"#, "}]}"),
            (r#"{"type":"t","delta":{"text":"#, "}}"),
        ]),
        events in prop::collection::vec((
            select(vec![
                "a", "ab", "", r"\\", r#"\""#, r"\\\\", "}", "\u{1}", r#"","model":"n"#,
                r#"b","usage":{"prompt_tokens":7},"x":""#,
            ]),
            prop::option::weighted(0.2, select(vec![
                "}]} ", "}}", "}]},{", r#"}]}{"id":"2"}{"model":"#, r#"}],"model":"n"}"#,
                r#"}],"usage":{"total_tokens":5}}"#,
            ])),
            // The second one goes on with an event.
            select(vec!["\n\n", "\n\n", "\n\n", "\n"]),
        ), 0..24),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let event = |(text, end, behind): &(&str, Option<&str>, &str)| {
            format!("data: {begin}\"{text}\"{}{behind}", end.unwrap_or(usual))
        };
        let bytes = events.iter().map(event).collect::<String>().into_bytes();
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let expected = read("text/event-stream", "", &single).0;
        for pieces in [vec![bytes.as_slice()], pieces(&bytes, &cuts)] {
            prop_assert_eq!(&read("text/event-stream", "", &pieces).0, &expected);
        }
    }

    #[test]
    fn no_bytes_panic(
        bytes: Vec<u8>,
        coding in select(CODINGS.as_slice()),
        kind in select(vec!["", "application/json", "text/event-stream", "application/vnd.amazon.eventstream"]),
        cuts in prop::collection::vec(any::<Index>(), 0..3),
        path in "(/|model|models|:|%|converse|[a-z%é])*",
    ) {
        let pieces = pieces(&bytes, &cuts);
        let whole = read(kind, "", &[&bytes]).0;
        prop_assert_eq!(read(kind, "", &pieces).0, whole);
        drop(read(kind, coding, &pieces));
        let mut request = Request::new(&path);
        request.feed(&bytes);
    }
}
