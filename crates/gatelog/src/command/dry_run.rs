//! `gatelog dry-run --filter FILE --since 1d`: what a filter, a sampling policy or rules of redaction
//! would have made of records that are stored.
//!
//! **Shape.**
//!
//! ```text
//! FILE ─► trial: Selection, redaction ─┐
//! GET /query ─► rows, by start time ───┴─► tally ─► report: a table, or JSON
//! ```
//!
//! The records are those of a running server. What decides is [`Selection`], as in `gatelog serve`, and
//! what redacts is [`Rules`]: nothing is decided here.
//!
//! **Limits.** Memory: a page of rows, and what the tally names (it is bounded). Stored records are what
//! an earlier filter has left, without what was redacted; `docs/filters.md` says what that means. The
//! window of the sampling policy and its budget begin empty, and its clock is the records' start.
//!
//! **Failure.** A server that does not answer ends it with exit code 1, a file or an argument that cannot
//! be used with 64. Nothing is ever changed.
//!
//! [`Selection`]: crate::selection::Selection
//! [`Rules`]: gatelog_redact::Rules

mod redaction;
mod report;
mod rows;
mod tally;
mod trial;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use axum::http::Uri;
use clap::Args;
use gatelog_filter::RuntimeValue;
use gatelog_record::{Timestamp, json};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use self::report::Report;
use self::rows::{Page, Rows};
use self::tally::Tally;
use self::trial::Trial;
use self::when::{When, when};
use super::send::http_url;
use super::{USAGE, print};
use crate::intake;

/// Arguments of `gatelog dry-run`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What is tried: a configuration file, of which `filter`, `sample` and `redact` count, or an Envoy
    /// filter by itself or in an `EnvoyFilter`.
    #[arg(long, value_name = "FILE", required_unless_present = "redact")]
    filter: Option<PathBuf>,
    /// Rules of redaction that are tried: a configuration file, of which `redact` counts.
    #[arg(long, value_name = "FILE")]
    redact: Option<PathBuf>,
    /// The records that began in this time until now, such as 30m, 12h, 1d or 2w, or since this moment
    /// (RFC 3339).
    #[arg(long, value_name = "AGE", default_value = "1d", value_parser = when)]
    since: When,
    /// Until so long ago, or until this moment [default: now].
    #[arg(long, value_name = "AGE", value_parser = when)]
    until: Option<When>,
    /// Only the records that this parameter of GET /query finds, such as service=billing; several must
    /// all hold.
    #[arg(long = "where", value_name = "NAME=VALUE", value_parser = condition)]
    conditions: Vec<(String, String)>,
    /// A runtime key with its value; what PATCH /runtime has set on the server does not count here.
    #[arg(long = "runtime", value_name = "KEY=VALUE", value_parser = runtime_key)]
    keys: Vec<(String, RuntimeValue)>,
    /// Where the server is, as http://HOST:PORT.
    #[arg(long, default_value = "http://127.0.0.1:8080", value_parser = http_url)]
    url: Uri,
    /// Print JSON and not a table.
    #[arg(long)]
    json: bool,
}

/// Why there is no result.
#[derive(Debug)]
enum Failure {
    /// An argument, or a file that it names, cannot be used.
    Usage(String),
    /// The server does not answer as it should.
    Server(String),
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match tried(arguments) {
        Ok(report) => {
            if arguments.json {
                print::line(report.to_json());
            } else {
                print::line(report.to_text());
            }
            ExitCode::SUCCESS
        }
        Err(Failure::Usage(problem)) => {
            print::error(problem);
            ExitCode::from(USAGE)
        }
        Err(Failure::Server(problem)) => {
            print::error(problem);
            ExitCode::FAILURE
        }
    }
}

