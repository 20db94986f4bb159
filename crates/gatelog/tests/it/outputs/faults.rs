//! Outputs that fail for ever or again and again, beside one that is well; and crashes.

use super::*;

/// One that never answers, with a small backlog; one that flaps and is slow; one that is well.
#[test]
fn two_faulty_readers_beside_a_healthy_one() {
    const RECORDS: u64 = 8000;
    const FRAME: u64 = 20;
    let config = Config {
        max_bytes: 3 << 20,
        segment_bytes: 256 << 10,
        ..Config::default()
    };
    let mut rig = Rig::new(config);
    let dead = Receiver::new("dead", |_, _| Does::Hangs);
    let flapping = Receiver::new("flapping", |numbers, delivery| {
        std::thread::sleep(Duration::from_millis(1));
        match delivery % 4 {
            0 => later(0),
            1 => later(numbers.len() / 2),
            _ => Does::Takes,
        }
    });
    let healthy = Receiver::taking("healthy");
    let limited = Settings {
        max_backlog: bytes(512 << 10),
        ..settings()
    };
    // Room for a part of what the dead one gives up.
    rig.start_with(
        3 << 20,
        vec![
            (Arc::clone(&dead), limited),
            (Arc::clone(&flapping), settings()),
            (Arc::clone(&healthy), settings()),
        ],
    );
    let mut most_bytes = 0;
    for first in (0..RECORDS).step_by(usize::try_from(FRAME).unwrap()) {
        assert!(
            rig.append(first..first + FRAME),
            "the journal is full at {first}"
        );
        most_bytes = most_bytes.max(rig.journal.used_bytes());
        // The healthy one keeps up with every frame, whatever the others do; the flapping one is
        // given time, as it may hold the journal to the cap.
        healthy.wait_for(usize::try_from(first + FRAME).unwrap());
        wait_for_lag(&rig, "flapping", 512 << 10);
        wait_for_lag(&rig, "dead", 1 << 20);
    }
    rig.wait_for_end("healthy");
    rig.wait_for_end("flapping");
    wait_for_lag(&rig, "dead", 512 << 10);
    let lag = rig.lag("dead");
    rig.stop();
    let stopped = rig.lag("dead");
    assert_eq!((stopped.records, stopped.bytes), (lag.records, lag.bytes));

    let all: Vec<_> = (0..RECORDS).collect();
    for receiver in [&healthy, &flapping] {
        let seen = receiver.seen();
        assert!(seen == all, "{} of {RECORDS}", seen.len());
    }
    assert!(dead.seen().is_empty());
    // What the dead one has not got is known to the record: the oldest are kept, then dropped when
    // there is no room, and the newest wait.
    let letters = rig.letters("dead");
    let kept = letters.len() as u64;
    let dropped = rig.metric("gatelog_dead_letter_dropped_total", "dead\",reason=\"full");
    assert!(
        kept > 0 && dropped > 0 && lag.records > 0,
        "{kept} {dropped} {lag:?}"
    );
    assert_eq!(kept + dropped + lag.records, RECORDS);
    let given_up = rig.metric("gatelog_output_backlog_total", "dead");
    assert_eq!(given_up, kept + dropped);
    assert!(letters.values().all(|count| *count == 1));
    assert!(letters.keys().map(|(number, _)| *number).eq(0..kept));
    // More went through the journal than it may hold.
    let through = rig.journal.end().get();
    assert!(
        most_bytes <= config.max_bytes && through > 2 * most_bytes,
        "{most_bytes} {through}"
    );
}

fn wait_for_lag(rig: &Rig, output: &str, at_most_bytes: u64) {
    wait::until("an output's backlog to shrink", DEADLINE, || {
        let lag = rig.lag(output);
        if lag.bytes <= at_most_bytes {
            Ok(())
        } else {
            Err(lag)
        }
    })
    .unwrap();
}

/// Of a frame a part is done with, by delivery and by letters: after a restart only the rest comes.
#[test]
fn what_is_done_of_a_frame_does_not_come_again() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("crashed", |numbers, _| match numbers[0] {
        0 | 2 => refused([0], "400"),
        1 => Does::Takes,
        _ => Does::Hangs,
    });
    assert!(rig.append(0..2));
    assert!(rig.append(2..4));
    let single = Settings {
        max_batch_records: 1,
        ..settings()
    };
    rig.start(vec![(Arc::clone(&receiver), single.clone())]);
    wait::until("both letters", DEADLINE, || {
        let letters = rig.letters("crashed");
        if letters.len() == 2 {
            Ok(())
        } else {
            Err(letters)
        }
    })
    .unwrap();
    let mut rig = rig.restart();
    let receiver = Receiver::taking("crashed");
    rig.start(vec![(Arc::clone(&receiver), single)]);
    rig.wait_for_end("crashed");
    assert_eq!(receiver.seen(), [3]);
    let expected = [0, 2].map(|number| ((number, "400".to_owned()), 1));
    assert_eq!(rig.letters("crashed"), expected.into());
}

