//! The outputs that Kong's entities name.
//!
//! **Shape.** Each plugin's instance becomes an output with its settings. Which records are whose is
//! decided among all instances of one plugin's name ([`Scopes`]).

use std::collections::{BTreeSet, HashMap};
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
use super::{Entry, Output, OutputSet, Settings};
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

/// Makes outputs of plugins, and uses again those of before where nothing has changed about them.
#[derive(Debug)]
pub struct Maker {
    reach: Reach,
    files: Files,
    /// The outputs made last, by their readers.
    made: HashMap<String, Made>,
    /// Warnings that the log has.
    told: BTreeSet<String>,
}

struct Made {
    kind: Kind,
    name: String,
    output: Arc<dyn Output>,
    settings: Settings,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Maker {
    /// Of outputs that connect to what `reach` allows.
    pub fn new(reach: Reach) -> Self {
        Self {
            reach,
            files: Files::default(),
            made: HashMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// Makes the outputs that the plugins name, and tells the log what [`warnings`] says of them.
    ///
    /// # Errors
    /// [`OutputsError`].
    pub fn make(&mut self, kong: &Kong) -> Result<OutputSet, OutputsError> {
        let warnings = BTreeSet::from_iter(warnings(kong)?);
        for warning in warnings.difference(&self.told) {
            tracing::warn!(warning, "output");
        }
        let running = instances(kong)?.into_iter();
        let running: Vec<_> = running.filter(|one| one.plugin.enabled()).collect();
        let scopes = running
            .iter()
            .map(|one| (one.plugin.kind().name(), &one.scope));
        let routing = Arc::new(Scopes::new(scopes));
        let mut made = HashMap::new();
        let mut outputs = Vec::new();
        for instance in running {
            let kind = instance.plugin.kind();
            let same = self.made.remove(&instance.reader);
            let same = same.filter(|made| made.name == instance.output && made.kind == *kind);
            let one = match same {
                Some(made) => made,
                None => self.one(instance.output, kind)?,
            };
            outputs.push(Entry {
                reader: instance.reader.clone(),
                output: Arc::clone(&one.output),
                settings: one.settings.clone(),
            });
            made.insert(instance.reader, one);
        }
        self.made = made;
        self.told = warnings;
        Ok(OutputSet { outputs, routing })
    }

    /// Makes one output.
    fn one(&mut self, name: String, kind: &Kind) -> Result<Made, OutputsError> {
        let (output, settings): (Arc<dyn Output>, _) = match kind {
            Kind::FileLog(settings) => {
                let file = self.files.at(&settings.path);
                let file = file.map_err(OutputsError::Thread)?;
                let output = FileLog::new(name.clone(), line(&settings.line)?, file);
                let treated = Settings {
                    start: settings.delivery.start,
                    max_backlog: settings.delivery.max_backlog,
                    ..FileLog::settings()
                };
                (Arc::new(output), treated)
            }
            Kind::HttpLog(settings) => {
                let output = HttpLog::new(name.clone(), settings, self.reach);
                let output = output.map_err(|source| OutputsError::HttpLog {
                    output: name.clone(),
                    source,
                })?;
                (Arc::new(output), settings.settings())
            }
            Kind::Loggly(settings) => {
                let output = Loggly::new(name.clone(), settings, self.reach);
                let output = output.map_err(|source| OutputsError::Loggly {
                    output: name.clone(),
                    source,
                })?;
                (Arc::new(output), Loggly::settings(settings.delivery))
            }
        };
        Ok(Made {
            kind: kind.clone(),
            name,
            output,
            settings,
        })
    }
}

/// What an operator should know of the outputs, although they work. It looks whether they can be made.
///
/// # Errors
/// As [`Maker::make`].
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
