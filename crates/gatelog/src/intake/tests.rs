//! Bodies as they come, against a small journal.

use gatelog_record::wire;

use super::*;

const JOURNAL_BYTES: u64 = 8 << 20;

fn intake() -> Intake {
    let telemetry = crate::telemetry::Telemetry::default();
    Intake::new(1, IntakeMetrics::new(&telemetry), JOURNAL_BYTES)
}

fn open(dir: &std::path::Path) -> Journal {
    let config = gatelog_journal::Config {
        max_bytes: JOURNAL_BYTES,
        ..gatelog_journal::Config::default()
    };
    Journal::open(dir, config).unwrap()
}

fn body(items: usize) -> String {
    format!(r#"{{"path":"{}"}}"#, "x".repeat(512 << 10)).repeat(items)
}

fn durable(outcome: Outcome) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.unwrap();
    for appended in outcome.appended {
        runtime.block_on(appended).unwrap();
    }
}

#[test]
fn a_body_that_does_not_fit_leaves_nothing_in_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, intake) = (open(dir.path()), intake());
    let take = |items| intake.take(&journal, Cow::Owned(body(items).into_bytes()));
    let mut taken = 0;
    // Nobody reads: some time there is room for one, and not for four.
    let refused = loop {
        match take(4) {
            Ok(outcome) => durable(outcome),
            Err(error) => break error,
        }
        taken += 1;
    };
    assert!(taken > 0);
    assert!(
        matches!(refused, Error::Journal(gatelog_journal::Error::Full { .. })),
        "{refused:?}"
    );
    // Had the first of them stayed, there would be no room for this one.
    durable(take(1).unwrap());
}

#[test]
fn what_a_journal_can_never_hold_is_refused_for_good_and_what_it_can_hold_is_taken_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, intake) = (open(dir.path()), intake());
    let take = |items| intake.take(&journal, Cow::Owned(body(items).into_bytes()));
    assert!(matches!(
        take(6),
        Err(Error::TooLarge { bytes, most: 3_145_728 }) if bytes > 3_145_728
    ));
    let reader = journal.reader("r", gatelog_journal::Start::Oldest).unwrap();
    for _ in 0..20 {
        // Filled with small ones, then the reader passes everything.
        while let Ok(outcome) = take(1) {
            durable(outcome);
        }
        let largest = gatelog_testkit::wait::until(
            "room for the largest",
            std::time::Duration::from_secs(10),
            || {
                reader.release(journal.end()).unwrap();
                take(5)
            },
        );
        durable(largest.unwrap());
    }
}

#[test]
fn a_body_that_is_refused_takes_nothing_of_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let config = crate::config::parse("sample: {rate: 1, budget_per_day: 1GiB}").unwrap();
    let runtime = gatelog_filter::Runtime::default();
    let selection = Selection::configured(&config, &runtime).unwrap();
    let sampler = std::sync::Arc::clone(selection.sampler().unwrap());
    let intake = intake().selecting(selection);
    let take = |items| intake.take(&journal, Cow::Owned(body(items).into_bytes()));
    let item = body(1).len() as u64;
    let (mut taken, spent) = (0, || sampler.spent().1);
    while let Ok(mut outcome) = take(4) {
        assert_eq!(spent(), (taken + 4) * item, "until it is known");
        intake.count_acknowledged(&mut outcome);
        durable(outcome);
        taken += 4;
    }
    assert!(taken > 0);
    for items in [4, 6, 100] {
        assert!(take(items).is_err(), "{items}");
        assert_eq!(spent(), taken * item, "{items}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced_in_their_items_only() {
    let intake = intake();
    let bytes = b"\xef\xbb\xbf [ {\"path\":\"/?\xff\"} , {\"path\":\"?\"},{\"status\xff\":1},\xff ,{\"path\":\"\xe2\x82\"}]";
    let text = Text::new(Cow::Borrowed(bytes)).unwrap();
    let mut buffer = Vec::new();
    let mut frames = Frames::new(&mut buffer, None);
    let outcome = intake.read(&text, &mut frames).unwrap();
    let records = wire::read_batch(frames.all().next().unwrap().0).unwrap();
    let found: Vec<_> = records
        .map(|record| {
            let record = record.unwrap();
            (record.path.unwrap().into_owned(), record.flaws)
        })
        .collect();
    let flaws = |with: Flaws| {
        let mut flaws = Flaws::START_TIME;
        flaws.insert(with);
        flaws.to_field()
    };
    let bad = flaws(Flaws::UTF8);
    assert_eq!(
        found,
        [
            ("/?\u{fffd}".to_owned(), bad),
            ("?".to_owned(), flaws(Flaws::NONE)),
            ("\u{fffd}\u{fffd}".to_owned(), bad)
        ]
    );
    let refused: Vec<_> = outcome.rejected.iter().map(|(index, _)| *index).collect();
    assert_eq!(refused, [2, 3]);
}

#[test]
fn an_item_that_would_be_too_long_with_its_replacements_is_refused() {
    let intake = intake();
    let mut body = b"{\"path\":\"/a\"}\n{\"path\":\"".to_vec();
    body.resize(body.len() + (MAX_ITEM_BYTES / 3), 0xff);
    body.extend_from_slice(b"\"}\n{\"path\":\"/b\"}");
    let text = Text::new(Cow::Owned(body)).unwrap();
    let mut buffer = Vec::new();
    let outcome = intake.read(&text, &mut Frames::new(&mut buffer, None));
    let outcome = outcome.unwrap();
    assert_eq!(outcome.accepted, 2);
    let told = "the item has 16777227 bytes, a record may have 16777216";
    assert_eq!(outcome.rejected, [(1, told.to_owned())]);
}

#[test]
fn every_record_gets_an_id_of_its_own_whatever_the_sender_gave() {
    let intake = intake();
    let item = r#"{"record_id":"019d1874-cca8-7000-8000-03ffffffffff","method":"GET"}"#;
    let mut buffer = Vec::new();
    let mut frames = Frames::new(&mut buffer, None);
    let text = Text::new(Cow::Owned(format!("{item}\n{item}").into_bytes())).unwrap();
    let outcome = intake.read(&text, &mut frames).unwrap();
    assert_eq!(outcome.accepted, 2);
    let records: Vec<_> = wire::read_batch(frames.all().next().unwrap().0)
        .unwrap()
        .flatten()
        .collect();
    let ids: Vec<_> = records.iter().map(|record| record.record_id).collect();
    let given = gatelog_record::RecordId::parse("019d1874-cca8-7000-8000-03ffffffffff");
    assert!(ids[0].is_some() && ids[0] != ids[1], "{ids:?}");
    assert!(!ids.contains(&given), "{ids:?}");
}
