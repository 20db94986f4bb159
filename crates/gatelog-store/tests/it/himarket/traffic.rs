//! Random records, the same for the same seed: calls to models, to MCP servers and to web pages.
//!
//! **Shape.** Most begin within a window, some before and behind it, some just at its ends. What a
//! scenario looks at is present, absent, zero or of another form than usual, each often enough.

use std::borrow::Cow;

use gatelog_record::{AccessRecord, Field, Timestamp};
use serde_json::{Map, Value, json};

use super::question::{Business, Filters, Question};
use super::seen::Seen;

/// Intervals that HiMarket offers, one that it accepts, and one longer than most.
const INTERVALS_SECONDS: [i64; 5] = [15, 1, 60, 7, 3600];

/// A few minutes before midnight in UTC.
const EVENING_SECONDS: i64 = 1_774_310_100;

const INSTANCES: [&str; 3] = [
    "router~10.244.1.17~gateway-7d9c5.higress-system~svc",
    "router~10.244.1.18~gateway-x2k8p.higress-system~svc",
    "gw-cn-hangzhou-1",
];
const APIS: [&str; 3] = ["qwen3-plus", "claude", "gemini"];
/// Two of them are one to the tables' collations.
const MODELS: [&str; 5] = [
    "qwen3-max",
    "Qwen3-Max",
    "claude-sonnet-4",
    "文心",
    "unknown",
];
const CONSUMERS: [&str; 7] = [
    "team-a",
    "Team-A",
    "o'neil \"x\"",
    "back\\slash",
    "业务-1",
    "team-😀",
    "%_",
];
const CLUSTERS: [&str; 3] = [
    "outbound|443||llm-qwen.internal.dns",
    "outbound|443||llm-claude.internal.dns",
    "outbound|8080||mcp.default.svc.cluster.local",
];
const ROUTES: [&str; 4] = [
    "model-api-qwen3-plus-0",
    "model-api-claude-0",
    "mcp-server-amap",
    "travel-assistant",
];
const SERVERS: [&str; 2] = ["amap", "github"];
const TOOLS: [&str; 3] = ["maps_weather", "maps_geo", "search"];
const METHODS: [&str; 4] = ["GET", "POST", "DELETE", "HEAD"];
const CODES: [i64; 19] = [
    0, 100, 200, 200, 200, 201, 204, 299, 300, 301, 304, 399, 400, 401, 404, 429, 500, 503, 504,
];
const FLAGS: [&str; 4] = ["UH", "UF,URX", "DC", "RL"];
const DETAILS: [&str; 5] = [
    "via_upstream",
    "internal_redirect",
    "route_not_found",
    "ai-token-ratelimit.rejected",
    "response_timeout",
];
const CLIENTS: [&str; 5] = [
    "10.0.3.1",
    "10.0.3.1, 172.16.0.1",
    "10.0.3.2",
    "2001:db8::1",
    "2001:DB8::1",
];

/// Records and the window that is asked about.
pub(super) struct Traffic {
    pub(super) records: Vec<AccessRecord<'static>>,
    from_seconds: i64,
    to_seconds: i64,
    interval_seconds: i64,
    seed: u64,
}

impl Traffic {
    pub(super) fn new(seed: u64, count: usize) -> Self {
        let mut dice = Dice(seed);
        let interval_seconds = INTERVALS_SECONDS[usize::try_from(seed).unwrap() % 5];
        // Neither end is the beginning of an interval, and the window goes over midnight.
        let from_seconds = EVENING_SECONDS + dice.number(0, 250);
        let to_seconds = from_seconds + 600 + interval_seconds * 5 + 3;
        let mut traffic = Self {
            records: Vec::new(),
            from_seconds,
            to_seconds,
            interval_seconds,
            seed,
        };
        traffic.records = (0..count).map(|_| traffic.record(&mut dice)).collect();
        traffic
    }

