//! The thread that looks after all outputs, whatever their own threads are doing.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use super::tail::Tail;

/// How often it comes by.
const TICK: Duration = Duration::from_millis(250);

/// Starts the thread; it ends when `stop` turns true.
pub(super) fn start(
    tails: Vec<Arc<Tail>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    std::thread::Builder::new()
        .name("output-watcher".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    // Each in turn, so that a long way of one holds up no other.
                    let mut more = false;
                    for tail in &tails {
                        more |= tail.tend();
                    }
                    let pause = if more { Duration::ZERO } else { TICK };
                    let stopped = stop.wait_for(|stop| *stop);
                    if tokio::time::timeout(pause, stopped).await.is_ok() {
                        return;
                    }
                }
            });
        })
}
