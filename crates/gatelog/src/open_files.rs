//! How many files and connections the process may have open.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Lets the process have as many as the system allows it, and answers how many; `None` is any number.
/// Each output needs some, and what there is by default is soon used up by some hundred plugins.
pub(crate) fn allow_all() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files stays as it is");
        return before;
    }
    limit.current
}
