//! What the plugin reads of bodies that pass, and that they pass.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use gatelog_record::AccessRecord;
use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use gatelog_testkit::upstream::{self, Body, Reply, Server};
use serde_json::json;

use super::rig::{Collector, PATIENCE, abort, exchange, get, request};

const JSON: &str = "content-type: application/json\r\n";

fn post(path: &str, id: &str, body: &str) -> Vec<u8> {
    request("POST", path, id, JSON, body.as_bytes())
}

/// Every capture there is.
fn everything() -> serde_json::Value {
    json!({"batch": {"max_records": 1}, "capture": {
        "request_headers": ["*"], "response_headers": ["*"],
        "request_body_bytes": 64, "response_body_bytes": 64,
    }})
}

fn by_id<'r>(records: &'r [AccessRecord<'static>], id: &str) -> &'r AccessRecord<'static> {
    let mut records = records.iter();
    records
        .find(|record| record.request_id.as_deref() == Some(id))
        .unwrap()
}

/// An upstream that sends the next of its pieces only when it is told to.
fn patient_upstream(pieces: Vec<String>) -> (u16, mpsc::Sender<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (go, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_until(&mut stream, b"}]}");
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
            transfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).unwrap();
        for piece in pieces {
            if wait.recv_timeout(PATIENCE).is_err() {
                return;
            }
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            stream.write_all(chunk.as_bytes()).unwrap();
        }
        stream.write_all(b"0\r\n\r\n").unwrap();
        // The gateway closes it.
        drop(stream.read(&mut [0]));
    });
    (port, go)
}

fn read_until(stream: &mut TcpStream, end: &[u8]) {
    let mut read: Vec<u8> = Vec::new();
    while !read.windows(end.len()).any(|window| window == end) {
        let mut some = [0; 4096];
        let count = stream.read(&mut some).unwrap();
        assert!(
            count > 0,
            "it ended before {:?}",
            String::from_utf8_lossy(end)
        );
        read.extend(&some[..count]);
    }
}

/// Each event is sent only when the client has the one before: were anything held back, the test would
/// stand still.
#[test]
fn an_event_stream_flows_while_it_is_read() {
    let event = |more: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"model\":\"qwen-max\",\"object\":\"chat.completion.chunk\",{more}}}\n\n"
        )
    };
    let word = |word: &str| {
        event(&format!(
            r#""choices":[{{"index":0,"delta":{{"content":"{word}"}}}}]"#
        ))
    };
    let mut pieces: Vec<String> = (0..5).map(|n| word(&format!("word-{n}"))).collect();
    pieces.push(event(
        r#""choices":[],"usage":{"prompt_tokens":12,"completion_tokens":0,"total_tokens":12}"#,
    ));
    let (port, go) = patient_upstream(pieces);
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(1, port, 1)
        .plugin(everything());
    let envoy = Envoy::start(&gateway).unwrap();

    let asked = r#"{"model":"qwen","stream":true,"messages":[{"role":"user"}]}"#;
    let mut client = TcpStream::connect(envoy.address()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
        .write_all(&post("/v1/chat/completions", "sse", asked))
        .unwrap();
    read_until(&mut client, b"\r\n\r\n");
    for n in 0..5 {
        go.send(()).unwrap();
        read_until(&mut client, format!("word-{n}").as_bytes());
    }
    go.send(()).unwrap();
    read_until(&mut client, b"0\r\n\r\n");

    let records = collector.wait_for_records(1);
    let record = by_id(&records, "sse");
    assert_eq!(record.requested_model.as_deref(), Some("qwen"));
    assert_eq!(record.model.as_deref(), Some("qwen-max"));
    assert_eq!(record.ai_chat_id.as_deref(), Some("c1"));
    assert_eq!(record.ai_response_type.as_deref(), Some("stream"));
    let tokens = [
        record.input_tokens,
        record.output_tokens,
        record.total_tokens,
    ];
    assert_eq!(tokens, [Some(12), Some(0), Some(12)], "a zero is a zero");
    let (first_byte, first_token) = (
        record.first_byte_time.unwrap(),
        record.ai_first_token_duration.unwrap(),
    );
    assert!(first_byte <= first_token && first_token <= record.duration.unwrap());
    assert_eq!(record.response_body.as_ref().unwrap().len(), 64);
}

