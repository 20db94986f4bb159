//! The three generations of the table.

/// As gatelog makes it.
pub(crate) const OWN: &str = include_str!("../../../src/mysql/access_logs.sql");

/// A: the seed's, word for word.
pub(crate) fn seed() -> String {
    include_str!("seed.sql").to_owned()
}

/// B: what the collector itself made; short columns.
pub(crate) fn narrow() -> String {
    later("TIMESTAMP NULL", "")
}

/// C: the newest; seconds since 1970, and bodies.
pub(crate) fn epoch() -> String {
    later(
        "BIGINT NULL",
        "request_body MEDIUMTEXT, response_body MEDIUMTEXT,",
    )
}

/// Characters of the text columns in B and C.
pub(super) const NARROW: [(&str, usize); 27] = [
    ("trace_id", 64),
    ("authority", 128),
    ("method", 16),
    ("path", 1024),
    ("protocol", 16),
    ("request_id", 64),
    ("user_agent", 512),
    ("x_forwarded_for", 256),
    ("response_flags", 64),
    ("response_code_details", 256),
    ("upstream_cluster", 256),
    ("upstream_host", 256),
    ("upstream_service_time", 32),
    ("upstream_transport_failure_reason", 256),
    ("upstream_local_address", 64),
    ("downstream_local_address", 64),
    ("downstream_remote_address", 64),
    ("route_name", 256),
    ("requested_server_name", 256),
    ("istio_policy_status", 64),
    ("instance_id", 128),
    ("api", 128),
    ("model", 128),
    ("consumer", 256),
    ("route", 256),
    ("service", 256),
    ("mcp_server", 256),
];

/// Characters of the text columns in A that are not 255, nor bytes.
pub(super) const WIDE: [(&str, usize); 5] = [
    ("method", 10),
    ("protocol", 20),
    ("response_flags", 100),
    ("upstream_service_time", 50),
    ("istio_policy_status", 100),
];

fn later(start_time: &str, bodies: &str) -> String {
    let texts: Vec<String> = NARROW
        .iter()
        .map(|(name, chars)| format!("{name} VARCHAR({chars}),"))
        .collect();
    let texts = texts.join(" ");
    format!(
        "CREATE TABLE access_logs (
           id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time {start_time}, {texts}
           mcp_tool VARCHAR(256), response_code INT, duration INT, bytes_received BIGINT,
           bytes_sent BIGINT, input_tokens BIGINT, output_tokens BIGINT, total_tokens BIGINT,
           ai_log JSON, {bodies}
           INDEX idx_start_time (start_time), INDEX idx_trace_id (trace_id),
           INDEX idx_path (path(255)), INDEX idx_method_authority (method, authority),
           INDEX idx_duration (duration), INDEX idx_model_time (model, start_time DESC)
         ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci"
    )
}
