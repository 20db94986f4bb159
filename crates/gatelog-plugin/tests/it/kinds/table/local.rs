//! What the gateway answers by itself.

use super::{Kind, get, kind, nameless};
use crate::kinds::client::exchange;

pub(super) const KINDS: [Kind; 9] = [
    kind(
        "404 NR",
        "a path without a route",
        (404, "NR"),
        |stage, id| get(stage, "/nobody-here", id),
    ),
    kind(
        "direct response",
        "`GET /direct`",
        (200, ""),
        |stage, id| get(stage, "/direct", id),
    ),
    kind("redirect", "`GET /redirect`", (301, ""), |stage, id| {
        get(stage, "/redirect", id);
    }),
    kind(
        "within the limit",
        "the first request to `/limited`",
        (200, ""),
        |stage, id| {
            get(stage, "/limited", id);
        },
    ),
    kind(
        "local rate limit",
        "the second request to `/limited`",
        (429, "RL"),
        |stage, id| {
            get(stage, "/limited", id);
        },
    ),
    kind(
        "ext_authz denied",
        "the authorization server says 403",
        (403, "UAEX"),
        |stage, id| {
            get(stage, "/denied", id);
        },
    ),
    kind(
        "fault",
        "the fault filter aborts with 418",
        (418, "FI"),
        |stage, id| get(stage, "/fault", id),
    ),
    nameless(
        "malformed",
        "`GARBAGE`",
        (400, "DPE"),
        "http1.codec_error",
        |stage, _| {
            exchange(stage.gateway, b"GARBAGE\r\n\r\n");
        },
    ),
    nameless(
        "no host",
        "no `host` header",
        (400, ""),
        "missing_host_header",
        |stage, _| {
            exchange(
                stage.gateway,
                b"GET /direct HTTP/1.1\r\nconnection: close\r\n\r\n",
            );
        },
    ),
];