#[test]
fn a_whole_answer_tells_its_tokens_and_another_api_has_none() {
    let llm = upstream::llm().unwrap();
    let web = upstream::web().unwrap();
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(web.port(), llm.port(), 1)
        .plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let asked = r#"{"model":"qwen","messages":[]}"#;
    exchange(envoy.address(), &post("/v1/chat/completions", "llm", asked));
    exchange(
        envoy.address(),
        &post("/web/cars", "web", r#"{"wheels":4}"#),
    );
    exchange(
        envoy.address(),
        &post("/v1/models", "broken", r#"{"model":"qwen""#),
    );

    let records = collector.wait_for_records(3);
    let record = by_id(&records, "llm");
    assert_eq!(record.model.as_deref(), Some("qwen"));
    assert_eq!(record.total_tokens, Some(15));
    assert_eq!(record.ai_response_type.as_deref(), Some("normal"));
    assert_eq!(
        record.request_body, None,
        "bodies are not captured by default"
    );
    let record = by_id(&records, "web");
    assert_eq!((record.model.as_deref(), record.total_tokens), (None, None));
    let record = by_id(&records, "broken");
    assert_eq!(record.requested_model.as_deref(), Some("qwen"));
    assert_eq!(record.total_tokens, None, "unknown is no zero");
}

#[test]
fn a_stream_that_the_client_left_tells_what_was_seen() {
    let chunk = |text: &str| (Duration::from_millis(20), text.as_bytes().to_vec());
    let llm = Server::start(move |_| {
        let begin = r#"data: {"type":"message_start","message":{"id":"m1","model":"claude","usage":{"input_tokens":7,"output_tokens":1}}}"#;
        let mut chunks = vec![chunk(&format!("event: message_start\n{begin}\n\n"))];
        chunks.extend((0..200).map(|_| chunk("event: ping\ndata: {\"type\":\"ping\"}\n\n")));
        Reply::new(200)
            .header("content-type", "text/event-stream")
            .body(Body::Chunks(chunks))
    })
    .unwrap();
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(1, llm.port(), 1)
        .plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let asked = r#"{"model":"c","stream":true}"#;
    abort(
        envoy.address(),
        &post("/v1/messages", "left", asked),
        b"ping",
    );

    let records = collector.wait_for_records(1);
    let record = by_id(&records, "left");
    assert_eq!(record.response_flags.as_deref(), Some("DC"));
    assert_eq!(record.requested_model.as_deref(), Some("c"));
    assert_eq!(record.model.as_deref(), Some("claude"));
    assert_eq!(record.input_tokens, Some(7));
}

fn mcp_server() -> Server {
    Server::start(|request| {
        let answer = match request.header("x-answer").unwrap_or_default() {
            "tool-error" => r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#,
            "error" => r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#,
            _ => r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
        };
        match request.header("accept") {
            Some("text/event-stream") => Reply::new(200)
                .header("content-type", "text/event-stream")
                .body(Body::Chunks(vec![(
                    Duration::ZERO,
                    format!("event: message\r\ndata: {answer}\r\n\r\n").into_bytes(),
                )])),
            _ => Reply::new(200)
                .header("content-type", "application/json")
                .header("mcp-session-id", "given")
                .body(Body::Whole(answer.as_bytes().to_vec())),
        }
    })
    .unwrap()
}

#[test]
fn calls_of_tools_are_recorded_with_their_outcome() {
    const CALL: &str =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"weather"}}"#;
    let server = mcp_server();
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(1, server.port(), server.port())
        .plugin(json!({"batch": {"max_records": 1}}));
    let envoy = Envoy::start(&gateway).unwrap();
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"prompts/get","params":{"name":"greet"}}"#;
    let batch = format!("[{CALL},{list}]");
    let send = |id: &str, headers: &str, body: &str| {
        let headers = format!("{JSON}{headers}");
        let bytes = request("POST", "/mcp", id, &headers, body.as_bytes());
        assert_eq!(exchange(envoy.address(), &bytes), 200, "{id}");
    };
    send("ok", "mcp-session-id: s-1\r\n", CALL);
    send("tool-error", "x-answer: tool-error\r\n", CALL);
    send("error", "x-answer: error\r\n", CALL);
    send(
        "stream",
        "accept: text/event-stream\r\nx-answer: tool-error\r\n",
        CALL,
    );
    send("batch", "", &batch);
    send("prompt", "", list);
    send("other", "", r#"{"params":{"name":"weather"}}"#);

    let records = collector.wait_for_records(7);
    for (id, method, tool, status, session) in [
        (
            "ok",
            Some("tools/call"),
            Some("weather"),
            Some("ok"),
            Some("s-1"),
        ),
        (
            "tool-error",
            Some("tools/call"),
            Some("weather"),
            Some("tool_error"),
            Some("given"),
        ),
        (
            "error",
            Some("tools/call"),
            Some("weather"),
            Some("error -32602"),
            Some("given"),
        ),
        (
            "stream",
            Some("tools/call"),
            Some("weather"),
            Some("tool_error"),
            None,
        ),
        (
            "batch",
            Some("tools/call,prompts/get"),
            Some("weather"),
            Some("ok"),
            Some("given"),
        ),
        (
            "prompt",
            Some("prompts/get"),
            None,
            Some("ok"),
            Some("given"),
        ),
        ("other", None, None, None, None),
    ] {
        let record = by_id(&records, id);
        assert_eq!(record.mcp_method.as_deref(), method, "{id}");
        assert_eq!(record.mcp_tool.as_deref(), tool, "{id}");
        assert_eq!(record.mcp_status.as_deref(), status, "{id}");
        assert_eq!(record.mcp_session_id.as_deref(), session, "{id}");
    }
}

