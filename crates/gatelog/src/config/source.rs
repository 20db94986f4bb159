//! Sources that gatelog reads by itself: files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::source::form::Form;

/// A source of records beside `POST /ingest`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Log files that a gateway writes, and that are followed.
    pub file: FileSource,
}

/// Log files that are followed.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FileSource {
    /// A file, which need not be there yet, or a pattern with `*`, `?`, `[…]` and `**` in it.
    pub path: String,
    /// The format of the lines, as in the gateway's configuration, or the name of one: `envoy`,
    /// `istio`, `istio-json`, `higress`, `hango`. Without it each file is recognised by its lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The same, where the gateway has a `json_format`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_format: Option<Map<String, Value>>,
    /// Where files begin that are there when gatelog looks for the path for the first time. Default
    /// `end`.
    #[serde(default)]
    pub start: Start,
}

/// Where a file begins that was there before its path was followed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// At its end: what it had before is left out.
    #[default]
    End,
    /// At its first line.
    #[serde(alias = "oldest")]
    Beginning,
}

impl FileSource {
    /// The form of the lines, if the configuration says it.
    ///
    /// # Errors
    /// The key's name, and why no line can be read so.
    pub fn form(&self) -> Result<Option<Form>, (&'static str, String)> {
        match (&self.format, &self.json_format) {
            (Some(_), Some(_)) => Err((
                "sources.file.json_format",
                "either format or json_format".to_owned(),
            )),
            (Some(format), None) => Form::given(format, false)
                .map(Some)
                .map_err(|problem| ("sources.file.format", problem)),
            (None, Some(format)) => Form::given(&Value::Object(format.clone()).to_string(), true)
                .map(Some)
                .map_err(|problem| ("sources.file.json_format", problem)),
            (None, None) => Ok(None),
        }
    }

    /// Checks what the types do not tell.
    ///
    /// # Errors
    /// The key's name, and what is wrong.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |problem: String| Err(("sources.file.path", problem));
        if self.path.is_empty() {
            return wrong("it is empty: the name of a file, or a pattern".to_owned());
        }
        if self.path.ends_with('/') {
            let path = &self.path;
            return wrong(format!(
                "{path}: a directory; a pattern names the files in it, such as {path}*.log"
            ));
        }
        if let Err(error) = glob::Pattern::new(&self.path) {
            return wrong(format!("{}: {error}", self.path));
        }
        self.form().map(drop)
    }
}
