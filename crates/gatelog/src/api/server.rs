//! Accepting connections, and letting them finish.
//!
//! **Shape.** One task accepts, and gives the connections in turn to as many threads as there are
//! processors. A connection stays on its thread: a request is woken by the journal, not by another
//! request, and moving it to another thread then costs a quarter of the processor time it needs in
//! all (measured with 64 connections and single records).
//!
//! **Ending.** Nothing new is accepted, requests have [`GRACE`] to finish, and those that have not are
//! answered by `refuse`; a connection ends with its request.
//!
//! **Limits.** 64 KiB for a request's head. A head must arrive within [`HEAD_TIMEOUT`], which also
//! ends connections that are idle for so long.

use std::convert::Infallible;
use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};

/// Bytes of a request's head, beyond which it is answered 431.
const HEAD_BYTES: usize = 64 << 10;

/// How long a head may take, idle time before it included.
const HEAD_TIMEOUT: Duration = Duration::from_mins(2);

/// How long requests may take to finish when the process ends.
const GRACE: Duration = Duration::from_secs(10);

/// How long it may then take to send their refusals.
const REFUSAL_GRACE: Duration = Duration::from_secs(2);

/// The pause after an error of `accept`, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A thread that serves the connections it is given.
struct Worker {
    streams: mpsc::UnboundedSender<std::net::TcpStream>,
    thread: JoinHandle<()>,
}

/// Answers requests by `handler` until `stop` turns true, then lets requests finish. On each thread
/// the future that `beside` makes is polled, too.
///
/// # Errors
/// When a thread cannot be started; nothing is served then.
pub async fn serve<H, A, F>(
    listener: TcpListener,
    handler: H,
    refuse: fn() -> Response,
    mut stop: watch::Receiver<bool>,
    beside: impl Fn() -> F + Clone + Send + 'static,
) -> io::Result<()>
where
    H: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
    F: Future<Output = ()>,
{
    let count = std::thread::available_parallelism().map_or(1, NonZero::get);
    let workers: Vec<Worker> = (0..count)
        .map(|_| Worker::start(handler.clone(), refuse, beside.clone()))
        .collect::<io::Result<_>>()?;
    for worker in workers.iter().cycle() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let given = match accepted {
            // A worker ends only when its sender is dropped, below.
            Ok((stream, _)) => stream
                .into_std()
                .map(|stream| worker.streams.send(stream).is_ok()),
            Err(error) => Err(error),
        };
        if let Err(error) = given {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
    drop(listener);
    let joined = tokio::task::spawn_blocking(move || {
        let threads: Vec<_> = workers.into_iter().map(|worker| worker.thread).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().err())
            .count()
    });
    if joined.await.is_ok_and(|panicked| panicked > 0) {
        tracing::error!("a thread of the server ended in a panic");
    }
    Ok(())
}

impl Worker {
    fn start<H, A, F>(
        handler: H,
        refuse: fn() -> Response,
        beside: impl Fn() -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        H: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
        F: Future<Output = ()>,
    {
        let (streams, receiver) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let connections = connections(receiver, &handler, refuse);
                    tokio::pin!(connections);
                    tokio::select! {
                        () = &mut connections => {}
                        () = beside() => connections.await,
                    }
                });
            })?;
        Ok(Self { streams, thread })
    }
}

/// Serves each connection that comes, and after the last lets requests finish.
async fn connections<H, A>(
    mut streams: mpsc::UnboundedReceiver<std::net::TcpStream>,
    handler: &H,
    refuse: fn() -> Response,
) where
    H: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder());
    // This thread's alone: a request that waits is put among its waiting, without contention.
    let too_late = Arc::new(Notify::new());
    tokio::spawn(keep_a_timer());
    while let Some(stream) = streams.recv().await {
        // An acknowledgement is one small packet: it must not wait for more.
        let stream = stream
            .set_nodelay(true)
            .and_then(|()| TcpStream::from_std(stream));
        // A client that has gone away already is no event of ours.
        let Ok(stream) = stream else { continue };
        let builder = Arc::clone(&builder);
        let handler = handler.clone();
        let for_requests = Arc::clone(&too_late);
        let service = service_fn(move |request| {
            let answer = handler(request);
            let too_late = Arc::clone(&for_requests);
            async move {
                Ok::<_, Infallible>(tokio::select! {
                    biased;
                    answer = answer => answer,
                    () = too_late.notified() => refuse(),
                })
            }
        });
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let speaks = tokio::time::timeout(HEAD_TIMEOUT, speaks(&stream)).await;
            if !speaks.is_ok_and(|speaks| speaks) {
                return;
            }
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            // Nor is one that goes away in the middle of a request.
            let _finished = watcher.watch(connection.into_owned()).await.is_ok();
        });
    }
    let finished = graceful.shutdown();
    tokio::pin!(finished);
    if tokio::time::timeout(GRACE, &mut finished).await.is_ok() {
        return;
    }
    tracing::warn!(
        seconds = GRACE.as_secs(),
        "requests did not finish in the grace period and are refused"
    );
    too_late.notify_waiters();
    let _all_told = tokio::time::timeout(REFUSAL_GRACE, finished).await.is_ok();
}

/// Waits until the client has said enough to know its version of HTTP, which [`HEAD_TIMEOUT`] does not
/// cover otherwise; false if it leaves.
async fn speaks(stream: &TcpStream) -> bool {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /// Between two looks at a beginning that is both.
    const PAUSE: Duration = Duration::from_millis(50);
    let mut said = [0; PREFACE.len()];
    loop {
        let read = stream.peek(&mut said).await.unwrap_or(0);
        let said = said.get(..read).unwrap_or_default();
        if read == 0 || read == PREFACE.len() || !PREFACE.starts_with(said) {
            return read > 0;
        }
        // What was said stays to be seen when the client has gone.
        let ready = stream.ready(Interest::READABLE).await;
        if !ready.is_ok_and(|ready| !ready.is_read_closed()) {
            return false;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Keeps a timer that is due before every other. tokio wakes its driver, a system call, for a timer
/// that is due before all it knows; without this one, that of each request's head would be.
async fn keep_a_timer() {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(64 << 10);
    builder
}
