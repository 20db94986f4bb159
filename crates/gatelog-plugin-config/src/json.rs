//! JSON as values.
//!
//! `serde_json` reads what serde's derived code asks for, and brings 60 KB of code to a module that may
//! have 800. This reads values only, and takes and refuses what `serde_json` does; a property test
//! compares the two. The values themselves are those of `serde_json`.
//!
//! **Limits.** 127 levels, as `serde_json`.

use gatelog_record::json::unescaped;
use serde_json::{Map, Number, Value};

/// How deep arrays and objects may be nested.
const MAX_DEPTH: usize = 127;

/// What ends a text that is no JSON, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at line {line} column {column}")]
pub struct JsonError {
    problem: &'static str,
    /// From 1.
    line: usize,
    /// In bytes, from 1.
    column: usize,
}

/// Reads one value, with nothing but white space around it. Of keys that are there twice, the last
/// counts.
///
/// # Errors
/// [`JsonError`] for the first byte that cannot stand where it does.
pub fn read_json(bytes: &[u8]) -> Result<Value, JsonError> {
    let text =
        str::from_utf8(bytes).map_err(|error| place("not UTF-8", bytes, error.valid_up_to()))?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0).and_then(|value| match reader.next() {
        None => Ok(value),
        Some(_) => Err("characters after the value"),
    });
    value.map_err(|problem| place(problem, bytes, reader.at))
}

fn place(problem: &'static str, bytes: &[u8], at: usize) -> JsonError {
    let before = bytes.get(..at).unwrap_or(bytes);
    let begin = before.iter().rposition(|byte| *byte == b'\n');
    JsonError {
        problem,
        line: before.split(|byte| *byte == b'\n').count(),
        column: before.len() - begin.map_or(0, |begin| begin + 1) + 1,
    }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

/// What is wrong at the place that was reached.
type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space; it is not passed.
    fn next(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn passes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn value(&mut self, depth: usize) -> Read<Value> {
        match self.next().ok_or("the text ends")? {
            b'{' | b'[' if depth == MAX_DEPTH => Err("nested too deep"),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'"' => self.string().map(Value::String),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => Err("expected a value"),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Read<Value> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if !rest.starts_with(word.as_bytes()) {
            return Err("expected a value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn array(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut elements = Vec::new();
        if self.next() != Some(b']') {
            loop {
                elements.push(self.value(depth)?);
                self.next();
                if !self.passes(b',') {
                    break;
                }
            }
        }
        if !self.passes(b']') {
            return Err("expected `,` or `]`");
        }
        Ok(Value::Array(elements))
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        self.at += 1;
        let mut members = Map::new();
        if self.next() != Some(b'}') {
            loop {
                if self.next() != Some(b'"') {
                    return Err("expected a key");
                }
                let key = self.string()?;
                self.next();
                if !self.passes(b':') {
                    return Err("expected `:`");
                }
                let value = self.value(depth)?;
                members.insert(key, value);
                self.next();
                if !self.passes(b',') {
                    break;
                }
            }
        }
        if !self.passes(b'}') {
            return Err("expected `,` or `}`");
        }
        Ok(Value::Object(members))
    }

    fn number(&mut self) -> Read<Value> {
        const WRONG: &str = "not a number";
        let begin = self.at;
        self.passes(b'-');
        let whole = self.at;
        let is_long = self.digits().ok_or(WRONG)? > 1;
        if is_long && self.text.as_bytes().get(whole) == Some(&b'0') {
            return Err(WRONG);
        }
        let mut is_integer = true;
        if self.passes(b'.') {
            is_integer = false;
            self.digits().ok_or(WRONG)?;
        }
        if self.passes(b'e') || self.passes(b'E') {
            is_integer = false;
            let _sign = self.passes(b'+') || self.passes(b'-');
            self.digits().ok_or(WRONG)?;
        }
        let text = self.text.get(begin..self.at).ok_or(WRONG)?;
        if is_integer && text != "-0" {
            let number = text.parse::<u64>().map(Number::from);
            if let Ok(number) = number.or_else(|_| text.parse::<i64>().map(Number::from)) {
                return Ok(Value::Number(number));
            }
        }
        let number = text.parse().ok().and_then(Number::from_f64);
        number.map(Value::Number).ok_or("number out of range")
    }

    /// How many digits there are; `None` where there is none.
    fn digits(&mut self) -> Option<usize> {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        (self.at > begin).then_some(self.at - begin)
    }

    /// The string whose quotation mark is next.
    fn string(&mut self) -> Read<String> {
        let rest = self.text.as_bytes().get(self.at + 1..).unwrap_or_default();
        let mut is_escaped = false;
        let end = rest.iter().position(|byte| {
            let ends = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            ends
        });
        let behind = self.at + end.ok_or("a text without an end")? + 2;
        let quoted = self.text.get(self.at..behind).and_then(unescaped);
        let string = quoted.ok_or("a text with a wrong escape or a control character")?;
        self.at = behind;
        Ok(string)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_as_serde_json(text: &[u8]) {
        let shown = String::from_utf8_lossy(text);
        match (read_json(text), serde_json::from_slice::<Value>(text)) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{shown}"),
            (Err(_), Err(_)) => {}
            (ours, theirs) => panic!("{shown}: {ours:?}, {theirs:?}"),
        }
    }

    #[test]
    fn it_reads_what_serde_json_reads() {
        let deep = |depth| [b"[".repeat(depth), b"]".repeat(depth)].concat();
        is_as_serde_json(&deep(127));
        is_as_serde_json(&deep(128));
        for text in [
            "",
            " ",
            "nul",
            "nulll",
            "true",
            "[1,]",
            "[,]",
            "{\"a\":1,}",
            "{\"a\"}",
            "{a:1}",
            "[1 2]",
            "0",
            "-0",
            "-",
            "00",
            "01",
            "-1",
            "1.",
            "1.5",
            ".5",
            "1e5",
            "1e",
            "1E+2",
            "1e999",
            "-0.0",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            r#""\u00e9\ud83d\ude00\n\/""#,
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ud83d\u0041""#,
            r#""\ude00""#,
            r#""\x""#,
            r#""\u12g4""#,
            r#""abc"#,
            "\"a\u{1}\"",
            "\"\u{7f}é\"",
            r#"{"a":1,"a":{"b":[null,true,{}]}} x"#,
            r#"{"a":1,"a":{"b":[null,true,{},[]]}}"#,
        ] {
            is_as_serde_json(text.as_bytes());
        }
        is_as_serde_json(b"\"\xff\"");
    }

    #[test]
    fn an_error_says_where() {
        let error = read_json(b"{\n  \"a\": ,\n}").unwrap_err();
        assert_eq!(error.to_string(), "expected a value at line 2 column 8");
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_serde_json_reads_it(
            text in r#"([\[\]{},: ]|"[a\\"u0-9]{0,6}"|-?[0-9.]{1,4}|null|true|.){0,24}"#
        ) {
            // Of numbers with a fraction, serde_json's last bit may be another.
            if text.contains('.') {
                prop_assert_eq!(
                    read_json(text.as_bytes()).is_ok(),
                    serde_json::from_str::<Value>(&text).is_ok()
                );
            } else {
                is_as_serde_json(text.as_bytes());
            }
        }
    }
}
