//! Faults 10 and 21: a data directory that cannot be used, or is used already.

use gatelog_testkit::gatelog::Started;
use tempfile::TempDir;

use super::rig::{Rig, start};
use crate::service::setup;

fn fails(setup: &gatelog_testkit::gatelog::Setup) -> String {
    match setup.start_or_end().unwrap() {
        Started::Ended(status, log) => {
            assert_eq!(status.code(), Some(1), "{log}");
            log
        }
        Started::Listening(_) => panic!("it listens"),
    }
}

#[test]
fn a_second_process_on_one_directory_is_refused_and_the_first_goes_on() {
    let dir = TempDir::new().unwrap();
    let rig = Rig::new();
    let first = start(&setup(&dir));
    rig.up(&first);
    rig.wait_for_batches(10);
    for _ in 0..3 {
        let log = fails(&setup(&dir));
        assert!(log.contains("is in use by another process"), "{log}");
        assert!(log.contains(dir.path().to_str().unwrap()), "{log}");
    }
    rig.wait_for_batches(10);
    rig.finish_clean(&first);
}

/// The superuser may write anywhere, but not through a mount that is read-only.
#[test]
fn a_directory_on_a_read_only_file_system_is_told_and_ends_the_start() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().to_str().unwrap();
    drop(start(&setup(&dir)));
    let mount = format!("mount --bind {path} {path} && mount -o remount,ro,bind {path} {path}");
    if !super::disk::may_mount() {
        println!("skipped: mounting is not permitted here");
        return;
    }
    let script = format!("{mount} && exec \"$0\" \"$@\"");
    let log = fails(&setup(&dir).wrapped(&["unshare", "-rm", "/bin/sh", "-c", &script]));
    assert!(log.contains("Read-only file system"), "{log}");
    assert!(log.contains(path), "{log}");
    // Nothing was spoilt by the attempt.
    drop(start(&setup(&dir)));
}

/// As another user, where we may become one; else as ourselves.
#[test]
fn a_directory_without_the_right_to_write_is_told_and_ends_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let set = |path: &std::path::Path, mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(path, permissions).unwrap();
    };
    set(dir.path(), 0o755);
    std::fs::write(data.join("gatelog.yaml"), "").unwrap();
    set(&data, 0o555);
    let root = rustix_is_root();
    let reachable = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--clear-groups", "test", "-x"])
        .arg(env!("CARGO_BIN_EXE_gatelog"))
        .status()
        .is_ok_and(|status| status.success());
    if root && !reachable {
        println!("skipped: as root, and no other user may run the program");
        return;
    }
    let mut setup =
        gatelog_testkit::gatelog::Setup::new(env!("CARGO_BIN_EXE_gatelog"), data.clone());
    if root {
        setup = setup.wrapped(&["setpriv", "--reuid", "65534", "--clear-groups"]);
    }
    let log = fails(&setup);
    assert!(log.contains("Permission denied"), "{log}");
    assert!(log.contains(data.to_str().unwrap()), "{log}");
    set(&data, 0o755);
}

fn rustix_is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.and_then(|uids| uids.split_whitespace().next()) == Some("0")
}
