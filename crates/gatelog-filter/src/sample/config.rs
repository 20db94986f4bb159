//! The policy, as it is configured.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which part of the records is kept, and what is kept all the same.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SampleConfig {
    /// Part of the records that is kept, from 0 to 1. Default 1.
    #[cfg_attr(feature = "schema", schemars(with = "f64"))]
    pub rate: Part,
    /// What is kept whatever the rate.
    pub keep: KeepConfig,
    /// Bytes that may be kept in a day of UTC: as they are used up, the rate falls. Default no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub budget_per_day: Option<ByteCount>,
}

/// What is kept whatever the rate.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeepConfig {
    /// Responses with this code or a higher one, and those without any: nothing was answered. From 1 to
    /// 999. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "status")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 999)))]
    pub status_ge: Option<u16>,
    /// Slower requests than this: `500ms`, `2s`, or `p99` for the slowest hundredth of each route.
    /// Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub slower_than: Option<SlowerThan>,
    /// Requests with any response flag (`any`), or with one of a list. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
    pub flags: Option<FlagRule>,
    /// Requests of routes that are seldom used. Default false.
    pub rare_routes: bool,
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Part(f64);

impl Part {
    /// All of it.
    pub const ALL: Self = Self(1.0);

    /// A part; `None` for what is not from 0 to 1.
    pub fn new(part: f64) -> Option<Self> {
        (0.0..=1.0).contains(&part).then_some(Self(part))
    }

    /// As a number.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Part {
    fn default() -> Self {
        Self::ALL
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let part = f64::deserialize(deserializer)?;
        Self::new(part).ok_or_else(|| D::Error::custom(format!("`{part}` is not from 0 to 1")))
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let status = Option::<u16>::deserialize(deserializer)?;
    match status {
        Some(code @ (0 | 1000..)) => Err(D::Error::custom(format!(
            "`{code}` is no status from 1 to 999"
        ))),
        status => Ok(status),
    }
}

/// From when on a request is slow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SlowerThan {
    /// Milliseconds.
    Milliseconds(u64),
    /// Percent of the route's requests, above 0 and below 100.
    Percentile(f64),
}

impl FromStr for SlowerThan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "`{text}` is neither a time such as `500ms` or `2s` nor a percentile such as `p99`"
            )
        };
        if let Some(percent) = text.strip_prefix('p') {
            let percent: f64 = percent.parse().map_err(|_| refused())?;
            let is_part = percent > 0.0 && percent < 100.0;
            return is_part
                .then_some(Self::Percentile(percent))
                .ok_or_else(refused);
        }
        let (number, unit_ms) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s').ok_or_else(refused)?, 1000),
        };
        let number: u64 = number.parse().map_err(|_| refused())?;
        let milliseconds = number.checked_mul(unit_ms).ok_or_else(refused)?;
        Ok(Self::Milliseconds(milliseconds))
    }
}

impl fmt::Display for SlowerThan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Milliseconds(milliseconds) => write!(f, "{milliseconds}ms"),
            Self::Percentile(percent) => write!(f, "p{percent}"),
        }
    }
}

/// Bytes, with their unit: `20GiB`, `500MB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteCount(pub u64);

/// The larger ones of a kind first, so that a number is written with the largest that fits it.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

impl FromStr for ByteCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is no number of bytes such as `20GiB` or `500MB`");
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
            .unwrap_or((text, 1));
        let number: u64 = number.trim_end().parse().map_err(|_| refused())?;
        number.checked_mul(unit).map(Self).ok_or_else(refused)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: u64| self.0 > 0 && self.0.is_multiple_of(unit);
        let unit = UNITS.iter().find(|(_, unit)| fits(*unit));
        let (name, unit) = unit.copied().unwrap_or(("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

/// Which flags a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlagRule {
    /// Any flag at all.
    Any,
    /// One of these short names.
    Names(Vec<String>),
}

impl FlagRule {
    fn checked(names: Vec<String>) -> Result<Self, String> {
        let known = gatelog_record::response_flag::NAMES;
        let wrong = names.iter().find(|name| !known.contains(&name.as_str()));
        match wrong {
            None => Ok(Self::Names(names)),
            Some(name) => Err(format!(
                "`{name}` is no response flag; they are {}",
                known.join(", ")
            )),
        }
    }
}

macro_rules! as_text {
    ($($name:ident: $expected:literal, $number:expr;)*) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: Error>(self, number: u64) -> Result<$name, E> {
                        let from_number: fn(u64) -> Option<$name> = $number;
                        from_number(number).ok_or_else(|| {
                            E::invalid_value(serde::de::Unexpected::Unsigned(number), &self)
                        })
                    }
                }

                deserializer.deserialize_any(Text)
            }
        }
    )* };
}

as_text! {
    SlowerThan: "a time such as `500ms` or `2s`, or a percentile such as `p99`", |_| None;
    ByteCount: "a number of bytes such as `20GiB`", |bytes| Some(ByteCount(bytes));
}

impl Serialize for FlagRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Names(names) => names.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for FlagRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyOrNames;

        impl<'de> Visitor<'de> for AnyOrNames {
            type Value = FlagRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`any`, or a list of response flags such as `[UF, URX]`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<FlagRule, E> {
                match text {
                    "any" => Ok(FlagRule::Any),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<FlagRule, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                FlagRule::checked(names).map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(AnyOrNames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<SampleConfig, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn the_policy_of_the_manual_is_read_and_written() {
        let yaml = "{rate: 0.1, keep: {status_ge: 400, slower_than: p99, flags: any, rare_routes: true}, \
                    budget_per_day: 20GiB}";
        let config = read(yaml).unwrap();
        assert_eq!(config.rate, Part(0.1));
        assert_eq!(config.keep.status_ge, Some(400));
        assert_eq!(config.keep.slower_than, Some(SlowerThan::Percentile(99.0)));
        assert_eq!(config.keep.flags, Some(FlagRule::Any));
        assert_eq!(config.budget_per_day, Some(ByteCount(20 << 30)));
        let json = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<SampleConfig>(&json).unwrap(), config);
        assert!(json.contains("\"20GiB\""), "{json}");
        assert_eq!(read("{}").unwrap(), SampleConfig::default());
        let config = read("{keep: {slower_than: 500ms, flags: [UF, URX]}, budget_per_day: 1000}");
        let config = config.unwrap();
        assert_eq!(config.keep.slower_than, Some(SlowerThan::Milliseconds(500)));
        assert_eq!(config.budget_per_day, Some(ByteCount(1000)));
    }

    #[test]
    fn errors_name_what_is_allowed() {
        for (yaml, part) in [
            ("{rate: 1.5}", "not from 0 to 1"),
            ("{rate: .nan}", "not from 0 to 1"),
            ("{rates: 1}", "unknown field"),
            ("{keep: {slower_than: p100}}", "a percentile such as"),
            ("{keep: {slower_than: 5}}", "a time such as"),
            ("{keep: {flags: some}}", "`any`, or a list"),
            ("{keep: {flags: [XX]}}", "`XX` is no response flag"),
            ("{keep: {status_ge: 0}}", "from 1 to 999"),
            ("{keep: {status: 400}}", "status_ge"),
            ("{budget_per_day: 20Gib}", "such as `20GiB`"),
            ("{budget_per_day: -1}", "such as `20GiB`"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(part), "{yaml}: {error}");
        }
    }
}
