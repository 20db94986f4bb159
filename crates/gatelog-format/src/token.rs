//! From the text of a format to its tokens: Envoy's grammar, and nothing of what the names mean.
//!
//! **Shape.** At each `%`: another `%` makes one literal `%`; else an operator must stand there,
//! `%NAME%`, `%NAME(ARGUMENT)%`, either with `:LENGTH` before the last `%`. A name is of `A-Z`, `0-9`
//! and `_`. An argument holds no line break and ends at the first `)` behind which the rest of the
//! operator follows, so that it may hold `)` itself. There is no other escape: `\n` is two characters.
//!
//! **Failure.** A `%` at which neither stands; its byte position is the error's.
//!
//! **Source.** `source/common/formatter/substitution_formatter.cc` of Envoy 1.40.

use crate::error::{FormatError, Problem};

/// A piece of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'f> {
    /// Text that is printed as it stands.
    Literal(&'f str),
    /// `%%`, which prints one `%`.
    Percent,
    /// An operator.
    Call(Call<'f>),
}

/// An operator as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call<'f> {
    /// Byte of its first `%` in the format.
    pub(crate) position: usize,
    pub(crate) name: &'f str,
    /// Between the brackets; empty also when there are none.
    pub(crate) argument: &'f str,
    /// At most so many bytes of the value.
    pub(crate) length: Option<usize>,
}

/// The pieces of a format, in order.
pub(crate) fn tokens(format: &str) -> Result<Vec<Token<'_>>, FormatError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = format.get(at..).filter(|rest| !rest.is_empty()) {
        let literal = rest.find('%').unwrap_or(rest.len());
        if let Some(text) = rest.get(..literal).filter(|text| !text.is_empty()) {
            tokens.push(Token::Literal(text));
            at += literal;
        } else if rest.starts_with("%%") {
            tokens.push(Token::Percent);
            at += 2;
        } else {
            let (call, bytes) = call(rest, at).ok_or_else(|| unreadable(format, at))?;
            tokens.push(Token::Call(call));
            at += bytes;
        }
    }
    Ok(tokens)
}

/// The operator at the start of `text`, and how many bytes it has.
fn call(text: &str, position: usize) -> Option<(Call<'_>, usize)> {
    let inside = text.strip_prefix('%')?;
    let name_bytes = inside
        .bytes()
        .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
        .count();
    let (name, behind) = inside.split_at_checked(name_bytes)?;
    if name.is_empty() {
        return None;
    }
    let (argument, (length, end)) = match behind.strip_prefix('(') {
        None => ("", ending(behind)?),
        Some(inside) => {
            let line = inside.split('\n').next()?;
            line.match_indices(')').find_map(|(at, _)| {
                let end = ending(inside.get(at + 1..)?)?;
                Some((inside.get(..at)?, end))
            })?
        }
    };
    let length = match length {
        // What does not fit 64 bits is no operator to Envoy, and not a large number.
        Some(digits) => Some(usize::try_from(digits.parse::<u64>().ok()?).unwrap_or(usize::MAX)),
        None => None,
    };
    let call = Call {
        position,
        name,
        argument,
        length,
    };
    Some((call, text.len() - end.len()))
}

/// `%`, or `:DIGITS%`, at the start of `text`: the digits, and what follows.
fn ending(text: &str) -> Option<(Option<&str>, &str)> {
    if let Some(end) = text.strip_prefix('%') {
        return Some((None, end));
    }
    let behind = text.strip_prefix(':')?;
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, end) = behind.split_at_checked(digits)?;
    let end = end.strip_prefix('%')?;
    (!digits.is_empty()).then_some((Some(digits), end))
}

/// Why nothing can be read at this `%`.
fn unreadable(format: &str, at: usize) -> FormatError {
    let rest = format.get(at + 1..).unwrap_or_default();
    let name: String = rest
        .chars()
        .take_while(|found| found.is_ascii_alphanumeric() || *found == '_')
        .collect();
    let behind = rest.get(name.len()..).unwrap_or_default();
    let upper = name.to_ascii_uppercase();
    let hint = if name.is_empty() {
        "a percent sign of its own is written `%%`".to_owned()
    } else if upper != name && crate::operator::find(&upper).is_some() {
        format!("operator names are in capitals: `{upper}`")
    } else if crate::operator::find(&upper).is_none() {
        "a percent sign of its own is written `%%`".to_owned()
    } else if behind.starts_with('(') && !behind.contains(')') {
        format!("the `)` of `%{name}(` is missing")
    } else if behind.starts_with('(') {
        format!("`%` or `:LENGTH%` must follow the `)` of `%{name}(`")
    } else {
        format!("`%`, `(` or `:LENGTH%` must follow `%{name}`")
    };
    FormatError::new(Problem::Syntax { hint }, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(format: &str) -> (&str, &str, Option<usize>) {
        match tokens(format).unwrap()[..] {
            [Token::Call(call)] => (call.name, call.argument, call.length),
            ref other => panic!("{format}: {other:?}"),
        }
    }

    #[test]
    fn an_argument_ends_where_the_rest_of_the_operator_follows() {
        assert_eq!(one("%PROTOCOL%"), ("PROTOCOL", "", None));
        assert_eq!(one("%REQ(X?Y):3%"), ("REQ", "X?Y", Some(3)));
        assert_eq!(one("%REQ(a):b):05%"), ("REQ", "a):b", Some(5)));
        assert_eq!(one("%REQ(a%b)%"), ("REQ", "a%b", None));
        assert_eq!(one("%PATH():4%"), ("PATH", "", Some(4)));
    }

    #[test]
    fn percent_signs_pair_from_the_left() {
        let tokens = tokens("a%%%PROTOCOL%%%é").unwrap();
        assert_eq!(tokens.len(), 5);
        assert_eq!(tokens[1], Token::Percent);
        assert_eq!(tokens[4], Token::Literal("é"));
    }

    #[test]
    fn the_error_is_at_the_percent_sign_that_means_nothing() {
        for (format, position) in [
            ("100%", 3),
            ("%%%", 2),
            ("%REQ(:PATH)%%", 12),
            ("%PROTOCOL %", 0),
            ("%REQ(a\nb)%", 0),
            ("%REQ(a):99999999999999999999%", 0),
            ("é%", 2),
        ] {
            assert_eq!(tokens(format).unwrap_err().position(), position, "{format}");
        }
        let hint = |format| tokens(format).unwrap_err().to_string();
        assert!(hint("%req(X)%").contains("`REQ`"), "{}", hint("%req(X)%"));
        assert!(hint("%REQ(X%").contains("missing"), "{}", hint("%REQ(X%"));
    }
}
