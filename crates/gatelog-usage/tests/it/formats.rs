//! Every format with its numbers, however its bytes are cut.

use gatelog_usage::{ResponseType, Usage};

use crate::fixture::{body, content_type, read};

/// A count that is not told.
const NO: Option<u64> = None;

/// File, model, id; input, output, total, cached, cache creation, reasoning; whether text of the model is
/// seen in a stream.
type Row = (
    &'static str,
    Option<&'static str>,
    Option<&'static str>,
    [Option<u64>; 6],
    bool,
);

const OPENAI: Option<&str> = Some("gpt-4o-mini");
const CHUNK: Option<&str> = Some("chatcmpl-9x");
const RESPONSE: Option<&str> = Some("resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b");
const GEMINI: Option<&str> = Some("gemini-2.5-flash");
const GEMINI_ID: Option<&str> = Some("mAitaLmkHPPlz7IPvtfUqQ4");
const CLAUDE: Option<&str> = Some("claude-3-7-sonnet-20250219");
const CLAUDE_ID: Option<&str> = Some("msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY");
const SPARK_ID: Option<&str> = Some("cht000cb087@dx18793cd421fb894542");
const LLAMA: Option<&str> = Some("llama3.2");

#[rustfmt::skip]
const ROWS: [Row; 43] = [
    ("openai/chat.json", Some("gpt-4.1-2025-04-14"), Some("chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT"), [Some(1117), Some(46), Some(1163), Some(1024), NO, Some(12)], false),
    ("openai/chat.sse", OPENAI, CHUNK, [Some(19), Some(10), Some(31), Some(0), NO, Some(0)], true),
    ("openai/chat_usage_null_last.sse", OPENAI, CHUNK, [Some(19), Some(10), Some(31), Some(0), NO, Some(0)], true),
    ("openai/chat_returns.sse", OPENAI, CHUNK, [Some(19), Some(10), Some(31), Some(0), NO, Some(0)], true),
    ("openai/chat_without_usage.sse", OPENAI, CHUNK, [NO; 6], true),
    // The total was cut off in the middle: it is not 3.
    ("openai/chat_aborted.sse", OPENAI, CHUNK, [Some(19), Some(10), Some(29), NO, NO, NO], true),
    ("openai/completions.json", Some("gpt-3.5-turbo-instruct"), Some("cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7"), [Some(5), Some(7), Some(12), NO, NO, NO], false),
    ("openai/embeddings.json", Some("text-embedding-3-small"), None, [Some(8), NO, Some(8), NO, NO, NO], false),
    ("openai/responses.json", Some("gpt-5-2025-08-07"), RESPONSE, [Some(36), Some(87), Some(123), Some(4), NO, Some(64)], false),
    ("openai/responses.sse", Some("gpt-5-2025-08-07"), RESPONSE, [Some(36), Some(87), Some(123), Some(4), NO, Some(64)], true),
    ("anthropic/message.json", Some("claude-sonnet-4-20250514"), Some("msg_01XFDUDYJgAACzvnptvVoYEL"), [Some(10), Some(20), Some(1130), Some(1000), Some(100), NO], false),
    ("anthropic/message.sse", CLAUDE, CLAUDE_ID, [Some(10), Some(20), Some(1130), Some(1000), Some(100), NO], true),
    ("anthropic/message_aborted.sse", CLAUDE, CLAUDE_ID, [Some(10), Some(1), Some(1111), Some(1000), Some(100), NO], true),
    ("gemini/generate.json", GEMINI, GEMINI_ID, [Some(9), Some(11), Some(70), Some(4), NO, Some(50)], false),
    ("gemini/stream.sse", GEMINI, GEMINI_ID, [Some(9), Some(11), Some(70), Some(4), NO, Some(50)], true),
    ("gemini/stream.json", GEMINI, GEMINI_ID, [Some(9), Some(11), Some(70), Some(4), NO, Some(50)], true),
    ("bedrock/converse.json", None, None, [Some(125), Some(60), Some(235), Some(50), Some(0), NO], false),
    ("bedrock/converse.frames.ndjson", None, None, [Some(12), Some(34), Some(46), NO, NO, NO], true),
    ("cohere/chat_v1.json", None, Some("gen-1"), [Some(72), Some(19), Some(91), NO, NO, NO], false),
    ("cohere/chat_v1.ndjson", None, Some("gen-2"), [Some(72), Some(19), Some(91), NO, NO, NO], true),
    ("cohere/chat_v2.json", None, Some("c14c80c3-18eb-4519-9460-6c92edd8cfb4"), [Some(71), Some(418), Some(489), Some(64), NO, NO], false),
    ("cohere/chat_v2.sse", None, Some("29f14a5a"), [Some(71), Some(418), Some(489), NO, NO, NO], true),
    ("cohere/embed.json", None, Some("da6e531f"), [Some(2), NO, Some(2), NO, NO, NO], false),
    ("ollama/chat.json", LLAMA, None, [Some(26), Some(298), Some(324), NO, NO, NO], false),
    ("ollama/chat.ndjson", LLAMA, None, [Some(26), Some(0), Some(26), NO, NO, NO], true),
    ("ollama/generate.ndjson", LLAMA, None, [Some(26), Some(290), Some(316), NO, NO, NO], true),
    ("dashscope/generation.json", None, Some("902fee3b-f7f0-9a8c-96a1-6b4ea25af114"), [Some(22), Some(17), Some(39), Some(16), NO, Some(9)], false),
    ("dashscope/generation.sse", None, Some("d30a9914"), [Some(26), Some(5), Some(31), NO, NO, NO], true),
    ("dashscope/app.json", Some("qwen-plus"), Some("f97ee37d-0f9c-9b93-b6bf-bd263a232bf9"), [Some(70), Some(40), Some(110), NO, NO, NO], false),
    ("dashscope/app.sse", Some("qwen-max"), Some("r1"), [Some(213), Some(35), Some(248), NO, NO, NO], true),
    ("hunyuan/chat.json", None, Some("8ce9d6b4"), [Some(3), Some(6), Some(9), NO, NO, NO], false),
    ("hunyuan/chat.sse", None, Some("8ce9d6b4"), [Some(3), Some(6), Some(9), NO, NO, NO], true),
    ("spark/chat.ndjson", None, SPARK_ID, [Some(5), Some(9), Some(14), NO, NO, NO], true),
    ("others/mistral.json", Some("mistral-small-latest"), Some("cmpl-e5cc70bb28c444948073e77776eb30ef"), [Some(16), Some(34), Some(50), NO, NO, NO], false),
    ("others/doubao_responses.json", Some("doubao-seed-1-6-250615"), Some("resp_021"), [Some(90), Some(180), Some(270), Some(64), NO, Some(120)], false),
    ("others/deepseek.json", Some("deepseek-reasoner"), Some("930c60df"), [Some(16), Some(10), Some(26), Some(8), NO, Some(7)], false),
    ("others/moonshot.sse", Some("moonshot-v1-8k"), Some("cmpl-1"), [Some(19), Some(13), Some(32), Some(19), NO, NO], true),
    ("others/groq.sse", Some("llama-3.3-70b-versatile"), Some("chatcmpl-g"), [Some(20), Some(4), Some(24), NO, NO, NO], true),
    ("others/numbers_in_strings.json", Some("m"), None, [Some(12), Some(3), Some(15), NO, NO, NO], false),
    ("others/total_only.json", Some("abab6.5-chat"), Some("r"), [NO, NO, Some(150), NO, NO, NO], false),
    ("others/zero.json", Some("m"), None, [Some(0), Some(0), Some(0), NO, NO, NO], false),
    ("others/error.json", None, None, [NO; 6], false),
    ("others/lines_of_data.sse", Some("n"), Some("a"), [Some(1), Some(2), Some(3), NO, NO, NO], false),
];

