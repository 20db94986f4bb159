//! What is there after the process was gone, or the disk failed.

use std::fs;

use gatelog_store::lake::Config;
use gatelog_store::{Error, Store as _};

use super::{DAY, Fixture, records};

#[test]
fn rows_that_were_only_in_memory_are_gone_and_the_position_says_so() {
    let mut fixture = Fixture::new(Config::default());
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    fixture.write(&records(10..20), 200).unwrap();
    assert_eq!((fixture.total(), fixture.lake().committed()), (20, 100));
    fixture.restart();
    assert_eq!(fixture.total(), 10);
    assert_eq!(fixture.open().unwrap(), Some(100));
    assert_eq!((fixture.total(), fixture.lake().committed()), (10, 100));
    // The journal gives the others again.
    fixture.write(&records(10..20), 200).unwrap();
    fixture.flush().unwrap();
    fixture.restart();
    assert_eq!(fixture.open().unwrap(), Some(200));
    assert_eq!(fixture.total(), 20);
}

#[test]
fn opening_again_forgets_what_the_journal_will_give_again() {
    let fixture = Fixture::new(Config::default());
    fixture.write(&records(0..10), 100).unwrap();
    assert_eq!(fixture.open().unwrap(), None);
    assert_eq!(fixture.total(), 0);
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    assert_eq!(fixture.open().unwrap(), Some(100));
    assert_eq!(fixture.total(), 10);
}

#[test]
fn another_journal_has_a_position_of_its_own() {
    let fixture = Fixture::new(Config::default());
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    let other = fixture.runtime.block_on(fixture.lake().open("other"));
    assert_eq!(other.unwrap(), None);
    assert_eq!((fixture.total(), fixture.lake().committed()), (10, 0));
}

#[test]
fn leftovers_of_a_crash_are_deleted() {
    let mut fixture = Fixture::new(Config::default());
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    let files = fixture.files();
    let day = fixture.root().join(DAY);
    // A flush that came as far as the commit, and one that did not finish a file.
    fs::copy(&files[0], day.join("7.parquet")).unwrap();
    fs::write(day.join("8.parquet.tmp"), "PAR1").unwrap();
    fixture.restart();
    assert_eq!(fixture.open().unwrap(), Some(100));
    assert_eq!(fixture.files(), files);
    assert_eq!(fixture.total(), 10);
    // Their numbers are not given again.
    fixture.write(&records(10..20), 200).unwrap();
    fixture.flush().unwrap();
    assert!(
        fixture.files().contains(&day.join("9.parquet")),
        "{:?}",
        fixture.files()
    );
    assert_eq!(fixture.total(), 20);
}

#[test]
fn a_missing_file_is_named_and_nothing_is_written_until_it_is_back() {
    let mut fixture = Fixture::new(Config::default());
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    let file = fixture.files().remove(0);
    let elsewhere = fixture.directory.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    fixture.restart();
    let error = fixture.open().unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    assert!(
        error.to_string().contains("1.parquet is missing (10 rows)"),
        "{error}"
    );
    fixture.write(&records(10..20), 200).unwrap_err();
    fs::rename(&elsewhere, &file).unwrap();
    assert_eq!(fixture.open().unwrap(), Some(100));
    assert_eq!(fixture.total(), 10);
}

#[test]
fn files_without_their_catalogue_are_not_touched() {
    let mut fixture = Fixture::new(Config::default());
    for number in 0..10 {
        fixture
            .write(&records(number..number + 1), number + 1)
            .unwrap();
        fixture.flush().unwrap();
    }
    fixture.lake = None;
    fs::remove_file(fixture.root().join("catalogue.sqlite")).unwrap();
    fixture.restart();
    let error = fixture.open().unwrap_err();
    assert!(error.to_string().contains("10 files"), "{error}");
    assert_eq!(fixture.files().len(), 10);
}

