//! The 8 cards: one number each.

use std::collections::BTreeSet;

use gatelog_record::Field;

use super::scenario::{Cell, Column, Scenario};
use super::seen::{Seen, count, fold, sum};

struct Card {
    name: &'static str,
    column: &'static str,
    /// What is selected.
    value: &'static str,
    /// Which rows are, besides those of the window and the filters.
    rows: &'static str,
    plain: fn(&[&Seen<'_>]) -> Option<f64>,
}

const CARDS: [Card; 8] = [
    Card {
        name: "pv",
        column: "pv",
        value: "COUNT(*)",
        rows: "{business}",
        plain: |records| Some(count(records.len())),
    },
    Card {
        name: "uv",
        column: "uv",
        value: "COUNT(DISTINCT x_forwarded_for)",
        rows: "{business}",
        plain: |records| {
            let chains = records
                .iter()
                .filter_map(|seen| seen.text(Field::XForwardedFor));
            let chains: BTreeSet<String> = chains.map(|chain| fold(&chain)).collect();
            Some(count(chains.len()))
        },
    },
    Card {
        name: "fallback_count",
        column: "cnt",
        value: "COUNT(*)",
        rows: "response_code_details = 'internal_redirect'",
        plain: |records| {
            let redirected = records.iter().filter(|seen| {
                seen.text(Field::ResponseCodeDetails).as_deref() == Some("internal_redirect")
            });
            Some(count(redirected.count()))
        },
    },
    Card {
        name: "bytes_received",
        column: "received",
        value: "ROUND(SUM(bytes_received) / 1024 / 1024, 3)",
        rows: "1 = 1",
        plain: |records| mebibytes(records, Field::BytesReceived),
    },
    Card {
        name: "bytes_sent",
        column: "sent",
        value: "ROUND(SUM(bytes_sent) / 1024 / 1024, 3)",
        rows: "1 = 1",
        plain: |records| mebibytes(records, Field::BytesSent),
    },
    Card {
        name: "input_token_total",
        column: "input_token",
        value: "SUM(input_tokens)",
        rows: "1 = 1",
        plain: |records| sum(records, Field::InputTokens),
    },
    Card {
        name: "output_token_total",
        column: "output_token",
        value: "SUM(output_tokens)",
        rows: "1 = 1",
        plain: |records| sum(records, Field::OutputTokens),
    },
    Card {
        name: "token_total",
        column: "token",
        value: "SUM(total_tokens)",
        rows: "1 = 1",
        plain: |records| sum(records, Field::TotalTokens),
    },
];

pub(super) fn scenarios() -> Vec<Scenario> {
    CARDS
        .iter()
        .map(|card| Scenario {
            name: card.name,
            template: format!(
                "SELECT {} AS {} FROM access_logs WHERE {{where}} AND {}",
                card.value, card.column, card.rows
            ),
            columns: vec![Column::Number(card.column)],
            plain: Box::new(|_, records| vec![vec![Cell::Number((card.plain)(records))]]),
            most: 1,
            by: None,
        })
        .collect()
}

fn mebibytes(records: &[&Seen<'_>], field: Field) -> Option<f64> {
    sum(records, field).map(|bytes| bytes / 1024.0 / 1024.0)
}
