//! Moments and their calendar.

use gatelog_record::Timestamp;

/// A moment, to the nanosecond: since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub(crate) seconds: i64,
    /// Below 1,000,000,000.
    pub(crate) nanos: u32,
}

impl Moment {
    /// From nanoseconds since the epoch.
    pub fn from_nanos(nanos: i64) -> Self {
        Self {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default(),
        }
    }
}

impl From<Timestamp> for Moment {
    fn from(time: Timestamp) -> Self {
        let micros = time.micros();
        Self {
            seconds: micros.div_euclid(1_000_000),
            nanos: u32::try_from(micros.rem_euclid(1_000_000)).unwrap_or_default() * 1000,
        }
    }
}

/// Day and time of a moment, as a clock with this offset from UTC shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// 0 is Sunday.
    pub(crate) weekday: i64,
    /// 0 is the first of January.
    pub(crate) day_of_year: i64,
    pub(crate) offset_seconds: i32,
}

const DAY_SECONDS: i64 = 86_400;

impl Civil {
    /// 1970-01-01T00:00:00Z, a Thursday.
    pub(crate) const EPOCH: Self = Self {
        year: 1970,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        weekday: 4,
        day_of_year: 0,
        offset_seconds: 0,
    };

    pub(crate) fn new(moment: Moment, offset_seconds: i32) -> Self {
        let local = moment.seconds.saturating_add(i64::from(offset_seconds));
        let days = local.div_euclid(DAY_SECONDS);
        let second = local.rem_euclid(DAY_SECONDS);
        let (year, month, day) = date(days);
        Self {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            weekday: (days + 4).rem_euclid(7),
            day_of_year: days - days_before(year, 1, 1),
            offset_seconds,
        }
    }

    /// Year and week of ISO 8601.
    pub(crate) fn iso_week(&self) -> (i64, i64) {
        // The Thursday of a week says whose week it is.
        let monday_based = (self.weekday + 6) % 7;
        let thursday = self.day_of_year - monday_based + 3;
        let year = if thursday < 0 {
            self.year - 1
        } else if thursday >= days_before(self.year + 1, 1, 1) - days_before(self.year, 1, 1) {
            self.year + 1
        } else {
            return (self.year, thursday / 7 + 1);
        };
        let shift = days_before(self.year, 1, 1) - days_before(year, 1, 1);
        (year, (thursday + shift) / 7 + 1)
    }
}

/// Days from the epoch to a date of the Gregorian calendar.
///
/// Counted in years that begin in March, so that the leap day is the last of its year (Howard Hinnant,
/// "chrono-compatible low-level date algorithms").
pub(crate) fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after the epoch: the inverse of [`days_before`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn civil(seconds: i64) -> Civil {
        Civil::new(Moment { seconds, nanos: 0 }, 0)
    }

    #[test]
    fn known_days() {
        let day = civil(1_795_247_876);
        assert_eq!((day.year, day.month, day.day), (2026, 11, 21));
        assert_eq!((day.hour, day.minute, day.second), (7, 57, 56));
        assert_eq!((day.weekday, day.day_of_year), (6, 324));
        assert_eq!(day.iso_week(), (2026, 47));
        // 2027-01-01 is a Friday of the last week of 2026; 2024-12-30 a Monday of the first of 2025.
        assert_eq!(civil(1_798_761_600).iso_week(), (2026, 53));
        assert_eq!(civil(1_735_516_800).iso_week(), (2025, 1));
        assert_eq!(civil(951_782_400).day, 29);
    }

    proptest! {
        #[test]
        fn a_date_is_as_many_days_after_the_epoch_as_it_says(days in -800_000i64..3_000_000) {
            let (year, month, day) = date(days);
            prop_assert_eq!(days_before(year, month, day), days);
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&day));
        }
    }
}
