//! Fault 10: no file descriptors left.

use std::net::TcpStream;

use tempfile::TempDir;

use super::rig::{Rig, start};
use crate::service::setup;

/// More connections come than there are descriptors. Those that were accepted are served, the store
/// and the journal go on or begin again, and when the crowd has gone everything is as before.
#[test]
fn more_connections_than_descriptors_lose_nothing() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    let gatelog = start(&setup(&dir).behind("ulimit -n 80"));
    rig.up(&gatelog);
    rig.wait_for_batches(10);
    let port = gatelog.port().unwrap();
    // Beyond the descriptors they wait in the listener's queue.
    let crowd: Vec<_> = (0..120)
        .map_while(|_| TcpStream::connect(("127.0.0.1", port)).ok())
        .collect();
    gatelog.wait_for_log("Too many open files").unwrap();
    // The lanes' connections are there already.
    rig.wait_for_batches(10);
    drop(crowd);
    rig.wait_for_batches(10);
    rig.finish_clean(&gatelog);
}
