use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

use super::*;

fn pair(dir: &TempDir, name: &str) -> (PathBuf, PathBuf) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let paths = (
        dir.path().join(format!("{name}.pem")),
        dir.path().join(format!("{name}.key")),
    );
    fs::write(&paths.0, cert.pem()).unwrap();
    fs::write(&paths.1, signing_key.serialize_pem()).unwrap();
    paths
}

fn problem(tls: &Tls) -> String {
    TlsClient::new(tls, "localhost", &[])
        .unwrap_err()
        .to_string()
}

#[test]
fn what_is_wrong_with_a_file_names_it() {
    let dir = TempDir::new().unwrap();
    let (cert, key) = pair(&dir, "one");
    let (_, other_key) = pair(&dir, "other");
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let with = |ca: Option<&PathBuf>, cert: Option<&PathBuf>, key: Option<&PathBuf>| Tls {
        ca_file: ca.cloned(),
        cert_file: cert.cloned(),
        key_file: key.cloned(),
        ..Tls::default()
    };
    let missing = dir.path().join("missing.pem");
    let cases = [
        (
            with(Some(&missing), None, None),
            "tls.ca_file",
            "missing.pem",
        ),
        (
            with(Some(&empty), None, None),
            "tls.ca_file",
            "empty.pem: it has no certificate",
        ),
        (
            with(None, Some(&empty), Some(&key)),
            "tls.cert_file",
            "empty.pem",
        ),
        (
            with(None, Some(&cert), Some(&cert)),
            "tls.key_file",
            "one.pem",
        ),
        (
            with(None, Some(&cert), Some(&other_key)),
            "tls.key_file",
            "other.key: with that of",
        ),
    ];
    for (tls, key, text) in cases {
        let problem = problem(&tls);
        assert!(
            problem.starts_with(key) && problem.contains(text),
            "{problem}"
        );
    }
    let good = with(Some(&cert), Some(&cert), Some(&key));
    assert!(TlsClient::new(&good, "localhost", &[]).is_ok());
    assert!(TlsClient::new(&Tls::default(), "localhost", &[]).is_ok());
    let name = TlsClient::new(&Tls::default(), "not a name", &[]);
    assert!(matches!(name, Err(TlsError::Name(_))));
}

#[test]
fn changed_files_are_read_again_and_bad_ones_are_not_taken() {
    let dir = TempDir::new().unwrap();
    let (cert, _) = pair(&dir, "one");
    let tls = Tls {
        ca_file: Some(cert.clone()),
        ..Tls::default()
    };
    let client = TlsClient::new(&tls, "localhost", &[]).unwrap();
    let first = client.current();
    assert!(Arc::ptr_eq(&first, &client.current()));
    fs::write(&cert, "not a certificate").unwrap();
    assert!(Arc::ptr_eq(&first, &client.current()));
    let (other, _) = pair(&dir, "other");
    fs::rename(other, &cert).unwrap();
    let second = client.current();
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &client.current()));
}
