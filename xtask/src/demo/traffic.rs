//! The traffic: a fixed mix of requests, each with a number in its path by which it is found again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use ureq::Agent;
use ureq::http::{Request, Response};

/// Requests in flight.
const SENDERS: u32 = 4;

/// For one answer, the slow ones among them too.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The query parameter that carries a request's number.
const NUMBER: &str = "number=";

/// A kind of request.
#[derive(Clone, Copy, Debug)]
struct Kind {
    method: &'static str,
    path: &'static str,
    /// JSON; empty for none.
    body: &'static str,
}

/// What is sent, and how fast.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// `http://host:port` of Envoy.
    envoy: String,
    /// Of each sender, after each answer.
    pause: Duration,
    next: AtomicU64,
    /// Requests are numbered below this.
    limit: u64,
    stopped: AtomicBool,
}

const fn get(path: &'static str) -> Kind {
    Kind {
        method: "GET",
        path,
        body: "",
    }
}

const fn post(path: &'static str, body: &'static str) -> Kind {
    Kind {
        method: "POST",
        path,
        body,
    }
}

const CHAT: &str = "/v1/chat/completions";
const MCP: &str = "/mcp";

/// The mix, one after another: mostly what works, and one of each thing that goes wrong.
const MIX: [Kind; 20] = [
    get("/web/orders/1"),
    get("/web/orders/2"),
    post("/web/orders", r#"{"item":"tea","count":2}"#),
    get("/web/status/204"),
    post(
        CHAT,
        r#"{"model":"qwen-plus","messages":[{"role":"user","content":"Hello"}]}"#,
    ),
    get("/web/orders/3"),
    post(
        CHAT,
        r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#,
    ),
    get("/web/status/302"),
    post(MCP, r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#),
    post(
        MCP,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"weather"}}"#,
    ),
    get("/web/slow/50"),
    get("/web/drip/5/10"),
    get("/web/status/404"),
    get("/web/orders/4"),
    get("/web/status/500"),
    get("/direct"),
    // Answers of Envoy's own: a redirect, no route, no connection, a connection that breaks.
    get("/redirect"),
    get("/no-such-route"),
    get("/dead"),
    get("/web/hang-up"),
];

impl Traffic {
    /// Requests numbered from 0 to below `limit`.
    pub(crate) fn new(envoy: String, limit: u64, pause: Duration) -> Self {
        let (next, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
        Self {
            envoy,
            pause,
            next,
            limit,
            stopped,
        }
    }

    /// Sends requests until there are none or [`stop`](Self::stop) is called, and answers each
    /// one's number with the status that came back.
    ///
    /// # Errors
    /// When one is not answered: then the others end early too.
    pub(crate) fn run(&self) -> anyhow::Result<Vec<(u64, u16)>> {
        thread::scope(|scope| {
            let senders: Vec<_> = (0..SENDERS)
                .map(|_| scope.spawn(|| self.sender()))
                .collect();
            let mut answers = Vec::new();
            for sender in senders {
                let sent = sender
                    .join()
                    .map_err(|_| anyhow::anyhow!("a sender panicked"))?;
                answers.extend(sent?);
            }
            Ok(answers)
        })
    }

    /// Ends [`run`](Self::run) when the requests in flight are answered.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was stopped, by a signal or by a request without an answer.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// How many requests have been begun.
    pub(crate) fn begun(&self) -> u64 {
        self.next.load(Ordering::Relaxed).min(self.limit)
    }

    fn sender(&self) -> anyhow::Result<Vec<(u64, u16)>> {
        let agent: Agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(TIMEOUT))
            .build()
            .into();
        let mut answers = Vec::new();
        while !self.is_stopped() {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.limit {
                break;
            }
            let status = send(&agent, &self.envoy, number).inspect_err(|_| self.stop())?;
            answers.push((number, status));
            thread::sleep(self.pause);
        }
        Ok(answers)
    }
}

fn send(agent: &Agent, envoy: &str, number: u64) -> anyhow::Result<u16> {
    let index = usize::try_from(number)? % MIX.len();
    let kind = MIX.get(index).context("the mix is empty")?;
    let uri = format!("{envoy}{}?{NUMBER}{number}", kind.path);
    let request = Request::builder().method(kind.method).uri(&uri);
    let answer: Result<Response<ureq::Body>, _> = if kind.body.is_empty() {
        agent.run(request.body(())?)
    } else {
        agent.run(
            request
                .header("content-type", "application/json")
                .body(kind.body)?,
        )
    };
    let mut answer = answer.with_context(|| format!("no answer to {} {uri}", kind.method))?;
    // To its end: a stream is over when its last event is read.
    answer
        .body_mut()
        .read_to_vec()
        .with_context(|| format!("half an answer from {uri}"))?;
    Ok(answer.status().as_u16())
}

/// The number in a path that [`Traffic`] has sent.
pub(crate) fn number_of(path: &str) -> Option<u64> {
    let (_, number) = path.split_once(NUMBER)?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_again_in_its_path() {
        assert_eq!(number_of("/orders/7?number=12"), Some(12));
        assert_eq!(number_of("/orders/7"), None);
        assert_eq!(number_of("/orders/7?number=x"), None);
    }
}
