//! The process is killed, or the disk refuses, between a letter and the commit behind it.

use super::*;

/// Ingests, and has the process killed at a failpoint; after a restart without it everything is
/// there once: rows in the database, what it refuses in the dead letter.
fn killed_with_the_database(failpoint: &str, database: &str) {
    let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
    let dsn = refusing_database(mariadb, database);
    let setup = setup(&dir).variable("MYSQL_DSN", dsn);
    let mut next = 0;
    // At the first commit of the journal, and at a later one with letters behind others.
    for time in [1, 3] {
        let order = format!("{failpoint}=kill@{time}");
        let gatelog = setup.clone().variable("FAILPOINT", order).start().unwrap();
        ingest_until_killed(&gatelog, &mut next);
        drop(gatelog);
    }
    let gatelog = setup.start().unwrap();
    wait_for_stores(&gatelog);
    gatelog.terminate().unwrap();
    let refused = || (0..next).filter(|number| is_refused(*number));
    let taken = (0..next).filter(|number| !is_refused(*number));
    assert_eq!(
        letter_numbers(dir.path(), "mysql"),
        once(refused()),
        "{failpoint}"
    );
    assert_eq!(stored(mariadb, database), once(taken), "{failpoint}");
}

/// Sends one request after the other until there is no answer. Each is sent when the store has the
/// one before, so the one at which the process is killed is in the journal, whether its answer came
/// through or not: the failpoints come behind its sync.
fn ingest_until_killed(gatelog: &Gatelog, next: &mut u64) {
    loop {
        let gone = wait::until("the store, or the end", DEADLINE, || {
            let Ok((_, body)) = gatelog.get("/ready") else {
                return Ok(true);
            };
            let ready: Value = serde_json::from_str(&body).unwrap();
            if ready["stores"][0]["lag_bytes"] == 0 {
                Ok(false)
            } else {
                Err(body)
            }
        });
        if gone.unwrap() {
            return;
        }
        let numbers = *next..*next + 20;
        *next = numbers.end;
        match gatelog.ingest(numbered(numbers)) {
            Ok((status, _)) => assert_eq!(status, 200),
            Err(_) => return,
        }
    }
}

#[test]
fn killed_when_the_rows_are_written() {
    killed_with_the_database("store.rows_written", "killed_rows");
}

#[test]
fn killed_when_the_letter_is_written() {
    killed_with_the_database("store.letter_written", "killed_letter");
}

#[test]
fn killed_before_the_commit() {
    killed_with_the_database("store.before_commit", "killed_before");
}

#[test]
fn killed_behind_the_commit() {
    killed_with_the_database("store.committed", "killed_behind");
}

/// The lake refuses what has no id; it commits at the end of the process.
#[test]
fn killed_around_the_lakes_commit() {
    for failpoint in [
        "dead_letter.frames_kept",
        "lake.letter_written",
        "lake.file_written",
        "lake.before_commit",
        "lake.committed",
    ] {
        let dir = TempDir::new().unwrap();
        let unreadable = vec![9, 1, 2, 3];
        journal(
            &dir,
            &[
                payload(0),
                unreadable.clone(),
                payload(2),
                payload(4),
                unreadable,
            ],
        );
        let order = format!("{failpoint}=kill");
        let setup = setup(&dir);
        // Where it is killed before it listens, that is no error of the test.
        if let Ok(gatelog) = setup.clone().variable("FAILPOINT", order).start() {
            // By itself, or when it stores everything to end.
            let ended = gatelog.terminate();
            assert!(!ended.is_ok_and(|status| status.success()), "{failpoint}");
        }
        let gatelog = setup.start().unwrap();
        gatelog.wait_for_rows("", 3).unwrap();
        let rows = gatelog.all_rows("").unwrap();
        let rows = tally(
            rows.iter()
                .map(|row| row["model"].as_str().unwrap().to_owned()),
        );
        assert_eq!(rows, once([1, 3, 5]), "{failpoint}");
        gatelog.terminate().unwrap();
        assert_eq!(
            letter_numbers(dir.path(), "lake"),
            once([0, 2, 4]),
            "{failpoint}"
        );
        assert_eq!(
            letters(dir.path(), "lake", ".frames").len(),
            2,
            "{failpoint}"
        );
    }
}

#[test]
fn while_the_dead_letter_cannot_be_written_records_wait() {
    for (number, order) in ["dead_letter.write=enospc@1x3", "dead_letter.sync=eio@1x3"]
        .into_iter()
        .enumerate()
    {
        let (dir, mariadb) = (TempDir::new().unwrap(), MariaDb::shared().unwrap());
        let database = format!("no_disk_{number}");
        let dsn = refusing_database(mariadb, &database);
        let setup: Setup = setup(&dir).variable("MYSQL_DSN", dsn);
        let gatelog = setup.variable("FAILPOINT", order).start().unwrap();
        assert_eq!(gatelog.ingest(numbered(0..20)).unwrap().0, 200);
        gatelog.wait_for_log("dead letter cannot be").unwrap();
        wait_for_stores(&gatelog);
        assert_eq!(
            letter_numbers(dir.path(), "mysql"),
            once([3, 13]),
            "{order}"
        );
        assert_eq!(stored(mariadb, &database).len(), 18, "{order}");
        let (_, metrics) = gatelog.get("/metrics").unwrap();
        assert!(
            metrics.contains("gatelog_store_rejected_total{store=\"mysql\"} 2"),
            "{metrics}"
        );
    }
}