    pub(super) fn question(&self) -> Question {
        Question {
            from_seconds: self.from_seconds,
            to_seconds: self.to_seconds,
            interval_seconds: self.interval_seconds,
            business: Business::Model,
            filters: Vec::new(),
        }
    }

    /// The records as a table shows them whose times have this step.
    pub(super) fn seen(&self, step_micros: i64) -> Vec<Seen<'_>> {
        let records = self.records.iter();
        records
            .map(|record| Seen::new(record, step_micros))
            .collect()
    }

    /// Each filter alone, then some together.
    pub(super) fn filters(&self) -> Vec<Filters> {
        let mut dice = Dice(self.seed);
        let mut all: Vec<Vec<_>> = FILTERS
            .iter()
            .map(|(field, values)| vec![(*field, dice.some(values))])
            .collect();
        // Empty text is not absence.
        all.push(vec![(Field::Consumer, vec!["", "no-such"])]);
        all.extend((0..3).map(|_| {
            let chosen = FILTERS.iter().filter(|_| dice.is(3));
            let chosen: Vec<_> = chosen.collect();
            let values = chosen.into_iter();
            values
                .map(|(field, values)| (*field, dice.some(values)))
                .collect()
        }));
        all
    }

    fn start(&self, dice: &mut Dice) -> Timestamp {
        let (from, to) = (self.from_seconds * 1000, self.to_seconds * 1000);
        let (interval, span) = (self.interval_seconds * 1000, to - from);
        let millis = match dice.number(0, 20) {
            0 => from - dice.number(1, 2 * interval),
            1 => to + dice.number(1, 2 * interval),
            2 => dice.pick(&[
                from,
                from - 1,
                from + 1,
                to,
                to - 1,
                to + 1,
                to + 999,
                to + 1000,
            ]),
            // The first and the last moment of an interval.
            3 => (from + dice.number(0, span)) / interval * interval - dice.number(0, 2),
            _ => from + dice.number(0, span),
        };
        Timestamp::from_micros(millis * 1000 + dice.number(0, 1000))
    }

    fn record(&self, dice: &mut Dice) -> AccessRecord<'static> {
        let code = dice.pick(&CODES);
        let mut record = AccessRecord {
            start_time: Some(self.start(dice)),
            method: dice.text(&METHODS, 19),
            x_forwarded_for: dice.text(&CLIENTS, 15),
            response_code: dice.is(19).then_some(code),
            response_flags: dice.text(&FLAGS, 8),
            response_code_details: dice.text(&DETAILS, 18),
            bytes_received: dice.amount(100_000),
            bytes_sent: dice.amount(3_000_000_000),
            duration: dice.amount(4000),
            upstream_cluster: dice.text(&CLUSTERS, 17),
            route_name: dice.text(&ROUTES, 17),
            instance_id: dice.text(&INSTANCES, 18),
            consumer: dice.text(&CONSUMERS, 16),
            ..AccessRecord::default()
        };
        match dice.number(0, 20) {
            0..11 => {
                record.path = dice.text(&["/v1/chat/completions", "/v1/messages?beta=true"], 20);
                record.api = dice.text(&APIS, 18);
                record.model = dice.text(&MODELS, 17);
                record.ai_log = ai_log(dice).map(Cow::Owned);
                record.input_tokens = dice.amount(8000);
                record.output_tokens = dice.amount(4_000_000_000);
                record.total_tokens = dice.amount(5_000_000_000);
            }
            11..17 => {
                record.path = dice.text(
                    &[
                        "/mcp-servers/amap",
                        "/mcp-servers/github/sse?session=1",
                        "/mcp-servers-old/x",
                        "/api/mcp-servers/amap",
                        "/mcp",
                    ],
                    20,
                );
                record.mcp_server = dice.text(&SERVERS, 12);
                record.mcp_tool = dice.text(&TOOLS, 12);
                record.ai_log = dice.is(6).then(|| ai_log(dice)).flatten().map(Cow::Owned);
            }
            _ => record.path = dice.text(&["/", "/index.html?q=%F0%9F%98%80"], 18),
        }
        record
    }
}

