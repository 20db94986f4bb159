//! One sync for all that wait.

use crate::faulty::{Ask, Faulty};
use crate::journals::{Bench, block_on, open_reader, read_all};

#[test]
fn appends_that_come_during_a_sync_share_the_next_one() {
    let mut bench = Bench::new();
    bench.config.segment_bytes = 1 << 20;
    bench.config.max_bytes = 8 << 20;
    let disk = Faulty::default();
    let journal = bench.open_on(&disk);
    let segment = "00000000000000000000.segment";
    let (writes, syncs) = (
        disk.count(Ask::Write, segment),
        disk.count(Ask::Sync, segment),
    );
    for round in 1..=5 {
        disk.hold_syncs(true);
        let first = journal.append(b"first", 1).unwrap();
        disk.await_held_sync();
        let others: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8u8)
                .map(|thread| {
                    let journal = &journal;
                    let append = move |number: u8| journal.append(&[thread, number], 1).unwrap();
                    scope.spawn(move || (0..25).map(append).collect::<Vec<_>>())
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        disk.hold_syncs(false);
        block_on(async {
            first.await.unwrap();
            for appended in others {
                appended.await.unwrap();
            }
        });
        // One for the first, one for the 200 that came meanwhile.
        assert_eq!(disk.count(Ask::Sync, segment) - syncs, 2 * round);
        assert_eq!(disk.count(Ask::Write, segment) - writes, 2 * round);
    }
    assert_eq!(read_all(&mut open_reader(&journal, "r")).len(), 5 * 201);
}
