//! Connections that are encrypted, to a server whose certificate an authority of the test has signed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatelog_record::Timestamp;
use gatelog_store::mysql::{DEFAULT_TABLE, Dsn, MysqlStore, Retention, Step};
use gatelog_store::{Error, Query, Store};
use gatelog_testkit::mariadb::MariaDb;
use tempfile::TempDir;

use super::{JOURNAL, block_on, runtime, standard_records};
use crate::letters::Taking as _;

/// An authority, with a server's certificate that it has signed.
struct Authority {
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let authority = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        authority.openssl(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority \
             -keyout ca-key.pem -out ca.pem -addext basicConstraints=critical,CA:TRUE",
        );
        authority
            .openssl("req -newkey rsa:2048 -nodes -subj /CN=db -keyout key.pem -out request.pem");
        let extensions = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
        std::fs::write(authority.dir.path().join("extensions"), extensions).unwrap();
        authority.openssl(
            "x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 2 \
             -extfile extensions -out cert.pem",
        );
        authority
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(&self.dir)
            .output()
            .expect("openssl, which MariaDB's packages bring along");
        assert!(output.status.success(), "{arguments}: {output:?}");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn server(&self) -> MariaDb {
        let option = |name: &str, file: &str| format!("--{name}={}", self.file(file).display());
        MariaDb::start_with(&[
            option("ssl-ca", "ca.pem"),
            option("ssl-cert", "cert.pem"),
            option("ssl-key", "key.pem"),
        ])
        .unwrap()
    }
}

fn store(dsn: &str, authorities: Option<&Path>) -> MysqlStore {
    let (dsn, warnings) = Dsn::parse_trusting(dsn, authorities).unwrap();
    assert_eq!(warnings, [""; 0]);
    MysqlStore::new(dsn, DEFAULT_TABLE)
}

#[test]
fn the_servers_certificate_is_checked_as_the_dsn_says() {
    let authority = Authority::new();
    let server = authority.server();
    let dsn = server.database("logs").unwrap();
    // Who comes without TLS does not come in.
    let demand = format!(
        "ALTER USER {}@'%' REQUIRE SSL",
        gatelog_testkit::mariadb::USER
    );
    server.sql(&demand).unwrap();
    let ca = authority.file("ca.pem");
    let other = Authority::new();
    let stranger = other.file("ca.pem");
    let open = |dsn: &str, tls: &str, authorities: Option<&Path>| {
        block_on(store(&format!("{dsn}{tls}"), authorities).open(JOURNAL))
    };
    // By the name that the driver would know it by, and without a word of the DSN's.
    for tls in ["", "&tls=true", "&tls=ours"] {
        assert_eq!(open(&dsn, tls, Some(&ca)).unwrap(), None, "{tls}");
    }
    for tls in ["&tls=skip-verify", "&tls=preferred"] {
        assert_eq!(open(&dsn, tls, None).unwrap(), None, "{tls}");
    }
    let plain = open(&dsn, "", None);
    assert!(matches!(plain, Err(Error::Unusable { .. })), "{plain:?}");
    let refused = |dsn: &str, authorities: Option<&Path>| match open(dsn, "&tls=true", authorities)
    {
        Err(Error::Unavailable { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    // Nobody whom the world knows has signed it, nor has this one.
    for authorities in [None, Some(stranger.as_path())] {
        let reason = refused(&dsn, authorities);
        assert!(reason.contains("invalid peer certificate"), "{reason}");
    }
    let named_otherwise = dsn.replace("127.0.0.1", "localhost");
    let reason = refused(&named_otherwise, Some(&ca));
    assert!(reason.contains("not valid for name"), "{reason}");
    let reason = refused(&dsn, Some(&authority.file("missing.pem")));
    assert!(reason.contains("connecting to gatelog@tcp("), "{reason}");
}

#[test]
fn rows_go_both_ways_encrypted_and_old_ones_go_for_good() {
    let authority = Authority::new();
    let server = authority.server();
    let dsn = server.database("logs").unwrap();
    let demand = format!(
        "ALTER USER {}@'%' REQUIRE SSL",
        gatelog_testkit::mariadb::USER
    );
    server.sql(&demand).unwrap();
    let ca = authority.file("ca.pem");
    let store = store(&dsn, Some(&ca));
    // More than one TLS record holds.
    let (runtime, records) = (runtime(), standard_records(300));
    runtime.block_on(store.open(JOURNAL)).unwrap();
    runtime.block_on(store.take(&records, 1)).unwrap();
    let page = block_on(store.query(&Query::default())).unwrap();
    assert_eq!(page.total, Some(300));
    let (dsn, _) = Dsn::parse_trusting(&dsn, Some(&ca)).unwrap();
    let mut retention = Retention::new(dsn, DEFAULT_TABLE, Duration::from_hours(1));
    server
        .sql("UPDATE logs.access_logs SET created_at = NOW() - INTERVAL 2 HOUR")
        .unwrap();
    let now = Timestamp::from_micros(now_micros());
    let step = runtime.block_on(retention.step(now)).unwrap();
    assert_eq!(step, Step::Deleted(300));
}

fn now_micros() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_micros()).unwrap()
}
