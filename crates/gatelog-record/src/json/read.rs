//! From the text of an object to a record.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::MAX_NESTING;
use super::key::{self, Key};
use super::scan::{Scan, Step};
use crate::field::{Field, Slot};
use crate::json_value::Raw;
use crate::{
    AccessRecord, DecodeError, Flaws, Headers, RecordId, Timestamp, ai_log, response_flag,
};

/// Reads the one object that `text` holds, and says what was odd about it.
///
/// # Errors
/// As [`read_next`]; also when something follows the object.
pub fn read(text: &str) -> Result<(AccessRecord<'_>, Flaws), DecodeError> {
    let (item, end) = read_next(text);
    match text.get(end..).map(str::trim_start) {
        Some(rest) if !rest.is_empty() && item.is_ok() => Err(DecodeError::Syntax(
            "something follows the object".to_owned(),
        )),
        _ => item,
    }
}

/// What stands at the start of a text.
#[derive(Debug)]
pub struct Next<'a> {
    /// The record and what was odd about it, or why it is none.
    pub item: Result<(AccessRecord<'a>, Flaws), DecodeError>,
    /// As of [`read_next`].
    pub end: usize,
    /// Whether a key that no record has holds an object: so are objects of another shape known.
    pub nested: bool,
}

/// As [`read_next`], also for callers who know objects of another shape.
pub fn look(text: &str) -> Next<'_> {
    let (item, end) = match read_plain(text) {
        Some((item, end)) => (Ok(item), end),
        None => read_any(text),
    };
    match item {
        Ok(item) => Next {
            nested: item.nested,
            item: item.finish(),
            end,
        },
        Err(error) => Next {
            item: Err(error),
            end,
            nested: false,
        },
    }
}

/// Reads the JSON value at the start of `text` (after white space), and says where it ends.
///
/// The end is that of the value even where its content is refused, so that the neighbours can be
/// read on. After a syntax error it is how far the reader had to look to find it: the caller decides
/// where to go on.
///
/// # Errors
/// [`DecodeError`] says which; the sender mends the item.
pub fn read_next(text: &str) -> (Result<(AccessRecord<'_>, Flaws), DecodeError>, usize) {
    let next = look(text);
    (next.item, next.end)
}

/// As [`read_next`], for objects that a [`Scan`] can read; `None` for any other text.
fn read_plain(text: &str) -> Option<(Item<'_>, usize)> {
    let mut scan = Scan::new(text)?;
    let mut item = Item::default();
    let mut first = true;
    loop {
        match scan.step(first) {
            Step::Member(name, value) => {
                if let Some((known, key)) = key::find(name) {
                    item.take_checked(known, key, value);
                } else if let Raw::Object(_) = value {
                    item.nested = true;
                }
            }
            Step::End(end) => return Some((item, end)),
            Step::GiveUp => return None,
        }
        first = false;
    }
}

/// As [`read_next`], for any text.
fn read_any(text: &str) -> (Result<Item<'_>, DecodeError>, usize) {
    let mut items = serde_json::Deserializer::from_str(text).into_iter::<Item<'_>>();
    match items.next() {
        Some(Ok(item)) => (Ok(item), items.byte_offset()),
        Some(Err(error)) => {
            let seen = place_of(&error, text);
            (Err(DecodeError::Syntax(error.to_string())), seen)
        }
        None => (Err(DecodeError::Syntax("nothing here".to_owned())), 0),
    }
}

/// The byte of `text` that stands behind the one an error names by line and column.
fn place_of(error: &serde_json::Error, text: &str) -> usize {
    let before = error.line().saturating_sub(1);
    let line = match before.checked_sub(1) {
        Some(nth) => text
            .match_indices('\n')
            .nth(nth)
            .map_or(0, |(at, _)| at + 1),
        None => 0,
    };
    (line + error.column()).min(text.len())
}

/// A record while its keys come in.
#[derive(Default)]
struct Item<'a> {
    record: AccessRecord<'a>,
    flaws: Flaws,
    known_keys: bool,
    /// See [`Next::nested`].
    nested: bool,
    /// The first thing that makes the item no record.
    problem: Option<DecodeError>,
    /// What stood in other gateways' keys: used where the field's own key has no value. Few objects
    /// have such keys, and a record is large.
    otherwise: Option<Box<AccessRecord<'a>>>,
}

