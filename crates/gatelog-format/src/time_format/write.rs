//! A moment, as a time format prints it.

use super::{Case, MONTHS, Name, Pad, Part, Piece, WEEKDAYS};
use crate::digits::{push_number, push_padded, push_unsigned};
use crate::moment::{Civil, Moment};

/// Divides nanoseconds so that the first so many digits remain.
const DIVISORS: [u32; 10] = [
    1_000_000_000,
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1_000,
    100,
    10,
    1,
];

impl Piece {
    /// Appends what it prints of a moment.
    pub(super) fn write(&self, moment: Moment, civil: &Civil, out: &mut Vec<u8>) {
        match self {
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Self::Number { part, width, pad } => {
                let number = part.of(civil);
                match pad {
                    Pad::Zero if *width == 2 && (0..100).contains(&number) => {
                        let number = u8::try_from(number).unwrap_or_default();
                        out.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
                    }
                    Pad::Zero => push_padded(number, *width, b'0', out),
                    Pad::Blank => push_padded(number, *width, b' ', out),
                    Pad::None => push_number(number, out),
                }
            }
            Self::Weekday(name) => name.write(&WEEKDAYS, civil.weekday, out),
            Self::Month(name) => name.write(&MONTHS, civil.month - 1, out),
            Self::HalfDay(case) => {
                let half = if civil.hour < 12 { "AM" } else { "PM" };
                case.write(half, out);
            }
            Self::Epoch => push_number(moment.seconds, out),
            Self::Fraction(digits) => write_fraction(moment.nanos, *digits, out),
            Self::WholeFraction { dot } => {
                if moment.nanos > 0 && *dot {
                    out.push(b'.');
                }
                let from = out.len();
                write_fraction(moment.nanos, 9, out);
                while out.len() > from && out.last() == Some(&b'0') {
                    out.pop();
                }
                if !dot && out.len() == from {
                    out.push(b'0');
                }
            }
            Self::Offset(colons) => write_offset(civil.offset_seconds, *colons, out),
            Self::Zone(case) if civil.offset_seconds == 0 => case.write("UTC", out),
            Self::Zone(_) => write_offset(civil.offset_seconds, 0, out),
            Self::Aligned {
                pieces,
                width,
                zeros,
            } => {
                let from = out.len();
                for piece in pieces {
                    piece.write(moment, civil, out);
                }
                let missing = width.saturating_sub(out.len() - from);
                let by = if *zeros { b'0' } else { b' ' };
                out.splice(from..from, std::iter::repeat_n(by, missing));
            }
        }
    }
}

impl Part {
    fn of(self, civil: &Civil) -> i64 {
        let sunday_based = civil.weekday;
        let monday_based = (civil.weekday + 6) % 7;
        match self {
            Self::Year => civil.year,
            Self::YearOfCentury => civil.year.rem_euclid(100),
            Self::Century => civil.year.div_euclid(100),
            Self::Month => civil.month,
            Self::Day => civil.day,
            Self::Hour => civil.hour,
            Self::Hour12 => (civil.hour + 11) % 12 + 1,
            Self::Minute => civil.minute,
            Self::Second => civil.second,
            Self::DayOfYear => civil.day_of_year + 1,
            Self::WeekFromSunday => (civil.day_of_year + 7 - sunday_based) / 7,
            Self::WeekFromMonday => (civil.day_of_year + 7 - monday_based) / 7,
            Self::IsoWeek => civil.iso_week().1,
            Self::IsoYear => civil.iso_week().0,
            Self::IsoYearOfCentury => civil.iso_week().0.rem_euclid(100),
            Self::Weekday => sunday_based,
            Self::WeekdayFromMonday => monday_based + 1,
        }
    }
}

impl Name {
    fn write(self, names: &[&str], index: i64, out: &mut Vec<u8>) {
        let index = usize::try_from(index).unwrap_or_default();
        let name = names.get(index).copied().unwrap_or_default();
        let name = if self.short {
            name.get(..3).unwrap_or(name)
        } else {
            name
        };
        self.case.write(name, out);
    }
}

impl Case {
    fn write(self, text: &str, out: &mut Vec<u8>) {
        out.extend(text.bytes().map(|byte| match self {
            Self::AsIs => byte,
            Self::Upper => byte.to_ascii_uppercase(),
            Self::Lower => byte.to_ascii_lowercase(),
        }));
    }
}

/// So many digits of the fraction; zeros behind the ninth.
fn write_fraction(nanos: u32, digits: usize, out: &mut Vec<u8>) {
    let Some(divisor) = DIVISORS.get(digits.min(9)) else {
        return;
    };
    if digits == 0 {
        return;
    }
    push_padded(i64::from(nanos / divisor), digits.min(9), b'0', out);
    out.extend(std::iter::repeat_n(b'0', digits.saturating_sub(9)));
}

fn write_offset(offset_seconds: i32, colons: u8, out: &mut Vec<u8>) {
    out.push(if offset_seconds < 0 { b'-' } else { b'+' });
    let offset = i64::from(offset_seconds.unsigned_abs());
    push_padded(offset / 3600, 2, b'0', out);
    let colons = match colons {
        3 if offset % 3600 == 0 => return,
        3 if offset % 60 == 0 => 1,
        colons => colons,
    };
    if colons > 0 {
        out.push(b':');
    }
    push_padded(offset / 60 % 60, 2, b'0', out);
    if colons > 1 {
        out.push(b':');
        push_unsigned(offset.unsigned_abs() % 60 / 10, out);
        push_unsigned(offset.unsigned_abs() % 10, out);
    }
}
