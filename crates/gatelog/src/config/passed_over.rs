//! Kong's top-level lists that mean nothing here: a file of Kong's is taken with them, and nothing of
//! them is kept.

use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use super::Config;
use super::plugins::IGNORED_LISTS;

/// What tools write into such a file for themselves.
const IGNORED_NOTES: [&str; 4] = ["_ignore", "_info", "_workspace", "_konnect"];

/// A configuration as a file has it.
#[derive(Debug)]
pub(super) struct File(pub(super) Config);

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Config::deserialize(Without(deserializer)).map(Self)
    }
}

/// What is read without the lists, at its top level.
struct Without<T>(T);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Without<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Without(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, Without(visitor))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Without<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Without(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(seq)
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Without<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        loop {
            let Some(key) = self.0.next_key::<String>()? else {
                return Ok(None);
            };
            if IGNORED_NOTES.contains(&key.as_str()) || IGNORED_LISTS.contains(&key.as_str()) {
                self.0.next_value::<IgnoredAny>()?;
                continue;
            }
            let key: StringDeserializer<A::Error> = key.into_deserializer();
            return seed.deserialize(key).map(Some);
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    #[test]
    fn what_tools_and_other_kongs_write_is_passed_over() {
        let yaml = "
_info: {defaults: {}, select_tags: [a]}
_workspace: default
plugins:
- {name: file-log, config: {path: /x}, consumer_group: null, ordering: null, run_on: first}
";
        assert_eq!(parse(yaml).unwrap().plugins.len(), 1);
        let error = parse(&yaml.replace("group: null", "group: gold")).unwrap_err();
        let told = "consumer_group: value must be null: gatelog knows no consumer groups";
        assert!(error.contains(told), "{error}");
    }

    #[test]
    fn kongs_other_lists_are_passed_over() {
        let yaml = "
_format_version: \"2.1\"
_transform: false
_comment: a file of Kong's
_ignore: [anything]
listen: 127.0.0.1:1
upstreams: [{name: u, targets: [{target: \"10.0.0.1:80\"}]}]
certificates: [{cert: x, key: s3cret}]
consumers:
  - username: bob
    keyauth_credentials: [{key: s3cret}]
    acls: [{group: g}]
keyauth_credentials: [{key: s3cret, consumer: bob}]
";
        let config = parse(yaml).unwrap();
        assert_eq!(config.listen.port(), 1);
        assert!(!serde_json::to_string(&config).unwrap().contains("s3cret"));
        let error = parse("listen: 127.0.0.1:1\nupstream: []\n").unwrap_err();
        for part in ["upstream", "line 2", "plugins"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn another_format_is_refused() {
        let check = |text: &str| crate::config::check(&parse(text).unwrap());
        for version in ["1.1", "2.1", "3.0"] {
            assert!(check(&format!("_format_version: \"{version}\"")).is_ok());
        }
        let error = check("_format_version: \"4.0\"").unwrap_err().to_string();
        assert_eq!(error, "_format_version: expected one of: 1.1, 2.1, 3.0");
    }
}
