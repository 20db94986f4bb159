//! Which field an operator fills, and how.

use std::borrow::Cow;

use gatelog_record::{
    AccessRecord, Field, Flaws, Kind as FieldKind, Slot, Timestamp, response_flag,
};

use crate::command::{Action, Command, NameFirst, StateForm};
use crate::exchange::{Text, Time};
use crate::flag;
use crate::grpc;
use crate::operator::Side;
use crate::record;
use crate::time_format::TimeFormat;

/// An operator, as the reader sees it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) operator: &'static str,
    pub(super) fill: Fill,
    /// Of several sources of a field the highest counts, and of equal ones the first.
    rank: u8,
    pub(super) freedom: Freedom,
}

/// What a value fills.
#[derive(Clone, Debug)]
pub(super) enum Fill {
    Nothing,
    Text(Field),
    Integer(Field),
    Flags,
    Time(TimeFormat),
    /// Nothing: it is another time, or not all of one. Where it ends is told by its form.
    OtherTime(TimeFormat),
    AiLog,
    Grpc,
    RequestHeader(String),
    ResponseHeader(String),
}

/// What may stand in a value, from what is told apart best to what may hold anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freedom {
    /// Digits.
    Number,
    /// As the operator's time format has it.
    Time,
    /// No blank, as a rule.
    Word,
    /// A name that somebody configured, a list of addresses.
    Phrase,
    /// Of a client.
    Header,
    /// Clients write most into it.
    UserAgent,
}

impl Source {
    pub(super) fn new(command: &Command) -> Self {
        let (fill, rank) = fill(&command.action);
        Self {
            operator: command.operator.name,
            freedom: freedom(&command.action, &fill),
            // A value that was cut tells less.
            rank: (2 * rank).saturating_sub(u8::from(command.length.is_some())),
            fill,
        }
    }

    pub(super) fn fills(&self) -> bool {
        !matches!(self.fill, Fill::Nothing | Fill::OtherTime(_))
    }

    /// Whether the operator can have printed this; a word may always be something else.
    pub(super) fn is_possible(&self, value: &str) -> bool {
        if is_absent(value) {
            return true;
        }
        match (&self.freedom, &self.fill) {
            (Freedom::Number, Fill::Grpc) => grpc::parse(value).is_some(),
            (Freedom::Number, _) => value.parse::<i64>().is_ok(),
            (Freedom::Time, Fill::Time(format)) => moment(format, value).is_some(),
            (Freedom::Time, Fill::OtherTime(format)) => format.read(value).is_some(),
            _ => true,
        }
    }

    /// Whether it is what the operator prints as a rule.
    pub(super) fn is_likely(&self, value: &str) -> bool {
        match self.freedom {
            Freedom::Word => !value.contains([' ', '\t']),
            Freedom::Number => self.is_possible(value),
            Freedom::Time => value == "-" || self.is_of_time_format(value),
            Freedom::Phrase | Freedom::Header | Freedom::UserAgent => true,
        }
    }

    fn is_of_time_format(&self, value: &str) -> bool {
        match &self.fill {
            Fill::Time(format) | Fill::OtherTime(format) => format.read(value).is_some(),
            _ => false,
        }
    }
}

pub(super) fn is_absent(value: &str) -> bool {
    value.is_empty() || value == "-"
}

fn moment(format: &TimeFormat, value: &str) -> Option<Timestamp> {
    format.read(value).or_else(|| Timestamp::parse(value))
}

