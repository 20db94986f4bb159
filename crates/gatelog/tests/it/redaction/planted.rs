//! Bodies with secrets in them.
//!
//! A secret is made of runs of [`LETTERS`], of which nothing else consists, with something between the
//! runs that could be taken for its end. So a part of one is known as well as the whole.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

/// What secrets are made of.
const LETTERS: &[u8] = b"QXZJVKqxzjvk";

/// Letters of a run, and letters in a row that are a part of a secret.
const RUN: usize = 9;
const PART: usize = 7;

/// What stands between the runs of a secret in a URL, and in other places.
const IN_URLS: [&str; 16] = [
    "", "%26", "%3D", "+", "/", "?", ":", "@", "=", "'", ",", "#", "%", "~", "*", ";",
];
const ELSEWHERE: [&str; 12] = [
    "", "\"", "\\", "\n", " ", "{", "]", ",", "; ", "=", "é", "\u{0}",
];

/// A request.
pub(super) struct Sent {
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: Vec<u8>,
}

/// What stands around a part of a secret, if there is one.
pub(super) fn found(bytes: &[u8]) -> Option<String> {
    let mut run = 0;
    let at = bytes.iter().position(|byte| {
        run = if LETTERS.contains(byte) { run + 1 } else { 0 };
        run == PART
    })?;
    let around = &bytes[at.saturating_sub(120)..bytes.len().min(at + 40)];
    Some(String::from_utf8_lossy(around).into_owned())
}

/// Pseudo-random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        usize::try_from(bits >> 33).unwrap()
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll() % from.len()]
    }

    fn run(&mut self) -> String {
        (0..RUN).map(|_| char::from(self.of(LETTERS))).collect()
    }

    fn secret(&mut self, between: &[&str]) -> String {
        let between = self.of(between);
        let runs: Vec<String> = (0..=self.roll() % 3).map(|_| self.run()).collect();
        runs.join(between)
    }

    fn url_secret(&mut self) -> String {
        self.secret(&IN_URLS)
    }

    fn secret_elsewhere(&mut self) -> String {
        self.secret(&ELSEWHERE)
    }

    fn parameter(&mut self) -> String {
        let name = self.of(&[
            "key",
            "api_key",
            "apikey",
            "access_token",
            "token",
            "secret",
            "password",
            "sig",
            "signature",
            "session",
            "Token",
            "to%6ben",
            "%53ession",
            "a[password]",
            "KEY",
        ]);
        format!("{name}={}", self.url_secret())
    }

    fn url(&mut self) -> String {
        let parameter = self.parameter();
        // The secret at any distance from the beginning, as of columns with a limit.
        let filling = "f".repeat(self.roll() % 260);
        match self.roll() % 7 {
            0 => format!("/planted?{parameter}"),
            1 => format!("/planted?a=b&{parameter}&c=d"),
            2 => format!("/planted/{filling}?{parameter};c=d"),
            3 => format!("https://h/planted?{filling}&{parameter}#f"),
            4 => format!("http://u:{}@h/planted", self.run()),
            5 => format!(
                "/planted?next=https%3A%2F%2Fh%2F%3Ftoken%3D{}%26x&y=1",
                self.run()
            ),
            _ => format!("/planted?{parameter}&{}", self.parameter()),
        }
    }

    fn headers(&mut self) -> Value {
        let name = self.of(&[
            "authorization",
            "Proxy-Authorization",
            "COOKIE",
            "set-cookie",
            "x-api-key",
            "ApiKey",
            "X-Session",
            "x_session",
        ]);
        let (one, other) = (self.secret_elsewhere(), self.secret_elsewhere());
        json!({
            "accept": "*/*",
            name: if self.roll().is_multiple_of(2) { json!(format!("Bearer {one}")) } else { json!([one, other]) },
            "referer": self.url(),
            "X-Envoy-Original-Path": self.url(),
            "location": [self.url(), self.url()],
        })
    }

    /// A body as it was captured: JSON whole, cut or broken, events, forms.
    fn captured(&mut self) -> String {
        let secret = self.secret_elsewhere();
        let value = match self.roll() % 4 {
            0 => json!([1, secret]),
            1 => json!({"a": {"b": secret}}),
            _ => json!(secret),
        };
        let whole = match self.roll() % 3 {
            0 => json!({"n": [1, {}], "user": {"x": 1, "email": value, "z": 2}, "url": "/planted"}),
            1 => json!({"a": [{"pin": value}, {"pin": 7}], "b": "c"}),
            _ => json!([[{"x": "y", "pin": value}]]),
        }
        .to_string();
        let cut = |dice: &mut Self| {
            let end = whole.floor_char_boundary(dice.roll() % whole.len());
            whole.get(..end).unwrap().to_owned()
        };
        match self.roll() % 6 {
            0 => cut(self),
            1 => whole.replacen(self.of(&[":", ",", "{", "\""]), "", 1),
            2 => format!("event: e\ndata: {}\n\ndata: {}", whole, cut(self)),
            3 => format!("a=b&{}", self.parameter()),
            4 => format!("<pin>{}</pin>", self.run()),
            _ => whole,
        }
    }

    /// A record with secrets in all its places.
    fn record(&mut self, number: usize) -> Value {
        let code = if number % 10 == 3 { 666 } else { 200 };
        let email = self.secret_elsewhere();
        let ai_log =
            json!({"user": {"email": email}, "u": self.url(), "pin": [self.run()], "model": "m"});
        let mut record = json!({
            "model": number.to_string(), "response_code": code, "path": self.url(),
            "authority": format!("{}@h", self.run()), "user_agent": format!("a {}", self.url()),
            "x_forwarded_for": self.url(), "query": self.parameter(), "response_code_details": self.url(),
            "req_headers": self.headers(), "resp_headers": self.headers(),
            "req_body": self.captured(), "resp_body": self.captured(),
            "tries": [{"ip": self.url()}], "route_name": "/planted",
        });
        record["ai_log"] = if number.is_multiple_of(2) {
            ai_log
        } else {
            json!(ai_log.to_string())
        };
        record
    }
}

