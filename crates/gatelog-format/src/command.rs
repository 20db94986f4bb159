//! A compiled operator: what it asks of an exchange, and how the answer is appended.
//!
//! **Shape.** [`Command::write`] appends the value as a text format prints it, and says what it is: a
//! text, which JSON puts in quotes, or a literal, which is JSON as it stands.

mod argument;
mod coalesce;
mod state;

pub(crate) use argument::compile;

use serde_json::Value;

use crate::address;
use crate::digits::{push_number, push_unsigned};
use crate::exchange::{Exchange, Metadata, MetadataValue, Number, Text, Time};
use crate::expression::Cel;
use crate::flag;
use crate::grpc;
use crate::json_text::push_value;
use crate::operator::{Operator, Side};
use crate::query;
use crate::time_format::TimeFormat;

/// What was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Nothing: the exchange has no such value.
    Missing,
    /// A text: JSON writes it as a string.
    Text,
    /// A number, a boolean, an object or a list, as JSON writes it too.
    Literal,
}

/// For which kind of format a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Text,
    Json,
}

/// An operator with its argument and length.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) operator: &'static Operator,
    /// Byte of its `%` in the format.
    pub(crate) position: usize,
    pub(crate) action: Action,
    pub(crate) length: Option<usize>,
}

/// What an operator does, its argument read.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Header {
        side: Side,
        /// In small letters; empty when only the alternative is asked for.
        name: String,
        alternative: Option<String>,
    },
    Path {
        with_query: bool,
        whose: WhosePath,
    },
    QueryParam(String),
    QueryParams,
    Text(Text),
    TextOr(Text, &'static str),
    Underscored(Text),
    Details {
        white_space: bool,
    },
    LongFlags,
    Number(Number),
    NumberOrZero(Number),
    Port(Text),
    WithoutPort(Text, Option<u8>),
    EndpointId(Text),
    HostsWithoutPort(Text),
    NameWithoutPort(Text),
    ServerName {
        first: NameFirst,
        host: HostHeader,
    },
    Grpc(grpc::Form),
    Time {
        time: Time,
        format: TimeFormat,
        local: bool,
    },
    Duration {
        from: String,
        to: String,
        divisor: u64,
    },
    Metadata {
        of: Metadata,
        namespace: String,
        path: Vec<String>,
    },
    State {
        key: String,
        upstream: bool,
        form: StateForm,
    },
    Environment(String),
    UniqueId,
    Cel(Cel),
    Coalesce(Vec<Command>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhosePath {
    OriginalOrNow,
    Original,
    Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameFirst {
    SniOnly,
    Sni,
    Host,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostHeader {
    OriginalOrNow,
    Original,
    Now,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateForm {
    Plain,
    Typed,
    Field(String),
}

/// What an operator asks for by a name of its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A header of requests or responses, in small letters.
    Header(String),
    /// A query parameter.
    Parameter(String),
}

impl Command {
    /// Adds the headers and query parameters that it asks for.
    pub(crate) fn named(&self, all: &mut Vec<Named>) {
        match &self.action {
            Action::Header {
                name, alternative, ..
            } => {
                let names = std::iter::once(name).chain(alternative);
                all.extend(names.cloned().map(Named::Header));
            }
            Action::QueryParam(name) => all.push(Named::Parameter(name.clone())),
            Action::Coalesce(commands) => {
                for command in commands {
                    command.named(all);
                }
            }
            _ => {}
        }
    }

    /// Appends the value.
    pub(crate) fn write<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        target: Target,
        out: &mut Vec<u8>,
    ) -> Written {
        let from = out.len();
        let written = self.action.write(exchange, target, out);
        if let Some(length) = self.length
            && self.is_cut(written, target)
        {
            out.truncate(from.saturating_add(length));
        }
        written
    }

    /// JSON keeps values whole that it writes in their own type, and all metadata.
    fn is_cut(&self, written: Written, target: Target) -> bool {
        target == Target::Text
            || written == Written::Text && !matches!(self.action, Action::Metadata { .. })
    }
}

impl Action {
    /// What most operators of a format are, and the others apart, so that these few stay short.
    #[inline]
    fn write<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        target: Target,
        out: &mut Vec<u8>,
    ) -> Written {
        match self {
            Self::Header {
                side,
                name,
                alternative,
            } => push(header(exchange, *side, name, alternative.as_deref()), out),
            Self::Text(text) => push(exchange.text(*text), out),
            Self::Number(number) => push_integer(exchange.number(*number), out),
            Self::NumberOrZero(number) => {
                push_integer(Some(exchange.number(*number).unwrap_or(0)), out)
            }
            Self::State {
                key,
                upstream,
                form,
            } => state::push(exchange, key, *upstream, form, target, out),
            _ => self.write_other(exchange, target, out),
        }
    }

    #[inline(never)]
    fn write_other<E: Exchange + ?Sized>(
        &self,
        exchange: &E,
        target: Target,
        out: &mut Vec<u8>,
    ) -> Written {
        match self {
            Self::Path { with_query, whose } => push(
                path(exchange, *whose).map(|path| kept(path, *with_query)),
                out,
            ),
            Self::QueryParam(name) => written(
                exchange
                    .request_header(":path")
                    .is_some_and(|path| query::push_parameter(path, name.as_bytes(), out)),
            ),
            Self::QueryParams => push(exchange.request_header(":path").and_then(query::query), out),
            Self::TextOr(text, otherwise) => push(
                Some(exchange.text(*text).unwrap_or(otherwise.as_bytes())),
                out,
            ),
            Self::Underscored(text) => push_mapped(exchange.text(*text), out, |byte| byte == b' '),
            Self::Details { white_space } => {
                push_mapped(exchange.text(Text::ResponseCodeDetails), out, |byte| {
                    !white_space && (byte.is_ascii_whitespace() || byte == 0x0b)
                })
            }
            Self::LongFlags => push_long_flags(exchange.text(Text::ResponseFlags), out),
            Self::Port(text) => push_port(exchange.text(*text), target, out),
            Self::WithoutPort(text, mask) => written(exchange.text(*text).is_some_and(|address| {
                address::push_without_port(address, *mask, out);
                true
            })),
            Self::EndpointId(text) => push(exchange.text(*text).map(address::endpoint_id), out),
            Self::HostsWithoutPort(text) => push_list(exchange.text(*text), out, |host, out| {
                address::push_without_port(host, None, out);
            }),
            Self::NameWithoutPort(text) => push_list(exchange.text(*text), out, |name, out| {
                out.extend_from_slice(address::name_without_port(name));
            }),
            Self::ServerName { first, host } => push(server_name(exchange, *first, *host), out),
            Self::Grpc(form) => push_grpc(exchange.grpc_status(), *form, out),
            Self::Time {
                time,
                format,
                local,
            } => push_time(exchange, *time, format, *local, out),
            Self::Duration { from, to, divisor } => {
                let from = exchange.point_ns(from);
                let between = exchange
                    .point_ns(to)
                    .and_then(|to| to.checked_sub(from?)?.checked_div(*divisor));
                push_natural(between, out)
            }
            Self::Metadata {
                of,
                namespace,
                path,
            } => push_metadata(exchange.metadata(*of, namespace, path), out),
            // Envoy reads its environment once, and takes `-` for the value of a variable it lacks.
            Self::Environment(name) => push(exchange.environment(name).or(Some(b"-")), out),
            Self::UniqueId => written(exchange.unique_id(out)),
            Self::Cel(cel) => cel.write(exchange, target, out),
            Self::Coalesce(commands) => coalesce::write(commands, exchange, target, out),
            // Written by `write`.
            Self::Header { .. }
            | Self::Text(_)
            | Self::Number(_)
            | Self::NumberOrZero(_)
            | Self::State { .. } => Written::Missing,
        }
    }
}

fn written(is: bool) -> Written {
    if is { Written::Text } else { Written::Missing }
}

#[inline]
fn push(text: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
    match text {
        Some(text) => {
            out.extend_from_slice(text);
            Written::Text
        }
        None => Written::Missing,
    }
}

/// Appends a text with `_` in place of some bytes.
fn push_mapped(text: Option<&[u8]>, out: &mut Vec<u8>, replaced: impl Fn(u8) -> bool) -> Written {
    let Some(text) = text else {
        return Written::Missing;
    };
    out.extend(
        text.iter()
            .map(|byte| if replaced(*byte) { b'_' } else { *byte }),
    );
    Written::Text
}

fn push_list(
    list: Option<&[u8]>,
    out: &mut Vec<u8>,
    each: impl Fn(&[u8], &mut Vec<u8>),
) -> Written {
    let Some(list) = list else {
        return Written::Missing;
    };
    for (at, item) in list.split(|byte| *byte == b',').enumerate() {
        if at > 0 {
            out.push(b',');
        }
        each(item, out);
    }
    Written::Text
}

fn push_time<E: Exchange + ?Sized>(
    exchange: &E,
    time: Time,
    format: &TimeFormat,
    local: bool,
    out: &mut Vec<u8>,
) -> Written {
    let Some(moment) = exchange.time(time) else {
        return Written::Missing;
    };
    let offset_seconds = if local {
        exchange.utc_offset_seconds()
    } else {
        0
    };
    format.write(moment, offset_seconds, out);
    Written::Text
}

fn push_integer(number: Option<i64>, out: &mut Vec<u8>) -> Written {
    let Some(number) = number else {
        return Written::Missing;
    };
    push_number(number, out);
    Written::Literal
}

fn push_natural(number: Option<u64>, out: &mut Vec<u8>) -> Written {
    let Some(number) = number else {
        return Written::Missing;
    };
    push_unsigned(number, out);
    Written::Literal
}

/// A path has no port: text prints nothing for it, JSON says that it is missing.
fn push_port(address: Option<&[u8]>, target: Target, out: &mut Vec<u8>) -> Written {
    match address.map(address::port) {
        Some(None) if target == Target::Text => Written::Text,
        port => push_natural(port.flatten().map(u64::from), out),
    }
}

fn push_long_flags(flags: Option<&[u8]>, out: &mut Vec<u8>) -> Written {
    let Some(flags) = flags.filter(|flags| !flags.is_empty() && *flags != b"-") else {
        return push(Some(b"-"), out);
    };
    push_list(Some(flags), out, |flag, out| {
        out.extend_from_slice(flag::long(flag).map_or(flag, str::as_bytes));
    })
}

fn push_grpc(status: Option<i64>, form: grpc::Form, out: &mut Vec<u8>) -> Written {
    let Some(status) = status else {
        return Written::Missing;
    };
    if let Some(name) = grpc::name(status, form) {
        return push(Some(name.as_bytes()), out);
    }
    push_number(status, out);
    if form == grpc::Form::Number {
        Written::Literal
    } else {
        Written::Text
    }
}

fn push_metadata(value: Option<MetadataValue<'_>>, out: &mut Vec<u8>) -> Written {
    match value {
        None | Some(MetadataValue::Json(Value::Null)) => Written::Missing,
        Some(MetadataValue::Text(text)) => push(Some(text), out),
        Some(MetadataValue::Json(Value::String(text))) => push(Some(text.as_bytes()), out),
        Some(MetadataValue::Json(value)) => {
            push_value(value, out);
            Written::Literal
        }
    }
}

fn header<'e, E: Exchange + ?Sized>(
    exchange: &'e E,
    side: Side,
    name: &str,
    alternative: Option<&str>,
) -> Option<&'e [u8]> {
    let of = |name| match side {
        Side::Request => exchange.request_header(name),
        Side::Response => exchange.response_header(name),
        Side::Trailer => exchange.response_trailer(name),
    };
    let main = if name.is_empty() { None } else { of(name) };
    main.or_else(|| of(alternative?))
}

