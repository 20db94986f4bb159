//! The request to an LLM, as it passes.

use std::sync::LazyLock;

use crate::json_scan::{Paths, Scanner, Value};
use crate::model_path;

const PATHS: [&str; 7] = [
    "model",
    "stream",
    // Hunyuan, Bedrock's agents, Spark.
    "Model",
    "Stream",
    "modelId",
    "parameter.chat.domain",
    "body.model",
];

static PLACES: LazyLock<Paths> = LazyLock::new(|| Paths::new(&PATHS));

/// Reads a request body that comes in pieces.
#[derive(Debug)]
pub struct Request {
    scanner: Scanner<'static>,
    model: Option<String>,
    model_of_path: Option<String>,
    stream: Option<bool>,
}

impl Request {
    /// A request to this path, with or without its query.
    pub fn new(path: &str) -> Self {
        let (model_of_path, is_stream) = model_path::read(path);
        Self {
            scanner: Scanner::new(&PLACES),
            model: None,
            model_of_path,
            stream: is_stream.then_some(true),
        }
    }

    /// The next piece of the body. One that is no JSON costs nothing behind its first byte.
    pub fn feed(&mut self, piece: &[u8]) {
        let Self {
            scanner,
            model,
            stream,
            ..
        } = self;
        scanner.feed(piece, &mut |path, value| match (path, value) {
            (1 | 3, Value::Bool(is_stream)) => *stream = Some(is_stream),
            (0 | 2 | 4.., Value::Text { text, .. }) if !text.is_empty() => {
                *model = Some(text.to_owned());
            }
            _ => {}
        });
    }

    /// The model that is asked for, as far as it is known by now: from the body, else from the path. At
    /// most 256 bytes of it.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref().or(self.model_of_path.as_deref())
    }

    /// Whether the answer shall come as a stream, if that was said by now.
    pub fn stream(&self) -> Option<bool> {
        self.stream
    }
}
