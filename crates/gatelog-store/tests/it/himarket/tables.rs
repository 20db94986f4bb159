//! The 11 tables that are shown: a row for each group.
//!
//! **Invariants.** A record without a model, consumer, service or tool is in no row of the tables
//! about these; in the other tables what is absent is a group of its own.

use std::collections::BTreeMap;

use gatelog_record::Field;

use super::scenario::{Cell, Column, Scenario};
use super::seen::{Seen, count, fold, sum};

struct Table {
    name: &'static str,
    /// The groups' columns.
    keys: &'static [&'static str],
    /// What is told of a group.
    values: &'static [&'static str],
    /// The column that orders the rows.
    by: &'static str,
    template: &'static str,
    plain: fn(&[&Seen<'_>]) -> Vec<Vec<Cell>>,
}

macro_rules! tokens_by {
    ($name:literal, $column:literal, $field:expr) => {
        Table {
            name: $name,
            keys: &[$column],
            values: &["input_token", "output_token", "total_token", "request"],
            by: "total_token",
            template: concat!(
                "SELECT ",
                $column,
                ", SUM(input_tokens) AS input_token, SUM(output_tokens) AS output_token, \
                 SUM(total_tokens) AS total_token, COUNT(*) AS request \
                 FROM access_logs WHERE {where} AND ",
                $column,
                " IS NOT NULL GROUP BY ",
                $column,
                " ORDER BY total_token DESC"
            ),
            plain: |records| tokens_by(records, $field),
        }
    };
}

const TABLES: [Table; 11] = [
    tokens_by!("model_token_table", "model", Field::Model),
    tokens_by!("consumer_token_table", "consumer", Field::Consumer),
    tokens_by!(
        "service_token_table",
        "upstream_cluster",
        Field::UpstreamCluster
    ),
    Table {
        name: "error_requests_table",
        keys: &["response_code", "response_code_details", "response_flags"],
        values: &["cnt"],
        by: "cnt",
        template: "SELECT response_code, response_code_details, response_flags, COUNT(*) AS cnt \
                   FROM access_logs WHERE {where} AND (response_code = 0 OR response_code >= 400) \
                   GROUP BY response_code, response_code_details, response_flags \
                   ORDER BY cnt DESC",
        plain: |records| {
            let is_error = |seen: &Seen<'_>| {
                seen.integer(Field::ResponseCode)
                    .is_some_and(|code| code == 0 || code >= 400)
            };
            counted(records, is_error, |seen| {
                vec![
                    seen.text(Field::ResponseCode),
                    seen.text(Field::ResponseCodeDetails),
                    seen.text(Field::ResponseFlags),
                ]
            })
        },
    },
    Table {
        name: "ratelimited_consumer_table",
        keys: &["consumer"],
        values: &["ratelimited_count"],
        by: "ratelimited_count",
        template: "SELECT consumer, COUNT(*) AS ratelimited_count FROM access_logs \
                   WHERE {where} AND {ai.token_ratelimit_status} = 'limited' \
                   GROUP BY consumer ORDER BY ratelimited_count DESC",
        plain: |records| {
            let limited = |seen: &Seen<'_>| seen.ai_is("token_ratelimit_status", "limited");
            counted(records, limited, |seen| vec![seen.text(Field::Consumer)])
        },
    },
    Table {
        name: "risk_label_table",
        keys: &["risklabel"],
        values: &["cnt"],
        by: "cnt",
        template: "SELECT {ai.safecheck_riskLabel} AS risklabel, COUNT(*) AS cnt \
                   FROM access_logs WHERE {where} AND {ai.safecheck_status} = 'reqeust deny' \
                   GROUP BY risklabel ORDER BY cnt DESC",
        plain: |records| {
            counted(records, is_denied, |seen| {
                vec![seen.ai("safecheck_riskLabel")]
            })
        },
    },
    Table {
        name: "risk_consumer_table",
        keys: &["consumer"],
        values: &["cnt"],
        by: "cnt",
        template: "SELECT consumer, COUNT(*) AS cnt FROM access_logs \
                   WHERE {where} AND {ai.safecheck_status} = 'reqeust deny' \
                   GROUP BY consumer ORDER BY cnt DESC",
        plain: |records| counted(records, is_denied, |seen| vec![seen.text(Field::Consumer)]),
    },
    Table {
        name: "method_distribution",
        keys: &["method"],
        values: &["count"],
        by: "count",
        template: "SELECT method, COUNT(*) AS count FROM access_logs WHERE {where} \
                   GROUP BY method ORDER BY count DESC",
        plain: |records| counted(records, any, |seen| vec![seen.text(Field::Method)]),
    },
    Table {
        name: "gateway_status_distribution",
        keys: &["status"],
        values: &["count"],
        by: "count",
        template: "SELECT response_code AS status, COUNT(*) AS count FROM access_logs \
                   WHERE {where} GROUP BY response_code ORDER BY count DESC",
        plain: |records| counted(records, any, |seen| vec![seen.text(Field::ResponseCode)]),
    },
    Table {
        name: "backend_status_distribution",
        keys: &["status"],
        values: &["count"],
        by: "count",
        template: "SELECT response_code_details AS status, COUNT(*) AS count FROM access_logs \
                   WHERE {where} AND {business} GROUP BY response_code_details \
                   ORDER BY count DESC",
        plain: |records| {
            counted(records, any, |seen| {
                vec![seen.text(Field::ResponseCodeDetails)]
            })
        },
    },
    Table {
        name: "request_distribution",
        keys: &[
            "tool_name",
            "response_code",
            "response_flags",
            "response_code_details",
        ],
        values: &["cnt"],
        by: "cnt",
        template: "SELECT mcp_tool AS tool_name, response_code, response_flags, \
                   response_code_details, COUNT(*) AS cnt \
                   FROM access_logs WHERE {where} AND mcp_tool IS NOT NULL \
                   GROUP BY mcp_tool, response_code, response_flags, response_code_details \
                   ORDER BY cnt DESC",
        plain: |records| {
            let is_tool = |seen: &Seen<'_>| seen.text(Field::McpTool).is_some();
            counted(records, is_tool, |seen| {
                vec![
                    seen.text(Field::McpTool),
                    seen.text(Field::ResponseCode),
                    seen.text(Field::ResponseFlags),
                    seen.text(Field::ResponseCodeDetails),
                ]
            })
        },
    },
];

