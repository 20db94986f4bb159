//! How each source is, for `/ready` and `/metrics`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::follower::{Events, Follower, Sink};
use crate::telemetry::Telemetry;

/// How the sources are, as the thread that follows files saw it last.
#[derive(Debug, Default)]
pub struct Board(Mutex<Shown>);

#[derive(Debug, Default)]
struct Shown {
    sources: Vec<SourceState>,
    events: Vec<Events>,
}

/// A path or pattern that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceState {
    /// As it is in the configuration.
    pub path: String,
    /// Whether nothing is wrong. A file that is not there yet is nothing wrong.
    pub ok: bool,
    /// What is wrong with it, with the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Bytes of its files that are not journaled.
    pub lag_bytes: u64,
    /// Its files; none while there is none.
    pub files: Vec<FileState>,
}

/// A file that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileState {
    /// The name under which it was found last.
    pub file: String,
    /// Bytes of it that are journaled or put aside.
    pub offset: u64,
    /// Bytes that are not.
    pub lag_bytes: u64,
    /// Whether it was renamed or removed, and is read to its end.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rotated: bool,
    /// Why its lines are not taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Board {
    /// How each source is.
    pub fn sources(&self) -> Vec<SourceState> {
        self.shown().sources.clone()
    }

    /// Takes note of how a follower's sources are.
    pub(super) fn show<S: Sink>(&self, follower: &Follower<S>) {
        let sources = follower.watched.iter().enumerate();
        let sources = sources.map(|(index, watched)| {
            let tails = follower.tails.iter().filter(|tail| tail.source == index);
            let files: Vec<FileState> = tails
                .map(|tail| FileState {
                    file: tail.path.display().to_string(),
                    offset: tail.place.offset,
                    lag_bytes: tail.lag_bytes(),
                    rotated: tail.superseded.is_some(),
                    error: tail.error.clone(),
                })
                .collect();
            let of_paths = watched.errors.iter();
            let of_paths = of_paths.map(|(path, error)| format!("{}: {error}", path.display()));
            let of_files = files.iter().filter_map(|file| {
                let error = file.error.as_ref()?;
                Some(format!("{}: {error}", file.file))
            });
            let of_places = follower
                .save_error
                .iter()
                .map(|error| format!("how far files were read cannot be kept: {error}"));
            let error = of_paths.chain(of_files).chain(of_places).next();
            SourceState {
                path: watched.path.clone(),
                ok: error.is_none(),
                error,
                lag_bytes: files.iter().map(|file| file.lag_bytes).sum(),
                files,
            }
        });
        let events = follower.watched.iter().map(|watched| watched.events);
        let shown = Shown {
            sources: sources.collect(),
            events: events.collect(),
        };
        *self.shown() = shown;
    }

    /// Brings up to date what `/metrics` shows of the sources.
    pub fn update_metrics(&self, telemetry: &Telemetry) {
        let shown = self.shown();
        for (source, events) in shown.sources.iter().zip(&shown.events) {
            let path = source.path.as_str();
            let label = || Some(("path", path.to_owned()));
            #[expect(clippy::cast_precision_loss, reason = "a gauge, exact up to 2^53")]
            let set = |name, number: u64| telemetry.gauge(name, label()).set(number as f64);
            set("gatelog_file_lag_bytes", source.lag_bytes);
            set("gatelog_file_open", source.files.len() as u64);
            let counters = [("renamed", events.rotated), ("truncated", events.truncated)];
            for (kind, count) in counters {
                let labels = [("path", path), ("kind", kind)];
                let counter = telemetry.counter_of("gatelog_file_rotations_total", &labels);
                counter.absolute(count);
            }
            let errors = telemetry.counter("gatelog_file_errors_total", label());
            errors.absolute(events.errors);
        }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
