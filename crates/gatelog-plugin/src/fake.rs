//! A proxy for tests: what it knows is what the test told it, and it keeps what it was asked to do.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use crate::host::{Body, Call, CallRefused, Counter, Host, Level};

/// A call that was begun.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) cluster: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

#[derive(Default)]
pub(crate) struct Fake {
    properties: HashMap<String, Vec<u8>>,
    headers: Vec<(String, Vec<u8>)>,
    response_headers: Vec<(String, Vec<u8>)>,
    /// The piece of a body that passes now.
    pub(crate) piece: RefCell<Vec<u8>>,
    /// The paths of attributes that were asked for.
    pub(crate) asked: RefCell<Vec<String>>,
    /// How often a header, the clock or a body was asked for.
    pub(crate) other_calls: Cell<usize>,
    now_ns: Cell<u64>,
    shared: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    /// The token of a call is its place here.
    pub(crate) calls: RefCell<Vec<Made>>,
    pub(crate) refuse: Cell<Option<CallRefused>>,
    pub(crate) log: RefCell<Vec<String>>,
    pub(crate) counted: RefCell<HashMap<&'static str, u64>>,
    published: RefCell<BTreeMap<String, String>>,
}

impl Fake {
    /// Sets the attribute at `path`, its segments joined by dots.
    pub(crate) fn set(&mut self, path: &str, value: Vec<u8>) {
        self.properties.insert(path.to_owned(), value);
    }

    pub(crate) fn text(mut self, path: &str, value: &str) -> Self {
        self.set(path, value.as_bytes().to_vec());
        self
    }

    pub(crate) fn integer(mut self, path: &str, value: i64) -> Self {
        self.set(path, value.to_le_bytes().to_vec());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers
            .push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(crate) fn response_header(mut self, name: &str, value: &str) -> Self {
        self.response_headers
            .push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    pub(crate) fn advance_ns(&self, by: u64) {
        self.now_ns.set(self.now_ns.get() + by);
    }

    pub(crate) fn advance_ms(&self, by: u64) {
        self.advance_ns(by * 1_000_000);
    }

    pub(crate) fn counted(&self, counter: Counter) -> u64 {
        self.counted
            .borrow()
            .get(counter.name())
            .copied()
            .unwrap_or(0)
    }

    /// What was published as filter state.
    pub(crate) fn published(&self) -> Vec<(String, String)> {
        self.published.borrow().clone().into_iter().collect()
    }

    /// The values of a header in the calls so far.
    pub(crate) fn sent_headers(&self, name: &str) -> Vec<String> {
        self.calls
            .borrow()
            .iter()
            .map(|call| call.headers.get(name).cloned().unwrap_or_default())
            .collect()
    }
}

impl Fake {
    fn note(&self) {
        self.other_calls.set(self.other_calls.get() + 1);
    }
}

fn first(headers: &[(String, Vec<u8>)], name: &str) -> Option<Vec<u8>> {
    headers
        .iter()
        .find(|(found, _)| found == name)
        .map(|(_, value)| value.clone())
}

impl Host for Fake {
    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        if let ["filter_state", key] = path
            && let Some(key) = key.strip_prefix("wasm.")
        {
            return self
                .published
                .borrow()
                .get(key)
                .map(|value| value.clone().into_bytes());
        }
        // A segment may hold a dot, as `istio.mixer` does.
        let path = path.join(".");
        let value = self.properties.get(&path).cloned();
        self.asked.borrow_mut().push(path);
        value
    }

    fn request_headers(&self) -> Vec<(String, Vec<u8>)> {
        self.note();
        self.headers.clone()
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        self.note();
        first(&self.headers, name)
    }

    fn response_headers(&self) -> Vec<(String, Vec<u8>)> {
        self.note();
        self.response_headers.clone()
    }

    fn set_property(&self, key: &str, value: &[u8]) {
        let value = String::from_utf8_lossy(value).into_owned();
        self.published.borrow_mut().insert(key.to_owned(), value);
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        self.note();
        first(&self.response_headers, name)
    }

    fn body(&self, _: Body, bytes: usize) -> Vec<u8> {
        self.note();
        let piece = self.piece.borrow();
        assert!(bytes <= piece.len(), "more than there is");
        piece[..bytes].to_vec()
    }

    fn now_ns(&self) -> u64 {
        self.note();
        self.now_ns.get()
    }

    fn call(&self, call: &Call<'_>) -> Result<u32, CallRefused> {
        if let Some(refused) = self.refuse.get() {
            return Err(refused);
        }
        let mut calls = self.calls.borrow_mut();
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        calls.push(Made {
            cluster: call.cluster.to_owned(),
            headers: call.headers.iter().map(own).collect(),
            body: String::from_utf8(call.body.to_vec()).unwrap(),
        });
        Ok(u32::try_from(calls.len() - 1).unwrap())
    }

    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push(format!("{level:?} {message}"));
    }

    fn count(&self, counter: Counter, by: u64) {
        *self.counted.borrow_mut().entry(counter.name()).or_default() += by;
    }

    fn shared(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        match self.shared.borrow().get(key) {
            Some((value, mark)) => (Some(value.clone()), Some(*mark)),
            None => (None, None),
        }
    }

    fn set_shared(&self, key: &str, value: &[u8], mark: Option<u32>) -> bool {
        let mut shared = self.shared.borrow_mut();
        let held = shared.get(key).map(|(_, mark)| *mark);
        if mark.is_some() && held != mark {
            return false;
        }
        shared.insert(key.to_owned(), (value.to_vec(), held.unwrap_or(0) + 1));
        true
    }
}
