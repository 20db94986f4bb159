//! Models that are named in the path of a request.

/// Bytes of a name that are kept.
const MAX_NAME: usize = 256;

/// The model that a path names, and whether it asks for a stream.
///
/// `…/models/NAME:METHOD` (Gemini, Vertex), `/model/NAME/converse…` and `/model/NAME/invoke…` (Bedrock),
/// `…/deployments/NAME/…` (Azure).
pub(crate) fn read(path: &str) -> (Option<String>, bool) {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let segments = || path.split('/').filter(|segment| !segment.is_empty());
    let pairs = segments().zip(segments().skip(1).map(Some).chain([None]));
    let mut before = "";
    for (segment, next) in pairs {
        let found = match (before, segment.split_once(':'), next) {
            ("models", Some((name, method)), None) => Some((name, method)),
            ("model", _, Some(method)) => is_bedrock(method).then_some((segment, method)),
            ("deployments", _, Some(method)) => Some((segment, method)),
            _ => None,
        };
        if let Some((name, method)) = found {
            let is_stream = method.starts_with("stream") || method.ends_with("-stream");
            return (
                Some(decoded(name)).filter(|name| !name.is_empty()),
                is_stream,
            );
        }
        before = segment;
    }
    (None, false)
}

fn is_bedrock(method: &str) -> bool {
    method.starts_with("converse") || method.starts_with("invoke")
}

/// Without percent encoding, and not too long.
fn decoded(name: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = name.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let hexadecimal = behind.split_at_checked(2).filter(|_| byte == b'%');
        let encoded = hexadecimal.and_then(|(digits, behind)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, behind))
        });
        let (byte, behind) = encoded.unwrap_or((byte, behind));
        bytes.push(byte);
        rest = behind;
    }
    let mut name = String::from_utf8_lossy(&bytes).into_owned();
    name.truncate(name.floor_char_boundary(MAX_NAME));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_paths_are_found() {
        for (path, model, is_stream) in [
            (
                "/v1beta/models/gemini-2.5-pro:generateContent?key=x",
                "gemini-2.5-pro",
                false,
            ),
            (
                "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
                "gemini-2.5-pro",
                true,
            ),
            (
                "/v1/projects/p/locations/l/publishers/google/models/g:countTokens",
                "g",
                false,
            ),
            (
                "/model/anthropic.claude-v2%3A1/converse",
                "anthropic.claude-v2:1",
                false,
            ),
            ("/model/a/converse-stream", "a", true),
            ("/model/a/invoke-with-response-stream", "a", true),
            (
                "/model/arn%3Aaws%3Abedrock%3Aus%3A1%3Ax%2Fy/invoke",
                "arn:aws:bedrock:us:1:x/y",
                false,
            ),
            (
                "/openai/deployments/gpt-4o/chat/completions?api-version=1",
                "gpt-4o",
                false,
            ),
        ] {
            assert_eq!(read(path), (Some(model.to_owned()), is_stream), "{path}");
        }
        for path in [
            "",
            "/",
            "/v1/models",
            "/v1/models/gpt-4o",
            "/model/a",
            "/model/a/b",
            "/models/:x",
        ] {
            assert_eq!(read(path).0, None, "{path}");
        }
        assert_eq!(decoded("%4%zz%e4%b8%ad%"), "%4%zz中%");
        assert_eq!(decoded(&"中".repeat(100)).len(), 255);
    }
}
