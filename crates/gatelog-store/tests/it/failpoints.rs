//! The list of failpoints against the code.

use std::collections::BTreeSet;
use std::path::Path;

use gatelog_store::FAILPOINTS;
use gatelog_testkit::failpoints::called;

#[test]
fn the_list_names_the_failpoints_in_the_code_and_no_others() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let listed: BTreeSet<_> = FAILPOINTS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(called(&sources, "failpoint::pass").unwrap(), listed);
    // A disk that refuses would be another list.
    assert!(called(&sources, "failpoint::disk").unwrap().is_empty());
    assert_eq!(listed.len(), FAILPOINTS.len(), "one is listed twice");
}
