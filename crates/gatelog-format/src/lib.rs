//! Envoy's access log formats, both ways: from a request to a line, and from a line to a record.

mod operator;
mod token;

mod command;
mod exchange;
mod expression;

mod address;
mod digits;
mod flag;
mod grpc;
mod json_text;
mod moment;
mod query;
mod time_format;

mod json_template;
mod record;
mod template;

pub mod known;
mod reader;

mod error;

pub use error::{FormatError, Problem, ReadError, ReadProblem};
pub use exchange::{Exchange, Metadata, MetadataValue, Number, State, Text, Time};
pub use known::Known;
pub use moment::Moment;
pub use reader::Reader;
pub use record::Unanswerable;
pub use template::Template;
