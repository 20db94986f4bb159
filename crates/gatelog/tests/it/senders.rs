//! Senders that number their records: what they repeat is recognised, what they lose is told.

use std::time::Duration;

use gatelog_testkit::gatelog::Gatelog;
use gatelog_testkit::wait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{lines, setup, start};

/// How long a number may be awaited before it counts as lost.
const GRACE: Duration = Duration::from_secs(10);

/// Posts a body of worker `worker` whose first item has the number `sequence`.
fn send(gatelog: &Gatelog, worker: &str, sequence: u64, body: &str) -> (u16, Value) {
    let headers = [
        ("gatelog-sender", "gw-1"),
        ("gatelog-boot", "1a2b"),
        ("gatelog-worker", worker),
        ("gatelog-sequence", &sequence.to_string()),
        ("gatelog-dropped", "0"),
    ];
    post(gatelog, &headers, body)
}

fn post(gatelog: &Gatelog, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let (status, answer) = gatelog.ingest_with(headers, body.as_bytes()).unwrap();
    let parsed = serde_json::from_str(&answer);
    (
        status,
        parsed.unwrap_or_else(|_| panic!("not JSON: {answer}")),
    )
}

/// The records with these numbers, under these numbers.
fn send_records(gatelog: &Gatelog, numbers: std::ops::Range<u64>) -> (u16, Value) {
    send(gatelog, "0", numbers.start, &lines(numbers))
}

fn accepted(records: u64) -> (u16, Value) {
    (200, json!({"accepted": records}))
}

fn duplicates(records: u64) -> (u16, Value) {
    (200, json!({"accepted": 0, "duplicates": records}))
}

/// The workers that `GET /senders` tells.
fn senders(gatelog: &Gatelog) -> Vec<Value> {
    let (status, body) = gatelog.get("/senders").unwrap();
    assert_eq!(status, 200, "{body}");
    let mut listing: Value = serde_json::from_str(&body).unwrap();
    match listing["senders"].take() {
        Value::Array(senders) => senders,
        other => panic!("{other}"),
    }
}

#[test]
fn a_repeated_batch_is_recognised_also_after_a_start() {
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    assert_eq!(send_records(&gatelog, 0..50), accepted(50));
    assert_eq!(send_records(&gatelog, 0..50), duplicates(50));
    assert!(gatelog.terminate().unwrap().success());

    let gatelog = setup(&dir).start().unwrap();
    assert_eq!(send_records(&gatelog, 0..50), duplicates(50));
    assert_eq!(send_records(&gatelog, 50..100), accepted(50));
    // The checkpoint knows nothing of the second batch.
    gatelog.kill().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    assert_eq!(send_records(&gatelog, 0..100), duplicates(100));
    gatelog.kill().unwrap();

    for damage in [true, false] {
        let checkpoint = dir.path().join("senders/checkpoint");
        if damage {
            std::fs::write(&checkpoint, "nonsense").unwrap();
        } else {
            std::fs::remove_file(&checkpoint).unwrap();
        }
        let gatelog = setup(&dir).start().unwrap();
        gatelog
            .wait_for_log("no checkpoint of the senders")
            .unwrap();
        assert_eq!(send_records(&gatelog, 0..100), duplicates(100));
        gatelog.kill().unwrap();
    }
    let gatelog = setup(&dir).start().unwrap();
    let known = &senders(&gatelog)[0];
    assert_eq!(
        (&known["received"], &known["missing"]),
        (&json!(100), &json!(0))
    );
    gatelog.wait_for_rows("", 100).unwrap();
    assert_eq!(gatelog.all_rows("").unwrap().len(), 100);
}

