//! The admin listener: what changes a running gatelog. For people it is in `docs/admin-api.md`.
//!
//! | | |
//! |---|---|
//! | `GET /runtime` | the runtime keys: their values, and what of the filter reads them |
//! | `PATCH /runtime` | a JSON object of keys and values; `null` unsets one. All of them or none |
//! | `/plugins`, `/services/KEY/plugins`, … | Kong's Admin API for plugins |
//! | `/config` | all of Kong's entities at once |
//! | `/services`, `/routes`, `/consumers` | those that came by `/config`, to be looked at |
//! | `/`, `/plugins/enabled`, `/schemas/plugins/…` | what gatelog is and what plugins it has |
//!
//! ```text
//! {"runtime":{"log.sampled":{"value":20,"read_by":[
//!     {"place":"filter.or_filter.filters[1].runtime_filter","default":{"denominator":"HUNDRED","numerator":50}}]}}}
//! ```
//!
//! **Shape.** A path is a `target`, a body is what was `sent`; a change is made of a `draft` and laid
//! over the entities in force, flat; what is answered is `shown`, or a `problem` in Kong's words.
//!
//! **Invariants.** Changes of entities are made one at a time, off the threads that serve requests: each
//! begins from what the one before has put in force. A change whose asker has gone is made all the same.
//!
//! **Limits.** [`BODY_BYTES`] for a body, [`CONFIG_BYTES`] for that of `/config`.
//!
//! **Failure.** A web page of another origin changes nothing: a browser says where a request comes from.

mod about;
mod body;
mod change;
mod declarative;
mod draft;
mod form;
mod form_key;
mod listing;
mod mask;
mod problem;
mod request;
mod runtime;
mod scope;
mod shown;
mod target;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::get;

use self::problem::{Problem, message};
use super::json;
use crate::config::plugins::Kong;
use crate::plugins::{Plugins, ReplaceError};
use crate::runtime_keys::RuntimeKeys;
use crate::selection::reads::Read;

/// Bytes of a body.
const BODY_BYTES: usize = 1 << 20;

/// Bytes of a body of `/config`.
const CONFIG_BYTES: usize = 16 << 20;

/// What the handlers work with.
#[derive(Debug)]
pub struct Admin {
    /// The runtime keys.
    pub keys: RuntimeKeys,
    /// What reads them.
    pub reads: Vec<Read>,
    plugins: Arc<dyn Plugins>,
    read_only: bool,
    /// When the entities of a file were loaded, in seconds since 1970.
    started_s: u64,
    /// Held from the look at the entities to their change.
    changing: Mutex<()>,
}

impl Admin {
    /// Works with these. `read_only`: the entities are those of the configuration file, and only
    /// `POST /config` changes them.
    pub fn new(
        keys: RuntimeKeys,
        reads: Vec<Read>,
        plugins: Arc<dyn Plugins>,
        read_only: bool,
    ) -> Self {
        Self {
            keys,
            reads,
            plugins,
            read_only,
            started_s: now_s(),
            changing: Mutex::new(()),
        }
    }

    /// What is in force, flat.
    fn entities(&self) -> Kong {
        self.plugins.current().flat(self.started_s)
    }

    /// Makes one change: of what is in force to what the change gives. It blocks.
    fn change<T>(
        &self,
        change: impl FnOnce(&Kong) -> Result<(Option<Kong>, T), Problem>,
    ) -> Result<T, Problem> {
        // A change that panicked has changed nothing.
        let changing = self.changing.lock();
        let _changing = changing.unwrap_or_else(PoisonError::into_inner);
        let (kong, answer) = change(&self.entities())?;
        let Some(kong) = kong else {
            return Ok(answer);
        };
        match self.plugins.replace(kong) {
            Ok(()) => Ok(answer),
            Err(ReplaceError::Refused(text)) => Err(Problem::bad(text)),
            Err(error) => {
                tracing::error!(%error, "plugins were not changed as asked for");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Err(Problem::message(status, error.to_string()))
            }
        }
    }
}

/// What answers the requests of the admin listener.
pub fn router(admin: Arc<Admin>) -> Router {
    let not_allowed = || async { message(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed") };
    Router::new()
        .route("/runtime", get(runtime::show).patch(runtime::change))
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .fallback(request::answer)
        .with_state(admin)
}

/// Now, in seconds since 1970.
fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}

#[cfg(test)]
mod tests;
