//! What is found at a place.

/// A value at a place that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A string, without its escapes; what is no UTF-8 in it is U+FFFD.
    Text {
        /// The string, or its beginning.
        text: &'a str,
        /// Whether the limit of the scanner has cut it.
        cut: bool,
    },
    /// A number as it stands there. One that is longer than the limit is not told.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// An object begins; [`Value::End`] tells where it ends.
    Object,
    /// An array begins; [`Value::End`] tells where it ends.
    Array,
    /// The object or array at this place has ended.
    End,
}
