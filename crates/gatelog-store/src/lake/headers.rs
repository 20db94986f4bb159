//! Captured headers as the text of a JSON object, the form their columns have.
//!
//! **Shape.** `{"name":"value","other":["first","second"]}`: values of one name that follow each
//! other are an array. A name that comes again behind another one is a key again, so the order
//! comes back as it was, and a record with very many headers costs no more than its length.

use gatelog_record::{Headers, json};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Appends the object to `out`.
pub(super) fn write(headers: &Headers<'_>, out: &mut String) {
    let mut separator = '{';
    let mut headers = headers.iter().peekable();
    while let Some((name, value)) = headers.next() {
        out.push(separator);
        separator = ',';
        json::write_text(name, out);
        out.push(':');
        let mut more = headers.next_if(|(next, _)| *next == name);
        let repeats = more.is_some();
        if repeats {
            out.push('[');
        }
        json::write_text(value, out);
        while let Some((_, value)) = more {
            out.push(',');
            json::write_text(value, out);
            more = headers.next_if(|(next, _)| *next == name);
        }
        if repeats {
            out.push(']');
        }
    }
    out.push_str(if separator == '{' { "{}" } else { "}" });
}

/// Reads what [`write()`] wrote; of any other text, what can be read before its first flaw.
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

    use super::*;

    proptest! {
        #[test]
        fn headers_read_back(pairs in prop::collection::vec(("[a-c]{1,2}", any::<String>()), 0..6)) {
            let mut headers = Headers::new();
            for (name, value) in pairs {
                headers.push(name, value);
            }
            let mut text = String::new();
            write(&headers, &mut text);
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
        write(&headers, &mut text);
        assert_eq!(text, r#"{"a":["1",""],"b":"-","a":"2"}"#);
    }
}
