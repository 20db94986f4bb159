//! Which addresses outputs may connect to, and the connection.
//!
//! **Shape.** [`Reach`] says it for all outputs. Whoever sends asks it to [resolve](Reach::resolve) a
//! host, or to [connect](Reach::connect), each time anew.
//!
//! **Invariants.** With `deny_private` nothing is sent to an address that is not public: what is
//! looked at is the very address that is connected to, after the name has been resolved, so that a name
//! that leads elsewhere the second time gets no further.
//!
//! **Limits.** Behind a proxy it is the proxy that resolves: only addresses that are written as such can
//! be told there ([`Reach::check_written`]).
//!
//! **Source.** IANA's registries of special-purpose addresses for IPv4 and IPv6.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What outputs may connect to. The default is everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    deny_private: bool,
}

/// Why there is no connection. All but [`Denied`](Self::Denied) may be different the next time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The name could not be resolved.
    #[error("{host}: the name cannot be resolved: {source}")]
    Resolve {
        /// The host.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// There are addresses, but none that is allowed.
    #[error("{host}: no public address, and outputs.deny_private is set")]
    Denied {
        /// The host.
        host: String,
    },
    /// It took too long.
    #[error("{host}: no connection within {} ms", .limit.as_millis())]
    Late {
        /// The host.
        host: String,
        /// How long it may take.
        limit: Duration,
    },
    /// No address took the connection.
    #[error("{host}: {source}")]
    Connect {
        /// The host.
        host: String,
        /// What the last address said.
        source: io::Error,
    },
}

impl Reach {
    /// With `deny_private` only public addresses.
    pub const fn new(deny_private: bool) -> Self {
        Self { deny_private }
    }

    /// The addresses of a host, a name or an address without brackets, that may be connected to; at
    /// least one.
    ///
    /// # Errors
    /// [`ConnectError`], within `limit`.
    pub async fn resolve(
        self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, ConnectError> {
        let failed = |source| ConnectError::Resolve {
            host: host.to_owned(),
            source,
        };
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![(address, port).into()],
            Err(_) => timeout(limit, tokio::net::lookup_host((host, port)))
                .await
                .map_err(|_| late(host, limit))?
                .map_err(failed)?
                .collect(),
        };
        if found.is_empty() {
            return Err(failed(io::Error::other("it has no address")));
        }
        let allowed = |address: &SocketAddr| self.allows(address.ip());
        let found: Vec<_> = found.into_iter().filter(allowed).collect();
        if found.is_empty() {
            return Err(ConnectError::Denied {
                host: host.to_owned(),
            });
        }
        Ok(found)
    }

    /// A connection to the first of a host's addresses that takes one. Each address has a share of the
    /// time, so that one that is silent does not keep the others from being tried.
    ///
    /// # Errors
    /// [`ConnectError`], within `limit`.
    pub async fn connect(
        self,
        host: &str,
        port: u16,
        limit: Duration,
    ) -> Result<TcpStream, ConnectError> {
        let deadline = Instant::now() + limit;
        let addresses = self.resolve(host, port, limit).await?;
        let mut error = late(host, limit);
        let count = addresses.len();
        for (index, address) in addresses.into_iter().enumerate() {
            let others = u32::try_from(count - index).unwrap_or(1).max(1);
            let share = deadline.saturating_duration_since(Instant::now()) / others;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // Whole requests are written at once: nothing is gained by waiting for more.
                    let _as_it_is = stream.set_nodelay(true).is_err();
                    return Ok(stream);
                }
                Ok(Err(source)) => {
                    error = ConnectError::Connect {
                        host: host.to_owned(),
                        source,
                    };
                }
                Err(_late) => {}
            }
        }
        Err(error)
    }

    /// Whether a host that somebody else resolves may be named: no address that is denied.
    ///
    /// # Errors
    /// [`ConnectError::Denied`].
    pub fn check_written(self, host: &str) -> Result<(), ConnectError> {
        match host.parse() {
            Ok(address) if !self.allows(address) => Err(ConnectError::Denied {
                host: host.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn allows(self, address: IpAddr) -> bool {
        !self.deny_private || is_public(address)
    }
}

fn late(host: &str, limit: Duration) -> ConnectError {
    ConnectError::Late {
        host: host.to_owned(),
        limit,
    }
}

/// Whether an address is one of the public Internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || first == 0
        // Shared by a provider's customers.
        || (first == 100 && second & 0xc0 == 64)
        // Of protocols.
        || (first == 192 && second == 0 && third == 0)
        // For measurements.
        || (first == 198 && second & 0xfe == 18)
        // Multicast, reserved, broadcast.
        || first >= 224;
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    let octets = address.octets();
    let [.., a, b, c, d] = octets;
    let last = Ipv4Addr::new(a, b, c, d);
    // IPv4 in the clothes of IPv6 leads to IPv4: mapped, and by a translator (64:ff9b::/96).
    if address.to_ipv4_mapped().is_some()
        || address.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0])
    {
        return is_public_v4(last);
    }
    if first == 0x2002 {
        let [a, b] = second.to_be_bytes();
        let [c, d] = third.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Of 2000::/3, which is all that is given out, not the part of protocols, nor that of examples.
    first & 0xe000 == 0x2000
        && !(first == 0x2001 && second < 0x0200)
        && !(first == 0x2001 && second == 0x0db8)
        && first & 0xfff0 != 0x3ff0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_told_from_others() {
        let public = [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "2002:808:808::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ];
        let others = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
        ];
        for address in public {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in others {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[tokio::test]
    async fn what_a_name_leads_to_is_looked_at_and_not_only_what_is_written() {
        let second = Duration::from_secs(1);
        let strict = Reach::new(true);
        for host in ["localhost", "127.0.0.1", "::1"] {
            let resolved = strict.resolve(host, 80, second).await;
            assert!(
                matches!(resolved, Err(ConnectError::Denied { .. })),
                "{host}"
            );
            let connected = strict.connect(host, 80, second).await;
            assert!(
                matches!(connected, Err(ConnectError::Denied { .. })),
                "{host}"
            );
            assert!(
                !Reach::default()
                    .resolve(host, 80, second)
                    .await
                    .unwrap()
                    .is_empty()
            );
        }
        assert!(strict.check_written("169.254.169.254").is_err());
        assert!(strict.check_written("logs.example").is_ok());
        assert!(Reach::default().check_written("169.254.169.254").is_ok());
        let public = strict.resolve("8.8.8.8", 80, second).await.unwrap();
        assert_eq!(public, ["8.8.8.8:80".parse().unwrap()]);
    }
}
