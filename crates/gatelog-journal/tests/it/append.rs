//! Appending: durable, in order, refused where it has to be.

use gatelog_journal::{Config, Error, Journal, Position};

use crate::journals::{Bench, append, block_on, read_all};

#[test]
fn frames_are_read_in_the_order_of_their_positions_after_a_reopen() {
    let bench = Bench::new();
    let journal = bench.open();
    let payloads: Vec<Vec<u8>> = (0..200u32)
        .map(|n| format!("frame {n}").into_bytes())
        .collect();
    let ends: Vec<Position> = payloads
        .iter()
        .map(|payload| append(&journal, payload))
        .collect();
    assert!(ends.is_sorted());
    assert_eq!(journal.end(), *ends.last().unwrap());
    let id = journal.id();
    drop(journal);
    assert!(
        bench.segments().len() > 1,
        "the test is about several segments"
    );

    let journal = bench.open();
    assert_eq!(
        (journal.id(), journal.end(), journal.torn_bytes()),
        (id, *ends.last().unwrap(), 0)
    );
    assert_eq!(read_all(&mut journal.reader("r").unwrap()), payloads);
}

#[test]
fn appends_from_many_threads_are_all_there_once() {
    let bench = Bench::new();
    let config = Config {
        max_bytes: 64 << 20,
        ..bench.config
    };
    let journal = Journal::open(bench.dir(), config).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..8u8 {
            let journal = &journal;
            scope.spawn(move || {
                for number in 0..50u8 {
                    append(journal, &[thread, number]);
                }
            });
        }
    });
    let mut found = read_all(&mut journal.reader("r").unwrap());
    // Those of one thread are in its order.
    for thread in 0..8 {
        let numbers = found
            .iter()
            .filter(|payload| payload[0] == thread)
            .map(|payload| payload[1]);
        assert!(numbers.eq(0..50));
    }
    found.sort();
    found.dedup();
    assert_eq!(found.len(), 400);
}

#[test]
fn a_dropped_answer_does_not_drop_the_frame() {
    let bench = Bench::new();
    let journal = bench.open();
    drop(journal.append(b"nobody waits", 1).unwrap());
    drop(journal);
    let journal = bench.open();
    assert_eq!(
        read_all(&mut journal.reader("r").unwrap()),
        [b"nobody waits"]
    );
}

#[test]
fn a_second_process_is_refused_and_told_why() {
    let bench = Bench::new();
    let journal = bench.open();
    let error = Journal::open(bench.dir(), bench.config).unwrap_err();
    assert!(matches!(error, Error::Locked { .. }));
    assert!(
        error
            .to_string()
            .ends_with("lock is in use by another process"),
        "{error}"
    );
    drop(journal);
    bench.open();
}

#[test]
fn at_the_cap_appends_are_refused_until_a_reader_has_passed_a_segment() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut reader = journal.reader("r").unwrap();
    let payload = [7; 1000];
    let refused = loop {
        match journal.append(&payload, 1) {
            Ok(appended) => block_on(appended).unwrap(),
            Err(error) => break error,
        };
    };
    assert!(
        matches!(
            refused,
            Error::Full {
                max_bytes: 65_536,
                ..
            }
        ),
        "{refused}"
    );
    assert!(journal.is_full());
    let mut end = Position::START;
    while let Some(chunk) = reader.read(1).unwrap() {
        end = chunk.end();
    }
    reader.release(end).unwrap();
    assert_eq!(bench.segments().len(), 1, "the newest stays");
    append(&journal, &payload);
}

#[test]
fn an_empty_frame_is_a_mistake() {
    let bench = Bench::new();
    assert!(matches!(
        bench.open().append(b"", 0),
        Err(Error::FrameSize { length: 0 })
    ));
}

#[test]
fn a_failed_write_poisons_the_journal_and_nothing_is_acknowledged_any_more() {
    let bench = Bench::new();
    let journal = bench.open();
    append(&journal, b"before");
    // The next segment cannot be made: a directory stands where its file would be.
    let next = loop {
        let end = journal.end();
        let taken = bench.dir().join(format!("{:020}.segment", end.get()));
        std::fs::create_dir(&taken).unwrap();
        match block_on(journal.append(&[1; 3000], 1).unwrap()) {
            Ok(_) => std::fs::remove_dir(&taken).unwrap(),
            Err(error) => break error,
        }
    };
    assert!(matches!(next, Error::Poisoned { .. }), "{next}");
    assert!(matches!(
        journal.append(b"after", 1),
        Err(Error::Poisoned { .. })
    ));
    assert!(journal.failure().unwrap().starts_with("create "));
}
