//! Clients that go away.

use std::sync::Arc;

use super::{Kind, kind};
use crate::kinds::client::{http2, leave_after, leave_when, request, reset_http2};
use crate::kinds::upstream::Pieces;

pub(super) const KINDS: [Kind; 5] = [
    kind(
        "WebSocket, left",
        "the client ends it",
        (101, "DC"),
        |stage, id| {
            let headers = "connection: upgrade\r\nupgrade: websocket\r\n";
            let bytes = request("GET /raw/websocket", id, headers, b"");
            leave_after(stage.gateway, &bytes, b"101 ");
        },
    ),
    kind(
        "DC before the response",
        "the client hangs up while it waits",
        (0, "DC"),
        |stage, id| {
            let before = stage.web.requests();
            let bytes = request("GET /web/slow/3000", id, "", b"");
            leave_when(stage.gateway, &bytes, || stage.web.requests() > before);
        },
    ),
    kind(
        "DC during the response",
        "the client hangs up after some chunks",
        (200, "DC"),
        |stage, id| {
            let bytes = request("GET /web/drip/50/100", id, "", b"");
            leave_after(stage.gateway, &bytes, b"0123456789");
        },
    ),
    kind(
        "DC during the request",
        "1000 bytes announced, 300 sent",
        (0, "DC"),
        |stage, id| {
            let before = stage.begun();
            let body = [b'x'; 300];
            let bytes = request("POST /web/anything", id, "content-length: 1000\r\n", &body);
            leave_when(stage.gateway, &bytes, || stage.begun() > before);
        },
    ),
    kind(
        "DR",
        "the client resets its HTTP/2 stream",
        (0, "DR"),
        |stage, id| {
            let before = stage.http2.asked();
            let request = http2("/grpc/never", id, "text/plain", Pieces::default());
            let upstream = Arc::clone(stage.http2);
            reset_http2(stage.gateway, request, move || upstream.asked() > before);
        },
    ),
];
