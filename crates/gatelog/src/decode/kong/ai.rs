//! What Kong's AI plugins log of a call to an LLM.
//!
//! **Shape.** Below `ai` each plugin has an object: `ai-proxy` in Kong 3.6, `proxy` later, and others.
//! The fields are filled from the one that talked to the provider; all of it is kept besides, but for
//! `payload`, wherever it stands: bodies are captured only where that is configured.
//!
//! **Limits.** A value that is no number where one should be is nothing, and no reason to refuse a
//! record.
//!
//! **Source.** Kong's AI audit log reference, 3.6 to 3.12. Until 3.7 it names `prompt_token` and
//! `completion_token`.

use gatelog_record::json::write_text;

use super::Reading;
use crate::kong::{Json, Members};

/// The plugins that talk to providers, those of them first that do it for the client.
const PROXIES: [&str; 3] = ["proxy", "ai-proxy", "ai-proxy-advanced"];

/// What is never kept.
const PAYLOAD: &str = "payload";

/// Kong's payloads stand at most three levels down. What has one below this is left out as a whole, so
/// that looking for them costs no more than so many passes.
const DEEPEST: usize = 8;

impl<'a> Reading<'a> {
    /// Fills the fields of an LLM's call.
    pub(super) fn ai(&mut self, ai: Json<'a>) {
        let Some(plugins) = ai.members() else { return };
        let named = PROXIES.iter().find_map(|name| plugins.get(name)?.members());
        let other = || {
            let mut plugins = plugins.iter().filter_map(|(_, plugin)| plugin.members());
            plugins.find(|plugin| plugin.get("meta").is_some() || plugin.get("usage").is_some())
        };
        let Some(plugin) = named.or_else(other) else {
            return;
        };
        let part = |name| plugin.get(name).and_then(Json::members).unwrap_or_default();
        let record = &mut self.record;
        let meta = part("meta");
        let text = |name| meta.get(name).and_then(Json::text);
        record.requested_model = text("request_model");
        record.model = text("response_model").or_else(|| text("request_model"));
        record.ai_response_type = text("request_mode").map(|mode| match mode.as_ref() {
            "oneshot" => "normal".into(),
            _ => mode,
        });
        record.ai_service_duration = number(&meta, &["llm_latency"]);
        let usage = part("usage");
        record.input_tokens = number(&usage, &["prompt_tokens", "prompt_token"]);
        record.output_tokens = number(&usage, &["completion_tokens", "completion_token"]);
        record.total_tokens = number(&usage, &["total_tokens"]);
        record.ai_first_token_duration = number(&usage, &["time_to_first_token"]);
        let status = part("cache").get("cache_status").and_then(Json::text);
        record.ai_cache_status = status.map(|status| match status.as_ref() {
            "Hit" => "hit".into(),
            // It was asked again in spite of what was there.
            "Miss" | "Refresh" => "miss".into(),
            "Bypass" => "skip".into(),
            _ => status,
        });
    }
}

fn number(members: &Members<'_>, names: &[&str]) -> Option<i64> {
    let mut values = names.iter().filter_map(|name| members.get(name)?.rounded());
    values.next()
}

/// Appends a value without its payloads.
pub(super) fn write_without_payloads(value: Json<'_>, out: &mut String) {
    write(value, 0, out);
}

fn write(value: Json<'_>, depth: usize, out: &mut String) {
    // An escaped name is another's than Kong's.
    let is_clean = !value.raw().contains(PAYLOAD);
    if !is_clean && depth >= DEEPEST {
        out.push_str("null");
    } else if !is_clean && let Some(members) = value.members() {
        let kept = members.iter().filter(|(name, _)| *name != PAYLOAD);
        let mut separator = '{';
        for (name, value) in kept {
            out.push(separator);
            separator = ',';
            write_text(name, out);
            out.push(':');
            write(value, depth + 1, out);
        }
        out.push_str(if separator == '{' { "{}" } else { "}" });
    } else if !is_clean && let Some(elements) = value.elements() {
        let mut separator = '[';
        for value in elements {
            out.push(separator);
            separator = ',';
            write(value, depth + 1, out);
        }
        out.push_str(if separator == '[' { "[]" } else { "]" });
    } else {
        out.push_str(value.raw());
    }
}
