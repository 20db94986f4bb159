//! Waiting for conditions.

use std::fmt::Debug;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

/// Polls `probe` until it answers `Ok`, for at most `deadline`.
///
/// # Errors
/// What the probe said last, with what was waited for.
pub fn until<T, E: Debug>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(last) if begun.elapsed() > deadline => {
                anyhow::bail!("waited {deadline:?} for {what}; last: {last:?}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A TCP port that is free at the moment, for programs that cannot be told port 0.
///
/// # Errors
/// When the machine gives out no port.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}
