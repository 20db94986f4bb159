//! The proxy that the environment names, as curl reads it: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`,
//! `NO_PROXY`, in small letters, too.
//!
//! **Shape.** To an `http` receiver the proxy is sent the whole URL; to an `https` one it makes a
//! [tunnel](Proxy::tunnel) (`CONNECT`), so that it sees nothing of what passes.

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::endpoint::Endpoint;

/// The environment names a proxy of a kind that gatelog does not speak to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the environment names a proxy of the kind `{0}`: expected http://HOST:PORT, or `proxy: none` in \
     the plugin's config"
)]
pub struct ProxyError(String);

/// Why a proxy has made no tunnel. It may the next time.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    #[error("the proxy: {0}")]
    Http(#[from] hyper::Error),
    #[error("the proxy answers HTTP {0}")]
    Status(u16),
    #[error("the proxy has spoken out of turn")]
    Spoken,
    #[error("the proxy: {0}")]
    Request(#[from] hyper::http::Error),
}

/// A proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authorization: Option<HeaderValue>,
}

impl Proxy {
    /// The one that the environment names for this receiver.
    pub(super) fn of_environment(endpoint: &Endpoint) -> Result<Option<Self>, ProxyError> {
        Self::by(&Matcher::from_env(), endpoint)
    }

    fn by(matcher: &Matcher, endpoint: &Endpoint) -> Result<Option<Self>, ProxyError> {
        let scheme = if endpoint.tls { "https" } else { "http" };
        let uri = format!("{scheme}://{}/", endpoint.authority);
        let found = uri
            .parse()
            .ok()
            .and_then(|uri: Uri| matcher.intercept(&uri));
        let Some(found) = found else { return Ok(None) };
        let uri = found.uri();
        let kind = uri.scheme_str().unwrap_or("http");
        let host = uri.host().filter(|_| kind == "http");
        let host = host.ok_or_else(|| ProxyError(kind.to_owned()))?;
        let authorization = found.basic_auth().cloned().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Ok(Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authorization,
        }))
    }

    /// Makes this connection to the proxy one to the receiver. The caller bounds the time.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        endpoint: &str,
    ) -> Result<TcpStream, TunnelError> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder().method(Method::CONNECT).uri(endpoint);
        request = request.header(HOST, endpoint);
        if let Some(authorization) = &self.authorization {
            request = request.header(PROXY_AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            driver.abort();
            return Err(TunnelError::Status(response.status().as_u16()));
        }
        let upgraded = hyper::upgrade::on(response).await?;
        let parts = upgraded.downcast::<TokioIo<TcpStream>>();
        match parts {
            Ok(parts) if parts.read_buf.is_empty() => Ok(parts.io.into_inner()),
            _ => Err(TunnelError::Spoken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(http: &str, https: &str, no: &str, endpoint: &str) -> Result<Option<Proxy>, ProxyError> {
        let matcher = Matcher::builder();
        let matcher = matcher
            .http(http.to_owned())
            .https(https.to_owned())
            .no(no.to_owned());
        Proxy::by(&matcher.build(), &Endpoint::parse(endpoint).unwrap())
    }

    #[test]
    fn the_proxy_is_by_the_scheme_and_not_for_those_that_are_left_out() {
        let found = |endpoint| {
            by(
                "http://p:3128",
                "http://u:w@q:8080",
                "10.0.0.0/8,.local,exact",
                endpoint,
            )
        };
        let of = |endpoint| {
            found(endpoint)
                .unwrap()
                .map(|proxy| (proxy.host, proxy.port))
        };
        assert_eq!(of("http://h/"), Some(("p".to_owned(), 3128)));
        assert_eq!(of("https://h/"), Some(("q".to_owned(), 8080)));
        assert_eq!(of("http://10.1.2.3/"), None);
        assert_eq!(of("https://a.local/"), None);
        assert_eq!(of("http://exact:81/"), None);
        let authorization = found("https://h/").unwrap().unwrap().authorization;
        assert_eq!(authorization.unwrap(), "Basic dTp3");
        assert!(found("http://h/").unwrap().unwrap().authorization.is_none());
    }

    #[test]
    fn a_proxy_of_another_kind_is_named_without_its_secrets() {
        for kind in ["socks5", "https"] {
            let error = by(&format!("{kind}://u:secret@p:1"), "", "", "http://h/").unwrap_err();
            assert_eq!(error, ProxyError(kind.to_owned()));
            assert!(!error.to_string().contains("secret"));
        }
    }
}
