//! What the records of a file look like, and how a line becomes one.
//!
//! **Shape.** A form is asked for by the operator, or recognised by a file's first lines. JSON is read as
//! `POST /ingest` does; a line that looks like JSON and is none, because its gateway escapes nothing, is
//! read by the formats that are known to do so. Everything else is read by a template.
//!
//! **Failure.** A line that is no record is told with the place in the line; the caller puts it aside.

use std::borrow::Cow;

use gatelog_format::{FormatError, Known, Named, Reader, Template};
use gatelog_record::{AccessRecord, DecodeError, Flaws};

use crate::{decode, intake};

/// Lines that are tried before a file is called unknown: the first one may be the rest of one.
pub const TRIED_LINES: usize = 20;

/// The form of a file's records.
#[derive(Debug)]
pub enum Form {
    /// What `POST /ingest` takes. The readers are for lines that look like JSON and are none.
    Json(Vec<Reader>),
    /// Lines of a format.
    Text(Box<Reader>),
}

/// The file begins with nothing that is known: whoever reads it says what its lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither JSON nor lines of a format that is known")]
pub struct Unknown;

/// A line is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreadable {
    /// The word for it in `/metrics`: `format`, or one of [`intake::REASONS`].
    pub reason: &'static str,
    /// What is wrong, and where in the line. It may quote the line.
    pub message: String,
}

impl From<DecodeError> for Unreadable {
    fn from(error: DecodeError) -> Self {
        Self {
            reason: intake::reason(&error),
            message: error.to_string(),
        }
    }
}

/// The word for a line that its format does not fit.
pub const FORMAT: &str = "format";

/// The template of this format, or of the one with this name; `json` for that of an object.
///
/// # Errors
/// What is wrong with the format, and where.
pub fn template(format: &str, json: bool) -> Result<Template, FormatError> {
    match Known::find(format) {
        Some(known) => known.template(),
        None if json => Template::json(format),
        None => Template::text(format),
    }
}

/// An error with the line of the format that it is in, and a mark under the byte.
pub fn shown(error: &FormatError) -> String {
    let Some((before, behind)) = error
        .text()
        .and_then(|text| text.split_at_checked(error.position()))
    else {
        return error.to_string();
    };
    let before = before.rsplit('\n').next().unwrap_or_default();
    let behind = behind.split('\n').next().unwrap_or_default();
    // Tabs would move the mark.
    let line = format!("{before}{behind}").replace('\t', " ");
    let mark = " ".repeat(before.chars().count());
    format!("{error}\n  {line}\n  {mark}^")
}

impl Form {
    /// The form of lines with this format, or with the one of this name; `json` for Envoy's
    /// `json_format`.
    ///
    /// # Errors
    /// Why no line can be read with it.
    pub fn given(format: &str, json: bool) -> Result<Self, String> {
        let template = template(format, json).map_err(|error| shown(&error))?;
        if !json && format.trim_end_matches('\n').contains('\n') {
            return Err(
                "the format has a line break in it; a record is read from one line".to_owned(),
            );
        }
        let reader = template.reader().map_err(|error| shown(&error))?;
        Ok(Self::Text(Box::new(reader)))
    }

    /// JSON as `POST /ingest` takes it.
    fn json() -> Result<Self, Unknown> {
        Ok(Self::Json(vec![
            reader(Known::Higress)?,
            reader(Known::Hango)?,
        ]))
    }

    /// The form of a file that begins so, with its name if it is a text format.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn recognise(head: &[u8]) -> Result<(Self, Option<&'static str>), Unknown> {
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        // Istio's lines are longer ones of Envoy's.
        let texts = [Known::Istio, Known::Envoy];
        let lines = head.split(|byte| *byte == b'\n');
        let mut lines = lines
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .peekable();
        if lines.peek().is_none() {
            return Ok((Self::json()?, None));
        }
        for line in lines.take(TRIED_LINES) {
            if is_json(line) {
                return Ok((Self::json()?, None));
            }
            for known in texts {
                let reader = reader(known)?;
                if reader.read(line).is_ok() {
                    return Ok((Self::Text(Box::new(reader)), Some(known.name())));
                }
            }
        }
        Err(Unknown)
    }

    /// The headers and query parameters of which a line has the values, where their names are not in it.
    pub fn named(&self) -> &[Named] {
        match self {
            Self::Json(_) => &[],
            Self::Text(reader) => reader.named(),
        }
    }

    /// The record of a line, as `gatelog import` and `POST /ingest` would have it.
    ///
    /// # Errors
    /// [`Unreadable`]: the line is not in this form, or has nothing in it.
    pub fn read<'l>(&self, line: &'l [u8]) -> Result<(AccessRecord<'l>, Flaws), Unreadable> {
        match self {
            Self::Json(repair) => read_json(line, repair),
            Self::Text(reader) => read_text(line, reader),
        }
    }
}

fn read_json<'l>(
    line: &'l [u8],
    repair: &[Reader],
) -> Result<(AccessRecord<'l>, Flaws), Unreadable> {
    let read = match String::from_utf8_lossy(line) {
        Cow::Borrowed(text) => decode::read(text.trim_start_matches('\u{feff}')),
        Cow::Owned(text) => {
            decode::read(text.trim_start_matches('\u{feff}')).map(|(record, flaws)| {
                let mut flaws = flaws;
                flaws.insert(Flaws::UTF8);
                (record.into_owned(), flaws)
            })
        }
    };
    match read {
        Err(error @ DecodeError::Syntax(_)) => {
            let mut repaired = repair.iter().map(|reader| read_text(line, reader));
            repaired
                .find_map(Result::ok)
                .ok_or_else(|| Unreadable::from(error))
        }
        read => read.map_err(Unreadable::from),
    }
}