#[test]
fn the_window_has_12_000_batches_with_gaps() {
    const BATCHES: u64 = 12_000;
    const THREADS: usize = 24;
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    let record = |number: u64| lines(number..number + 1);
    std::thread::scope(|scope| {
        for first in (0..BATCHES).take(THREADS) {
            let gatelog = &gatelog;
            scope.spawn(move || {
                for batch in (first..BATCHES).step_by(THREADS) {
                    assert_eq!(send(gatelog, "0", batch * 2, &record(batch)), accepted(1));
                }
            });
        }
    });
    assert_eq!(send(&gatelog, "0", 0, &record(0)), duplicates(1));
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).start().unwrap();
    for batch in [0, 1, BATCHES / 2, BATCHES - 1] {
        assert_eq!(
            send(&gatelog, "0", batch * 2, &record(batch)),
            duplicates(1)
        );
    }
    let known = &senders(&gatelog)[0];
    assert_eq!(known["received"], json!(BATCHES));
    let outstanding = known["missing"].as_u64().unwrap() + known["awaited"].as_u64().unwrap();
    assert_eq!(outstanding, BATCHES - 1);
    assert_eq!(known["gaps"].as_array().unwrap().len(), 100);
    gatelog.wait_for_rows("", BATCHES).unwrap();
}

#[test]
fn copies_that_come_at_once_are_stored_once() {
    let service = start();
    let answers: Vec<(u16, Value)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| send_records(&service, 0..500)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let of = |answer| answers.iter().filter(|found| **found == answer).count();
    assert_eq!(
        (of(accepted(500)), of(duplicates(500))),
        (1, 15),
        "{answers:?}"
    );
    service.wait_for_rows("", 500).unwrap();
}

#[test]
fn the_order_does_not_matter_and_of_an_overlap_the_rest_is_taken() {
    let service = start();
    assert_eq!(send_records(&service, 100..150), accepted(50));
    assert_eq!(send_records(&service, 0..50), accepted(50));
    assert_eq!(
        send_records(&service, 25..125),
        (200, json!({"accepted": 50, "duplicates": 50}))
    );
    assert_eq!(send_records(&service, 0..150), duplicates(150));
    service.wait_for_rows("", 150).unwrap();
    let mut paths: Vec<_> = service.all_rows("").unwrap();
    paths.sort_by_key(|row| row["path"].to_string());
    paths.dedup_by_key(|row| row["path"].to_string());
    assert_eq!(paths.len(), 150, "each number once");
}

#[test]
fn a_body_of_several_frames_is_recognised_in_whole_and_in_part() {
    let service = start();
    assert_eq!(send_records(&service, 1000..1500), accepted(500));
    let all = lines(0..2000);
    assert!(all.len() > 2 << 20);
    let (status, answer) = send(&service, "0", 0, &all);
    assert_eq!(
        (status, answer),
        (200, json!({"accepted": 1500, "duplicates": 500}))
    );
    assert_eq!(send(&service, "0", 0, &all), duplicates(2000));
    service.wait_for_rows("", 2000).unwrap();
}

