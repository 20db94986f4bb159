//! What a piece of a stream costs: nanoseconds for each event of about 200 bytes, in each coding that
//! matters. Run it optimised: `cargo run --profile plugin -p gatelog-usage --example chunk_cost`.

#![expect(clippy::print_stdout, reason = "a measurement is told on the terminal")]

use std::hint::black_box;
use std::time::Instant;

use gatelog_usage::{Budget, Response};

const EVENTS: u32 = 200_000;

fn main() {
    let event = r#"data: {"id":"chatcmpl-9x","object":"chat.completion.chunk","created":1694268190,"model":"gpt-4o-mini","system_fingerprint":"fp_44709d6fcb","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}

"#;
    let delta = r#"event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello, this is some text of a usual length for an event"}}

"#;
    let text = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{}\"}}]}}}}]}}\r\n\r\n",
        "A long answer in one event. ".repeat(600)
    );
    for (name, event, events) in [
        ("openai", event, EVENTS),
        ("anthropic", delta, EVENTS),
        ("gemini, 16 KiB", &text, EVENTS / 20),
    ] {
        let mut response = Response::new("text/event-stream", "", &Budget::default());
        let begin = Instant::now();
        for _ in 0..events {
            black_box(response.feed(black_box(event.as_bytes())));
        }
        let spent = begin.elapsed() / events;
        black_box(response.finish());
        println!("{name}: {} bytes, {spent:?} an event", event.len());
    }
    for coding in ["gzip", "br", "zstd"] {
        let mut response = Response::new("text/event-stream", coding, &Budget::default());
        response.feed(black_box(b"no"));
        println!("{coding}: {:?}", response.finish().unread);
    }
}
