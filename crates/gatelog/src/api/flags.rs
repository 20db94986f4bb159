//! `GET /flags`: the response flags explained.
//!
//! **Answer.** `{"flags":[{"name","long_name","bit","class","usual_code","cause","check"}…]}`, in the order of
//! the bits. `class` is one of `client`, `gateway policy`, `gateway configuration`,
//! `gateway infrastructure`, `upstream`, `timeout`; `usual_code` is a text.

use axum::http::StatusCode;
use axum::response::Response;
use gatelog_record::response_flag::EXPLANATIONS;
use serde::Serialize;

#[derive(Serialize)]
struct Flags {
    flags: Vec<Flag>,
}

#[derive(Serialize)]
struct Flag {
    name: &'static str,
    long_name: &'static str,
    bit: usize,
    class: &'static str,
    usual_code: &'static str,
    cause: &'static str,
    check: &'static str,
}

/// Answers `GET /flags`.
pub async fn flags() -> Response {
    super::json(StatusCode::OK, body())
}

fn body() -> String {
    let flags = EXPLANATIONS.iter().enumerate();
    let flags = flags.map(|(bit, flag)| Flag {
        name: flag.name,
        long_name: flag.long_name,
        bit,
        class: flag.class.name(),
        usual_code: flag.usual_code,
        cause: flag.cause,
        check: flag.check,
    });
    let flags = Flags {
        flags: flags.collect(),
    };
    serde_json::to_string(&flags).unwrap_or_default()
}
