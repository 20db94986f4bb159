//! Why a text is no expression, and why an expression has no value.

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at byte {position}")]
pub struct ParseError {
    /// Byte offset in the text.
    pub position: usize,
    /// What is wrong there, and what is allowed.
    pub message: String,
}

impl ParseError {
    pub(crate) fn new(position: usize, message: impl Into<String>) -> Self {
        Self {
            position,
            message: message.into(),
        }
    }
}

/// Why an expression has no value for these attributes. A filter does not keep such a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}, at byte {position}")]
pub struct EvalError {
    /// What happened.
    pub fault: Fault,
    /// Byte offset in the expression's text.
    pub position: usize,
}

/// What happened in an evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The request has no such attribute, or a map no such key.
    #[error("no such attribute or key")]
    Absent,
    /// The operator or function does not take values of these types.
    #[error("{0} does not take values of these types")]
    NoOverload(&'static str),
    /// A list has no such element.
    #[error("the index is outside of the list")]
    OutOfRange,
    /// The result does not fit its type.
    #[error("the result does not fit its type")]
    Overflow,
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The text or number cannot be converted.
    #[error("the value cannot be converted by {0}")]
    Conversion(&'static str),
    /// A map literal has a key twice, or one that is neither text nor integer nor boolean.
    #[error("the map has a key twice, or one that cannot be a key")]
    Key,
    /// A pattern that came with the request is no regular expression.
    #[error("not a regular expression")]
    Pattern,
    /// A time zone that is neither `UTC` nor `+hh:mm`.
    #[error("the time zone must be `UTC` or an offset such as `+02:00`")]
    Zone,
    /// A path that a key of the request makes longer than [`MAX_PATH`](crate::MAX_PATH).
    #[error("the path is too long")]
    Path,
}

impl Fault {
    pub(crate) fn at(self, position: usize) -> EvalError {
        EvalError {
            fault: self,
            position,
        }
    }
}
