//! The calls of a request.

use std::sync::OnceLock;

use gatelog_usage::json_scan::{Paths, Scanner, Value};

use super::{MAX_NAME_BYTES, MAX_NAMES};

/// What MCP's methods begin with, besides the two that are one word.
const NAMESPACES: [&str; 10] = [
    "tools/",
    "resources/",
    "prompts/",
    "notifications/",
    "logging/",
    "completion/",
    "roots/",
    "sampling/",
    "elicitation/",
    "tasks/",
];

/// Reads the calls of a request's body.
pub(in crate::capture) struct Calls {
    scanner: Scanner<'static>,
    found: Found,
}

#[derive(Default)]
struct Found {
    message: Message,
    methods: Vec<String>,
    tools: Vec<String>,
}

/// The message at hand.
#[derive(Default)]
struct Message {
    is_json_rpc: bool,
    method: Option<String>,
    name: Option<String>,
}

/// The places, twice: of a message, and of the messages of a batch.
const PLACES: [&str; 8] = [
    "",
    "jsonrpc",
    "method",
    "params.name",
    "[]",
    "[].jsonrpc",
    "[].method",
    "[].params.name",
];

fn paths() -> &'static Paths {
    static PATHS: OnceLock<Paths> = OnceLock::new();
    PATHS.get_or_init(|| Paths::new(&PLACES))
}

impl Calls {
    /// Before the body.
    pub(in crate::capture) fn new() -> Self {
        Self {
            scanner: Scanner::with_limit(paths(), MAX_NAME_BYTES),
            found: Found::default(),
        }
    }

    /// The next piece of the body.
    pub(in crate::capture) fn feed(&mut self, piece: &[u8]) {
        let found = &mut self.found;
        self.scanner
            .feed(piece, &mut |place, value| found.take(place % 4, value));
    }

    /// Whether MCP's methods are called, as far as the body has come.
    pub(in crate::capture) fn is_mcp(&self) -> bool {
        !self.found.methods.is_empty() || self.found.message.is_call()
    }

    /// The methods and the tools, each of them with commas between.
    pub(in crate::capture) fn finish(mut self) -> (Option<String>, Option<String>) {
        // A request that the client broke off: what has come is what was asked.
        self.found.end_message();
        let joined = |names: Vec<String>| (!names.is_empty()).then(|| names.join(","));
        (joined(self.found.methods), joined(self.found.tools))
    }
}

impl Found {
    fn take(&mut self, place: usize, value: Value<'_>) {
        let text = |value: Value<'_>| match value {
            Value::Text { text, .. } => Some(text.to_owned()),
            _ => None,
        };
        match place {
            0 => match value {
                Value::Object => self.message = Message::default(),
                Value::End => self.end_message(),
                _ => {}
            },
            1 => self.message.is_json_rpc = matches!(value, Value::Text { text: "2.0", .. }),
            2 => self.message.method = text(value),
            _ => self.message.name = text(value),
        }
    }

    fn end_message(&mut self) {
        let message = std::mem::take(&mut self.message);
        if !message.is_call() {
            return;
        }
        if message.method.as_deref() == Some("tools/call") {
            add(&mut self.tools, message.name);
        }
        add(&mut self.methods, message.method);
    }
}

impl Message {
    fn is_call(&self) -> bool {
        self.is_json_rpc && self.method.as_deref().is_some_and(is_mcp)
    }
}

fn is_mcp(method: &str) -> bool {
    matches!(method, "initialize" | "ping")
        || NAMESPACES
            .iter()
            .any(|namespace| method.starts_with(namespace))
}

fn add(names: &mut Vec<String>, name: Option<String>) {
    if let Some(name) = name
        && !name.is_empty()
        && names.len() < MAX_NAMES
        && !names.contains(&name)
    {
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(pieces: &[&[u8]]) -> (Option<String>, Option<String>) {
        let mut calls = Calls::new();
        for piece in pieces {
            calls.feed(piece);
        }
        calls.finish()
    }

    fn names(body: &str) -> (Option<String>, Option<String>) {
        read(&[body.as_bytes()])
    }

    fn some(method: &str, tool: &str) -> (Option<String>, Option<String>) {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        (text(method), text(tool))
    }

    #[test]
    fn a_tool_is_named_by_tools_call_alone() {
        for (body, method, tool) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"weather","arguments":{"name":"x"}}}"#,
                "tools/call",
                "weather",
            ),
            (
                r#"{"params":{"name":"weather"},"method":"tools/call","jsonrpc":"2.0"}"#,
                "tools/call",
                "weather",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}"#,
                "prompts/get",
                "",
            ),
            (
                r#"{"jsonrpc":"2.0","method":"initialize"}"#,
                "initialize",
                "",
            ),
            // Another JSON-RPC, an API that has a method, an answer to the server.
            (
                r#"{"jsonrpc":"2.0","method":"eth_call","params":{"name":"n"}}"#,
                "",
                "",
            ),
            (r#"{"method":"tools/call","params":{"name":"n"}}"#, "", ""),
            (r#"{"jsonrpc":"2.0","id":1,"result":{"name":"n"}}"#, "", ""),
            (r#"{"params":{"name":"n"}}"#, "", ""),
            ("nonsense", "", ""),
            ("", "", ""),
        ] {
            assert_eq!(names(body), some(method, tool), "{body}");
        }
    }

    #[test]
    fn of_a_batch_each_name_is_told_once_in_order() {
        let call = |tool: &str| {
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#
            )
        };
        let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
        let batch = format!("[{},{list},{},{}]", call("b"), call("a"), call("b"));
        assert_eq!(names(&batch), some("tools/call,tools/list", "b,a"));
    }

    #[test]
    fn a_long_batch_and_a_long_name_are_cut() {
        let call = |tool: &str| {
            format!(r#"{{"jsonrpc":"2.0","method":"tools/call","params":{{"name":"{tool}"}}}}"#)
        };
        let batch: Vec<_> = (0..100).map(|n| call(&n.to_string())).collect();
        let (_, tools) = names(&format!("[{}]", batch.join(",")));
        assert_eq!(tools.unwrap().split(',').count(), MAX_NAMES);
        let (_, tool) = names(&call(&"x".repeat(10_000)));
        assert_eq!(tool.unwrap().len(), MAX_NAME_BYTES);
    }

    #[test]
    fn a_request_that_was_broken_off_tells_what_came() {
        let body = r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"t","argum"#;
        assert_eq!(names(body), some("tools/call", "t"));
    }

    proptest! {
        #[test]
        fn where_the_body_is_cut_does_not_matter(cut in 0..120_usize) {
            let body = br#"[{"jsonrpc":"2.0","method":"tools/call","params":{"name":"we\u00e4ther"}},{"jsonrpc":"2.0","method":"ping"}]"#;
            let (head, tail) = body.split_at(cut.min(body.len()));
            prop_assert_eq!(read(&[head, tail]), some("tools/call,ping", "weäther"));
        }
    }
}