fn tried(arguments: &Arguments) -> Result<Report, Failure> {
    let files = (arguments.filter.as_deref(), arguments.redact.as_deref());
    let trial = Trial::read(files, &arguments.keys).map_err(Failure::Usage)?;
    for warning in trial.selection.warnings() {
        print::error(format_args!("warning: filter: {warning}"));
    }
    let now = intake::now();
    let since = arguments.since.before(now);
    let until = arguments.until.map_or(now, |until| until.before(now));
    if since > until {
        let problem = "--since: it is behind --until".to_owned();
        return Err(Failure::Usage(problem));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::Server(error.to_string()))?;
    let rows = Rows::new(&arguments.url, &arguments.conditions, since, until)?;
    runtime.block_on(look_at(rows, trial, since, until))
}

/// Reads all rows, and counts what would have become of them.
async fn look_at(
    mut rows: Rows,
    mut trial: Trial,
    since: Timestamp,
    until: Timestamp,
) -> Result<Report, Failure> {
    let bar = progress(since, until);
    let mut tally = Tally::default();
    while let Some(page) = rows.next().await? {
        let reached = count(&page, &mut trial, &mut tally);
        if let Some(reached) = reached.or_else(|| rows.reached()) {
            let seconds = (reached.micros() - since.micros()) / 1_000_000;
            bar.set_position(u64::try_from(seconds).unwrap_or(0));
        }
        bar.set_message(format!("{} records", tally.looked_at.records));
    }
    bar.finish_and_clear();
    Ok(Report {
        since,
        until,
        tally,
        trial,
    })
}

/// Counts the rows of a page; answers when the last one began.
fn count(page: &Page, trial: &mut Trial, tally: &mut Tally) -> Option<Timestamp> {
    let mut reached = None;
    let mut text = String::new();
    for row in &page.logs {
        let Ok((mut record, _)) = json::read_next(row.get()).0 else {
            tally.unreadable += 1;
            continue;
        };
        text.clear();
        json::write(&record, &mut text);
        let began = record.start_time.unwrap_or(Timestamp::EPOCH);
        let weight = record.sample_weight.unwrap_or(1.0);
        let choice = trial.selection.choose(&mut record, text.len(), began);
        tally.count(&record, weight, text.len(), choice);
        if let (crate::selection::Choice::Keep, Some(redaction)) = (choice, &mut trial.redaction) {
            redaction.count(&record);
        }
        reached = Some(began);
    }
    reached
}

/// A bar over the asked time, on a terminal.
fn progress(since: Timestamp, until: Timestamp) -> ProgressBar {
    let seconds = (until.micros() - since.micros()) / 1_000_000;
    let bar = ProgressBar::new(u64::try_from(seconds).unwrap_or(0));
    if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {percent} % {msg}")
    {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Reads the argument `--where`.
fn condition(text: &str) -> Result<(String, String), String> {
    const OURS: [&str; 11] = [
        "start",
        "start_time",
        "end",
        "end_time",
        "page",
        "page_size",
        "cursor",
        "sort_by",
        "sort_order",
        "count",
        "fields",
    ];
    let (name, value) = named(text)?;
    if OURS.contains(&name) {
        return Err(format!(
            "{name} is not a condition; --since and --until say the time"
        ));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Reads the argument `--runtime`.
fn runtime_key(text: &str) -> Result<(String, RuntimeValue), String> {
    let (name, value) = named(text)?;
    let json = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), RuntimeValue::from_json(&json)?))
}

fn named(text: &str) -> Result<(&str, &str), String> {
    let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
    parts.ok_or_else(|| "expected a name, `=` and a value".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_those_of_a_query_but_for_its_time_and_pages() {
        let both = ("path".to_owned(), "/a=b".to_owned());
        assert_eq!(condition("path=/a=b"), Ok(both));
        assert!(condition("start=1").unwrap_err().contains("--since"));
        for wrong in ["service", "=x", ""] {
            assert!(condition(wrong).unwrap_err().contains('='), "{wrong}");
        }
    }

    #[test]
    fn runtime_keys_have_the_values_of_patch_runtime() {
        let value = |text: &str| runtime_key(text).map(|(_, value)| value.to_json());
        assert_eq!(value("a=20"), Ok(20.into()));
        let fraction = value(r#"a={"numerator":1,"denominator":"MILLION"}"#).unwrap();
        assert_eq!(fraction["denominator"], "MILLION");
        assert!(value("a=much").is_err());
    }
}
