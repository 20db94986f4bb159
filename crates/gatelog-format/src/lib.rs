//! Envoy's access log formats, both ways: from a request to a line, and from a line to a record.
//!
//! **Shape.** The text of a format becomes tokens, the tokens a compiled [`Template`]. It renders
//! whatever answers the operators' questions ([`Exchange`]; a record does), and its [`Reader`] takes
//! the lines apart again. The formats that gateways have by default are [`Known`] by name.
//!
//! ```text
//! "%REQ(:PATH)%\n" ── token ──► operator, command ──► Template ── render ──► line
//!                                                        └── reader() ──► Reader ── read ──► record
//! ```
//!
//! **Invariants.** Bytes in, bytes out: a header need not be UTF-8. All 163 operators of Envoy 1.40 are
//! known with their arguments and lengths. An error has its class, its byte and a hint; what compiles
//! never fails when a line is rendered. No operator allocates when it is rendered but `CEL`.
//!
//! **What a record answers.** The others give Envoy's missing value, and
//! [`Template::unanswerable`] names them.
//!
//! | operator | field |
//! |---|---|
//! | `START_TIME`, `START_TIME_LOCAL` (in UTC) | `start_time` |
//! | `EMIT_TIME`, `EMIT_TIME_LOCAL` | `receive_time` |
//! | `REQ(:METHOD)`, `REQ(:PATH)`, `REQ(:AUTHORITY)`, `REQ(HOST)` | `method`, `path`, `authority` |
//! | `REQ(USER-AGENT)`, `REQ(X-REQUEST-ID)`, `REQ(X-FORWARDED-FOR)` | `user_agent`, `request_id`, `x_forwarded_for` |
//! | `REQ(X-B3-TRACEID)`, `TRACE_ID` | `trace_id` |
//! | `REQ(X-MSE-CONSUMER)` | `consumer` |
//! | `REQ(…)`, `RESP(…)`, else | the captured headers |
//! | `PATH`, `QUERY_PARAM`, `QUERY_PARAMS` | `path` |
//! | `PROTOCOL`, `RESPONSE_CODE`, `RESP(:STATUS)` | `protocol`, `response_code` |
//! | `RESPONSE_FLAGS`, `RESPONSE_FLAGS_LONG`, `RESPONSE_CODE_DETAILS` | `response_flags`, `response_code_details` |
//! | `BYTES_RECEIVED`, `BYTES_SENT`, `DURATION`, `COMMON_DURATION(DS_RX_BEG:DS_TX_END)` | `bytes_received`, `bytes_sent`, `duration` |
//! | `RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)` | `upstream_service_time` |
//! | `UPSTREAM_HOST`, `UPSTREAM_HOST_NAME`; `UPSTREAM_REMOTE_ADDRESS` where there was a connection | `upstream_host` |
//! | `UPSTREAM_CLUSTER`, `UPSTREAM_CLUSTER_RAW` | `upstream_cluster` |
//! | `UPSTREAM_LOCAL_ADDRESS`, `UPSTREAM_TRANSPORT_FAILURE_REASON`, `UPSTREAM_REQUEST_ATTEMPT_COUNT` | the fields of these names |
//! | `DOWNSTREAM_LOCAL_ADDRESS`, `DOWNSTREAM_DIRECT_LOCAL_ADDRESS` | `downstream_local_address` |
//! | `DOWNSTREAM_REMOTE_ADDRESS` | `downstream_remote_address`, else `client_ip` |
//! | `…_WITHOUT_PORT`, `…_PORT`, `…_ENDPOINT_ID` | of the address |
//! | `REQUESTED_SERVER_NAME`, `DOWNSTREAM_TLS_VERSION`, `DOWNSTREAM_TLS_CIPHER` | `requested_server_name`, `tls_version`, `tls_cipher` |
//! | `ROUTE_NAME` | `route_name`, else `route` |
//! | `CONNECTION_TERMINATION_DETAILS`, `ACCESS_LOG_TYPE` | the fields of these names |
//! | `GRPC_STATUS`, `GRPC_STATUS_NUMBER` | `grpc_status`, else by the captured headers |
//! | `STREAM_ID`, `UNIQUE_ID` | `request_id`, `record_id` |
//! | `HOSTNAME`, `ENVIRONMENT(POD_NAME)`, `ENVIRONMENT(HOSTNAME)` | `instance_id` |
//! | `DYNAMIC_METADATA(istio.mixer:status)`, `METADATA(DYNAMIC:istio.mixer:status)` | `istio_policy_status` |
//! | `FILTER_STATE(wasm.ai_log:PLAIN)` | `ai_log`, escaped as ai-statistics does it |
//! | `FILTER_STATE(qz_api_name:PLAIN)`, `qz_api_id`, `qz_svc_id`, `qz_cluster_name` | `api`, `route_name`, `service`, `instance_id` |
//! | `FILTER_STATE(x-envoy-origin-path:PLAIN)`, `-method`, `-host`, `-status` | `path`, `method`, `authority`, `response_code` |
//! | `CEL`, `TYPED_CEL`, `COALESCE` | what they ask for |
//!
//! **Limits.** No I/O, no clock, no randomness: the crate builds for wasm32. A record has one value for
//! what Envoy knows before and behind its filters, so that an original path and the present one are
//! alike.
//!
//! **Source.** Envoy 1.40.0: its documentation of access logs, `source/common/formatter`, and what it
//! printed and refused (`tests/data/envoy_vectors.jsonl`).
//!
//! ```
//! use gatelog_format::{Known, Template};
//! use gatelog_record::AccessRecord;
//!
//! let mut record = AccessRecord::default();
//! record.method = Some("GET".into());
//! record.path = Some("/a".into());
//!
//! let template = Template::text("%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_FLAGS%")?;
//! let mut line = Vec::new();
//! template.render(&record, &mut line);
//! assert_eq!(line, b"GET /a -");
//!
//! let (read, _) = template.reader()?.read(&line).unwrap();
//! assert_eq!(read, record);
//! assert!(Known::Hango.template()?.unanswerable().len() == 1);
//! # Ok::<(), gatelog_format::FormatError>(())
//! ```

// From text to tokens to operators.
mod operator;
mod token;

// What operators ask, and what they print of the answer.
mod command;
mod exchange;
mod expression;

// The forms of single values.
mod address;
mod digits;
mod flag;
mod grpc;
mod json_text;
mod moment;
mod query;
mod time_format;

// Whole lines, and the way back.
mod json_template;
pub mod known;
mod member;
mod reader;
mod record;
mod template;

mod error;

pub use command::Named;
pub use error::{FormatError, Problem, ReadError, ReadProblem};
pub use exchange::{Exchange, Metadata, MetadataValue, Number, State, Text, Time};
pub use known::Known;
pub use member::Member;
pub use moment::Moment;
pub use reader::Reader;
pub use record::Unanswerable;
pub use template::Template;
