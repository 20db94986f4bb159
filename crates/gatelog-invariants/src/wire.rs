//! `gatelog_record::wire`: a batch, as the journal keeps it.

use gatelog_record::{AccessRecord, wire};

/// - The reader never panics, and an error is the last item.
/// - The records of any batch, written again, are read again as the same batch.
///
/// # Panics
/// When one of these does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(records) = wire::read_batch(bytes) else {
        return;
    };
    let mut written = Vec::new();
    wire::begin_batch(&mut written);
    let mut damaged = false;
    for record in records {
        assert!(!damaged, "something follows the damaged record");
        match record {
            Ok(record) => wire::write_record(&record, &mut written),
            Err(_) => damaged = true,
        }
    }
    assert_eq!(rewritten(&written), written, "of {bytes:02x?}");
}

/// The batch read and written once more. By bytes, as a float may be none.
fn rewritten(batch: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    wire::begin_batch(&mut written);
    for record in wire::read_batch(batch).into_iter().flatten() {
        match record {
            Ok(record) => wire::write_record(&record, &mut written),
            Err(error) => panic!("{error}, in {batch:02x?}"),
        }
    }
    written
}

/// Written and read again it is the same.
pub(crate) fn survives(record: &AccessRecord<'_>) {
    let mut batch = Vec::new();
    wire::begin_batch(&mut batch);
    wire::write_record(record, &mut batch);
    let read: Vec<_> = wire::read_batch(&batch).into_iter().flatten().collect();
    assert_eq!(read, [Ok(record.clone())]);
}
