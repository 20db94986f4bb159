//! Values as the proxy gives them, read without trust.
//!
//! **Invariants.** Nothing here can fail: what is absent, of the wrong length or not UTF-8 becomes an
//! absent value or U+FFFD. `""` and `-` are absent texts.
//!
//! **Source.** Encodings measured on Envoy 1.40: integers are 8 bytes, little endian; moments and
//! durations are integers of nanoseconds.

use std::borrow::Cow;

use gatelog_record::Timestamp;

use crate::host::Host;

/// A text of a record.
pub(super) type Text = Option<Cow<'static, str>>;

/// Nanoseconds of a millisecond, the unit of a record's durations.
pub(crate) const NS_PER_MS: i64 = 1_000_000;

/// The attribute at `path` as text.
pub(super) fn text(host: &impl Host, path: &[&str]) -> Text {
    host.property(path).and_then(present)
}

/// The attribute at `path` as an integer.
pub(crate) fn integer(host: &impl Host, path: &[&str]) -> Option<i64> {
    let bytes = host.property(path)?.try_into().ok()?;
    Some(i64::from_le_bytes(bytes))
}

/// The attribute at `path` as a moment.
pub(super) fn time(host: &impl Host, path: &[&str]) -> Option<Timestamp> {
    integer(host, path).map(|ns| Timestamp::from_micros(ns / 1000))
}

/// The bytes as text, unless they are a word for nothing.
pub(super) fn present(bytes: Vec<u8>) -> Text {
    if bytes.is_empty() || bytes == b"-" {
        return None;
    }
    Some(Cow::Owned(lossy(bytes)))
}

/// The bytes as text; what is no UTF-8 is U+FFFD.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Envoy's own log prints blanks in details as `_`.
pub(super) fn underscored(text: Cow<'static, str>) -> Cow<'static, str> {
    if text.contains(' ') {
        Cow::Owned(text.replace(' ', "_"))
    } else {
        text
    }
}
