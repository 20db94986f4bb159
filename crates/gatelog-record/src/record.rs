//! [`AccessRecord`] and the table of its fields: the one place that knows them all.

use std::borrow::Cow;

use crate::field::{Kind, Slot, Value};
use crate::{Headers, RecordId, Timestamp};

/// The type of a field in the record, by kind.
macro_rules! slot_type {
    (Text) => { Option<Cow<'a, str>> };
    (Json) => { Option<Cow<'a, str>> };
    (Integer) => { Option<i64> };
    (Float) => { Option<f64> };
    (Time) => { Option<Timestamp> };
    (Headers) => { Headers<'a> };
    (Id) => { Option<RecordId> };
}

/// How a field is read as a [`Value`], by kind.
macro_rules! slot_value {
    (Headers, $slot:expr) => {
        if $slot.is_empty() {
            None
        } else {
            Some(Value::Headers(&$slot))
        }
    };
    (Text, $slot:expr) => {
        $slot.as_deref().map(Value::Text)
    };
    (Json, $slot:expr) => {
        $slot.as_deref().map(Value::Json)
    };
    ($kind:ident, $slot:expr) => {
        $slot.map(Value::$kind)
    };
}

macro_rules! fields {
    ($( $(#[$doc:meta])* $tag:literal $variant:ident $name:ident: $kind:ident; )*) => {
        /// One finished request, as the gateway saw it.
        ///
        /// The first 37 fields are the columns of HiMarket's `access_logs` table, under its
        /// names; the others are what gatelog knows besides.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct AccessRecord<'a> {
            $( $(#[$doc])* pub $name: slot_type!($kind), )*
        }

        /// A field of [`AccessRecord`].
        ///
        /// Its number is its tag in the [wire form](crate::wire): numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Field {
            $( $(#[$doc])* $variant = $tag, )*
        }

        impl Field {
            /// Every field, the 37 columns of the seed's table first and in its order.
            pub const ALL: &'static [Field] = &[ $( Field::$variant, )* ];

            /// The field's name: its key in JSON and its column in every store.
            pub const fn name(self) -> &'static str {
                match self { $( Field::$variant => stringify!($name), )* }
            }

            /// What kind of value the field holds.
            pub const fn kind(self) -> Kind {
                match self { $( Field::$variant => Kind::$kind, )* }
            }

            /// The field with this wire tag, if this version knows it.
            pub const fn from_tag(tag: u64) -> Option<Field> {
                match tag { $( $tag => Some(Field::$variant), )* _ => None }
            }
        }

        impl<'a> AccessRecord<'a> {
            /// The value of a field; `None` when it is absent.
            #[inline]
            pub fn get(&self, field: Field) -> Option<Value<'_>> {
                match field { $( Field::$variant => slot_value!($kind, self.$name), )* }
            }

            /// The place of a field, to be written by a decoder.
            #[inline]
            pub fn slot(&mut self, field: Field) -> Slot<'_, 'a> {
                match field { $( Field::$variant => Slot::$kind(&mut self.$name), )* }
            }

            /// The same record owning all its texts.
            pub fn into_owned(self) -> AccessRecord<'static> {
                AccessRecord { $( $name: into_owned!($kind, self.$name), )* }
            }
        }
    };
}

macro_rules! into_owned {
    (Text, $slot:expr) => {
        $slot.map(|text| Cow::Owned(text.into_owned()))
    };
    (Json, $slot:expr) => {
        $slot.map(|text| Cow::Owned(text.into_owned()))
    };
    (Headers, $slot:expr) => {
        $slot.into_owned()
    };
    ($kind:ident, $slot:expr) => {
        $slot
    };
}

fields! {
    /// When the first byte of the request was seen.
    1 StartTime start_time: Time;
    /// Trace id: `x-b3-traceid`, else the trace part of `traceparent`.
    2 TraceId trace_id: Text;
    /// Host as the client asked for it.
    3 Authority authority: Text;
    /// HTTP method.
    4 Method method: Text;
    /// Path with query string, as the client sent it.
    5 Path path: Text;
    /// `HTTP/1.0`, `HTTP/1.1`, `HTTP/2` or `HTTP/3`.
    6 Protocol protocol: Text;
    /// `x-request-id`.
    7 RequestId request_id: Text;
    /// `user-agent`.
    8 UserAgent user_agent: Text;
    /// `x-forwarded-for`, the whole list.
    9 XForwardedFor x_forwarded_for: Text;
    /// HTTP status; 0 when none was sent.
    10 ResponseCode response_code: Integer;
    /// Envoy's response flags, comma separated, in [bit order](crate::response_flag).
    11 ResponseFlags response_flags: Text;
    /// Envoy's response code details.
    12 ResponseCodeDetails response_code_details: Text;
    /// Body bytes received from the client (`%BYTES_RECEIVED%`).
    13 BytesReceived bytes_received: Integer;
    /// Body bytes sent to the client (`%BYTES_SENT%`).
    14 BytesSent bytes_sent: Integer;
    /// From the first byte in to the last byte out, in milliseconds.
    15 Duration duration: Integer;
    /// Cluster the route chose.
    16 UpstreamCluster upstream_cluster: Text;
    /// `ip:port` of the chosen upstream host.
    17 UpstreamHost upstream_host: Text;
    /// Time the upstream took, in milliseconds, as text as in the seed's table.
    18 UpstreamServiceTime upstream_service_time: Text;
    /// Why the connection to the upstream failed.
    19 UpstreamTransportFailureReason upstream_transport_failure_reason: Text;
    /// Local address of the connection to the upstream.
    20 UpstreamLocalAddress upstream_local_address: Text;
    /// Local address of the connection from the client.
    21 DownstreamLocalAddress downstream_local_address: Text;
    /// Address of the client as the gateway believes it, with port.
    22 DownstreamRemoteAddress downstream_remote_address: Text;
    /// Name of the route.
    23 RouteName route_name: Text;
    /// SNI of the client's TLS connection.
    24 RequestedServerName requested_server_name: Text;
    /// `istio.mixer` status; empty since Istio 1.8.
    25 IstioPolicyStatus istio_policy_status: Text;
    /// What ai-statistics wrote: a JSON object, kept as it came.
    26 AiLog ai_log: Json;
    /// The gateway instance.
    27 InstanceId instance_id: Text;
    /// Name of the API.
    28 Api api: Text;
    /// The LLM that answered.
    29 Model model: Text;
    /// The authenticated consumer.
    30 Consumer consumer: Text;
    /// Route, as Higress names it.
    31 Route route: Text;
    /// Service, as the sender names it.
    32 Service service: Text;
    /// MCP server.
    33 McpServer mcp_server: Text;
    /// MCP tool called.
    34 McpTool mcp_tool: Text;
    /// Tokens of the prompt; absent when unknown.
    35 InputTokens input_tokens: Integer;
    /// Tokens of the answer; absent when unknown.
    36 OutputTokens output_tokens: Integer;
    /// The provider's total; absent when unknown.
    37 TotalTokens total_tokens: Integer;

    /// gatelog's id of the record, given at every receipt: one that the sender gives is not kept.
    40 RecordId record_id: Id;
    /// When gatelog received the record.
    41 ReceiveTime receive_time: Time;
    /// How many requests this record stands for, finite and above 0; absent means 1.
    42 SampleWeight sample_weight: Float;
    /// What was odd about the record as it came ([`Flaws`](crate::Flaws) as bits).
    43 Flaws flaws: Integer;
    /// From the start to the first byte of the response, in milliseconds.
    44 FirstByteTime first_byte_time: Integer;
    /// Captured request headers.
    45 RequestHeaders request_headers: Headers;
    /// Captured response headers.
    46 ResponseHeaders response_headers: Headers;
    /// Captured request body, as far as it was captured.
    47 RequestBody request_body: Text;
    /// Captured response body, as far as it was captured.
    48 ResponseBody response_body: Text;
    /// Query string without `?`, where the sender gives it apart from the path.
    49 Query query: Text;
    /// Upstream attempts, a JSON array as Kong sends it.
    50 Tries tries: Json;
    /// How often the upstream was tried; 0 when it never was.
    51 UpstreamRequestAttemptCount upstream_request_attempt_count: Integer;
    /// TLS version of the client's connection.
    52 TlsVersion tls_version: Text;
    /// TLS cipher of the client's connection.
    53 TlsCipher tls_cipher: Text;
    /// Time spent in the gateway itself, in milliseconds (Kong's `latencies.kong`).
    54 GatewayLatency gateway_latency: Integer;
    /// Client address without port.
    55 ClientIp client_ip: Text;
    /// Envoy's connection termination details.
    56 ConnectionTerminationDetails connection_termination_details: Text;
    /// gRPC status number, for gRPC requests only.
    57 GrpcStatus grpc_status: Integer;
    /// Envoy's access log type, `DownstreamEnd` for a finished request.
    58 AccessLogType access_log_type: Text;
    /// The LLM the client asked for.
    59 RequestedModel requested_model: Text;
    /// `ai_log.session_id`.
    60 AiSessionId ai_session_id: Text;
    /// `ai_log.chat_id`.
    61 AiChatId ai_chat_id: Text;
    /// `ai_log.response_type`: `stream` or `normal`.
    62 AiResponseType ai_response_type: Text;
    /// `ai_log.llm_first_token_duration`, in milliseconds.
    63 AiFirstTokenDuration ai_first_token_duration: Integer;
    /// `ai_log.llm_service_duration`, in milliseconds.
    64 AiServiceDuration ai_service_duration: Integer;
    /// `ai_log.cache_status`: `hit`, `miss` or `skip`.
    65 AiCacheStatus ai_cache_status: Text;
    /// `ai_log.token_ratelimit_status`.
    66 AiTokenRatelimitStatus ai_token_ratelimit_status: Text;
    /// `ai_log.safecheck_status`.
    67 AiSafecheckStatus ai_safecheck_status: Text;
    /// `ai_log.safecheck_riskLabel`.
    68 AiSafecheckRiskLabel ai_safecheck_risk_label: Text;
    /// Prompt tokens that came from the provider's cache.
    69 CachedTokens cached_tokens: Integer;
    /// Tokens the model spent on reasoning.
    70 ReasoningTokens reasoning_tokens: Integer;
    /// Prompt tokens that the provider wrote to its cache.
    71 CacheCreationTokens cache_creation_tokens: Integer;
    /// Session of the MCP client (`mcp-session-id`).
    72 McpSessionId mcp_session_id: Text;
    /// MCP method called, such as `tools/call`; of a batch each once, comma separated.
    73 McpMethod mcp_method: Text;
    /// How the MCP call ended: `ok`, `tool_error`, or `error CODE` with JSON-RPC's code.
    74 McpStatus mcp_status: Text;
    /// The gateway's id of the service, where it has one besides the name (Kong's `service.id`).
    75 ServiceId service_id: Text;
    /// The gateway's id of the route (Kong's `route.id`).
    76 RouteId route_id: Text;
    /// The gateway's id of the consumer (Kong's `consumer.id`).
    77 ConsumerId consumer_id: Text;
    /// The consumer's id in the operator's own system (Kong's `consumer.custom_id`).
    78 ConsumerCustomId consumer_custom_id: Text;
    /// What Kong logged of the request and no other field holds: Kong's object without the rest of
    /// its members.
    79 Kong kong: Json;
}

impl<'a> AccessRecord<'a> {
    /// Fills those of `fields` that are absent from `other`.
    pub(crate) fn fill(
        &mut self,
        mut other: AccessRecord<'a>,
        fields: impl Iterator<Item = Field>,
    ) {
        for field in fields {
            match (self.slot(field), other.slot(field)) {
                (Slot::Text(slot), Slot::Text(from)) | (Slot::Json(slot), Slot::Json(from))
                    if slot.is_none() =>
                {
                    *slot = from.take();
                }
                (Slot::Integer(slot), Slot::Integer(from)) => *slot = slot.or(*from),
                (Slot::Float(slot), Slot::Float(from)) => *slot = slot.or(*from),
                (Slot::Time(slot), Slot::Time(from)) => *slot = slot.or(*from),
                (Slot::Id(slot), Slot::Id(from)) => *slot = slot.or(*from),
                (Slot::Headers(slot), Slot::Headers(from)) if slot.is_empty() => {
                    *slot = std::mem::take(from);
                }
                _ => {}
            }
        }
    }
}

impl Field {
    /// How many columns the seed's `access_logs` table has besides `id` and `created_at`.
    pub const COLUMN_COUNT: usize = 37;

    /// The 37 columns of the seed's table, in its order.
    pub fn columns() -> &'static [Field] {
        Field::ALL.get(..Self::COLUMN_COUNT).unwrap_or(Field::ALL)
    }
}
