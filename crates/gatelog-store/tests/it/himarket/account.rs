//! The accounts of `docs/himarket.md`: each has exactly the rights that the page gives it, and these
//! are enough.

use gatelog_store::mysql::MysqlStore;
use gatelog_store::{Error, Query, Store as _};

use super::mistakes::block;
use crate::letters::Taking as _;
use crate::mysql::{JOURNAL, runtime, server, standard_records, store, table};

const PASSWORD: &str = "a-long-password";

/// Runs the statements of the page for another database and another account; answers the store of
/// that account.
fn account(name: &str, block_name: &str) -> MysqlStore {
    let statements = block(block_name)
        .replace("higress_poc", name)
        .replace("'gatelog'@", &format!("'{name}'@"));
    server().sql(&statements).unwrap();
    store(&server().dsn_of(name, PASSWORD, name))
}

/// Writes, is asked, and finds its place again.
fn works(store: &MysqlStore) {
    let records = standard_records(3);
    let runtime = runtime();
    runtime.block_on(async {
        assert_eq!(store.open(JOURNAL).await.unwrap(), None);
        assert_eq!(store.take(&records, 30).await.unwrap(), []);
        assert!(store.exactly_once());
        assert_eq!(store.open(JOURNAL).await.unwrap(), Some(30));
        let page = store.query(&Query::default()).await.unwrap();
        assert_eq!(page.total, Some(3));
    });
}

#[test]
fn the_account_that_makes_its_tables_has_the_rights_it_needs() {
    server().database("acc_makes").unwrap();
    works(&account("acc_makes", "an account that makes the tables"));
}

#[test]
fn the_account_that_finds_its_tables_has_the_rights_it_needs_and_no_other() {
    let name = "acc_finds";
    server().database(name).unwrap();
    server()
        .sql(&format!("USE {name}; {}", table::seed()))
        .unwrap();
    let store = account(name, "an account for tables that are there");
    works(&store);

    let runtime = runtime();
    let records = standard_records(1);
    for (right, of) in [
        ("INSERT", "access_logs"),
        ("SELECT", "access_logs"),
        ("SELECT", "gatelog_position"),
        ("INSERT", "gatelog_position"),
        ("UPDATE", "gatelog_position"),
    ] {
        let change = |statement: String| server().sql(&statement).unwrap();
        change(format!("REVOKE {right} ON {name}.{of} FROM '{name}'@'%'"));
        let outcome = runtime.block_on(async {
            store.open(JOURNAL).await?;
            store.take(&records, 40).await?;
            store.query(&Query::default()).await
        });
        if of == "access_logs" {
            let told = format!("{right} command denied");
            assert!(
                matches!(&outcome, Err(Error::Unusable { reason, .. }) if reason.contains(&told)),
                "without {right}: {outcome:?}"
            );
        } else {
            // Stored all the same, at least once.
            assert!(outcome.is_ok(), "without {right}: {outcome:?}");
            assert!(!store.exactly_once(), "without {right}");
        }
        change(format!("GRANT {right} ON {name}.{of} TO '{name}'@'%'"));
        runtime.block_on(store.open(JOURNAL)).unwrap();
        assert!(store.exactly_once());
    }
}

#[test]
fn the_account_of_himarket_reads_and_does_nothing_else() {
    let name = "acc_reads";
    server().database(name).unwrap();
    server()
        .sql(&format!("USE {name}; {}", table::seed()))
        .unwrap();
    let statements = block("an account that reads")
        .replace("higress_poc", name)
        .replace("'himarket'@", "'acc_reads'@");
    server().sql(&statements).unwrap();
    let reader = store(&server().dsn_of(name, PASSWORD, name));
    let runtime = runtime();
    let page = runtime.block_on(reader.query(&Query::default())).unwrap();
    assert_eq!(page.total, Some(0));
    runtime.block_on(async {
        reader.open(JOURNAL).await.unwrap();
        let refused = reader.take(&standard_records(1), 1).await;
        assert!(
            matches!(&refused, Err(Error::Unusable { reason, .. }) if reason.contains("INSERT")),
            "{refused:?}"
        );
    });
}
