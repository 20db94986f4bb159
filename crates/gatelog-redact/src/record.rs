//! Where in a record secrets stand.
//!
//! **Shape.** Each field by what it holds. Headers by their names, and the URLs in the others' values.
//! Bodies and `ai_log` by the paths and for URLs; the columns that are copied from `ai_log` with it.
//! What a gateway logged besides (`kong`) so, too, and by all names: what a credential or an operator's
//! own field is there, only its key tells.
//! Any other text for URLs: most come from the client, and whoever writes one with a secret in it has
//! not asked which column it belongs to.

use std::borrow::Cow;

use gatelog_record::{AccessRecord, Headers, Slot};

use crate::body;
use crate::rules::Rules;
use crate::url::{self, Form};

/// Redacts the record in place; says whether something was.
pub(crate) fn apply(rules: &Rules, record: &mut AccessRecord<'_>) -> bool {
    let mut any = texts(rules, record);
    for slot in [&mut record.request_body, &mut record.response_body] {
        any |= replace(slot, |text| body::redact(text, rules));
    }
    any |= replace(&mut record.ai_log, |text| body::redact_json(text, rules));
    any |= replace(&mut record.kong, |text| body::redact_members(text, rules));
    any |= replace(&mut record.tries, |text| {
        url::redact(text, rules, Form::Prose)
    });
    any |= headers(rules, &mut record.request_headers);
    any |= headers(rules, &mut record.response_headers);
    if record.ai_log.is_some() {
        for &field in &rules.promoted {
            any |= promoted(rules, record.slot(field));
        }
    }
    any
}

/// Redacts URLs in all other texts of the record.
fn texts(rules: &Rules, record: &mut AccessRecord<'_>) -> bool {
    let mut any = false;
    macro_rules! texts {
        ($authority:literal: $($field:ident)*) => {
            $( any |= replace(&mut record.$field, |text| {
                url::redact(text, rules, Form::Url { authority: $authority })
            }); )*
        };
    }
    texts!(true: path authority);
    texts!(false: trace_id method protocol request_id user_agent x_forwarded_for response_flags
        response_code_details upstream_cluster upstream_host upstream_service_time
        upstream_transport_failure_reason upstream_local_address downstream_local_address
        downstream_remote_address route_name requested_server_name istio_policy_status instance_id
        api model consumer route service mcp_server mcp_tool query tls_version tls_cipher client_ip
        connection_termination_details access_log_type requested_model ai_session_id ai_chat_id
        ai_response_type ai_cache_status ai_token_ratelimit_status ai_safecheck_status
        ai_safecheck_risk_label mcp_session_id mcp_method mcp_status service_id route_id consumer_id
        consumer_custom_id);
    any
}

#[inline]
fn replace(slot: &mut Option<Cow<'_, str>>, redact: impl FnOnce(&str) -> Option<String>) -> bool {
    let redacted = slot.as_deref().and_then(redact);
    redacted.is_some() && put(slot, redacted)
}

/// Puts what is left in the place of a text. One that has nothing left is absent.
fn put(slot: &mut Option<Cow<'_, str>>, redacted: Option<String>) -> bool {
    let Some(text) = redacted else {
        return false;
    };
    let is_nothing = text.is_empty() || text == "-";
    *slot = (!is_nothing).then_some(Cow::Owned(text));
    true
}

fn headers(rules: &Rules, headers: &mut Headers<'_>) -> bool {
    let mut any = false;
    headers.edit(|name, value| {
        let by = match rules.header(name, value) {
            Some(Cow::Borrowed(same)) if same == value.as_ref() => return true,
            Some(by) => by.into_owned(),
            None => {
                any = true;
                return false;
            }
        };
        any = true;
        *value = Cow::Owned(by);
        true
    });
    any
}

/// A column that holds what a path finds in `ai_log`.
fn promoted(rules: &Rules, slot: Slot<'_, '_>) -> bool {
    match slot {
        Slot::Text(slot) => {
            let Some(value) = slot.as_deref() else {
                return false;
            };
            let by = rules.how.of(value.as_bytes());
            put(slot, Some(by.unwrap_or_default().into_owned()))
        }
        // A number has no room for anything else.
        Slot::Integer(slot) => slot.take().is_some(),
        _ => false,
    }
}

/// Whether the value of this header may begin with a host, and so with a user.
pub(crate) fn holds_authority(name: &str) -> bool {
    const KNOWN: [&str; 6] = [
        ":path",
        ":authority",
        "host",
        "x-envoy-original-path",
        "x-envoy-original-host",
        "x-forwarded-host",
    ];
    KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name))
}