fn expected(row: &Row) -> Usage {
    let (name, model, id, [input, output, total, cached, cache_creation, reasoning], _) = *row;
    let is_stream = content_type(name) != "application/json" || name == "gemini/stream.json";
    Usage {
        model: model.map(str::to_owned),
        chat_id: id.map(str::to_owned),
        input,
        output,
        total,
        cached,
        cache_creation,
        reasoning,
        response_type: Some(if is_stream {
            ResponseType::Stream
        } else {
            ResponseType::Normal
        }),
        unread: None,
    }
}

/// The names of the files, for other tests.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|row| row.0)
}

/// What a file must give.
pub(crate) fn expected_of(name: &str) -> Usage {
    expected(ROWS.iter().find(|row| row.0 == name).unwrap())
}

#[test]
fn every_format_gives_its_numbers() {
    for row in &ROWS {
        let (name, .., token) = *row;
        let body = body(name);
        let (usage, seen) = read(content_type(name), "", &[&body]);
        assert_eq!(usage, expected(row), "{name}");
        let is_stream = usage.response_type == Some(ResponseType::Stream);
        assert_eq!((seen[0].data, seen[0].token), (is_stream, token), "{name}");
    }
}

#[test]
fn every_file_is_in_the_table() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut files = 0;
    for folder in std::fs::read_dir(root).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            assert!(
                names().any(|name| path.ends_with(name)),
                "{}",
                path.display()
            );
            files += 1;
        }
    }
    assert_eq!(files, ROWS.len());
}

