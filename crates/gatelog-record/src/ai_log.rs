//! `ai_log`: what Higress' ai-statistics wrote about a call to an LLM.
//!
//! It comes as an object, or as a string that holds one: the access log carries it as text, and
//! the plugin stores it escaped once more without quotes (`{\"model\":\"x\"}`). It is decoded by
//! JSON's own rules, so nothing in a value can become a key, and the object is kept as it came.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserializer as _, de};
use serde_json::value::RawValue;

use crate::json_value::{Raw, unescape};
use crate::{AccessRecord, Field};

/// It is neither an object nor a string with one.
#[derive(Debug)]
pub(crate) struct Unreadable;

/// The object's text; `Ok(None)` for the words for nothing.
pub(crate) fn read(value: Raw<'_>) -> Result<Option<Cow<'_, str>>, Unreadable> {
    match value {
        Raw::Null => Ok(None),
        Raw::Object(text) => Ok(Some(Cow::Borrowed(text))),
        Raw::String(_) | Raw::Plain(_) => match value.text() {
            None => Ok(None),
            Some(text) if text == "null" => Ok(None),
            Some(text) => object(text).map(Some),
        },
        Raw::Number(_) | Raw::Bool(_) | Raw::Array(_) => Err(Unreadable),
    }
}

/// `text` if it is an object, else the object it holds escaped once more; in either case without the
/// white space around it, which the wire form does not keep.
fn object(text: Cow<'_, str>) -> Result<Cow<'_, str>, Unreadable> {
    if is_object(&text) {
        return Ok(trimmed(text));
    }
    let quoted = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let inner = unescape(quoted.unwrap_or(&text)).into_owned();
    if is_object(&inner) {
        Ok(trimmed(Cow::Owned(inner)))
    } else {
        Err(Unreadable)
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) if text.trim_ascii().len() < text.len() => {
            Cow::Owned(text.trim_ascii().to_owned())
        }
        whole @ Cow::Owned(_) => whole,
    }
}

fn is_object(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && serde_json::from_str::<&RawValue>(text)
            .is_ok_and(|raw| Raw::new(raw).depth() <= crate::json::MAX_NESTING)
}

impl<'a> AccessRecord<'a> {
    /// Takes what an access log has for `ai_log`: the text of an object, as it is or escaped once more,
    /// or a word for nothing. What the object says goes to the fields of their own that are absent.
    ///
    /// `false` if it is neither: [`Flaws::AI_LOG`](crate::Flaws::AI_LOG).
    pub fn read_ai_log(&mut self, text: Cow<'a, str>) -> bool {
        if text.is_empty() || text == "-" || text == "null" {
            return true;
        }
        let Ok(object) = object(text) else {
            return false;
        };
        self.ai_log = Some(object);
        promote(self);
        true
    }
}

/// Keys of the object whose values are copied to fields of their own, with these fields.
pub const PROMOTED: &[(&str, Field)] = &[
    ("api", Field::Api),
    ("model", Field::Model),
    ("input_token", Field::InputTokens),
    ("output_token", Field::OutputTokens),
    ("total_token", Field::TotalTokens),
    ("session_id", Field::AiSessionId),
    ("chat_id", Field::AiChatId),
    ("response_type", Field::AiResponseType),
    ("llm_first_token_duration", Field::AiFirstTokenDuration),
    ("llm_service_duration", Field::AiServiceDuration),
    ("cache_status", Field::AiCacheStatus),
    ("token_ratelimit_status", Field::AiTokenRatelimitStatus),
    ("safecheck_status", Field::AiSafecheckStatus),
    ("safecheck_riskLabel", Field::AiSafecheckRiskLabel),
    ("cached_tokens", Field::CachedTokens),
    ("reasoning_tokens", Field::ReasoningTokens),
];

/// The fields that [`Scalars`] can fill.
fn promoted() -> impl Iterator<Item = Field> {
    PROMOTED.iter().map(|(_, field)| *field)
}

/// Copies the object's scalars to the fields of their own, where these are absent.
pub(crate) fn promote(record: &mut AccessRecord<'_>) {
    match record.ai_log.take() {
        Some(Cow::Borrowed(object)) => {
            record.fill(scalars(object), promoted());
            record.ai_log = Some(Cow::Borrowed(object));
        }
        Some(Cow::Owned(object)) => {
            let found = scalars(&object).into_owned();
            record.fill(found, promoted());
            record.ai_log = Some(Cow::Owned(object));
        }
        None => {}
    }
}

/// What the object says, in the fields that say it. Nothing, if it cannot be read.
fn scalars(object: &str) -> AccessRecord<'_> {
    let mut found = AccessRecord::default();
    let read = serde_json::Deserializer::from_str(object).deserialize_map(Scalars(&mut found));
    if read.is_ok() {
        found
    } else {
        AccessRecord::default()
    }
}

struct Scalars<'r, 'a>(&'r mut AccessRecord<'a>);

impl<'de> Visitor<'de> for Scalars<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let record = self.0;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let text = match key.as_ref() {
                "api" => &mut record.api,
                "model" => &mut record.model,
                "session_id" => &mut record.ai_session_id,
                "chat_id" => &mut record.ai_chat_id,
                "response_type" => &mut record.ai_response_type,
                "cache_status" => &mut record.ai_cache_status,
                "token_ratelimit_status" => &mut record.ai_token_ratelimit_status,
                "safecheck_status" => &mut record.ai_safecheck_status,
                "safecheck_riskLabel" => &mut record.ai_safecheck_risk_label,
                _ => {
                    number(record, &key, &mut map)?;
                    continue;
                }
            };
            let value = Raw::new(map.next_value::<&'de RawValue>()?);
            *text = match value {
                Raw::Object(_) | Raw::Array(_) => None,
                // ai-statistics writes it for a model it does not know.
                _ => value
                    .text()
                    .filter(|text| key != "model" || text != "unknown"),
            };
        }
        Ok(())
    }
}

/// Reads the value of a key that stands for a number, or passes over it.
fn number<'de, A: MapAccess<'de>>(
    record: &mut AccessRecord<'_>,
    key: &str,
    map: &mut A,
) -> Result<(), A::Error> {
    let slot = match key {
        "input_token" => &mut record.input_tokens,
        "output_token" => &mut record.output_tokens,
        "total_token" => &mut record.total_tokens,
        "llm_first_token_duration" => &mut record.ai_first_token_duration,
        "llm_service_duration" => &mut record.ai_service_duration,
        "cached_tokens" => &mut record.cached_tokens,
        "reasoning_tokens" => &mut record.reasoning_tokens,
        _ => return map.next_value::<IgnoredAny>().map(|_: de::IgnoredAny| ()),
    };
    *slot = Raw::new(map.next_value::<&'de RawValue>()?)
        .integer()
        .ok()
        .flatten();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promoted_key_fills_its_field_and_no_other() {
        for (key, field) in PROMOTED {
            let object = format!("{{\"{key}\":5}}");
            let found = scalars(&object);
            let filled: Vec<_> = Field::ALL
                .iter()
                .filter(|field| found.get(**field).is_some())
                .collect();
            assert_eq!(filled, [field], "{key}");
        }
    }
}
