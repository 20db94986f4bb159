//! `GET /ready`: how the journal and each store and output are, for monitoring.
//!
//! Not for a readiness probe: that would cut off the ingestion that the journal protects.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use gatelog_journal::Lag;
use serde::Serialize;

use crate::health::{Health, Warnings};
use crate::refusal;
use crate::service::Service;
use crate::source::file::SourceState;

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    journal: JournalState,
    stores: Vec<StoreState>,
    outputs: Vec<ReaderState>,
    /// Files that are followed, where any is configured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<SourceState>,
}

#[derive(Serialize)]
struct JournalState {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    used_bytes: u64,
    max_bytes: u64,
}

/// A store or output, as a reader of the journal.
#[derive(Serialize)]
struct ReaderState {
    name: String,
    /// Of an output: what its lag is told by in `/metrics`, and how the files of its dead letter are called.
    #[serde(skip_serializing_if = "Option::is_none")]
    reader: Option<String>,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What an operator should look at, although records pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// An output that was taken away, and delivers what was received before that.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ending: bool,
    /// Records of the journal that are not stored or delivered. (What a store has taken and not yet
    /// written to a file is stored: it is seen, and the journal keeps it until it is in a file.)
    lag_records: u64,
    /// Bytes of these.
    lag_bytes: u64,
    /// How long ago the oldest of them was received.
    lag_seconds: u64,
}

#[derive(Serialize)]
struct StoreState {
    #[serde(flatten)]
    reader: ReaderState,
    /// Whether a crash can never store a record twice.
    exactly_once: bool,
    /// Whether this store answers `GET /query`.
    answers_queries: bool,
}

/// Answers `GET /ready`: 200 when the journal takes records and every store does, else 503. An
/// output that fails is told, but is not ours to mend: what waits for it is bounded. A file that cannot be
/// followed is told, too: it has nothing to do with what is posted.
pub async fn ready(State(service): State<Arc<Service>>) -> Response {
    let sight = service.sight().await;
    let lags = &sight.lags;
    let stores: Vec<StoreState> = service
        .stores
        .iter()
        .map(|(store, health)| {
            let mut reader = reader(store.name(), store.name(), health, lags);
            reader.warnings.extend(store.warnings());
            StoreState {
                reader,
                exactly_once: store.exactly_once(),
                answers_queries: store.name() == service.query_store.name(),
            }
        })
        .collect();
    let outputs = service.outputs.states().into_iter().map(|output| {
        let mut state = reader(&output.name, &output.reader, &output.health, lags);
        state.ending = output.ending;
        state.reader = Some(output.reader);
        state
    });
    let sources = service.files.sources();
    let error = refusal::reason(&service, &sight);
    let readiness = Readiness {
        ready: error.is_none() && stores.iter().all(|store| store.reader.ok),
        journal: JournalState {
            ok: error.is_none(),
            error,
            used_bytes: service.journal.used_bytes(),
            max_bytes: service.limits.journal_bytes,
        },
        stores,
        outputs: outputs.collect(),
        sources,
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

fn reader(name: &str, reader: &str, health: &Health, lags: &[Lag]) -> ReaderState {
    let error = health.error();
    let lag = lags.iter().find(|lag| lag.reader == reader);
    let of = |number: fn(&Lag) -> u64| lag.map_or(0, number);
    ReaderState {
        name: name.to_owned(),
        reader: None,
        ok: error.is_none(),
        error,
        warnings: warnings(reader, health.warnings())
            .into_iter()
            .chain(health.neglected())
            .collect(),
        ending: false,
        lag_records: of(|lag| lag.records),
        lag_bytes: of(|lag| lag.bytes),
        lag_seconds: of(|lag| lag.seconds),
    }
}

/// Since the process began.
fn warnings(reader: &str, warnings: Warnings) -> Vec<String> {
    let Warnings {
        unreadable_frames,
        damaged_bytes,
        letters_dropped,
    } = warnings;
    let all = [
        (
            unreadable_frames,
            format!(
                "{unreadable_frames} frames could not be decoded; they are in dead-letter/{reader}.frames"
            ),
        ),
        (
            damaged_bytes,
            format!(
                "{damaged_bytes} bytes of the journal were damaged and are lost to this reader"
            ),
        ),
        (
            letters_dropped,
            format!("{letters_dropped} records were dropped for lack of room in the dead letter"),
        ),
    ];
    let told = all.into_iter().filter(|(count, _)| *count > 0);
    told.map(|(_, text)| text).collect()
}
