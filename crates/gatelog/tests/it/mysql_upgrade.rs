//! `gatelog mysql upgrade`, and that nothing else alters a table.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use gatelog_testkit::mariadb::MariaDb;
use tempfile::TempDir;

use crate::service::{lines, setup};

/// The seed's table, and the two later forms, as far as they differ in what can be improved.
const TABLES: [(&str, &str); 3] = [
    (
        "a",
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time DATETIME NOT NULL, path TEXT, \
         request_id VARCHAR(255), INDEX idx_start_time (start_time)",
    ),
    (
        "b",
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time TIMESTAMP NULL, path VARCHAR(1024), \
         request_id VARCHAR(64), duration INT, INDEX idx_path (path(255))",
    ),
    (
        "c",
        "id BIGINT AUTO_INCREMENT PRIMARY KEY, start_time BIGINT NULL, path VARCHAR(1024), \
         request_id VARCHAR(64), duration INT, response_body MEDIUMTEXT",
    ),
];

fn server() -> &'static MariaDb {
    MariaDb::shared().unwrap()
}

fn make(database: &str, columns: &str) -> String {
    let dsn = server().database(database).unwrap();
    server()
        .sql(&format!(
            "CREATE TABLE {database}.access_logs ({columns}) ENGINE=InnoDB"
        ))
        .unwrap();
    dsn
}

/// What the server would make the table with, its counter aside.
fn definition(database: &str) -> String {
    let shown = server().sql(&format!("SHOW CREATE TABLE {database}.access_logs"));
    let text = shown.unwrap()[0][1].clone().unwrap();
    let words = text.split(' ');
    let words: Vec<_> = words
        .filter(|word| !word.starts_with("AUTO_INCREMENT="))
        .collect();
    words.join(" ")
}

fn command(dsn: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
    command
        .args(["mysql", "upgrade"])
        .args(arguments)
        .env_clear()
        .env("MYSQL_DSN", dsn)
        .stdin(Stdio::null());
    command
}

