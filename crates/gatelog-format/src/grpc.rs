//! The gRPC status of a request, and its names.
//!
//! **Source.** `source/common/grpc/common.cc` and `status.cc` of Envoy 1.40; the numbers are gRPC's.

use crate::exchange::{Exchange, Number};

/// How a status is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Camel,
    Snake,
    Number,
}

/// A status by its number: its names in both spellings.
const NAMES: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

/// What Envoy takes for a status that is no number.
const INVALID: i64 = -1;

/// The name of a status; `None` where it is printed as its number.
pub(crate) fn name(status: i64, form: Form) -> Option<&'static str> {
    let (camel, snake) = NAMES.get(usize::try_from(status).ok()?)?;
    match form {
        Form::Camel => Some(camel),
        Form::Snake => Some(snake),
        Form::Number => None,
    }
}

/// The number of a status that is printed in any of the forms.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let named = NAMES
        .iter()
        .position(|(camel, snake)| *camel == text || *snake == text);
    match named {
        Some(number) => i64::try_from(number).ok(),
        None => text.parse().ok(),
    }
}

/// The status of a request whose content type is gRPC: of the trailers, else of the headers, else
/// after the response code.
pub(crate) fn status<E: Exchange + ?Sized>(exchange: &E) -> Option<i64> {
    exchange.request_header(":path")?;
    let kind = exchange.request_header("content-type")?;
    let behind = kind.strip_prefix(b"application/grpc")?;
    if !matches!(behind.first(), None | Some(b'+')) {
        return None;
    }
    let sent = |value: Option<&[u8]>| {
        let value = value.filter(|value| !value.is_empty())?;
        let number = std::str::from_utf8(value).ok()?.trim_ascii().parse::<u32>();
        Some(number.map_or(INVALID, i64::from))
    };
    sent(exchange.response_trailer("grpc-status"))
        .or_else(|| sent(exchange.response_header("grpc-status")))
        .or_else(|| match exchange.number(Number::ResponseCode)? {
            0 => None,
            code => Some(from_http(code)),
        })
}

/// The status that an HTTP code stands for (gRPC's `http-grpc-status-mapping.md`).
fn from_http(code: i64) -> i64 {
    match code {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502 | 503 | 504 => 14,
        _ => 2,
    }
}
