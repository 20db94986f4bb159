//! TLS, proxies, addresses that are denied, and secrets that stay where they are.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::*;

/// An authority, and what it has vouched for, as files.
struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { dir, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A certificate for this name, and its key.
    fn pair(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let paths = (
            self.path(&format!("{name}.pem")),
            self.path(&format!("{name}.key")),
        );
        fs::write(&paths.0, cert.pem()).unwrap();
        fs::write(&paths.1, key.serialize_pem()).unwrap();
        paths
    }

    /// A receiver with a certificate for this name, which asks for one of this authority or does not.
    fn receiver(&self, name: &str, mutual: bool) -> Receiver {
        let (cert, key) = self.pair(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_file(self.path("ca.pem")).unwrap())
                .unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
        let key = PrivateKeyDer::from_pem_file(key).unwrap();
        let config = builder.with_single_cert(chain, key).unwrap();
        Receiver::start_at("127.0.0.1:0", Some(Arc::new(config)), |_, _| ok())
    }
}

fn https(receiver: &Receiver, more: &str) -> String {
    let url = format!("https://localhost:{}/logs", receiver.port());
    let queue = "queue: {max_batch_size: 5, max_coalescing_delay: 0.1}";
    format!("plugins: [{{name: http-log, config: {{http_endpoint: \"{url}\", {queue}{more}}}}}]")
}

#[test]
fn a_certificate_is_checked_unless_that_is_off() {
    let authority = Authority::new();
    let receiver = authority.receiver("localhost", false);
    let untrusted = start_with(&https(&receiver, ""));
    untrusted.ingest(lines(0..5)).unwrap();
    wait_for_reason(&untrusted, "TLS: invalid peer certificate: UnknownIssuer");
    assert_eq!(receiver.requests().len(), 0);
    let ca = authority.path("ca.pem");
    for more in [
        ", ssl_verify: false".to_owned(),
        format!(", tls: {{ca_file: {}}}", ca.display()),
    ] {
        let before = receiver.requests().len();
        let gatelog = start_with(&https(&receiver, &more));
        gatelog.ingest(lines(0..5)).unwrap();
        let requests = receiver.wait_for_requests(before + 1);
        assert_eq!(requests[before].numbers(), [0, 1, 2, 3, 4], "{more}");
    }
    // A certificate for somebody else.
    let other = authority.receiver("other.example", false);
    let wrong = start_with(&https(
        &other,
        &format!(", tls: {{ca_file: {}}}", ca.display()),
    ));
    wrong.ingest(lines(0..5)).unwrap();
    wait_for_reason(&wrong, "TLS: invalid peer certificate");
    let named = format!(
        ", tls: {{ca_file: {}, server_name: other.example}}",
        ca.display()
    );
    let named = start_with(&https(&other, &named));
    named.ingest(lines(0..5)).unwrap();
    assert_eq!(other.wait_for_numbers(5), [0, 1, 2, 3, 4]);
}

#[test]
fn a_receiver_that_asks_for_a_certificate_gets_it() {
    let authority = Authority::new();
    let receiver = authority.receiver("localhost", true);
    let ca = authority.path("ca.pem");
    let without = start_with(&https(
        &receiver,
        &format!(", tls: {{ca_file: {}}}", ca.display()),
    ));
    without.ingest(lines(0..5)).unwrap();
    wait_for_reason(&without, "\"ok\":false");
    assert_eq!(receiver.requests().len(), 0);
    let (cert, key) = authority.pair("gatelog");
    let with = format!(
        ", tls: {{ca_file: {}, cert_file: {}, key_file: {}}}",
        ca.display(),
        cert.display(),
        key.display()
    );
    let with = start_with(&https(&receiver, &with));
    with.ingest(lines(0..5)).unwrap();
    assert_eq!(receiver.wait_for_numbers(5), [0, 1, 2, 3, 4]);
}

/// A proxy: what it was asked, and where it connects, whatever that was.
fn tunnel(to: u16) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let asking = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
            asking.lock().unwrap().push(head);
            stream
                .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                .unwrap();
            let mut server = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
            let (mut from, mut back) = (server.try_clone().unwrap(), stream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut back));
            std::thread::spawn(move || std::io::copy(&mut stream, &mut server));
        }
    });
    (port, asked)
}