const FILTERS: [(Field, &[&str]); 7] = [
    (Field::Api, &APIS),
    (Field::Model, &MODELS),
    (Field::Consumer, &CONSUMERS),
    (Field::InstanceId, &INSTANCES),
    (Field::RouteName, &ROUTES),
    (Field::UpstreamCluster, &CLUSTERS),
    (Field::McpTool, &TOOLS),
];

/// As ai-statistics and its neighbours write it, each key there or not.
fn ai_log(dice: &mut Dice) -> Option<String> {
    match dice.number(0, 12) {
        0 => return None,
        1 => return Some("{}".to_owned()),
        _ => {}
    }
    let mut log = Map::new();
    let mut add = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            log.insert(key.to_owned(), value);
        }
    };
    let model = [
        json!("qwen3-max"),
        json!("qwen3-max"),
        json!("unknown"),
        json!(""),
        Value::Null,
    ];
    add("model", dice.value(&model, 17));
    add(
        "response_type",
        dice.value(&[json!("stream"), json!("normal")], 17),
    );
    let cache = [json!("hit"), json!("miss"), json!("skip")];
    add("cache_status", dice.value(&cache, 12));
    add("token_ratelimit_status", dice.value(&[json!("limited")], 5));
    let checks = [
        json!("request pass"),
        json!("reqeust deny"),
        json!("reqeust deny"),
        json!("request deny"),
        json!("response deny"),
    ];
    add("safecheck_status", dice.value(&checks, 12));
    let labels = [json!("contraband"), json!("political_content")];
    add("safecheck_riskLabel", dice.value(&labels, 12));
    for key in ["llm_service_duration", "llm_first_token_duration"] {
        let number = dice.amount(20_000);
        // Older gateways write numbers as texts.
        let as_text = dice.is(4);
        let value = number.map(|number| {
            if as_text {
                json!(number.to_string())
            } else {
                json!(number)
            }
        });
        add(key, value);
    }
    let question = [
        json!("it's \"quoted\" \\ 北京\n😀"),
        json!({"model": "not this one", "response_type": "stream"}),
        json!([1, {"cache_status": "hit"}]),
    ];
    add("question", dice.value(&question, 8));
    add("mcp_server", dice.value(&[json!("amap")], 2));
    Some(Value::Object(log).to_string())
}

/// Random numbers (splitmix64), the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// From `first` to the number before `end`.
    fn number(&mut self, first: i64, end: i64) -> i64 {
        let count = u64::try_from(end - first).unwrap();
        first + i64::try_from(self.roll() % count).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.roll()).unwrap() % from.len()].clone()
    }

    /// True so many times out of 20.
    fn is(&mut self, of_20: i64) -> bool {
        self.number(0, 20) < of_20
    }

    /// One of them, so many times out of 20.
    fn text(&mut self, from: &[&'static str], of_20: i64) -> Option<Cow<'static, str>> {
        self.is(of_20).then(|| Cow::Borrowed(self.pick(from)))
    }

    fn value(&mut self, from: &[Value], of_20: i64) -> Option<Value> {
        self.is(of_20).then(|| self.pick(from))
    }

    /// Nothing, zero, or less than `end`.
    fn amount(&mut self, end: i64) -> Option<i64> {
        match self.number(0, 8) {
            0 => None,
            1 => Some(0),
            _ => Some(self.number(1, end)),
        }
    }

    /// One or two of them, and one that is nowhere.
    fn some(&mut self, from: &[&'static str]) -> Vec<&'static str> {
        let mut some = vec![self.pick(from)];
        if self.is(10) {
            some.push(self.pick(from));
        }
        if self.is(10) {
            some.push("no-such");
        }
        some
    }
}