fn read_text<'l>(line: &'l [u8], reader: &Reader) -> Result<(AccessRecord<'l>, Flaws), Unreadable> {
    match reader.read(line) {
        // As `POST /ingest` would say of an object with nothing in it.
        Ok((record, _)) if record == AccessRecord::default() => {
            Err(Unreadable::from(DecodeError::NoKnownKey))
        }
        Ok(read) => Ok(read),
        Err(error) => Err(Unreadable {
            reason: FORMAT,
            message: error.to_string(),
        }),
    }
}

/// Whether a line can be the first of an object or of an array of objects.
fn is_json(line: &[u8]) -> bool {
    match line.split_first() {
        Some((b'{', _)) => true,
        Some((b'[', behind)) => {
            matches!(behind.trim_ascii().first(), None | Some(b'{' | b']'))
        }
        _ => false,
    }
}

/// Of the formats that are compiled in, none fails.
fn reader(known: Known) -> Result<Reader, Unknown> {
    let template = known.template().map_err(|_| Unknown)?;
    template.reader().map_err(|_| Unknown)
}

#[cfg(test)]
mod tests {
    use gatelog_record::json;

    use super::*;

    fn recognised(head: &str) -> Result<&'static str, Unknown> {
        Form::recognise(head.as_bytes()).map(|(_, name)| name.unwrap_or("json"))
    }

    #[test]
    fn a_file_is_known_by_its_first_lines() {
        let envoy = r#"[2026-03-23T02:10:01.217Z] "GET /a HTTP/1.1" 200 - 0 5 3 2 "-" "curl" "id" "a.example" "10.0.0.1:80""#;
        let istio = concat!(
            r#"[2026-03-23T02:10:01.217Z] "GET /a HTTP/1.1" 200 - via_upstream - "-" 0 5 3 2 "#,
            r#""-" "curl" "id" "a.example" "10.0.0.1:80" inbound|80|| 127.0.0.1:1 10.0.0.2:80 "#,
            r"10.0.0.3:4 - default"
        );
        for (head, expected) in [
            (format!("{envoy}\n"), "envoy"),
            (format!("{istio}\n"), "istio"),
            (format!("\n/a HTTP/1.1\" 200\n{istio}\n"), "istio"),
            ("{\n".to_owned(), "json"),
            ("[\n {".to_owned(), "json"),
            ("\u{feff}{\"method\":1}".to_owned(), "json"),
            (String::new(), "json"),
        ] {
            assert_eq!(recognised(&head), Ok(expected), "{head}");
        }
        let unknown = recognised("127.0.0.1 - - [x] \"GET / HTTP/1.1\" 200 1\n");
        assert_eq!(unknown, Err(Unknown));
    }

    #[test]
    fn the_mark_stands_under_the_byte() {
        let error = Template::text("first\né %PROTCOL% z").unwrap_err();
        let shown = shown(&error);
        let mut lines = shown.lines();
        let message = lines.next().unwrap();
        assert!(message.contains("did you mean `PROTOCOL`?"), "{message}");
        assert_eq!(lines.next(), Some("  é %PROTCOL% z"));
        assert_eq!(lines.next(), Some("    ^"));
    }

    /// Over the lines that the real Envoy printed.
    #[test]
    fn a_line_becomes_what_import_would_send() {
        let rows = include_str!("../../../gatelog-format/tests/data/envoy_vectors.jsonl");
        let mut seen = 0;
        for row in rows.lines() {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let (Some(format), Some(line)) = (row["format"].as_str(), row["expected"].as_str())
            else {
                continue;
            };
            let known = [Known::Envoy, Known::Istio, Known::Hango, Known::Higress];
            let is_of = |known: &Known| known.format().trim_end() == format.trim_end();
            let Some(known) = known.into_iter().find(is_of) else {
                continue;
            };
            let line = line.trim_end().as_bytes();
            let named = Form::given(known.name(), false).unwrap();
            let (record, _) = named.read(line).unwrap();
            let mut text = String::new();
            json::write(&record, &mut text);
            assert_eq!(json::read(&text).unwrap().0, record, "{text}");
            let (form, _) = Form::recognise(line).unwrap();
            assert!(form.read(line).is_ok(), "{}", String::from_utf8_lossy(line));
            seen += 1;
        }
        assert!(seen > 6, "{seen}");
    }

    #[test]
    fn a_line_of_kongs_is_read_as_what_kong_sends() {
        let line = include_bytes!("../../tests/data/kong/kong-3-log.json");
        let (form, name) = Form::recognise(line).unwrap();
        let (record, _) = form.read(line).unwrap();
        assert_eq!(name, None);
        assert_eq!(record.consumer_custom_id.as_deref(), Some("crm-17"));
    }

    #[test]
    fn what_is_no_record_is_told_with_a_word_for_it() {
        let json = Form::recognise(b"{").unwrap().0;
        let text = Form::given("%REQ(:METHOD)% %RESPONSE_CODE%", false).unwrap();
        for (form, line, reason) in [
            (&json, "nonsense", "syntax"),
            (&json, "[1]", "not_an_object"),
            (&json, "{\"foo\":1}", "no_known_key"),
            (&json, "{\"method\":\"A\"} {\"method\":\"B\"}", "syntax"),
            (&text, "nonsense", FORMAT),
            (&text, "- -", "no_known_key"),
        ] {
            let error = form.read(line.as_bytes()).unwrap_err();
            assert_eq!(error.reason, reason, "{line}: {error}");
        }
        let (record, flaws) = json.read(b"{\"method\":\"A\xff\"}").unwrap();
        assert_eq!(record.method.as_deref(), Some("A\u{fffd}"));
        assert!(flaws.contains(Flaws::UTF8));
    }
}
