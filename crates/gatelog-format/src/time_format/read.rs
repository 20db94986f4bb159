//! A moment out of the text that a time format printed.

use gatelog_record::Timestamp;

use super::{MONTHS, Name, Pad, Part, Piece, TimeFormat, WEEKDAYS};
use crate::moment::days_before;

/// What has been read so far.
struct Found {
    year: Option<i64>,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    afternoon: Option<bool>,
    micros: i64,
    epoch_seconds: Option<i64>,
    offset_seconds: i64,
}

impl TimeFormat {
    /// Whether the text holds the whole moment, and not a part of it.
    pub(crate) fn is_readable(&self) -> bool {
        let has = |wanted: Part| {
            let is_it =
                |piece: &Piece| matches!(piece, Piece::Number { part, .. } if *part == wanted);
            any(&self.pieces, &is_it)
        };
        let month = has(Part::Month) || any(&self.pieces, &|p| matches!(p, Piece::Month(_)));
        let epoch = self.pieces.contains(&Piece::Epoch);
        let year = has(Part::Year) || has(Part::YearOfCentury);
        epoch || (year && month && has(Part::Day))
    }

    /// The moment that the whole text stands for; `None` where it is not of this format.
    pub(crate) fn read(&self, text: &str) -> Option<Timestamp> {
        let mut found = Found {
            year: None,
            month: 1,
            day: 1,
            hour: 0,
            minute: 0,
            second: 0,
            afternoon: None,
            micros: 0,
            epoch_seconds: None,
            offset_seconds: 0,
        };
        let mut rest = text;
        for (at, piece) in self.pieces.iter().enumerate() {
            let behind = self.pieces.get(at + 1..).unwrap_or_default();
            rest = found.take(piece, behind, rest)?;
        }
        if !rest.is_empty() {
            return None;
        }
        found.moment()
    }
}

impl Found {
    fn moment(&self) -> Option<Timestamp> {
        let seconds = match self.epoch_seconds {
            Some(seconds) => seconds,
            None => self.civil_seconds()?,
        };
        let micros = seconds.checked_mul(1_000_000)?.checked_add(self.micros)?;
        let time = Timestamp::from_micros(micros);
        (time.micros() == micros).then_some(time)
    }

    /// Seconds since the epoch by day and time.
    fn civil_seconds(&self) -> Option<i64> {
        let hour = match self.afternoon {
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let in_range = (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && hour < 24
            && self.minute < 60
            && self.second < 61;
        if !in_range {
            return None;
        }
        let days = days_before(self.year.unwrap_or(1970), self.month, self.day);
        let seconds = days * 86_400 + hour * 3600 + self.minute * 60 + self.second;
        Some(seconds - self.offset_seconds)
    }

    /// Takes one piece off the front of `text`; what follows it.
    fn take<'t>(&mut self, piece: &Piece, behind: &[Piece], text: &'t str) -> Option<&'t str> {
        match piece {
            Piece::Literal(literal) => text.strip_prefix(literal.as_str()),
            Piece::Number { part, width, pad } => {
                let is_year = matches!(part, Part::Year | Part::IsoYear);
                let width = if is_year { 4 } else { *width };
                let blanks = match pad {
                    Pad::Zero | Pad::None => 0,
                    Pad::Blank => text.bytes().take_while(|byte| *byte == b' ').count(),
                };
                let width = width.saturating_sub(blanks).max(1);
                let text = text.get(blanks..)?;
                let run = text.bytes().take_while(u8::is_ascii_digit).count();
                let digits = run.min(width);
                if *pad != Pad::None && digits < width {
                    return None;
                }
                let (digits, rest) = text.split_at_checked(digits)?;
                self.set(*part, digits.parse().ok()?);
                Some(rest)
            }
            Piece::Weekday(name) => Some(name.find(&WEEKDAYS, text)?.1),
            Piece::Month(name) => {
                let (index, rest) = name.find(&MONTHS, text)?;
                self.month = i64::try_from(index).ok()? + 1;
                Some(rest)
            }
            Piece::HalfDay(_) => {
                let (half, rest) = text.split_at_checked(2)?;
                self.afternoon = Some(half.eq_ignore_ascii_case("PM"));
                Some(rest)
            }
            Piece::Epoch => {
                let run = text.bytes().take_while(u8::is_ascii_digit).count();
                let fixed: usize = behind
                    .iter()
                    .map_while(|piece| match piece {
                        Piece::Fraction(digits) => Some(*digits),
                        _ => None,
                    })
                    .sum();
                let (digits, rest) = text.split_at_checked(run.checked_sub(fixed)?)?;
                self.epoch_seconds = Some(digits.parse().ok()?);
                Some(rest)
            }
            Piece::Fraction(digits) => {
                let (digits, rest) = text.split_at_checked(*digits)?;
                self.set_fraction(digits)?;
                Some(rest)
            }
            Piece::WholeFraction { dot } => {
                let text = match text.strip_prefix('.') {
                    Some(text) if *dot => text,
                    _ if *dot => return Some(text),
                    _ => text,
                };
                let run = text.bytes().take_while(u8::is_ascii_digit).count();
                let (digits, rest) = text.split_at_checked(run)?;
                self.set_fraction(digits)?;
                Some(rest)
            }
            Piece::Offset(colons) => self.take_offset(text, *colons == 3),
            Piece::Zone(_) => match text.split_at_checked(3) {
                Some((utc, rest)) if utc.eq_ignore_ascii_case("UTC") => Some(rest),
                _ => self.take_offset(text, false),
            },
            Piece::Aligned { pieces, zeros, .. } => {
                let pad = if *zeros { '0' } else { ' ' };
                let mut rest = text.trim_start_matches(pad);
                for (at, piece) in pieces.iter().enumerate() {
                    rest = self.take(piece, pieces.get(at + 1..).unwrap_or_default(), rest)?;
                }
                Some(rest)
            }
        }
    }