/// What an action's value fills, and how telling it is.
fn fill(action: &Action) -> (Fill, u8) {
    match action {
        Action::Header {
            side,
            name,
            alternative,
        } => header(*side, name, alternative.as_deref()),
        Action::Path { with_query, .. } => (Fill::Text(Field::Path), u8::from(*with_query) + 1),
        Action::QueryParams => (Fill::Text(Field::Query), 2),
        Action::TextOr(Text::ResponseFlags, _) | Action::LongFlags => (Fill::Flags, 2),
        Action::Text(text) | Action::TextOr(text, _) | Action::Underscored(text) => text_of(*text),
        Action::Details { .. } => (Fill::Text(Field::ResponseCodeDetails), 2),
        Action::Number(number) | Action::NumberOrZero(number) => {
            match record::number_field(*number) {
                Some(field) => (Fill::Integer(field), 2),
                None => (Fill::Nothing, 0),
            }
        }
        Action::WithoutPort(text @ Text::DownstreamRemoteAddress, None) => (text_of(*text).0, 1),
        Action::ServerName { first, .. } => {
            let rank = if *first == NameFirst::SniOnly { 2 } else { 1 };
            (Fill::Text(Field::RequestedServerName), rank)
        }
        Action::Grpc(_) => (Fill::Grpc, 2),
        Action::Time {
            time: Time::Start,
            format,
            ..
        } if format.is_readable() => (Fill::Time(format.clone()), 2),
        Action::Time { format, .. } => (Fill::OtherTime(format.clone()), 0),
        Action::Duration {
            from,
            to,
            divisor: 1_000_000,
        } if from == "DS_RX_BEG" && to == "DS_TX_END" => (Fill::Integer(Field::Duration), 1),
        Action::Metadata {
            of,
            namespace,
            path,
        } if record::is_istio_status(*of, namespace, path) => {
            (Fill::Text(Field::IstioPolicyStatus), 2)
        }
        Action::State {
            key,
            upstream: false,
            form: StateForm::Plain,
        } => state(key),
        Action::Environment(name) => match record::environment_field(name) {
            Some(field) => (Fill::Text(field), 2),
            None => (Fill::Nothing, 0),
        },
        Action::Coalesce(commands) => commands
            .first()
            .map_or((Fill::Nothing, 0), |first| (fill(&first.action).0, 1)),
        _ => (Fill::Nothing, 0),
    }
}

fn text_of(text: Text) -> (Fill, u8) {
    let Some(field) = record::text_field(text) else {
        return (Fill::Nothing, 0);
    };
    // These may say something else than what the field is for.
    let is_other = matches!(
        text,
        Text::DownstreamDirectLocalAddress
            | Text::Hostname
            | Text::StreamId
            | Text::UpstreamHostName
            | Text::UpstreamRemoteAddress
    );
    (Fill::Text(field), if is_other { 1 } else { 2 })
}

fn state(key: &str) -> (Fill, u8) {
    match record::state_field(key) {
        Some(Field::AiLog) => (Fill::AiLog, 2),
        // The host before any rewriting.
        Some(Field::Authority) => (Fill::Text(Field::Authority), 3),
        Some(field) => (Fill::Text(field), 1),
        None => (Fill::Nothing, 0),
    }
}

fn header(side: Side, name: &str, alternative: Option<&str>) -> (Fill, u8) {
    let field = |name: &str| match (side, name) {
        (Side::Request, "x-envoy-original-path") => Some((Field::Path, 3)),
        (Side::Request, "x-envoy-original-host") => Some((Field::Authority, 3)),
        (Side::Request, name) => record::request_header_field(name).map(|field| (field, 2)),
        (Side::Response, ":status") => Some((Field::ResponseCode, 1)),
        (Side::Response, name) => record::response_header_field(name).map(|field| (field, 2)),
        (Side::Trailer, _) => None,
    };
    match field(name).or_else(|| field(alternative?)) {
        Some((field, rank)) if field.kind() == FieldKind::Integer => (Fill::Integer(field), rank),
        Some((field, rank)) => (Fill::Text(field), rank),
        None => match side {
            Side::Request if !name.is_empty() => (Fill::RequestHeader(name.to_owned()), 1),
            Side::Response if !name.is_empty() => (Fill::ResponseHeader(name.to_owned()), 1),
            Side::Trailer if name == "grpc-status" => (Fill::Grpc, 1),
            _ => (Fill::Nothing, 0),
        },
    }
}

fn freedom(action: &Action, fill: &Fill) -> Freedom {
    match (action, fill) {
        (_, Fill::Integer(_) | Fill::Grpc) | (Action::Number(_) | Action::NumberOrZero(_), _) => {
            Freedom::Number
        }
        (_, Fill::Time(_) | Fill::OtherTime(_)) => Freedom::Time,
        (_, Fill::Text(Field::UserAgent)) => Freedom::UserAgent,
        (_, Fill::Text(Field::XForwardedFor | Field::Consumer)) => Freedom::Phrase,
        (Action::Header { .. }, Fill::Text(_)) => Freedom::Word,
        (
            Action::Header { .. }
            | Action::QueryParam(_)
            | Action::Cel(_)
            | Action::Coalesce(_)
            | Action::State { .. }
            | Action::Metadata { .. }
            | Action::Environment(_),
            _,
        ) => Freedom::Header,
        (Action::Text(text), _) if !is_word(*text) => Freedom::Phrase,
        _ => Freedom::Word,
    }
}

