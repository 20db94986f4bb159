//! Ctrl-C and SIGTERM end the demo in order: without this, programs and directories would stay.

use std::sync::Arc;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::traffic::Traffic;

/// From now on a signal stops the traffic, and with it the demo. A second one ends the process.
///
/// # Errors
/// When the system takes no handler.
pub(crate) fn stop_on_signal(traffic: &Arc<Traffic>) -> anyhow::Result<()> {
    let traffic = Arc::clone(traffic);
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _context = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::spawn(move || {
        runtime.block_on(async {
            for _ in 0..2 {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if traffic.is_stopped() {
                    std::process::abort();
                }
                traffic.stop();
            }
        });
    });
    Ok(())
}