#[test]
fn even_one_file_without_its_catalogue_is_not_touched() {
    let mut fixture = Fixture::new(Config::default());
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    fixture.lake = None;
    let catalogue = fixture.root().join("catalogue.sqlite");
    let elsewhere = fixture.directory.path().join("elsewhere");
    fs::rename(&catalogue, &elsewhere).unwrap();
    // However often it is tried, by however many processes.
    for _ in 0..2 {
        fixture.restart();
        for _ in 0..2 {
            let error = fixture.open().unwrap_err();
            assert!(matches!(error, Error::Unusable { .. }), "{error}");
            assert!(error.to_string().contains("catalogue.sqlite"), "{error}");
        }
        fixture.write(&records(10..20), 200).unwrap_err();
        assert_eq!(fixture.files().len(), 1);
    }
    fixture.lake = None;
    fs::rename(&elsewhere, &catalogue).unwrap();
    fixture.restart();
    assert_eq!(fixture.open().unwrap(), Some(100));
    assert_eq!(fixture.total(), 10);
}

#[test]
fn a_crash_in_the_very_first_flush_leaves_nothing_that_stops_the_next_opening() {
    // Opened, with files whole but not committed: no position, no file in the catalogue.
    let mut fixture = Fixture::new(Config::default());
    fixture.lake = None;
    let day = fixture.root().join(DAY);
    fs::create_dir(&day).unwrap();
    fs::write(day.join("1.parquet"), "PAR1").unwrap();
    fs::write(day.join("2.parquet.tmp"), "PAR1").unwrap();
    fixture.restart();
    assert_eq!(fixture.open().unwrap(), None);
    assert_eq!(fixture.files(), [""; 0].map(std::path::PathBuf::from));
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    assert_eq!(fixture.files(), [day.join("3.parquet")]);
    assert_eq!(fixture.total(), 10);
}

#[test]
fn files_are_looked_at_once_in_a_process_and_after_a_failed_flush() {
    let fixture = Fixture::new(Config::default());
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    fs::remove_file(&fixture.files()[0]).unwrap();
    assert_eq!(fixture.open().unwrap(), Some(100));
    fs::write(fixture.root().join("mixed"), "in the way").unwrap();
    let mut batch = records(10..20);
    batch[0].start_time = None;
    fixture.write(&batch, 200).unwrap();
    fixture.flush().unwrap_err();
    let error = fixture.open().unwrap_err();
    assert!(
        error.to_string().contains("1.parquet is missing"),
        "{error}"
    );
}

#[test]
fn a_flush_that_fails_leaves_rows_and_position_right() {
    let mut fixture = Fixture::new(Config::default());
    fixture.write(&[], 50).unwrap();
    fixture.flush().unwrap();
    let day = fixture.root().join(DAY);
    fs::write(&day, "in the way").unwrap();
    fixture.write(&records(0..10), 100).unwrap();
    let error = fixture.flush().unwrap_err();
    assert!(matches!(error, Error::Unusable { .. }), "{error}");
    assert!(error.to_string().contains(DAY), "{error}");
    // Seen still, but nothing more is taken.
    assert_eq!((fixture.total(), fixture.lake().committed()), (10, 50));
    fixture.write(&records(10..20), 200).unwrap_err();
    assert_eq!(fixture.total(), 10);
    // The writer opens again, and gives the rows again; the disk is still as it was.
    assert_eq!(fixture.open().unwrap(), Some(50));
    assert_eq!(fixture.total(), 0);
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap_err();
    assert_eq!((fixture.total(), fixture.lake().committed()), (10, 50));
    // Mended.
    fs::remove_file(&day).unwrap();
    assert_eq!(fixture.open().unwrap(), Some(50));
    fixture.write(&records(0..10), 100).unwrap();
    fixture.flush().unwrap();
    assert_eq!((fixture.total(), fixture.lake().committed()), (10, 100));
    fixture.restart();
    assert_eq!(fixture.open().unwrap(), Some(100));
    assert_eq!(fixture.total(), 10);
}

#[test]
fn a_closed_lake_takes_nothing_and_answers() {
    let fixture = Fixture::closed(Config::default());
    assert!(matches!(
        fixture.write(&records(0..1), 1).unwrap_err(),
        Error::Unavailable { .. }
    ));
    fixture.flush().unwrap_err();
    assert_eq!(fixture.total(), 0);
}