/// What a gateway may send, with secrets that this number decides.
pub(super) fn planted(seed: u64) -> Vec<Sent> {
    let mut dice = Dice(seed);
    let mut sent = Vec::new();
    let mut push = |headers: &[(&'static str, &'static str)], body: &[u8]| {
        sent.push(Sent {
            headers: headers.to_vec(),
            body: body.to_vec(),
        });
    };
    for round in 0..12 {
        let records: Vec<Value> = (0..50)
            .map(|number| dice.record(round * 50 + number))
            .collect();
        let lines: Vec<String> = records.iter().map(Value::to_string).collect();
        let text = lines.join("\n");
        match round % 4 {
            0 => push(&[], text.as_bytes()),
            1 => push(&[], Value::from(records).to_string().as_bytes()),
            2 => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(text.as_bytes()).unwrap();
                push(&[("content-encoding", "gzip")], &packed.finish().unwrap());
            }
            _ => push(
                &[("idempotency-key", ["a", "b", "c"][round / 4])],
                text.as_bytes(),
            ),
        }
        // Broken ones: cut, alone and among others.
        let mut cut = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            let end = line.floor_char_boundary(dice.roll() % line.len());
            let part = &line.as_bytes()[..end];
            if number % 10 == 0 {
                push(&[], part);
            }
            cut.extend_from_slice(part);
            cut.push(b'\n');
        }
        push(&[], &cut);
        // No name of a secret has this letter, so each is what it was.
        let bytes = text
            .bytes()
            .map(|byte| if byte == b'f' { 0xff } else { byte });
        let bad: Vec<u8> = bytes.collect();
        push(&[], &bad);
        refused(&mut dice, &mut push);
    }
    sent
}

/// Items that are told what is wrong with them.
fn refused(dice: &mut Dice, push: &mut impl FnMut(&[(&'static str, &'static str)], &[u8])) {
    let mut body = String::new();
    for _ in 0..20 {
        // The quotation in the answer ends anywhere in the secret.
        let filling = "f".repeat(dice.roll() % 30);
        for text in [
            dice.url(),
            format!("/{filling}?{}", dice.parameter()),
            format!("{filling} authorization: Bearer {}", dice.run()),
            json!({"cookie": dice.run()}).to_string(),
            json!({"user": {"email": dice.run()}}).to_string(),
        ] {
            body += &(json!({"duration": text}).to_string() + "\n");
            body += &(json!(text).to_string() + "\n");
        }
    }
    push(&[], body.as_bytes());
}
