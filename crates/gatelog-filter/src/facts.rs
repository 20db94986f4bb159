//! What is asked about a request.

use std::borrow::Cow;

use crate::{FlagSet, LogType};

/// What a filter may ask about one request. Each answer is asked for only when it is needed.
pub trait Facts {
    /// The response code; 0 where none was sent.
    fn response_code(&self) -> u64;

    /// How long the request took, in milliseconds.
    fn duration_ms(&self) -> u64;

    /// The response flags.
    fn response_flags(&self) -> FlagSet;

    /// `x-request-id`.
    fn request_id(&self) -> Option<&str>;

    /// Gives each value of a request header. The name is in lower case; the host has the name
    /// `:authority`.
    fn request_header(&self, name: &str, each: &mut dyn FnMut(&str));

    /// The gRPC status that was sent; `None` where none was. One that is no number is -1.
    fn grpc_status(&self) -> Option<i64>;

    /// Whether a health check filter marked the request.
    fn is_health_check(&self) -> bool;

    /// Whether the service forced the request's trace. One that chance or the client chose is not meant.
    fn is_trace_forced(&self) -> bool;

    /// When the line was written.
    fn log_type(&self) -> LogType;

    /// A value of the dynamic metadata, by namespace and path.
    fn metadata(&self, namespace: &str, path: &[String]) -> Option<Cow<'_, serde_json::Value>>;

    /// An attribute of CEL. None, unless it is implemented: who filters without CEL cannot, as the type
    /// is not there.
    #[cfg(feature = "cel")]
    fn attribute(&self, path: &[&str]) -> Option<gatelog_cel::Value<'_>> {
        let _ = path;
        None
    }
}

/// The number of a request id by which Envoy samples: its first eight characters, read as hexadecimal.
/// `None` where they are none; then Envoy throws dice.
///
/// `0x` counts as a prefix of hexadecimal, as in Envoy.
pub fn number_of_request_id(id: &str) -> Option<u32> {
    let first: &[u8; 8] = id.as_bytes().first_chunk()?;
    let digits = match first {
        [b'0', b'x' | b'X', digits @ ..] => digits.as_slice(),
        digits => digits.as_slice(),
    };
    // Digits of an id are random: a branch for each would mostly be guessed wrongly.
    let (mut number, mut is_hex) = (0, true);
    for byte in digits {
        is_hex &= byte.is_ascii_hexdigit();
        // Letters are 0x41 and on, or 0x61 and on.
        number = number << 4 | u32::from((byte & 0xf) + 9 * (byte >> 6 & 1));
    }
    is_hex.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured on Envoy 1.40.
    #[test]
    fn the_number_is_that_of_envoy() {
        for (id, number) in [
            ("6513270e-269e-4d37-b2a7-4de452e6b438", Some(0x6513_270e)),
            ("0000000A-0000", Some(10)),
            ("00000031", Some(0x31)),
            ("000000310", Some(0x31)),
            ("0x000031-0000", Some(0x31)),
            ("0X000031-0000", Some(0x31)),
            ("0x00000031", Some(0)),
            ("0000031", None),
            ("+0000031", None),
            ("-0000031", None),
            ("0x-0000-4000", None),
            ("00 00031-0000", None),
            ("0000003g-0000", None),
            ("ééééé", None),
            ("", None),
        ] {
            assert_eq!(number_of_request_id(id), number, "{id}");
        }
    }
}
