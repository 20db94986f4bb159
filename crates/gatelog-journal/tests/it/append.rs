//! Appending: durable, in order, refused where it has to be.

use gatelog_journal::{Config, Error, Journal, Position, Recovered};

use crate::journals::{Bench, append, block_on, drain, open_reader, read_all};

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
        (journal.id(), journal.end(), journal.recovered().clone()),
        (id, *ends.last().unwrap(), Recovered::default())
    );
    assert_eq!(read_all(&mut open_reader(&journal, "r")), payloads);
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
    let mut found = read_all(&mut open_reader(&journal, "r"));
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
    assert_eq!(read_all(&mut open_reader(&journal, "r")), [b"nobody waits"]);
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
    let mut reader = open_reader(&journal, "r");
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
    drain(&mut reader);
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
fn several_frames_are_appended_all_or_none() {
    let bench = Bench::new();
    let journal = bench.open();
    let end = block_on(journal.append_all(&[(b"one", 1), (b"two", 2)]).unwrap()).unwrap();
    assert_eq!(end, journal.end());
    let large = vec![7; 40_000];
    let refused = journal
        .append_all(&[(b"three", 1), (&large, 1), (&large, 1)])
        .unwrap_err();
    assert!(matches!(refused, Error::Full { .. }), "{refused}");
    assert!(matches!(
        journal.append_all(&[(b"three", 1), (b"", 0)]),
        Err(Error::FrameSize { .. })
    ));
    append(&journal, b"four");
    assert_eq!(
        read_all(&mut open_reader(&journal, "r")),
        [&b"one"[..], b"two", b"four"]
    );
}

#[test]
fn a_cap_as_small_as_a_segment_does_not_stop_a_journal_whose_readers_keep_up() {
    let bench = Bench::new();
    let config = Config {
        max_bytes: 4096,
        segment_bytes: 4096,
        ..bench.config
    };
    let journal = Journal::open(bench.dir(), config).unwrap();
    let mut reader = open_reader(&journal, "r");
    for _ in 0..50 {
        append(&journal, &[1; 500]);
        drain(&mut reader);
    }
}

#[test]
fn an_acknowledger_wakes_the_appends_of_its_thread_and_not_before_they_are_durable() {
    let bench = Bench::new();
    let config = Config {
        max_bytes: 1 << 20,
        ..bench.config
    };
    let journal = Journal::open(bench.dir(), config).unwrap();
    block_on(async {
        let appends = async {
            for number in 0..100u8 {
                let appended = journal.append(&[number], 1).unwrap();
                let end = appended.await.unwrap();
                assert!(journal.end() >= end);
            }
        };
        tokio::select! {
            () = appends => {}
            () = journal.acknowledger().run() => panic!("the journal is open"),
        }
    });
    assert_eq!(read_all(&mut open_reader(&journal, "r")).len(), 100);
}