fn upgrade(dsn: &str, arguments: &[&str]) -> Output {
    command(dsn, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn serve_alters_no_table_that_is_there() {
    for (name, columns) in TABLES {
        let database = format!("served_{name}");
        let (dir, dsn) = (TempDir::new().unwrap(), make(&database, columns));
        let before = definition(&database);
        let setup = setup(&dir).variable("MYSQL_DSN", dsn);
        for start in [0, 50] {
            let gatelog = setup.start().unwrap();
            gatelog.ingest(lines(start..start + 50)).unwrap();
            gatelog.wait_for_rows("", start + 50).unwrap();
            assert!(gatelog.terminate().unwrap().success());
        }
        assert_eq!(definition(&database), before);
    }
}

#[test]
fn statements_are_shown_and_applied_once_and_only_when_that_is_asked_for() {
    for (name, columns) in TABLES {
        let database = format!("asked_{name}");
        let dsn = make(&database, columns);
        let before = definition(&database);
        let shown = upgrade(&dsn, &[]);
        assert!(shown.status.success(), "{}", text(&shown.stderr));
        let script = text(&shown.stdout);
        assert!(script.contains("nothing was changed"), "{script}");
        assert!(script.contains("access_logs: about 0 rows"), "{script}");
        assert_eq!(definition(&database), before);

        let applied = upgrade(&dsn, &["--apply"]);
        assert!(applied.status.success(), "{}", text(&applied.stderr));
        let after = definition(&database);
        let again = upgrade(&dsn, &["--apply"]);
        assert!(text(&again.stdout).contains("there is nothing to do"));
        assert_eq!(definition(&database), after);

        // What is shown is what is done, also by another client.
        make(&database, columns);
        server().sql(&format!("USE {database}; {script}")).unwrap();
        assert_eq!(definition(&database), after);
    }
}

#[test]
fn without_copies_the_table_is_never_locked_for_writers() {
    let dsn = make("online", TABLES[1].1);
    let output = upgrade(&dsn, &["--online", "--apply"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    assert!(printed.contains("-- left out by --online: start_time has no milliseconds"));
    assert!(!printed.contains("ALGORITHM=COPY"), "{printed}");
    let after = definition("online");
    assert!(after.contains("`request_id` varchar(255)"), "{after}");
    assert!(after.contains("`start_time` timestamp NULL"), "{after}");
}

/// At a terminal, which `script` makes.
#[test]
fn a_person_at_the_terminal_is_asked() {
    // The server ends sessions that are silent for long; a person may be.
    let dsn = make("terminal", TABLES[0].1) + "&readTimeout=1s&writeTimeout=1s";
    let before = definition("terminal");
    for (answer, is_applied) in [("\n", false), ("n\n", false), ("y\n", true)] {
        let line = format!("{} mysql upgrade", env!("CARGO_BIN_EXE_gatelog"));
        let mut script = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("MYSQL_DSN", &dsn)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = script.stdin.take().unwrap();
        if is_applied {
            std::thread::sleep(std::time::Duration::from_secs(4));
        }
        input.write_all(answer.as_bytes()).unwrap();
        let output = script.wait_with_output().unwrap();
        drop(input);
        let printed = text(&output.stdout);
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains("[y/N]"), "{printed}");
        assert_eq!(printed.contains("all done"), is_applied, "{printed}");
        assert_eq!(definition("terminal") != before, is_applied, "{answer:?}");
    }
}

#[test]
fn a_running_gatelog_loses_and_doubles_nothing_meanwhile() {
    let (dir, dsn) = (TempDir::new().unwrap(), make("meanwhile", TABLES[1].1));
    let gatelog = setup(&dir).variable("MYSQL_DSN", &dsn).start().unwrap();
    let is_over = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut sent = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(gatelog.ingest(lines(sent..sent + 100)).unwrap().0, 200);
                sent += 100;
            }
            sent
        });
        let output = upgrade(&dsn, &["--apply"]);
        is_over.store(true, Ordering::Relaxed);
        assert!(output.status.success(), "{}", text(&output.stderr));
        load.join().unwrap()
    });
    let last = gatelog.ingest(lines(sent..sent + 100)).unwrap();
    assert_eq!(last.0, 200);
    gatelog.wait_for_rows("", sent + 100).unwrap();
    let rows = server()
        .sql("SELECT request_id, COUNT(*) FROM meanwhile.access_logs GROUP BY request_id")
        .unwrap();
    let counts: BTreeMap<_, _> = rows
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(counts.len() as u64, sent + 100);
    assert!(counts.values().all(|count| count.as_deref() == Some("1")));
}

#[test]
fn what_prevents_it_is_told() {
    let missing = upgrade(&server().database("not_there").unwrap(), &["--apply"]);
    assert!(missing.status.success());
    assert!(text(&missing.stdout).contains("`gatelog serve` creates it"));

    let nothing = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["mysql", "upgrade"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(nothing.status.code(), Some(64));
    assert!(text(&nothing.stderr).contains("set MYSQL_DSN"));

    let refused = upgrade(
        &server().dsn_of("nobody", "not-the-password", "not_there"),
        &[],
    );
    assert_eq!(refused.status.code(), Some(1));
    let error = text(&refused.stderr);
    assert!(
        error.contains("Access denied") && !error.contains("not-the-password"),
        "{error}"
    );

    make("no_right", TABLES[0].1);
    server()
        .sql(
            "CREATE OR REPLACE USER 'reads'@'%' IDENTIFIED BY 'p';
             GRANT SELECT, INSERT ON no_right.* TO 'reads'@'%'",
        )
        .unwrap();
    let dsn = server().dsn_of("reads", "p", "no_right");
    let refused = upgrade(&dsn, &["--apply"]);
    assert_eq!(refused.status.code(), Some(1));
    let error = text(&refused.stderr);
    assert_eq!(error.matches("not done: ").count(), 1, "{error}");
    for part in [
        "the account may not do this",
        "GRANT ALTER",
        "ALTER TABLE `access_logs`",
    ] {
        assert!(error.contains(part), "{error}");
    }
}
