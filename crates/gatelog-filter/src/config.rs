//! Envoy's `AccessLogFilter`, as a configuration.
//!
//! **Shape.** The types are the messages of `accesslog.proto`, under their names. They are read from
//! any serde format as protobuf's JSON mapping does it, which is how Envoy reads YAML too: keys in
//! `snake_case` or camelCase; enumerations by name, whatever the case, or by number; numbers and booleans
//! also as texts (`"50"`, `4e2`); one element in place of a list; `null` as absent; `@type` where a
//! message is packed. They are written in `snake_case`.
//!
//! **Failure.** A [`ConfigError`] names the path of the value (`or_filter.filters[1].runtime_filter`), the
//! key and what is allowed. What Envoy refuses at load is refused.

mod kinds;
mod matcher;
pub(crate) mod message;
mod paste;

use serde::{Deserialize, Deserializer, Serialize};

pub use matcher::{
    DoubleMatch, DoubleRange, HeaderMatch, HeaderMatcher, IntegerRange, ListMatcher,
    MetadataMatcher, OrMatcher, PathSegment, Pattern, SafeRegex, StringMatcher, ValueMatcher,
};
pub use message::ConfigError;
pub use paste::from_pasted;

use crate::LogType;

/// How deep filters and matchers may be nested.
pub const MAX_DEPTH: usize = 32;

/// One filter. The name of the variant is the key that chooses it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum AccessLogFilter {
    /// Compares the response code; 0 where none was sent.
    StatusCodeFilter(Compared),
    /// Compares the duration in milliseconds.
    DurationFilter(Compared),
    /// Requests that no health check filter has marked.
    NotHealthCheckFilter(Empty),
    /// Requests whose trace was forced or sampled.
    TraceableFilter(Empty),
    /// A part of the requests, chosen by their id.
    RuntimeFilter(RuntimeFilter),
    /// All of its filters, at least two.
    AndFilter(Filters),
    /// Any of its filters, at least two.
    OrFilter(Filters),
    /// Looks at a request header.
    HeaderFilter(HeaderFilter),
    /// Any of the flags; with none named, any flag at all.
    ResponseFlagFilter(ResponseFlagFilter),
    /// The gRPC status, or the one that the response code stands for.
    GrpcStatusFilter(GrpcStatusFilter),
    /// A CEL expression.
    ExtensionFilter(ExtensionFilter),
    /// Looks at dynamic metadata.
    MetadataFilter(MetadataFilter),
    /// Looks at the access log type.
    LogTypeFilter(LogTypeFilter),
}

/// A filter without settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Empty {}

/// A filter that compares a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Compared {
    /// With what, and how. Required.
    pub comparison: Comparison,
}

/// A comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Comparison {
    /// How. Default `EQ`.
    pub op: Operator,
    /// With what. Required.
    pub value: RuntimeNumber,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Operator {
    /// Equal: 0.
    #[default]
    #[serde(rename = "EQ")]
    Equal,
    /// Greater or equal: 1.
    #[serde(rename = "GE")]
    GreaterOrEqual,
    /// Less or equal: 2.
    #[serde(rename = "LE")]
    LessOrEqual,
    /// Not equal: 3.
    #[serde(rename = "NE")]
    NotEqual,
}

/// A number that a runtime key may replace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuntimeNumber {
    /// The number where the key is not set. Default 0.
    pub default_value: u32,
    /// The key. Default none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub runtime_key: String,
}

/// A part of the requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RuntimeFilter {
    /// Key that may replace the numerator. Required.
    pub runtime_key: String,
    /// The part where the key is not set. Default none of them.
    pub percent_sampled: FractionalPercent,
    /// Not by the request's id but by chance. Default false.
    pub use_independent_randomness: bool,
}

/// A fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FractionalPercent {
    /// Above the denominator it counts as the denominator. Default 0.
    pub numerator: u32,
    /// Default `HUNDRED`.
    pub denominator: Denominator,
}

/// The denominator of a fraction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Denominator {
    /// 100: 0.
    #[default]
    Hundred,
    /// 10,000: 1.
    TenThousand,
    /// 1,000,000: 2.
    Million,
}

impl Denominator {
    /// As a number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Hundred => 100,
            Self::TenThousand => 10_000,
            Self::Million => 1_000_000,
        }
    }
}

/// Filters that are combined.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Filters {
    /// At least two, asked in their order until the answer is known.
    pub filters: Vec<AccessLogFilter>,
}

/// Looks at a request header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HeaderFilter {
    /// Which, and what it must be. Required.
    pub header: HeaderMatcher,
}

/// Looks at the response flags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResponseFlagFilter {
    /// Short names of Envoy's flags. Default any flag.
    pub flags: Vec<String>,
}

/// Looks at the gRPC status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GrpcStatusFilter {
    /// Any of these. Default none.
    pub statuses: Vec<GrpcStatus>,
    /// None of them rather than any. Default false.
    pub exclude: bool,
}

/// A gRPC status. Its number is gRPC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[repr(u8)]
#[expect(missing_docs, reason = "gRPC's own names say all there is to say")]
pub enum GrpcStatus {
    Ok = 0,
    Canceled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
}

/// A filter that is an extension. `ExpressionFilter` is the one that gatelog has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExtensionFilter {
    /// Any name. Default none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it is. Required.
    pub typed_config: ExpressionFilter,
}

/// `envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExpressionFilter {
    /// The type, which is always the same.
    #[serde(rename = "@type")]
    pub type_url: String,
    /// CEL. The record is kept where it comes to `true`; an absent attribute is an error, and keeps
    /// nothing.
    pub expression: String,
}

/// Looks at dynamic metadata.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MetadataFilter {
    /// Where, and what must be there. Default nothing: then the key counts as not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matcher: Option<MetadataMatcher>,
    /// Whether it matches where nothing is there. Default true.
    pub match_if_key_not_found: bool,
}

/// Looks at the access log type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogTypeFilter {
    /// Any of these. Default none.
    pub types: Vec<LogType>,
    /// None of them rather than any. Default false.
    pub exclude: bool,
}

impl AccessLogFilter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`ConfigError`] names the value and what is allowed there.
    pub fn from_json(value: &serde_json::Value) -> Result<Self, ConfigError> {
        kinds::filter(value, &message::Place::root(), 0)
    }
}

/// Reads a fraction by itself.
pub(crate) fn fraction_of(value: &serde_json::Value) -> Result<FractionalPercent, ConfigError> {
    kinds::fraction(value, &message::Place::root())
}

impl<'de> Deserialize<'de> for AccessLogFilter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        Self::from_json(&value).map_err(serde::de::Error::custom)
    }
}
