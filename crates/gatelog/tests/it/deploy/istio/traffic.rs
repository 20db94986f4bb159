//! A gateway, requests of every kind that the filters tell apart, and the two logs of it: Envoy's own,
//! of everything, and what the logger under test prints.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use gatelog_testkit::envoy::{Attach, Envoy, Gateway};
use gatelog_testkit::upstream::{self, Server};
use gatelog_testkit::wait;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// Request ids; the first eight digits decide.
pub(super) const IDS: [&str; 12] = [
    "6513270e-269e-4d37-b2a7-4de452e6b438",
    "d23f0824-128b-4f33-8c5c-7fd0a6a3a450",
    "9531985d-5d9d-49f8-9818-e811892f902b",
    "36f675cc-81e7-4ef5-a8e2-5d940ed90475",
    "6b0d549b-0000-4000-8000-000000000000",
    "8d116ece-0000-4000-8000-000000000000",
    "90c192cf-0000-4000-8000-000000000000",
    "a170b338-0000-4000-8000-000000000000",
    "0fd630f1-0000-4000-8000-000000000000",
    "0cb1e29c-0000-4000-8000-000000000000",
    "8e81973e-0000-4000-8000-000000000000",
    "92276658-0000-4000-8000-000000000000",
];

/// An id that neither of the two ways takes for its sample: 0x5f % 100 is 95, and the digit is `f`.
const UNSAMPLED: &str = "0000005f-0000-4000-8000-000000000000";

/// The number that is in the id.
pub(super) fn number(id: &str) -> u32 {
    u32::from_str_radix(id.get(..8).unwrap(), 16).unwrap()
}

/// What a line of either log says of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) path: String,
    pub(super) id: String,
    pub(super) code: u16,
    pub(super) flags: String,
}

pub(super) struct Traffic {
    envoy: Envoy,
    _web: Server,
    /// Never accepts: requests to it are not answered.
    _silent: TcpListener,
    /// The lines of earlier rounds.
    everything: usize,
    printed: usize,
}

impl Traffic {
    /// A gateway with this merged into its connection manager; or why Envoy did not start with it.
    pub(super) fn start(patch: Value) -> Result<Self, String> {
        let web = upstream::web().unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let gateway = Gateway::new(1)
            .upstreams(web.port(), silent.local_addr().unwrap().port(), 1)
            .attach(Attach::Nowhere)
            .patch(patch);
        Ok(Self {
            envoy: Envoy::start(&gateway).map_err(|error| format!("{error:#}"))?,
            _web: web,
            _silent: silent,
            everything: 0,
            printed: 0,
        })
    }

    pub(super) fn set_runtime(&self, key: &str, value: &str) {
        self.envoy.set_runtime(key, value).unwrap();
    }

    /// Sends one request of every kind, and gives all lines and those that were printed.
    pub(super) fn round(&mut self) -> (Vec<Line>, Vec<Line>) {
        for id in IDS {
            self.exchange("/direct", id);
        }
        for path in [
            "/direct",
            "/web/status/404",
            "/web/status/399",
            "/web/status/400",
            "/web/status/503",
            "/none",
            "/dead",
        ] {
            self.exchange(path, UNSAMPLED);
        }
        // Gone before the answer, and in the middle of it.
        self.leave("/v1/never", None);
        self.leave("/web/drip/500/20", Some(b"0123456789"));
        self.wait_for_lines(IDS.len() + 9);
        // Printed in any case. When it is there, so is everything before it.
        self.exchange("/dead?last", UNSAMPLED);
        self.wait_for_lines(IDS.len() + 10);
        let printed = wait::until("the last line", PATIENCE, || {
            let lines = self.printed();
            match lines.last() {
                Some(line) if line.path == "/dead?last" => Ok(lines),
                _ => Err(lines.len()),
            }
        })
        .unwrap();
        let everything = self.everything();
        self.everything += everything.len();
        self.printed += printed.len();
        (everything, printed)
    }

    /// Sends a request from this client, which fails and so is printed.
    pub(super) fn fail_as(&self, agent: &str) {
        let headers = format!("{UNSAMPLED}\r\nuser-agent: {agent}");
        self.exchange("/dead?agent", &headers);
    }

    /// Both logs as they are, once there are so many lines in each.
    pub(super) fn logs(&self, lines: usize) -> (Vec<Value>, Vec<String>) {
        wait::until("the lines of both logs", PATIENCE, || {
            let logs = (self.envoy.access_log().unwrap(), self.envoy.stdout());
            let found = (logs.0.len(), logs.1.len());
            if found == (lines, lines) {
                Ok(logs)
            } else {
                Err(found)
            }
        })
        .unwrap()
    }

    /// The lines of Envoy's own log, without those of earlier rounds.
    fn everything(&self) -> Vec<Line> {
        let lines = self.envoy.access_log().unwrap();
        let new = lines.iter().skip(self.everything);
        new.map(|line| Line {
            path: line["path"].as_str().unwrap().to_owned(),
            id: line["request_id"].as_str().unwrap().to_owned(),
            code: u16::try_from(line["response_code"].as_u64().unwrap()).unwrap(),
            flags: line["response_flags"].as_str().unwrap().to_owned(),
        })
        .collect()
    }

    /// The lines on the standard output, without those of earlier rounds.
    fn printed(&self) -> Vec<Line> {
        let lines = self.envoy.stdout();
        let new = lines.iter().skip(self.printed);
        new.map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = |key: &str| line[key].as_str().unwrap().to_owned();
            Line {
                path: text("uri"),
                id: text("requestId"),
                code: text("respCode").parse().unwrap(),
                flags: text("responseFlags"),
            }
        })
        .collect()
    }

    fn wait_for_lines(&self, count: usize) {
        wait::until("Envoy's own lines", PATIENCE, || {
            let found = self.everything().len();
            if found == count { Ok(()) } else { Err(found) }
        })
        .unwrap();
    }

    fn send(&self, path: &str, id: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.envoy.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: shop.example\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn exchange(&self, path: &str, id: &str) {
        self.send(path, id).read_to_end(&mut Vec::new()).unwrap();
    }

    /// Hangs up when this came, or when the request is under way.
    fn leave(&self, path: &str, after: Option<&[u8]>) {
        let mut stream = self.send(path, UNSAMPLED);
        if let Some(after) = after {
            let mut answer = Vec::new();
            while !answer.windows(after.len()).any(|window| window == after) {
                let mut some = [0; 1024];
                let count = stream.read(&mut some).unwrap();
                assert!(count > 0, "the answer ended");
                answer.extend_from_slice(some.get(..count).unwrap());
            }
        } else {
            wait::until("the request", PATIENCE, || {
                match self
                    .envoy
                    .stat("http.gateway.downstream_rq_active")
                    .unwrap()
                {
                    1 => Ok(()),
                    other => Err(other),
                }
            })
            .unwrap();
        }
        stream.shutdown(Shutdown::Both).unwrap();
    }
}
