//! The SDK's side: callbacks in, host calls out.
//!
//! **Invariants.** Every callback answers `Continue` and changes nothing but filter state. Host calls
//! go through `proxy_wasm::hostcalls`: the methods of the SDK's `Context` panic where these return an
//! error. Still those panic on a status that Envoy does not document for the call; each is called
//! only where Envoy gives a documented one.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType, LogLevel, MapType, MetricType, Status};

use crate::answer::{Answer, BODY_LIMIT};
use crate::capture::Exchange;
use crate::config::Recording;
use crate::host::{Body, Call, CallRefused, Counter, Host, Level};
use crate::standing;
use crate::worker::{TICK_MS, Worker};

proxy_wasm::main! {{
    // Sets the hook that logs a panic before it stops the VM.
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

/// The plugin in one VM. `None` until it is configured.
#[derive(Default)]
struct Root(Rc<RefCell<Option<Worker>>>);

/// One request.
struct Request {
    worker: Rc<RefCell<Option<Worker>>>,
    /// What is to be recorded of it, once its headers have come.
    recording: OnceCell<Option<Rc<Recording>>>,
    exchange: Exchange,
}

impl Root {
    fn with<T: Default>(&self, act: impl FnOnce(&mut Worker) -> T) -> T {
        with(&self.0, act)
    }
}

/// Calls are never nested; if they were, the inner one would do nothing.
fn with<T: Default>(worker: &RefCell<Option<Worker>>, act: impl FnOnce(&mut Worker) -> T) -> T {
    match worker.try_borrow_mut() {
        Ok(mut worker) => worker.as_mut().map(act).unwrap_or_default(),
        Err(_) => T::default(),
    }
}

fn done(finished: bool) {
    if finished {
        ignore(hostcalls::done());
    }
}

/// For calls whose failure leaves nothing to do.
fn ignore(_: Result<(), Status>) {}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _: usize) {
        // Without headers there is no map to ask, and asking would panic.
        let header = |name| {
            if headers == 0 {
                return None;
            }
            let map = MapType::HttpCallResponseHeaders;
            hostcalls::get_map_value_bytes(map, name).ok().flatten()
        };
        let body = match body {
            0 => Vec::new(),
            size => {
                hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size.min(BODY_LIMIT))
                    .ok()
                    .flatten()
                    .unwrap_or_default()
            }
        };
        let (status, retry_after) = (header(":status"), header("retry-after"));
        let answer = Answer::read(status.as_deref(), retry_after.as_deref(), &body);
        done(self.with(|worker| worker.on_answer(&Envoy, token, &answer)));
    }

    fn on_done(&mut self) -> bool {
        let configured = self.0.borrow().is_some();
        !configured || self.with(|worker| worker.on_done(&Envoy))
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let config = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, usize::MAX)
            .ok()
            .flatten()
            .unwrap_or_default();
        match Worker::new(&Envoy, &config) {
            Ok(worker) => {
                *self.0.borrow_mut() = Some(worker);
                standing::set_worked(&Envoy);
                hostcalls::set_tick_period(Duration::from_millis(TICK_MS)).is_ok()
            }
            Err(error) => {
                Envoy.count(Counter::ConfigRefused, 1);
                let has_worked = standing::has_worked(&Envoy);
                let what = if has_worked {
                    "the former one stays"
                } else {
                    "nothing is recorded until it is mended, traffic passes"
                };
                Envoy.log(
                    Level::Error,
                    &format!("gatelog: configuration refused: {error} ({what})"),
                );
                !has_worked
            }
        }
    }

    fn on_tick(&mut self) {
        done(self.with(|worker| worker.on_tick(&Envoy)));
    }

    /// As Envoy's own access logger (`envoy.access_loggers.wasm`): no context per request.
    fn on_log(&mut self) {
        self.with(|worker| {
            if let Some(recording) = worker.recording(&Envoy, true) {
                worker.on_log(&Envoy, &recording, &mut Exchange::default());
                worker.send_full(&Envoy);
            }
        });
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request {
            worker: Rc::clone(&self.0),
            recording: OnceCell::new(),
            exchange: Exchange::default(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Context for Request {}

impl Request {
    /// Asks the worker about what is recorded of this request, if anything is. `is_over` where that could
    /// not be asked when its headers came.
    fn with(&mut self, is_over: bool, act: impl FnOnce(&mut Worker, &Recording, &mut Exchange)) {
        let Self {
            worker,
            recording,
            exchange,
        } = self;
        with(worker, |worker| {
            let recording = recording.get_or_init(|| worker.recording(&Envoy, is_over));
            if let Some(recording) = recording {
                act(worker, recording, exchange);
            }
        });
    }
}

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, is_end: bool) -> Action {
        self.with(false, |worker, recording, exchange| {
            worker.on_request_headers(&Envoy, recording, exchange, is_end);
        });
        Action::Continue
    }

    fn on_http_request_body(&mut self, bytes: usize, _: bool) -> Action {
        self.exchange.on_request_body(&Envoy, bytes);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, is_end: bool) -> Action {
        self.with(true, |worker, recording, exchange| {
            worker.on_response_headers(&Envoy, recording, exchange, is_end);
        });
        Action::Continue
    }

    fn on_http_response_body(&mut self, bytes: usize, _: bool) -> Action {
        self.exchange.on_response_body(&Envoy, bytes);
        Action::Continue
    }

    fn on_log(&mut self) {
        self.with(true, |worker, recording, exchange| {
            worker.on_log(&Envoy, recording, exchange);
        });
    }
}

/// The proxy.
struct Envoy;

impl Host for Envoy {
    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok().flatten()
    }

    fn request_headers(&self) -> Vec<(String, Vec<u8>)> {
        hostcalls::get_map_bytes(MapType::HttpRequestHeaders).unwrap_or_default()
    }

    fn request_header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpRequestHeaders, name)
            .ok()
            .flatten()
    }

    fn set_property(&self, key: &str, value: &[u8]) {
        ignore(hostcalls::set_property(vec![key], Some(value)));
    }

    fn response_headers(&self) -> Vec<(String, Vec<u8>)> {
        hostcalls::get_map_bytes(MapType::HttpResponseHeaders).unwrap_or_default()
    }

    fn response_header(&self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(MapType::HttpResponseHeaders, name)
            .ok()
            .flatten()
    }

    fn body(&self, body: Body, bytes: usize) -> Vec<u8> {
        let kind = match body {
            Body::Request => BufferType::HttpRequestBody,
            Body::Response => BufferType::HttpResponseBody,
        };
        hostcalls::get_buffer(kind, 0, bytes)
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    fn now_ns(&self) -> u64 {
        hostcalls::get_current_time()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| u64::try_from(since.as_nanos()).ok())
            .unwrap_or_default()
    }

    fn call(&self, call: &Call<'_>) -> Result<u32, CallRefused> {
        hostcalls::dispatch_http_call(
            call.cluster,
            call.headers.to_vec(),
            Some(call.body),
            Vec::new(),
            Duration::from_millis(u64::from(call.timeout_ms)),
        )
        .map_err(|status| match status {
            Status::BadArgument => CallRefused::BadArgument,
            _ => CallRefused::Failed,
        })
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        ignore(hostcalls::log(level, message));
    }

    fn count(&self, counter: Counter, by: u64) {
        thread_local! {
            static IDS: [OnceCell<Option<u32>>; Counter::ALL.len()] =
                const { [const { OnceCell::new() }; Counter::ALL.len()] };
        }
        let id = IDS.with(|ids| {
            let define = || hostcalls::define_metric(MetricType::Counter, counter.name()).ok();
            ids.get(counter as usize)
                .and_then(|id| *id.get_or_init(define))
        });
        if let (Some(id), Ok(by)) = (id, i64::try_from(by)) {
            ignore(hostcalls::increment_metric(id, by));
        }
    }

    fn shared(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        hostcalls::get_shared_data(key).unwrap_or_default()
    }

    fn set_shared(&self, key: &str, value: &[u8], mark: Option<u32>) -> bool {
        hostcalls::set_shared_data(key, Some(value), mark).is_ok()
    }
}
