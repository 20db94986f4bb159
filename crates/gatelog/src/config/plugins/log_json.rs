//! What the settings say about Kong's log JSON, for every plugin that writes it.

use std::collections::BTreeMap;

use super::Keys;
use crate::output::kong_json::{CustomFieldError, CustomFields, KongJson, LogFormat};

/// Which form is written, and with which fields besides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogJson {
    format: LogFormat,
    custom_fields: BTreeMap<String, String>,
}

impl LogJson {
    /// Reads `log_format` and `custom_fields`; `None` where neither is there.
    pub fn read(keys: &mut Keys) -> Option<Self> {
        let format = keys.word("log_format", &LogFormat::WORDS);
        let custom_fields = keys.texts("custom_fields");
        let lua = keys.read("custom_fields_by_lua", |value| match value {
            serde_json::Value::Object(fields) if fields.is_empty() => Ok(()),
            _ => Err(
                "gatelog runs no Lua: put the field into `custom_fields`, with an Envoy format \
                 string such as %REQ(X-TENANT)% in place of the Lua code"
                    .to_owned(),
            ),
        });
        let _: Option<()> = lua;
        if format.is_none() && custom_fields.is_none() {
            return None;
        }
        let read = Self {
            format: format.unwrap_or_default(),
            custom_fields: custom_fields.unwrap_or_default(),
        };
        if let Err(error) = read.writer() {
            keys.problem("custom_fields", error.to_string());
        }
        Some(read)
    }

    /// What writes it.
    ///
    /// # Errors
    /// What is wrong with the custom fields; none once it has been read.
    pub fn writer(&self) -> Result<KongJson, CustomFieldError> {
        let custom = CustomFields::new(&self.custom_fields)?;
        Ok(KongJson::new(self.format, custom))
    }
}
