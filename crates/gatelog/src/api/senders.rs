//! `GET /senders`: what each sender has sent, and what of it never came.
//!
//! **Answer.** `{"senders":[…],"total":n}`, the worker seen last first. A worker's numbers are
//! `received`, `missing` (below the highest and not come within ten seconds), `awaited` (may still
//! come) or `in_flight`; its newest hundred `gaps` tell when each was noticed. `dropped` is what the
//! sender itself says. What was lost behind the highest number that came, nobody can tell.
//!
//! **Parameters.** `limit`, 1 to 1000, default 100. 400 for any other.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use gatelog_record::json::write_text;

use crate::senders::Moment;
use crate::service::Service;

/// Workers in an answer when nothing is said, and the most that may be asked for.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Answers `GET /senders`.
pub async fn senders(State(service): State<Arc<Service>>, RawQuery(query): RawQuery) -> Response {
    let limit = match limit(query.as_deref().unwrap_or_default()) {
        Ok(limit) => limit,
        Err(error) => {
            let mut body = "{\"error\":".to_owned();
            write_text(&error, &mut body);
            body.push('}');
            return super::json(StatusCode::BAD_REQUEST, body);
        }
    };
    let listing = service
        .senders
        .listing(&service.journal, limit, Moment::now());
    let body = serde_json::to_string(&listing).unwrap_or_default();
    super::json(StatusCode::OK, body)
}

fn limit(query: &str) -> Result<usize, String> {
    let mut limit = DEFAULT_LIMIT;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "limit" {
            return Err(format!("{name}: no such parameter; there is limit"));
        }
        limit = value
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| format!("limit: {value:?} is not from 1 to {MAX_LIMIT}"))?;
    }
    Ok(limit)
}
