//! What every scenario is asked with: a window, an interval, filters, and which half of the traffic.
//!
//! **Shape.** A [`Question`] makes the shared parts of a statement, and tells by itself which
//! records fit them. Both ends of the window belong to it; filters are arrays of values, one of
//! which has to fit, and all filters have to.
//!
//! **Why** `LIKE` for MCP: HiMarket asks `REGEXP_LIKE(path, '^/mcp-servers')`, which says the same
//! in MySQL and is an error in MariaDB.

use std::fmt::Write as _;

use gatelog_record::{Field, Timestamp};

use super::seen::{Seen, fold};

/// Which requests a scenario is about, where it tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Business {
    /// Calls to a model: those whose `ai_log` names one.
    Model,
    /// Calls to MCP servers: by their path.
    Mcp,
}

/// Columns, each with the values that it may have.
pub(super) type Filters = Vec<(Field, Vec<&'static str>)>;

/// The parameters of a scenario.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) from_seconds: i64,
    pub(super) to_seconds: i64,
    pub(super) interval_seconds: i64,
    pub(super) business: Business,
    pub(super) filters: Filters,
}

impl Question {
    /// The statement of a template, with these in place of what stands in braces:
    ///
    /// - `{where}`: the window and the filters;
    /// - `{business}`: the half of the traffic;
    /// - `{bucket}`: the start of the interval that a row belongs to, as the chart shows it;
    /// - `{interval}`: its seconds;
    /// - `{ai.KEY}`: a value of `ai_log` as text.
    pub(super) fn fill(&self, template: &str) -> String {
        let interval = self.interval_seconds;
        let bucket = format!(
            "FROM_UNIXTIME(FLOOR(UNIX_TIMESTAMP(start_time) / {interval}) * {interval}, \
             '%Y-%m-%d %H:%i:%s')"
        );
        let business = match self.business {
            Business::Model => {
                "(JSON_VALID(ai_log) AND {ai.model} IS NOT NULL AND {ai.model} <> '')"
            }
            Business::Mcp => "(path LIKE '/mcp-servers%')",
        };
        let filled = template
            .replace("{where}", &self.condition())
            .replace("{business}", business)
            .replace("{bucket}", &bucket)
            .replace("{interval}", &interval.to_string());
        let mut parts = filled.split("{ai.");
        let mut statement = parts.next().unwrap().to_owned();
        for part in parts {
            let (key, rest) = part.split_once('}').unwrap();
            write!(
                statement,
                "JSON_UNQUOTE(JSON_EXTRACT(ai_log, '$.{key}')){rest}"
            )
            .unwrap();
        }
        statement
    }

    fn condition(&self) -> String {
        let moment = |seconds: i64| Timestamp::from_millis(seconds * 1000).to_sql(0);
        let mut condition = format!(
            "start_time >= '{}' AND start_time <= '{}'",
            moment(self.from_seconds),
            moment(self.to_seconds)
        );
        for (field, values) in &self.filters {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            write!(
                condition,
                " AND {} IN ({})",
                field.name(),
                values.join(", ")
            )
            .unwrap();
        }
        condition
    }

    /// Whether a record lies in the window and passes the filters.
    pub(super) fn admits(&self, seen: &Seen<'_>) -> bool {
        let window = self.from_seconds * 1_000_000..=self.to_seconds * 1_000_000;
        window.contains(&seen.start_micros)
            && self.filters.iter().all(|(field, values)| {
                seen.text(*field).is_some_and(|text| {
                    let text = fold(&text);
                    values.iter().any(|value| fold(value) == text)
                })
            })
    }

    /// Whether a record is of the half that is asked about.
    pub(super) fn is_about(&self, seen: &Seen<'_>) -> bool {
        match self.business {
            Business::Model => seen.ai("model").is_some_and(|model| !model.is_empty()),
            Business::Mcp => seen
                .text(Field::Path)
                .is_some_and(|path| path.starts_with("/mcp-servers")),
        }
    }

    /// Where the interval begins that a record belongs to.
    pub(super) fn bucket(&self, seen: &Seen<'_>) -> String {
        let interval = self.interval_seconds * 1_000_000;
        let begin = seen.start_micros.div_euclid(interval) * interval;
        Timestamp::from_micros(begin).to_sql(0)
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