/// Addresses and names that cannot hold a blank.
fn is_word(text: Text) -> bool {
    matches!(
        text,
        Text::Protocol
            | Text::UpstreamHost
            | Text::UpstreamCluster
            | Text::UpstreamClusterRaw
            | Text::UpstreamLocalAddress
            | Text::UpstreamRemoteAddress
            | Text::DownstreamLocalAddress
            | Text::DownstreamRemoteAddress
            | Text::DownstreamDirectLocalAddress
            | Text::DownstreamDirectRemoteAddress
            | Text::RequestedServerName
            | Text::StreamId
            | Text::TraceId
            | Text::SpanId
    )
}

/// A record while its values come in.
pub(super) struct Filling<'a> {
    record: AccessRecord<'a>,
    flaws: Flaws,
    /// Of what stands in each field, by its tag.
    ranks: [u8; 128],
}

impl Default for Filling<'_> {
    fn default() -> Self {
        Self {
            record: AccessRecord::default(),
            flaws: Flaws::NONE,
            ranks: [0; 128],
        }
    }
}

impl<'a> Filling<'a> {
    pub(super) fn finish(self) -> (AccessRecord<'a>, Flaws) {
        (self.record, self.flaws)
    }

    /// Takes a value; `false` if its field cannot hold it.
    pub(super) fn take(&mut self, source: &Source, value: Cow<'a, str>) -> bool {
        if is_absent(&value) {
            return true;
        }
        let field = match &source.fill {
            Fill::Nothing | Fill::OtherTime(_) => return true,
            Fill::RequestHeader(name) => {
                self.record.request_headers.push(name.clone(), value);
                return true;
            }
            Fill::ResponseHeader(name) => {
                self.record.response_headers.push(name.clone(), value);
                return true;
            }
            Fill::Text(field) | Fill::Integer(field) => *field,
            Fill::Flags => Field::ResponseFlags,
            Fill::Time(_) => Field::StartTime,
            Fill::AiLog => Field::AiLog,
            Fill::Grpc => Field::GrpcStatus,
        };
        let Some(rank) = self.ranks.get_mut(field as usize) else {
            return true;
        };
        if *rank >= source.rank {
            return true;
        }
        let before = std::mem::replace(rank, source.rank);
        let taken = self.set(source, field, value);
        if !taken && let Some(rank) = self.ranks.get_mut(field as usize) {
            *rank = before;
        }
        taken
    }

    fn set(&mut self, source: &Source, field: Field, value: Cow<'a, str>) -> bool {
        if matches!(source.fill, Fill::AiLog) {
            if !self.record.read_ai_log(value) {
                self.flaws.insert(Flaws::AI_LOG);
            }
            return true;
        }
        match (&source.fill, self.record.slot(field)) {
            (Fill::Flags, Slot::Text(slot)) => *slot = response_flag::normalize(short_flags(value)),
            (_, Slot::Text(slot)) => *slot = Some(value),
            (Fill::Grpc, Slot::Integer(slot)) => match grpc::parse(&value) {
                Some(status) => *slot = Some(status),
                None => return false,
            },
            (_, Slot::Integer(slot)) => match integer(&value) {
                Some(number) => *slot = Some(number),
                None => return false,
            },
            // Unreadable: whoever received the line puts the receive time there.
            (Fill::Time(format), Slot::Time(slot)) => *slot = moment(format, &value),
            _ => {}
        }
        true
    }
}

fn short_flags(flags: Cow<'_, str>) -> Cow<'_, str> {
    // Long names alone have small letters.
    if !flags.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return flags;
    }
    let short: Vec<&str> = flags.split(',').map(flag::short).collect();
    Cow::Owned(short.join(","))
}

/// An integer, also one that is written with a fraction of zero.
fn integer(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let (whole, fraction) = text.split_once('.')?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte == b'0') {
        return None;
    }
    whole.parse().ok()
}
