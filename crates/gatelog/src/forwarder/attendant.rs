//! A thread that serves all outputs.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::watch;

/// The thread. It is told to end when this is dropped, too.
#[derive(Debug)]
pub(super) struct Attendant {
    name: &'static str,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Attendant {
    /// Starts a thread with this name, that runs until it has done what it does when it is to end.
    pub(super) fn start<F: Future<Output = ()>>(
        name: &'static str,
        run: impl FnOnce(watch::Receiver<bool>) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let stop = watch::Sender::new(false);
        let stopped = stop.subscribe();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || runtime.block_on(run(stopped)))?;
        Ok(Self { name, stop, thread })
    }

    /// Ends the thread, and waits for that.
    pub(super) fn join(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!(
                thread = self.name,
                "a thread of the outputs ended in a panic"
            );
        }
    }
}
