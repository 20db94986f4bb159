//! The 21 lines: a number for each interval that has records.
//!
//! **Shape.** `SELECT bucket AS time, … AS value … GROUP BY time`. An interval without a record that
//! is looked at has no point.

use std::collections::BTreeMap;

use gatelog_record::Field;

use super::question::Question;
use super::scenario::{Cell, Column, Scenario};
use super::seen::{Seen, count, float, mean, sum};

struct Line {
    name: &'static str,
    /// What is selected for an interval.
    value: &'static str,
    /// Which rows are looked at.
    rows: &'static str,
    /// Which records are.
    of: fn(&Seen<'_>) -> bool,
    /// What they tell, in an interval of so many seconds.
    plain: fn(&[&Seen<'_>], f64) -> Option<f64>,
}

const PER_SECOND: &str = "COUNT(*) / {interval}";
const ALL_ROWS: &str = "1 = 1";
const SERVICE_TIME: &str = "AVG(CAST({ai.llm_service_duration} AS DOUBLE))";

const LINES: [Line; 17] = [
    Line {
        name: "qps_stream",
        value: PER_SECOND,
        rows: "{ai.response_type} = 'stream'",
        of: |seen| seen.ai_is("response_type", "stream"),
        plain: per_second,
    },
    Line {
        name: "qps_normal",
        value: PER_SECOND,
        rows: "{ai.response_type} = 'normal'",
        of: |seen| seen.ai_is("response_type", "normal"),
        plain: per_second,
    },
    Line {
        name: "qps_total",
        value: PER_SECOND,
        rows: "{ai.response_type} IN ('stream', 'normal')",
        of: |seen| seen.ai_is("response_type", "stream") || seen.ai_is("response_type", "normal"),
        plain: per_second,
    },
    Line {
        name: "success_rate",
        value: "SUM(CASE WHEN response_code > 0 AND response_code < 300 THEN 1 ELSE 0 END) \
                / COUNT(*)",
        rows: ALL_ROWS,
        of: any,
        plain: |records, _| {
            let good = records.iter().filter(|seen| {
                seen.integer(Field::ResponseCode)
                    .is_some_and(|code| code > 0 && code < 300)
            });
            Some(count(good.count()) / count(records.len()))
        },
    },
    Line {
        name: "token_per_sec_input",
        value: "SUM(input_tokens) / {interval}",
        rows: ALL_ROWS,
        of: any,
        plain: |records, seconds| sum(records, Field::InputTokens).map(|sum| sum / seconds),
    },
    Line {
        name: "token_per_sec_output",
        value: "SUM(output_tokens) / {interval}",
        rows: ALL_ROWS,
        of: any,
        plain: |records, seconds| sum(records, Field::OutputTokens).map(|sum| sum / seconds),
    },
    Line {
        name: "token_per_sec_total",
        value: "SUM(total_tokens) / {interval}",
        rows: ALL_ROWS,
        of: any,
        plain: |records, seconds| sum(records, Field::TotalTokens).map(|sum| sum / seconds),
    },
    Line {
        name: "rt_avg_total",
        value: SERVICE_TIME,
        rows: "{ai.llm_service_duration} IS NOT NULL",
        of: |seen| seen.ai("llm_service_duration").is_some(),
        plain: service_time,
    },
    Line {
        name: "rt_avg_stream",
        value: SERVICE_TIME,
        rows: "{ai.llm_service_duration} IS NOT NULL AND {ai.response_type} = 'stream'",
        of: |seen| {
            seen.ai("llm_service_duration").is_some() && seen.ai_is("response_type", "stream")
        },
        plain: service_time,
    },
    Line {
        name: "rt_avg_normal",
        value: SERVICE_TIME,
        rows: "{ai.llm_service_duration} IS NOT NULL AND {ai.response_type} = 'normal'",
        of: |seen| {
            seen.ai("llm_service_duration").is_some() && seen.ai_is("response_type", "normal")
        },
        plain: service_time,
    },
    Line {
        name: "rt_first_token",
        value: "AVG(CAST({ai.llm_first_token_duration} AS DOUBLE))",
        rows: "{ai.llm_first_token_duration} IS NOT NULL",
        of: |seen| seen.ai("llm_first_token_duration").is_some(),
        plain: |records, _| mean_of(records, "llm_first_token_duration"),
    },
    Line {
        name: "cache_hit",
        value: PER_SECOND,
        rows: "{ai.cache_status} = 'hit'",
        of: |seen| seen.ai_is("cache_status", "hit"),
        plain: per_second,
    },
    Line {
        name: "cache_miss",
        value: PER_SECOND,
        rows: "{ai.cache_status} = 'miss'",
        of: |seen| seen.ai_is("cache_status", "miss"),
        plain: per_second,
    },
    Line {
        name: "cache_skip",
        value: PER_SECOND,
        rows: "{ai.cache_status} = 'skip'",
        of: |seen| seen.ai_is("cache_status", "skip"),
        plain: per_second,
    },
    Line {
        name: "ratelimited_per_sec",
        value: PER_SECOND,
        rows: "{ai.token_ratelimit_status} = 'limited'",
        of: |seen| seen.ai_is("token_ratelimit_status", "limited"),
        plain: per_second,
    },
    Line {
        name: "qps_total_simple",
        value: PER_SECOND,
        rows: ALL_ROWS,
        of: any,
        plain: per_second,
    },
    Line {
        name: "rt_avg",
        value: "AVG(duration)",
        rows: ALL_ROWS,
        of: any,
        plain: |records, _| {
            let durations = records
                .iter()
                .filter_map(|seen| seen.integer(Field::Duration));
            mean(durations.map(float))
        },
    },
];

/// Percentiles by the nearest rank: that duration which so many percent do not exceed.
const RANKED: [(&str, usize); 4] = [
    ("rt_p99", 99),
    ("rt_p95", 95),
    ("rt_p90", 90),
    ("rt_p50", 50),
];

pub(super) fn scenarios() -> Vec<Scenario> {
    let lines = LINES.iter().map(line);
    lines
        .chain(RANKED.iter().map(|(name, percent)| ranked(name, *percent)))
        .collect()
}

fn line(line: &'static Line) -> Scenario {
    // This one comes with a constant.
    let constant = line.name == "qps_total_simple";
    let mut columns = vec![Column::Text("time"), Column::Number("value")];
    if constant {
        columns.insert(1, Column::Text("response_code"));
    }
    Scenario {
        name: line.name,
        template: format!(
            "SELECT {{bucket}} AS time, {}{} AS value FROM access_logs \
             WHERE {{where}} AND {} GROUP BY time ORDER BY time",
            if constant {
                "'total' AS response_code, "
            } else {
                ""
            },
            line.value,
            line.rows
        ),
        columns,
        plain: Box::new(move |question, records| {
            let seconds = float(question.interval_seconds);
            let looked_at = records.iter().copied().filter(|seen| (line.of)(seen));
            let points = buckets(question, looked_at).into_iter();
            points
                .map(|(time, records)| {
                    let mut row = vec![
                        Cell::Text(Some(time)),
                        Cell::Number((line.plain)(&records, seconds)),
                    ];
                    if constant {
                        row.insert(1, Cell::Text(Some("total".to_owned())));
                    }
                    row
                })
                .collect()
        }),
        most: usize::MAX,
        by: None,
    }
}

fn ranked(name: &'static str, percent: usize) -> Scenario {
    Scenario {
        name,
        template: format!(
            "SELECT time, MAX(duration) AS value FROM ( \
               SELECT {{bucket}} AS time, duration, \
                 ROW_NUMBER() OVER (PARTITION BY {{bucket}} ORDER BY duration) AS place, \
                 COUNT(*) OVER (PARTITION BY {{bucket}}) AS places \
               FROM access_logs WHERE {{where}} AND duration IS NOT NULL \
             ) AS ordered WHERE place <= CEIL(places * {percent} / 100) \
             GROUP BY time ORDER BY time"
        ),
        columns: vec![Column::Text("time"), Column::Number("value")],
        plain: Box::new(move |question, records| {
            let timed = records
                .iter()
                .copied()
                .filter(|seen| seen.integer(Field::Duration).is_some());
            let points = buckets(question, timed).into_iter();
            points
                .map(|(time, records)| {
                    let mut durations: Vec<i64> = records
                        .iter()
                        .filter_map(|seen| seen.integer(Field::Duration))
                        .collect();
                    durations.sort_unstable();
                    let place = (durations.len() * percent).div_ceil(100);
                    vec![
                        Cell::Text(Some(time)),
                        Cell::Number(Some(float(durations[place - 1]))),
                    ]
                })
                .collect()
        }),
        most: usize::MAX,
        by: None,
    }
}

/// The records of each interval, by the time that the chart shows.
fn buckets<'s, 'r>(
    question: &Question,
    records: impl Iterator<Item = &'s Seen<'r>>,
) -> BTreeMap<String, Vec<&'s Seen<'r>>>
where
    'r: 's,
{
    let mut buckets: BTreeMap<String, Vec<&Seen<'_>>> = BTreeMap::new();
    for seen in records {
        buckets.entry(question.bucket(seen)).or_default().push(seen);
    }
    buckets
}

fn any(_: &Seen<'_>) -> bool {
    true
}

#[expect(clippy::unnecessary_wraps, reason = "others may have nothing to tell")]
fn per_second(records: &[&Seen<'_>], seconds: f64) -> Option<f64> {
    Some(count(records.len()) / seconds)
}

fn service_time(records: &[&Seen<'_>], _: f64) -> Option<f64> {
    mean_of(records, "llm_service_duration")
}

/// The mean of numbers in `ai_log`, which older gateways wrote as texts.
fn mean_of(records: &[&Seen<'_>], key: &str) -> Option<f64> {
    let texts = records.iter().filter_map(|seen| seen.ai(key));
    mean(texts.map(|text| text.parse().unwrap()))
}
