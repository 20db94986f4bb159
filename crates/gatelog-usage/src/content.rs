//! What a content type says about a body.

/// Bodies that can hold usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A document. Whether it is one, and not events all the same, its first byte tells.
    Document,
    /// Documents, or events with documents.
    Stream,
    /// Amazon's binary frames.
    Frames,
}

impl Content {
    /// What a body of this type is; `None` for those that hold no usage.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let media = content_type.split(';').next().unwrap_or_default().trim();
        let media = media.to_ascii_lowercase();
        Some(match media.as_str() {
            "application/vnd.amazon.eventstream" => Self::Frames,
            // Of DashScope's servers some say text/plain, and some nothing.
            "" | "text/plain" | "text/json" => Self::Document,
            "text/event-stream"
            | "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines"
            | "application/json-seq"
            | "application/stream+json" => Self::Stream,
            _ if media.starts_with("application/") && media.ends_with("json") => Self::Document,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_in_their_spellings() {
        for (name, content) in [
            ("application/json", Some(Content::Document)),
            ("Application/JSON; charset=utf-8", Some(Content::Document)),
            ("application/problem+json", Some(Content::Document)),
            ("", Some(Content::Document)),
            ("text/event-stream;charset=UTF-8", Some(Content::Stream)),
            ("application/x-ndjson", Some(Content::Stream)),
            ("application/stream+json", Some(Content::Stream)),
            ("application/vnd.amazon.eventstream", Some(Content::Frames)),
            ("text/html", None),
            ("application/grpc", None),
            ("image/png", None),
            ("application/octet-stream", None),
        ] {
            assert_eq!(Content::of(name), content, "{name}");
        }
    }
}