/// What an output has of a frame is not for the one that has its name later.
#[test]
fn an_output_that_was_gone_begins_anew() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("back", |_, delivery| match delivery {
        1 => Does::Takes,
        _ => Does::Hangs,
    });
    assert!(rig.append(0..20));
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    receiver.wait_for(10);
    wait::until("the second delivery", DEADLINE, || {
        if receiver.deliveries() == 2 {
            Ok(())
        } else {
            Err("not yet")
        }
    })
    .unwrap();
    let mut rig = rig.restart();
    rig.start(Vec::new());
    rig.journal.keep_only(&[]).unwrap();
    let mut rig = rig.restart();
    let receiver = Receiver::taking("back");
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    rig.wait_for_end("back");
    assert_eq!(receiver.seen(), (0..20).collect::<Vec<_>>());
}

/// One that panics when it delivers, and one whose backlog is too large; and then what decides among
/// them panics, on whatever thread it is asked.
#[test]
fn a_panic_is_told_and_ends_no_thread() {
    let mut rig = Rig::new(Config::default());
    let fragile = Receiver::new("fragile", |numbers, delivery| {
        assert!(!(2..6).contains(&delivery), "over {numbers:?}");
        Does::Takes
    });
    let hanging = Receiver::new("hanging", |_, _| Does::Hangs);
    let limited = |limit| Settings {
        max_backlog: bytes(limit),
        ..settings()
    };
    for frame in 0..5 {
        assert!(rig.append(frame * 10..(frame + 1) * 10));
    }
    rig.start(vec![
        (Arc::clone(&fragile), settings()),
        (Arc::clone(&hanging), limited(1 << 10)),
    ]);
    let told = |rig: &Rig, output: &str, words: &str| {
        wait::until("the panic to be told", DEADLINE, || {
            let error = rig.health(output);
            let found = error.clone().filter(|error| error.contains(words));
            found.ok_or(error)
        })
        .unwrap();
    };
    told(&rig, "fragile", "it panicked: over [");
    assert_eq!(fragile.wait_for(50), (0..50).collect::<Vec<_>>());
    rig.wait_for_end("fragile");
    assert_eq!(rig.health("fragile"), None);
    wait_for_lag(&rig, "hanging", 1 << 10);
    // The threads for all of them go on, too.
    let before = rig.letters("hanging").len();
    assert!(rig.append_of("panics", 90..91));
    told(&rig, "fragile", "it panicked: over a record");
    for frame in 10..15 {
        assert!(rig.append(frame * 10..(frame + 1) * 10));
    }
    let expected: Vec<_> = (0..50).chain(90..91).chain(100..150).collect();
    assert_eq!(fragile.wait_for(101), expected);
    wait::until("more letters", DEADLINE, || {
        let letters = rig.letters("hanging").len();
        if letters > before {
            Ok(())
        } else {
            Err(letters)
        }
    })
    .unwrap();
}

#[test]
fn a_delivery_that_hangs_does_not_hold_up_the_end() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("stuck", |_, _| Does::Hangs);
    assert!(rig.append(0..2));
    rig.start(vec![(Arc::clone(&receiver), settings())]);
    wait::until("the delivery", DEADLINE, || {
        if receiver.deliveries() > 0 {
            Ok(())
        } else {
            Err("none")
        }
    })
    .unwrap();
    rig.stop();
    assert_eq!(rig.lag("stuck").records, 2);
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn an_output_does_not_hold_the_journal_because_its_dead_letter_cannot_be_written() {
    let mut rig = Rig::new(Config::default());
    let receiver = Receiver::new("unwritable", |_, _| Does::Hangs);
    let limited = Settings {
        max_backlog: bytes(10 << 10),
        ..settings()
    };
    rig.start(vec![(receiver, limited)]);
    fs::remove_dir(rig.dir.join("dead-letter")).unwrap();
    for frame in 0..10 {
        assert!(rig.append(frame * 10..(frame + 1) * 10));
    }
    wait::until("the backlog to be within its limit", DEADLINE, || {
        let lag = rig.lag("unwritable");
        if lag.bytes <= 10 << 10 {
            Ok(())
        } else {
            Err(lag)
        }
    })
    .unwrap();
    let dropped = rig.metric("gatelog_dead_letter_dropped_total", "reason=\"unwritable");
    assert_eq!(dropped + rig.lag("unwritable").records, 100);
}
