//! How much the plugin says in the proxy's log.

/// How much a log line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Steps of the plugin itself.
    Trace,
    /// What was sent.
    Debug,
    /// Start, stop, recovery.
    Info,
    /// Something was not sent, and will be tried again.
    Warn,
    /// Something is lost, or nothing works.
    Error,
}
