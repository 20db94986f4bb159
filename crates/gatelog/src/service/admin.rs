//! The admin listener's server: small, on the runtime that all else shares.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long requests may take to finish when the process ends.
const GRACE: Duration = Duration::from_secs(2);

/// The server at work.
#[derive(Debug)]
pub(super) struct AdminServer {
    pub(super) address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
}

impl AdminServer {
    /// Answers what comes to the listener.
    pub(super) fn start(listener: TcpListener, router: Router) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let stop = watch::Sender::new(false);
        let mut stopped = stop.subscribe();
        let until_stopped = async move {
            let _stopped = stopped.wait_for(|stop| *stop).await.is_ok();
        };
        let served = axum::serve(listener, router).with_graceful_shutdown(until_stopped);
        Ok(Self {
            address,
            stop,
            task: tokio::spawn(served.into_future()),
        })
    }

    /// Takes no more requests, and lets those under way finish.
    pub(super) async fn stop(mut self) {
        self.stop.send_replace(true);
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
            let _aborted = self.task.await.is_err();
        }
    }
}
