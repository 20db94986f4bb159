//! What a request sends.
//!
//! **Limits.** The bytes of a body, [`ARGUMENTS`] of a form, JSON as deep as `serde_json` goes (128).

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyDataStream, Full};
use serde_json::{Map, Value};

use super::form::{ARGUMENTS, Node};
use super::form_key::TooDeep;
use super::problem::Problem;

/// The body of a request.
#[derive(Debug)]
pub(super) enum Sent {
    /// Nothing.
    Nothing,
    /// A JSON object.
    Object(Map<String, Value>),
    /// A form.
    Form(Node),
    /// A text in YAML.
    Yaml(String),
}

/// Reads a body by its content type.
pub(super) async fn read(headers: &HeaderMap, body: Bytes) -> Result<Sent, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE);
    let Some(content_type) = content_type else {
        if body.is_empty() {
            return Ok(Sent::Nothing);
        }
        return Err(unsupported());
    };
    let content_type = content_type.to_str().map_err(|_| unsupported())?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" if body.is_empty() => Ok(Sent::Nothing),
        "application/json" => match serde_json::from_slice(&body) {
            Ok(Value::Object(object)) => Ok(Sent::Object(object)),
            _ => Err(Problem::bad("Cannot parse JSON body")),
        },
        "application/x-www-form-urlencoded" => {
            let mut form = Node::default();
            for (at, (key, value)) in form_urlencoded::parse(&body).enumerate() {
                put(&mut form, at, &key, value.into_owned())?;
            }
            Ok(Sent::Form(form))
        }
        "multipart/form-data" => multipart(content_type, body).await.map(Sent::Form),
        "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => {
            let text = String::from_utf8(body.into());
            text.map(Sent::Yaml)
                .map_err(|_| Problem::bad("Cannot parse YAML body: it is not UTF-8"))
        }
        _ => Err(unsupported()),
    }
}

async fn multipart(content_type: &str, body: Bytes) -> Result<Node, Problem> {
    let broken = |_| Problem::bad("Cannot parse multipart body");
    let boundary = multer::parse_boundary(content_type).map_err(broken)?;
    let chunks = BodyDataStream::new(Full::new(body));
    let mut parts = multer::Multipart::new(chunks, boundary);
    let mut form = Node::default();
    let mut at = 0;
    while let Some(part) = parts.next_field().await.map_err(broken)? {
        let name = part.name().map(str::to_owned);
        let text = part.text().await.map_err(broken)?;
        if let Some(name) = name {
            put(&mut form, at, &name, text)?;
        }
        at += 1;
    }
    Ok(form)
}

fn put(form: &mut Node, at: usize, key: &str, value: String) -> Result<(), Problem> {
    if at >= ARGUMENTS {
        return Err(Problem::bad("Too many arguments"));
    }
    let put = form.put(key, value);
    put.map_err(|TooDeep| Problem::bad("An argument is nested too deeply"))
}

pub(super) fn unsupported() -> Problem {
    Problem::message(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
}
