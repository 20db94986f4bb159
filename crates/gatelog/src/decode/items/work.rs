//! How much work a body may make.

/// Allowed for each byte of a body.
const ALLOWED_PER_BYTE: usize = 16;

/// Allowed for any body.
const ALLOWED_ALWAYS: usize = 4 << 20;

/// What a refused item costs besides the looking: a record has many fields to make ready.
pub(super) const REFUSED_ITEM: usize = 256;

/// How far "near" is: most items end within it.
pub(super) const NEAR: usize = 2 << 10;

/// How much was done for a body, and how much may be, in bytes looked at.
///
/// Allowed is what follows the size of the body: a body without broken items needs once its length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) done: usize,
    pub(super) allowed: usize,
}

impl Work {
    pub(super) fn for_body(bytes: usize) -> Self {
        Self {
            done: 0,
            allowed: bytes
                .saturating_mul(ALLOWED_PER_BYTE)
                .saturating_add(ALLOWED_ALWAYS),
        }
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.done = self.done.saturating_add(bytes);
    }

    pub(super) fn used_up(self) -> bool {
        self.done > self.allowed
    }

    /// Whether there is enough left to look far behind an item.
    pub(super) fn may_look_far(self) -> bool {
        self.done <= self.allowed / 2
    }
}