fn kept(path: &[u8], with_query: bool) -> &[u8] {
    if with_query {
        path
    } else {
        query::without_query(path)
    }
}

fn path<E: Exchange + ?Sized>(exchange: &E, whose: WhosePath) -> Option<&[u8]> {
    let present = |name| {
        exchange
            .request_header(name)
            .filter(|value| !value.is_empty())
    };
    match whose {
        WhosePath::OriginalOrNow => present("x-envoy-original-path").or_else(|| present(":path")),
        WhosePath::Original => present("x-envoy-original-path"),
        WhosePath::Now => present(":path"),
    }
}

fn server_name<E: Exchange + ?Sized>(
    exchange: &E,
    first: NameFirst,
    host: HostHeader,
) -> Option<&[u8]> {
    let present = |value: Option<&'_ [u8]>| value.is_some_and(|value| !value.is_empty());
    let sni = || {
        let name = exchange.text(Text::RequestedServerName);
        if present(name) { name } else { None }
    };
    let header = |name| {
        let value = exchange.request_header(name);
        if present(value) { value } else { None }
    };
    let host = || match host {
        HostHeader::OriginalOrNow => {
            header("x-envoy-original-host").or_else(|| header(":authority"))
        }
        HostHeader::Original => header("x-envoy-original-host"),
        HostHeader::Now => header(":authority"),
    };
    match first {
        NameFirst::SniOnly => sni(),
        NameFirst::Sni => sni().or_else(host),
        NameFirst::Host => host().or_else(sni),
    }
}
