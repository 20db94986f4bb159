//! Addresses as Envoy writes them: `IP:PORT`, `[IPv6]:PORT`, or a path.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::digits::push_unsigned;

/// IP and port of an address; `None` for a path.
fn split(address: &[u8]) -> Option<(&str, u16)> {
    let (ip, port) = std::str::from_utf8(address).ok()?.rsplit_once(':')?;
    let port = port.parse().ok()?;
    if let Some(ip) = ip.strip_prefix('[') {
        return Some((ip.strip_suffix(']')?, port));
    }
    // Four numbers or none: what holds a colon more is an address without a port.
    let is_ip = |byte: u8| byte.is_ascii_digit() || byte == b'.';
    ip.bytes().all(is_ip).then_some((ip, port))
}

/// Appends the address without its port; with a mask, the network that it is in.
pub(crate) fn push_without_port(address: &[u8], mask: Option<u8>, out: &mut Vec<u8>) {
    // A record may hold the bare address.
    let ip = match split(address) {
        Some((ip, _)) => ip.as_bytes(),
        None => address,
    };
    let network = mask.and_then(|mask| {
        let ip: IpAddr = std::str::from_utf8(ip).ok()?.parse().ok()?;
        Some((ip, mask))
    });
    match network {
        None => out.extend_from_slice(ip),
        Some((IpAddr::V4(ip), mask)) => {
            let length = u32::from(mask).min(32);
            let kept = u32::MAX.checked_shl(32 - length).unwrap_or_default();
            push_network(
                IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & kept)),
                length,
                out,
            );
        }
        Some((IpAddr::V6(ip), mask)) => {
            let length = u32::from(mask).min(128);
            let kept = u128::MAX.checked_shl(128 - length).unwrap_or_default();
            push_network(
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & kept)),
                length,
                out,
            );
        }
    }
}

fn push_network(ip: IpAddr, length: u32, out: &mut Vec<u8>) {
    // A Vec takes all that is written to it.
    if write!(out, "{ip}").is_ok() {
        out.push(b'/');
        push_unsigned(u64::from(length), out);
    }
}

/// The port of an address; `None` for a path.
pub(crate) fn port(address: &[u8]) -> Option<u16> {
    split(address).map(|(_, port)| port)
}

/// The id of the endpoint of an internal address, `envoy://SERVER/ID`; empty for any other.
pub(crate) fn endpoint_id(address: &[u8]) -> &[u8] {
    match address.strip_prefix(b"envoy://") {
        Some(inside) => inside
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default(),
        None => b"",
    }
}

/// A host name without its port. The brackets of an IPv6 address stay.
pub(crate) fn name_without_port(name: &[u8]) -> &[u8] {
    let Some(colon) = name.iter().rposition(|byte| *byte == b':') else {
        return name;
    };
    let Some((host, port)) = name.split_at_checked(colon) else {
        return name;
    };
    let bare_ipv6 = host.contains(&b':') && !host.ends_with(b"]");
    let digits = port.get(1..).unwrap_or_default();
    if bare_ipv6 || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return name;
    }
    host
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(address: &str, mask: Option<u8>) -> String {
        let mut out = Vec::new();
        push_without_port(address.as_bytes(), mask, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_of_every_kind_lose_their_port() {
        for (address, mask, bare) in [
            ("10.0.0.1:0", None, "10.0.0.1"),
            ("10.0.0.1:0", Some(8), "10.0.0.0/8"),
            ("10.0.0.1:80", Some(33), "10.0.0.1/32"),
            ("10.0.0.1:80", Some(0), "0.0.0.0/0"),
            ("[2001:db8::1]:0", None, "2001:db8::1"),
            ("[2001:db8::1]:0", Some(8), "2000::/8"),
            ("[2001:db8::1]:0", Some(0), "::/0"),
            ("[2001:db8::1]:0", Some(200), "2001:db8::1/128"),
            ("2001:db8::1", None, "2001:db8::1"),
            ("10.0.0.1", Some(31), "10.0.0.0/31"),
            ("/run/envoy.sock", None, "/run/envoy.sock"),
            ("/run/envoy.sock", Some(8), "/run/envoy.sock"),
        ] {
            assert_eq!(network(address, mask), bare, "{address} {mask:?}");
        }
        assert_eq!(port(b"[::1]:443"), Some(443));
        assert_eq!(port(b"/run/x:1"), None);
        assert_eq!(endpoint_id(b"envoy://internal/e1"), b"e1");
        assert_eq!(endpoint_id(b"10.0.0.1:80"), b"");
    }

    #[test]
    fn host_names_lose_their_port() {
        for (name, bare) in [
            ("svc.example.com:8080", "svc.example.com"),
            ("svc.example.com", "svc.example.com"),
            ("[::1]:80", "[::1]"),
            ("::1", "::1"),
            ("a:b", "a:b"),
            (":", ":"),
        ] {
            assert_eq!(name_without_port(name.as_bytes()), bare.as_bytes());
        }
    }
}
