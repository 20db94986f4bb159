//! What the headers of a request say about the numbers of its items.
//!
//! | header | |
//! |---|---|
//! | `gatelog-sender` | the gateway |
//! | `gatelog-boot` | its start |
//! | `gatelog-worker` | which of its workers |
//! | `gatelog-sequence` | number of the body's first item |
//! | `gatelog-dropped` | records that the worker has dropped so far; may be left out |
//! | `Idempotency-Key` | instead of all these: a name of the body |
//!
//! **Limits.** A sender of up to 512 printable ASCII characters, a boot and a worker of 1 to 256, a
//! key of 1 to 255. A gateway's id in a service mesh has the names of its pod and namespace in it
//! and comes to more than 400.
//!
//! **Failure.** Whoever begins to use the headers and gets them wrong is told so: it would
//! otherwise believe that its repetitions are recognised.

use axum::http::{HeaderMap, HeaderName};
use gatelog_record::wire;

use super::Name;

const SENDER: HeaderName = HeaderName::from_static("gatelog-sender");
const BOOT: HeaderName = HeaderName::from_static("gatelog-boot");
const WORKER: HeaderName = HeaderName::from_static("gatelog-worker");
const SEQUENCE: HeaderName = HeaderName::from_static("gatelog-sequence");
const DROPPED: HeaderName = HeaderName::from_static("gatelog-dropped");
const KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What is common to the headers of the protocol.
const PREFIX: &str = "gatelog-";

/// Who sent a body, and how its items are numbered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Who numbered them.
    pub name: Name,
    /// Number of the first item.
    pub first: u64,
    /// Records that the sender has dropped so far, if it says so.
    pub dropped: Option<u64>,
    /// Checksum of the body, where it is all that is told apart by a key.
    pub checksum: Option<u64>,
}

impl Sent {
    /// The same, of this body as it was before compression.
    pub fn with_body(&self, body: &[u8]) -> Self {
        let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let checksum = || length << 32 | u64::from(crc32c::crc32c(body));
        Self {
            checksum: (!self.name.is_worker()).then(checksum),
            ..self.clone()
        }
    }
}

/// A header that is not what it has to be. The sender's programmer mends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{header}: {problem}")]
pub struct HeaderError {
    header: HeaderName,
    problem: String,
}

/// Reads the headers; `None` when the sender numbers nothing.
///
/// # Errors
/// [`HeaderError`], naming the header and what is allowed.
pub fn read(headers: &HeaderMap) -> Result<Option<Sent>, HeaderError> {
    // One look at each name: most senders have none of these.
    let (mut numbered, mut keyed) = (false, false);
    for name in headers.keys() {
        numbered |= is_ours(name);
        keyed |= *name == KEY;
    }
    if numbered {
        numbers(headers).map(Some)
    } else if keyed {
        let key = text(headers, &KEY, 1, 255)?;
        let stream = wire::Stream::Key { key };
        Ok(Some(sent(stream, &KEY, 0, None)?))
    } else {
        Ok(None)
    }
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with(PREFIX) && [SENDER, BOOT, WORKER, SEQUENCE, DROPPED].contains(name)
}

fn numbers(headers: &HeaderMap) -> Result<Sent, HeaderError> {
    let stream = wire::Stream::Worker {
        sender: text(headers, &SENDER, 0, 512)?,
        boot: text(headers, &BOOT, 1, 256)?,
        worker: text(headers, &WORKER, 1, 256)?,
    };
    let first = number(headers, &SEQUENCE)?;
    let dropped = if headers.contains_key(DROPPED) {
        Some(number(headers, &DROPPED)?)
    } else {
        None
    };
    sent(stream, &SENDER, first, dropped)
}

fn sent(
    stream: wire::Stream<'_>,
    header: &HeaderName,
    first: u64,
    dropped: Option<u64>,
) -> Result<Sent, HeaderError> {
    let name = Name::new(stream).ok_or_else(|| error(header, "a line break".to_owned()))?;
    Ok(Sent {
        name,
        first,
        dropped,
        checksum: None,
    })
}

