//! The data listener: what answers over HTTP.
//!
//! | | |
//! |---|---|
//! | `POST /ingest`, `POST /` | [`ingest`]: records in |
//! | `GET /query` | [`query`]: rows out |
//! | `GET /health` | 200 `ok` while the process lives |
//! | `GET /ready` | [`ready`]: how the stores and the journal are |
//! | `GET /metrics` | Prometheus |

pub mod ingest;
mod parameter;
pub mod query;
pub mod ready;
mod row;
pub mod server;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::service::Service;

/// The routes of the data listener.
pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/ingest", post(ingest::ingest))
        .route("/", post(ingest::ingest))
        .route("/query", get(query::query))
        .route("/health", get(|| async { "ok" }))
        .route("/ready", get(ready::ready))
        .route("/metrics", get(metrics))
        .with_state(service)
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    service.update_gauges();
    let text = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (text, service.telemetry.render()).into_response()
}

/// An answer with a JSON body.
fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
