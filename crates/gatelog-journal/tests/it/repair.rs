//! A disk that fails: nothing is acknowledged that is not durable, and the journal goes on by itself.

use gatelog_journal::{Error, Journal, TicketState};

use crate::faulty::{Ask, EIO, ENOSPC, Faulty};
use crate::journals::{Bench, append, await_that, block_on, crash, drain, open_reader, read_all};

const FIRST: &str = "00000000000000000000.segment";

fn await_repair(journal: &Journal) {
    await_that("the journal takes appends again", || {
        journal.failure().is_none()
    });
}

fn failed(journal: &Journal, payload: &[u8]) -> gatelog_journal::Ticket {
    let appended = journal.append(payload, 1).unwrap();
    let ticket = appended.ticket();
    let error = block_on(appended).unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error}");
    assert_eq!(journal.state(ticket), TicketState::Failed);
    ticket
}

#[test]
fn after_a_failed_sync_nothing_of_it_is_ever_acknowledged_and_a_fresh_segment_is_begun() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let appended = journal.append(b"before", 1).unwrap();
    let before = appended.ticket();
    let end = block_on(appended).unwrap();
    disk.refuse(Ask::Sync, "segment", EIO);
    let lost = failed(&journal, b"lost");
    let error = journal.append(b"refused", 1).unwrap_err();
    assert!(matches!(error, Error::Poisoned { .. }), "{error}");
    assert!(journal.failure().unwrap().contains("sync "));
    assert_eq!(journal.end(), end);
    // What is durable is read all the while.
    assert_eq!(read_all(&mut open_reader(&journal, "r")), [b"before"]);
    let syncs = disk.count(Ask::Sync, FIRST);

    disk.heal();
    await_repair(&journal);
    let after = journal.append(b"after!", 1).unwrap().ticket();
    assert_eq!(block_on(journal.appended(after)).unwrap(), after.end());
    assert_eq!(after.end().since(end), 28 + 6, "positions are used again");
    assert_eq!(journal.state(before), TicketState::Durable);
    assert_eq!(journal.state(lost), TicketState::Failed);
    assert!(block_on(journal.appended(lost)).is_err());
    assert_eq!(journal.state(after), TicketState::Durable);
    assert_eq!(
        disk.count(Ask::Sync, FIRST),
        syncs,
        "the failed file is not synced again"
    );
    let crashed = crash(&bench);
    for journal in [crashed.open(), journal] {
        let frames = read_all(&mut open_reader(&journal, "r2"));
        assert_eq!(frames, [b"before", b"after!"]);
    }
}

#[test]
fn all_that_wait_and_all_that_is_queued_is_told_of_a_failure() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    disk.hold_syncs(true);
    let under_way = journal.append(b"under way", 1).unwrap();
    disk.await_held_sync();
    let queued = journal.append(b"queued", 1).unwrap();
    disk.refuse(Ask::Sync, "segment", EIO);
    disk.hold_syncs(false);
    let answers = block_on(async {
        tokio::select! {
            answers = async { tokio::join!(under_way, queued) } => answers,
            () = journal.acknowledger().run() => panic!("the journal is open"),
        }
    });
    assert!(
        matches!(answers.0, Err(Error::Poisoned { .. })),
        "{answers:?}"
    );
    assert!(
        matches!(answers.1, Err(Error::Poisoned { .. })),
        "{answers:?}"
    );
}

#[test]
fn a_failure_before_the_first_frame_of_a_segment_has_its_file_replaced() {
    for ask in [Ask::Write, Ask::Sync] {
        let bench = Bench::new();
        let disk = Faulty::default();
        let journal = bench.open_on(&disk);
        disk.refuse(ask, "segment", EIO);
        failed(&journal, b"lost");
        disk.heal();
        await_repair(&journal);
        append(&journal, b"after");
        assert_eq!(bench.segments().len(), 1);
        assert_eq!(read_all(&mut open_reader(&journal, "r")), [b"after"]);
        drop(journal);
        assert_eq!(read_all(&mut open_reader(&bench.open(), "r")), [b"after"]);
    }
}

#[test]
fn a_rotation_that_fails_at_any_step_is_repaired() {
    for (ask, part) in [
        (Ask::Open, "segment.new"),
        (Ask::Write, "segment.new"),
        (Ask::Sync, "segment.new"),
        (Ask::Rename, "segment"),
        (Ask::SyncDir, ""),
    ] {
        let bench = Bench::new();
        let disk = Faulty::default();
        let journal = bench.open_on(&disk);
        append(&journal, &[1; 3000]);
        disk.refuse(ask, part, EIO);
        failed(&journal, &[2; 3000]);
        disk.heal();
        await_repair(&journal);
        append(&journal, &[3; 3000]);
        let frames = read_all(&mut open_reader(&journal, "r"));
        assert_eq!(frames, [vec![1; 3000], vec![3; 3000]], "{ask:?}");
    }
}

#[test]
fn it_tries_until_it_succeeds_and_closing_ends_that_at_once() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    append(&journal, b"before");
    disk.refuse(Ask::Sync, "segment", EIO);
    failed(&journal, b"lost");
    disk.refuse(Ask::Open, "segment.new", EIO);
    let tried = || disk.count(Ask::Open, "segment.new");
    let first = tried();
    await_that("it tries again", || tried() >= first + 3);
    assert!(journal.failure().unwrap().starts_with("create "));
    // It is in a pause of nearly a second by now, and does not sit it out.
    let before = tried();
    drop(journal);
    assert!(tried() <= before + 1);
    let frames = read_all(&mut open_reader(&bench.open(), "r"));
    // The process ended before it could go on: then what failed may be there.
    assert_eq!(frames[0], b"before");
}

#[test]
fn with_the_disk_full_readers_drain_and_that_makes_room() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let mut reader = open_reader(&journal, "r");
    for _ in 0..10 {
        append(&journal, &[1; 1000]);
    }
    disk.refuse(Ask::Write, "", ENOSPC);
    let lost = failed(&journal, &[2; 1000]);
    // Positions cannot be written, but what was read is given back.
    read_all(&mut reader);
    let error = reader.release(reader.position()).unwrap_err();
    assert!(error.to_string().starts_with("write "), "{error}");
    assert_eq!(bench.segments().len(), 1);
    assert_eq!(reader.lag().bytes, 0);
    disk.heal();
    await_repair(&journal);
    append(&journal, &[3; 1000]);
    assert_eq!(read_all(&mut reader), [[3; 1000]]);
    assert_eq!(journal.state(lost), TicketState::Failed);
    // The position is made up for.
    await_that("the position is on disk", || {
        let crashed = crash(&bench);
        let later = crashed.open();
        open_reader(&later, "r").position() == reader.handle().released()
    });
}

#[test]
fn failures_one_after_the_other_keep_every_ticket_exact() {
    let bench = Bench::new();
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let mut tickets = Vec::new();
    for round in 0..4u8 {
        let appended = journal.append(&[round; 40], 1).unwrap();
        tickets.push((appended.ticket(), TicketState::Durable));
        block_on(appended).unwrap();
        disk.refuse(Ask::Sync, "segment", EIO);
        tickets.push((failed(&journal, &[100 + round; 40]), TicketState::Failed));
        disk.heal();
        await_repair(&journal);
    }
    for (ticket, state) in tickets {
        assert_eq!(journal.state(ticket), state);
    }
    let frames = read_all(&mut open_reader(&journal, "r"));
    assert_eq!(frames, [[0; 40], [1; 40], [2; 40], [3; 40]]);
    drain(&mut open_reader(&journal, "r"));
    assert_eq!(bench.segments().len(), 1);
}
