//! What is printed: a table for people, JSON for programs.

use std::fmt::Write as _;

use bytesize::ByteSize;
use gatelog_record::Timestamp;
use serde_json::{Map, Value, json};

use super::tally::{Errors, Example, Named, Names, Sum, Tally};
use super::trial::Trial;
use crate::selection::Reason;

/// Names that are shown of a kind.
const TOP: usize = 10;

/// The result.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) tally: Tally,
    pub(super) trial: Trial,
}

impl Report {
    /// One JSON object.
    pub(super) fn to_json(&self) -> Value {
        let tally = &self.tally;
        let mut kept = sum(tally.kept);
        let mut dropped = sum(tally.dropped());
        if let (Value::Object(kept), Value::Object(dropped)) = (&mut kept, &mut dropped) {
            kept.insert("estimate".into(), number(tally.estimate_of_kept));
            dropped.insert("by_filter".into(), sum(tally.by_filter));
            dropped.insert("by_sample".into(), sum(tally.by_sample));
        }
        let mut report = json!({
            "since": self.since.to_rfc3339_millis(),
            "until": self.until.to_rfc3339_millis(),
            "tried": self.trial.parts,
            "looked_at": sum(tally.looked_at),
            "kept": kept,
            "dropped": dropped,
            "errors": {"kept": errors(&tally.kept_errors), "dropped": errors(&tally.dropped_errors)},
            "dropped_routes": names(&tally.routes),
            "dropped_services": names(&tally.services),
            "dropped_errors": tally.examples.values().flatten().map(example).collect::<Vec<_>>(),
            "weighted": tally.weighted,
            "unreadable": tally.unreadable,
            "notes": self.notes(),
        });
        if let (Some(redaction), Value::Object(report)) = (&self.trial.redaction, &mut report) {
            let rules: Vec<_> = redaction
                .rules()
                .map(|(rule, records)| json!({"rule": rule, "records": records}))
                .collect();
            let redaction = json!({"records": redaction.changed,
                "by_built_in_rules": redaction.by_built_in, "rules": rules});
            report.insert("redaction".into(), redaction);
        }
        report
    }

    /// For people, without the last line break.
    pub(super) fn to_text(&self) -> String {
        let tally = &self.tally;
        let mut text = Text::default();
        text.line(format_args!(
            "tried: {}, on the records from {} to {}",
            self.trial.parts.join(", "),
            self.since.to_rfc3339_millis(),
            self.until.to_rfc3339_millis()
        ));
        text.head("");
        let of = tally.looked_at;
        text.row("looked at", of, of);
        text.row("kept", tally.kept, of);
        text.row("dropped", tally.dropped(), of);
        for (by, sum) in [
            ("  by filter", tally.by_filter),
            ("  by sample", tally.by_sample),
        ] {
            if sum.records > 0 {
                text.row(by, sum, of);
            }
        }
        let mut all = tally.kept_errors.all;
        all += tally.dropped_errors.all;
        text.head("errors");
        text.row("all", all, all);
        for (what, errors) in [
            ("kept", &tally.kept_errors),
            ("dropped", &tally.dropped_errors),
        ] {
            text.row(what, errors.all, all);
            for (class, sum) in &errors.by_status {
                text.row(&format!("  status {class}"), *sum, all);
            }
            for (flag, named) in errors.by_flag.top(TOP) {
                text.row(&format!("  flag {flag}"), named.all, all);
            }
        }
        text.names("dropped, by route", &tally.routes, tally.dropped());
        text.names("dropped, by service", &tally.services, tally.dropped());
        text.examples(tally);
        if let Some(redaction) = &self.trial.redaction {
            text.line("");
            let changed = redaction.changed;
            text.line(format_args!(
                "{:<40} {:>12}",
                "redacted, of the kept", "records"
            ));
            text.line(format_args!("{:<40} {changed:>12}", "all"));
            for (rule, records) in redaction.rules() {
                text.line(format_args!("{:<40} {records:>12}", shown(rule)));
            }
            if redaction.by_built_in > 0 {
                let records = redaction.by_built_in;
                text.line(format_args!("{:<40} {records:>12}", "built-in rules"));
            }
        }
        let notes = self.notes();
        if !notes.is_empty() {
            text.line("");
        }
        for note in notes {
            text.line(format_args!("note: {note}"));
        }
        text.0.trim_end().to_owned()
    }

