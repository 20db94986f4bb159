//! `GET /ready`: how the journal and each store are, for monitoring.
//!
//! Not for a readiness probe: that would cut off the ingestion that the journal protects.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use crate::service::Service;

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    journal: JournalState,
    stores: Vec<StoreState>,
}

#[derive(Serialize)]
struct JournalState {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    used_bytes: u64,
    max_bytes: u64,
}

#[derive(Serialize)]
struct StoreState {
    name: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Bytes of the journal that the store has not committed.
    lag_bytes: u64,
    /// Whether a crash can never store a record twice.
    exactly_once: bool,
    /// Whether this store answers `GET /query`.
    answers_queries: bool,
}

/// Answers `GET /ready`: 200 when the journal takes records and every store does, else 503.
pub async fn ready(State(service): State<Arc<Service>>) -> Response {
    let lag: HashMap<String, u64> = service
        .journal
        .lags()
        .into_iter()
        .map(|lag| (lag.reader, lag.bytes))
        .collect();
    let stores: Vec<StoreState> = service
        .stores
        .iter()
        .map(|(store, health)| {
            let error = health.error();
            StoreState {
                name: store.name(),
                ok: error.is_none(),
                error,
                lag_bytes: lag.get(store.name()).copied().unwrap_or_default(),
                exactly_once: store.exactly_once(),
                answers_queries: store.name() == service.query_store.name(),
            }
        })
        .collect();
    let full = service.journal.is_full().then(|| "full".to_owned());
    let error = service.journal.failure().or(full);
    let readiness = Readiness {
        ready: error.is_none() && stores.iter().all(|store| store.ok),
        journal: JournalState {
            ok: error.is_none(),
            error,
            used_bytes: service.journal.used_bytes(),
            max_bytes: service.limits.journal_bytes,
        },
        stores,
    };
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    super::json(
        status,
        serde_json::to_string(&readiness).unwrap_or_default(),
    )
}