#[test]
fn headers_and_bodies_are_captured_as_configured_and_without_secrets() {
    let web = Server::start(|_| {
        Reply::text(
            200,
            "an answer of some length, of which a part is captured: to here, no more",
        )
        .header("x-served-by", "a")
        .header("set-cookie", "id=SECRET")
    })
    .unwrap();
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(web.port(), 1, 1)
        .plugin(everything());
    let envoy = Envoy::start(&gateway).unwrap();
    let body = r#"{"url":"https://h/?token=SECRET","text":"ééééééééééééééééééééééé"}"#;
    let headers = format!("{JSON}authorization: Bearer SECRET\r\nx-one: 1\r\n");
    exchange(
        envoy.address(),
        &request("POST", "/web/a", "captured", &headers, body.as_bytes()),
    );
    exchange(envoy.address(), &get("/web/a", "get"));

    let records = collector.wait_for_records(2);
    let text = collector
        .taken()
        .iter()
        .map(|batch| batch.body.clone())
        .collect::<Vec<_>>();
    let text = String::from_utf8(text.concat()).unwrap();
    assert!(!text.contains("SECRET"), "{text}");
    let record = by_id(&records, "captured");
    assert_eq!(record.request_headers.get("x-one"), Some("1"));
    assert_eq!(record.request_headers.get(":path"), None, "it is a column");
    assert_eq!(record.response_headers.get("x-served-by"), Some("a"));
    let captured = record.request_body.as_deref().unwrap();
    assert!(
        captured.starts_with(r#"{"url":"https://h/?token=***""#),
        "{captured}"
    );
    assert!(!captured.contains('\u{fffd}'), "{captured}");
    let record = by_id(&records, "get");
    assert_eq!(record.request_body, None);
    assert_eq!(record.response_body.as_deref().unwrap().len(), 64);
    assert!(!envoy.log().contains("SECRET"));
}

/// A body larger than the gateway's buffers passes, for nothing is buffered: the reference's answered
/// it with 413.
#[test]
fn a_body_larger_than_the_buffers_passes_while_it_is_read() {
    let web =
        Server::start(|request| Reply::json(200, &json!({"text": "x".repeat(request.body.len())})))
            .unwrap();
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(web.port(), 1, 1)
        .plugin(everything());
    let envoy = Envoy::start(&gateway).unwrap();
    let body = json!({"model": "late", "text": "y".repeat(3 << 20)}).to_string();
    assert_eq!(
        exchange(envoy.address(), &post("/web/a", "large", &body)),
        200
    );
    let records = collector.wait_for_records(1);
    let record = by_id(&records, "large");
    assert_eq!(record.bytes_received, i64::try_from(body.len()).ok());
    assert_eq!(record.requested_model.as_deref(), Some("late"));
    assert_eq!(record.request_body.as_ref().unwrap().len(), 64);
}

/// As an access logger there is no context that could look at bodies.
#[test]
fn an_access_logger_records_columns_and_no_bodies() {
    let llm = upstream::llm().unwrap();
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(1, llm.port(), 1)
        .attach(Attach::AccessLogger)
        .plugin(everything());
    let envoy = Envoy::start(&gateway).unwrap();
    let asked = r#"{"model":"qwen","messages":[]}"#;
    exchange(envoy.address(), &post("/v1/chat/completions", "llm", asked));
    let records = collector.wait_for_records(1);
    let record = by_id(&records, "llm");
    assert_eq!(record.response_code, Some(200));
    assert_eq!((record.total_tokens, record.first_byte_time), (None, None));
    assert!(record.request_headers.get("content-type").is_some());
}

fn hostile(to: SocketAddr) {
    let huge = format!("x-huge: {}\r\n", "h".repeat(1 << 20));
    exchange(
        to,
        &request("POST", "/web/a", "huge", &format!("{JSON}{huge}"), b"{}"),
    );
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    exchange(to, &request("POST", "/web/a", "bytes", JSON, &bytes));
    let deep = "[".repeat(200_000);
    exchange(to, &post("/web/a", "deep", &deep));
    let headers = "content-type: \u{e9}\u{e9}json\r\ncontent-encoding: \u{e9}\r\n";
    exchange(to, &request("POST", "/web/a", "odd", headers, b"{}"));
    let headers = format!("{JSON}content-encoding: gzip\r\n");
    exchange(to, &request("POST", "/web/a", "no-gzip", &headers, b"{}"));
}

#[test]
fn nothing_that_a_client_or_an_upstream_sends_stops_the_plugin() {
    let web = Server::start(|request| {
        Reply::new(200)
            .header("content-type", "application/json")
            .header("content-encoding", "br")
            .header("x-latin", "caf\u{e9}")
            .body(Body::Whole(request.body.clone()))
    })
    .unwrap();
    let collector = Collector::start();
    let gateway = Gateway::new(collector.port())
        .upstreams(web.port(), 1, 1)
        .patch(json!({"typed_config": {"max_request_headers_kb": 4096}}))
        .plugin(everything());
    let envoy = Envoy::start(&gateway).unwrap();
    hostile(envoy.address());
    assert_eq!(exchange(envoy.address(), &get("/direct", "after")), 200);
    let records = collector.wait_for_records(6);
    let record = by_id(&records, "huge");
    assert_eq!(record.request_headers.get("x-huge").unwrap().len(), 1 << 20);
    assert_eq!(by_id(&records, "after").response_code, Some(200));
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}