    /// What the numbers do not say by themselves.
    fn notes(&self) -> Vec<String> {
        let tally = &self.tally;
        let mut notes = Vec::new();
        let difference = (tally.estimate_of_kept - tally.looked_at.estimated).abs();
        if tally.kept.records > 0 && difference > 1e-6 * tally.looked_at.estimated {
            notes.push(format!(
                "the weights of the kept records would estimate {:.0} records of the {:.0}",
                tally.estimate_of_kept, tally.looked_at.estimated
            ));
        }
        if tally.weighted > 0 {
            notes.push(format!(
                "{} of the records were sampled when they came, and count by their weights in \
                 `estimated`; what was dropped then is not among them, and a runtime filter that \
                 chooses by request id finds those that an earlier one has chosen",
                tally.weighted
            ));
        }
        if self.trial.selection.sampler().is_some() {
            notes.push(
                "the sampling policy began without a window of routes and with its whole budget"
                    .to_owned(),
            );
        }
        if tally.unreadable > 0 {
            let rows = tally.unreadable;
            notes.push(format!(
                "{rows} rows could not be read as records and were left out"
            ));
        }
        notes
    }
}

/// What is printed so far.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: impl std::fmt::Display) {
        // Writing to a text does not fail.
        let _written = writeln!(self.0, "{line}").is_ok();
    }

    fn head(&mut self, title: &str) {
        self.line("");
        self.line(format_args!(
            "{title:<40} {:>12} {:>12} {:>8} {:>10}",
            "records", "estimated", "", "bytes"
        ));
    }

    fn row(&mut self, name: &str, sum: Sum, of: Sum) {
        let part = if of.estimated > 0.0 {
            format!("{:.2} %", sum.estimated / of.estimated * 100.0)
        } else {
            String::new()
        };
        let bytes = ByteSize(sum.bytes).display().iec().to_string();
        let Sum {
            records, estimated, ..
        } = sum;
        let name = shown(name);
        self.line(format_args!(
            "{name:<40} {records:>12} {estimated:>12.0} {part:>8} {bytes:>10}"
        ));
    }

    fn names(&mut self, title: &str, names: &Names, of: Sum) {
        if of.records == 0 {
            return;
        }
        self.head(title);
        let with_errors = |name: &str, named: Named| match named.errors.records {
            0 => name.to_owned(),
            errors => format!("{name} ({errors} errors)"),
        };
        for (name, named) in names.top(TOP) {
            let name = if name.is_empty() { "(none)" } else { name };
            self.row(&with_errors(name, named), named.all, of);
        }
        if names.others.all.records > 0 {
            self.row(
                &with_errors("(not told apart)", names.others),
                names.others.all,
                of,
            );
        }
    }

    fn examples(&mut self, tally: &Tally) {
        if tally.examples.is_empty() {
            return;
        }
        self.line("");
        self.line("some of the dropped errors");
        for example in tally.examples.values().flatten() {
            let or_dash = |text: &Option<String>| shown(text.as_deref().unwrap_or("-"));
            self.line(format_args!(
                "{} {} {:>3} {} {} (by {})",
                or_dash(&example.request_id),
                or_dash(&example.start_time),
                example.response_code,
                or_dash(&example.response_flags),
                or_dash(&example.route),
                word(example.by)
            ));
        }
    }
}

/// A text that came from a client, for a terminal.
fn shown(text: &str) -> String {
    let visible = |char: char| if char.is_control() { '\u{fffd}' } else { char };
    text.chars().map(visible).collect()
}

fn word(by: Reason) -> &'static str {
    match by {
        Reason::Filter => "filter",
        Reason::Sample => "sample",
    }
}

fn sum(sum: Sum) -> Value {
    json!({"records": sum.records, "estimated": number(sum.estimated), "bytes": sum.bytes})
}