pub(super) fn scenarios() -> Vec<Scenario> {
    TABLES
        .iter()
        .map(|table| Scenario {
            name: table.name,
            template: table.template.to_owned(),
            columns: table
                .keys
                .iter()
                .map(|name| Column::Text(name))
                .chain(table.values.iter().map(|name| Column::Number(name)))
                .collect(),
            plain: Box::new(|_, records| (table.plain)(records)),
            most: usize::MAX,
            by: Some(table.by),
        })
        .collect()
}

fn any(_: &Seen<'_>) -> bool {
    true
}

/// The filter of Higress writes it so; its other words for a denial are not asked for.
fn is_denied(seen: &Seen<'_>) -> bool {
    seen.ai_is("safecheck_status", "reqeust deny")
}

fn tokens_by(records: &[&Seen<'_>], field: Field) -> Vec<Vec<Cell>> {
    groups(
        records,
        |seen| seen.text(field).is_some(),
        |seen| vec![seen.text(field)],
        |group| {
            vec![
                sum(group, Field::InputTokens),
                sum(group, Field::OutputTokens),
                sum(group, Field::TotalTokens),
                Some(count(group.len())),
            ]
        },
    )
}

fn counted(
    records: &[&Seen<'_>],
    of: impl Fn(&Seen<'_>) -> bool,
    key: impl Fn(&Seen<'_>) -> Vec<Option<String>>,
) -> Vec<Vec<Cell>> {
    groups(records, of, key, |group| vec![Some(count(group.len()))])
}

fn groups(
    records: &[&Seen<'_>],
    of: impl Fn(&Seen<'_>) -> bool,
    key: impl Fn(&Seen<'_>) -> Vec<Option<String>>,
    values: impl Fn(&[&Seen<'_>]) -> Vec<Option<f64>>,
) -> Vec<Vec<Cell>> {
    let mut groups: BTreeMap<Vec<Option<String>>, Vec<&Seen<'_>>> = BTreeMap::new();
    for &seen in records.iter().filter(|seen| of(seen)) {
        let folded = key(seen).into_iter().map(|text| text.as_deref().map(fold));
        groups.entry(folded.collect()).or_default().push(seen);
    }
    groups
        .into_iter()
        .map(|(key, group)| {
            let numbers = values(&group).into_iter().map(Cell::Number);
            key.into_iter().map(Cell::Text).chain(numbers).collect()
        })
        .collect()
}
