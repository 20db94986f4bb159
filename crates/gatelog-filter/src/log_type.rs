//! Envoy's access log types.

use serde::Serialize;

macro_rules! log_types {
    ($($(#[$doc:meta])* $number:literal $name:ident,)*) => {
        /// When a line of an access log is written. Its number is the one of Envoy's enumeration.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[repr(u8)]
        pub enum LogType {
            $( $(#[$doc])* $name = $number, )*
        }

        /// Each of them, at the place of its number.
        pub(crate) const NAMES: &[(&str, LogType)] = &[
            $( (stringify!($name), LogType::$name), )*
        ];
    };
}

log_types! {
    /// Not said.
    0 NotSet,
    /// A TCP proxy has its upstream connection.
    1 TcpUpstreamConnected,
    /// A TCP connection goes on.
    2 TcpPeriodic,
    /// A TCP connection has ended.
    3 TcpConnectionEnd,
    /// A request has come.
    4 DownstreamStart,
    /// A request goes on.
    5 DownstreamPeriodic,
    /// A request has ended.
    6 DownstreamEnd,
    /// An upstream connection is ready for a request.
    7 UpstreamPoolReady,
    /// A request to the upstream goes on.
    8 UpstreamPeriodic,
    /// A request to the upstream has ended.
    9 UpstreamEnd,
    /// A tunnel is there.
    10 DownstreamTunnelSuccessfullyEstablished,
    /// A UDP tunnel has its upstream connection.
    11 UdpTunnelUpstreamConnected,
    /// A UDP session goes on.
    12 UdpPeriodic,
    /// A UDP session has ended.
    13 UdpSessionEnd,
}

impl LogType {
    /// The type with this name, as `%ACCESS_LOG_TYPE%` prints it.
    pub fn from_name(name: &str) -> Option<Self> {
        let found = NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, log_type)| *log_type)
    }

    /// A bit of its own.
    pub(crate) fn bit(self) -> u32 {
        1 << (self as u8)
    }
}
