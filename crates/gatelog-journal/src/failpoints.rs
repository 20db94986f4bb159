//! The names of the places where a test ends the process or makes the disk refuse, in the order in
//! which the journal comes by them.

/// Every failpoint of the journal: what [`gatelog_failpoint`] is told in `FAILPOINT`.
pub const FAILPOINTS: &[&str] = &[
    // An append.
    "journal.write",
    "journal.written", // not synced
    "journal.sync",
    "journal.synced", // not answered
    "journal.answered",
    // A segment is made: at the first start, at a rotation, in a repair.
    "journal.segment_create",
    "journal.segment_written", // not synced
    "journal.segment_synced",  // under its draft's name
    "journal.segment_renamed", // the directory is not synced
    "journal.dir_synced",
    // A position is released.
    "journal.position_write",
    "journal.position_written", // not synced
    "journal.position_sync",
    "journal.position_synced",
    // A segment that all have passed is deleted, or becomes the spare one.
    "journal.before_unlink",
    "journal.unlinked", // the directory is not synced
    "journal.unlink_synced",
    // The start.
    "journal.recovery.cut",
    "journal.recovery.rewritten", // the last round, once more
    "journal.recovery.synced",
    // After a failed write.
    "journal.repair.begin",
    "journal.repair.created", // the fresh segment is durable
    "journal.repair.cut",     // the failed one is cut
];

/// Those of [`FAILPOINTS`] at which the disk can refuse; the others are only passed.
pub const DISK_FAILPOINTS: &[&str] = &[
    "journal.write",
    "journal.sync",
    "journal.segment_create",
    "journal.position_write",
    "journal.position_sync",
    "journal.before_unlink",
    "journal.repair.begin",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use gatelog_testkit::failpoints::called;

    use super::{DISK_FAILPOINTS, FAILPOINTS};

    #[test]
    fn the_lists_name_the_failpoints_in_the_code_and_no_others() {
        let listed = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let called = |call| called(&sources, call).unwrap();
        let disk = called("failpoint::disk");
        assert_eq!(disk, listed(DISK_FAILPOINTS));
        let all: BTreeSet<String> = disk.union(&called("failpoint::pass")).cloned().collect();
        assert_eq!(all, listed(FAILPOINTS));
        assert_eq!(all.len(), FAILPOINTS.len(), "one is listed twice");
    }
}
