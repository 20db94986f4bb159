//! What an HTTP server costs that keeps nothing: the floor beside which `cargo xtask bench ingest`
//! puts gatelog.
//!
//! `http_floor ignore ADDRESS` reads bodies and forgets them; `http_floor parse ADDRESS` parses
//! each into a `serde_json::Value`. The server is set up as gatelog's own.

#![expect(clippy::print_stderr, reason = "an example talks to the terminal")]

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::post;
use gatelog::api::server;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::ServiceExt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCEPTED: &str = r#"{"accepted":1}"#;

async fn ignore(_: Bytes) -> &'static str {
    ACCEPTED
}

async fn parse(body: Bytes) -> Result<&'static str, StatusCode> {
    match serde_json::from_slice::<serde_json::Value>(&body) {
        Ok(serde_json::Value::Object(keys)) if !keys.is_empty() => Ok(ACCEPTED),
        _ => Err(StatusCode::BAD_REQUEST),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, address] = arguments.as_slice() else {
        eprintln!("usage: http_floor ignore|parse ADDRESS");
        return Ok(());
    };
    let route = if mode == "parse" {
        post(parse)
    } else {
        post(ignore)
    };
    let router = Router::new().route("/ingest", route);
    let (_stop, stopped) = watch::channel(false);
    let listener = TcpListener::bind(address).await?;
    let handler = move |request| {
        let answer = router.clone().oneshot(request);
        // The router's error has no values.
        async move { answer.await.into_response() }
    };
    let refuse = gatelog::api::ingest::stopping;
    server::serve(listener, handler, refuse, stopped, || async {}).await?;
    Ok(())
}