#[test]
fn the_proxy_of_the_environment_is_used_unless_that_is_off() {
    // In the clear: the proxy is asked for the whole URL.
    let proxy = Receiver::taking();
    let direct = Receiver::taking();
    let config =
        "plugins: [{name: http-log, config: {http_endpoint: \"http://logs.invalid:81/a?b\"}}]";
    let dir = TempDir::new().unwrap();
    let url = format!("http://me:secret@{}", proxy.address());
    let gatelog = setup(&dir)
        .config(config)
        .variable("HTTP_PROXY", url.clone());
    let gatelog = gatelog.start().unwrap();
    gatelog.ingest(lines(0..3)).unwrap();
    let request = proxy.wait_for_requests(3).remove(0);
    assert_eq!(request.target, "http://logs.invalid:81/a?b");
    assert_eq!(request.header("host"), Some("logs.invalid:81"));
    assert_eq!(
        request.header("proxy-authorization"),
        Some("Basic bWU6c2VjcmV0")
    );
    assert_eq!(proxy.connections(), 1);
    for (more, name, value) in [
        (", proxy: none", "http_proxy", url.clone()),
        ("", "NO_PROXY", "example.org,127.0.0.1".to_owned()),
    ] {
        let dir = TempDir::new().unwrap();
        let before = direct.requests().len();
        let gatelog = setup(&dir).config(one(&direct, more));
        let gatelog = gatelog
            .variable("http_proxy", url.clone())
            .variable(name, value);
        let gatelog = gatelog.start().unwrap();
        gatelog.ingest(lines(0..1)).unwrap();
        let request = direct.wait_for_requests(before + 1).remove(before);
        assert_eq!(request.header("proxy-authorization"), None);
    }
    // TLS: through a tunnel.
    let authority = Authority::new();
    let receiver = authority.receiver("logs.invalid", false);
    let (port, asked) = tunnel(receiver.port());
    let config = format!(
        "plugins: [{{name: http-log, config: {{http_endpoint: \"https://logs.invalid/\", tls: {{ca_file: {}}}}}}}]",
        authority.path("ca.pem").display()
    );
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).config(config);
    let url = format!("http://me:secret@127.0.0.1:{port}");
    let gatelog = gatelog.variable("https_proxy", url).start().unwrap();
    gatelog.ingest(lines(0..3)).unwrap();
    assert_eq!(receiver.wait_for_numbers(3), [0, 1, 2]);
    assert_eq!(receiver.requests()[0].header("proxy-authorization"), None);
    let asked = asked.lock().unwrap().join("");
    assert!(
        asked.starts_with("CONNECT logs.invalid:443 HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("proxy-authorization: Basic bWU6c2VjcmV0\r\n"),
        "{asked}"
    );
}

#[test]
fn private_addresses_are_denied_where_that_is_wanted() {
    let receiver = Receiver::taking();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("http://{host}:{}/", receiver.port());
        let config = format!(
            "outputs: {{deny_private: true}}\nplugins: [{{name: http-log, config: {{http_endpoint: \"{url}\"}}}}]"
        );
        let gatelog = start_with(&config);
        gatelog.ingest(lines(0..3)).unwrap();
        wait_for_reason(
            &gatelog,
            &format!("{host}: no public address, and outputs.deny_private is set"),
        );
    }
    assert_eq!(receiver.connections(), 0);
    // Nor by way of a proxy, in whatever clothes.
    for url in [
        "http://169.254.169.254/latest",
        "http://[::ffff:10.0.0.1]/",
        "https://0x7f.1/",
    ] {
        let config = format!(
            "outputs: {{deny_private: true}}\nplugins: [{{name: http-log, config: {{http_endpoint: \"{url}\"}}}}]"
        );
        let dir = TempDir::new().unwrap();
        let proxy = format!("http://{}", receiver.address());
        let gatelog = setup(&dir).config(config).variable("all_proxy", proxy);
        let gatelog = gatelog.start().unwrap();
        gatelog.ingest(lines(0..3)).unwrap();
        wait_for_reason(&gatelog, "no public address");
    }
    assert_eq!(receiver.requests().len(), 0);
}

#[test]
fn secrets_are_on_the_wire_and_nowhere_else() {
    let words = [
        "pa55word",
        "t0ken-of-header",
        "key-of-query",
        "pr0xypass",
        "what-it-says",
    ];
    let receiver = Receiver::start(|_, before| match before {
        0 => Does::Answers(503, "X-Secret: what-it-says\r\n"),
        1 => Does::Answers(400, "X-Secret: what-it-says\r\n"),
        2 => Does::Drops,
        3 => Does::Writes("HTTP/1.1 what-it-says\r\n\r\n"),
        _ => ok(),
    });
    let url = format!(
        "http://bob:pa55word@{}/logs?key=key-of-query",
        receiver.address()
    );
    let dead = wait::free_port().unwrap();
    let log = |name: &str, url: &str| {
        format!(
            "{{name: http-log, instance_name: {name}, config: {{http_endpoint: \"{url}\", \
             headers: {{X-Token: t0ken-of-header}}, proxy: none}}}}"
        )
    };
    let config = format!(
        "log: {{level: debug}}\nplugins: [{}, {}]",
        log("a", &url),
        log(
            "b",
            &format!("https://bob:pa55word@127.0.0.1:{dead}/?key=key-of-query")
        )
    );
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir)
        .config(config)
        .variable("http_proxy", "http://u:pr0xypass@h:1");
    let gatelog = gatelog.start().unwrap();
    gatelog.ingest(lines(0..20)).unwrap();
    receiver.wait_for_numbers(22);
    wait_for_reason(&gatelog, "Connection refused");
    let letters = wait_for_letters(&dir, "http-log@a", 1);
    let (_, ready) = gatelog.get("/ready").unwrap();
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    let log = gatelog.log().join("\n");
    for (place, text) in [
        ("letters", format!("{letters:?}")),
        ("ready", ready),
        ("metrics", metrics),
        ("log", log),
    ] {
        for word in words {
            assert!(!text.contains(word), "{word} in {place}: {text}");
        }
    }
}
