//! The disk fills up, and gets room again.

use gatelog_journal::Error;
use gatelog_testkit::disk::Crash;

use super::world::{READERS, World};

/// Appends until one is refused, and says by what.
fn fill(world: &mut World, journal: &gatelog_journal::Journal) -> Error {
    (0..2000)
        .find_map(|_| world.append(journal, &[150]).err())
        .expect("the disk has an end")
}

/// A world whose disk holds less than the journal may.
fn small() -> World {
    let mut world = World::new();
    world.config.max_bytes = 1 << 20;
    world.config.segment_bytes = 2000;
    world.disk.set_capacity_bytes(20_000);
    world
}

#[test]
fn a_full_disk_refuses_drains_and_takes_again_without_a_restart() {
    let mut world = small();
    let mut opened = world.open().unwrap();
    for round in 0..5 {
        fill(&mut world, &opened.journal);
        // What was taken is there, although the disk is full.
        world
            .is_conserved(&mut opened)
            .unwrap_or_else(|error| panic!("{round}: {}", world.explain(&error)));
        // Whether or not the position could be written: it must not keep room from being made.
        let _told = world.read(&mut opened, &READERS).is_err();
        world
            .append_in_time(&opened.journal)
            .unwrap_or_else(|error| panic!("{round}: {}", world.explain(&error)));
    }
}

#[test]
fn a_journal_on_a_full_disk_survives_every_crash_and_opens_while_it_is_full() {
    let mut world = small();
    let opened = world.open().unwrap();
    fill(&mut world, &opened.journal);
    drop(opened);
    for how in [
        Crash::Process,
        Crash::LoseUnsynced,
        Crash::PowerFailure { seed: 3 },
    ] {
        let mut after = world.after(how);
        // Somebody else has taken what little there was.
        after.disk.set_capacity_bytes(after.disk.used_bytes());
        let refused = after.open().map(|mut opened| {
            after.is_conserved(&mut opened).unwrap();
            drop(after.append(&opened.journal, &[500]));
        });
        assert!(
            refused.is_ok() || matches!(refused, Err(Error::Io { .. })),
            "{refused:?}"
        );
        after.disk.set_capacity_bytes(100_000);
        after
            .survives()
            .unwrap_or_else(|error| panic!("{how:?}: {}", after.explain(&error)));
    }
}

#[test]
fn room_that_others_give_back_is_enough() {
    let mut world = small();
    let mut opened = world.open().unwrap();
    fill(&mut world, &opened.journal);
    for _ in 0..20 {
        assert!(world.append(&opened.journal, &[500]).is_err());
    }
    world.disk.set_capacity_bytes(100_000);
    world.append_in_time(&opened.journal).unwrap();
    assert_eq!(opened.journal.failure(), None);
    world.is_conserved(&mut opened).unwrap();
}

#[test]
fn the_room_of_a_write_that_did_not_fit_is_enough_to_go_on() {
    let mut world = World::new();
    // All that is owed is in one segment, which is the newest and so is never deleted; what the
    // unfinished write has left takes the rest.
    world.config.segment_bytes = 1 << 20;
    world.config.max_bytes = 8 << 20;
    let mut opened = world.open().unwrap();
    world.append(&opened.journal, &[1000]).unwrap();
    world.read(&mut opened, &READERS).unwrap();
    world.disk.set_capacity_bytes(world.disk.used_bytes() + 900);
    assert!(world.append(&opened.journal, &[2000]).is_err());
    world
        .append_in_time(&opened.journal)
        .unwrap_or_else(|error| panic!("{}", world.explain(&error)));
    world.is_conserved(&mut opened).unwrap();
}