fn error(header: &HeaderName, problem: String) -> HeaderError {
    HeaderError {
        header: header.clone(),
        problem,
    }
}

/// A header that is there once and has printable text of such a length.
fn text<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    least: usize,
    most: usize,
) -> Result<&'h str, HeaderError> {
    let mut values = headers.get_all(name).into_iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(error(name, "given more than once".to_owned())),
        (None, _) => {
            let all = "gatelog-sender, gatelog-boot, gatelog-worker and gatelog-sequence";
            return Err(error(name, format!("missing; {all} belong together")));
        }
    };
    let printable = |text: &&str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    match value.to_str().ok().filter(printable) {
        Some(text) if (least..=most).contains(&text.len()) => Ok(text),
        _ => Err(error(
            name,
            format!("expected {least} to {most} printable ASCII characters"),
        )),
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, HeaderError> {
    let text = text(headers, name, 0, 512)?;
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits => Ok(number),
        _ => Err(error(
            name,
            format!("expected a whole number from 0 to {}", u64::MAX),
        )),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const WHOLE: [(&str, &str); 5] = [
        ("gatelog-sender", "gw 1"),
        ("gatelog-boot", "17"),
        ("gatelog-worker", "0"),
        ("gatelog-sequence", "18446744073709551615"),
        ("gatelog-dropped", "3"),
    ];

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_whole_set_is_read_and_wins_over_a_key() {
        let mut all = WHOLE.to_vec();
        all.extend([("idempotency-key", "k"), ("gatelog-other", "?")]);
        let sent = read(&headers(&all)).unwrap().unwrap();
        assert_eq!((sent.first, sent.dropped), (u64::MAX, Some(3)));
        let worker = wire::Stream::Worker {
            sender: "gw 1",
            boot: "17",
            worker: "0",
        };
        assert_eq!(sent.name.stream(), worker);
        let key = read(&headers(&[("idempotency-key", "k")]))
            .unwrap()
            .unwrap();
        assert_eq!(key.name.stream(), wire::Stream::Key { key: "k" });
        assert_eq!(read(&headers(&[("content-type", "a")])), Ok(None));
        assert_eq!(read(&headers(&[("gatelog-other", "a")])), Ok(None));
    }

    #[test]
    fn what_is_missing_or_malformed_is_named() {
        for (index, (name, _)) in WHOLE.iter().enumerate().take(4) {
            let mut without = WHOLE.to_vec();
            without.remove(index);
            let told = read(&headers(&without)).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{name}: missing; ")), "{told}");
        }
        let long = "x".repeat(513);
        for (name, value, problem) in [
            ("gatelog-sequence", "-1", "expected a whole number"),
            ("gatelog-sequence", "+1", "expected a whole number"),
            ("gatelog-sequence", "", "expected a whole number"),
            (
                "gatelog-sequence",
                "18446744073709551616",
                "expected a whole",
            ),
            ("gatelog-dropped", "many", "expected a whole number"),
            ("gatelog-boot", "", "expected 1 to 256 printable"),
            ("gatelog-worker", "a\tb", "expected 1 to 256 printable"),
            ("gatelog-sender", &long, "expected 0 to 512 printable"),
        ] {
            let mut all = WHOLE.to_vec();
            all.retain(|(other, _)| *other != name);
            all.push((name, value));
            let told = read(&headers(&all)).unwrap_err().to_string();
            assert!(told.starts_with(&format!("{name}: {problem}")), "{told}");
        }
        let mut twice = WHOLE.to_vec();
        twice.push(("gatelog-boot", "18"));
        let told = read(&headers(&twice)).unwrap_err().to_string();
        assert_eq!(told, "gatelog-boot: given more than once");
        for key in ["", &"k".repeat(256)] {
            let told = read(&headers(&[("idempotency-key", key)])).unwrap_err();
            assert!(told.to_string().starts_with("idempotency-key: expected 1"));
        }
    }
}
