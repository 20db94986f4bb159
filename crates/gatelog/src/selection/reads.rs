//! Which part of a filter reads which runtime key.

use gatelog_filter::AccessLogFilter;
use gatelog_filter::config::Compared;
use serde_json::{Value, json};

/// A place in the filter that reads a runtime key.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The key.
    pub key: String,
    /// The place, such as `filter.or_filter.filters[1].runtime_filter`.
    pub place: String,
    /// What counts there while the key is not set: a number, or a fraction.
    pub default: Value,
}

/// Every place of a filter that reads a key, in order.
pub fn reads(filter: &AccessLogFilter) -> Vec<Read> {
    let mut found = Vec::new();
    collect(filter, "filter", &mut found);
    found
}

fn collect(filter: &AccessLogFilter, path: &str, found: &mut Vec<Read>) {
    let compared = |name: &str, compared: &Compared| {
        let number = &compared.comparison.value;
        (!number.runtime_key.is_empty()).then(|| Read {
            key: number.runtime_key.clone(),
            place: format!("{path}.{name}"),
            default: number.default_value.into(),
        })
    };
    match filter {
        AccessLogFilter::StatusCodeFilter(filter) => {
            found.extend(compared("status_code_filter", filter));
        }
        AccessLogFilter::DurationFilter(filter) => {
            found.extend(compared("duration_filter", filter));
        }
        AccessLogFilter::RuntimeFilter(filter) => found.push(Read {
            key: filter.runtime_key.clone(),
            place: format!("{path}.runtime_filter"),
            default: json!(filter.percent_sampled),
        }),
        AccessLogFilter::AndFilter(inner) | AccessLogFilter::OrFilter(inner) => {
            let is_and = matches!(filter, AccessLogFilter::AndFilter(_));
            let name = if is_and { "and_filter" } else { "or_filter" };
            for (index, filter) in inner.filters.iter().enumerate() {
                collect(filter, &format!("{path}.{name}.filters[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_found_with_what_counts_there() {
        let filter = AccessLogFilter::from_json(&json!({"or_filter": {"filters": [
            {"status_code_filter": {"comparison": {"op": "GE", "value": {"default_value": 400, "runtime_key": "a"}}}},
            {"and_filter": {"filters": [
                {"duration_filter": {"comparison": {"value": {"default_value": 5, "runtime_key": "b"}}}},
                {"runtime_filter": {"runtime_key": "a", "percent_sampled": {"numerator": 50}}},
                {"status_code_filter": {"comparison": {"value": {"default_value": 1}}}}
            ]}}
        ]}})).unwrap();
        let found = reads(&filter);
        let told: Vec<_> = found
            .iter()
            .map(|read| {
                (
                    read.key.as_str(),
                    read.place.as_str(),
                    read.default.to_string(),
                )
            })
            .collect();
        let half = r#"{"numerator":50,"denominator":"HUNDRED"}"#.to_owned();
        let expected = [
            (
                "a",
                "filter.or_filter.filters[0].status_code_filter",
                "400".to_owned(),
            ),
            (
                "b",
                "filter.or_filter.filters[1].and_filter.filters[0].duration_filter",
                "5".to_owned(),
            ),
            (
                "a",
                "filter.or_filter.filters[1].and_filter.filters[1].runtime_filter",
                half,
            ),
        ];
        let parsed = |text: &String| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(told.len(), expected.len());
        for (told, expected) in told.iter().zip(&expected) {
            assert_eq!((told.0, told.1), (expected.0, expected.1));
            assert_eq!(parsed(&told.2), parsed(&expected.2));
        }
    }
}
