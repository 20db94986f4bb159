//! Who sends: the names that make a record's number unique.
//!
//! All workers of one Envoy share a small store. The first one to ask writes the boot id there;
//! every root context takes the next worker number. A new configuration is a new worker: its
//! numbers begin again, under a number that was never used.

use crate::host::Host;

const BOOT_KEY: &str = "gatelog/boot";
const WORKER_KEY: &str = "gatelog/worker";

/// Attempts to take a worker number while others take theirs.
const MAX_ATTEMPTS: usize = 1000;

/// A sender of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// This start of the gateway.
    pub boot: String,
    /// This root context.
    pub worker: u64,
}

impl Identity {
    /// A new identity.
    ///
    /// Where the gateway shares nothing, the time tells workers apart.
    pub fn new(host: &impl Host) -> Self {
        Self {
            boot: boot(host),
            worker: worker(host).unwrap_or_else(|| host.now_ns()),
        }
    }
}

fn boot(host: &impl Host) -> String {
    // Envoy configures its main thread before any worker, so nobody races for the first write.
    if let (Some(boot), _) = host.shared(BOOT_KEY)
        && let Ok(boot) = String::from_utf8(boot)
    {
        return boot;
    }
    let boot = format!("{:x}", host.now_ns());
    host.set_shared(BOOT_KEY, boot.as_bytes(), None);
    boot
}

fn worker(host: &impl Host) -> Option<u64> {
    for _ in 0..MAX_ATTEMPTS {
        let (value, mark) = host.shared(WORKER_KEY);
        let number = match value {
            Some(bytes) => u64::from_le_bytes(bytes.try_into().ok()?) + 1,
            None => 0,
        };
        if host.set_shared(WORKER_KEY, &number.to_le_bytes(), mark) {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Fake;

    #[test]
    fn workers_share_the_boot_and_not_the_number() {
        let host = Fake::default();
        let first = Identity::new(&host);
        host.advance_ns(1000);
        let second = Identity::new(&host);
        assert_eq!(first.boot, second.boot);
        assert_eq!((first.worker, second.worker), (0, 1));
    }
}
