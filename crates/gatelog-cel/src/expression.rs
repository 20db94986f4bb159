//! An expression that was read.

use crate::error::{EvalError, ParseError};
use crate::syntax::Node;
use crate::{Attributes, Value, evaluation, parser};

/// Bytes that an expression's text may have.
pub const MAX_BYTES: usize = 64 << 10;

/// Levels that an expression may be deep: brackets, operators that wait for their right side, calls.
/// A chain of `||` or of `&&` is one level, however long. So deep an expression takes less than 1 MiB
/// of stack.
pub const MAX_DEPTH: usize = 64;

/// Segments that the path of an attribute may have.
pub const MAX_PATH: usize = 16;

/// An expression, ready to be evaluated any number of times.
#[derive(Clone, Debug)]
pub struct Expression {
    root: Node,
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong and at which byte: the text is to be corrected.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parser::parse(text).map(|root| Self { root })
    }

    /// Works the expression out for one request.
    ///
    /// # Errors
    /// [`EvalError`]: an attribute is absent, or a value is not of a kind that the expression can
    /// use. Envoy prints `-` for such an expression, and its filter does not log the request.
    pub fn evaluate<'v>(&'v self, attributes: &'v dyn Attributes) -> Result<Value<'v>, EvalError> {
        evaluation::evaluate(&self.root, attributes)
    }

    /// Whether the expression comes to `true`, as Envoy's filter asks: neither an error nor a value
    /// of another type counts.
    pub fn is_true(&self, attributes: &dyn Attributes) -> bool {
        self.evaluate(attributes) == Ok(Value::Bool(true))
    }
}
