//! Envoy's errors by class and position.

use gatelog_format::{FormatError, Problem};

/// The class of one of Envoy's messages.
fn class_of_message(message: &str) -> &'static str {
    let has = |text: &str| message.contains(text);
    if has("Couldn't find valid command at position") {
        "syntax"
    } else if message.starts_with("COALESCE") && !has("requires parameters") {
        "coalesce"
    } else if has("Not supported field in StreamInfo") {
        "unknown name"
    } else if has("requires parameters") {
        "argument missing"
    } else if has("does not take any parameters or length") {
        "takes nothing"
    } else if has("does not allow length") {
        "length not allowed"
    } else if has("More than 1 alternative header") {
        "two alternatives"
    } else if has("contains invalid characters") || has("null or newline") {
        "header name"
    } else if has("Format string contains newline") {
        "newline in time"
    } else if has("key cannot be empty") {
        "filter state key"
    } else if has("support PLAIN/TYPED/FIELD") {
        "filter state form"
    } else if has("FIELD should be used with the field name") {
        "filter state field"
    } else if has("is not supported type of metadata") {
        "metadata kind"
    } else if has("GrpcStatusFormatter") {
        "grpc form"
    } else if has("Invalid common duration configuration") {
        "duration points"
    } else if has("Invalid common duration precision") {
        "duration precision"
    } else if has("option: '") {
        "option"
    } else if has("Not able to parse expression") {
        "expression"
    } else {
        "another"
    }
}

fn class_of(problem: &Problem) -> &'static str {
    match problem {
        Problem::Syntax { .. } => "syntax",
        Problem::UnknownOperator { .. } => "unknown name",
        Problem::ArgumentMissing { .. } => "argument missing",
        Problem::TakesNothing { .. } => "takes nothing",
        Problem::LengthNotAllowed { .. } => "length not allowed",
        Problem::TwoAlternatives { .. } => "two alternatives",
        Problem::HeaderName { .. } => "header name",
        Problem::TimeNewline => "newline in time",
        Problem::FilterStateKey => "filter state key",
        Problem::FilterStateForm { .. } => "filter state form",
        Problem::FilterStateField => "filter state field",
        Problem::MetadataKind { .. } => "metadata kind",
        Problem::GrpcForm { .. } => "grpc form",
        Problem::DurationPoints { .. } => "duration points",
        Problem::DurationPrecision { .. } => "duration precision",
        Problem::UnknownOption { .. } => "option",
        Problem::Coalesce(_) => "coalesce",
        Problem::Expression(_) => "expression",
        _ => "another",
    }
}

/// The byte that a message of Envoy's names.
fn position_of_message(message: &str) -> Option<usize> {
    let (_, behind) = message.rsplit_once("at position ")?;
    let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// How an error differs from the one that Envoy gave, if it does.
pub(crate) fn difference(error: &FormatError, message: &str) -> Option<String> {
    let (found, expected) = (class_of(error.problem()), class_of_message(message));
    if found != expected {
        return Some(format!(
            "is refused for {found} ({error}), Envoy says: {message}"
        ));
    }
    match position_of_message(message) {
        Some(position) if position != error.position() => Some(format!(
            "is refused at byte {}, Envoy says: {message}",
            error.position()
        )),
        _ => None,
    }
}
