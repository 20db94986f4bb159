//! A record as a line of text.

use gatelog_format::Template;
use gatelog_record::AccessRecord;

use super::kong_json::KongJson;

/// What ends a line.
const BREAKS: [char; 2] = ['\n', '\r'];

/// What makes lines of records.
#[derive(Clone, Debug)]
pub enum Line {
    /// Kong's log JSON.
    Kong(KongJson),
    /// A format of Envoy's.
    Envoy {
        /// It, compiled.
        template: Template,
        /// How many bytes the line break at its end has, where values may not have one: in a text
        /// format that has no other line break.
        ending: Option<usize>,
    },
}

impl Line {
    /// By the template of a text format; in an object nothing can break a line.
    pub fn text(template: Template, format: &str) -> Self {
        let line = format.trim_end_matches(BREAKS);
        let ending = (!line.contains(BREAKS)).then_some(format.len() - line.len());
        Self::Envoy { template, ending }
    }

    /// By the template of an object.
    pub fn object(template: Template) -> Self {
        let ending = None;
        Self::Envoy { template, ending }
    }

    /// Appends the record's line with the line break at its end, which a format may have of its own.
    pub fn write(&self, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        match self {
            Self::Kong(json) => json.write(record, out),
            Self::Envoy { template, ending } => {
                template.render(record, out);
                if let Some(ending) = ending {
                    escape_breaks(out, from, *ending);
                }
            }
        }
        let ends = out.get(from..).is_some_and(|line| line.ends_with(b"\n"));
        if !ends {
            out.push(b'\n');
        }
    }

    /// What no record can answer, in words.
    pub fn warnings(&self) -> Vec<String> {
        let told = |operator: &str, place: String| {
            format!(
                "no record answers %{operator}%{place}: there is Envoy's missing value in its place"
            )
        };
        match self {
            Self::Kong(json) => {
                let gaps = json.unanswerable().into_iter();
                gaps.map(|(field, gap)| told(gap.operator, format!(" in custom_fields.{field}")))
                    .collect()
            }
            Self::Envoy { template, .. } => {
                let gaps = template.unanswerable().into_iter();
                gaps.map(|gap| told(gap.operator, format!(" at byte {}", gap.position)))
                    .collect()
            }
        }
    }
}

/// Writes `\n` and `\r` for line breaks from a byte on, but for those at the end: a client that sends one
/// would write a line of its own. Envoy knows no header with a line break; who posts a record may.
fn escape_breaks(out: &mut Vec<u8>, from: usize, ending: usize) {
    let end = out.len().saturating_sub(ending);
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !out
        .get(from..end)
        .is_some_and(|line| line.iter().any(is_break))
    {
        return;
    }
    let rest = out.split_off(from);
    let (line, ending) = rest.split_at(end - from);
    for byte in line {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(*byte),
        }
    }
    out.extend_from_slice(ending);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_once() {
        let record = AccessRecord::default();
        for format in ["a", "a\n"] {
            let mut out = b"x".to_vec();
            Line::text(Template::text(format).unwrap(), format).write(&record, &mut out);
            assert_eq!(out, b"xa\n");
        }
        let template = Template::text("%TRAILER(X)%").unwrap();
        assert_eq!(Line::object(template).warnings().len(), 1);
    }

    #[test]
    fn a_value_begins_no_line_of_its_own() {
        let record = AccessRecord {
            path: Some("/a\nGET /forged\r\n".into()),
            ..AccessRecord::default()
        };
        let one = "/a\\nGET /forged\\r\\n";
        for (format, expected) in [
            ("%REQ(:PATH)%", format!("{one}\n")),
            ("%REQ(:PATH)%\n", format!("{one}\n")),
            ("%REQ(:PATH)%\r\n", format!("{one}\r\n")),
            // Where it breaks lines itself nobody takes a line for a record.
            ("a\n%REQ(:PATH)%", "a\n/a\nGET /forged\r\n".to_owned()),
        ] {
            let mut out = b"before\n".to_vec();
            Line::text(Template::text(format).unwrap(), format).write(&record, &mut out);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(out, format!("before\n{expected}"), "{format:?}");
        }
    }
}
