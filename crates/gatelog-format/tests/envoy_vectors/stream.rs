//! A row's request and `stream` as an exchange. Every key may be missing, and unknown ones are no error.

use gatelog_format::{Exchange, Metadata, MetadataValue, Moment, Number, State, Text, Time};
use serde_json::Value;

type Headers = Vec<(String, Vec<u8>)>;

pub(crate) struct Stream<'r> {
    row: &'r Value,
    request: Headers,
    response: Headers,
    trailers: Headers,
    /// Lists of numbers, joined; addresses that stand for others.
    texts: Vec<(&'static str, String)>,
}

/// The bytes that a text of hexadecimal digits stands for.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).expect("a digit")).unwrap();
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// `headers` as texts, or `headers_hex` as bytes.
fn headers(of: &Value, name: &str) -> Headers {
    let list = |name: &str| of[name].as_array().cloned().unwrap_or_default();
    let pair = |pair: &Value| {
        let text = |at: usize| pair[at].as_str().expect("a text").to_owned();
        (text(0).to_ascii_lowercase(), text(1))
    };
    let plain = list(name);
    let hex = list(&format!("{name}_hex"));
    plain
        .iter()
        .map(pair)
        .map(|(name, value)| (name, value.into_bytes()))
        .chain(hex.iter().map(pair).map(|(name, value)| {
            // These are the bytes that were sent; HTTP takes the white space around a value away.
            (name, unhex(&value).trim_ascii().to_vec())
        }))
        .collect()
}

fn first<'h>(headers: &'h Headers, name: &str) -> Option<&'h [u8]> {
    let (_, value) = headers.iter().find(|(found, _)| found == name)?;
    Some(value)
}

impl<'r> Stream<'r> {
    pub(crate) fn new(row: &'r Value) -> Self {
        let stream = &row["stream"];
        let mut texts = Vec::new();
        let mut stands_for = |name, other: &str| {
            let value = match &stream[other] {
                Value::String(text) => text.clone(),
                Value::Number(number) if number.as_u64() != Some(0) => number.to_string(),
                _ => return,
            };
            texts.push((name, value));
        };
        // Where there was one attempt, and where the connection is the one that was accepted.
        stands_for("upstream_hosts_attempted", "upstream_host");
        stands_for("upstream_host_names_attempted", "upstream_host_name");
        stands_for(
            "upstream_connection_ids_attempted",
            "upstream_connection_id",
        );
        stands_for(
            "downstream_direct_local_address",
            "downstream_local_address",
        );
        stands_for("upstream_host_name", "upstream_host");
        Self {
            row,
            request: headers(&row["request"], "headers"),
            response: headers(&stream["response"], "headers"),
            trailers: headers(&stream["response"], "trailers"),
            texts,
        }
    }

    fn stream(&self, name: &str) -> &'r Value {
        &self.row["stream"][name]
    }

    fn millis_as_ns(&self, name: &str) -> Option<u64> {
        self.stream(name).as_u64().map(|millis| millis * 1_000_000)
    }
}

impl Exchange for Stream<'_> {
    fn request_header(&self, name: &str) -> Option<&[u8]> {
        first(&self.request, name)
    }

    fn response_header(&self, name: &str) -> Option<&[u8]> {
        first(&self.response, name)
    }

    fn response_trailer(&self, name: &str) -> Option<&[u8]> {
        first(&self.trailers, name)
    }

    fn number(&self, number: Number) -> Option<i64> {
        let name = number.name();
        self.stream(name)
            .as_i64()
            .or_else(|| self.stream(&format!("{name}_ms")).as_i64())
    }

    fn text(&self, text: Text) -> Option<&[u8]> {
        let name = text.name();
        if let Some(text) = self.stream(name).as_str() {
            return Some(text.as_bytes());
        }
        let (_, value) = self.texts.iter().find(|(found, _)| *found == name)?;
        Some(value.as_bytes())
    }

    fn time(&self, time: Time) -> Option<Moment> {
        let nanos = self.stream(&format!("{}_unix_ns", time.name())).as_i64()?;
        Some(Moment::from_nanos(nanos))
    }

    fn point_ns(&self, name: &str) -> Option<u64> {
        match name {
            "DS_RX_BEG" => Some(0),
            "DS_RX_END" => self.millis_as_ns("request_duration_ms"),
            "US_TX_END" => self.millis_as_ns("request_tx_duration_ms"),
            "US_RX_BEG" => self.millis_as_ns("response_duration_ms"),
            "DS_TX_END" => self.millis_as_ns("duration_ms"),
            _ => None,
        }
    }

    fn metadata(
        &self,
        of: Metadata,
        namespace: &str,
        path: &[String],
    ) -> Option<MetadataValue<'_>> {
        let key = match of {
            Metadata::Dynamic => "dynamic_metadata",
            Metadata::Cluster => "cluster_metadata",
            Metadata::Route => "route_metadata",
            Metadata::UpstreamHost => "upstream_host_metadata",
            Metadata::Listener => "listener_metadata",
            Metadata::ListenerFilterChain => "listener_filter_chain_metadata",
            Metadata::VirtualHost => "virtual_host_metadata",
            _ => return None,
        };
        let mut value = self.stream(key).get(namespace)?;
        for step in path {
            value = value.as_object()?.get(step)?;
        }
        Some(MetadataValue::Json(value))
    }

    fn filter_state(&self, key: &str, upstream: bool) -> Option<State<'_>> {
        let states = if upstream {
            "upstream_filter_state"
        } else {
            "filter_state"
        };
        let text = self.stream(states).get(key)?.as_str()?.as_bytes();
        // What a wasm module stores is bytes; the others are `envoy.string` and its like.
        Some(if key.starts_with("wasm.") {
            State::Bytes(text)
        } else {
            State::Text(text)
        })
    }

    fn environment(&self, name: &str) -> Option<&[u8]> {
        Some(self.stream("env").get(name)?.as_str()?.as_bytes())
    }
}
