//! Sample upstreams, in the process that uses them.
//!
//! **Shape.** [`Server`] is a small HTTP/1.1 server on threads; [`web`], [`llm`] and [`mcp`] start
//! one that behaves like a web API, an LLM API and an MCP server. A test that needs another answer
//! starts a [`Server`] with a closure.
//!
//! ```
//! use gatelog_testkit::upstream::{Reply, Server};
//!
//! let server = Server::start(|request| Reply::text(200, &request.path))?;
//! let answer = ureq::get(format!("http://127.0.0.1:{}/hello", server.port()))
//!     .call()?
//!     .body_mut()
//!     .read_to_string()?;
//! assert_eq!(answer, "/hello");
//! # anyhow::Ok(())
//! ```
//!
//! **Limits.** One thread per connection; for tests and the demo, not for load.

mod ai;
mod server;

use std::time::Duration;

pub use ai::{llm, mcp};
pub use server::{Body, Reply, Request, Server};

/// A web API:
///
/// | path | answer |
/// |---|---|
/// | `/status/CODE` | that status; no body with 204 and 304 |
/// | `/slow/MS` | 200 after so many milliseconds |
/// | `/drip/COUNT/MS` | 200, a chunk of 10 bytes every so many milliseconds |
/// | `/hang-up` | closes the connection without an answer |
/// | `/grpc/STATUS` | a gRPC answer of headers only, with that status |
/// | else | 200, JSON with method, path and the bytes of the body |
///
/// # Errors
/// The machine gives out no port.
pub fn web() -> anyhow::Result<Server> {
    Server::start(|request| {
        let path = request.path.split('?').next().unwrap_or_default();
        let mut parts = path.trim_start_matches('/').split('/');
        let word = parts.next().unwrap_or_default();
        let number = |part: Option<&str>| part.and_then(|part| part.parse::<u16>().ok());
        match (word, number(parts.next()), number(parts.next())) {
            ("status", Some(code), _) => match code {
                204 | 304 => Reply::new(code),
                _ => Reply::text(code, &format!("status {code}\n")),
            },
            ("slow", Some(wait_ms), _) => {
                std::thread::sleep(Duration::from_millis(wait_ms.into()));
                Reply::text(200, "at last\n")
            }
            ("drip", Some(count), Some(wait_ms)) => {
                let wait = Duration::from_millis(wait_ms.into());
                let chunk = || (wait, b"0123456789".to_vec());
                let chunks = std::iter::repeat_with(chunk).take(count.into());
                Reply::new(200).body(Body::Chunks(chunks.collect()))
            }
            ("hang-up", ..) => Reply::new(0).body(Body::HangUp),
            ("grpc", Some(status), _) => Reply::new(200)
                .header("content-type", "application/grpc")
                .header("grpc-status", &status.to_string()),
            _ => Reply::json(
                200,
                &serde_json::json!({
                    "method": request.method,
                    "path": request.path,
                    "bytes": request.body.len(),
                }),
            ),
        }
    })
}
