//! What is captured beyond the columns: headers and bodies.

use super::error::ConfigError;
use super::names::Names;
use super::section::Section;

/// What is captured beyond the columns. Secrets in it are redacted as everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Names of request headers; `x-*` stands for all that begin so, `*` for all. At most 64. Default
    /// none.
    pub request_headers: Names,
    /// Names of response headers, in the same way. At most 64. Default none.
    pub response_headers: Names,
    /// Bytes of each request body, 0 to 1048576. Default 0: none.
    pub request_body_bytes: usize,
    /// Bytes of each response body, 0 to 1048576. Default 0: none.
    pub response_body_bytes: usize,
    /// Media types of bodies that are captured, without parameters; `text/*` stands for all that begin
    /// so, `*` for all. At most 64. Default `application/json`, `application/x-ndjson`,
    /// `application/problem+json`, `text/*`.
    pub content_types: Names,
}

const KEYS: [&str; 5] = [
    "request_headers",
    "response_headers",
    "request_body_bytes",
    "response_body_bytes",
    "content_types",
];

const CONTENT_TYPES: [&str; 4] = [
    "application/json",
    "application/x-ndjson",
    "application/problem+json",
    "text/*",
];

/// Bytes of a body that may be captured.
const MAX_BODY_BYTES: u64 = 1 << 20;

impl Default for CaptureConfig {
    fn default() -> Self {
        let content_types = CONTENT_TYPES.map(str::to_owned);
        Self {
            request_headers: Names::default(),
            response_headers: Names::default(),
            request_body_bytes: 0,
            response_body_bytes: 0,
            content_types: Names::read(&content_types, "").unwrap_or_default(),
        }
    }
}

impl CaptureConfig {
    pub(super) fn read(section: &mut Section) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let Some(mut section) = section.section("capture", &KEYS)? else {
            return Ok(config);
        };
        for (key, names) in [
            ("request_headers", &mut config.request_headers),
            ("response_headers", &mut config.response_headers),
            ("content_types", &mut config.content_types),
        ] {
            if let Some(list) = section.texts(key)? {
                *names = Names::read(&list, &section.path(key))?;
            }
        }
        for (key, bytes) in [
            ("request_body_bytes", &mut config.request_body_bytes),
            ("response_body_bytes", &mut config.response_body_bytes),
        ] {
            if let Some(number) = section.number(key, 0..=MAX_BODY_BYTES)? {
                *bytes = number;
            }
        }
        Ok(config)
    }

    /// Whether a body with this `content-type` is captured. One without is not.
    pub fn takes_content_type(&self, content_type: &str) -> bool {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        !media_type.is_empty() && self.content_types.contains(media_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_compared_without_their_parameters() {
        let config = CaptureConfig::default();
        for taken in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "text/event-stream",
            "text/plain;a=b",
        ] {
            assert!(config.takes_content_type(taken), "{taken}");
        }
        for left in [
            "",
            ";",
            "application/jsonx",
            "image/png",
            "application/grpc+json",
        ] {
            assert!(!config.takes_content_type(left), "{left}");
        }
    }
}
