//! `metadata_hub`: what is published as filter state, for the gateway's own log.
//!
//! **Source.** `proxy.filters.http.metadata_hub.v2.ProtoCommonConfig` of Hango's Envoy, in `snake_case`
//! or camelCase, with or without `@type`.

use serde_json::Value;

use super::error::ConfigError;
use super::section::Section;

/// What is published. Key `k` is seen as `%FILTER_STATE(wasm.k:PLAIN)%`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetadataHubConfig {
    /// Request headers, as the client sent them. Default none.
    pub decode_headers_to_state: Vec<StateRecord>,
    /// Response headers, as they leave. Default none.
    pub encode_headers_to_state: Vec<StateRecord>,
    /// Namespaces of the route's metadata, of which every key is published. Default none.
    pub route_metadata_to_state: Vec<String>,
}

/// A header that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRecord {
    /// The header, in lower case; pseudo-headers (`:path`) too. Required.
    pub name: String,
    /// The key, in lower case. Default the header's name.
    pub key: String,
}

/// Entries of each list.
const MAX_ENTRIES: usize = 64;

impl MetadataHubConfig {
    pub(super) fn read(
        section: &mut Section,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>, ConfigError> {
        const HUB: &str = "metadata_hub";
        const KEYS: [&str; 9] = [
            "decode_headers_to_state",
            "encode_headers_to_state",
            "route_metadata_to_state",
            "set_to_metadata",
            "decodeHeadersToState",
            "encodeHeadersToState",
            "routeMetadataToState",
            "setToMetadata",
            "@type",
        ];
        let Some(mut section) = section.section(HUB, &KEYS)? else {
            return Ok(None);
        };
        let mut config = Self::default();
        for key in ["set_to_metadata", "setToMetadata"] {
            let records = records(&mut section, key)?;
            if !records.is_empty() {
                warnings.push(format!(
                    "`{}` is deprecated: it counts as more of `decode_headers_to_state`",
                    section.path(key)
                ));
            }
            config.decode_headers_to_state.extend(records);
        }
        for key in ["decode_headers_to_state", "decodeHeadersToState"] {
            let records = records(&mut section, key)?;
            config.decode_headers_to_state.extend(records);
        }
        for key in ["encode_headers_to_state", "encodeHeadersToState"] {
            let records = records(&mut section, key)?;
            config.encode_headers_to_state.extend(records);
        }
        for key in ["route_metadata_to_state", "routeMetadataToState"] {
            let namespaces = section.texts(key)?.unwrap_or_default();
            if namespaces.len() > MAX_ENTRIES || namespaces.iter().any(String::is_empty) {
                let problem = format!("must have at most {MAX_ENTRIES} names, none of them empty");
                return Err(section.wrong(key, problem));
            }
            config.route_metadata_to_state.extend(namespaces);
        }
        Ok(Some(config))
    }
}

fn records(section: &mut Section, key: &str) -> Result<Vec<StateRecord>, ConfigError> {
    let entries = match section.value(key) {
        None => return Ok(Vec::new()),
        Some(Value::Array(entries)) if entries.len() <= MAX_ENTRIES => entries,
        Some(Value::Array(_)) => {
            return Err(section.wrong(key, format!("must have at most {MAX_ENTRIES} entries")));
        }
        Some(_) => return Err(section.wrong(key, "must be a list of objects")),
    };
    let record = |(index, entry): (usize, Value)| {
        let place = section.path(&format!("{key}[{index}]"));
        let Value::Object(members) = entry else {
            return Err(ConfigError::unusable(place, "must be an object"));
        };
        let mut entry = Section::of(members, &format!("{place}."), &["name", "rename"])?;
        let Some(name) = entry.text("name")? else {
            return Err(entry.wrong("name", "is required"));
        };
        if !is_key(&name) {
            return Err(entry.wrong("name", "is no name of a header"));
        }
        // As protobuf has it, an empty text is an absent one.
        let rename = entry.text("rename")?.filter(|rename| !rename.is_empty());
        if rename.as_deref().is_some_and(|rename| !is_key(rename)) {
            return Err(entry.wrong("rename", "has characters that are not visible"));
        }
        Ok(StateRecord {
            key: rename.as_ref().unwrap_or(&name).to_ascii_lowercase(),
            name: name.to_ascii_lowercase(),
        })
    };
    entries.into_iter().enumerate().map(record).collect()
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(hub: &Value) -> Result<(MetadataHubConfig, Vec<String>), ConfigError> {
        let members = json!({"metadata_hub": hub}).as_object().unwrap().clone();
        let mut warnings = Vec::new();
        let mut section = Section::of(members, "", &["metadata_hub"])?;
        let config = MetadataHubConfig::read(&mut section, &mut warnings)?.unwrap();
        Ok((config, warnings))
    }

    #[test]
    fn hangos_own_configuration_is_read() {
        let (config, warnings) = read(&json!({
            "@type": "type.googleapis.com/proxy.filters.http.metadata_hub.v2.ProtoCommonConfig",
            "setToMetadata": [{"name": "X-Old"}],
            "decodeHeadersToState": [{"name": ":path", "rename": "X-Envoy-Origin-Path"}],
            "encode_headers_to_state": [{"name": ":status", "rename": ""}],
            "route_metadata_to_state": ["proxy.filters.http.metadatahub"],
        }))
        .unwrap();
        let record = |name: &str, key: &str| StateRecord {
            name: name.to_owned(),
            key: key.to_owned(),
        };
        let decode = [
            record("x-old", "x-old"),
            record(":path", "x-envoy-origin-path"),
        ];
        assert_eq!(config.decode_headers_to_state, decode);
        assert_eq!(
            config.encode_headers_to_state,
            [record(":status", ":status")]
        );
        assert_eq!(
            config.route_metadata_to_state,
            ["proxy.filters.http.metadatahub"]
        );
        assert!(
            warnings[0].contains("metadata_hub.setToMetadata"),
            "{warnings:?}"
        );
    }

    #[test]
    fn errors_name_the_entry() {
        for (hub, part) in [
            (json!({"decode": []}), "`metadata_hub.decode`"),
            (
                json!({"decode_headers_to_state": [{"name": "a"}, {"rename": "b"}]}),
                "`metadata_hub.decode_headers_to_state[1].name` is required",
            ),
            (
                json!({"decode_headers_to_state": [{"name": "a b"}]}),
                "decode_headers_to_state[0].name",
            ),
            (
                json!({"encode_headers_to_state": [{"name": "a", "to": "b"}]}),
                "encode_headers_to_state[0].to",
            ),
            (
                json!({"route_metadata_to_state": [""]}),
                "none of them empty",
            ),
            (json!(true), "`metadata_hub` must be an object"),
        ] {
            let error = read(&hub).unwrap_err().to_string();
            assert!(error.contains(part), "{hub}: {error}");
        }
    }
}