fn errors(errors: &Errors) -> Value {
    let mut all = sum(errors.all);
    let by_status: Map<String, Value> = errors
        .by_status
        .iter()
        .map(|(class, of)| ((*class).to_owned(), sum(*of)))
        .collect();
    let by_flag: Map<String, Value> = errors
        .by_flag
        .top(usize::MAX)
        .into_iter()
        .map(|(flag, named)| (flag.to_owned(), sum(named.all)))
        .collect();
    if let Value::Object(all) = &mut all {
        all.insert("by_status".into(), by_status.into());
        all.insert("by_flag".into(), by_flag.into());
    }
    all
}

fn names(names: &Names) -> Value {
    let one = |(name, named): (&str, Named)| {
        let name = (!name.is_empty()).then_some(name);
        json!({"name": name, "records": named.all.records, "estimated": number(named.all.estimated),
            "errors": named.errors.records, "bytes": named.all.bytes})
    };
    names.top(TOP).into_iter().map(one).collect()
}

fn example(example: &Example) -> Value {
    json!({"request_id": example.request_id, "start_time": example.start_time,
        "response_code": example.response_code, "response_flags": example.response_flags,
        "route": example.route, "by": word(example.by)})
}

/// A whole number without a fraction, as `GET /query` gives estimates.
fn number(number: f64) -> Value {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and from 0 to 2⁵³"
    )]
    if number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number) {
        (number as u64).into()
    } else {
        number.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selection::Choice;

    fn report(config: &str, rows: &[(&str, Choice)]) -> Report {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.yaml");
        std::fs::write(&file, config).unwrap();
        let mut tally = Tally::default();
        for (row, choice) in rows {
            let (record, _) = gatelog_record::json::read(row).unwrap();
            let weight = record.sample_weight.unwrap_or(1.0);
            tally.count(&record, weight, row.len(), *choice);
        }
        Report {
            since: Timestamp::EPOCH,
            until: Timestamp::from_millis(1),
            tally,
            trial: Trial::read((Some(&file), None), &[]).unwrap(),
        }
    }

    #[test]
    fn both_forms_say_what_is_dropped_and_which_errors() {
        let report = report(
            "sample: {rate: 0.5}",
            &[
                (r#"{"response_code":200,"sample_weight":2.5}"#, Choice::Keep),
                (
                    r#"{"response_code":503,"response_flags":"UF","route":"a\u001b[2Jb","request_id":"x1"}"#,
                    Choice::Drop(Reason::Sample),
                ),
                (
                    r#"{"response_code":200,"service":"s"}"#,
                    Choice::Drop(Reason::Filter),
                ),
            ],
        );
        let json = report.to_json();
        assert_eq!(json["looked_at"]["estimated"], 4.5);
        assert_eq!(json["dropped"]["by_sample"]["records"], 1);
        assert_eq!(json["errors"]["dropped"]["by_status"]["5xx"]["records"], 1);
        assert_eq!(json["errors"]["dropped"]["by_flag"]["UF"]["estimated"], 1);
        assert_eq!(json["errors"]["kept"]["records"], 0);
        assert_eq!(json["dropped_services"][0]["name"], Value::Null);
        assert_eq!(json["dropped_errors"][0]["request_id"], "x1");
        assert_eq!(json["notes"].as_array().unwrap().len(), 3);
        assert!(json.get("redaction").is_none());
        let text = report.to_text();
        for part in [
            "tried: sample, on",
            "status 5xx",
            "flag UF",
            "x1 - 503 UF",
            "(by sample)",
            "(none)",
            "(1 errors)",
            "note: 1 of the records were sampled",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            !text.contains('\u{1b}'),
            "a client writes to no terminal: {text}"
        );
    }

    #[test]
    fn of_nothing_there_is_a_report_too() {
        let report = report("redact: {query: [a]}", &[]);
        let text = report.to_text();
        assert!(
            text.contains("looked at") && text.contains("query a"),
            "{text}"
        );
        assert_eq!(report.to_json()["redaction"]["rules"][0]["records"], 0);
    }
}
