//! The time formats of `START_TIME` and its like: strftime, absl's `%E…` and Envoy's own three.
//!
//! **Shape.** A format is compiled once into pieces; printing a moment walks over them and allocates
//! nothing. [`read`] takes a moment back out of a text.
//!
//! **Order.** Envoy takes its `%s` (seconds since the epoch), `%f` (nine digits of the second's
//! fraction) and `%1f` to `%9f` (so many of them, cut) out of the text first, wherever they stand; what
//! lies between is absl's, whose `%E3S`, `%E*S`, `%E3f`, `%E4Y`, `%Ez` and `%ET` come before strftime's
//! in the C locale. What strftime does not know stays as it is written.
//!
//! **Differences.** `%Es` is the time since the epoch; Envoy prints it some hours off, by the zone of
//! its machine.
//!
//! **Source.** `source/common/common/utility.cc` of Envoy 1.40, `absl/time/format.h`, strftime(3).

mod read;
mod write;

use crate::moment::{Civil, Moment};

/// A compiled time format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeFormat {
    pieces: Vec<Piece>,
    /// Whether a piece asks for day or time, and not for the time since the epoch alone.
    needs_civil: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// At least so many digits.
    Number {
        part: Part,
        width: usize,
        pad: Pad,
    },
    Weekday(Name),
    Month(Name),
    HalfDay(Case),
    /// Seconds since the epoch.
    Epoch,
    /// So many digits of the second's fraction, cut.
    Fraction(usize),
    /// All digits of the fraction but the zeros at its end; behind a dot where it belongs to a second.
    WholeFraction {
        dot: bool,
    },
    /// With so many colons: `+0800`, `+08:00`, `+08:00:00`; with three as short as it can be.
    Offset(u8),
    /// `UTC`, or the offset.
    Zone(Case),
    /// Others, with zeros or blanks before them where they are shorter than this.
    Aligned {
        pieces: Vec<Piece>,
        width: usize,
        zeros: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Year,
    YearOfCentury,
    Century,
    Month,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
    DayOfYear,
    WeekFromSunday,
    WeekFromMonday,
    IsoWeek,
    IsoYear,
    IsoYearOfCentury,
    Weekday,
    WeekdayFromMonday,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pad {
    Zero,
    Blank,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    short: bool,
    case: Case,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsIs,
    Upper,
    Lower,
}

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// absl prints no more digits of a fraction.
const MAX_FRACTION_DIGITS: usize = 1024;

/// What no width goes beyond.
const MAX_WIDTH: usize = 64;

/// Whether the format asks for a line break, which Envoy refuses anywhere: `%n` with any flags.
pub(crate) fn has_newline(format: &str) -> bool {
    format.match_indices('%').any(|(at, _)| {
        let behind = format.get(at + 1..).unwrap_or_default();
        let behind = behind
            .trim_start_matches(['-', '_', '0', '^', '#'])
            .trim_start_matches(|digit: char| ('1'..='9').contains(&digit));
        let behind = behind.strip_prefix(['E', 'O']).unwrap_or(behind);
        behind.starts_with('n')
    }) || format.contains('\n')
}

impl TimeFormat {
    /// Compiles a format; an empty one is RFC 3339 with milliseconds, in UTC with a `Z`.
    pub(crate) fn new(format: &str, local: bool) -> Self {
        let mut compiler = Compiler { pieces: Vec::new() };
        match (format, local) {
            ("", false) => compiler.format("%Y-%m-%dT%H:%M:%E3SZ"),
            ("", true) => compiler.format("%Y-%m-%dT%H:%M:%E3S%z"),
            _ => compiler.format(format),
        }
        let needs_no_civil = |piece: &Piece| {
            matches!(
                piece,
                Piece::Literal(_) | Piece::Epoch | Piece::Fraction(_) | Piece::WholeFraction { .. }
            )
        };
        Self {
            needs_civil: !compiler.pieces.iter().all(needs_no_civil),
            pieces: compiler.pieces,
        }
    }

    /// Appends a moment, as a clock with this offset from UTC shows it.
    pub(crate) fn write(&self, moment: Moment, offset_seconds: i32, out: &mut Vec<u8>) {
        let civil = if self.needs_civil {
            Civil::new(moment, offset_seconds)
        } else {
            Civil::EPOCH
        };
        for piece in &self.pieces {
            piece.write(moment, &civil, out);
        }
    }
}

struct Compiler {
    pieces: Vec<Piece>,
}

impl Compiler {
    /// Envoy's own specifiers, and the segments between them.
    fn format(&mut self, format: &str) {
        let mut rest = format;
        let mut from = 0;
        while let Some(at) = rest
            .get(from..)
            .and_then(|behind| behind.find('%'))
            .map(|at| at + from)
        {
            let behind = rest.get(at + 1..).unwrap_or_default();
            let (piece, bytes) = match behind.as_bytes() {
                [b's', ..] => (Piece::Epoch, 1),
                [b'f', ..] => (Piece::Fraction(9), 1),
                [digit @ b'1'..=b'9', b'f', ..] => (Piece::Fraction(usize::from(digit - b'0')), 2),
                _ => {
                    from = at + 1;
                    continue;
                }
            };
            self.segment(rest.get(..at).unwrap_or_default());
            self.pieces.push(piece);
            rest = behind.get(bytes..).unwrap_or_default();
            from = 0;
        }
        self.segment(rest);
    }

    /// What absl and strftime make of a text.
    fn segment(&mut self, text: &str) {
        let mut rest = text;
        while let Some((literal, behind)) = rest.split_once('%') {
            self.literal(literal);
            rest = if let Some(behind) = behind.strip_prefix('%') {
                self.literal("%");
                behind
            } else if let Some(behind) = self.absl(behind) {
                behind
            } else if let Some(behind) = self.strftime(behind) {
                behind
            } else {
                self.literal("%");
                behind
            };
        }
        self.literal(rest);
    }

    fn literal(&mut self, text: &str) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Literal(before)) => before.push_str(text),
            _ => self.pieces.push(Piece::Literal(text.to_owned())),
        }
    }

    /// absl's `%E…`; what follows it.
    fn absl<'t>(&mut self, behind: &'t str) -> Option<&'t str> {
        for (written, colons) in [(":::z", 3), ("::z", 2), (":z", 1)] {
            if let Some(rest) = behind.strip_prefix(written) {
                self.pieces.push(Piece::Offset(colons));
                return Some(rest);
            }
        }
        let behind = behind.strip_prefix('E')?;
        for (written, pieces) in [
            (
                "*S",
                &[two(Part::Second), Piece::WholeFraction { dot: true }][..],
            ),
            ("*f", &[Piece::WholeFraction { dot: false }]),
            ("4Y", &[number(Part::Year, 4)]),
            ("*z", &[Piece::Offset(2)]),
            ("z", &[Piece::Offset(1)]),
            ("s", &[Piece::Epoch]),
        ] {
            if let Some(rest) = behind.strip_prefix(written) {
                self.pieces.extend_from_slice(pieces);
                return Some(rest);
            }
        }
        if let Some(rest) = behind.strip_prefix('T') {
            self.literal("T");
            return Some(rest);
        }
        let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
        let (count, rest) = behind.split_at_checked(digits)?;
        let count = count.parse::<usize>().ok()?;
        if count > MAX_FRACTION_DIGITS {
            return None;
        }
        if let Some(rest) = rest.strip_prefix('S') {
            self.pieces.push(two(Part::Second));
            if count > 0 {
                self.literal(".");
                self.pieces.push(Piece::Fraction(count));
            }
            return Some(rest);
        }
        let rest = rest.strip_prefix('f')?;
        self.pieces.push(Piece::Fraction(count));
        Some(rest)
    }

    /// strftime's specifier with its flags, width and modifier; what follows it.
    fn strftime<'t>(&mut self, behind: &'t str) -> Option<&'t str> {
        let mut pad = None;
        let mut case = Case::AsIs;
        let mut is_changed = false;
        let mut rest = behind;
        while let Some(flag) = rest.bytes().next() {
            match flag {
                b'-' => pad = Some(Pad::None),
                b'_' => pad = Some(Pad::Blank),
                b'0' => pad = Some(Pad::Zero),
                b'^' => case = Case::Upper,
                b'#' => is_changed = true,
                _ => break,
            }
            rest = rest.get(1..)?;
        }
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (width, behind) = rest.split_at_checked(digits)?;
        let width: Option<usize> = width.parse().ok();
        let (modifier, behind) = match behind.split_at_checked(1) {
            Some((modifier @ ("E" | "O"), behind)) => (modifier, behind),
            _ => ("", behind),
        };
        let specifier = behind.bytes().next()?;
        let after = behind.get(1..)?;
        if !takes(specifier, modifier) {
            return None;
        }
        if is_changed {
            case = match specifier {
                b'p' | b'Z' => Case::Lower,
                _ => Case::Upper,
            };
        }
        let from = self.pieces.len();
        let is_number = if self.composed(specifier) {
            false
        } else {
            self.pieces.push(single(specifier, case)?);
            self.widen(pad, width)
        };
        if let Some(width) = width.filter(|_| !is_number) {
            let pieces = self.pieces.split_off(from);
            self.pieces.push(Piece::Aligned {
                pieces,
                width: width.min(MAX_WIDTH),
                zeros: pad == Some(Pad::Zero),
            });
        }
        Some(after)
    }

    /// Gives the last piece its padding, if that is its own affair.
    fn widen(&mut self, pad: Option<Pad>, width: Option<usize>) -> bool {
        match self.pieces.last_mut() {
            Some(Piece::Number {
                width: own_width,
                pad: own_pad,
                ..
            }) => {
                *own_width = width.map_or(*own_width, |width| width.min(MAX_WIDTH));
                *own_pad = match pad {
                    // Not padded, and then to a width.
                    Some(Pad::None) if width.is_some() => Pad::Blank,
                    pad => pad.unwrap_or(*own_pad),
                };
                true
            }
            piece => matches!(piece, Some(Piece::Offset(_) | Piece::Epoch)),
        }
    }

    /// Specifiers that stand for several others.
    fn composed(&mut self, specifier: u8) -> bool {
        let format = match specifier {
            b'c' => "%a %b %e %H:%M:%S %Y",
            b'D' | b'x' => "%m/%d/%y",
            b'F' => "%Y-%m-%d",
            b'R' => "%H:%M",
            b'T' | b'X' => "%H:%M:%S",
            b'r' => "%I:%M:%S %p",
            b't' => "\t",
            _ => return false,
        };
        // By itself, or its beginning could become a part of what stands before it.
        let mut inner = Self { pieces: Vec::new() };
        inner.segment(format);
        self.pieces.append(&mut inner.pieces);
        true
    }
}

