//! The 8 lists from which filters are chosen: the values that a column has, 100 at most.

use std::collections::BTreeSet;

use gatelog_record::Field;

use super::scenario::{Cell, Column, Scenario};
use super::seen::{Seen, fold};

/// Values that a list shows at most, in no order.
pub(super) const MOST: usize = 100;

struct Options {
    name: &'static str,
    field: Field,
    /// The column's name in the answer.
    column: &'static str,
    /// Which rows are looked at, besides those of the window and the filters.
    rows: &'static str,
    of: fn(&Seen<'_>) -> bool,
}

impl Options {
    const fn of(name: &'static str, field: Field, column: &'static str) -> Self {
        Self {
            name,
            field,
            column,
            rows: "1 = 1",
            of: |_| true,
        }
    }
}

const OPTIONS: [Options; 8] = [
    Options::of("filter_service_options", Field::InstanceId, "service"),
    Options::of("filter_api_options", Field::Api, "api"),
    Options::of("filter_model_options", Field::Model, "model"),
    Options {
        rows: "{business}",
        ..Options::of("filter_route_options", Field::RouteName, "route_name")
    },
    Options::of("filter_consumer_options", Field::Consumer, "consumer"),
    Options::of(
        "filter_upstream_options",
        Field::UpstreamCluster,
        "upstream_cluster",
    ),
    Options::of("filter_mcp_tool_options", Field::McpTool, "mcp_tool_name"),
    Options {
        rows: "mcp_tool IS NOT NULL",
        of: |seen| seen.text(Field::McpTool).is_some(),
        ..Options::of("filter_mcp_server_options", Field::McpServer, "mcp_server")
    },
];

pub(super) fn scenarios() -> Vec<Scenario> {
    OPTIONS
        .iter()
        .map(|options| Scenario {
            name: options.name,
            template: format!(
                "SELECT DISTINCT {0} AS {1} FROM access_logs \
                 WHERE {{where}} AND {0} IS NOT NULL AND {2} LIMIT {MOST}",
                options.field.name(),
                options.column,
                options.rows
            ),
            columns: vec![Column::Text(options.column)],
            plain: Box::new(|_, records| {
                let looked_at = records.iter().filter(|seen| (options.of)(seen));
                let values = looked_at.filter_map(|seen| seen.text(options.field));
                let values: BTreeSet<String> = values.map(|value| fold(&value)).collect();
                values
                    .into_iter()
                    .map(|value| vec![Cell::Text(Some(value))])
                    .collect()
            }),
            most: MOST,
            by: None,
        })
        .collect()
}
