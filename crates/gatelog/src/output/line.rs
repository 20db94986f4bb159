//! A record as a line of text.

use gatelog_format::Template;
use gatelog_record::AccessRecord;

use super::kong_json::KongJson;

/// What makes lines of records.
#[derive(Clone, Debug)]
pub enum Line {
    /// Kong's log JSON.
    Kong(KongJson),
    /// A format of Envoy's.
    Envoy(Template),
}

impl Line {
    /// Appends the record's line with the line break at its end, which a format may have of its own.
    pub fn write(&self, record: &AccessRecord<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        match self {
            Self::Kong(json) => json.write(record, out),
            Self::Envoy(template) => template.render(record, out),
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
            Self::Envoy(template) => {
                let gaps = template.unanswerable().into_iter();
                gaps.map(|gap| told(gap.operator, format!(" at byte {}", gap.position)))
                    .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_once() {
        let record = AccessRecord::default();
        for format in ["a", "a\n"] {
            let mut out = b"x".to_vec();
            Line::Envoy(Template::text(format).unwrap()).write(&record, &mut out);
            assert_eq!(out, b"xa\n");
        }
        let template = Template::text("%TRAILER(X)%").unwrap();
        assert_eq!(Line::Envoy(template).warnings().len(), 1);
    }
}
