//! The admin listener on a socket, asked by a shell's curl.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::*;

impl Rig {
    /// Answers on a port until the runtime is dropped.
    pub(super) fn listen(&self) -> (SocketAddr, tokio::runtime::Runtime) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let router = self.router.clone();
        runtime.spawn(async move { axum::serve(listener, router).await });
        (address, runtime)
    }
}

/// Whether there is a curl. The same commands are sent without one, too.
pub(super) fn has_curl() -> bool {
    Command::new("curl").arg("--version").output().is_ok()
}

/// What a shell's curl prints, with the status behind it.
pub(super) fn shell(command: &str) -> Answer {
    let command = format!("{command} -sS --noproxy '*' -w '\\n%{{http_code}}'");
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text
        .rsplit_once('\n')
        .unwrap_or_else(|| panic!("{command}: {}", String::from_utf8_lossy(&output.stderr)));
    Answer {
        status: status.parse().unwrap(),
        body: serde_json::from_str(body).unwrap_or_default(),
    }
}

#[test]
fn curls_other_ways_to_send_a_plugin_work() {
    if !has_curl() {
        return;
    }
    let rig = Rig::new();
    let (address, _runtime) = rig.listen();
    let url = format!("http://{address}/plugins/");
    let made = shell(&format!(
        "curl {url} -F name=file-log -F config.path=/tmp/x -F tags[]=a -F service.name=s"
    ));
    assert_eq!((made.status, &made.body["tags"]), (201, &json!(["a"])));
    let made = shell(&format!(
        "curl {url} -H 'Content-Type: application/json' \
         -d '{{\"name\":\"file-log\",\"config\":{{\"path\":\"/x\"}},\"instance_name\":\"Ångström\"}}'"
    ));
    assert_eq!(made.status, 201);
    let got = shell(&format!("curl http://{address}/plugins/%C3%85ngstr%C3%B6m"));
    assert_eq!(got.body, made.body);
    let removed = shell(&format!(
        "curl -X DELETE http://{address}/plugins/%C3%85ngstr%C3%B6m"
    ));
    assert_eq!(removed.status, 204);
}

#[test]
fn a_name_in_raw_utf_8_is_found() {
    let rig = Rig::new();
    rig.made("/plugins", &json!({"instance_name": "Ångström"}));
    let (address, _runtime) = rig.listen();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /plugins/Ångström HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
