//! The settings of `file-log`.

use std::path::PathBuf;

use gatelog_format::{FormatError, Known, Template};
use serde_json::Value;

use super::{Delivery, Keys, LogJson};

/// A file, what a line of it is, and how it is kept up.
#[derive(Clone, Debug, PartialEq)]
pub struct FileLog {
    /// The file.
    pub path: PathBuf,
    /// What a record is written as.
    pub line: Line,
    /// How it is delivered.
    pub delivery: Delivery,
}

/// What a record is written as.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Kong's JSON.
    Kong(LogJson),
    /// A text, or with `json` an object, of Envoy's operators.
    Envoy {
        /// As Envoy's `text_format`, or the text of its `json_format`.
        format: String,
        /// Whether it is the latter.
        json: bool,
        /// Envoy's option of this name.
        omit_empty_values: bool,
    },
}

/// Keys of which there can be one.
const ONE_OF: &str = "access_log_format, access_log_json_format, and log_format with custom_fields \
                      are ways to write a record: expected one of them";

impl FileLog {
    /// The plugin's name.
    pub const NAME: &'static str = "file-log";

    /// Reads the keys of `config`.
    pub(super) fn read(keys: &mut Keys) -> Option<Self> {
        let path = keys.text("path");
        let path = keys.require("path", path);
        // It is always looked whether the file has been moved away.
        let _: Option<bool> = keys.switch("reopen");
        let line = Line::read(keys);
        let delivery = Delivery::read(keys);
        Some(Self {
            path: path?.into(),
            line: line?,
            delivery,
        })
    }
}

impl Line {
    fn read(keys: &mut Keys) -> Option<Self> {
        let log_json = LogJson::read(keys);
        let text = keys.text("access_log_format");
        // As Hango writes it.
        let text = keys.text("accessLogFormat").or(text);
        let json = keys.object("access_log_json_format");
        let omit_empty_values = keys.switch("omit_empty_values");
        let ways = [log_json.is_some(), text.is_some(), json.is_some()];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            let name = if text.is_some() {
                "access_log_format"
            } else {
                "access_log_json_format"
            };
            keys.problem(name, ONE_OF);
            return None;
        }
        let (name, line) = match (text, json) {
            (Some(text), _) => ("access_log_format", Self::text(text)),
            (None, Some(json)) => (
                "access_log_json_format",
                (Value::Object(json).to_string(), true),
            ),
            (None, None) if omit_empty_values.is_some() => {
                let text = "it belongs to access_log_format or access_log_json_format";
                keys.problem("omit_empty_values", text);
                return None;
            }
            (None, None) => return Some(Self::Kong(log_json.unwrap_or_default())),
        };
        let (format, json) = line;
        if let Err(error) = template(&format, json) {
            keys.problem(name, error.to_string());
            return None;
        }
        Some(Self::Envoy {
            format,
            json,
            omit_empty_values: omit_empty_values.unwrap_or_default(),
        })
    }

    /// A format, or the one with this name.
    fn text(text: String) -> (String, bool) {
        match Known::find(&text) {
            Some(known) => (known.format().to_owned(), known.is_json()),
            None => (text, false),
        }
    }
}

/// The template of a format that has been read.
///
/// # Errors
/// What is wrong with the format.
pub fn template(format: &str, json: bool) -> Result<Template, FormatError> {
    if json {
        Template::json(format)
    } else {
        Template::text(format)
    }
}
