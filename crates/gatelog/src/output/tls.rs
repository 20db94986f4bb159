//! TLS to the receivers of outputs: who may vouch for them, and what gatelog shows of itself.
//!
//! **Shape.** [`Tls`] are the settings, as a plugin has them. A [`TlsClient`] is made of them once, which
//! reads the files, and makes connections of TCP streams.
//!
//! **Invariants.** A receiver's certificate is checked unless `verify` is off: by `ca_file` and nobody
//! else, or else by the system's authorities, or where the system has none by Mozilla's.
//!
//! **Failure.** Files that cannot be used are told by their names when the client is made. Files that
//! change later are read again for the next connection; while they cannot be, what was read before
//! holds, and the log says so once.

mod trust;

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How a receiver is trusted, and how gatelog shows who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether the receiver's certificate is checked.
    pub verify: bool,
    /// The certificates (PEM) of those who may vouch for it, in place of the system's.
    pub ca_file: Option<PathBuf>,
    /// The own certificate (PEM), with those that lead from it to an authority.
    pub cert_file: Option<PathBuf>,
    /// The key (PEM) of that certificate.
    pub key_file: Option<PathBuf>,
    /// The name in the receiver's certificate, where it is not the host's.
    pub server_name: Option<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            verify: true,
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
        }
    }
}

/// Why TLS cannot be used as it is configured. The operator mends what it names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{key} {}: {problem}", .path.display())]
    File {
        /// The key that names it.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The receiver's name cannot be one in a certificate.
    #[error("{0}: not a name that a certificate can have")]
    Name(String),
    /// The library refuses the settings.
    #[error("TLS: {0}")]
    Library(#[from] rustls::Error),
}

/// What makes TLS of TCP.
#[derive(Debug)]
pub struct TlsClient {
    tls: Tls,
    alpn: Vec<Vec<u8>>,
    name: ServerName<'static>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ClientConfig>,
    seen: Vec<Option<Version>>,
}

/// By which a file that has changed is told.
type Version = (u64, i64, i64, u64);

impl TlsClient {
    /// To this host, a name or an address without brackets, which is told these protocols (ALPN).
    ///
    /// # Errors
    /// [`TlsError`]. It reads files.
    pub fn new(tls: &Tls, host: &str, alpn: &[&str]) -> Result<Self, TlsError> {
        let name = tls.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned());
        let name = name.map_err(|_| {
            TlsError::Name(tls.server_name.clone().unwrap_or_else(|| host.to_owned()))
        })?;
        let alpn: Vec<_> = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let seen = versions(tls);
        let config = Arc::new(client_config(tls, &alpn)?);
        Ok(Self {
            tls: tls.clone(),
            alpn,
            name,
            current: Mutex::new(Current { config, seen }),
        })
    }

    /// TLS over this connection. The caller bounds the time.
    ///
    /// # Errors
    /// What went wrong, also that the receiver is not who it has to be.
    pub async fn connect(self: &Arc<Self>, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let this = Arc::clone(self);
        let files = [&self.tls.ca_file, &self.tls.cert_file, &self.tls.key_file];
        let config = if files.into_iter().any(Option::is_some) {
            // It looks at files.
            tokio::task::spawn_blocking(move || this.current()).await?
        } else {
            this.current()
        };
        TlsConnector::from(config)
            .connect(self.name.clone(), stream)
            .await
    }

    /// The configuration by the files as they are now.
    fn current(&self) -> Arc<ClientConfig> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = versions(&self.tls);
        if seen != current.seen {
            current.seen = seen;
            match client_config(&self.tls, &self.alpn) {
                Ok(config) => current.config = Arc::new(config),
                Err(error) => {
                    tracing::warn!(%error, "changed TLS files cannot be used; the former hold");
                }
            }
        }
        Arc::clone(&current.config)
    }
}

fn versions(tls: &Tls) -> Vec<Option<Version>> {
    let files = [&tls.ca_file, &tls.cert_file, &tls.key_file];
    let version = |path: &PathBuf| {
        let meta = fs::metadata(path).ok()?;
        Some((meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.size()))
    };
    let versions = files.into_iter().flatten().map(version);
    versions.collect()
}

fn client_config(tls: &Tls, alpn: &[Vec<u8>]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    // A file that cannot be used is told even where it is not needed.
    let roots = roots(tls.ca_file.as_deref())?;
    let builder = if tls.verify {
        builder.with_root_certificates(roots)
    } else {
        let anyone = trust::Anyone::new(&provider);
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anyone))
    };
    let mut config = match (&tls.cert_file, &tls.key_file) {
        (Some(cert), Some(key)) => {
            let chain = certificates("tls.cert_file", cert)?;
            let wrong = |problem: String| file("tls.key_file", key, problem);
            let private =
                PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(error.to_string()))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| wrong(format!("with that of tls.cert_file: {error}")))?
        }
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.to_vec();
    Ok(config)
}

/// Those who may vouch for a receiver.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in certificates("tls.ca_file", path)? {
            roots
                .add(certificate)
                .map_err(|error| file("tls.ca_file", path, error.to_string()))?;
        }
        return Ok(roots);
    }
    let (_, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |problem: String| file(key, path, problem);
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("it has no certificate (PEM)".to_owned()));
    }
    Ok(found)
}

fn file(key: &'static str, path: &Path, problem: String) -> TlsError {
    TlsError::File {
        key,
        path: path.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests;
