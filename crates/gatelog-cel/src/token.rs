//! From text to tokens.

use std::borrow::Cow;

use crate::error::ParseError;
use crate::literal;

/// A piece of the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'t> {
    Name(&'t str),
    /// Digits without a sign: one more than the greatest `int` can still be negated.
    Int(u64),
    Uint(u64),
    Double(f64),
    Text(Cow<'t, str>),
    Bytes(Vec<u8>),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}",
];

/// What is left of a text.
#[derive(Clone, Debug)]
pub(crate) struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token and where it begins.
    pub(crate) fn next(&mut self) -> Result<(usize, Token<'t>), ParseError> {
        self.skip_blank();
        let start = self.at;
        let rest = self.rest();
        let mut chars = rest.chars();
        let Some(first) = chars.next() else {
            return Ok((start, Token::End));
        };
        let second = chars.next();
        let fail = |(offset, message): (usize, &str)| ParseError::new(start + offset, message);
        let (length, token) = if literal::is_text_start(rest) {
            literal::text(rest).map_err(fail)?
        } else if first.is_ascii_digit()
            || (first == '.' && second.is_some_and(|c| c.is_ascii_digit()))
        {
            literal::number(rest).map_err(fail)?
        } else if first.is_ascii_alphabetic() || first == '_' {
            let length = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            (length, Token::Name(rest.get(..length).unwrap_or_default()))
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            (sign.len(), Token::Sign(sign))
        } else {
            let hint = match first {
                '=' => "; equality is `==`",
                '&' => "; and is `&&`",
                '|' => "; or is `||`",
                _ => "",
            };
            let message = format!("`{}` has no meaning here{hint}", first.escape_debug());
            return Err(ParseError::new(start, message));
        };
        self.at += length;
        Ok((start, token))
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest();
            let blank = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
            self.at += rest.len() - blank.len();
            if !blank.starts_with("//") {
                return;
            }
            self.at += blank.find('\n').unwrap_or(blank.len());
        }
    }
}
