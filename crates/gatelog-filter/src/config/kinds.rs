//! Reading the thirteen kinds of filters.

use serde_json::Value;

use super::matcher::{header_matcher, metadata_matcher};
use super::message::{self, ConfigError, Message, Place, choice, list};
use super::{
    AccessLogFilter, Compared, Comparison, Denominator, Empty, ExpressionFilter, ExtensionFilter,
    Filters, FractionalPercent, GrpcStatus, GrpcStatusFilter, HeaderFilter, LogTypeFilter,
    MAX_DEPTH, MetadataFilter, Operator, ResponseFlagFilter, RuntimeFilter, RuntimeNumber,
};
use crate::log_type;

/// The keys that choose a filter.
const KINDS: [&str; 13] = [
    "status_code_filter",
    "duration_filter",
    "not_health_check_filter",
    "traceable_filter",
    "runtime_filter",
    "and_filter",
    "or_filter",
    "header_filter",
    "response_flag_filter",
    "grpc_status_filter",
    "extension_filter",
    "metadata_filter",
    "log_type_filter",
];

const OPERATORS: [(&str, Operator); 4] = [
    ("EQ", Operator::Equal),
    ("GE", Operator::GreaterOrEqual),
    ("LE", Operator::LessOrEqual),
    ("NE", Operator::NotEqual),
];

const DENOMINATORS: [(&str, Denominator); 3] = [
    ("HUNDRED", Denominator::Hundred),
    ("TEN_THOUSAND", Denominator::TenThousand),
    ("MILLION", Denominator::Million),
];

const GRPC_STATUSES: [(&str, GrpcStatus); 17] = [
    ("OK", GrpcStatus::Ok),
    ("CANCELED", GrpcStatus::Canceled),
    ("UNKNOWN", GrpcStatus::Unknown),
    ("INVALID_ARGUMENT", GrpcStatus::InvalidArgument),
    ("DEADLINE_EXCEEDED", GrpcStatus::DeadlineExceeded),
    ("NOT_FOUND", GrpcStatus::NotFound),
    ("ALREADY_EXISTS", GrpcStatus::AlreadyExists),
    ("PERMISSION_DENIED", GrpcStatus::PermissionDenied),
    ("RESOURCE_EXHAUSTED", GrpcStatus::ResourceExhausted),
    ("FAILED_PRECONDITION", GrpcStatus::FailedPrecondition),
    ("ABORTED", GrpcStatus::Aborted),
    ("OUT_OF_RANGE", GrpcStatus::OutOfRange),
    ("UNIMPLEMENTED", GrpcStatus::Unimplemented),
    ("INTERNAL", GrpcStatus::Internal),
    ("UNAVAILABLE", GrpcStatus::Unavailable),
    ("DATA_LOSS", GrpcStatus::DataLoss),
    ("UNAUTHENTICATED", GrpcStatus::Unauthenticated),
];

/// The type of the filter itself, which Envoy does not take there and people paste all the same.
const FILTER_TYPE: &str = "envoy.config.accesslog.v3.AccessLogFilter";

const EXPRESSION_TYPE: &str = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter";

const STRUCT_TYPES: [&str; 2] = ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"];

const TYPE_PREFIX: &str = "type.googleapis.com/";

pub(super) fn filter(
    value: &Value,
    place: &Place,
    depth: usize,
) -> Result<AccessLogFilter, ConfigError> {
    if depth >= MAX_DEPTH {
        return Err(place.error(format!("filters are nested more than {MAX_DEPTH} deep")));
    }
    let known: Vec<&'static str> = KINDS.into_iter().chain(["@type"]).collect();
    let message = Message::read(value, place, &known).map_err(|error| {
        // `@type` is taken and not advertised.
        let problem = error.problem().replace(", `@type`", "");
        if error.path() == place_path(place) {
            place.error(problem)
        } else {
            error
        }
    })?;
    if let Some((value, place)) = message.field("@type") {
        let found = message::text(value, &place)?;
        if found.strip_prefix(TYPE_PREFIX) != Some(FILTER_TYPE) {
            return Err(place.error(format!("expected `{TYPE_PREFIX}{FILTER_TYPE}`")));
        }
    }
    let Some((kind, value, place)) = message.one_of(&KINDS)? else {
        return Err(place.error(format!("a filter is one of {}", list(&KINDS))));
    };
    one(kind, value, &place, depth)
}

