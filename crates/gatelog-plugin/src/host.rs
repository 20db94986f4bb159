//! What the plugin asks of the proxy it runs in.
//!
//! Everything is optional and in bytes: the SDK's comfortable methods panic on a header that is not
//! UTF-8 and on some property paths, and a panic stops the VM. What an implementation cannot give
//! is `None` or empty.

pub use gatelog_plugin_config::Level;

/// The proxy, seen from the plugin.
pub trait Host {
    /// An attribute by the segments of its path; `None` when it is absent or cannot be read.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;

    /// All request headers, names in lower case, in the order they came.
    fn request_headers(&self) -> Vec<(String, Vec<u8>)>;

    /// The first value of a request header.
    fn request_header(&self, name: &str) -> Option<Vec<u8>>;

    /// All response headers, as [`Host::request_headers`].
    fn response_headers(&self) -> Vec<(String, Vec<u8>)>;

    /// The first value of a response header.
    fn response_header(&self, name: &str) -> Option<Vec<u8>>;

    /// The first so many bytes of the piece of a body that passes now; only while one does.
    fn body(&self, body: Body, bytes: usize) -> Vec<u8>;

    /// Publishes a value for the rest of the request: filter state `wasm.KEY`. Only a request has such;
    /// `key` has no NUL.
    fn set_property(&self, key: &str, value: &[u8]);

    /// Nanoseconds since the epoch.
    fn now_ns(&self) -> u64;

    /// Begins an HTTP call; its answer comes under the token.
    ///
    /// # Errors
    /// [`CallRefused`] when no answer will come.
    fn call(&self, call: &Call<'_>) -> Result<u32, CallRefused>;

    /// Writes a line to the proxy's log.
    fn log(&self, level: Level, message: &str);

    /// Adds to one of the proxy's statistics.
    fn count(&self, counter: Counter, by: u64);

    /// A value that all workers of the proxy share, with the mark that [`Host::set_shared`] takes.
    fn shared(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>);

    /// Sets a shared value; `false` when another worker set it since `mark` was read.
    fn set_shared(&self, key: &str, value: &[u8], mark: Option<u32>) -> bool;
}

/// Which body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The client's.
    Request,
    /// The upstream's, or the gateway's own.
    Response,
}

/// An HTTP call to be made.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Envoy's cluster.
    pub cluster: &'a str,
    /// Pseudo-headers first.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
    /// How long to wait for the answer, in milliseconds.
    pub timeout_ms: u32,
}

/// Why a call was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallRefused {
    /// Most often the cluster is not there (yet).
    #[error("the gateway has no such cluster, or the collector's headers are invalid")]
    BadArgument,
    /// The cluster has no host that could be asked, or the circuit breaker is open.
    #[error("the gateway could not reach the collector")]
    Failed,
}

/// The plugin's statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Records captured.
    Captured,
    /// Requests that the filter did not keep.
    Filtered,
    /// Records that the collector acknowledged.
    Sent,
    /// Records dropped because the queue was full.
    DroppedQueueFull,
    /// Records that the collector refused for good (400, 413, or named in its answer).
    DroppedRefused,
    /// Records in batches that the collector did not take in any of the attempts.
    DroppedGaveUp,
    /// Records left when a replaced configuration had to go.
    DroppedShutdown,
    /// Answers of an LLM that were not read to the end, as too many compressed ones were being read.
    UnreadBusy,
    /// The same, for a content coding that is not known.
    UnreadCoding,
    /// The same, for a window that is too large.
    UnreadWindow,
    /// The same, for what they expand to.
    UnreadTooMuch,
    /// The same, for what is not in the coding that it says.
    UnreadBroken,
    /// Configurations that could not be used, counted by each thread of the proxy.
    ConfigRefused,
}

impl Counter {
    /// Every counter; its place is its index.
    pub const ALL: [Counter; 13] = [
        Counter::Captured,
        Counter::Filtered,
        Counter::Sent,
        Counter::DroppedQueueFull,
        Counter::DroppedRefused,
        Counter::DroppedGaveUp,
        Counter::DroppedShutdown,
        Counter::UnreadBusy,
        Counter::UnreadCoding,
        Counter::UnreadWindow,
        Counter::UnreadTooMuch,
        Counter::UnreadBroken,
        Counter::ConfigRefused,
    ];

    /// Its name among Envoy's statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Counter::Captured => "gatelog_plugin_records_total",
            Counter::Filtered => "gatelog_plugin_records_filtered_total",
            Counter::Sent => "gatelog_plugin_records_sent_total",
            Counter::DroppedQueueFull => "gatelog_plugin_records_dropped_queue_full_total",
            Counter::DroppedRefused => "gatelog_plugin_records_dropped_refused_total",
            Counter::DroppedGaveUp => "gatelog_plugin_records_dropped_gave_up_total",
            Counter::DroppedShutdown => "gatelog_plugin_records_dropped_shutdown_total",
            Counter::UnreadBusy => "gatelog_plugin_usage_unread_busy_total",
            Counter::UnreadCoding => "gatelog_plugin_usage_unread_coding_total",
            Counter::UnreadWindow => "gatelog_plugin_usage_unread_window_total",
            Counter::UnreadTooMuch => "gatelog_plugin_usage_unread_too_much_total",
            Counter::UnreadBroken => "gatelog_plugin_usage_unread_broken_total",
            Counter::ConfigRefused => "gatelog_plugin_config_refused_total",
        }
    }
}