impl<'a> Item<'a> {
    fn finish(mut self) -> Result<(AccessRecord<'a>, Flaws), DecodeError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if !self.known_keys {
            return Err(DecodeError::NoKnownKey);
        }
        if let Some(otherwise) = self.otherwise {
            self.record.fill(*otherwise, Field::ALL.iter().copied());
        }
        if let Some(flags) = self.record.response_flags.take() {
            self.record.response_flags = response_flag::normalize(flags);
        }
        if self.record.ai_log.is_some() {
            ai_log::promote(&mut self.record);
        }
        Ok((self.record, self.flaws))
    }

    /// Takes the value of a known key, if it is not nested too deep.
    fn take_checked(&mut self, name: &'static str, key: Key, value: Raw<'a>) {
        if value.depth() > MAX_NESTING {
            let key = name.to_owned();
            self.problem.get_or_insert(DecodeError::TooDeep {
                key,
                limit: MAX_NESTING,
            });
        } else {
            self.take(name, key, value);
        }
    }

    fn take(&mut self, name: &'static str, key: Key, value: Raw<'a>) {
        self.known_keys = true;
        let (record, field) = match key {
            Key::Field(field) => (&mut self.record, field),
            Key::Otherwise(field) => (self.otherwise.get_or_insert_default().as_mut(), field),
        };
        match record.slot(field) {
            Slot::Text(slot) => match (field, value) {
                (Field::ResponseFlags, Raw::Number(bits)) => {
                    *slot = bits.parse().ok().and_then(response_flag::from_bits);
                }
                _ if slot.is_some() && matches!(key, Key::Otherwise(_)) => {}
                _ => *slot = value.text(),
            },
            Slot::Integer(slot) => match value.integer() {
                Ok(_) if slot.is_some() && matches!(key, Key::Otherwise(_)) => {}
                Ok(number) => *slot = number,
                Err(found) => {
                    self.problem
                        .get_or_insert(DecodeError::NotAnInteger { key: name, found });
                }
            },
            Slot::Float(slot) => match value.text().map(|text| text.parse()) {
                // A weight: what does not count requests would spoil every sum it is in.
                Some(Ok(weight)) if f64::is_finite(weight) && weight > 0.0 => *slot = Some(weight),
                Some(_) => {
                    *slot = None;
                    self.flaws.insert(Flaws::SAMPLE_WEIGHT);
                }
                None => *slot = None,
            },
            Slot::Time(slot) => *slot = value.text().and_then(|text| Timestamp::parse(&text)),
            Slot::Id(slot) => *slot = value.text().and_then(|text| RecordId::parse(&text)),
            Slot::Headers(slot) => *slot = headers(value),
            Slot::Json(slot) if field == Field::AiLog => {
                if let Ok(object) = ai_log::read(value) {
                    *slot = object;
                } else {
                    *slot = None;
                    self.flaws.insert(Flaws::AI_LOG);
                }
            }
            Slot::Json(slot) => {
                *slot = match value {
                    Raw::Object(text) | Raw::Array(text) => Some(Cow::Borrowed(text)),
                    _ => None,
                }
            }
        }
    }
}