    fn set(&mut self, part: Part, number: i64) {
        match part {
            Part::Year => self.year = Some(number),
            // As strptime(3) has it. The whole year counts where it is there too.
            Part::YearOfCentury => {
                let century = if number < 69 { 2000 } else { 1900 };
                self.year = self.year.or(Some(century + number));
            }
            Part::Month => self.month = number,
            Part::Day => self.day = number,
            Part::Hour | Part::Hour12 => self.hour = number,
            Part::Minute => self.minute = number,
            Part::Second => self.second = number,
            // Said by the others, or not enough of a moment.
            _ => {}
        }
    }

    /// The finest of several fractions counts: each of them is the same one, cut.
    fn set_fraction(&mut self, digits: &str) -> Option<()> {
        let mut micros = 0;
        let mut bytes = digits.bytes();
        for _ in 0..6 {
            let digit = bytes.next().unwrap_or(b'0');
            micros = micros * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        }
        self.micros = self.micros.max(micros);
        Some(())
    }

    /// Minutes may be left out of the shortest form.
    fn take_offset<'t>(&mut self, text: &'t str, is_short: bool) -> Option<&'t str> {
        let (sign, text) = match text.as_bytes().first()? {
            b'+' => (1, text.get(1..)?),
            b'-' => (-1, text.get(1..)?),
            _ => return None,
        };
        let (hours, text) = text.split_at_checked(2)?;
        if is_short && !text.starts_with(':') {
            self.offset_seconds = sign * i64::from(hours.parse::<u8>().ok()?) * 3600;
            return Some(text);
        }
        let (minutes, text) = text.strip_prefix(':').unwrap_or(text).split_at_checked(2)?;
        let number = |text: &str| text.parse::<u8>().ok().map(i64::from);
        self.offset_seconds = sign * (number(hours)? * 3600 + number(minutes)? * 60);
        let seconds = text.strip_prefix(':').and_then(|text| {
            let (seconds, rest) = text.split_at_checked(2)?;
            Some((number(seconds)?, rest))
        });
        match seconds {
            Some((seconds, rest)) => {
                self.offset_seconds += sign * seconds;
                Some(rest)
            }
            None => Some(text),
        }
    }
}

/// Whether one of the pieces, or of those within them, is such a one.
fn any(pieces: &[Piece], is_it: &dyn Fn(&Piece) -> bool) -> bool {
    pieces.iter().any(|piece| match piece {
        Piece::Aligned { pieces, .. } => any(pieces, is_it),
        piece => is_it(piece),
    })
}

impl Name {
    /// Which of the names the text begins with, and what follows it.
    fn find<'t>(self, names: &[&str], text: &'t str) -> Option<(usize, &'t str)> {
        names.iter().enumerate().find_map(|(index, name)| {
            let name = if self.short { name.get(..3)? } else { name };
            let (head, rest) = text.split_at_checked(name.len())?;
            head.eq_ignore_ascii_case(name).then_some((index, rest))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::moment::Moment;

    const FORMATS: [&str; 10] = [
        "",
        "%s.%6f",
        "%s%6f",
        "%d/%b/%Y:%H:%M:%E*S %z",
        "%FT%T.%6f%Ez",
        "%A, %e %B %Y %I:%M:%S.%9f %p",
        "%Y%m%d%H%M%S%6f",
        "%c %6f",
        "%20A%12F%_9H%5M%S.%6f%:::z",
        "%F %#p%I%M%E6S %#Z",
    ];

    #[test]
    fn a_year_of_two_digits_is_of_this_century_or_the_last() {
        for (format, text, expected) in [
            ("%D %T", "11/21/26 07:57:56", "2026-11-21 07:57:56"),
            ("%y-%m-%d %T", "68-11-21 07:57:56", "2068-11-21 07:57:56"),
            ("%y-%m-%d %T", "70-11-21 07:57:56", "1970-11-21 07:57:56"),
            ("%y %F %T", "26 2126-11-21 07:57:56", "2126-11-21 07:57:56"),
            ("%F %T %y", "2126-11-21 07:57:56 26", "2126-11-21 07:57:56"),
        ] {
            let time = TimeFormat::new(format, false);
            assert!(time.is_readable());
            assert_eq!(time.read(text), Timestamp::parse(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_reads_back_as_it_was_printed(
            micros in 0i64..253_402_300_799_999_999,
            format in prop::sample::select(&FORMATS[..]),
            hours in -12i32..=14,
        ) {
            let zoned = format.contains('z');
            let offset = if zoned { hours * 3600 } else { 0 };
            let time = TimeFormat::new(format, false);
            let expected = Timestamp::from_micros(if format.is_empty() {
                micros / 1000 * 1000
            } else {
                micros
            });
            let mut out = Vec::new();
            time.write(Moment::from(expected), offset, &mut out);
            let text = String::from_utf8(out).unwrap();
            prop_assert!(time.is_readable());
            prop_assert_eq!(time.read(&text), Some(expected), "{}", text);
        }

        #[test]
        fn no_text_panics(format in "(%[-_0^#]?[0-9]?[a-zA-Z%*]|.){0,6}", text in ".{0,20}") {
            let time = TimeFormat::new(&format, false);
            let _ = time.read(&text);
            let mut out = Vec::new();
            time.write(Moment { seconds: i64::MAX, nanos: 999_999_999 }, i32::MAX, &mut out);
            time.write(Moment { seconds: i64::MIN, nanos: 0 }, i32::MIN, &mut out);
        }
    }
}
