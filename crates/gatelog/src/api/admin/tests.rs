//! The admin listener as a client sees it, over entities that are kept in memory.

mod any_input;
mod bodies;
mod cases;
mod changing;
mod config;
mod curl;
mod entity;
mod read_only;
mod refused;
mod scopes;
mod secrets;
mod seeds;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::config::plugins::instances;

/// Entities in memory.
#[derive(Debug, Default)]
struct InMemory(Mutex<Arc<Kong>>);

impl Plugins for InMemory {
    fn current(&self) -> Arc<Kong> {
        Arc::clone(&self.0.lock().unwrap())
    }

    fn replace(&self, entities: Kong) -> Result<(), ReplaceError> {
        instances(&entities).map_err(|error| ReplaceError::Refused(error.to_string()))?;
        *self.0.lock().unwrap() = Arc::new(entities);
        Ok(())
    }
}

/// An admin listener without a socket.
struct Rig {
    router: Router,
    plugins: Arc<InMemory>,
    _dir: tempfile::TempDir,
}

/// What was answered.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    body: Value,
}

impl Rig {
    fn new() -> Self {
        Self::with(Kong::default(), false)
    }

    fn with(kong: Kong, read_only: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keys = RuntimeKeys::open(dir.path()).unwrap();
        let plugins = Arc::new(InMemory(Mutex::new(Arc::new(kong))));
        let shared: Arc<dyn Plugins> = Arc::clone(&plugins) as _;
        let admin = Admin::new(keys, Vec::new(), shared, read_only);
        Self {
            router: router(Arc::new(admin)),
            plugins,
            _dir: dir,
        }
    }

    fn send(&self, request: Request<Body>) -> axum::http::Response<Body> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let router = self.router.clone();
        runtime.block_on(async move {
            let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            axum::http::Response::from_parts(parts, Body::from(bytes))
        })
    }

    fn raw(&self, method: &str, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !content_type.is_empty() {
            request = request.header("content-type", content_type);
        }
        self.answer(request.body(body.into()).unwrap())
    }

    fn answer(&self, request: Request<Body>) -> Answer {
        let answer = self.send(request);
        let status = answer.status().as_u16();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let bytes = runtime
            .block_on(answer.into_body().collect())
            .unwrap()
            .to_bytes();
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        Answer { status, body }
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.raw(method, path, "application/json", body.to_string())
    }

    fn form(&self, method: &str, path: &str, body: &str) -> Answer {
        let content_type = "application/x-www-form-urlencoded";
        self.raw(method, path, content_type, body.to_owned())
    }

    fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, "", "")
    }

    fn delete(&self, path: &str) -> Answer {
        self.raw("DELETE", path, "", "")
    }

    /// Makes a file-log, and gives it as it was answered.
    fn made(&self, path: &str, more: &Value) -> Value {
        let mut body = json!({"name": "file-log", "config": {"path": "/tmp/x"}});
        let fields = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(fields);
        let answer = self.json("POST", path, &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body
    }
}

fn id(entity: &Value) -> &str {
    entity["id"].as_str().unwrap()
}

/// A message, and the message of a problem in a form.
fn message(text: &str) -> Value {
    json!({"message": text})
}