/// An object of header names with one value or an array of them.
fn headers(value: Raw<'_>) -> Headers<'_> {
    struct Visit;
    impl<'de> Visitor<'de> for Visit {
        type Value = Headers<'de>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers<'de>, A::Error> {
            let mut headers = Headers::new();
            while let Some((name, value)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                match Raw::new(value) {
                    Raw::Array(values) => {
                        let values: Vec<&'de RawValue> =
                            serde_json::from_str(values).unwrap_or_default();
                        for value in values {
                            headers.push(name.clone(), Raw::new(value).text().unwrap_or_default());
                        }
                    }
                    value => headers.push(name, value.text().unwrap_or_default()),
                }
            }
            Ok(headers)
        }
    }
    match value {
        Raw::Object(text) => serde_json::Deserializer::from_str(text)
            .deserialize_map(Visit)
            .unwrap_or_default(),
        _ => Headers::new(),
    }
}

impl<'de> Deserialize<'de> for Item<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

/// Reads any JSON value to its end; what is wrong with its content is kept in the item, so that
/// only broken syntax is an error of the reader.
struct ItemVisitor;

impl ItemVisitor {
    fn not_an_object<'a>(found: &'static str) -> Item<'a> {
        Item {
            problem: Some(DecodeError::NotAnObject { found }),
            ..Item::default()
        }
    }
}

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an access record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Item<'de>, A::Error> {
        let mut item = Item::default();
        while let Some(name) = map.next_key::<KeyText<'de>>()? {
            let Some((known, key)) = key::find(&name.0) else {
                let value = map.next_value::<&'de RawValue>()?;
                item.nested |= matches!(Raw::new(value), Raw::Object(_));
                continue;
            };
            let value = map.next_value::<&'de RawValue>()?;
            item.take_checked(known, key, Raw::new(value));
        }
        Ok(item)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Item<'de>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::not_an_object("an array"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Item<'de>, E> {
        Ok(Self::not_an_object("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Item<'de>, E> {
        Ok(Self::not_an_object("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Item<'de>, E> {
        Ok(Self::not_an_object("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Item<'de>, E> {
        Ok(Self::not_an_object("a number"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Item<'de>, E> {
        Ok(Self::not_an_object("a string"))
    }

    fn visit_unit<E>(self) -> Result<Item<'de>, E> {
        Ok(Self::not_an_object("null"))
    }
}

/// A key, borrowed where it holds no escapes.
struct KeyText<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for KeyText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = KeyText<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<KeyText<'de>, E> {
                Ok(KeyText(Cow::Borrowed(key)))
            }
            fn visit_str<E>(self, key: &str) -> Result<KeyText<'de>, E> {
                Ok(KeyText(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Visit)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json;
    use crate::standard;

    /// What both ways of reading make of a text. They are the same wherever the quick one does not
    /// give up; answers whether it did not.
    fn compare(text: &str) -> bool {
        let Some((item, end)) = read_plain(text) else {
            return false;
        };
        let (expected, expected_end) = read_any(text);
        let nested = expected.as_ref().is_ok_and(|expected| expected.nested);
        assert_eq!(item.nested, nested, "{text}");
        let expected = expected.and_then(Item::finish);
        assert_eq!((item.finish(), end), (expected, expected_end), "{text}");
        true
    }

    #[test]
    fn of_other_gateways_keys_the_first_with_a_value_counts() {
        // Behind a user agent that was written without escapes.
        let line =
            r#"{"uri":"/a","respCode":"-","respCode":"500","userAgent":"x","respCode":"200"}"#;
        let (record, _) = json::read(line).unwrap();
        assert_eq!(record.response_code, Some(500));
        assert!(compare(line));
    }

    #[test]
    fn an_object_in_a_key_that_no_record_has_is_told() {
        for (text, nested) in [
            (r#"{"method":"A","request":{}}"#, true),
            (r#"{"request":{"a":[1]},"m\u0065thod":"A"}"#, true),
            (
                r#"{"request":[{}],"ai_log":{},"req_headers":{"a":"b"}}"#,
                false,
            ),
            (r#"{"response_code":"x","request":{"a":"\n"}}"#, true),
            (r#"{"request":{},"#, false),
        ] {
            assert_eq!(look(text).nested, nested, "{text}");
            compare(text);
        }
    }

    #[test]
    fn records_as_gateways_write_them_are_read_the_quick_way() {
        let mut text = String::new();
        json::write(&standard::record(7, Timestamp::EPOCH), &mut text);
        assert!(compare(&text));
        assert!(compare(&format!(" {text}\n{text}")));
        assert!(compare(
            r#"{ "method" : "GET" , "x" : [1, {"a":"}"}], "duration":-12 }"#
        ));
        assert!(compare(
            r#"{"path":"a\"b","duration":"12","response_code":1e2,"api":"-"}"#
        ));
        assert!(compare(
            r#"{"ai_log":"{\"model\":\"m\"}","req_headers":{"a":["b","c"]}}"#
        ));
        assert!(compare(r#"{"duration":1.5,"path":null,"service":true}"#));
        for other in [
            "",
            "{}",
            "[]",
            "{\"a\":1",
            r#"{"a\u0062":1}"#,
            r#"{"a":01}"#,
            r#"{"a":tru}"#,
        ] {
            assert!(!compare(other), "{other}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_of_reading_agree(
            text in r#"\{("(method|duration|ai_log|path|uri|x|response_flags|start_time)"[ :]{1,2}("[a\\"{}é\n-]{0,9}"|-?[0-9.eE]{1,4}|null|true|nul|\{"a":\[1\]\}|[\[\]{},]{1,3})[, ]{0,2}){1,4}\}?[, x]{0,2}"#
        ) {
            compare(&text);
        }

        #[test]
        fn changed_records_are_read_alike(at in any::<prop::sample::Index>(), byte in 0x09u8..0x7f) {
            let mut text = String::new();
            json::write(&standard::record(3, Timestamp::EPOCH), &mut text);
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            compare(&String::from_utf8(bytes).unwrap());
        }
    }
}
