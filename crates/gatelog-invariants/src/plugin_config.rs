//! `gatelog_plugin::config`: what a gateway gives the plugin.

use gatelog_plugin::config::Config;

/// What stands in every token here.
const TOKEN: &str = "sEcReT";

/// - The reader never panics.
/// - What it takes is within the limits that its documentation names, and can stand in headers.
/// - An error does not show the token.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    read(bytes);
    let text = String::from_utf8_lossy(bytes);
    if let Some(rest) = text.trim_start().strip_prefix('{') {
        let with_token = format!(r#"{{"collector_token":"{TOKEN}",{rest}"#);
        let told = read(with_token.as_bytes());
        assert!(rest.contains(TOKEN) || !told.contains(TOKEN), "{told}");
    }
}

/// What is said if it is refused.
fn read(bytes: &[u8]) -> String {
    let config = match Config::parse(bytes) {
        Ok(config) => config.delivery,
        Err(error) => return error.to_string(),
    };
    let in_headers = [
        Some(&config.collector_path),
        config.collector_service_name.as_ref(),
        config.collector_token.as_ref(),
        config.instance_id.as_ref(),
    ];
    let values = in_headers.into_iter().flatten();
    for value in values.chain(config.collector_headers.values()) {
        let is_clean = !value.is_empty() && !value.contains(|char: char| char.is_ascii_control());
        assert!(is_clean, "{value:?}");
    }
    for name in config.collector_headers.keys() {
        let is_clean = !name.starts_with(':') && !name.contains(char::is_whitespace);
        assert!(is_clean && !name.is_empty(), "{name:?}");
    }
    assert!(!config.cluster().is_empty());
    assert!(config.collector_path.starts_with('/'));
    assert!((1..=10_000).contains(&config.batch.max_records));
    assert!((20..=60_000).contains(&config.batch.flush_interval_ms));
    assert!((1024..=config.queue.max_bytes).contains(&config.batch.max_bytes));
    assert!(config.queue.max_bytes <= 1 << 30 && config.batch.max_bytes <= 32 << 20);
    assert!((1..=600_000).contains(&config.timeout_ms));
    String::new()
}
