//! Durations and timestamps: their texts and their parts.

/// Nanoseconds of a second.
pub(crate) const SECOND: i128 = 1_000_000_000;

/// The greatest duration of CEL, in nanoseconds: 10,000 years about.
const MAX_DURATION: i128 = 315_576_000_000 * SECOND;

/// The first moment of CEL: 0001-01-01T00:00:00Z.
const FIRST: i128 = -62_135_596_800 * SECOND;

/// The moment behind the last: 10000-01-01T00:00:00Z.
const END: i128 = 253_402_300_800 * SECOND;

const DAY_SECONDS: i64 = 86_400;

/// The units of a duration's text.
const UNITS: [(&str, i128); 6] = [
    ("ns", 1),
    ("us", 1000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3600 * SECOND),
];

/// A duration, if CEL has it.
pub(crate) fn duration(nanos: i128) -> Option<i128> {
    (-MAX_DURATION..=MAX_DURATION)
        .contains(&nanos)
        .then_some(nanos)
}

/// A timestamp, if CEL has it.
pub(crate) fn timestamp(nanos: i128) -> Option<i128> {
    (FIRST..END).contains(&nanos).then_some(nanos)
}

/// Reads `1h30m`, `1.5s`, `-50ms`.
pub(crate) fn parse_duration(text: &str) -> Option<i128> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0i128;
    while {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at_checked(number_end)?;
        let unit_end = behind
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(unit_end)?;
        let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *nanos)?)?;
        rest = behind;
        !rest.is_empty()
    } {}
    duration(sign * total)
}

/// A decimal number times a unit, truncated to nanoseconds.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || fraction.contains('.') {
        return None;
    }
    let parse = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<i128>().ok(),
    };
    let fraction = fraction.get(..fraction.len().min(15))?;
    let scale = 10i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = parse(fraction)? * unit / scale;
    Some(parse(whole)? * unit + part)
}

/// As Abseil prints it: `1h30m`, `1.5s`, `272.113us`, `0`.
pub(crate) fn duration_text(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let second = SECOND.unsigned_abs();
    if nanos == 0 {
        return "0".to_owned();
    }
    if nanos < second {
        let (unit, size, places) = match nanos {
            0..1000 => ("ns", 1, 0),
            1000..1_000_000 => ("us", 1000, 3),
            _ => ("ms", 1_000_000, 6),
        };
        return format!("{sign}{}{unit}", decimal(nanos, size, places));
    }
    let (minutes, rest) = (nanos / (60 * second), nanos % (60 * second));
    let mut text = sign.to_owned();
    let (hours, minutes) = (minutes / 60, minutes % 60);
    for (number, unit) in [(hours, 'h'), (minutes, 'm')] {
        if number > 0 {
            text.push_str(&number.to_string());
            text.push(unit);
        }
    }
    if rest > 0 {
        text.push_str(&decimal(rest, second, 9));
        text.push('s');
    }
    text
}

fn decimal(nanos: u128, unit: u128, places: usize) -> String {
    let (whole, part) = (nanos / unit, nanos % unit);
    if part == 0 {
        return whole.to_string();
    }
    let part = format!("{part:0places$}");
    format!("{whole}.{}", part.trim_end_matches('0'))
}

/// Reads RFC 3339: `2026-11-21T07:57:56.721Z`, `…+02:00`.
pub(crate) fn parse_timestamp(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|byte| allowed.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_time = hour < 24 && minute < 60 && second < 61;
    if !is_time || !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut nanos = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit())?;
        let digits = fraction.get(..end).filter(|digits| !digits.is_empty())?;
        nanos = scaled(&format!("0.{digits}"), SECOND)?;
        rest = fraction.get(end..)?;
    }
    let offset = match rest {
        "Z" | "z" => 0,
        offset => parse_offset(offset)?,
    };
    let days = days_from_civil(year, month, day);
    let seconds = days * DAY_SECONDS + hour * 3600 + minute * 60 + second - offset;
    timestamp(i128::from(seconds) * SECOND + nanos)
}

/// Reads `+02:00` as seconds.
fn parse_offset(text: &str) -> Option<i64> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let two = |text: &str| -> Option<i64> {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().ok())?
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Seconds east of UTC that a zone's name says: `UTC` or an offset.
pub(crate) fn zone_seconds(zone: &str) -> Option<i64> {
    match zone {
        "" | "UTC" | "Z" => Some(0),
        zone if zone.starts_with(['+', '-']) => parse_offset(zone),
        zone => parse_offset(&format!("+{zone}")),
    }
}

/// As Abseil prints it: `2020-01-01T00:00:00.5+00:00`.
pub(crate) fn timestamp_text(nanos: i128) -> String {
    let at = Civil::of(nanos, 0);
    let fraction = match at.nanos {
        0 => String::new(),
        nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    };
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{fraction}+00:00",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}

/// A moment in the parts of a calendar and a clock; months and days count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) nanos: i64,
    /// From 0.
    pub(crate) day_of_year: i64,
    /// From 0, Sunday.
    pub(crate) day_of_week: i64,
}

impl Civil {
    /// The parts of a timestamp, so many seconds east of UTC.
    pub(crate) fn of(nanos: i128, offset_seconds: i64) -> Self {
        let seconds = i64::try_from(nanos.div_euclid(SECOND)).unwrap_or(0);
        let nanos = i64::try_from(nanos.rem_euclid(SECOND)).unwrap_or(0);
        let seconds = seconds.saturating_add(offset_seconds);
        let (days, rest) = (
            seconds.div_euclid(DAY_SECONDS),
            seconds.rem_euclid(DAY_SECONDS),
        );
        let (year, month, day) = civil_from_days(days);
        Self {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            nanos,
            day_of_year: days - days_from_civil(year, 1, 1),
            day_of_week: (days + 4).rem_euclid(7),
        }
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn month_days(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01. Years are counted from March, so that a leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed() {
        for (text, nanos, printed) in [
            ("50ms", 50_000_000, "50ms"),
            ("1h30m", 5_400 * SECOND, "1h30m"),
            ("1.5s", 1_500_000_000, "1.5s"),
            ("-1.5s", -1_500_000_000, "-1.5s"),
            ("0", 0, "0"),
            ("272113ns", 272_113, "272.113us"),
            ("1h0.5s", 3600 * SECOND + SECOND / 2, "1h0.5s"),
        ] {
            assert_eq!(parse_duration(text), Some(nanos), "{text}");
            assert_eq!(duration_text(nanos), printed);
        }
        for text in [
            "",
            "5",
            "1d",
            "1.2.3s",
            "s",
            "1s5",
            "--1s",
            ".s",
            "999999999999999h",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_are_read_and_printed() {
        for (text, printed) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
            ("2020-01-01T00:00:00+02:00", "2019-12-31T22:00:00+00:00"),
            (
                "2026-11-21T07:57:56.721219Z",
                "2026-11-21T07:57:56.721219+00:00",
            ),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
            ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00+00:00"),
        ] {
            let nanos = parse_timestamp(text).unwrap();
            assert_eq!(timestamp_text(nanos), printed);
        }
        for text in [
            "2020-01-01",
            "2021-02-29T00:00:00Z",
            "2020-01-01T24:00:00Z",
            "é020-01-01T0",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
