//! The caps: what the journal may take, and what has to stay free.

use gatelog_journal::{Config, Error};

use crate::faulty::Faulty;
use crate::journals::{Bench, append, await_that, block_on, drain, open_reader, read_all};

#[test]
fn appends_are_refused_while_the_disk_has_less_than_the_reserve() {
    let mut bench = Bench::new();
    bench.config = Config {
        reserve_bytes: 1000,
        ..bench.config
    };
    let disk = Faulty::default();
    disk.set_free_bytes(Some(999));
    let journal = bench.open_on(&disk);
    let error = journal.append(b"x", 1).unwrap_err();
    assert!(
        matches!(
            error,
            Error::DiskFull {
                free_bytes: 999,
                reserve_bytes: 1000
            }
        ),
        "{error}"
    );
    disk.set_free_bytes(Some(1_000_000));
    // Nobody appends, and still it is looked at again.
    await_that("there is room", || journal.append(b"x", 1).is_ok());
    assert_eq!(journal.failure(), None);
    disk.set_free_bytes(Some(10));
    await_that("it is noticed", || match journal.append(b"y", 1) {
        Ok(appended) => block_on(appended).map(|_| false).unwrap(),
        Err(Error::DiskFull { free_bytes, .. }) => free_bytes == 10,
        Err(error) => panic!("{error}"),
    });
    assert!(journal.is_full());
}

#[test]
fn the_files_never_take_more_than_the_cap() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    let on_disk = || {
        let entries = std::fs::read_dir(bench.dir()).unwrap();
        let files = entries.map(|entry| entry.unwrap());
        let segments = files.filter(|entry| {
            let name = entry.file_name().into_string().unwrap();
            name.contains("segment") || name == "spare"
        });
        segments
            .map(|entry| entry.metadata().unwrap().len())
            .sum::<u64>()
    };
    for round in 0..200usize {
        match journal.append(&vec![1; 1 + round * 37 % 3000], 1) {
            Ok(appended) => drop(block_on(appended).unwrap()),
            Err(Error::Full { used_bytes, .. }) => {
                assert!(used_bytes > 50 << 10, "refused with {used_bytes} in use");
                drain(&mut reader);
            }
            Err(error) => panic!("{error}"),
        }
        assert_eq!(journal.used_bytes(), on_disk());
        assert!(on_disk() <= bench.config.max_bytes);
    }
}

#[test]
fn a_newest_segment_larger_than_others_does_not_keep_the_journal_full() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = open_reader(&journal, "r");
    append(&journal, &vec![1; 50_000]);
    let refused = journal.append(&vec![2; 20_000], 1).unwrap_err();
    assert!(matches!(refused, Error::Full { .. }), "{refused}");
    drain(&mut reader);
    await_that("there is room", || {
        journal.append(&vec![2; 20_000], 1).is_ok()
    });
    append(&journal, &vec![3; 20_000]);
    assert_eq!(read_all(&mut reader).len(), 2);
}
