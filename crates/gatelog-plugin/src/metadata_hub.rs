//! Hango's metadata hub: values of the request and its route as filter state, so that the gateway's
//! own access log prints them.
//!
//! **Shape.** Key `k` is published with `set_property`, which Envoy stores as `wasm.k`:
//! `%FILTER_STATE(wasm.k:PLAIN)%`. Hango's own filter stores it as `k`; a wasm module cannot.
//!
//! **Invariants.** As in Hango's filter, keys are in lower case, of a repeated header the first value is
//! taken, nothing is stored for what is absent or empty, and of two headers under one key the first wins.
//! A value of the route is its text, `true` or `false`, an integer as such or another number with six
//! decimals; anything else is nothing.
//!
//! **Limits.** Values go into the access log as they are: a text format does not escape them. Where the
//! plugin is an access logger it never sees the headers on their way, and publishes nothing.
//!
//! **Source.** hango-io/envoy-proxy, `metadata_hub`; `envoy.config.core.v3.Metadata`;
//! `google/protobuf/struct.proto`.

use crate::config::{MetadataHubConfig, StateRecord};
use crate::host::Host;
use crate::protobuf::{self, Wire, fields};

/// Publishes what is known when the request's headers have come.
pub fn on_request_headers(host: &impl Host, hub: &MetadataHubConfig) {
    let ask = |name: &str| host.request_header(name);
    publish_headers(host, &hub.decode_headers_to_state, &[], ask);
    if hub.route_metadata_to_state.is_empty() {
        return;
    }
    // Older versions and some forks have the flat name.
    let metadata = host
        .property(&["xds", "route_metadata"])
        .or_else(|| host.property(&["route_metadata"]));
    let metadata = metadata.unwrap_or_default();
    for namespace in &hub.route_metadata_to_state {
        // Metadata: map<string, Struct> filter_metadata = 1; Struct: map<string, Value> fields = 1.
        let values = protobuf::entry(&metadata, 1, namespace).unwrap_or_default();
        for (key, value) in protobuf::entries(values, 1) {
            let (Ok(key), Some(value)) = (std::str::from_utf8(key), text(value)) else {
                continue;
            };
            publish(host, &key.to_ascii_lowercase(), value.as_bytes());
        }
    }
}

/// Publishes what is known when the response's headers have come.
pub fn on_response_headers(host: &impl Host, hub: &MetadataHubConfig) {
    let ask = |name: &str| host.response_header(name);
    let earlier = &hub.decode_headers_to_state;
    publish_headers(host, &hub.encode_headers_to_state, earlier, ask);
}

fn publish_headers(
    host: &impl Host,
    records: &[StateRecord],
    earlier: &[StateRecord],
    ask: impl Fn(&str) -> Option<Vec<u8>>,
) {
    for (index, record) in records.iter().enumerate() {
        let before = earlier.iter().chain(records.iter().take(index));
        let is_taken = before.filter(|other| other.key == record.key).count() > 0
            && is_published(host, &record.key);
        if !is_taken && let Some(value) = ask(&record.name) {
            publish(host, &record.key, &value);
        }
    }
}

fn is_published(host: &impl Host, key: &str) -> bool {
    let state = format!("wasm.{key}");
    host.property(&["filter_state", &state]).is_some()
}

fn publish(host: &impl Host, key: &str, value: &[u8]) {
    // A path is made of parts that end with NUL.
    if !key.is_empty() && !key.contains('\0') && !value.is_empty() {
        host.set_property(key, value);
    }
}

/// A `google.protobuf.Value` as Hango writes it.
fn text(value: &[u8]) -> Option<String> {
    // A oneof: the last one counts.
    let (number, value) = fields(value).last()?;
    Some(match (number, value) {
        (2, Wire::Fixed64(bits)) => {
            let number = f64::from_bits(bits);
            let decimals = if number.fract() == 0.0 { 0 } else { 6 };
            format!("{number:.decimals$}")
        }
        (3, Wire::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
        (4, Wire::Varint(value)) => (value != 0).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fake::Fake;

    fn record(name: &str, key: &str) -> StateRecord {
        StateRecord {
            name: name.to_owned(),
            key: key.to_owned(),
        }
    }

    /// A field with bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len() & 0x7f).unwrap();
        let more = u8::try_from(bytes.len() >> 7).unwrap();
        let mut field = vec![number << 3 | 2, length | 0x80, more];
        field.extend(bytes);
        field
    }

    fn entry(key: &str, value: &[u8]) -> Vec<u8> {
        field(1, &[field(1, key.as_bytes()), field(2, value)].concat())
    }

    /// The values of Hango's portal, and one of each other kind.
    fn metadata() -> Vec<u8> {
        let number = |number: f64| [&[0x11][..], &number.to_le_bytes()].concat();
        let values = [
            entry("qz_api_name", &field(3, b"shop")),
            entry("QZ_Project_Id", &number(7.0)),
            entry("ratio", &number(0.25)),
            entry("on", &[0x20, 1]),
            entry("list", &field(6, b"")),
            entry("empty", &field(3, b"")),
            entry("null", &[0x08, 0]),
        ];
        entry("proxy.filters.http.metadatahub", &values.concat())
    }

    #[test]
    fn the_route_is_published_as_hango_writes_it() {
        let mut host = Fake::default();
        host.set("xds.route_metadata", metadata());
        let hub = MetadataHubConfig {
            route_metadata_to_state: vec![
                "other".to_owned(),
                "proxy.filters.http.metadatahub".to_owned(),
            ],
            ..MetadataHubConfig::default()
        };
        on_request_headers(&host, &hub);
        let expected = [
            ("on", "true"),
            ("qz_api_name", "shop"),
            ("qz_project_id", "7"),
            ("ratio", "0.250000"),
        ];
        assert_eq!(
            host.published(),
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    #[test]
    fn headers_are_published_and_the_first_under_a_key_wins() {
        let host = Fake::default()
            .header(":path", "/a?b")
            .header("x-empty", "")
            .header("x-twice", "1")
            .header("x-twice", "2")
            .response_header(":status", "404");
        let hub = MetadataHubConfig {
            decode_headers_to_state: vec![
                record(":path", "x-envoy-origin-path"),
                record("x-twice", "x-envoy-origin-path"),
                record("x-twice", "twice"),
                record("x-empty", "empty"),
                record("x-absent", "late"),
            ],
            encode_headers_to_state: vec![
                record(":status", "twice"),
                record(":status", "late"),
                record("x-none", "none"),
            ],
            ..MetadataHubConfig::default()
        };
        on_request_headers(&host, &hub);
        on_response_headers(&host, &hub);
        let expected = [
            ("late", "404"),
            ("twice", "1"),
            ("x-envoy-origin-path", "/a?b"),
        ];
        assert_eq!(
            host.published(),
            expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
    }

    proptest! {
        #[test]
        fn no_bytes_panic(metadata in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut host = Fake::default();
            host.set("route_metadata", metadata);
            let hub = MetadataHubConfig {
                route_metadata_to_state: vec![String::new()],
                ..MetadataHubConfig::default()
            };
            on_request_headers(&host, &hub);
        }
    }
}
