//! The server ends, is full, takes no more connections, or only reads.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use gatelog_testkit::mariadb::MariaDb;
use gatelog_testkit::proxy::Mode;
use tempfile::TempDir;

use super::stage::{MORE_COLUMNS, PASSWORD, RATE, Stage, TABLE, USER};
use crate::faults::disk::may_mount;
use crate::faults::rig::LANES;

#[test]
fn a_database_that_crashes_again_and_again_has_everything_once() {
    let stage = Stage::new();
    for round in 0..4 {
        stage.sql(&format!("SET GLOBAL local_infile = {}", round % 2));
        stage.server.stop().unwrap();
        stage.told("mysql is not available");
        stage.server.resume_service().unwrap();
        stage.recovered();
    }
    assert!(stage.finish().is_empty());
}

#[test]
fn a_database_that_only_reads_for_a_while_is_waited_for() {
    let stage = Stage::new();
    stage.by_both_ways(|stage| {
        stage.sql("SET GLOBAL read_only = 1");
        let told = stage.told("(error 1290)");
        assert!(told.contains("read-only"), "{told}");
        stage.sql("SET GLOBAL read_only = 0");
    });
    assert!(stage.finish().is_empty());
}

#[test]
fn a_database_with_too_many_connections_is_waited_for() {
    let stage = Stage::new();
    // The least that the server takes, and one for root.
    stage.sql("SET GLOBAL max_connections = 10");
    stage.by_both_ways(|stage| {
        stage.proxy.set(Mode::Refuse);
        let mut others = Vec::new();
        let refused = loop {
            assert!(others.len() < 20, "no end of connections");
            let mut other = stage.server.session_of(USER, PASSWORD).unwrap();
            match other.run("SELECT 1") {
                Ok(_) => others.push(other),
                Err(refused) => break refused,
            }
        };
        assert!(refused.to_string().contains("1040"), "{refused}");
        stage.proxy.set(Mode::Pass);
        stage.told("(error 1040)");
        drop(others);
    });
    assert!(stage.finish().is_empty());
}

/// As large as what the table has, and some more.
const DISK_MIB: u64 = 24;

#[test]
fn a_database_without_room_is_waited_for() {
    if !may_mount() {
        println!("skipped: mounting is not permitted here");
        return;
    }
    let small = TempDir::new().unwrap();
    let path = small.path().to_str().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={DISK_MIB}m tmpfs {path} && chmod 777 {path} && exec \"$0\" \"$@\""
    );
    let server = MariaDb::start_wrapped(&["unshare", "-rm", "/bin/sh", "-c", &script]);
    let stage = Stage::with(server.unwrap(), &LANES, RATE, "4s");
    stage.sql(&format!(
        "DROP TABLE access_logs; {TABLE} DATA DIRECTORY = '{path}'; {MORE_COLUMNS}"
    ));
    stage.reconnect();
    stage.begin();
    // The file system is the server's own, and reached through it.
    let filler = format!("/proc/{}/root{path}/filler", stage.server.pid().unwrap());
    stage.by_both_ways(|stage| {
        fill(Path::new(&filler));
        let told = stage.told("(error 1114)");
        assert!(told.starts_with("mysql cannot be used: "), "{told}");
        std::fs::remove_file(&filler).unwrap();
    });
    assert!(stage.finish().is_empty());
}

/// Writes until there is no room for a byte more.
fn fill(path: &Path) {
    let mut file = File::create(path).unwrap();
    let mut bytes = 1 << 20;
    while bytes > 0 {
        if file.write_all(&vec![0; bytes]).is_err() {
            bytes /= 2;
        }
    }
}
