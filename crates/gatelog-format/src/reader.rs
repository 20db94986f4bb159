//! A format, compiled the other way: from a line to a record.
//!
//! **Shape.** A text format is literals with values between them ([`line`]): the values left of the
//! freest one (the user agent, where there is one) are found from the left, those right of it from the
//! right, and the freest gets what is between, so that it may hold anything, quotes and separators
//! included. A line of a JSON format is read as JSON ([`json`]).
//!
//! A text format that looks like JSON is both: Envoy escapes nothing in it. Where the literals are found
//! in the line, the line is JSON with the format's keys, each once, if every value is the inside of a
//! JSON string: then the values are unescaped. A quote that is not escaped is none of JSON's, so a value
//! that forges further keys stays one value, as the gateway had it. A line in which the literals are not
//! found is read as JSON: another version of the format may have written it.
//!
//! **Invariants.** `-` and nothing are both absence. Of several operators that fill one field the most
//! telling counts: an address with its port before one without, the original host before the present.
//!
//! **Limits.** Two values that touch cannot be told apart: such a format has no reader. Values of
//! operators for which a record has no field are passed over. In a text format a value that Envoy
//! printed as `-` is absent, also where `-` was the value.
//!
//! **Failure.** [`ReadError`], with the byte up to which the line is one of the format's.

mod fill;
mod json;
mod line;

use gatelog_record::{AccessRecord, Flaws};

use crate::command::Named;
use crate::error::{FormatError, Problem, ReadError, ReadProblem};
use crate::json_template::JsonTemplate;
use crate::template::{Shape, Template};
use fill::Filling;
use json::JsonReader;
use line::LineReader;

/// Reads the lines of one format.
#[derive(Clone, Debug)]
pub struct Reader {
    line: Option<LineReader>,
    json: Option<JsonReader>,
    named: Vec<Named>,
}

impl Template {
    /// The reader of this format's lines.
    ///
    /// # Errors
    /// When nothing stands between two operators, or no operator fills a field of a record.
    pub fn reader(&self) -> Result<Reader, FormatError> {
        let named = self.named();
        let reader = match &self.shape {
            Shape::Text { line, format } => Reader {
                named,
                line: Some(LineReader::new(line).map_err(|error| error.of(format))?),
                json: looks_like_json(format),
            },
            Shape::Json(json) => Reader {
                named,
                line: None,
                json: Some(JsonReader::new(json)?),
            },
        };
        let fills = reader.line.as_ref().is_some_and(LineReader::fills)
            || reader.json.as_ref().is_some_and(JsonReader::fills);
        if fills {
            Ok(reader)
        } else {
            Err(FormatError::new(Problem::NothingToRead, 0))
        }
    }
}

/// The reader of a text format that is a JSON object of texts with operators in them.
fn looks_like_json(format: &str) -> Option<JsonReader> {
    if !format.starts_with('{') {
        return None;
    }
    JsonReader::new(&JsonTemplate::new(format).ok()?).ok()
}

impl Reader {
    /// The headers and query parameters of which a line has the values, mostly without their names.
    pub fn named(&self) -> &[Named] {
        &self.named
    }

    /// Reads a line, with or without its line break, and says what was odd about it.
    ///
    /// # Errors
    /// When it is none of the format's lines.
    pub fn read<'a>(&self, line: &'a [u8]) -> Result<(AccessRecord<'a>, Flaws), ReadError> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Ok(text) = std::str::from_utf8(line) {
            return self.read_text(text);
        }
        let text = String::from_utf8_lossy(line);
        let (record, mut flaws) = self
            .read_text(&text)
            .map_err(|error| error.at(original_position(line, error.position())))?;
        flaws.insert(Flaws::UTF8);
        Ok((record.into_owned(), flaws))
    }

    fn read_text<'a>(&self, text: &'a str) -> Result<(AccessRecord<'a>, Flaws), ReadError> {
        let mut filling = Filling::default();
        match (&self.line, &self.json) {
            (Some(line), None) => {
                let spans = line.spans(text.as_bytes())?;
                line.fill(text, &spans, &mut filling)?;
            }
            (None, Some(json)) => {
                let found = json.read(text)?;
                json::fill(text, found, &mut filling)?;
            }
            (Some(line), Some(json)) => match line.spans(text.as_bytes()) {
                Ok(spans) => match LineReader::unescaped(text, &spans) {
                    Some(values) => line.fill_unescaped(text, &spans, values, &mut filling)?,
                    None => line.fill(text, &spans, &mut filling)?,
                },
                // Not the order of the format's keys, or not all of them: another version of it.
                Err(error) => match json.read(text) {
                    Ok(found) => json::fill(text, found, &mut filling)?,
                    Err(_) => return Err(error),
                },
            },
            (None, None) => {
                let problem = ReadProblem::Json("nothing to read".to_owned());
                return Err(ReadError::new(problem, 0));
            }
        }
        Ok(filling.finish())
    }
}

/// The byte of a line at which a byte of its text stands, where bytes that are no UTF-8 were replaced.
fn original_position(line: &[u8], in_text: usize) -> usize {
    let mut left = in_text;
    let mut at = 0;
    for chunk in line.utf8_chunks() {
        let valid = chunk.valid().len();
        if left <= valid {
            return at + left;
        }
        at += valid + chunk.invalid().len();
        left -= valid;
        left = left.saturating_sub(char::REPLACEMENT_CHARACTER.len_utf8());
    }
    at
}

/// The head of a text, for a message: at most 40 characters.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}
