//! Moments, to the microsecond.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};

/// A moment: microseconds since 1970-01-01T00:00:00Z, from 1970 to the end of the year 9999.
///
/// Envoy's clock has microseconds, the tables milliseconds; nothing finer is lost here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 9999-12-31T23:59:59.999999Z, the last moment that RFC 3339 and the databases can write.
const MAX_MICROS: i64 = 253_402_300_799_999_999;

/// Numbers up to this are seconds, above milliseconds: 100,000,000,000 s is the year 5138, and
/// as milliseconds it is 1973.
const MAX_SECONDS: i64 = 100_000_000_000;

impl Timestamp {
    /// The earliest moment there is here.
    pub const EPOCH: Timestamp = Timestamp(0);

    /// From microseconds since the epoch, moved into the range where it lies outside.
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < 0 {
            0
        } else if micros > MAX_MICROS {
            MAX_MICROS
        } else {
            micros
        })
    }

    /// From milliseconds since the epoch, moved into the range where it lies outside.
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis.saturating_mul(1000))
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0 / 1000
    }

    /// Reads what gateways and people write:
    ///
    /// - RFC 3339 with `Z` or an offset and any fraction;
    /// - `yyyy-MM-dd HH:mm:ss` with any fraction, taken as UTC;
    /// - seconds or milliseconds since the epoch, seconds also with a fraction.
    ///
    /// `None` for anything else, and for moments before 1970 or after 9999.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return Self::parse_epoch(text);
        }
        parse_utc(text)
            .or_else(|| parse_offset(text))
            .and_then(Self::in_range)
    }

    fn in_range(micros: i64) -> Option<Self> {
        (0..=MAX_MICROS).contains(&micros).then_some(Self(micros))
    }

    fn parse_epoch(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let whole: i64 = whole.parse().ok()?;
        if whole > MAX_SECONDS {
            return fraction.is_empty().then(|| Self::from_millis(whole));
        }
        Self::in_range(
            whole
                .checked_mul(1_000_000)?
                .checked_add(fraction_micros(fraction)?)?,
        )
    }

    fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }

    /// RFC 3339 in UTC with milliseconds, as answers carry it: `2026-03-23T02:10:01.217Z`.
    pub fn to_rfc3339_millis(self) -> String {
        self.to_chrono()
            .to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// `2026-03-23 02:10:01.217` in UTC, as SQL takes it, with `digits` (0 to 6) of the fraction;
    /// the rest is cut, never rounded.
    pub fn to_sql(self, digits: usize) -> String {
        // Several times as fast as a format that is read anew for each.
        let mut text = self
            .to_chrono()
            .to_rfc3339_opts(SecondsFormat::Micros, true)
            .replacen('T', " ", 1);
        text.truncate(if digits == 0 { 19 } else { 20 + digits.min(6) });
        text
    }

    /// `2026-03-23`, the day in UTC.
    pub fn day(self) -> String {
        self.to_chrono().format("%Y-%m-%d").to_string()
    }
}

/// RFC 3339 in UTC with microseconds, so that reading it back gives the same moment.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            &self
                .to_chrono()
                .to_rfc3339_opts(SecondsFormat::Micros, true),
        )
    }
}

/// The form almost every record has, `2026-03-23T02:10:01[.fraction]Z`, and the same with a blank
/// and without the `Z`: fixed places, no general parser.
fn parse_utc(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (head, tail) = bytes.split_at_checked(19)?;
    let &[
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        separator,
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
    ] = head
    else {
        return None;
    };
    let tail = std::str::from_utf8(tail).ok()?;
    let fraction = match separator {
        b'T' | b't' => tail.strip_suffix(['Z', 'z'])?,
        b' ' => tail.strip_suffix(['Z', 'z']).unwrap_or(tail),
        _ => return None,
    };
    let fraction = match fraction.strip_prefix('.') {
        Some("") => return None,
        Some(digits) => digits,
        None if fraction.is_empty() => "",
        None => return None,
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0u32, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + u32::from(digit - b'0'))
        })
    };
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(&[y1, y2, y3, y4])?).ok()?,
        number(&[m1, m2])?,
        number(&[d1, d2])?,
    )?;
    // A leap second counts as the last second before it.
    let time = NaiveTime::from_hms_opt(
        number(&[h1, h2])?,
        number(&[n1, n2])?,
        number(&[s1, s2])?.min(59),
    )?;
    let micros = NaiveDateTime::new(date, time).and_utc().timestamp_micros();
    micros.checked_add(fraction_micros(fraction)?)
}

fn parse_offset(text: &str) -> Option<i64> {
    let time = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .ok()?;
    Some(time.timestamp_micros())
}

/// The first six digits of a fraction as microseconds; what follows is cut.
fn fraction_micros(digits: &str) -> Option<i64> {
    let mut micros = 0;
    for place in 0..6 {
        let digit = match digits.as_bytes().get(place) {
            Some(byte) if byte.is_ascii_digit() => i64::from(byte - b'0'),
            Some(_) => return None,
            None => 0,
        };
        micros = micros * 10 + digit;
    }
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then_some(micros)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_that_gateways_write_is_read() {
        let expected = Timestamp::from_millis(1_774_231_837_512);
        for text in [
            "2026-03-23T02:10:37.512Z",
            "2026-03-23T10:10:37.512+08:00",
            "2026-03-23T10:10:37.512+0800",
            "2026-03-23 02:10:37.512",
            "2026-03-23T02:10:37.512000999Z",
            "1774231837512",
            "1774231837.512",
        ] {
            assert_eq!(Timestamp::parse(text), Some(expected), "{text}");
        }
        assert_eq!(
            Timestamp::parse("1774231837"),
            Some(Timestamp::from_millis(1_774_231_837_000))
        );
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "-",
            "now",
            "2026-13-01T00:00:00Z",
            "2026-03-23T02:10:01",
            "2026-03-23T25:00:00Z",
            "1969-12-31T23:59:59Z",
            "10000-01-01T00:00:00Z",
            "1.2.3",
            ".",
            "2026-03-23 02:10:37.",
            "2026-03-23 02:10:37x",
            "99999999999999999999",
            "-5",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sql_text_is_cut_not_rounded() {
        let moment = Timestamp::from_micros(1_774_231_837_999_999);
        assert_eq!(moment.to_sql(0), "2026-03-23 02:10:37");
        assert_eq!(moment.to_sql(3), "2026-03-23 02:10:37.999");
        assert_eq!(moment.to_rfc3339_millis(), "2026-03-23T02:10:37.999Z");
    }

    proptest! {
        #[test]
        fn the_text_of_a_moment_reads_back(micros in 0..=MAX_MICROS) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }
}
