//! Requests over HTTP/1 that go well.

use super::{Kind, get, kind};
use crate::kinds::client::{closing, exchange, post, request, tunnel};

/// Bytes of the body of an upload.
const UPLOAD_BYTES: usize = 10 << 20;

const CHUNKED: &str = "transfer-encoding: chunked\r\n";
const CHUNKS: &[u8] = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";

pub(super) const KINDS: [Kind; 15] = [
    kind(
        "GET",
        "`GET /web/anything?q=1&q=2`",
        (200, ""),
        |stage, id| {
            get(stage, "/web/anything?q=1&q=2", id);
        },
    ),
    kind("HEAD", "`HEAD /web/anything`", (200, ""), |stage, id| {
        exchange(stage.gateway, &closing("HEAD /web/anything", id, "", b""));
    }),
    kind("POST", "12 bytes, many headers", (200, ""), |stage, id| {
        let headers = "x-forwarded-for: 203.0.113.7\r\nx-forwarded-for: 10.0.0.1\r\n\
                       x-b3-traceid: 80f198ee56343ba8\r\nx-mse-consumer: consumer-a\r\n";
        exchange(
            stage.gateway,
            &post("/web/anything", id, headers, b"twelve bytes"),
        );
    }),
    kind(
        "W3C trace",
        "`traceparent` and no `x-b3-traceid`",
        (200, ""),
        |stage, id| {
            let parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
            exchange(
                stage.gateway,
                &closing("GET /web/anything", id, parent, b""),
            );
        },
    ),
    kind("204", "the upstream answers 204", (204, ""), |stage, id| {
        get(stage, "/web/status/204", id);
    }),
    kind("304", "the upstream answers 304", (304, ""), |stage, id| {
        get(stage, "/web/status/304", id);
    }),
    kind("SSE", "five events", (200, ""), |stage, id| {
        get(stage, "/own/sse", id);
    }),
    kind(
        "chunked",
        "chunks of 5 and 6 bytes; three of 10 back",
        (200, ""),
        |stage, id| {
            let bytes = closing("POST /web/drip/3/1", id, CHUNKED, CHUNKS);
            exchange(stage.gateway, &bytes);
        },
    ),
    kind(
        "gzip",
        "the answer is compressed",
        (200, ""),
        |stage, id| {
            let accept = "accept-encoding: gzip\r\n";
            exchange(stage.gateway, &closing("GET /own/gzip", id, accept, b""));
        },
    ),
    kind(
        "upload of 10 MiB",
        "`POST`, its length announced",
        (200, ""),
        |stage, id| {
            exchange(
                stage.gateway,
                &post("/web/anything", id, "", &vec![b'x'; UPLOAD_BYTES]),
            );
        },
    ),
    kind(
        "WebSocket",
        "upgrade, 6 bytes each way; the upstream ends it",
        (101, "UC"),
        |stage, id| {
            let headers = "connection: upgrade\r\nupgrade: websocket\r\n";
            tunnel(
                stage.gateway,
                &request("GET /raw/websocket", id, headers, b""),
                b"frames",
            );
        },
    ),
    kind(
        "CONNECT",
        "a tunnel, 8 bytes each way",
        (200, ""),
        |stage, id| {
            let head = request("CONNECT kinds.example:443", id, "", b"");
            tunnel(stage.gateway, &head, b"ping\r\n\r\n");
        },
    ),
    kind(
        "HTTP/1.0",
        "`GET /direct HTTP/1.0`",
        (200, ""),
        |stage, id| {
            let head = format!(
                "GET /direct HTTP/1.0\r\nhost: kinds.example\r\nx-request-id: {id}\r\n\r\n"
            );
            exchange(stage.gateway, head.as_bytes());
        },
    ),
    kind("TLS", "SNI `kinds.example`", (200, ""), |stage, id| {
        exchange(stage.tls, &closing("GET /web/anything", id, "", b""));
    }),
    kind(
        "not UTF-8",
        "`user-agent: caf\\xe9`",
        (200, ""),
        |stage, id| {
            let mut bytes = closing("GET /direct", id, "user-agent: caf?\r\n", b"");
            // One `user-agent` only, and a byte that is no text.
            let own = b"user-agent: kinds/1\r\n";
            let at = bytes
                .windows(own.len())
                .position(|window| window == own)
                .unwrap();
            bytes.drain(at..at + own.len());
            let at = bytes.iter().rposition(|byte| *byte == b'?').unwrap();
            bytes[at] = 0xe9;
            exchange(stage.gateway, &bytes);
        },
    ),
];
