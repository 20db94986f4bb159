//! A moment, or how long ago it was.

use gatelog_record::Timestamp;

/// The units with their seconds.
const UNITS: [(char, i64); 5] = [
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3600),
    ('m', 60),
    ('s', 1),
];

/// A moment as an argument says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// So many seconds ago.
    Ago(i64),
    /// This one.
    At(Timestamp),
}

impl When {
    /// The moment, seen from this one. Nothing is before 1970.
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(seconds) => Timestamp::from_micros(
                now.micros()
                    .saturating_sub(seconds.saturating_mul(1_000_000)),
            ),
            Self::At(moment) => moment,
        }
    }
}

/// Reads an argument.
pub(super) fn when(text: &str) -> Result<When, String> {
    let ago = UNITS.into_iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: i64 = number.parse().ok().filter(|_| digits)?;
        Some(When::Ago(number.checked_mul(seconds)?))
    });
    ago.or_else(|| Timestamp::parse(text).map(When::At))
        .ok_or_else(|| {
            "expected an age such as 30m, 12h, 1d or 2w, or a time such as 2026-03-23T02:10:01Z"
                .to_owned()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_moments_are_told_apart() {
        let now = Timestamp::from_millis(1_774_231_801_000);
        let seconds = |text: &str| {
            let before = when(text).unwrap().before(now);
            (now.micros() - before.micros()) / 1_000_000
        };
        for (text, ago) in [
            ("90s", 90),
            ("30m", 1800),
            ("12h", 43_200),
            ("1d", 86_400),
            ("2w", 1_209_600),
            ("0s", 0),
        ] {
            assert_eq!(seconds(text), ago, "{text}");
        }
        assert_eq!(seconds("2026-03-23T02:10:00Z"), 1);
        assert_eq!(seconds("1774231800"), 1);
        assert_eq!(when("9999w").unwrap().before(now), Timestamp::EPOCH);
        for wrong in [
            "",
            "d",
            "1",
            "-1d",
            "+1d",
            "1.5h",
            "1y",
            "99999999999999999999w",
            "yesterday",
        ] {
            // A bare number is a moment in seconds.
            assert_eq!(when(wrong).is_ok(), wrong == "1", "{wrong}");
        }
    }
}
