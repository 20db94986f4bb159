//! `gatelog_usage`: bodies of any bytes, however they are cut.

use gatelog_usage::{Budget, Request, Response, Unread, Usage};

const CODINGS: [&str; 5] = ["", "gzip", "deflate", "br", "zstd"];

const TYPES: [&str; 4] = [
    "application/json",
    "text/event-stream",
    "application/x-ndjson",
    "application/vnd.amazon.eventstream",
];

/// The first two bytes choose the content coding and type; the rest is a body.
///
/// - Nothing panics.
/// - What is found is the same however the body is cut; of one that is not in its coding, only that it
///   is not. What a body may expand to depends on how much of it has come.
/// - Places for compressed bodies are given back.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let ([coding, kind], body) = match bytes {
        [coding, kind, body @ ..] => ([*coding, *kind], body),
        _ => ([0, 0], bytes),
    };
    let coding = CODINGS.get(usize::from(coding) % CODINGS.len());
    let kind = TYPES.get(usize::from(kind) % TYPES.len());
    let (coding, kind) = (coding.unwrap_or(&""), kind.unwrap_or(&""));
    let budget = Budget::new(1);
    let read = |piece: usize| -> Usage {
        let mut response = Response::new(kind, coding, &budget);
        for piece in body.chunks(piece) {
            response.feed(piece);
        }
        response.finish()
    };
    let whole = read(body.len().max(1));
    for piece in [1, 64] {
        let cut = read(piece);
        if whole.unread == Some(Unread::Broken) {
            assert_eq!(
                cut.unread, whole.unread,
                "{kind} {coding}, pieces of {piece}"
            );
        } else if whole.unread.is_none() && cut.unread != Some(Unread::TooMuch) {
            assert_eq!(cut, whole, "{kind} {coding}, pieces of {piece}");
        }
    }
    assert_eq!(budget.free(), 1);
    let (mut at_once, mut in_bytes) = (Request::new("/"), Request::new("/"));
    at_once.feed(body);
    body.chunks(1).for_each(|piece| in_bytes.feed(piece));
    assert_eq!(at_once.model(), in_bytes.model());
    assert_eq!(at_once.stream(), in_bytes.stream());
    drop(Request::new(&String::from_utf8_lossy(body)));
}
