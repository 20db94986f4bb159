//! Captured headers, read back from the text of a JSON object, the form their columns have.
//!
//! **Shape.** As `json::write_headers` writes it: values of one name that follow each other are an
//! array, and a name that comes again behind another one is a key again, so the order comes back as
//! it was.

use gatelog_record::Headers;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Reads what [`json::write_headers`](gatelog_record::json::write_headers) wrote; of any other text, what
/// can be read before its first flaw.
pub(super) fn read(text: &str) -> Headers<'static> {
    let mut headers = Headers::new();
    let read = serde_json::Deserializer::from_str(text).deserialize_map(Object(&mut headers));
    if let Err(error) = read {
        tracing::warn!(%error, "headers in the lake could not be read to their end");
    }
    headers
}

struct Object<'h>(&'h mut Headers<'static>);

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object of header names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            map.next_value_seed(Values {
                name,
                headers: self.0,
            })?;
        }
        Ok(())
    }
}

/// The value, or the array of values, of one name.
struct Values<'h> {
    name: String,
    headers: &'h mut Headers<'static>,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a header value or an array of them")
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.headers.push(self.name, value.to_owned());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        while let Some(value) = values.next_element::<String>()? {
            self.headers.push(self.name.clone(), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use gatelog_record::json;

    use super::*;

    proptest! {
        #[test]
        fn headers_read_back(pairs in prop::collection::vec(("[a-c]{1,2}", any::<String>()), 0..6)) {
            let mut headers = Headers::new();
            for (name, value) in pairs {
                headers.push(name, value);
            }
            let mut text = String::new();
            json::write_headers(&headers, &mut text);
            prop_assert_eq!(read(&text), headers);
        }
    }

    #[test]
    fn neighbours_of_one_name_share_an_array() {
        let mut headers = Headers::new();
        for (name, value) in [("a", "1"), ("a", ""), ("b", "-"), ("a", "2")] {
            headers.push(name, value);
        }
        let mut text = String::new();
        json::write_headers(&headers, &mut text);
        assert_eq!(text, r#"{"a":["1",""],"b":"-","a":"2"}"#);
    }
}
