//! What a `content-type` promises of a body.

/// What kind of body, as far as anybody here reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// One document, or several behind each other or on lines.
    Json,
    /// Server-sent events.
    Events,
    /// Anything else.
    Other,
}

/// Media types of documents on lines.
const LINES: [&str; 5] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/stream+json",
    "application/json-seq",
];

impl Media {
    /// By a `content-type`, whose parameters do not matter.
    pub(super) fn of(content_type: &str) -> Self {
        let name = content_type.split(';').next().unwrap_or_default().trim();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        let ends = |end: &str| {
            let start = name.len().saturating_sub(end.len());
            name.get(start..)
                .is_some_and(|found| found.eq_ignore_ascii_case(end))
        };
        if is("application/json") || LINES.into_iter().any(is) {
            Self::Json
        } else if is("text/event-stream") {
            Self::Events
        } else if ends("+json") && !name.starts_with("application/grpc") {
            Self::Json
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_their_names() {
        for (content_type, media) in [
            ("application/json", Media::Json),
            ("Application/JSON; charset=utf-8", Media::Json),
            ("application/problem+json", Media::Json),
            ("application/x-ndjson", Media::Json),
            ("text/event-stream;charset=UTF-8", Media::Events),
            ("application/vnd.amazon.eventstream", Media::Other),
            ("multipart/form-data; boundary=x", Media::Other),
            ("application/grpc+json", Media::Other),
            ("text/html", Media::Other),
            ("", Media::Other),
            ("é+json", Media::Json),
        ] {
            assert_eq!(Media::of(content_type), media, "{content_type}");
        }
    }
}
