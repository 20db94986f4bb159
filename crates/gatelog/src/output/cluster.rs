//! Names of clusters and addresses, taken apart.
//!
//! **Source.** Istio names the cluster of a service `outbound|PORT|SUBSET|HOST`.

/// Host and port of a cluster's name `outbound|PORT|SUBSET|HOST`; `None` for any other name.
pub(super) fn outbound(name: &str) -> Option<(&str, Option<u16>)> {
    let mut parts = name.strip_prefix("outbound|")?.splitn(3, '|');
    let (port, _subset, host) = (parts.next()?, parts.next()?, parts.next()?);
    (!host.is_empty()).then(|| (host, port.parse().ok()))
}

/// An address and its port, if it has one: `127.0.0.1:80`, `[::1]:80`, `example.com`. What holds more
/// than one colon outside of brackets is an IPv6 address without a port.
pub(super) fn split_port(address: &str) -> (&str, Option<u16>) {
    let Some((host, port)) = address.rsplit_once(':') else {
        return (address, None);
    };
    if host.contains(':') && !host.ends_with(']') {
        return (address, None);
    }
    match port.parse() {
        Ok(port) => (host, Some(port)),
        Err(_) => (address, None),
    }
}

/// `::1` of `[::1]`.
pub(super) fn without_brackets(host: &str) -> &str {
    let inner = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_outbound_name_has_a_host() {
        assert_eq!(outbound("outbound|443||a.dns"), Some(("a.dns", Some(443))));
        assert_eq!(outbound("outbound|80|v1|a.svc"), Some(("a.svc", Some(80))));
        assert_eq!(outbound("outbound|http||a"), Some(("a", None)));
        for other in [
            "",
            "a.dns",
            "inbound|80||a",
            "outbound|80||",
            "outbound|80|a",
            "outbound",
        ] {
            assert_eq!(outbound(other), None, "{other}");
        }
    }

    #[test]
    fn a_port_is_told_from_a_part_of_the_address() {
        for (text, address, port) in [
            ("10.0.0.1:80", "10.0.0.1", Some(80)),
            ("[::1]:80", "[::1]", Some(80)),
            ("::1", "::1", None),
            ("[::1]", "[::1]", None),
            ("host", "host", None),
            ("/run/socket:x", "/run/socket:x", None),
            ("host:", "host:", None),
        ] {
            assert_eq!(split_port(text), (address, port), "{text}");
        }
        assert_eq!(without_brackets("[::1]"), "::1");
        assert_eq!(without_brackets("a"), "a");
    }
}
