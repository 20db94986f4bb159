//! Captured headers.

use std::borrow::Cow;

/// Header names and values in the order they came; names may repeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Headers<'a> {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether none were captured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends one header.
    pub fn push(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Name and value of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The first value of the header with this name, upper and lower case being alike.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Goes through the headers in order: a value can be changed, and a header for which the answer is
    /// false is left out.
    pub fn edit(&mut self, mut keep: impl FnMut(&str, &mut Cow<'a, str>) -> bool) {
        self.0.retain_mut(|(name, value)| keep(name, value));
    }

    /// The same headers owning their texts.
    pub fn into_owned(self) -> Headers<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Headers(
            self.0
                .into_iter()
                .map(|(name, value)| (own(name), own(value)))
                .collect(),
        )
    }
}
