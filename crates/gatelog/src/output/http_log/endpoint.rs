//! Where records are sent: what Kong's `http_endpoint` says.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Characters that no URL has as they are.
const NEVER: RangeInclusive<char> = '\0'..=' ';

/// An `http` or `https` URL, taken apart. Its [`Debug`] shows no secrets: not the userinfo, and
/// nothing behind the host.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is `https`.
    pub tls: bool,
    /// The host, an IPv6 address without brackets.
    pub host: String,
    /// The port, that of the scheme where none is written.
    pub port: u16,
    /// What `Host` says: with brackets, and with a port that is not that of the scheme.
    pub authority: String,
    /// Path and query, as they are sent.
    pub target: String,
    /// `Authorization`, where there is userinfo.
    pub authorization: Option<HeaderValue>,
}

impl Endpoint {
    /// What the text says.
    ///
    /// # Errors
    /// What is wrong with it, without the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("missing scheme in url")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            "" => return Err("missing scheme in url"),
            _ => return Err("expected an http or https url"),
        };
        let end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
        let place = rest.get(..end).unwrap_or_default();
        let (userinfo, host) = match place.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, place),
        };
        if host.is_empty() || host.starts_with(':') {
            return Err("missing host in url");
        }
        if text.contains(|char| NEVER.contains(&char) || char == '\u{7f}') {
            return Err("white space or control characters in url");
        }
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort => "invalid port in url",
            _ => "invalid host in url",
        })?;
        let port = url.port_or_known_default().filter(|port| *port != 0);
        let port = port.ok_or("invalid port in url")?;
        let host = match url.host().ok_or("missing host in url")? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let written = url.host_str().unwrap_or_default();
        let authority = match url.port() {
            Some(port) => format!("{written}:{port}"),
            None => written.to_owned(),
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            tls,
            host,
            port,
            authority,
            target,
            authorization: userinfo.filter(|info| !info.is_empty()).map(basic),
        })
    }
}

/// `Basic` credentials of percent-encoded userinfo.
pub(super) fn basic(userinfo: &str) -> HeaderValue {
    let decoded: Vec<u8> = percent_decode_str(userinfo).collect();
    let text = format!("Basic {}", STANDARD.encode(decoded));
    // Base64 is always a header's value.
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("tls", &self.tls)
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Endpoint {
        Endpoint::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_parts_are_those_that_go_on_the_wire() {
        for (text, authority, host, port, target) in [
            (
                "http://mockbin.org/bin/:id",
                "mockbin.org",
                "mockbin.org",
                80,
                "/bin/:id",
            ),
            (
                "https://Logs.Example",
                "logs.example",
                "logs.example",
                443,
                "/",
            ),
            ("http://h:80/a", "h", "h", 80, "/a"),
            ("http://h:443/a", "h:443", "h", 443, "/a"),
            ("https://h:8443?t=1", "h:8443", "h", 8443, "/?t=1"),
            (
                "http://h/a;b=c?token=a%2Fb&x#part",
                "h",
                "h",
                80,
                "/a;b=c?token=a%2Fb&x",
            ),
            ("http://[::1]:9/", "[::1]:9", "::1", 9, "/"),
            ("HTTP://127.0.0.1/x?", "127.0.0.1", "127.0.0.1", 80, "/x?"),
            (
                "http://b\u{fc}cher.example/",
                "xn--bcher-kva.example",
                "xn--bcher-kva.example",
                80,
                "/",
            ),
        ] {
            let endpoint = parsed(text);
            assert_eq!(
                (
                    &*endpoint.authority,
                    &*endpoint.host,
                    endpoint.port,
                    &*endpoint.target
                ),
                (authority, host, port, target),
                "{text}"
            );
            assert_eq!(endpoint.authorization, None);
        }
    }

    #[test]
    fn userinfo_is_decoded_and_becomes_basic_authorization() {
        for (userinfo, decoded) in [
            ("bob:password", "bob:password"),
            ("testuser:testpassword", "testuser:testpassword"),
            ("b%40b:p%3Aw%2F", "b@b:p:w/"),
            ("bob", "bob"),
            ("bob:", "bob:"),
            ("a@b:c", "a@b:c"),
        ] {
            let endpoint = parsed(&format!("http://{userinfo}@h/logs"));
            let value = endpoint.authorization.clone().unwrap();
            let expected = format!("Basic {}", STANDARD.encode(decoded));
            assert_eq!(value.to_str().unwrap(), expected);
            assert!(!format!("{endpoint:?}").contains("bob"));
        }
        let known = parsed("http://bob:password@h/").authorization.unwrap();
        assert_eq!(known, "Basic Ym9iOnBhc3N3b3Jk");
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, problem) in [
            ("", "missing scheme in url"),
            ("example.com/logs", "missing scheme in url"),
            ("://h", "missing scheme in url"),
            ("ftp://h/", "expected an http or https url"),
            ("http://", "missing host in url"),
            ("http:///logs", "missing host in url"),
            ("http://?a", "missing host in url"),
            ("http://:80/", "missing host in url"),
            ("http://u:p@/", "missing host in url"),
            ("http://h:99999/", "invalid port in url"),
            ("http://h:0/", "invalid port in url"),
            ("http://[::1/", "invalid host in url"),
            ("http://a b/", "white space or control characters in url"),
            ("http://h/\n", "white space or control characters in url"),
        ] {
            assert_eq!(Endpoint::parse(text), Err(problem), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_endpoint_or_an_error(text in "(https?://)?[ -~é]{0,30}") {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                prop_assert!(hyper::Uri::try_from(endpoint.target.as_str()).is_ok());
                prop_assert!(HeaderValue::from_str(&endpoint.authority).is_ok());
            }
        }
    }
}