#[test]
fn refused_items_have_numbers_and_are_named_again() {
    let service = start();
    let body = format!("{}7\n{}", lines(0..2), lines(3..5));
    let (status, first) = send(&service, "0", 0, &body);
    assert_eq!((status, &first["accepted"]), (200, &json!(4)));
    let (status, again) = send(&service, "0", 0, &body);
    assert_eq!(
        (status, &again["accepted"], &again["duplicates"]),
        (200, &json!(0), &json!(4))
    );
    assert_eq!(again["rejected"], first["rejected"]);
    assert_eq!(again["rejected"][0]["index"], json!(2));
    // The number behind the last item, refused or not, is free.
    assert_eq!(send_records(&service, 5..6), accepted(1));
    let known = &senders(&service)[0];
    assert_eq!(
        (&known["received"], &known["refused"], &known["awaited"]),
        (&json!(5), &json!(1), &json!(0))
    );
    // Of what is new, the part behind an item that is refused keeps its number.
    let (_, more) = send(
        &service,
        "0",
        4,
        &format!("{}7\n{}", lines(4..6), lines(7..9)),
    );
    assert_eq!(
        (&more["accepted"], &more["duplicates"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(send_records(&service, 7..9), duplicates(2));
    service.wait_for_rows("", 7).unwrap();
    // Where all are refused, there is nothing to know.
    assert_eq!(send(&service, "0", 100, "7\n8\n").0, 400);
    assert_eq!(send_records(&service, 100..102), accepted(2));
}

#[test]
fn the_number_of_a_refused_item_is_free_for_the_mended_one() {
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    let bad = |first: u64| {
        let (before, behind) = (lines(first..first + 2), lines(first + 3..first + 5));
        format!("{before}7\n{behind}")
    };
    let known = |gatelog: &Gatelog| {
        let known = senders(gatelog)[0].clone();
        let number = |key: &str| known[key].as_u64().unwrap_or_default();
        let missing = number("missing") + number("awaited");
        (number("received"), number("refused"), missing)
    };
    for first in [0, 5, 10] {
        assert_eq!(send(&gatelog, "0", first, &bad(first)).1["accepted"], 4);
    }
    // All of a body, which leaves nothing in the journal.
    assert_eq!(send(&gatelog, "0", 15, "7\n8\n").0, 400);
    assert_eq!(known(&gatelog), (12, 5, 0));
    // Mended at once, after a start with the last checkpoint, and after one without.
    assert_eq!(
        send_records(&gatelog, 0..5),
        (200, json!({"accepted": 1, "duplicates": 4}))
    );
    assert_eq!(send_records(&gatelog, 0..5), duplicates(5));
    assert_eq!(known(&gatelog), (13, 4, 0));
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).start().unwrap();
    assert_eq!(send(&gatelog, "0", 5, &bad(5)).1["duplicates"], 4);
    assert_eq!(known(&gatelog), (13, 4, 0));
    assert_eq!(send_records(&gatelog, 7..8), accepted(1));
    assert_eq!(send_records(&gatelog, 5..10), duplicates(5));
    gatelog.kill().unwrap();
    std::fs::remove_file(dir.path().join("senders/checkpoint")).unwrap();
    let gatelog = setup(&dir).start().unwrap();
    assert_eq!(send_records(&gatelog, 0..10), duplicates(10));
    assert_eq!(send(&gatelog, "0", 10, &bad(10)).1["duplicates"], 4);
    assert_eq!(
        send_records(&gatelog, 10..17),
        (200, json!({"accepted": 3, "duplicates": 4}))
    );
    assert_eq!(known(&gatelog), (17, 0, 0));
    gatelog.wait_for_rows("", 17).unwrap();
}

#[test]
fn another_body_under_a_key_is_refused_and_not_called_a_repetition() {
    let dir = TempDir::new().unwrap();
    let key = [("idempotency-key", "k")];
    let one = lines(0..3);
    let other = one.replacen("HTTP/1.1", "HTTP/1.0", 1);
    assert!(one != other && one.len() == other.len());
    let gatelog = setup(&dir).start().unwrap();
    // Nothing is known of a key whose body was refused.
    assert_eq!(post(&gatelog, &key, "7\n").0, 400);
    assert_eq!(post(&gatelog, &key, &one), accepted(3));
    let refused = |gatelog: &Gatelog| {
        let (status, answer) = post(gatelog, &key, &other);
        let told = answer["error"].as_str().unwrap();
        assert!(
            told.contains("another body was sent with this key"),
            "{told}"
        );
        assert_eq!((status, &answer["accepted"]), (422, &json!(0)));
        let packed = zstd::bulk::compress(one.as_bytes(), 1).unwrap();
        let headers = [key[0], ("content-encoding", "zstd")];
        let (status, answer) = gatelog.ingest_with(&headers, &packed).unwrap();
        assert_eq!(
            (status, answer.as_str()),
            (200, r#"{"accepted":0,"duplicates":3}"#)
        );
    };
    refused(&gatelog);
    gatelog.kill().unwrap();
    // Told by the frame, then by the checkpoint.
    let gatelog = setup(&dir).start().unwrap();
    refused(&gatelog);
    assert!(gatelog.terminate().unwrap().success());
    let gatelog = setup(&dir).start().unwrap();
    refused(&gatelog);
    assert_eq!(
        post(&gatelog, &[("idempotency-key", "l")], &other),
        accepted(3)
    );
    gatelog.wait_for_rows("", 6).unwrap();
}

#[test]
fn an_idempotency_key_stands_for_the_body() {
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    let key = [(
        "Idempotency-Key",
        "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"",
    )];
    assert_eq!(post(&gatelog, &key, &lines(0..5)), accepted(5));
    assert_eq!(post(&gatelog, &key, &lines(0..5)), duplicates(5));
    gatelog.kill().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    assert_eq!(post(&gatelog, &key, &lines(0..5)), duplicates(5));
    assert_eq!(
        post(&gatelog, &[("idempotency-key", "b")], &lines(5..9)),
        accepted(4)
    );
    // A sender's numbers win.
    let both = [
        ("gatelog-sender", "s"),
        ("gatelog-boot", "b"),
        ("gatelog-worker", "w"),
        ("gatelog-sequence", "0"),
        ("idempotency-key", "b"),
    ];
    assert_eq!(post(&gatelog, &both, &lines(9..10)), accepted(1));
    assert_eq!(post(&gatelog, &both, &lines(9..10)), duplicates(1));
    assert_eq!(senders(&gatelog).len(), 1, "keys are no senders");
    gatelog.wait_for_rows("", 10).unwrap();
    let (_, metrics) = gatelog.get("/metrics").unwrap();
    assert!(
        metrics.contains("gatelog_records_duplicate_total 6\n"),
        "{metrics}"
    );
}

#[test]
fn who_gets_the_headers_wrong_is_told_and_nothing_is_journaled() {
    let service = start();
    let whole = [
        ("gatelog-sender", "s"),
        ("gatelog-boot", "b"),
        ("gatelog-worker", "w"),
        ("gatelog-sequence", "18446744073709551614"),
    ];
    for missing in 0..whole.len() {
        let mut headers = whole.to_vec();
        let (name, _) = headers.remove(missing);
        let (status, answer) = post(&service, &headers, &lines(0..1));
        let error = answer["error"].as_str().unwrap();
        assert!(
            status == 400 && error.starts_with(&format!("{name}: missing")),
            "{error}"
        );
    }
    for (name, value) in [
        ("gatelog-sequence", "x"),
        ("gatelog-dropped", "-1"),
        ("gatelog-boot", ""),
        ("idempotency-key", ""),
    ] {
        let mut headers = whole.to_vec();
        headers.retain(|(other, _)| *other != name && !name.starts_with("idem"));
        headers.push((name, value));
        let (status, answer) = post(&service, &headers, &lines(0..1));
        let error = answer["error"].as_str().unwrap();
        assert!(
            status == 400 && error.starts_with(&format!("{name}: expected")),
            "{error}"
        );
    }
    let (status, answer) = post(&service, &whole, &lines(0..2));
    let error = answer["error"].as_str().unwrap();
    assert!(status == 400 && error.starts_with("gatelog-sequence: 18446744073709551614 with 2"));
    assert_eq!(post(&service, &whole, &lines(0..1)), accepted(1));
    service.wait_for_rows("", 1).unwrap();
}

#[test]
fn what_does_not_come_is_told_with_its_numbers() {
    let dir = TempDir::new().unwrap();
    let gatelog = setup(&dir).start().unwrap();
    assert_eq!(send(&gatelog, "7", 10, &lines(0..10)), accepted(10));
    assert_eq!(send(&gatelog, "7", 40, &lines(10..20)), accepted(10));
    let known = &senders(&gatelog)[0];
    for (key, value) in [
        ("sender", json!("gw-1")),
        ("boot", json!("1a2b")),
        ("worker", json!("7")),
        ("received", json!(20)),
        ("missing", json!(0)),
        ("awaited", json!(30)),
        ("gaps", json!([])),
    ] {
        assert_eq!(known[key], value, "{key}: {known}");
    }
    // Late, but it came.
    assert_eq!(send(&gatelog, "7", 20, &lines(20..25)), accepted(5));
    let headers = [
        ("gatelog-sender", "gw-1"),
        ("gatelog-boot", "1a2b"),
        ("gatelog-worker", "7"),
        ("gatelog-sequence", "45"),
        ("gatelog-dropped", "25"),
    ];
    let (_, answer) = post(&gatelog, &headers, &lines(15..25));
    assert_eq!(answer, json!({"accepted": 5, "duplicates": 5}));
    let known = wait::until("the grace to end", GRACE * 3, || {
        let known = senders(&gatelog)[0].clone();
        if known["missing"] == json!(25) {
            Ok(known)
        } else {
            Err(known)
        }
    })
    .unwrap();
    let gaps: Vec<_> = known["gaps"].as_array().unwrap().iter().collect();
    let runs: Vec<_> = gaps
        .iter()
        .map(|gap| (gap["first"].as_u64(), gap["last"].as_u64()))
        .collect();
    assert_eq!(runs, [(Some(25), Some(39)), (Some(0), Some(9))]);
    assert!(gaps[0]["noticed"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        (&known["awaited"], &known["duplicates"]),
        (&json!(0), &json!(5))
    );
    let labels = r#"{sender="gw-1",boot="1a2b",worker="7"}"#;
    let metrics = gatelog.get("/metrics").unwrap().1;
    for (name, value) in [
        ("gatelog_sender_received_total", 30),
        ("gatelog_sender_missing", 25),
        ("gatelog_sender_dropped_total", 25),
        ("gatelog_sender_duplicates_total", 5),
    ] {
        let line = format!("{name}{labels} {value}\n");
        assert!(metrics.contains(&line), "{line} in {metrics}");
    }
    gatelog
        .wait_for_log("records of a sender did not arrive")
        .unwrap();
    assert!(gatelog.terminate().unwrap().success());
    // A start changes nothing, and a gap that is closed is gone.
    let gatelog = setup(&dir).start().unwrap();
    let after = senders(&gatelog)[0].clone();
    assert_eq!(
        (&after["missing"], &after["gaps"]),
        (&json!(25), &known["gaps"])
    );
    assert_eq!(send(&gatelog, "7", 0, &lines(30..40)), accepted(10));
    let known = &senders(&gatelog)[0];
    assert_eq!(
        (&known["missing"], known["gaps"].as_array().unwrap().len()),
        (&json!(15), 1)
    );
}

#[test]
fn the_listing_is_bounded_and_newest_first() {
    let service = start();
    for worker in 0..5 {
        send(&service, &worker.to_string(), 0, &lines(worker..worker + 1));
    }
    send(&service, "2", 1, &lines(7..8));
    let (status, body) = service.get("/senders?limit=3").unwrap();
    let listing: Value = serde_json::from_str(&body).unwrap();
    let workers: Vec<_> = listing["senders"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["worker"])
        .collect();
    assert_eq!((status, &listing["total"]), (200, &json!(5)));
    assert_eq!(workers, [&json!("2"), &json!("4"), &json!("3")]);
    for (query, error) in [
        ("limit=0", "limit: "),
        ("limit=1001", "limit: "),
        ("limit=x", "limit: "),
        ("sort=x", "sort: no such parameter"),
    ] {
        let (status, body) = service.get(&format!("/senders?{query}")).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        let told = answer["error"].as_str().unwrap();
        assert!(status == 400 && told.starts_with(error), "{query}: {told}");
    }
}

mod faults {
    use super::*;

    /// The process ends at each step of a checkpoint.
    #[test]
    fn a_crash_in_a_checkpoint_forgets_nothing() {
        let dir = TempDir::new().unwrap();
        let mut next = 0;
        for failpoint in gatelog::senders::FAILPOINTS {
            // The first one is written at the start, the second one at the end.
            let kill = setup(&dir).variable("FAILPOINT", format!("{failpoint}=kill@2"));
            let gatelog = kill.start().unwrap();
            assert_eq!(send_records(&gatelog, next..next + 10), accepted(10));
            let ended = gatelog.terminate().unwrap();
            assert!(!ended.success(), "{failpoint}: {ended}");
            next += 10;
            let gatelog = setup(&dir).start().unwrap();
            assert_eq!(
                send_records(&gatelog, 0..next),
                duplicates(next),
                "{failpoint}"
            );
            gatelog.kill().unwrap();
        }
    }

    /// What lies behind the last checkpoint is read beside serving.
    #[test]
    fn a_start_with_much_behind_the_checkpoint_answers_at_once_and_forgets_nothing() {
        const BATCH: u64 = 5000;
        const BATCHES: u64 = 10;
        let dir = TempDir::new().unwrap();
        let full = setup(&dir).variable("FAILPOINT", "senders.checkpoint_write=enospc@1x1000");
        let gatelog = full.start().unwrap();
        for first in (0..BATCHES).map(|batch| batch * BATCH) {
            assert_eq!(
                send_records(&gatelog, first..first + BATCH),
                accepted(BATCH)
            );
        }
        gatelog.kill().unwrap();
        let gatelog = setup(&dir).start().unwrap();
        assert_eq!(gatelog.get("/health").unwrap().0, 200);
        // They wait until it is known.
        let last = (BATCHES - 1) * BATCH;
        assert_eq!(
            send_records(&gatelog, last..last + BATCH),
            duplicates(BATCH)
        );
        let known = "what senders have sent is known";
        gatelog.wait_for_log(known).unwrap();
        let log = gatelog.log();
        let line = |text: &str| {
            let found = log.iter().position(|line| line.contains(text));
            found.unwrap_or_else(|| panic!("{text} in {log:?}"))
        };
        assert!(line("gatelog is listening") < line(known));
        gatelog.wait_for_rows("", BATCHES * BATCH).unwrap();
    }

    #[test]
    fn a_disk_without_room_for_checkpoints_forgets_nothing_that_the_journal_has() {
        let dir = TempDir::new().unwrap();
        let full = setup(&dir).variable("FAILPOINT", "senders.checkpoint_write=enospc@1x1000");
        let gatelog = full.start().unwrap();
        assert_eq!(send_records(&gatelog, 0..10), accepted(10));
        gatelog
            .wait_for_log("the checkpoint of the senders cannot be")
            .unwrap();
        assert!(gatelog.terminate().unwrap().success());
        let gatelog = full.start().unwrap();
        assert_eq!(
            send_records(&gatelog, 0..20),
            (200, json!({"accepted": 10, "duplicates": 10}))
        );
        gatelog.kill().unwrap();
        let gatelog = setup(&dir).start().unwrap();
        assert_eq!(send_records(&gatelog, 0..20), duplicates(20));
    }

    /// Syncs fail for a while: what was refused was not taken, whoever repeated it meanwhile.
    #[test]
    fn what_failed_in_flight_is_taken_when_it_comes_again() {
        let dir = TempDir::new().unwrap();
        let failing = setup(&dir).variable("FAILPOINT", "journal.sync=eio@3x3");
        let gatelog = failing.start().unwrap();
        let mut refused = 0;
        for first in (0..100).step_by(10) {
            // Four copies at once, each sent until it is taken.
            let refusals: Vec<u32> = std::thread::scope(|scope| {
                let copy = || send_until_taken(&gatelog, first..first + 20);
                let copies: Vec<_> = (0..4).map(|_| scope.spawn(copy)).collect();
                let ended = copies.into_iter().map(|copy| copy.join().unwrap());
                ended.collect()
            });
            refused += refusals.iter().sum::<u32>();
            assert_eq!(senders(&gatelog)[0]["received"], json!(first + 20));
        }
        assert!(refused > 0, "the disk has failed");
        gatelog.wait_for_rows("", 110).unwrap();
        let known = &senders(&gatelog)[0];
        assert_eq!(
            (&known["in_flight"], &known["awaited"]),
            (&json!(0), &json!(0))
        );
        gatelog.kill().unwrap();
        let gatelog = setup(&dir).start().unwrap();
        assert_eq!(send_records(&gatelog, 0..110), duplicates(110));
        gatelog.wait_for_rows("", 110).unwrap();
        assert_eq!(gatelog.all_rows("").unwrap().len(), 110);
    }

    /// How often it was refused.
    fn send_until_taken(gatelog: &Gatelog, numbers: std::ops::Range<u64>) -> u32 {
        let mut refused = 0;
        wait::until(
            "it to be taken",
            Duration::from_mins(1),
            || match send_records(gatelog, numbers.clone()) {
                (200, _) => Ok(()),
                other => {
                    refused += 1;
                    Err(other)
                }
            },
        )
        .unwrap();
        refused
    }
}
