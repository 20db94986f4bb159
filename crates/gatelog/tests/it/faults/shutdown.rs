//! Fault 3: SIGTERM with work inside, within the grace period and beyond it.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::rig::{Rig, start};
use crate::service::setup;

#[test]
fn sigterm_under_load_ends_cleanly_and_keeps_what_was_acknowledged() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    for _ in 0..2 {
        let gatelog = start(&setup(&dir));
        rig.up(&gatelog);
        rig.wait_for_batches(30);
        assert!(gatelog.terminate().unwrap().success());
        rig.down();
    }
    rig.finish_clean(&start(&setup(&dir)));
}

/// A database that takes connections and never says anything: the store cannot end in time. The
/// process ends all the same, and the next one finds everything in the journal.
#[test]
fn a_store_that_hangs_does_not_keep_the_process_from_ending() {
    let dir = TempDir::new().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let dsn = format!("u:p@tcp(127.0.0.1:{port})/d");
    let rig = Rig::new();
    let mut gatelog = start(&setup(&dir).variable("MYSQL_DSN", dsn));
    rig.up(&gatelog);
    rig.wait_for_batches(30);
    let begun = Instant::now();
    gatelog.signal("TERM").unwrap();
    rig.down();
    let status = gatelog.wait_for_end(Duration::from_secs(40)).unwrap();
    assert!(status.success(), "{status}");
    println!("ended after {:?}", begun.elapsed());
    // The lake reads the same journal from its beginning.
    rig.finish_clean(&start(&setup(&dir)));
}
