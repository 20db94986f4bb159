//! The part of CEL that Envoy's access logs evaluate: text to expression to value.
//!
//! **Shape.** [`Expression::parse`] reads a text once; [`Expression::evaluate`] works it out for one
//! request, whose [`Attributes`] are asked for only where the expression needs them:
//! `request.headers["x"]` asks for the path `request`, `headers`, `x`. A [`Value`] borrows its texts
//! from the expression and the attributes, and prints as Envoy's `%CEL()%` does.
//!
//! | | |
//! |---|---|
//! | literals | `null true 1 0x1f 1u 1.5 "text" 'text' r"raw" """long""" b"bytes" [list] {map: 1}` |
//! | access | `a.b`, `a["b"]`, `list[0]`, `has(a.b)`, `x in list`, `"key" in map` |
//! | operators | `?:`, `\|\|`, `&&`, `== != < <= > >= in`, `+ -`, `* / %`, `! -` |
//! | functions | `size contains startsWith endsWith matches`, the conversions `int uint double string bool bytes duration timestamp dyn`, `getFullYear` … `getMilliseconds` |
//!
//! **Semantics** are those that Envoy 1.40 was measured to have (`testdata/envoy_1_40.json`):
//! an absent attribute is an error, and `&&` and `||` pass over an error that the other side
//! decides; numbers compare across their types, other unlike values are unequal and have no order;
//! arithmetic takes two of a kind and overflows into an error; texts and lists are not joined by `+`.
//! `string()` is there although Envoy's access logs refuse it.
//!
//! **Limits.** No I/O, no clock. Comprehensions (`exists`, `all`, …), as in Envoy, `type()`, messages
//! (`T{…}`) and time zones by name are refused. [`MAX_BYTES`] of text, [`MAX_DEPTH`] levels,
//! [`MAX_PATH`] segments of a path. Any text and any attributes give a value or an error, never a
//! panic.
//!
//! **Source.** The CEL specification, and cel-cpp as Envoy 1.40 configures it.
//!
//! ```
//! use gatelog_cel::{Attributes, Expression, Value};
//!
//! struct Answer(i64);
//!
//! impl Attributes for Answer {
//!     fn get(&self, path: &[&str]) -> Option<Value<'_>> {
//!         match path {
//!             ["response", "code"] => Some(Value::Int(self.0)),
//!             _ => None,
//!         }
//!     }
//! }
//!
//! let expression = Expression::parse(r#"response.code >= 400 || "x-log" in request.headers"#)?;
//! assert!(expression.is_true(&Answer(503)));
//! assert!(!expression.is_true(&Answer(200)));
//! # Ok::<(), gatelog_cel::ParseError>(())
//! ```

// From text to tree.
mod literal;
mod parser;
mod syntax;
mod token;

// From tree to value.
mod arithmetic;
mod attributes;
mod evaluation;
mod function;
mod number;
mod time;
mod value;

mod error;
mod expression;

pub use attributes::Attributes;
pub use error::{EvalError, Fault, ParseError};
pub use expression::{Expression, MAX_BYTES, MAX_DEPTH, MAX_PATH};
pub use value::Value;
