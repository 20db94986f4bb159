//! What the collector answers, as far as the plugin has to know.
//!
//! **Source.** `POST /ingest` of gatelog: `{"accepted":n,"rejected":[{"index":i,"error":"…"}],…}`, and
//! `Retry-After` of RFC 9110, §10.2.3.

/// How much of an answer's body is looked at, in bytes. More than what 10,000 rejected records need.
pub const BODY_LIMIT: usize = 1 << 20;

/// Characters of an answer that a log line shows.
const REASON_CHARS: usize = 200;

/// An answer to a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// `None`: the call broke off or took too long.
    pub status: Option<u16>,
    /// How long not to send, in seconds. The form with a date is passed over.
    pub retry_after_s: Option<u64>,
    /// Records of the batch that are named as rejected. What was cut off is not counted.
    pub rejected: u32,
    /// What it says, on one line, where it is no success.
    pub reason: String,
}

impl Answer {
    /// Reads what came: the values of `:status` and `retry-after`, and the beginning of the body.
    pub fn read(status: Option<&[u8]>, retry_after: Option<&[u8]>, body: &[u8]) -> Self {
        let status = status
            .and_then(number)
            .and_then(|status| status.try_into().ok());
        let is_success = matches!(status, Some(200..=299));
        Self {
            status,
            retry_after_s: retry_after.and_then(number),
            rejected: if is_success { rejected(body) } else { 0 },
            reason: if is_success {
                String::new()
            } else {
                line(body)
            },
        }
    }

    /// One with a status and nothing else.
    pub fn of(status: u16) -> Self {
        Self {
            status: Some(status),
            ..Self::default()
        }
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// How many items the answer names.
fn rejected(body: &[u8]) -> u32 {
    // As gatelog writes an entry. A quotation mark within a text of JSON has a backslash before it, so
    // these bytes stand nowhere but at the beginning of one.
    const ENTRY: &[u8] = br#"{"index":"#;
    // Nearly every answer names none, and is then not looked at further.
    if !body.windows(10).any(|bytes| bytes == br#""rejected""#) {
        return 0;
    }
    let count = match crate::config::read_json(body) {
        Ok(answer) => answer
            .get("rejected")
            .and_then(|list| Some(list.as_array()?.len())),
        Err(_cut_off) => Some(
            body.windows(ENTRY.len())
                .filter(|bytes| *bytes == ENTRY)
                .count(),
        ),
    };
    u32::try_from(count.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// The beginning of a text for the log.
fn line(body: &[u8]) -> String {
    // A character has four bytes at most.
    let beginning = body.get(..4 * REASON_CHARS).unwrap_or(body);
    let text = String::from_utf8_lossy(beginning);
    text.trim()
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(REASON_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ok(body: &str) -> u32 {
        Answer::read(Some(b"200"), None, body.as_bytes()).rejected
    }

    #[test]
    fn rejected_items_are_counted_and_texts_that_look_like_them_are_not() {
        assert_eq!(ok(r#"{"accepted":50}"#), 0);
        assert_eq!(
            ok(r#"{"accepted":1,"rejected":[{"index":0,"error":"no"},{"index":7,"error":"no"}]}"#),
            2
        );
        assert_eq!(
            ok(r#"{"accepted":1,"rejected":[{"index":0,"error":"found {\"index\":1}"}]}"#),
            1
        );
        assert_eq!(ok(r#"{"rejected": [ {"error": "no", "index": 3} ]}"#), 1);
        assert_eq!(
            ok(r#"{"rejected":[{"index":0,"error":"no"},{"index":7,"err"#),
            2,
            "cut off"
        );
        assert_eq!(ok(r#"{"rejected":7}"#), 0);
        assert_eq!(ok(""), 0);
    }

    #[test]
    fn an_answer_says_when_to_come_again() {
        let wait =
            |text: &str| Answer::read(Some(b"503"), Some(text.as_bytes()), b"").retry_after_s;
        assert_eq!(wait("5"), Some(5));
        assert_eq!(wait(" 120 "), Some(120));
        for other in [
            "Fri, 31 Dec 1999 23:59:59 GMT",
            "-1",
            "1.5",
            "",
            "99999999999999999999999",
        ] {
            assert_eq!(wait(other), None, "{other}");
        }
    }

    #[test]
    fn a_reason_is_one_short_line() {
        let answer = Answer::read(
            Some(b"400"),
            None,
            b"{\"accepted\":0,\r\n\"error\":\"x\"}\n",
        );
        assert_eq!(answer.reason, r#"{"accepted":0,  "error":"x"}"#);
        let answer = Answer::read(Some(b"500"), None, "ä".repeat(500).as_bytes());
        assert_eq!(answer.reason, "ä".repeat(200));
        assert_eq!(Answer::read(None, None, b"").status, None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            status in proptest::collection::vec(any::<u8>(), 0..5),
            body in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let answer = Answer::read(Some(&status), Some(&status), &body);
            prop_assert!(answer.reason.chars().count() <= REASON_CHARS);
        }
    }
}
