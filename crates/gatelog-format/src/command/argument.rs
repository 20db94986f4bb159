//! From an operator as it is written to a compiled one.

use super::{Action, Command, HostHeader, NameFirst, StateForm, WhosePath, coalesce};
use crate::error::{FormatError, Problem};
use crate::exchange::Metadata;
use crate::expression::Cel;
use crate::grpc;
use crate::operator::{self, Argument, Kind, Operator, Side};
use crate::time_format::{self, TimeFormat};
use crate::token::Call;

/// Compiles an operator.
pub(crate) fn compile(call: &Call<'_>) -> Result<Command, FormatError> {
    let fail = |problem| FormatError::new(problem, call.position);
    let operator = operator::find(call.name).ok_or_else(|| {
        fail(Problem::UnknownOperator {
            name: call.name.to_owned(),
            nearest: operator::nearest(call.name),
        })
    })?;
    check(operator, call).map_err(fail)?;
    let action = action(operator, call)?;
    Ok(Command {
        operator,
        position: call.position,
        action,
        length: call.length,
    })
}

/// Whether an argument and a length may stand there.
fn check(operator: &Operator, call: &Call<'_>) -> Result<(), Problem> {
    let name = operator.name;
    let has_argument = !call.argument.is_empty();
    let takes_nothing = operator.argument == Argument::None && !operator.length_allowed;
    if takes_nothing && (has_argument || call.length.is_some()) {
        return Err(Problem::TakesNothing { operator: name });
    }
    if operator.argument == Argument::Required && !has_argument {
        return Err(Problem::ArgumentMissing { operator: name });
    }
    if !operator.length_allowed && call.length.is_some() {
        return Err(Problem::LengthNotAllowed { operator: name });
    }
    Ok(())
}

fn action(operator: &'static Operator, call: &Call<'_>) -> Result<Action, FormatError> {
    let argument = call.argument;
    let action = match operator.kind {
        Kind::Header(side) => header(side, argument),
        Kind::Path => path(argument),
        Kind::QueryParam => Ok(Action::QueryParam(argument.to_owned())),
        Kind::QueryParams => Ok(Action::QueryParams),
        Kind::Text(text) => Ok(Action::Text(text)),
        Kind::TextOr(text, otherwise) => Ok(Action::TextOr(text, otherwise)),
        Kind::Underscored(text) => Ok(Action::Underscored(text)),
        Kind::Details => Ok(Action::Details {
            white_space: argument == "ALLOW_WHITESPACES",
        }),
        Kind::LongFlags => Ok(Action::LongFlags),
        Kind::Number(number) => Ok(Action::Number(number)),
        Kind::NumberOrZero(number) => Ok(Action::NumberOrZero(number)),
        Kind::Port(text) => Ok(Action::Port(text)),
        Kind::WithoutPort(text) => Ok(Action::WithoutPort(text, mask(argument))),
        Kind::EndpointId(text) => Ok(Action::EndpointId(text)),
        Kind::HostsWithoutPort(text) => Ok(Action::HostsWithoutPort(text)),
        Kind::NameWithoutPort(text) => Ok(Action::NameWithoutPort(text)),
        Kind::ServerName => server_name(argument),
        Kind::Grpc => grpc(argument),
        Kind::GrpcNumber => Ok(Action::Grpc(grpc::Form::Number)),
        Kind::Time(time) => time_format(argument, false).map(|format| Action::Time {
            time,
            format,
            local: false,
        }),
        Kind::LocalTime(time) => time_format(argument, true).map(|format| Action::Time {
            time,
            format,
            local: true,
        }),
        Kind::CommonDuration => duration(argument),
        Kind::Metadata(of) => metadata(of, argument),
        Kind::FilterState { upstream } => state(argument, upstream),
        Kind::Environment => Ok(Action::Environment(argument.to_owned())),
        Kind::UniqueId => Ok(Action::UniqueId),
        Kind::Cel { typed } => Cel::new(argument, typed).map(Action::Cel),
        // What its operators do wrong is told in their own words.
        Kind::Coalesce => return coalesce::compile(argument, call.position).map(Action::Coalesce),
    };
    action.map_err(|problem| FormatError::new(problem, call.position))
}

fn header(side: Side, argument: &str) -> Result<Action, Problem> {
    let mut names = argument.split('?');
    let main = names.next().unwrap_or_default();
    let alternative = names.next().unwrap_or_default();
    if names.next().is_some() {
        return Err(Problem::TwoAlternatives {
            argument: argument.to_owned(),
        });
    }
    if let Some(wrong) = [main, alternative]
        .into_iter()
        .find(|name| !is_header_name(name))
    {
        return Err(Problem::HeaderName {
            name: wrong.to_owned(),
        });
    }
    let name = |written: &str| {
        let name = written.to_ascii_lowercase();
        if side == Side::Request && name == "host" {
            ":authority".to_owned()
        } else {
            name
        }
    };
    Ok(Action::Header {
        side,
        name: name(main),
        alternative: (!alternative.is_empty()).then(|| name(alternative)),
    })
}

