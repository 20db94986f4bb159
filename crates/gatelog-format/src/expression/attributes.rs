//! Envoy's attributes, answered by an exchange.
//!
//! **Source.** `source/extensions/filters/common/expr/context.cc` of Envoy 1.40.

use std::borrow::Cow;

use gatelog_cel::{Attributes, Value};
use gatelog_record::response_flag;

use crate::address;
use crate::exchange::{Exchange, Metadata, MetadataValue, Number, State, Text, Time};
use crate::query;

/// An exchange, asked by the names of attributes.
pub(super) struct Answers<'e, E: ?Sized>(pub(super) &'e E);

impl<E: Exchange + ?Sized> Attributes for Answers<'_, E> {
    fn get(&self, path: &[&str]) -> Option<Value<'_>> {
        match path {
            ["request", rest @ ..] => self.request(rest),
            ["response", rest @ ..] => self.response(rest),
            ["source", rest @ ..] => self.address(Text::DownstreamRemoteAddress, rest),
            ["destination", rest @ ..] => self.address(Text::DownstreamLocalAddress, rest),
            ["connection", rest @ ..] => self.connection(rest),
            ["upstream", rest @ ..] => self.upstream(rest),
            ["xds", rest @ ..] => self.xds(rest),
            ["metadata", "filter_metadata", namespace, keys @ ..] => {
                self.metadata(Metadata::Dynamic, namespace, keys)
            }
            ["filter_state", key] => self.state(key, false),
            ["upstream_filter_state", key] => self.state(key, true),
            _ => None,
        }
    }
}

/// A text of bytes; what is no UTF-8 is replaced.
fn text(bytes: &[u8]) -> Value<'_> {
    Value::String(String::from_utf8_lossy(bytes))
}

