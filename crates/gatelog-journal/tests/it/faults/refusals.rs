//! The disk refuses: errors of every kind, once, several times, and until it is mended.

use std::path::Path;

use gatelog_journal::{Error, Journal};
use gatelog_testkit::disk::{Crash, Failure, Fault, Op};

use super::world::{DIR, READERS, World, answer_of, is_poisoned};

/// What an append that opens a segment asks of the disk.
const OF_AN_APPEND: [Op; 6] = [
    Op::Write,
    Op::SyncData,
    Op::SyncAll,
    Op::Create,
    Op::Rename,
    Op::SyncDir,
];

/// Appends until one is refused; each that is taken is durable.
fn append_until_refused(world: &mut World, journal: &Journal) -> Option<Error> {
    // As many as fill some segments, so that each operation is asked for.
    (0..20).find_map(|_| world.append(journal, &[300, 20]).err())
}

#[test]
fn what_fails_is_not_acknowledged_and_is_repaired_without_a_restart() {
    for op in OF_AN_APPEND {
        for failure in [
            Failure::Io,
            Failure::NoSpace,
            Failure::Torn,
            Failure::ReadOnly,
        ] {
            for times in [1, 4] {
                let mut world = World::new();
                let mut opened = world.open().unwrap();
                world.append(&opened.journal, &[100]).unwrap();
                world.disk.fail(Fault::new(op, failure).times(times));
                let refused = append_until_refused(&mut world, &opened.journal);
                let place = format!("{op:?} {failure:?} {times}");
                assert!(
                    refused.as_ref().is_none_or(is_poisoned),
                    "{place}: {refused:?}"
                );
                // It goes on by itself, and nothing is missing, now and after each crash.
                world
                    .append_in_time(&opened.journal)
                    .and_then(|()| world.is_conserved(&mut opened))
                    .unwrap_or_else(|error| panic!("{place}: {}", world.explain(&error)));
                assert_eq!(opened.journal.failure(), None, "{place}");
                for how in [Crash::LoseUnsynced, Crash::PowerFailure { seed: times }] {
                    let mut after = world.after(how);
                    after.survives().unwrap_or_else(|error| {
                        panic!("{place}, {how:?}: {}", after.explain(&error))
                    });
                }
            }
        }
    }
}

#[test]
fn while_the_disk_refuses_nothing_is_acknowledged_and_the_reason_is_told() {
    let mut world = World::new();
    let mut opened = world.open().unwrap();
    world.append(&opened.journal, &[100]).unwrap();
    world
        .disk
        .fail(Fault::new(Op::SyncData, Failure::Io).for_ever());
    world
        .disk
        .fail(Fault::new(Op::SyncAll, Failure::Io).for_ever());
    for _ in 0..50 {
        let refused = world.append(&opened.journal, &[100]).unwrap_err();
        assert!(is_poisoned(&refused), "{refused:?}");
    }
    let told = opened.journal.failure().unwrap();
    assert!(told.contains("os error 5"), "{told}");
    // What was durable before is still read.
    world.is_conserved(&mut opened).unwrap();
    // It ends, though nothing can be written any more.
    drop(opened);
    world.disk.heal();
    world.survives().unwrap();
}

#[test]
fn a_sync_that_failed_is_not_believed_when_it_succeeds_the_second_time() {
    let mut world = World::new();
    let opened = world.open().unwrap();
    world.append(&opened.journal, &[100]).unwrap();
    world
        .disk
        .fail(Fault::new(Op::SyncData, Failure::Io).on(".segment"));
    let refused = world.append(&opened.journal, &[100]).unwrap_err();
    assert!(is_poisoned(&refused));
    world.append_in_time(&opened.journal).unwrap();
    // Only what a sync has really written is left now.
    let mut after = world.after(Crash::LoseUnsynced);
    after.survives().unwrap();
}

