//! The trace id, from the headers that may hold one.
//!
//! **Source.** B3, <https://github.com/openzipkin/b3-propagation>; W3C Trace Context, §3.2.

use std::borrow::Cow;

use super::attribute::Text;

/// The headers that may hold a trace id.
#[derive(Default)]
pub(super) struct Trace {
    /// `x-b3-traceid`.
    pub(super) b3_trace_id: Text,
    /// `b3`.
    pub(super) b3: Text,
    /// `traceparent`.
    pub(super) traceparent: Text,
}

impl Trace {
    /// The id, from the first of the headers that has one, in the order of the fields.
    pub(super) fn id(self) -> Text {
        self.b3_trace_id
            .or_else(|| part(self.b3.as_deref()?, 0))
            .or_else(|| part(self.traceparent.as_deref()?, 1))
    }
}

/// This part of `a-b-c`, if it can be an id: `b3: 0` says only that nothing is sampled.
fn part(header: &str, place: usize) -> Text {
    let id = header.split('-').nth(place)?;
    let is_id = matches!(id.len(), 16 | 32) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| Cow::Owned(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn id(b3_trace_id: &str, b3: &str, traceparent: &str) -> Option<String> {
        let text = |text: &str| (!text.is_empty()).then(|| Cow::Owned(text.to_owned()));
        let trace = Trace {
            b3_trace_id: text(b3_trace_id),
            b3: text(b3),
            traceparent: text(traceparent),
        };
        trace.id().map(Cow::into_owned)
    }

    #[test]
    fn b3_comes_first_then_its_single_header_then_traceparent() {
        let single = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90";
        assert_eq!(id("b3", single, W3C).as_deref(), Some("b3"));
        assert_eq!(
            id("", single, W3C).as_deref(),
            Some("80f198ee56343ba864fe8b2a57d3eff7")
        );
        assert_eq!(
            id("", "80f198ee56343ba8-e457b5a2e4d86bd1", "").as_deref(),
            Some("80f198ee56343ba8")
        );
        assert_eq!(
            id("", "", W3C).as_deref(),
            Some("4bf92f3577b34da6a3ce929d0e0e4736")
        );
        assert_eq!(
            id("", "0", W3C).as_deref(),
            Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            "a decision alone is no id"
        );
        for odd in ["00", "00-", "00-xyz-1-1", "-", "00-4bf9-1-1"] {
            assert_eq!(id("", odd, odd), None, "{odd}");
        }
    }
}
