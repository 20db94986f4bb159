//! How the calls of a request ended.

use std::sync::OnceLock;

use gatelog_usage::json_scan::{Paths, Scanner, Value};
use gatelog_usage::{EventLines, Part};

/// Bytes of an error's code.
const MAX_CODE_BYTES: usize = 32;

/// Reads the answers of a response's body.
pub(in crate::capture) struct Outcomes {
    scanner: Scanner<'static>,
    events: Option<EventLines>,
    found: Found,
}

#[derive(Default)]
struct Found {
    message: Message,
    worst: Option<Outcome>,
}

/// The message at hand.
#[derive(Default)]
struct Message {
    has_method: bool,
    has_result: bool,
    is_tool_error: bool,
    /// An error's code, as far as it has come.
    error: Option<String>,
}

/// Of two errors the first counts.
enum Outcome {
    Ok,
    ToolError,
    /// With its code, or nothing.
    Error(String),
}

impl Outcome {
    fn badness(&self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::ToolError => 1,
            Self::Error(_) => 2,
        }
    }
}

/// The places, twice: of a message, and of the messages of a batch.
const PLACES: [&str; 12] = [
    "",
    "method",
    "result",
    "result.isError",
    "error",
    "error.code",
    "[]",
    "[].method",
    "[].result",
    "[].result.isError",
    "[].error",
    "[].error.code",
];

fn paths() -> &'static Paths {
    static PATHS: OnceLock<Paths> = OnceLock::new();
    PATHS.get_or_init(|| Paths::new(&PLACES))
}

impl Outcomes {
    /// Before the body, which may be a stream of events.
    pub(in crate::capture) fn new(is_stream: bool) -> Self {
        Self {
            scanner: Scanner::with_limit(paths(), MAX_CODE_BYTES),
            events: is_stream.then(EventLines::new),
            found: Found::default(),
        }
    }

    /// The next piece of the body.
    pub(in crate::capture) fn feed(&mut self, piece: &[u8]) {
        let Self {
            scanner,
            events,
            found,
        } = self;
        let mut scan = |part: Part<'_>| match part {
            Part::Data(data) => {
                scanner.feed(data, &mut |place, value| found.take(place % 6, value));
            }
            // What is broken in one event says nothing about the next.
            Part::End => scanner.reset(),
        };
        match events {
            Some(events) => events.feed(piece, &mut scan),
            None => scan(Part::Data(piece)),
        }
    }

    /// `ok`, `tool_error` or `error CODE`; `None` when no answer was seen.
    pub(in crate::capture) fn finish(self) -> Option<String> {
        Some(match self.found.worst? {
            Outcome::Ok => "ok".to_owned(),
            Outcome::ToolError => "tool_error".to_owned(),
            Outcome::Error(code) if code.is_empty() => "error".to_owned(),
            Outcome::Error(code) => format!("error {code}"),
        })
    }
}

impl Found {
    fn take(&mut self, place: usize, value: Value<'_>) {
        let message = &mut self.message;
        let is_there = !matches!(value, Value::Null);
        match place {
            0 => match value {
                Value::Object => *message = Message::default(),
                Value::End => self.end_message(),
                _ => {}
            },
            1 => message.has_method = is_there,
            2 => message.has_result = is_there,
            3 => message.is_tool_error = value == Value::Bool(true),
            // Its end is told too, behind the code.
            4 if is_there => drop(message.error.get_or_insert_default()),
            4 => message.error = None,
            _ => {
                if let Value::Number(code) | Value::Text { text: code, .. } = value {
                    message.error = Some(code.to_owned());
                }
            }
        }
    }

    fn end_message(&mut self) {
        let message = std::mem::take(&mut self.message);
        if message.has_method {
            return;
        }
        let outcome = if let Some(code) = message.error {
            Outcome::Error(code)
        } else if message.is_tool_error {
            Outcome::ToolError
        } else if message.has_result {
            Outcome::Ok
        } else {
            return;
        };
        let worst = self.worst.as_ref().map(Outcome::badness);
        if worst.is_none_or(|worst| worst < outcome.badness()) {
            self.worst = Some(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(is_stream: bool, pieces: &[&[u8]]) -> Option<String> {
        let mut outcomes = Outcomes::new(is_stream);
        for piece in pieces {
            outcomes.feed(piece);
        }
        outcomes.finish()
    }

    const OK: &str =
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"isError":true}],"isError":false}}"#;
    const TOOL_ERROR: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"{\"error\":1}"}],"isError":true}}"#;
    const ERROR: &str =
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no","data":{"code":1}}}"#;
    const ASKED: &str = r#"{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage","params":{}}"#;

    #[test]
    fn errors_of_the_tool_and_of_the_protocol_are_told_apart() {
        for (body, status) in [
            (OK, Some("ok")),
            (TOOL_ERROR, Some("tool_error")),
            (ERROR, Some("error -32602")),
            (r#"{"error":{"message":"no"}}"#, Some("error")),
            (r#"{"id":1,"result":{},"error":null}"#, Some("ok")),
            (ASKED, None),
            (r#"{"a":1}"#, None),
            ("", None),
            ("<html>", None),
            (r#"{"id":1,"result":{"content":["#, None),
        ] {
            assert_eq!(read(false, &[body.as_bytes()]).as_deref(), status, "{body}");
        }
    }

    #[test]
    fn the_worst_of_a_batch_counts() {
        for (batch, status) in [
            (vec![OK, OK], "ok"),
            (vec![OK, TOOL_ERROR, OK], "tool_error"),
            (vec![TOOL_ERROR, ERROR, TOOL_ERROR], "error -32602"),
            (vec![ERROR, r#"{"error":{"code":7}}"#], "error -32602"),
        ] {
            let body = format!("[{}]", batch.join(","));
            assert_eq!(read(false, &[body.as_bytes()]).as_deref(), Some(status));
            let stream = format!("data: {}\n\n", batch.join("\n\nevent: m\ndata: "));
            assert_eq!(read(true, &[stream.as_bytes()]).as_deref(), Some(status));
        }
    }

    #[test]
    fn of_a_stream_each_event_is_read_for_itself() {
        let stream = format!(
            ": ping\n\ndata: {ASKED}\n\ndata: {{broken\n\nid: 1\r\nevent: message\r\ndata: {TOOL_ERROR}\r\n\r\n"
        );
        assert_eq!(
            read(true, &[stream.as_bytes()]).as_deref(),
            Some("tool_error")
        );
    }

    proptest! {
        #[test]
        fn where_the_body_is_cut_does_not_matter(cut in 0..200_usize) {
            let body = format!("data: {ASKED}\n\ndata: {ERROR}\n\n");
            let (head, tail) = body.as_bytes().split_at(cut.min(body.len()));
            let status = read(true, &[head, tail]);
            prop_assert_eq!(status.as_deref(), Some("error -32602"));
        }
    }
}
