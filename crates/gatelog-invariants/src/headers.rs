//! `gatelog::senders::headers`: who sends, and the numbers of what is sent.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use gatelog::senders::{Sent, headers};
use gatelog_record::wire::{self, Origin, Stream};

/// Those of the protocol.
const NAMES: [&str; 6] = [
    "gatelog-sender",
    "gatelog-boot",
    "gatelog-worker",
    "gatelog-sequence",
    "gatelog-dropped",
    "idempotency-key",
];

/// Each line is a header, `NAME:VALUE`; a digit stands for a name of the protocol.
///
/// - The reader never panics. Without a header of the protocol it finds nothing; with one it finds a
///   sender or names one of the headers, and never both.
/// - What was read and written again reads the same, in headers and in a batch.
/// - Names are bounded and printable.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let mut map = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next());
        let ours = match name {
            [digit] => NAMES.get(usize::from(digit.wrapping_sub(b'0'))),
            _ => None,
        };
        let name = ours.map_or(name, |name| name.as_bytes());
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.unwrap_or_default());
        if let (Ok(name), Ok(value)) = (name, value) {
            map.append(name, value);
        }
    }
    let is_there = NAMES.iter().any(|name| map.contains_key(*name));
    match headers::read(&map) {
        Ok(None) => assert!(!is_there, "passed over: {map:?}"),
        Ok(Some(sent)) => {
            assert!(is_there, "invented: {sent:?}");
            survives(&sent);
        }
        Err(error) => {
            assert!(is_there, "{error}");
            let error = error.to_string();
            let (header, _) = error.split_once(": ").unwrap_or_default();
            assert!(NAMES.contains(&header), "{error}");
        }
    }
}

fn survives(sent: &Sent) {
    let mut map = HeaderMap::new();
    let numbers = [Some(sent.first), sent.dropped];
    let [first, dropped] = numbers.map(|number| number.map(|number| number.to_string()));
    let texts = match sent.name.stream() {
        Stream::Worker {
            sender,
            boot,
            worker,
        } => {
            assert!(!boot.is_empty() && !worker.is_empty(), "{sent:?}");
            [
                Some(sender),
                Some(boot),
                Some(worker),
                first.as_deref(),
                dropped.as_deref(),
                None,
            ]
        }
        Stream::Key { key } => {
            assert!(!key.is_empty() && sent.first == 0, "{sent:?}");
            [None, None, None, None, None, Some(key)]
        }
    };
    for (name, text) in NAMES.into_iter().zip(texts) {
        let Some(text) = text else { continue };
        assert!(text.len() <= 512 && !text.contains(|char: char| char.is_ascii_control()));
        if let Ok(value) = HeaderValue::from_str(text) {
            map.append(name, value);
        }
    }
    assert_eq!(headers::read(&map), Ok(Some(sent.clone())));
    let origin = Origin {
        stream: sent.name.stream(),
        first: sent.first,
        items: 1,
        checksum: sent.checksum,
    };
    let mut batch = Vec::new();
    wire::begin_batch_from(&origin, &mut batch);
    assert_eq!(wire::read_origin(&batch), Ok(Some(origin)));
}