fn place_path(place: &Place) -> String {
    let shown = place.to_string();
    shown.trim_end_matches(": ").to_owned()
}

fn one(
    kind: &str,
    value: &Value,
    place: &Place,
    depth: usize,
) -> Result<AccessLogFilter, ConfigError> {
    Ok(match kind {
        "status_code_filter" => AccessLogFilter::StatusCodeFilter(compared(value, place)?),
        "duration_filter" => AccessLogFilter::DurationFilter(compared(value, place)?),
        "not_health_check_filter" => AccessLogFilter::NotHealthCheckFilter(empty(value, place)?),
        "traceable_filter" => AccessLogFilter::TraceableFilter(empty(value, place)?),
        "runtime_filter" => AccessLogFilter::RuntimeFilter(runtime(value, place)?),
        "and_filter" => AccessLogFilter::AndFilter(filters(value, place, depth)?),
        "or_filter" => AccessLogFilter::OrFilter(filters(value, place, depth)?),
        "header_filter" => {
            let message = Message::read(value, place, &["header"])?;
            let (value, place) = message.required("header")?;
            let header = header_matcher(value, &place)?;
            AccessLogFilter::HeaderFilter(HeaderFilter { header })
        }
        "response_flag_filter" => AccessLogFilter::ResponseFlagFilter(flags(value, place)?),
        "grpc_status_filter" => AccessLogFilter::GrpcStatusFilter(grpc(value, place)?),
        "extension_filter" => AccessLogFilter::ExtensionFilter(extension(value, place)?),
        "metadata_filter" => AccessLogFilter::MetadataFilter(metadata(value, place, depth)?),
        _ => AccessLogFilter::LogTypeFilter(log_type(value, place)?),
    })
}

fn empty(value: &Value, place: &Place) -> Result<Empty, ConfigError> {
    Message::read(value, place, &[]).map(|_| Empty {})
}

fn compared(value: &Value, place: &Place) -> Result<Compared, ConfigError> {
    let message = Message::read(value, place, &["comparison"])?;
    let (value, place) = message.required("comparison")?;
    let message = Message::read(value, &place, &["op", "value"])?;
    let op = match message.field("op") {
        None => Operator::default(),
        Some((value, place)) => choice(value, &place, &OPERATORS)?,
    };
    let (value, place) = message.required("value")?;
    let number = Message::read(value, &place, &["default_value", "runtime_key"])?;
    let default_value = match number.field("default_value") {
        None => 0,
        Some((value, place)) => message::u32(value, &place)?,
    };
    let value = RuntimeNumber {
        default_value,
        runtime_key: number.text("runtime_key")?,
    };
    Ok(Compared {
        comparison: Comparison { op, value },
    })
}

fn runtime(value: &Value, place: &Place) -> Result<RuntimeFilter, ConfigError> {
    let keys = [
        "runtime_key",
        "percent_sampled",
        "use_independent_randomness",
    ];
    let message = Message::read(value, place, &keys)?;
    let percent_sampled = match message.field("percent_sampled") {
        None => FractionalPercent::default(),
        Some((value, place)) => fraction(value, &place)?,
    };
    Ok(RuntimeFilter {
        runtime_key: message.required_text("runtime_key")?,
        percent_sampled,
        use_independent_randomness: message.boolean("use_independent_randomness")?,
    })
}

/// A fraction, as in a runtime filter and as a runtime key's value.
pub(crate) fn fraction(value: &Value, place: &Place) -> Result<FractionalPercent, ConfigError> {
    let message = Message::read(value, place, &["numerator", "denominator"])?;
    let numerator = match message.field("numerator") {
        None => 0,
        Some((value, place)) => message::u32(value, &place)?,
    };
    let denominator = match message.field("denominator") {
        None => Denominator::default(),
        Some((value, place)) => choice(value, &place, &DENOMINATORS)?,
    };
    Ok(FractionalPercent {
        numerator,
        denominator,
    })
}

fn filters(value: &Value, place: &Place, depth: usize) -> Result<Filters, ConfigError> {
    let message = Message::read(value, place, &["filters"])?;
    let elements = message.elements("filters");
    if elements.len() < 2 {
        let problem = format!("`filters` must be at least 2, found {}", elements.len());
        return Err(place.error(problem));
    }
    let filters: Result<Vec<_>, _> = elements
        .iter()
        .map(|(value, place)| filter(value, place, depth + 1))
        .collect();
    Ok(Filters { filters: filters? })
}

