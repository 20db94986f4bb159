//! `gatelog_cel`: expressions of any text over attributes of any kind.

use gatelog_cel::{Attributes, Expression, Value};

/// Answers every path but those that end in `no`.
struct Anything;

impl Attributes for Anything {
    fn get(&self, path: &[&str]) -> Option<Value<'_>> {
        let last = path.last()?;
        Some(match *last {
            "no" => return None,
            "map" => Value::Map(vec![(Value::text("k"), Value::Int(i64::MIN))]),
            "list" => Value::List(vec![Value::Uint(u64::MAX), Value::Null]),
            last => match last.len() % 5 {
                0 => Value::Int(i64::MAX),
                1 => Value::Double(f64::NAN),
                2 => Value::Duration(i128::from(i64::MAX)),
                3 => Value::String(last.to_owned().into()),
                _ => Value::Timestamp(0),
            },
        })
    }
}

/// - The parser and the evaluation never panic and never run out of stack.
/// - An error is within the text.
/// - The same expression over the same attributes comes to the same.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Expression::parse(&text) {
        Err(error) => assert!(error.position <= text.len(), "{error}\nof: {text}"),
        Ok(expression) => {
            let evaluate = || {
                expression
                    .evaluate(&Anything)
                    .map(|value| value.to_string())
            };
            assert_eq!(evaluate(), evaluate(), "{text}");
        }
    }
}
