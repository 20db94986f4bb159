//! What answers over HTTP: the data listener, and in [`admin`] the other one.
//!
//! | | |
//! |---|---|
//! | `POST /ingest`, `POST /` | [`ingest`]: records in |
//! | `GET /query` | [`query`]: rows out |
//! | `GET /senders` | [`senders`]: what senders have sent and lost |
//! | `GET /flags` | [`flags`]: the response flags explained |
//! | `GET /health` | 200 `ok` while the process lives |
//! | `GET /ready` | [`ready`]: how the stores and the journal are |
//! | `GET /metrics` | Prometheus |

pub mod admin;
mod arrival;
pub mod flags;
pub mod ingest;
pub mod lookout;
#[doc(hidden)]
pub mod parameter;
pub mod query;
pub mod ready;
pub mod room;
mod row;
pub mod senders;
pub mod server;

use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::senders::Moment;
use crate::service::Service;

/// What answers the requests of the data listener.
///
/// Ingestion goes past the router: it is asked more often than all else together, and a router's
/// look-ups and boxes cost more than the acknowledgement itself.
pub fn handler(
    service: &Arc<Service>,
) -> impl Fn(Request<Incoming>) -> Answer + Clone + Send + Sync + 'static {
    let router = router(Arc::clone(service));
    let service = Arc::clone(service);
    move |request| {
        let is_ingest = matches!(request.uri().path(), "/ingest" | "/");
        if is_ingest && request.method() == Method::POST {
            let service = Arc::clone(&service);
            return Box::pin(async move { ingest::ingest(&service, request).await });
        }
        let router = router.clone();
        // The router's error has no values.
        Box::pin(async move { router.oneshot(request).await.into_response() })
    }
}

/// An answer that is being made.
pub type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

fn router(service: Arc<Service>) -> Router {
    let only_post = || async { (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")]) };
    Router::new()
        .route("/ingest", any(only_post))
        .route("/", any(only_post))
        .route("/query", get(query::query))
        .route("/senders", get(senders::senders))
        .route("/flags", get(flags::flags))
        .route("/health", get(|| async { "ok" }))
        .route("/ready", get(ready::ready))
        .route("/metrics", get(metrics))
        .with_state(service)
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let sight = service.sight().await;
    service.update_gauges(&sight.lags);
    let text = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    let mut metrics = service.telemetry.render();
    metrics.push_str(&service.senders.metrics(&service.journal, Moment::now()));
    (text, metrics).into_response()
}

/// An answer with a JSON body.
fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
