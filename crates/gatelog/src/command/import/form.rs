//! What the records of a file look like.

use gatelog_format::{Known, Reader};

use super::json_items::JsonItems;
use super::piece::Cut;
use super::text_lines::TextLines;

/// Lines that are tried before a file is called unknown: the first one may be the rest of one.
const TRIED_LINES: usize = 20;

/// The form of a file's records.
#[derive(Debug)]
pub(super) enum Form {
    /// What `POST /ingest` takes. The readers are for lines that look like JSON and are none.
    Json(Vec<Reader>),
    /// Lines of a format.
    Text(Box<Reader>),
}

/// Takes a file of one form apart.
pub(super) enum Splitter<'f> {
    /// Objects.
    Json(JsonItems<'f>),
    /// Lines.
    Text(TextLines<'f>),
}

impl Splitter<'_> {
    /// The pieces of a window; `at_end` when nothing follows it, `full` when it cannot be larger.
    pub(super) fn cut(&mut self, window: &[u8], at_end: bool, full: bool) -> Cut {
        match self {
            Self::Json(items) => items.cut(window, at_end, full),
            Self::Text(lines) => lines.cut(window, at_end, full),
        }
    }
}

impl Form {
    pub(super) fn splitter(&self) -> Splitter<'_> {
        match self {
            Self::Json(repair) => Splitter::Json(JsonItems::new(repair)),
            Self::Text(reader) => Splitter::Text(TextLines::new(reader)),
        }
    }

    fn json() -> Result<Self, String> {
        Ok(Self::Json(vec![
            reader(Known::Higress)?,
            reader(Known::Hango)?,
        ]))
    }

    /// The form of a file that begins so, with its name if it is a text format.
    ///
    /// # Errors
    /// What to do when it is none that is known.
    pub(super) fn recognise(head: &[u8]) -> Result<(Self, Option<&'static str>), String> {
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
        Err(
            "neither JSON nor lines of a format that is known; --format says what its lines are, as \
             in the gateway's configuration"
                .to_owned(),
        )
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

fn reader(known: Known) -> Result<Reader, String> {
    let template = known.template().map_err(|error| error.to_string())?;
    template.reader().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognised(head: &str) -> Result<&'static str, String> {
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
            assert_eq!(recognised(&head).as_deref(), Ok(expected), "{head}");
        }
        let unknown = recognised("127.0.0.1 - - [x] \"GET / HTTP/1.1\" 200 1\n").unwrap_err();
        assert!(unknown.contains("--format"), "{unknown}");
    }
}
