//! HTTP/2 and gRPC.

use bytes::Bytes;
use hyper::body::Frame;

use super::{Kind, kind};
use crate::kinds::client::{exchange_http2, http2};
use crate::kinds::upstream::Pieces;

const GRPC: &str = "application/grpc";

pub(super) const KINDS: [Kind; 7] = [
    kind(
        "HTTP/2",
        "`POST` over HTTP/2, both ways",
        (200, ""),
        |stage, id| {
            let body = Pieces([Frame::data(Bytes::from_static(b"five!"))].into());
            exchange_http2(stage.gateway, http2("/grpc/plain", id, "text/plain", body));
        },
    ),
    kind(
        "gRPC unary",
        "a message each way, status 0 in the trailers",
        (200, ""),
        |stage, id| {
            let body = Pieces::messages(&[b"question"]);
            exchange_http2(stage.gateway, http2("/grpc/unary", id, GRPC, body));
        },
    ),
    kind(
        "gRPC stream",
        "two messages, three back, trailers",
        (200, ""),
        |stage, id| {
            let body = Pieces::messages(&[b"a", b"b"]);
            exchange_http2(stage.gateway, http2("/grpc/stream", id, GRPC, body));
        },
    ),
    kind(
        "gRPC failing later",
        "a message, then status 13",
        (200, ""),
        |stage, id| {
            let body = Pieces::messages(&[b"a"]);
            exchange_http2(stage.gateway, http2("/grpc/broken", id, GRPC, body));
        },
    ),
    kind(
        "gRPC trailers only",
        "status 5 in the headers",
        (200, ""),
        |stage, id| {
            let body = Pieces::messages(&[b"a"]);
            exchange_http2(stage.gateway, http2("/grpc/missing", id, GRPC, body));
        },
    ),
    kind(
        "gRPC, upstream dead",
        "the connection is refused",
        (200, "UF"),
        |stage, id| {
            let body = Pieces::default();
            exchange_http2(stage.gateway, http2("/dead", id, GRPC, body));
        },
    ),
    kind(
        "503 UR",
        "the upstream resets the HTTP/2 stream",
        (503, "UR"),
        |stage, id| {
            let body = Pieces::default();
            exchange_http2(stage.gateway, http2("/grpc/reset", id, "text/plain", body));
        },
    ),
];