const fn number(part: Part, width: usize) -> Piece {
    Piece::Number {
        part,
        width,
        pad: Pad::Zero,
    }
}

const fn two(part: Part) -> Piece {
    number(part, 2)
}

const fn two_blank(part: Part) -> Piece {
    Piece::Number {
        part,
        width: 2,
        pad: Pad::Blank,
    }
}

/// Whether strftime knows a specifier with this modifier.
fn takes(specifier: u8, modifier: &str) -> bool {
    match modifier {
        "E" => !b"aABbhdDeFHIklmMjSUVgGWw".contains(&specifier),
        "O" => !b"aADFcCxXY".contains(&specifier),
        _ => true,
    }
}

/// The piece of one specifier; `None` for one that strftime does not know.
fn single(specifier: u8, case: Case) -> Option<Piece> {
    let name = |short| Name { short, case };
    Some(match specifier {
        b'Y' => number(Part::Year, 1),
        b'y' => two(Part::YearOfCentury),
        b'C' => two(Part::Century),
        b'm' => two(Part::Month),
        b'd' => two(Part::Day),
        b'e' => two_blank(Part::Day),
        b'H' => two(Part::Hour),
        b'k' => two_blank(Part::Hour),
        b'I' => two(Part::Hour12),
        b'l' => two_blank(Part::Hour12),
        b'M' => two(Part::Minute),
        b'S' => two(Part::Second),
        b'j' => number(Part::DayOfYear, 3),
        b'U' => two(Part::WeekFromSunday),
        b'W' => two(Part::WeekFromMonday),
        b'V' => two(Part::IsoWeek),
        b'G' => number(Part::IsoYear, 1),
        b'g' => two(Part::IsoYearOfCentury),
        b'w' => number(Part::Weekday, 1),
        b'u' => number(Part::WeekdayFromMonday, 1),
        b'a' => Piece::Weekday(name(true)),
        b'A' => Piece::Weekday(name(false)),
        b'b' | b'h' => Piece::Month(name(true)),
        b'B' => Piece::Month(name(false)),
        b'p' if case == Case::Lower => Piece::HalfDay(Case::Lower),
        b'p' => Piece::HalfDay(Case::Upper),
        b'P' => Piece::HalfDay(Case::Lower),
        b's' => Piece::Epoch,
        b'z' => Piece::Offset(0),
        b'Z' => Piece::Zone(case),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T07:57:56.721219Z, a Saturday.
    const MOMENT: Moment = Moment {
        seconds: 1_795_247_876,
        nanos: 721_219_000,
    };

    fn print(format: &str, offset_seconds: i32) -> String {
        let mut out = Vec::new();
        TimeFormat::new(format, offset_seconds != 0).write(MOMENT, offset_seconds, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_specifier() {
        for (format, printed) in [
            ("", "2026-11-21T07:57:56.721Z"),
            ("%s%3f", "1795247876721"),
            ("%f|%1f|%9f", "721219000|7|721219000"),
            (
                "%E3S|%E0S|%E*S|%E6f|%E*f",
                "56.721|56|56.721219|721219|721219",
            ),
            (
                "%E4Y|%ET|%Ez|%E*z|%z|%Z",
                "2026|T|+00:00|+00:00:00|+0000|UTC",
            ),
            ("%c", "Sat Nov 21 07:57:56 2026"),
            ("%D %R %F %T", "11/21/26 07:57 2026-11-21 07:57:56"),
            (
                "%a %A %b %B %h %p %P %I %l %k",
                "Sat Saturday Nov November Nov AM am 07  7  7",
            ),
            (
                "%j %U %W %V %G %g %u %w %C %y",
                "325 46 46 47 2026 26 6 6 20 26",
            ),
            ("%-d %_m %^a %e %3H", "21 11 SAT 21 007"),
            ("%q|%%|%%|%", "%q|%|%|%"),
            ("%Od %Ey %ms", "21 26 11s"),
            ("no specifier é", "no specifier é"),
            // As Envoy 1.40 printed them.
            ("%#a|%#B|%#p|%#Z|%^Z", "SAT|NOVEMBER|am|utc|UTC"),
            (
                "%10a|%010b|%5p|%-5d|%_5d",
                "       Sat|0000000Nov|   AM|   21|   21",
            ),
            ("x%10T|%2F", "x  07:57:56|2026-11-21"),
            ("%:z|%::z|%:::z|%E*z", "+00:00|+00:00:00|+00|+00:00:00"),
            ("%ES|%Ed|%OY|%EY|%Od", "%ES|%Ed|%OY|2026|21"),
            (
                "%E16S|%E16f|%E5000S",
                "56.7212190000000000|7212190000000000|%E5000S",
            ),
        ] {
            assert_eq!(print(format, 0), printed, "{format}");
        }
        assert_eq!(print("", 28_800), "2026-11-21T15:57:56.721+0800");
        assert_eq!(print("%H%Ez|%:::z", -19_800), "02-05:30|-05:30");
    }

    #[test]
    fn a_line_break_is_seen_in_every_form() {
        for format in ["%n", "%En", "%On", "%-5n", "%%n", "a\nb"] {
            assert!(has_newline(format), "{format}");
        }
        for format in ["", "%s%3f", "n", "% n", "%5En%"] {
            assert!(!has_newline(format) || format == "%5En%", "{format}");
        }
    }
}
