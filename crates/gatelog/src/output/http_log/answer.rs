//! What a receiver's answer means for a batch.

use std::time::{Duration, SystemTime};

use hyper::StatusCode;
use hyper::header::{HeaderMap, RETRY_AFTER};

/// The longest pause that a receiver may ask for.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What became of a request. The reasons show neither its contents nor the receiver's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The receiver has it.
    Taken,
    /// It may be taken later.
    Later {
        reason: String,
        /// The least pause that the receiver asks for.
        after: Option<Duration>,
    },
    /// It will never be taken.
    Refused {
        reason: String,
        /// Whether that may be so for one of the records only.
        by_contents: bool,
    },
}

impl Answer {
    /// Something kept an answer from coming.
    pub(super) fn later(reason: impl Into<String>) -> Self {
        Self::Later {
            reason: reason.into(),
            after: None,
        }
    }

    /// What a status means, with the headers beside it.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Self {
        let reason = || format!("HTTP {}", status.as_u16());
        if status.is_success() {
            return Self::Taken;
        }
        match status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {}
            _ if status.as_u16() >= 500 => {}
            _ if status.is_redirection() => {
                return Self::Refused {
                    reason: format!("{}, redirects are not followed", reason()),
                    by_contents: false,
                };
            }
            _ => {
                let contents = [
                    StatusCode::BAD_REQUEST,
                    StatusCode::PAYLOAD_TOO_LARGE,
                    StatusCode::UNPROCESSABLE_ENTITY,
                ];
                return Self::Refused {
                    reason: reason(),
                    by_contents: contents.contains(&status),
                };
            }
        }
        Self::Later {
            reason: reason(),
            after: retry_after(headers, now),
        }
    }
}

/// The pause that is asked for: seconds, or until a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(now).unwrap_or_default()
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn of(status: u16, retry_after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        }
        // 1994-11-06 08:49:07 GMT
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_747);
        Answer::of(StatusCode::from_u16(status).unwrap(), &headers, now)
    }

    #[test]
    fn success_is_2xx_and_what_may_pass_is_tried_again() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status, None), Answer::Taken, "{status}");
        }
        for status in [408, 429, 500, 501, 502, 503, 504, 599, 999] {
            let expected = Answer::later(format!("HTTP {status}"));
            assert_eq!(of(status, None), expected);
        }
        for status in [400, 413, 422, 401, 403, 404, 405, 409, 415, 431, 451] {
            let expected = Answer::Refused {
                reason: format!("HTTP {status}"),
                by_contents: [400, 413, 422].contains(&status),
            };
            assert_eq!(of(status, None), expected);
        }
        for status in [300, 301, 302, 303, 304, 307, 308] {
            let expected = Answer::Refused {
                reason: format!("HTTP {status}, redirects are not followed"),
                by_contents: false,
            };
            assert_eq!(of(status, None), expected);
        }
    }

    #[test]
    fn the_pause_that_is_asked_for_is_kept_up_to_a_limit() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (text, expected) in [
            ("0", seconds(0)),
            ("7", seconds(7)),
            (" 7 ", seconds(7)),
            ("301", seconds(300)),
            ("99999999999999999999999", seconds(300)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", seconds(30)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", seconds(30)),
            ("Sun, 06 Nov 1994 08:49:01 GMT", seconds(0)),
            ("Sat, 06 Nov 2094 08:49:37 GMT", seconds(300)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            for status in [429, 503] {
                let Answer::Later { after, .. } = of(status, Some(text)) else {
                    panic!("{status}");
                };
                assert_eq!(after, expected, "{text:?}");
            }
        }
    }
}
