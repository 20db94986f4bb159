//! Places that the disk cannot read.
//!
//! A disk that is away for a moment has lost nothing, so a place is asked for again, for as long as
//! [`Config::unreadable_patience`](crate::Config::unreadable_patience); and it is damage only if the
//! file around it can be read meanwhile.

use std::time::{Duration, Instant};

use crate::Position;
use crate::filesystem::Handle;
use crate::scan::Scan;
use crate::segment::{self, Segment};
use crate::shared::Shared;

/// Where the disk could not read when it was last asked, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreadable {
    place: Position,
    since: Instant,
}

impl Unreadable {
    /// Takes note of one more failure at `place`.
    pub(crate) fn again(before: Option<Self>, place: Position) -> Self {
        let before = before.filter(|before| before.place == place);
        before.unwrap_or_else(|| Self {
            place,
            since: Instant::now(),
        })
    }

    pub(crate) fn lasts(&self, patience: Duration) -> bool {
        self.since.elapsed() >= patience
    }
}

impl Shared {
    /// Where to go on behind a frame that the disk cannot read, and how many records that had;
    /// `None` when nothing shows that the rest of the file is better.
    pub(crate) fn behind_unreadable(
        &self,
        segment: &Segment,
        file: &dyn Handle,
        at: Position,
    ) -> Option<(Position, u64)> {
        segment::read_header(file).ok()?;
        let scan = Scan::new(segment, file, segment.end, self.home.seal).ok()?;
        let mut scan = scan.over_errors();
        match scan.header_from(at).ok()? {
            // It is the payload, then.
            Some((begin, header)) if begin == at => {
                Some((header.end(at).min(segment.end), u64::from(header.records)))
            }
            Some((begin, _)) => Some((begin, 0)),
            // The newest one grows: there will be something to see.
            None => {
                let newest = self.shelf().newest().map(|newest| newest.base);
                (newest != Some(segment.base)).then_some((segment.end, 0))
            }
        }
    }
}
