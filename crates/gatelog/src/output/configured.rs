//! The outputs that Kong's entities name.
//!
//! **Shape.** Each plugin's instance becomes an output with its settings. Which records are whose is
//! decided among all instances of one plugin's name ([`Scopes`]).

use std::io;
use std::sync::Arc;

use gatelog_format::FormatError;

use super::address::Reach;
use super::file_log::{FileLog, Files};
use super::http_log::{HttpLog, HttpLogError};
use super::kong_json::CustomFieldError;
use super::line::Line;
use super::loggly::{Loggly, LogglyError};
use super::scope::Scopes;
use super::{Output, OutputSet, Settings};
use crate::config::plugins::{self, ItemError, Kind, Kong, instances};

/// Why there are no outputs. What is wrong with the configuration has been told before by its check.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputsError {
    /// Plugins do not fit together.
    #[error("{0}")]
    Item(#[from] ItemError),
    /// A custom field cannot be used.
    #[error("custom_fields: {0}")]
    CustomField(#[from] CustomFieldError),
    /// A format cannot be used.
    #[error("access_log_format: {0}")]
    Format(#[from] FormatError),
    /// An `http-log` cannot be used.
    #[error("{output}: {source}")]
    HttpLog {
        /// The output.
        output: String,
        /// What is wrong.
        source: HttpLogError,
    },
    /// A `loggly` cannot be made.
    #[error("{output}: {source}")]
    Loggly {
        /// Its name.
        output: String,
        /// What is wrong.
        source: LogglyError,
    },
    /// A thread cannot be started.
    #[error("start an output's thread: {0}")]
    Thread(#[source] io::Error),
}

/// Makes the outputs that the plugins name, which connect to what `reach` allows, and tells the log
/// what [`warnings`] says of them.
///
/// # Errors
/// [`OutputsError`].
pub fn configured(kong: &Kong, reach: Reach) -> Result<OutputSet, OutputsError> {
    for warning in warnings(kong)? {
        tracing::warn!(warning, "output");
    }
    let mut files = Files::default();
    let mut outputs = Vec::new();
    let running = instances(kong)?.into_iter();
    let running: Vec<_> = running.filter(|one| one.plugin.enabled()).collect();
    let scopes = running
        .iter()
        .map(|one| (one.plugin.kind().name(), &one.scope));
    let routing = Arc::new(Scopes::new(scopes));
    for instance in running {
        let output = match instance.plugin.kind() {
            Kind::FileLog(settings) => {
                let file = files.at(&settings.path).map_err(OutputsError::Thread)?;
                let line = line(&settings.line)?;
                let output: Arc<dyn Output> = Arc::new(FileLog::new(instance.output, line, file));
                let treated = Settings {
                    start: settings.delivery.start,
                    max_backlog: settings.delivery.max_backlog,
                    ..FileLog::settings()
                };
                (output, treated)
            }
            Kind::HttpLog(settings) => {
                let name = instance.output.clone();
                let output = HttpLog::new(name, settings, reach);
                let output = output.map_err(|source| OutputsError::HttpLog {
                    output: instance.output,
                    source,
                })?;
                let output: Arc<dyn Output> = Arc::new(output);
                (output, settings.settings())
            }
            Kind::Loggly(settings) => {
                let name = instance.output.clone();
                let output = Loggly::new(name, settings, reach);
                let output = output.map_err(|source| OutputsError::Loggly {
                    output: instance.output,
                    source,
                })?;
                let output: Arc<dyn Output> = Arc::new(output);
                (output, Loggly::settings(settings.delivery))
            }
        };
        outputs.push(output);
    }
    Ok(OutputSet { outputs, routing })
}

/// What an operator should know of the outputs, although they work. It looks whether they can be made.
///
/// # Errors
/// As [`configured`].
pub fn warnings(kong: &Kong) -> Result<Vec<String>, OutputsError> {
    let mut warnings = Vec::new();
    for instance in instances(kong)?
        .into_iter()
        .filter(|one| one.plugin.enabled())
    {
        let of_one = match instance.plugin.kind() {
            Kind::FileLog(settings) => line(&settings.line)?.warnings(),
            Kind::HttpLog(settings) => {
                HttpLog::check(settings).map_err(|source| OutputsError::HttpLog {
                    output: instance.output.clone(),
                    source,
                })?;
                let line = Line::Kong(settings.json.writer()?);
                [settings.warnings(), line.warnings()].concat()
            }
            Kind::Loggly(settings) => {
                let line = Line::Kong(settings.log_json.writer()?);
                [settings.warnings(), line.warnings()].concat()
            }
        };
        let named = |warning| format!("{}: {warning}", instance.output);
        warnings.extend(of_one.into_iter().map(named));
    }
    Ok(warnings)
}

fn line(line: &plugins::Line) -> Result<Line, OutputsError> {
    Ok(match line {
        plugins::Line::Kong(json) => Line::Kong(json.writer()?),
        plugins::Line::Envoy {
            format,
            json,
            omit_empty_values,
        } => {
            let template = plugins::template(format, *json)?;
            let template = template.omit_empty_values(*omit_empty_values);
            if *json {
                Line::object(template)
            } else {
                Line::text(template, format)
            }
        }
    })
}