#[test]
fn how_a_body_is_cut_does_not_matter() {
    for row in &ROWS {
        let name = row.0;
        let (body, expected) = (body(name), expected(row));
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(content_type(name), "", &bytes).0, expected, "{name}");
        for at in 0..=body.len() {
            let (head, tail) = body.split_at(at);
            let (usage, seen) = read(content_type(name), "", &[head, tail]);
            assert_eq!(usage, expected, "{name} at {at}");
            assert_eq!(seen[1].token, row.4, "{name} at {at}");
        }
    }
}

#[test]
fn the_first_token_is_seen_with_its_event() {
    for (name, mark) in [
        ("openai/chat.sse", "Hello"),
        ("anthropic/message.sse", "Hello"),
        ("gemini/stream.sse", "He"),
        ("gemini/stream.json", "He"),
        ("openai/responses.sse", r#""In""#),
        ("cohere/chat_v2.sse", "LLMs"),
        ("ollama/chat.ndjson", "The"),
        ("dashscope/app.sse", "我"),
        ("bedrock/converse.frames.ndjson", "Hi"),
    ] {
        let body = body(name);
        let windows = &mut body.windows(mark.len());
        let place = windows.position(|text| text == mark.as_bytes()).unwrap();
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        let (_, seen) = read(content_type(name), "", &bytes);
        let token = seen.iter().position(|seen| seen.token).unwrap();
        let data = seen.iter().position(|seen| seen.data).unwrap();
        let ends = place + mark.len() - 1;
        assert!(
            token >= ends && token <= ends + 1,
            "{name}: {token}, {ends}"
        );
        assert!(data < place, "{name}: {data}, {place}");
    }
}

#[test]
fn a_body_that_breaks_off_gives_what_was_there() {
    for row in &ROWS {
        let (name, whole) = (row.0, expected(row));
        let body = body(name);
        for at in 0..body.len() {
            let (usage, _) = read(content_type(name), "", &[&body[..at]]);
            assert_eq!(usage.unread, None, "{name} at {at}");
            // Counts of events grow; no prefix has more than the whole.
            assert!(
                usage.output <= whole.output || usage.output <= Some(1),
                "{name} at {at}"
            );
            assert!(
                usage.model.is_none()
                    || usage.model == whole.model
                    || name.ends_with("of_data.sse")
            );
        }
    }
}

#[test]
fn a_content_type_that_is_wrong_does_not_hide_usage() {
    let events = expected_of("openai/chat.sse");
    for wrong in ["application/json", "", "text/plain"] {
        assert_eq!(
            read(wrong, "", &[&body("openai/chat.sse")]).0,
            events,
            "{wrong}"
        );
    }
    let document = read("text/event-stream", "", &[&body("openai/chat.json")]).0;
    assert_eq!(document.input, Some(1117));
}

/// As a gateway answers when no model could be asked: no answer of a model, and no stream.
#[test]
fn a_plain_text_is_no_stream() {
    for text in ["upstream connect error: reset", "data was here\n\nid: no"] {
        for kind in ["text/plain", "", "application/json"] {
            let (usage, seen) = read(kind, "", &[text.as_bytes()]);
            assert_eq!(usage, Usage::default(), "{kind}: {text}");
            assert!(!seen[0].data);
        }
    }
    let (usage, _) = read("text/event-stream", "", &[b": ping\n\n"]);
    assert_eq!(usage.response_type, Some(ResponseType::Stream));
}

#[test]
fn what_holds_no_usage_is_not_read() {
    for other in [
        "text/html",
        "image/png",
        "application/grpc",
        "application/octet-stream",
    ] {
        let (usage, _) = read(other, "gzip", &[&body("openai/chat.json")]);
        assert_eq!(usage, Usage::default(), "{other}");
    }
    let (usage, seen) = read("application/json", "", &[b" \r\n\t", b""]);
    assert_eq!(usage, Usage::default());
    assert!(!seen[0].data);
}
