//! An LLM API and an MCP server, as far as their traffic goes.

use std::time::Duration;

use serde_json::{Value, json};

use super::server::{Body, Reply, Request, Server};

/// Pause between the events of a stream.
const EVENT_PAUSE: Duration = Duration::from_millis(5);

/// An LLM API: `POST /v1/chat/completions` as `OpenAI`'s, whole or as a stream (`"stream": true`),
/// with usage in both.
///
/// # Errors
/// The machine gives out no port.
pub fn llm() -> anyhow::Result<Server> {
    Server::start(|request| match read_json(request) {
        Some(asked) if request.method == "POST" => {
            if asked.get("stream") == Some(&Value::Bool(true)) {
                completion_stream(&asked)
            } else {
                completion(&asked)
            }
        }
        _ => Reply::json(400, &json!({"error": {"message": "a JSON body is needed"}})),
    })
}

/// An MCP server (streamable HTTP): JSON-RPC `initialize`, `tools/list` and `tools/call`.
///
/// # Errors
/// The machine gives out no port.
pub fn mcp() -> anyhow::Result<Server> {
    Server::start(|request| {
        let Some(call) = read_json(request) else {
            return Reply::json(400, &json!({"error": "no JSON"}));
        };
        let result = match call.get("method").and_then(Value::as_str) {
            Some("initialize") => json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "sample", "version": "1"},
            }),
            Some("tools/list") => json!({"tools": [{"name": "weather", "inputSchema": {}}]}),
            Some("tools/call") => json!({
                "content": [{"type": "text", "text": "sunny"}],
                "isError": false,
            }),
            _ => {
                let error = json!({"code": -32601, "message": "no such method"});
                return Reply::json(200, &answer(&call, "error", &error));
            }
        };
        Reply::json(200, &answer(&call, "result", &result))
    })
}

fn answer(call: &Value, key: &str, value: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": call.get("id"), key: value})
}

fn read_json(request: &Request) -> Option<Value> {
    serde_json::from_slice(&request.body).ok()
}

fn usage() -> Value {
    json!({"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15})
}

fn completion(asked: &Value) -> Reply {
    Reply::json(
        200,
        &json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "model": asked.get("model"),
            "choices": [{
                "index": 0,
                "message": {"role": "assistant", "content": "Hello there."},
                "finish_reason": "stop",
            }],
            "usage": usage(),
        }),
    )
}

fn completion_stream(asked: &Value) -> Reply {
    let event = |more: Value| {
        let mut chunk = json!({
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "model": asked.get("model"),
            "choices": [],
        });
        if let (Value::Object(chunk), Value::Object(more)) = (&mut chunk, more) {
            chunk.extend(more);
        }
        format!("data: {chunk}\n\n")
    };
    let words = ["Hello", " there", "."]
        .map(|word| event(json!({"choices": [{"index": 0, "delta": {"content": word}}]})));
    let end = [
        event(json!({"usage": usage()})),
        "data: [DONE]\n\n".to_owned(),
    ];
    let chunks = words
        .into_iter()
        .chain(end)
        .map(|event| (EVENT_PAUSE, event.into_bytes()));
    Reply::new(200)
        .header("content-type", "text/event-stream")
        .body(Body::Chunks(chunks.collect()))
}