/// Whether all characters are those of a header name (RFC 9110 §5.6.2), behind the colon of a
/// pseudo-header. None at all is allowed: it asks for nothing.
fn is_header_name(name: &str) -> bool {
    let plain = name.strip_prefix(':').unwrap_or(name);
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    (!plain.is_empty() || name.is_empty()) && plain.bytes().all(is_token)
}

fn path(argument: &str) -> Result<Action, Problem> {
    let mut parts = argument.split(':');
    let unknown = |found: &str, allowed| Problem::UnknownOption {
        operator: "PATH",
        found: found.to_owned(),
        allowed,
    };
    let with_query = match parts.next().unwrap_or_default() {
        "" | "WQ" => true,
        "NQ" => false,
        found => return Err(unknown(found, "WQ, NQ")),
    };
    let whose = match parts.next().unwrap_or_default() {
        "" | "ORIG_OR_PATH" => WhosePath::OriginalOrNow,
        "ORIG" => WhosePath::Original,
        "PATH" => WhosePath::Now,
        found => return Err(unknown(found, "ORIG, PATH, ORIG_OR_PATH")),
    };
    Ok(Action::Path { with_query, whose })
}

fn server_name(argument: &str) -> Result<Action, Problem> {
    let mut parts = argument.split(':');
    let unknown = |found: &str, allowed| Problem::UnknownOption {
        operator: "REQUESTED_SERVER_NAME",
        found: found.to_owned(),
        allowed,
    };
    let first = match parts.next().unwrap_or_default() {
        "" | "SNI_ONLY" => NameFirst::SniOnly,
        "SNI_FIRST" => NameFirst::Sni,
        "HOST_FIRST" => NameFirst::Host,
        found => return Err(unknown(found, "SNI_ONLY, SNI_FIRST, HOST_FIRST")),
    };
    let host = match parts.next().unwrap_or_default() {
        "" | "ORIG_OR_HOST" => HostHeader::OriginalOrNow,
        "ORIG" => HostHeader::Original,
        "HOST" => HostHeader::Now,
        found => return Err(unknown(found, "ORIG_OR_HOST, HOST, ORIG")),
    };
    Ok(Action::ServerName { first, host })
}

/// The length of a network's prefix; what is no number, or a negative one, is as none.
fn mask(argument: &str) -> Option<u8> {
    let number: i64 = argument.trim().parse().ok()?;
    (number >= 0).then(|| u8::try_from(number).unwrap_or(u8::MAX))
}

fn grpc(argument: &str) -> Result<Action, Problem> {
    Ok(Action::Grpc(match argument {
        "" | "CAMEL_STRING" => grpc::Form::Camel,
        "SNAKE_STRING" => grpc::Form::Snake,
        "NUMBER" => grpc::Form::Number,
        found => {
            return Err(Problem::GrpcForm {
                found: found.to_owned(),
            });
        }
    }))
}

fn time_format(argument: &str, local: bool) -> Result<TimeFormat, Problem> {
    if time_format::has_newline(argument) {
        return Err(Problem::TimeNewline);
    }
    Ok(TimeFormat::new(argument, local))
}

fn duration(argument: &str) -> Result<Action, Problem> {
    let parts: Vec<&str> = argument.split(':').collect();
    let (from, to, precision) = match parts.as_slice() {
        [from, to] => (from, to, "ms"),
        [from, to, precision] => (from, to, *precision),
        _ => {
            return Err(Problem::DurationPoints {
                argument: argument.to_owned(),
            });
        }
    };
    let divisor = match precision {
        "ms" => 1_000_000,
        "us" => 1_000,
        "ns" => 1,
        found => {
            return Err(Problem::DurationPrecision {
                found: found.to_owned(),
            });
        }
    };
    Ok(Action::Duration {
        from: (*from).to_owned(),
        to: (*to).to_owned(),
        divisor,
    })
}

fn metadata(of: Option<Metadata>, argument: &str) -> Result<Action, Problem> {
    let mut parts = argument.split(':');
    let of = if let Some(of) = of {
        of
    } else {
        let found = parts.next().unwrap_or_default();
        Metadata::find(found).ok_or_else(|| Problem::MetadataKind {
            found: found.to_owned(),
        })?
    };
    Ok(Action::Metadata {
        of,
        namespace: parts.next().unwrap_or_default().to_owned(),
        path: parts.map(str::to_owned).collect(),
    })
}

fn state(argument: &str, upstream: bool) -> Result<Action, Problem> {
    let mut parts = argument.split(':');
    let mut part = || parts.next().unwrap_or_default();
    let (key, form, field) = (part(), part(), part());
    if key.is_empty() {
        return Err(Problem::FilterStateKey);
    }
    let form = match (form, field) {
        ("PLAIN", "") => StateForm::Plain,
        ("" | "TYPED", "") => StateForm::Typed,
        ("FIELD", field) if !field.is_empty() => StateForm::Field(field.to_owned()),
        ("PLAIN" | "" | "TYPED" | "FIELD", _) => return Err(Problem::FilterStateField),
        (found, _) => {
            return Err(Problem::FilterStateForm {
                found: found.to_owned(),
            });
        }
    };
    Ok(Action::State {
        key: key.to_owned(),
        upstream,
        form,
    })
}
