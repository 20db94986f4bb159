//! What a plugin's settings say about TLS to its receiver: `ssl_verify` and `tls`.

use std::path::PathBuf;

use super::Keys;
use crate::output::tls::Tls;

impl Tls {
    /// Reads `ssl_verify` and `tls`. Nothing is looked at but the keys; the files are when the output is
    /// made.
    pub(in crate::config) fn read(keys: &mut Keys) -> Self {
        let verify = keys.switch("ssl_verify");
        let tls = keys.nested("tls", |keys| {
            let mut file = |name| keys.text(name).map(PathBuf::from);
            let (ca_file, cert_file, key_file) =
                (file("ca_file"), file("cert_file"), file("key_file"));
            match (&cert_file, &key_file) {
                (Some(_), None) => keys.problem("key_file", "required with cert_file"),
                (None, Some(_)) => keys.problem("cert_file", "required with key_file"),
                _ => {}
            }
            Some(Self {
                verify: true,
                ca_file,
                cert_file,
                key_file,
                server_name: keys.text("server_name"),
            })
        });
        Self {
            verify: verify.unwrap_or(true),
            ..tls.unwrap_or_default()
        }
    }

    /// What an operator should know of it.
    pub(crate) fn warnings(&self) -> Vec<String> {
        if self.verify {
            return Vec::new();
        }
        vec![
            "config.ssl_verify is false: whoever answers in the receiver's place gets the records"
                .to_owned(),
        ]
    }
}
