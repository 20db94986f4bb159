//! Sets of response flags.

use gatelog_record::response_flag;

/// The response flags of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlagSet {
    /// Those that Envoy names, a bit each as in its `response.flags`.
    pub bits: u64,
    /// Whether there are others besides: filters may set flags of their own.
    pub has_other: bool,
}

impl FlagSet {
    /// The flags of a comma separated list of short names; `-` and nothing are none.
    pub fn of(text: &str) -> Self {
        let mut set = Self::default();
        for name in text.split(',').map(str::trim) {
            match response_flag::bit(name) {
                Some(bit) => set.bits |= 1 << bit,
                None => set.has_other |= !name.is_empty() && name != "-",
            }
        }
        set
    }

    /// Whether there is no flag.
    pub fn is_empty(self) -> bool {
        self.bits == 0 && !self.has_other
    }
}
