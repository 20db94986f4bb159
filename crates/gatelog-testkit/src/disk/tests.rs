//! What the disk promises the tests that use it.

use std::path::Path;

use proptest::prelude::*;

use super::*;

const DIR: &str = "/d";

fn path(name: &str) -> PathBuf {
    Path::new(DIR).join(name)
}

fn create(disk: &SimulatedDisk, name: &str) -> Box<dyn Handle> {
    disk.open(&path(name), Mode::Create).unwrap()
}

/// A file with a durable name and these durable bytes.
fn durable(disk: &SimulatedDisk, name: &str, bytes: &[u8]) -> Box<dyn Handle> {
    let file = create(disk, name);
    file.write_at(bytes, 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new(DIR)).unwrap();
    file
}

fn read(disk: &SimulatedDisk, name: &str) -> Option<Vec<u8>> {
    disk.files().remove(&path(name))
}

fn code(result: io::Result<()>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

#[test]
fn what_was_not_synced_is_lost_with_the_power_and_kept_when_only_the_process_ends() {
    let disk = SimulatedDisk::new(1);
    let file = durable(&disk, "a", b"synced");
    file.write_at(b"SYNCED and more", 0).unwrap();
    create(&disk, "b");
    let (lost, kept) = (disk.crash(Crash::LoseUnsynced), disk.crash(Crash::Process));
    assert_eq!(read(&lost, "a").unwrap(), b"synced");
    assert_eq!(read(&lost, "b"), None);
    assert_eq!(read(&kept, "a").unwrap(), b"SYNCED and more");
    assert_eq!(read(&kept, "b").unwrap(), b"");
    // What the process left to the kernel is still not on the disk.
    assert_eq!(
        read(&kept.crash(Crash::LoseUnsynced), "a").unwrap(),
        b"synced"
    );
}

#[test]
fn what_was_open_before_a_crash_answers_errors() {
    let disk = SimulatedDisk::new(1);
    let file = durable(&disk, "a", b"x");
    let _lock = disk.lock(&path("lock")).unwrap();
    let after = disk.crash(Crash::Process);
    assert!(file.write_at(b"y", 0).is_err() && file.sync_data().is_err() && file.length().is_err());
    assert!(disk.list(Path::new(DIR)).is_err());
    // The lock went with the process.
    assert!(after.lock(&path("lock")).is_ok());
}

#[test]
fn a_failed_sync_leaves_bytes_that_only_a_rewrite_makes_durable() {
    let disk = SimulatedDisk::new(1);
    let file = durable(&disk, "a", b"old");
    disk.fail(Fault::new(Op::SyncData, Failure::Io));
    file.write_at(b"new", 0).unwrap();
    assert_eq!(code(file.sync_data()), Some(5));
    file.sync_data().unwrap();
    let mut seen = [0; 3];
    file.read_at(&mut seen, 0).unwrap();
    assert_eq!(&seen, b"new");
    assert_eq!(read(&disk.0.clone_after(), "a").unwrap(), b"old");
    let file = disk.0.reopened("a");
    file.write_at(b"new", 0).unwrap();
    file.sync_data().unwrap();
    assert_eq!(read(&disk.crash(Crash::LoseUnsynced), "a").unwrap(), b"new");
}

impl Shared {
    /// What a power failure would leave now, without one.
    fn clone_after(&self) -> SimulatedDisk {
        SimulatedDisk::of(self.state().after(Crash::LoseUnsynced))
    }

    fn reopened(self: &Arc<Self>, name: &str) -> Box<dyn Handle> {
        SimulatedDisk(Arc::clone(self))
            .open(&path(name), Mode::Write)
            .unwrap()
    }
}

#[test]
fn faults_are_of_an_operation_a_path_and_a_count() {
    let disk = SimulatedDisk::new(1);
    let (a, b) = (durable(&disk, "a", b"x"), durable(&disk, "b", b"x"));
    let fault = Fault::new(Op::Write, Failure::NoSpace);
    disk.fail(fault.on("a").after(1).times(2));
    let answers: Vec<_> = (0..4).map(|_| a.write_at(b"y", 0).is_ok()).collect();
    assert_eq!(answers, [true, false, false, true]);
    assert!(b.write_at(b"y", 0).is_ok());
    disk.fail(Fault::new(Op::Open, Failure::TooManyFiles).for_ever());
    assert_eq!(code(disk.open(&path("a"), Mode::Read).map(drop)), Some(24));
    disk.heal();
    assert!(disk.open(&path("a"), Mode::Read).is_ok());
}

#[test]
fn a_full_disk_writes_what_fits_and_gives_room_back() {
    let disk = SimulatedDisk::new(1);
    disk.set_capacity_bytes(10);
    let file = create(&disk, "a");
    assert_eq!(code(file.write_at(&[1; 11], 0)), Some(28));
    assert_eq!(file.length().unwrap(), 10);
    // What is there can be written over.
    file.write_at(&[2; 10], 0).unwrap();
    assert_eq!(code(file.set_length(11)), Some(28));
    file.set_length(4).unwrap();
    assert_eq!(disk.free_bytes(Path::new(DIR)).unwrap(), 6);
    disk.remove(&path("a")).unwrap();
    assert_eq!(disk.used_bytes(), 4, "it is still open");
    drop(file);
    assert_eq!(disk.used_bytes(), 0);
}

#[test]
fn the_power_fails_during_the_change_that_is_named() {
    let disk = SimulatedDisk::new(1);
    let file = durable(&disk, "a", b"x");
    disk.fail_power_at(disk.changes() + 1);
    file.write_at(b"y", 0).unwrap();
    assert!(file.sync_data().is_err());
    assert!(disk.is_off());
    let seen: std::collections::BTreeSet<_> = (0..20)
        .map(|seed| read(&disk.crash(Crash::PowerFailure { seed }), "a").unwrap())
        .collect();
    // The sync was under way: both may be found.
    assert_eq!(seen, [b"x".to_vec(), b"y".to_vec()].into());
}

#[test]
fn a_rename_is_seen_old_or_new_and_new_once_the_directory_is_synced() {
    let disk = SimulatedDisk::new(1);
    durable(&disk, "old", b"1");
    durable(&disk, "new", b"2");
    disk.rename(&path("old"), &path("new")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let after = disk.crash(Crash::PowerFailure { seed });
        seen.insert((read(&after, "old"), read(&after, "new")));
    }
    let one = |byte: u8| Some(vec![byte]);
    assert_eq!(seen, [(one(b'1'), one(b'2')), (None, one(b'1'))].into());

    let disk = disk.crash(Crash::Process);
    disk.sync_dir(Path::new(DIR)).unwrap();
    assert_eq!(read(&disk.crash(Crash::LoseUnsynced), "new"), one(b'1'));
}

#[test]
fn a_stalled_sync_returns_when_it_is_let_go() {
    let disk = SimulatedDisk::new(1);
    let file = create(&disk, "a");
    let stall = disk.stall();
    let syncing = std::thread::spawn(move || file.sync_data());
    assert_eq!(disk.count(Op::SyncData), 0);
    drop(stall);
    syncing.join().unwrap().unwrap();
    assert_eq!(disk.count(Op::SyncData), 1);
}

/// One step of a writer of one file.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, Vec<u8>),
    SetLength(usize),
    Sync,
    FailedSync,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..1500, prop::collection::vec(any::<u8>(), 1..1200))
            .prop_map(|(offset, bytes)| Step::Write(offset, bytes)),
        1 => (0usize..2000).prop_map(Step::SetLength),
        2 => Just(Step::Sync),
        1 => Just(Step::FailedSync),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Byte by byte: one that was synced after its last write is that write's, whatever else is lost;
    /// any other is one that was once written there, or zero, or missing.
    #[test]
    fn what_was_synced_is_never_lost_and_nothing_is_invented(
        steps in prop::collection::vec(step(), 0..30),
        seed in any::<u64>(),
    ) {
        const BYTES: usize = 3000;
        let disk = SimulatedDisk::new(seed);
        let file = durable(&disk, "a", b"");
        let mut seen: Vec<u8> = Vec::new();
        let mut written: Vec<Vec<u8>> = vec![vec![0]; BYTES];
        // Written since the last sync, whether that failed or not; and what is sure since then.
        let mut pending = [false; BYTES];
        let mut sure: Vec<Option<u8>> = vec![None; BYTES];
        for step in steps {
            match step {
                Step::Write(offset, bytes) => {
                    file.write_at(&bytes, offset as u64).unwrap();
                    seen.resize(seen.len().max(offset + bytes.len()), 0);
                    for (at, byte) in (offset..).zip(bytes) {
                        (seen[at], pending[at], sure[at]) = (byte, true, None);
                        written[at].push(byte);
                    }
                }
                Step::SetLength(length) => {
                    file.set_length(length as u64).unwrap();
                    seen.resize(length, 0);
                    pending[length..].fill(false);
                    sure[length..].fill(None);
                }
                Step::Sync => {
                    file.sync_data().unwrap();
                    for at in (0..seen.len()).filter(|at| std::mem::take(&mut pending[*at])) {
                        sure[at] = Some(seen[at]);
                    }
                }
                Step::FailedSync => {
                    disk.fail(Fault::new(Op::SyncData, Failure::Io));
                    prop_assert!(file.sync_data().is_err());
                    // No later sync makes these sure.
                    pending.fill(false);
                }
            }
            prop_assert_eq!(&read(&disk, "a").unwrap(), &seen);
        }
        for how in [Crash::PowerFailure { seed }, Crash::LoseUnsynced] {
            let after = read(&disk.crash(how), "a").unwrap();
            for (at, sure) in sure.iter().enumerate() {
                let found = after.get(at).copied();
                prop_assert!(sure.is_none() || *sure == found, "{at}: {found:?}, not {sure:?}");
                prop_assert!(found.is_none_or(|byte| written[at].contains(&byte)), "{at}: {found:?}");
            }
        }
        prop_assert_eq!(read(&disk.crash(Crash::Process), "a").unwrap(), seen);
    }
}
