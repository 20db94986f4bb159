//! `GET /query`: rows out, in the reference's form.
//!
//! **Answer.** `{"total":n,"logs":[{…}…],"status":"success"}`; `next_cursor` where more rows
//! follow, `estimated_total` where rows carry sample weights. 400 for parameters that are unknown
//! or malformed, 503 while the store cannot answer; both as
//! `{"total":0,"logs":null,"status":"error","error":"…"}`.
//!
//! **Limits.** [`PAGE_BYTES`](gatelog_store::query::PAGE_BYTES) of rows, as they are with every field: a
//! page of larger ones ends early, and `next_cursor` goes on. A row that is larger is given alone.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use gatelog_record::json::write_text;
use gatelog_store::query::json_bytes;
use gatelog_store::{Error, Page};

use super::{parameter, row};
use crate::service::Service;

/// Answers `GET /query`.
pub async fn query(State(service): State<Arc<Service>>, RawQuery(query): RawQuery) -> Response {
    let parameters = match parameter::read(query.as_deref().unwrap_or_default()) {
        Ok(parameters) => parameters,
        Err(error) => return failed(StatusCode::BAD_REQUEST, &error),
    };
    match service.query_store.query(&parameters.query).await {
        Ok(page) => {
            let style = row::Style {
                all_fields: parameters.all_fields,
                empty_strings: service.empty_strings,
            };
            super::json(StatusCode::OK, render(page, style))
        }
        Err(error @ Error::Unanswerable { .. }) => {
            failed(StatusCode::BAD_REQUEST, &error.to_string())
        }
        Err(error) => {
            tracing::warn!(%error, "a query was not answered");
            failed(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
    }
}

fn render(page: Page, style: row::Style) -> String {
    let bytes: usize = page.records.iter().map(json_bytes).sum();
    // What grows by doubling takes three times as much before it is full.
    let mut body = String::with_capacity(bytes + 256);
    body.push_str("{\"total\":");
    match page.total {
        Some(total) => body.push_str(&total.to_string()),
        None => body.push_str("null"),
    }
    if let Some(estimated) = page.estimated_total {
        body.push_str(",\"estimated_total\":");
        body.push_str(&estimated.to_string());
    }
    body.push_str(",\"logs\":[");
    // Each row goes as soon as it is written: a page is not in memory twice.
    for (index, record) in page.records.into_iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        row::write(&record, style, &mut body);
    }
    body.push_str("],\"status\":\"success\"");
    if let Some(cursor) = &page.next {
        body.push_str(",\"next_cursor\":");
        write_text(&cursor.to_string(), &mut body);
    }
    body.push('}');
    body
}

fn failed(status: StatusCode, error: &str) -> Response {
    let mut body = String::from("{\"total\":0,\"logs\":null,\"status\":\"error\",\"error\":");
    write_text(error, &mut body);
    body.push('}');
    super::json(status, body)
}
