//! What the running gatelog says of its records.

use anyhow::Context as _;
use gatelog_testkit::gatelog::Gatelog;
use serde_json::Value;

/// The counter of records that were acknowledged.
const ACKNOWLEDGED: &str = "gatelog_records_accepted_total";

/// A row of the store, as far as the ledger needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) status: u16,
}

/// How many rows the store has.
///
/// # Errors
/// When gatelog does not answer, or not as it should.
pub(crate) fn total(gatelog: &Gatelog) -> anyhow::Result<u64> {
    let page = gatelog.query("page_size=1")?;
    page.get("total")
        .and_then(Value::as_u64)
        .context("an answer of /query without `total`")
}

/// Every row there is.
///
/// # Errors
/// As [`total`].
pub(crate) fn rows(gatelog: &Gatelog) -> anyhow::Result<Vec<Row>> {
    let rows = gatelog.all_rows("sort_by=start_time")?;
    rows.iter()
        .map(|log| row(log).with_context(|| format!("not a row: {log}")))
        .collect()
}

/// How many records it has acknowledged since its start.
///
/// # Errors
/// As [`total`].
pub(crate) fn acknowledged(gatelog: &Gatelog) -> anyhow::Result<u64> {
    let (_, metrics) = gatelog.get("/metrics")?;
    sum(&metrics, ACKNOWLEDGED).with_context(|| format!("/metrics has no {ACKNOWLEDGED}"))
}

fn row(log: &Value) -> Option<Row> {
    Some(Row {
        path: log.get("path")?.as_str()?.to_owned(),
        status: u16::try_from(log.get("response_code")?.as_u64()?).ok()?,
    })
}

/// The sum of a counter over its labels, from Prometheus' text; `None` when it is not there.
fn sum(metrics: &str, name: &str) -> Option<u64> {
    metrics
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            // Otherwise it is the beginning of another name.
            let is_whole = rest.starts_with(['{', ' ']);
            is_whole
                .then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())
                .flatten()
        })
        .reduce(|sum, count| sum + count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_its_labels() {
        let metrics =
            "# TYPE a_total counter\na_total{x=\"1 2\"} 3\na_total{x=\"2\"} 4\na_total_b 9\n";
        assert_eq!(sum(metrics, "a_total"), Some(7));
        assert_eq!(sum("a_total 5\n", "a_total"), Some(5));
        assert_eq!(sum(metrics, "b_total"), None);
    }

    #[test]
    fn a_row_needs_a_path_and_a_status() {
        let log = serde_json::json!({ "path": "/a?number=1", "response_code": 200, "model": null });
        assert_eq!(
            row(&log),
            Some(Row {
                path: "/a?number=1".into(),
                status: 200
            })
        );
        assert_eq!(
            row(&serde_json::json!({ "path": "/a", "response_code": null })),
            None
        );
    }
}
