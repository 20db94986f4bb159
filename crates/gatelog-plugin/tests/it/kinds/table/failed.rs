//! What goes wrong between the gateway and the upstream, and what does not although it begins badly.

use super::{Kind, get, kind};

pub(super) const KINDS: [Kind; 12] = [
    kind(
        "503 NC",
        "the route's cluster is unknown",
        (503, "NC"),
        |stage, id| {
            get(stage, "/no-cluster", id);
        },
    ),
    kind(
        "503 UH",
        "the cluster has no host",
        (503, "UH"),
        |stage, id| get(stage, "/nobody", id),
    ),
    kind(
        "503 UF",
        "the connection is refused",
        (503, "UF"),
        |stage, id| get(stage, "/dead", id),
    ),
    kind(
        "503 UO",
        "a circuit breaker is open",
        (503, "UO"),
        |stage, id| get(stage, "/full", id),
    ),
    kind(
        "503 UC",
        "the upstream hangs up",
        (503, "UC"),
        |stage, id| get(stage, "/web/hang-up", id),
    ),
    kind("504 UT", "the route's timeout", (504, "UT"), |stage, id| {
        get(stage, "/timeout/slow/1000", id);
    }),
    kind(
        "504 SI",
        "the route's idle timeout",
        (504, "SI"),
        |stage, id| {
            get(stage, "/idle/slow/1000", id);
        },
    ),
    kind(
        "502 UPE",
        "the upstream speaks no HTTP",
        (502, "UPE"),
        |stage, id| {
            get(stage, "/raw/garbage", id);
        },
    ),
    kind(
        "200 UPE",
        "the upstream hangs up in its answer",
        (200, "UPE"),
        |stage, id| {
            get(stage, "/raw/half", id);
        },
    ),
    kind(
        "retry",
        "503, and 200 at the second attempt",
        (200, ""),
        |stage, id| {
            get(stage, "/own/flaky/once", id);
        },
    ),
    kind(
        "retries used up",
        "refused twice",
        (503, "UF,URX"),
        |stage, id| get(stage, "/retry", id),
    ),
    kind(
        "upstream error",
        "the upstream answers 500",
        (500, ""),
        |stage, id| {
            get(stage, "/web/status/500", id);
        },
    ),
];
