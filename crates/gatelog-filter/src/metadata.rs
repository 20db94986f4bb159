//! Matching dynamic metadata.

use serde_json::Value;

use crate::Facts;
use crate::config::{DoubleMatch, MetadataFilter, ValueMatcher};
use crate::text::TextTest;

/// What must be in the metadata.
#[derive(Clone, Debug)]
pub(crate) struct MetadataTest {
    place: Option<(String, Vec<String>, ValueTest)>,
    if_not_found: bool,
}

#[derive(Clone, Debug)]
enum ValueTest {
    Null,
    Number(DoubleMatch),
    Text(TextTest),
    Boolean(bool),
    Present(bool),
    Element(Box<ValueTest>),
    Any(Vec<ValueTest>),
}

impl MetadataTest {
    /// # Errors
    /// What is wrong with a regular expression.
    pub(crate) fn compile(filter: &MetadataFilter) -> Result<Self, String> {
        let place = match &filter.matcher {
            None => None,
            Some(matcher) => {
                let path = matcher.path.iter().map(|segment| segment.key.clone());
                let test = ValueTest::compile(&matcher.value)?;
                Some((matcher.filter.clone(), path.collect(), test))
            }
        };
        Ok(Self {
            place,
            if_not_found: filter.match_if_key_not_found,
        })
    }

    pub(crate) fn is_match(&self, facts: &dyn Facts) -> bool {
        let Some((namespace, path, test)) = &self.place else {
            return self.if_not_found;
        };
        match facts.metadata(namespace, path) {
            None => self.if_not_found,
            Some(value) => test.is_match(&value),
        }
    }
}

impl ValueTest {
    fn compile(matcher: &ValueMatcher) -> Result<Self, String> {
        Ok(match matcher {
            ValueMatcher::NullMatch(_) => Self::Null,
            ValueMatcher::DoubleMatch(number) => Self::Number(*number),
            ValueMatcher::StringMatch(text) => Self::Text(TextTest::compile(text)?),
            ValueMatcher::BoolMatch(value) => Self::Boolean(*value),
            ValueMatcher::PresentMatch(value) => Self::Present(*value),
            ValueMatcher::ListMatch(list) => Self::Element(Box::new(Self::compile(&list.one_of)?)),
            ValueMatcher::OrMatch(any) => {
                let tests: Result<_, _> = any.value_matchers.iter().map(Self::compile).collect();
                Self::Any(tests?)
            }
        })
    }

    fn is_match(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, value) => value.is_null(),
            (Self::Number(test), Value::Number(number)) => {
                number.as_f64().is_some_and(|number| match test {
                    DoubleMatch::Range(range) => range.start <= number && number < range.end,
                    #[expect(clippy::float_cmp, reason = "the number itself is asked for")]
                    DoubleMatch::Exact(exact) => number == *exact,
                })
            }
            (Self::Text(test), Value::String(text)) => test.is_match(text),
            (Self::Boolean(expected), Value::Bool(value)) => value == expected,
            (Self::Present(expected), _) => *expected,
            (Self::Element(test), Value::Array(elements)) => {
                elements.iter().any(|element| test.is_match(element))
            }
            (Self::Any(tests), value) => tests.iter().any(|test| test.is_match(value)),
            _ => false,
        }
    }
}
