//! Matching a request header.

use crate::Facts;
use crate::config::{HeaderMatch, HeaderMatcher, IntegerRange};
use crate::text::TextTest;

/// What a request header must be.
#[derive(Clone, Debug)]
pub(crate) struct HeaderTest {
    /// In lower case; the host is `:authority`.
    name: String,
    value: ValueTest,
    is_inverted: bool,
    missing_is_empty: bool,
}

#[derive(Clone, Debug)]
enum ValueTest {
    Present(bool),
    Range(IntegerRange),
    Text(TextTest),
}

impl HeaderTest {
    /// # Errors
    /// What is wrong with the regular expression.
    pub(crate) fn compile(matcher: &HeaderMatcher) -> Result<Self, String> {
        let mut name = matcher.name.to_ascii_lowercase();
        if name == "host" {
            ":authority".clone_into(&mut name);
        }
        let value = match &matcher.value {
            HeaderMatch::PresentMatch(present) => ValueTest::Present(*present),
            HeaderMatch::RangeMatch(range) => ValueTest::Range(*range),
            HeaderMatch::StringMatch(text) => ValueTest::Text(TextTest::compile(text)?),
        };
        Ok(Self {
            name,
            value,
            is_inverted: matcher.invert_match,
            missing_is_empty: matcher.treat_missing_header_as_empty,
        })
    }

    /// Any of the values may match. A missing header does not, and is not turned round either, unless
    /// it counts as empty.
    pub(crate) fn is_match(&self, facts: &dyn Facts) -> bool {
        let (mut is_present, mut is_match) = (false, false);
        facts.request_header(&self.name, &mut |value| {
            is_present = true;
            is_match = is_match || self.value.is_match(value);
        });
        if let ValueTest::Present(expected) = self.value {
            return ((is_present || self.missing_is_empty) == expected) != self.is_inverted;
        }
        if !is_present {
            if !self.missing_is_empty {
                return false;
            }
            is_match = self.value.is_match("");
        }
        is_match != self.is_inverted
    }
}

impl ValueTest {
    fn is_match(&self, value: &str) -> bool {
        match self {
            Self::Present(_) => true,
            Self::Range(range) => value
                .parse()
                .is_ok_and(|number: i64| (range.start..range.end).contains(&number)),
            Self::Text(text) => text.is_match(value),
        }
    }
}