impl<E: Exchange + ?Sized> Answers<'_, E> {
    fn text(&self, of: Text) -> Option<Value<'_>> {
        self.0.text(of).map(text)
    }

    fn number(&self, of: Number) -> Option<Value<'_>> {
        self.0.number(of).map(Value::Int)
    }

    fn header(&self, name: &str) -> Option<Value<'_>> {
        self.0.request_header(&name.to_ascii_lowercase()).map(text)
    }

    fn request(&self, path: &[&str]) -> Option<Value<'_>> {
        let uri = || self.0.request_header(":path");
        match path {
            ["headers", name] => self.header(name),
            ["path"] => uri().map(text),
            ["url_path"] => uri().map(query::without_query).map(text),
            ["query"] => Some(text(query::query(uri()?).unwrap_or_default())),
            ["host"] => self.header(":authority"),
            ["scheme"] => self.header(":scheme"),
            ["method"] => self.header(":method"),
            ["referer"] => self.header("referer"),
            ["useragent"] => self.header("user-agent"),
            ["id"] => self.header("x-request-id"),
            ["protocol"] => self.text(Text::Protocol),
            ["time"] => self.0.time(Time::Start).map(|moment| {
                let seconds = i128::from(moment.seconds);
                Value::Timestamp(seconds * 1_000_000_000 + i128::from(moment.nanos))
            }),
            ["duration"] => self.0.number(Number::Duration).map(Value::duration_ms),
            ["size"] => self.number(Number::BytesReceived),
            ["total_size"] => self.sum(Number::BytesReceived, &[Number::RequestHeadersBytes]),
            _ => None,
        }
    }

    fn response(&self, path: &[&str]) -> Option<Value<'_>> {
        let header = |name: &str| name.to_ascii_lowercase();
        match path {
            ["headers", name] => self.0.response_header(&header(name)).map(text),
            ["trailers", name] => self.0.response_trailer(&header(name)).map(text),
            // No code was sent: Envoy has no such attribute then.
            ["code"] => {
                let code = self.0.number(Number::ResponseCode)?;
                (code > 0).then_some(Value::Int(code))
            }
            ["code_details"] => self.text(Text::ResponseCodeDetails),
            ["flags"] => Some(Value::Int(flag_bits(
                self.0.text(Text::ResponseFlags).unwrap_or_default(),
            ))),
            ["grpc_status"] => self.0.grpc_status().map(Value::Int),
            ["size"] => self.number(Number::BytesSent),
            ["total_size"] => self.sum(
                Number::BytesSent,
                &[Number::ResponseHeadersBytes, Number::ResponseTrailersBytes],
            ),
            _ => None,
        }
    }

    fn sum(&self, first: Number, others: &[Number]) -> Option<Value<'_>> {
        let others = others.iter().filter_map(|number| self.0.number(*number));
        let sum = others.fold(self.0.number(first)?, i64::saturating_add);
        Some(Value::Int(sum))
    }

    fn address(&self, of: Text, path: &[&str]) -> Option<Value<'_>> {
        match path {
            ["address"] => self.text(of),
            ["port"] => {
                let port = address::port(self.0.text(of)?)?;
                Some(Value::Int(i64::from(port)))
            }
            _ => None,
        }
    }

    fn connection(&self, path: &[&str]) -> Option<Value<'_>> {
        let &[name] = path else {
            return None;
        };
        self.text(match name {
            "id" => return self.number(Number::ConnectionId),
            // A certificate of the client was shown.
            "mtls" => {
                let shown = self.0.text(Text::DownstreamPeerCert);
                let shown = shown.or_else(|| self.0.text(Text::DownstreamPeerSubject));
                return Some(Value::Bool(shown.is_some()));
            }
            "requested_server_name" => Text::RequestedServerName,
            "tls_version" => Text::DownstreamTlsVersion,
            "subject_local_certificate" => Text::DownstreamLocalSubject,
            "subject_peer_certificate" => Text::DownstreamPeerSubject,
            "dns_san_local_certificate" => Text::DownstreamLocalDnsSan,
            "dns_san_peer_certificate" => Text::DownstreamPeerDnsSan,
            "uri_san_local_certificate" => Text::DownstreamLocalUriSan,
            "uri_san_peer_certificate" => Text::DownstreamPeerUriSan,
            "sha256_peer_certificate_digest" => Text::DownstreamPeerFingerprint256,
            "termination_details" => Text::ConnectionTerminationDetails,
            "transport_failure_reason" => Text::DownstreamTransportFailureReason,
            _ => return None,
        })
    }

    fn upstream(&self, path: &[&str]) -> Option<Value<'_>> {
        let &[name] = path else {
            return None;
        };
        self.text(match name {
            "address" | "port" => return self.address(Text::UpstreamHost, path),
            "request_attempt_count" => return self.number(Number::UpstreamRequestAttemptCount),
            "local_address" => Text::UpstreamLocalAddress,
            "transport_failure_reason" => Text::UpstreamTransportFailureReason,
            "tls_version" => Text::UpstreamTlsVersion,
            "subject_peer_certificate" => Text::UpstreamPeerSubject,
            "dns_san_local_certificate" => Text::UpstreamLocalDnsSan,
            "dns_san_peer_certificate" => Text::UpstreamPeerDnsSan,
            "uri_san_local_certificate" => Text::UpstreamLocalUriSan,
            "uri_san_peer_certificate" => Text::UpstreamPeerUriSan,
            _ => return None,
        })
    }

    fn xds(&self, path: &[&str]) -> Option<Value<'_>> {
        match path {
            ["cluster_name"] => self.text(Text::UpstreamClusterRaw),
            ["route_name"] => self.text(Text::RouteName),
            ["filter_chain_name"] => self.text(Text::FilterChainName),
            [of, "filter_metadata", namespace, keys @ ..] => {
                let of = match *of {
                    "cluster_metadata" => Metadata::Cluster,
                    "route_metadata" => Metadata::Route,
                    "upstream_host_metadata" => Metadata::UpstreamHost,
                    "listener_metadata" => Metadata::Listener,
                    "virtual_host_metadata" => Metadata::VirtualHost,
                    _ => return None,
                };
                self.metadata(of, namespace, keys)
            }
            _ => None,
        }
    }

    fn metadata(&self, of: Metadata, namespace: &str, keys: &[&str]) -> Option<Value<'_>> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        Some(match self.0.metadata(of, namespace, &keys)? {
            MetadataValue::Text(value) => text(value),
            MetadataValue::Json(value) => json(value),
        })
    }

    fn state(&self, key: &str, upstream: bool) -> Option<Value<'_>> {
        Some(match self.0.filter_state(key, upstream)? {
            State::Text(value) | State::Plain(value) => text(value),
            State::Bytes(value) | State::Escaped(value) => Value::Bytes(Cow::Borrowed(value)),
            State::Number(number) => Value::Int(number),
        })
    }
}

/// Numbers of metadata are doubles.
fn json(value: &serde_json::Value) -> Value<'_> {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(is) => Value::Bool(*is),
        serde_json::Value::Number(number) => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(value) => Value::text(value),
        serde_json::Value::Array(values) => Value::List(values.iter().map(json).collect()),
        serde_json::Value::Object(members) => Value::Map(
            members
                .iter()
                .map(|(key, value)| (Value::text(key), json(value)))
                .collect(),
        ),
    }
}

/// The flags as Envoy's integer; unknown ones have no bit.
fn flag_bits(flags: &[u8]) -> i64 {
    flags
        .split(|byte| *byte == b',')
        .filter_map(|flag| {
            response_flag::NAMES
                .iter()
                .position(|name| name.as_bytes() == flag.trim_ascii())
        })
        .fold(0, |bits, bit| bits | 1 << bit)
}