#[test]
fn a_start_that_the_disk_refuses_says_so_and_changes_nothing_that_is_owed() {
    let mut world = World::new();
    let opened = world.open().unwrap();
    for _ in 0..20 {
        world.append(&opened.journal, &[200]).unwrap();
    }
    drop(opened);
    let ops = [
        Op::Open,
        Op::Create,
        Op::Read,
        Op::Write,
        Op::SetLength,
        Op::SyncData,
        Op::SyncAll,
        Op::Rename,
        Op::SyncDir,
        Op::List,
    ];
    let failures = [
        Failure::TooManyFiles,
        Failure::Denied,
        Failure::ReadOnly,
        Failure::Io,
        Failure::NoSpace,
    ];
    for op in ops {
        for failure in failures {
            for after in 0..3 {
                let mut world = world.after(Crash::Process);
                // A tail to be cut, so that the start has to write.
                let newest = world.segments().pop().unwrap();
                world.disk.tamper(&newest, |bytes| bytes.extend([7; 50]));
                world.disk.fail(Fault::new(op, failure).after(after));
                let place = format!("{op:?} {failure:?} after {after}");
                match world.open() {
                    Ok(opened) => drop(opened),
                    Err(error) => {
                        assert!(matches!(error, Error::Io { .. }), "{place}: {error:?}");
                    }
                }
                world.disk.heal();
                world
                    .survives()
                    .unwrap_or_else(|error| panic!("{place}: {}", world.explain(&error)));
            }
        }
    }
}

#[test]
fn readers_that_cannot_read_say_so_stay_where_they_are_and_go_on() {
    for (op, failure) in [
        (Op::Read, Failure::Io),
        (Op::Open, Failure::TooManyFiles),
        (Op::Open, Failure::Denied),
    ] {
        let mut world = World::new();
        let mut opened = world.open().unwrap();
        for _ in 0..20 {
            world.append(&opened.journal, &[200]).unwrap();
        }
        world
            .disk
            .fail(Fault::new(op, failure).on(".segment").times(3));
        let refused = (0..3)
            .filter(|_| world.read(&mut opened, &[]).is_err())
            .count();
        assert!(refused > 0, "{op:?}");
        world.disk.heal();
        world.is_conserved(&mut opened).unwrap();
    }
}

#[test]
fn a_position_or_a_deletion_that_fails_is_made_up_for_by_the_next() {
    for (op, suffix) in [
        (Op::Write, ".position"),
        (Op::SyncData, ".position"),
        (Op::Remove, ".segment"),
        (Op::Rename, ""),
        (Op::SyncDir, ""),
    ] {
        let mut world = World::new();
        let mut opened = world.open().unwrap();
        let fault = Fault::new(op, Failure::Io).on(suffix);
        for round in 0..8 {
            for _ in 0..6 {
                world.append_in_time(&opened.journal).unwrap();
            }
            if round == 4 {
                world.disk.fail(fault.clone());
            }
            // It may be refused; the next one makes up for it.
            let _refused = world.read(&mut opened, &READERS).is_err();
        }
        for _ in 0..2 {
            world.read(&mut opened, &READERS).unwrap();
        }
        assert!(
            world.segments().len() <= 2,
            "{op:?}: {:?}",
            world.segments()
        );
        world.is_conserved(&mut opened).unwrap();
        drop(opened);
        world.after(Crash::LoseUnsynced).survives().unwrap();
    }
}

#[test]
fn a_second_process_is_refused_by_the_lock_until_the_first_one_ends() {
    let mut world = World::new();
    let opened = world.open().unwrap();
    world.append(&opened.journal, &[100]).unwrap();
    for _ in 0..3 {
        let refused = world.journal().unwrap_err();
        let Error::Locked { path } = &refused else {
            panic!("{refused:?}");
        };
        assert!(path.starts_with(Path::new(DIR)));
    }
    // The refused ones have spoilt nothing.
    world.append(&opened.journal, &[100]).unwrap();
    drop(opened);
    world.survives().unwrap();
}

#[test]
fn appends_that_wait_for_a_stalled_disk_are_answered_when_it_goes_on_or_fails() {
    let mut world = World::new();
    let opened = world.open().unwrap();
    let stall = world.disk.stall();
    let (number, payload) = world.ledger.payload(100);
    let answer = opened.journal.append(&payload, 1).unwrap();
    assert_eq!(opened.journal.end().get(), 0, "nothing is durable yet");
    drop(stall);
    answer_of(answer).unwrap();
    world.ledger.acknowledge(number);

    let stall = world.disk.stall();
    let (_, payload) = world.ledger.payload(100);
    let answer = opened.journal.append(&payload, 1).unwrap();
    world
        .disk
        .fail(Fault::new(Op::SyncData, Failure::Io).on(".segment"));
    drop(stall);
    assert!(is_poisoned(&answer_of(answer).unwrap_err()));
    drop(opened);
    world.survives().unwrap();
}
