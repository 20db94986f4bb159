//! CEL's attributes of a record.
//!
//! Those that a record does not know are absent; an expression that needs one keeps nothing, as in
//! Envoy.

use std::borrow::Cow;

use gatelog_cel::Value;
use gatelog_record::{AccessRecord, Headers};

use crate::compile::derived_grpc_status;
use crate::record::column;
use crate::{Facts, FlagSet};

/// The attributes of anything that answers a filter.
pub(crate) struct FactAttributes<'f>(pub(crate) &'f dyn Facts);

impl gatelog_cel::Attributes for FactAttributes<'_> {
    fn get(&self, path: &[&str]) -> Option<Value<'_>> {
        self.0.attribute(path)
    }
}

pub(crate) fn of_record<'r>(record: &'r AccessRecord<'_>, path: &[&str]) -> Option<Value<'r>> {
    match path {
        ["request", rest @ ..] => request(record, rest),
        ["response", rest @ ..] => response(record, rest),
        ["upstream", "address"] => text(record.upstream_host.as_deref()),
        ["upstream", "port"] => port(record.upstream_host.as_deref()),
        ["upstream", "local_address"] => text(record.upstream_local_address.as_deref()),
        ["upstream", "transport_failure_reason"] => {
            text(record.upstream_transport_failure_reason.as_deref())
        }
        ["upstream", "request_attempt_count"] => integer(record.upstream_request_attempt_count),
        ["source", "address"] => text(record.downstream_remote_address.as_deref()),
        ["source", "port"] => port(record.downstream_remote_address.as_deref()),
        ["destination", "address"] => text(record.downstream_local_address.as_deref()),
        ["destination", "port"] => port(record.downstream_local_address.as_deref()),
        ["connection", "requested_server_name"] => text(record.requested_server_name.as_deref()),
        ["connection", "tls_version"] => text(record.tls_version.as_deref()),
        ["connection", "termination_details"] => {
            text(record.connection_termination_details.as_deref())
        }
        ["xds", "route_name"] | ["route_name"] => text(record.route_name.as_deref()),
        ["xds", "cluster_name"] | ["cluster_name"] => text(record.upstream_cluster.as_deref()),
        ["metadata", "filter_metadata", "istio.mixer", "status"] => {
            text(record.istio_policy_status.as_deref())
        }
        ["filter_state", "wasm.ai_log"] => text(record.ai_log.as_deref()),
        _ => None,
    }
}

fn request<'r>(record: &'r AccessRecord<'_>, path: &[&str]) -> Option<Value<'r>> {
    let path_part = |at: fn(&'r str) -> &'r str| Some(Value::text(at(record.path.as_deref()?)));
    match path {
        ["headers"] => {
            let names = [
                ":method",
                ":path",
                ":authority",
                "user-agent",
                "x-forwarded-for",
                "x-request-id",
            ];
            let mut entries = joined(&record.request_headers);
            for name in names {
                let is_there = record.request_headers.get(name).is_some();
                if let Some(value) = column(record, name).filter(|_| !is_there) {
                    entries.push((Value::text(name), Value::text(value)));
                }
            }
            Some(Value::Map(entries))
        }
        ["headers", name] => {
            let found = header(&record.request_headers, name);
            found.or_else(|| column(record, &name.to_ascii_lowercase()).map(Value::text))
        }
        ["path"] => text(record.path.as_deref()),
        ["url_path"] => path_part(|path| path.split('?').next().unwrap_or(path)),
        ["query"] => match &record.query {
            Some(query) => Some(Value::text(query)),
            None => path_part(|path| path.split_once('?').map_or("", |(_, query)| query)),
        },
        ["host"] => text(record.authority.as_deref()),
        ["method"] => text(record.method.as_deref()),
        ["useragent"] => text(record.user_agent.as_deref()),
        ["referer"] => header(&record.request_headers, "referer"),
        ["id"] => text(record.request_id.as_deref()),
        ["protocol"] => text(record.protocol.as_deref()),
        ["time"] => {
            let micros = record.start_time?.micros();
            Some(Value::Timestamp(i128::from(micros) * 1000))
        }
        ["duration"] => Some(Value::duration_ms(record.duration?)),
        ["size"] => integer(record.bytes_received),
        _ => None,
    }
}

fn response<'r>(record: &'r AccessRecord<'_>, path: &[&str]) -> Option<Value<'r>> {
    match path {
        // A code of 0 says that none was sent.
        ["code"] => integer(record.response_code.filter(|code| *code > 0)),
        ["code_details"] => text(record.response_code_details.as_deref()),
        ["flags"] => {
            let flags = record.response_flags.as_deref().map(FlagSet::of);
            let bits = flags.unwrap_or_default().bits;
            Some(Value::Int(i64::try_from(bits).unwrap_or(i64::MAX)))
        }
        ["grpc_status"] => {
            let derived = || derived_grpc_status(Facts::response_code(record));
            let status = record.grpc_status.unwrap_or_else(derived);
            Some(Value::Int(status))
        }
        ["size"] => integer(record.bytes_sent),
        ["backend_latency"] => {
            let milliseconds = record.upstream_service_time.as_deref()?.parse().ok()?;
            Some(Value::duration_ms(milliseconds))
        }
        ["headers"] => Some(Value::Map(joined(&record.response_headers))),
        ["headers", name] => header(&record.response_headers, name),
        _ => None,
    }
}

fn text(text: Option<&str>) -> Option<Value<'_>> {
    text.map(Value::text)
}

fn integer<'r>(number: Option<i64>) -> Option<Value<'r>> {
    number.map(Value::Int)
}

/// The port of an address. A bare IPv6 address has none.
fn port<'r>(address: Option<&str>) -> Option<Value<'r>> {
    let (host, port) = address?.rsplit_once(':')?;
    let is_bare = host.contains(':') && !host.ends_with(']');
    let port = if is_bare { None } else { port.parse().ok() };
    port.map(Value::Int)
}

/// Values of one name are joined by commas.
fn header<'r>(headers: &'r Headers<'_>, name: &str) -> Option<Value<'r>> {
    let mut values = headers
        .iter()
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value);
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(Value::text(first));
    };
    let mut all = format!("{first},{second}");
    for value in values {
        all.push(',');
        all.push_str(value);
    }
    Some(Value::String(Cow::Owned(all)))
}

fn joined<'r>(headers: &'r Headers<'_>) -> Vec<(Value<'r>, Value<'r>)> {
    let mut entries: Vec<(Value<'r>, Value<'r>)> = Vec::new();
    for (name, _) in headers.iter() {
        let key = Value::String(Cow::Owned(name.to_ascii_lowercase()));
        let is_new = !entries.iter().any(|(found, _)| *found == key);
        if let Some(value) = header(headers, name).filter(|_| is_new) {
            entries.push((key, value));
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_follows_an_address_is_its_port() {
        for (address, expected) in [
            ("10.0.0.1:80", Some(80)),
            ("[::1]:80", Some(80)),
            ("a.internal:80", Some(80)),
            ("10.0.0.1", None),
            ("[::1]", None),
            // As Kong says who asked.
            ("::1", None),
            ("2001:db8::8080", None),
            ("/run/socket", None),
        ] {
            let found = match port(Some(address)) {
                Some(Value::Int(port)) => Some(port),
                _ => None,
            };
            assert_eq!(found, expected, "{address}");
        }
    }
}
