//! What is recorded of a request: the keys that a rule may override.

use gatelog_filter::config::from_pasted;
use gatelog_filter::{Filter, Runtime};
use gatelog_redact::{HashKey, How, Redact, Rules};
use serde_json::{Map, Value};

use super::capture::CaptureConfig;
use super::delivery::is_header_name;
use super::error::ConfigError;
use super::metadata_hub::MetadataHubConfig;
use super::section::Section;

/// The keys of [`Recording`].
pub(super) const KEYS: [&str; 5] = [
    "capture",
    "consumer_header",
    "filter",
    "redact",
    "metadata_hub",
];

/// What is recorded of a request.
#[derive(Debug)]
pub struct Recording {
    /// What is captured beyond the columns.
    pub capture: CaptureConfig,
    /// The request header that names the consumer, in lower case. Default `x-mse-consumer`, which
    /// Higress' authentication plugins set.
    pub consumer_header: String,
    /// Which requests are recorded, with which weight: Envoy's `AccessLogFilter`, or anything around
    /// one, without CEL. Runtime keys have their defaults here. Default every request.
    pub filter: Option<Filter>,
    /// What is redacted besides the names of the contract: `headers`, `query`, `body`, `how`, and
    /// `hash_key` where `how` is `hash`. Default nothing more.
    pub redact: Rules,
    /// What is published as filter state. Default nothing.
    pub metadata_hub: Option<MetadataHubConfig>,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            capture: CaptureConfig::default(),
            consumer_header: CONSUMER_HEADER.to_owned(),
            filter: None,
            redact: Rules::default(),
            metadata_hub: None,
        }
    }
}

/// As Higress' authentication plugins write it.
const CONSUMER_HEADER: &str = "x-mse-consumer";

impl Recording {
    /// Reads the keys that are there; `place` stands before each in an error or a warning.
    pub(super) fn read(
        members: Map<String, Value>,
        place: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigError> {
        let mut section = Section::of(members, place, &KEYS)?;
        Ok(Self {
            capture: CaptureConfig::read(&mut section)?,
            consumer_header: consumer_header(&mut section)?,
            filter: filter(&mut section, warnings)?,
            redact: redact(&mut section)?,
            metadata_hub: MetadataHubConfig::read(&mut section, warnings)?,
        })
    }
}

fn consumer_header(section: &mut Section) -> Result<String, ConfigError> {
    const KEY: &str = "consumer_header";
    match section.text(KEY)? {
        None => Ok(CONSUMER_HEADER.to_owned()),
        Some(name) if is_header_name(&name) => Ok(name.to_ascii_lowercase()),
        Some(_) => Err(section.wrong(KEY, "is no name of a header")),
    }
}

fn filter(
    section: &mut Section,
    warnings: &mut Vec<String>,
) -> Result<Option<Filter>, ConfigError> {
    const KEY: &str = "filter";
    let Some(document) = section.value(KEY) else {
        return Ok(None);
    };
    let config = from_pasted(&document)
        .map_err(|error| section.wrong(KEY, format!("cannot be used: {error}")))?;
    let filter = Filter::compile(&config, &Runtime::default())
        .map_err(|error| section.wrong(KEY, format!("cannot be used: {error}")))?;
    let place = section.path(KEY);
    let warning = |warning: &String| format!("`{place}`: {warning}");
    warnings.extend(filter.warnings().iter().map(warning));
    Ok(Some(filter))
}

fn redact(section: &mut Section) -> Result<Rules, ConfigError> {
    const HASH_KEY_FILE: &str = "hash_key_file";
    const HOW: &str = "how";
    const KEYS: [&str; 6] = ["headers", "query", "body", HOW, "hash_key", HASH_KEY_FILE];
    let Some(mut keys) = section.section("redact", &KEYS)? else {
        return Ok(Rules::default());
    };
    if keys.value(HASH_KEY_FILE).is_some() {
        let problem = "cannot be read in a gateway: give `hash_key`";
        return Err(keys.wrong(HASH_KEY_FILE, problem));
    }
    let how = match keys.text(HOW)?.as_deref() {
        None | Some("mask") => How::Mask,
        Some("drop") => How::Drop,
        Some("hash") => How::Hash,
        Some(_) => return Err(keys.wrong(HOW, "must be `mask`, `drop` or `hash`")),
    };
    let redact = Redact {
        headers: keys.texts("headers")?.unwrap_or_default(),
        query: keys.texts("query")?.unwrap_or_default(),
        body: keys.texts("body")?.unwrap_or_default(),
        how,
        hash_key: keys.text("hash_key")?.map(HashKey::from),
        hash_key_file: None,
    };
    Rules::new(&redact, None)
        .map_err(|error| section.wrong(error.key(), format!("cannot be used: {error}")))
}
