//! The power fails, or the process is killed, during every single change of a scripted run.

use anyhow::Context as _;
use gatelog_testkit::disk::{Crash, Failure, Fault, Op};

use super::world::{Opened, READERS, World};

/// A run that goes through everything: appends of all sizes, rotation, deletion, the reuse of
/// segments, a failed sync and its repair. Ends early when the power fails.
fn run(world: &mut World, with_failures: bool) -> anyhow::Result<()> {
    let mut opened = world.open()?;
    for round in 0..6 {
        for lengths in [&[30][..], &[400, 12, 90], &[700], &[13; 9]] {
            world.append(&opened.journal, lengths)?;
        }
        if round % 2 == 1 {
            world.read(&mut opened, &READERS)?;
        }
        if with_failures && round == 2 {
            fail_and_be_repaired(world, &opened)?;
        }
        if round == 3 {
            drop(opened);
            opened = world.open()?;
        }
    }
    world.is_conserved(&mut opened)?;
    // Dropped here: closing is a part of the run.
    Ok(())
}

fn fail_and_be_repaired(world: &mut World, opened: &Opened) -> anyhow::Result<()> {
    // Not a sync of a position, which another thread makes.
    world
        .disk
        .fail(Fault::new(Op::SyncData, Failure::Io).on(".segment"));
    let refused = world.append(&opened.journal, &[50, 300]);
    anyhow::ensure!(refused.is_err(), "a failed sync was acknowledged");
    world.append_in_time(&opened.journal)
}

/// How many changes a run makes.
fn changes(with_failures: bool) -> u64 {
    let mut world = World::new();
    run(&mut world, with_failures).unwrap_or_else(|error| panic!("{}", world.explain(&error)));
    world.disk.changes()
}

/// What may be found after the power failed: everything or nothing of what was not synced, and some
/// parts of it.
fn outcomes(seeds: u64) -> Vec<Crash> {
    let random = (0..seeds).map(|seed| Crash::PowerFailure { seed });
    [Crash::Process, Crash::LoseUnsynced]
        .into_iter()
        .chain(random)
        .collect()
}

/// The world in which the power failed during this change of the run.
fn cut_at(change: u64, with_failures: bool) -> World {
    let mut world = World::new();
    world.disk.fail_power_at(change);
    // That the run ends with an error is no finding, once the power is off.
    let ended = run(&mut world, with_failures);
    if let Err(error) = ended {
        assert!(
            world.disk.is_off(),
            "change {change}: {}",
            world.explain(&error)
        );
    }
    world
}

fn every_crash_is_survived(with_failures: bool, every: usize, seeds: u64) {
    for change in (0..changes(with_failures)).step_by(every) {
        let world = cut_at(change, with_failures);
        for how in outcomes(seeds) {
            let mut after = world.after(how);
            let survived = after.survives();
            survived
                .with_context(|| format!("change {change}, {how:?}"))
                .unwrap_or_else(|error| {
                    panic!("{}\n{}", world.explain(&error), after.explain(&error))
                });
        }
    }
}

#[test]
fn a_crash_during_any_change_loses_nothing() {
    every_crash_is_survived(false, 1, 3);
}

#[test]
fn a_crash_during_a_repair_loses_nothing() {
    every_crash_is_survived(true, 5, 2);
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn a_crash_during_any_change_leaves_nothing_lost_whatever_survives() {
    every_crash_is_survived(false, 1, 60);
    every_crash_is_survived(true, 1, 20);
}

/// A store keeps a reader's position with its rows: the journal must never end before it, or new
/// frames would take the places of those that the store has.
#[test]
fn what_a_reader_has_seen_is_never_taken_back() {
    for change in 0..changes(false) {
        // What the kernel has is seen at the next start, synced or not.
        let mut killed = cut_at(change, false).after(Crash::Process);
        let mut opened = killed.open().unwrap();
        killed.read(&mut opened, &[]).unwrap();
        let seen: Vec<_> = opened
            .readers
            .iter()
            .map(|(_, reader, _)| reader.position())
            .collect();
        for how in outcomes(1) {
            let mut after = killed.after(how);
            let mut again = after.open().unwrap();
            for ((_, reader, _), seen) in again.readers.iter_mut().zip(&seen) {
                let sought = reader.seek(*seen);
                assert!(sought.is_ok(), "change {change}, {how:?}: {sought:?}");
            }
            drop(again);
            after
                .survives()
                .unwrap_or_else(|error| panic!("{}", after.explain(&error)));
        }
    }
}

/// The next start finds names and bytes that only the kernel has. What it appends to them is durable
/// only if they are.
#[test]
fn what_is_acknowledged_after_a_kill_survives_a_power_failure() {
    for change in 0..changes(false) {
        let mut killed = cut_at(change, false).after(Crash::Process);
        let opened = killed.open().unwrap();
        killed.append(&opened.journal, &[40]).unwrap();
        for how in outcomes(1) {
            let mut after = killed.after(how);
            let survived = after.survives();
            survived
                .with_context(|| format!("change {change}, {how:?}"))
                .unwrap_or_else(|error| panic!("{}", after.explain(&error)));
        }
    }
}

/// A crash, and another one while the journal recovers from it.
fn every_second_crash_is_survived(every: usize, seeds: u64) {
    let mut at = 0;
    for change in (0..changes(true)).step_by(every) {
        let world = cut_at(change, true);
        for seed in 0..seeds {
            let how = Crash::PowerFailure { seed };
            let mut whole = world.after(how);
            whole
                .survives()
                .unwrap_or_else(|error| panic!("{}", whole.explain(&error)));
            // The changes take turns: there are too many for all of them.
            at = (at + 1) % whole.disk.changes().max(1);
            let mut first = world.after(how);
            first.disk.fail_power_at(at);
            let ended = first.survives();
            assert!(
                ended.is_ok() || first.disk.is_off(),
                "{}",
                first.explain(&ended.unwrap_err())
            );
            for how in outcomes(2) {
                let mut second = first.after(how);
                second
                    .survives()
                    .with_context(|| format!("change {change}, seed {seed}, then {at}, {how:?}"))
                    .unwrap_or_else(|error| panic!("{}", second.explain(&error)));
            }
        }
    }
}

#[test]
fn a_crash_while_recovering_loses_nothing() {
    every_second_crash_is_survived(7, 2);
}

#[test]
#[ignore = "long: cargo xtask test faults --long"]
fn a_crash_while_recovering_loses_nothing_whatever_survives() {
    every_second_crash_is_survived(1, 30);
}