fn flags(value: &Value, place: &Place) -> Result<ResponseFlagFilter, ConfigError> {
    let message = Message::read(value, place, &["flags"])?;
    let names = gatelog_record::response_flag::NAMES;
    let flags: Result<Vec<_>, _> = message
        .elements("flags")
        .iter()
        .map(|(value, place)| {
            let name = message::text(value, place)?;
            if names.contains(&name.as_str()) {
                return Ok(name);
            }
            let problem = format!("`{name}` is no response flag; they are {}", list(&names));
            Err(place.error(problem))
        })
        .collect();
    Ok(ResponseFlagFilter { flags: flags? })
}

fn grpc(value: &Value, place: &Place) -> Result<GrpcStatusFilter, ConfigError> {
    let message = Message::read(value, place, &["statuses", "exclude"])?;
    let statuses: Result<Vec<_>, _> = message
        .elements("statuses")
        .iter()
        .map(|(value, place)| choice(value, place, &GRPC_STATUSES))
        .collect();
    Ok(GrpcStatusFilter {
        statuses: statuses?,
        exclude: message.boolean("exclude")?,
    })
}

fn extension(value: &Value, place: &Place) -> Result<ExtensionFilter, ConfigError> {
    let message = Message::read(value, place, &["name", "typed_config"])?;
    let name = message.text("name")?;
    let (value, place) = message.required("typed_config")?;
    let typed_config = expression(value, &place)?;
    Ok(ExtensionFilter { name, typed_config })
}

/// A packed `ExpressionFilter`, also in the `TypedStruct` that Istio makes of it.
fn expression(value: &Value, place: &Place) -> Result<ExpressionFilter, ConfigError> {
    let object = message::object(value, place)?;
    let Some(type_value) = object.get("@type") else {
        return Err(place.error("`@type` is required"));
    };
    let type_url = message::text(type_value, &place.key("@type"))?;
    let type_name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
    let mut name = type_name(&type_url);
    let message = if STRUCT_TYPES.contains(&name.as_str()) {
        let message = Message::read(value, place, &["@type", "type_url", "value"])?;
        name = type_name(&message.text("type_url")?);
        let (value, place) = message.required("value")?;
        Message::read(value, &place, &["expression"])
    } else if name == EXPRESSION_TYPE {
        Message::read(value, place, &["@type", "expression"])
    } else {
        Message::read(&Value::Null, place, &[])
    };
    if name != EXPRESSION_TYPE {
        let problem = match name.rsplit('.').next() {
            Some("ProcessRateLimitFilter") => format!(
                "`{name}` is not supported: what it drops could not be counted back in; use `sample` with \
                 `budget_per_day`"
            ),
            _ => format!(
                "the extension `{name}` is not supported; gatelog has `{TYPE_PREFIX}{EXPRESSION_TYPE}`"
            ),
        };
        return Err(place.key("@type").error(problem));
    }
    Ok(ExpressionFilter {
        type_url: format!("{TYPE_PREFIX}{EXPRESSION_TYPE}"),
        expression: message?.required_text("expression")?,
    })
}

fn metadata(value: &Value, place: &Place, depth: usize) -> Result<MetadataFilter, ConfigError> {
    let message = Message::read(value, place, &["matcher", "match_if_key_not_found"])?;
    let matcher = match message.field("matcher") {
        None => None,
        Some((value, place)) => Some(metadata_matcher(value, &place, depth)?),
    };
    let match_if_key_not_found = match message.field("match_if_key_not_found") {
        None => true,
        Some((value, place)) => message::boolean(value, &place)?,
    };
    Ok(MetadataFilter {
        matcher,
        match_if_key_not_found,
    })
}

fn log_type(value: &Value, place: &Place) -> Result<LogTypeFilter, ConfigError> {
    let message = Message::read(value, place, &["types", "exclude"])?;
    let types: Result<Vec<_>, _> = message
        .elements("types")
        .iter()
        .map(|(value, place)| choice(value, place, log_type::NAMES))
        .collect();
    Ok(LogTypeFilter {
        types: types?,
        exclude: message.boolean("exclude")?,
    })
}
