//! A receiver that asks for a certificate.

use std::io::Read as _;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::service::setup;

type Connection = StreamOwned<ServerConnection, TcpStream>;

/// An authority, with certificates for `localhost` and for a client in its directory.
fn authority() -> TempDir {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
    for name in ["localhost", "client"] {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &issuer).unwrap();
        fs::write(dir.path().join(format!("{name}.pem")), cert.pem()).unwrap();
        fs::write(dir.path().join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
    dir
}

/// What talks only to whom this authority vouches for. Some send tickets, some do not.
fn server(files: &Path, tickets: usize) -> Arc<ServerConfig> {
    let certificate = |name: &str| CertificateDer::from_pem_file(files.join(name)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let key = PrivateKeyDer::from_pem_file(files.join("localhost.key")).unwrap();
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(vec![certificate("localhost.pem")], key)
        .unwrap();
    config.send_tls13_tickets = tickets;
    config.into()
}

/// The next connection; the error if it is not let in, which is told to the other side.
fn accept(listening: &TcpListener, config: &Arc<ServerConfig>) -> std::io::Result<Connection> {
    listening.set_nonblocking(true)?;
    let accepted = || listening.accept().map_err(|error| error.to_string());
    let (stream, _) = wait::until("a connection", Duration::from_secs(20), accepted).unwrap();
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut server = ServerConnection::new(Arc::clone(config)).unwrap();
    while server.is_handshaking() {
        while server.wants_write() {
            server.write_tls(&mut &stream)?;
        }
        // As from afar: the other side writes what it can before it is answered.
        std::thread::sleep(Duration::from_millis(100));
        server.read_tls(&mut &stream)?;
        if let Err(error) = server.process_new_packets() {
            while server.wants_write() {
                server.write_tls(&mut &stream)?;
            }
            return Err(std::io::Error::other(error));
        }
    }
    Ok(StreamOwned::new(server, stream))
}

/// The next message by its length in bytes.
fn next_counted(stream: &mut Connection) -> String {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            b' ' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).unwrap();
    String::from_utf8(message).unwrap()
}

/// In TLS 1.3 one who is not let in learns it only after it could have written.
#[test]
fn who_is_not_let_in_has_delivered_nothing() {
    let files = authority();
    for tickets in [2, 0] {
        let config = server(files.path(), tickets);
        let (listening, port) = listener();
        let tls = |more: &str| {
            let ca = files.path().join("ca.pem");
            let more = format!(
                ", transport: tls, timeout: 2000, framing: octet-counted, tls: {{ca_file: {}{more}}}",
                ca.display()
            );
            one(port, &more).replace("host: 127.0.0.1", "host: localhost")
        };
        let dir = TempDir::new().unwrap();
        let gatelog = setup(&dir).config(tls("")).start().unwrap();
        let items = (0..20).map(|n| json!({"path": format!("/é?n={n}")}).to_string());
        gatelog
            .ingest(items.collect::<Vec<_>>().join("\n"))
            .unwrap();
        for _ in 0..2 {
            assert!(accept(&listening, &config).is_err());
        }
        wait_for_error(&gatelog, "TLS with localhost:");
        assert_eq!(metric(&gatelog, "gatelog_output_delivered_total"), 0);
        drop(gatelog);
        let by = |name: &str| files.path().join(name).display().to_string();
        let own = format!(
            ", cert_file: {}, key_file: {}",
            by("client.pem"),
            by("client.key")
        );
        let gatelog = setup(&dir).config(tls(&own)).start().unwrap();
        // One of the former process may be first.
        let mut stream = loop {
            if let Ok(stream) = accept(&listening, &config) {
                break stream;
            }
        };
        for expected in 0..20 {
            let message = next_counted(&mut stream);
            assert_eq!(number(&object(&message)), expected, "{message}");
        }
        wait_for_end(&gatelog);
        assert_eq!(metric(&gatelog, "gatelog_output_delivered_total"), 20);
        assert_key_is_secret(&gatelog, dir.path());
    }
}
