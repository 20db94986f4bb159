//! Ages in the configuration: `30d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The units, the longest first, with their seconds.
const UNITS: [(char, u64); 4] = [('w', 604_800), ('d', 86_400), ('h', 3600), ('m', 60)];

const LEAST_SECONDS: u64 = 3600;
const MOST_SECONDS: u64 = 36_500 * 86_400;

/// A whole number of minutes, hours, days or weeks, from one hour to 36,500 days.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(try_from = "String", into = "String")]
pub struct Age {
    seconds: u64,
}

/// The text is no age. It is not shown: it may stand where a secret was meant to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a whole number with m, h, d or w behind it, from 1h to 36500d, such as 30d or 12h"
)]
pub struct AgeError;

impl Age {
    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl FromStr for Age {
    type Err = AgeError;

    fn from_str(text: &str) -> Result<Self, AgeError> {
        let seconds = UNITS.into_iter().find_map(|(unit, seconds)| {
            let number = text.strip_suffix(unit)?;
            let digits = number.bytes().all(|byte| byte.is_ascii_digit());
            let number: u64 = number.parse().ok().filter(|_| digits)?;
            number.checked_mul(seconds)
        });
        seconds
            .filter(|seconds| (LEAST_SECONDS..=MOST_SECONDS).contains(seconds))
            .map(|seconds| Self { seconds })
            .ok_or(AgeError)
    }
}

impl TryFrom<String> for Age {
    type Error = AgeError;

    fn try_from(text: String) -> Result<Self, AgeError> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        age.to_string()
    }
}

/// In the longest unit of which it is a whole number.
impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |&(_, seconds): &(char, u64)| self.seconds.is_multiple_of(seconds);
        let (unit, seconds) = UNITS.into_iter().find(fits).unwrap_or(('s', 1));
        write!(f, "{}{unit}", self.seconds / seconds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ages_have_a_unit_and_a_range() {
        for (text, seconds, shown) in [
            ("1h", 3600, "1h"),
            ("60m", 3600, "1h"),
            ("90m", 5400, "90m"),
            ("36h", 129_600, "36h"),
            ("30d", 2_592_000, "30d"),
            ("28d", 2_419_200, "4w"),
            ("36500d", 3_153_600_000, "36500d"),
        ] {
            let age: Age = text.parse().unwrap();
            assert_eq!(age.duration(), Duration::from_secs(seconds), "{text}");
            assert_eq!(age.to_string(), shown);
        }
        for text in [
            "",
            "d",
            "30",
            "30 d",
            "+30d",
            "-30d",
            "1.5d",
            "30D",
            "30s",
            "0d",
            "59m",
            "36501d",
            "99999999999999999999w",
            "30dd",
        ] {
            assert_eq!(text.parse::<Age>(), Err(AgeError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(minutes in 60_u64..=36_500 * 1440) {
            let age: Age = format!("{minutes}m").parse().unwrap();
            prop_assert_eq!(age.to_string().parse(), Ok(age));
        }
    }
}
