//! The members of a JSON object, each as it stands.
//!
//! **Invariants.** Of a name that comes twice the last value counts, in the place of the last.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use gatelog_record::json;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Up to so many members it is cheaper to compare the names than to hash them.
const FEW: usize = 24;

/// The text of one JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'t>(&'t str);

impl<'t> Json<'t> {
    /// As it stands.
    pub(crate) fn raw(self) -> &'t str {
        self.0
    }

    fn begins_with(self, byte: u8) -> bool {
        self.0.as_bytes().first() == Some(&byte)
    }

    pub(crate) fn is_object(self) -> bool {
        self.begins_with(b'{')
    }

    pub(crate) fn is_array(self) -> bool {
        self.begins_with(b'[')
    }

    pub(crate) fn is_string(self) -> bool {
        self.begins_with(b'"')
    }

    pub(crate) fn is_null(self) -> bool {
        self.begins_with(b'n')
    }

    /// As the text of a field: nothing for the words for nothing.
    pub(crate) fn text(self) -> Option<Cow<'t, str>> {
        json::text_of(self.0)
    }

    /// What a string says.
    pub(crate) fn string(self) -> Option<Cow<'t, str>> {
        json::string_of(self.0)
    }

    /// An integer; nothing for the words for nothing.
    ///
    /// # Errors
    /// What stands there instead.
    pub(crate) fn integer(self) -> Result<Option<i64>, String> {
        json::integer_of(self.0)
    }

    /// A number, also one in a string, rounded to an integer.
    pub(crate) fn rounded(self) -> Option<i64> {
        /// Beyond these a float is no number of anything that is measured.
        const MOST: f64 = 1e15;
        if let Ok(number) = self.integer() {
            return number;
        }
        let number: f64 = self.text()?.parse().ok()?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an integer below 10^15 after rounding"
        )]
        (number.abs() < MOST).then(|| number.round() as i64)
    }

    /// The members, if it is an object.
    pub(crate) fn members(self) -> Option<Members<'t>> {
        Members::of(self.0)
    }

    /// The elements, if it is an array.
    pub(crate) fn elements(self) -> Option<Vec<Json<'t>>> {
        if !self.is_array() {
            return None;
        }
        let values: Vec<&'t RawValue> = serde_json::from_str(self.0).ok()?;
        Some(values.into_iter().map(|value| Json(value.get())).collect())
    }
}

/// The members of an object, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members<'t>(Vec<(Cow<'t, str>, Json<'t>)>);

impl<'t> Members<'t> {
    /// Of the object with this text; `None` for any other text.
    pub(crate) fn of(text: &'t str) -> Option<Self> {
        if !text.starts_with('{') {
            return None;
        }
        let mut members: Self = serde_json::from_str(text).ok()?;
        members.leave_last();
        Some(members)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Json<'t>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    pub(crate) fn get(&self, name: &str) -> Option<Json<'t>> {
        let mut members = self.iter();
        members.find(|(found, _)| *found == name).map(|(_, v)| v)
    }

    /// Takes the member of this name away.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json<'t>> {
        let place = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.remove(place).1)
    }

    /// Leaves of each name the last member.
    fn leave_last(&mut self) {
        let members = &self.0;
        let comes_again = |at: usize, name: &str| {
            let behind = members.get(at + 1..).unwrap_or_default();
            behind.iter().any(|(other, _)| other == name)
        };
        let keep: Vec<bool> = if members.len() <= FEW {
            let places = members.iter().enumerate();
            places
                .map(|(at, (name, _))| !comes_again(at, name))
                .collect()
        } else {
            let mut seen = HashSet::with_capacity(members.len());
            let last_first = members.iter().rev();
            let mut keep: Vec<_> = last_first
                .map(|(name, _)| seen.insert(name.as_ref()))
                .collect();
            keep.reverse();
            keep
        };
        if keep.contains(&false) {
            let mut keep = keep.into_iter();
            self.0.retain(|_| keep.next().unwrap_or(true));
        }
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                    members.push((name.0, Json(value.get())));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

/// A key, borrowed where it holds no escapes.
struct Name<'t>(Cow<'t, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Visit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_name_counts_among_few_and_among_many() {
        let few = r#"{"a":1,"b":[ {} ],"\u0061":"x"}"#;
        let members = Members::of(few).unwrap();
        let found: Vec<_> = members
            .iter()
            .map(|(name, value)| (name, value.raw()))
            .collect();
        assert_eq!(found, [("b", "[ {} ]"), ("a", "\"x\"")]);
        let many: Vec<_> = (0..100).map(|n| format!("\"k{}\":{n}", n % 40)).collect();
        let many = format!("{{{}}}", many.join(","));
        let members = Members::of(&many).unwrap();
        assert_eq!(members.iter().count(), 40);
        assert_eq!(members.get("k3").map(Json::raw), Some("83"));
        for other in ["", "[]", "7", "null", "{", "{\"\\ud800\":1}"] {
            assert!(Members::of(other).is_none(), "{other}");
        }
    }

    #[test]
    fn numbers_of_a_clock_are_rounded() {
        let rounded = |json: &'static str| Json(json).rounded();
        assert_eq!(rounded("12"), Some(12));
        assert_eq!(rounded("1000.9999999999999"), Some(1001));
        assert_eq!(rounded("\"9.2\""), Some(9));
        for nothing in ["null", "\"-\"", "[]", "true", "1e300", "\"x\"", "\"NaN\""] {
            assert_eq!(rounded(nothing), None, "{nothing}");
        }
    }
}
