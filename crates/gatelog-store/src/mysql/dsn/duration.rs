//! Go's duration text: `1m30s`, `500ms`, `1.5h`.
//!
//! **Source.** <https://pkg.go.dev/time#ParseDuration>; negative durations are refused.

use std::time::Duration;

/// Reads a duration; `None` for any other text.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() || text.is_empty() {
        let (number, tail) = split(rest, |character| {
            character.is_ascii_digit() || character == '.'
        })?;
        let (unit, next) = split(tail, |character| {
            !character.is_ascii_digit() && character != '.'
        })?;
        let seconds = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        let part = number.parse::<f64>().ok()? * seconds;
        total = total.checked_add(Duration::try_from_secs_f64(part).ok()?)?;
        rest = next;
    }
    Some(total)
}

/// The characters at the start that `belong`, of which there must be one, and the rest.
fn split(text: &str, belong: impl Fn(char) -> bool) -> Option<(&str, &str)> {
    let end = text
        .find(|character| !belong(character))
        .unwrap_or(text.len());
    text.split_at_checked(end).filter(|_| end > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("300ms", 300_000_000),
            ("1.5h", 5_400_000_000_000),
            ("1m30s", 90_000_000_000),
            (".5s", 500_000_000),
            ("2us3ns", 2003),
        ] {
            assert_eq!(
                parse(text),
                Some(Duration::from_nanos(nanoseconds)),
                "{text}"
            );
        }
        for text in [
            "", "5", "s", "1 s", "-1s", "+1s", "1d", ".s", "1..2s", "1e3s", "9e999h",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9.nµmsh]{0,30}|\\PC{0,10}") {
            let _ = parse(&text);
        }
    }
}
