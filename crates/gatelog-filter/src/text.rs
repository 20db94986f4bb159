//! Matching a text.

use regex_lite::{Regex, RegexBuilder};

use crate::config::{Pattern, StringMatcher};

/// Bytes that a compiled expression may take.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// What a text must be.
#[derive(Clone, Debug)]
pub(crate) struct TextTest {
    pattern: Compiled,
    ignore_case: bool,
}

#[derive(Clone, Debug)]
enum Compiled {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Contains(String),
    Regex(Regex),
}

impl TextTest {
    /// # Errors
    /// What is wrong with the regular expression.
    pub(crate) fn compile(matcher: &StringMatcher) -> Result<Self, String> {
        let pattern = match &matcher.pattern {
            Pattern::Exact(text) => Compiled::Exact(text.clone()),
            Pattern::Prefix(text) => Compiled::Prefix(text.clone()),
            Pattern::Suffix(text) => Compiled::Suffix(text.clone()),
            // Searched in the text in lower case.
            Pattern::Contains(text) if matcher.ignore_case => {
                Compiled::Contains(text.to_ascii_lowercase())
            }
            Pattern::Contains(text) => Compiled::Contains(text.clone()),
            Pattern::SafeRegex(expression) => Compiled::Regex(whole(&expression.regex)?),
        };
        Ok(Self {
            pattern,
            ignore_case: matcher.ignore_case,
        })
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        let equal = |left: &[u8], right: &str| {
            if self.ignore_case {
                left.eq_ignore_ascii_case(right.as_bytes())
            } else {
                left == right.as_bytes()
            }
        };
        let bytes = text.as_bytes();
        match &self.pattern {
            Compiled::Exact(exact) => equal(bytes, exact),
            Compiled::Prefix(prefix) => bytes
                .get(..prefix.len())
                .is_some_and(|start| equal(start, prefix)),
            Compiled::Suffix(suffix) => bytes
                .len()
                .checked_sub(suffix.len())
                .and_then(|start| bytes.get(start..))
                .is_some_and(|end| equal(end, suffix)),
            Compiled::Contains(part) if self.ignore_case => {
                text.to_ascii_lowercase().contains(part.as_str())
            }
            Compiled::Contains(part) => text.contains(part.as_str()),
            Compiled::Regex(regex) => regex.is_match(text),
        }
    }
}

/// An expression that has to match the whole text.
fn whole(expression: &str) -> Result<Regex, String> {
    let build = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(MAX_REGEX_BYTES)
            .build()
            .map_err(|error| format!("`{expression}` is not a regular expression: {error}"))
    };
    // By itself first, or a bracket too many could close the one around it.
    build(expression)?;
    build(&format!(r"\A(?:{expression})\z"))
}
