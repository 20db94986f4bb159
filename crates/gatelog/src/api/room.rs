//! Room in memory for bodies that are under way.
//!
//! **Shape.** A body that is not there with its first piece takes a [`Place`] before more of it is
//! read: for as many bytes as it says it has, or, if it does not say, for a little and then, when it
//! turns out to be longer, for more. Whoever finds no room waits, and so does its sender, in the
//! network. Places of each [size](TIERS) have bytes of their own, so that few large bodies do not stop
//! many small ones, and one that waits for a larger place never waits for one who waits for its own.
//!
//! **Invariants.** All places together have at most [`ROOM_BYTES`]. A body holds one place. Whoever has
//! a place for all that it may bring waits for nobody.
//!
//! **Limits.** [`MAX_WAITING`] wait for each size, for [`ROOM_TIMEOUT`] at most. Who holds a place while
//! others wait has to bring [so much a second](Place::is_held_up), or gives way: a slow sender, or one
//! that has stopped in the middle, keeps nobody out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes of all places.
pub const ROOM_BYTES: usize = 128 << 20;

/// The largest place of each size, and how many bytes all places of that size have.
const TIERS: [(usize, usize); 3] = [
    (256 << 10, 48 << 20),
    (1 << 20, 16 << 20),
    (usize::MAX, 64 << 20),
];

/// The first place of a body that does not say how long it is.
const UNKNOWN_BYTES: usize = 64 << 10;

/// Bodies that wait for a place of one size. Each holds its first piece.
const MAX_WAITING: usize = 512;

/// How long a body may wait for room.
pub const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes a second that are always enough to keep a place.
const ENOUGH_BYTES: usize = 256 << 10;

/// There is no room, and none came free in time. The sender tries again.
#[derive(Debug, PartialEq, Eq)]
pub struct NoRoom;

/// See above.
#[derive(Debug)]
pub struct Room {
    tiers: [Tier; TIERS.len()],
}

#[derive(Debug)]
struct Tier {
    free: Semaphore,
    waiting: AtomicUsize,
}

/// Room that a body has, until this is dropped.
#[derive(Debug)]
pub struct Place<'r> {
    room: &'r Room,
    tier: &'r Tier,
    bytes: usize,
    _permit: SemaphorePermit<'r>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            tiers: TIERS.map(|(_, bytes)| Tier {
                free: Semaphore::new(bytes),
                waiting: AtomicUsize::new(0),
            }),
        }
    }
}

impl Room {
    /// A place for a body that says that it has so many bytes, or does not say, of which so many are
    /// there. No body has more than `limit`.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub async fn place(
        &self,
        says: Option<usize>,
        there: usize,
        limit: usize,
    ) -> Result<Place<'_>, NoRoom> {
        let bytes = says.unwrap_or_else(|| unknown(there, limit));
        self.take(bytes.max(there)).await
    }

    async fn take(&self, bytes: usize) -> Result<Place<'_>, NoRoom> {
        let tiers = self.tiers.iter().zip(TIERS);
        let mut fitting = tiers.filter(|(_, (most, _))| bytes <= *most);
        let Some((tier, (_, pool))) = fitting.next() else {
            return Err(NoRoom);
        };
        // One that is larger than all the room is alone in it.
        let permits = u32::try_from(bytes.min(pool)).unwrap_or(u32::MAX);
        let permit = match tier.free.try_acquire_many(permits) {
            Ok(permit) => permit,
            Err(_) => tier.wait(permits).await?,
        };
        Ok(Place {
            room: self,
            tier,
            bytes,
            _permit: permit,
        })
    }
}

/// For how many bytes a body has a place that does not say how many it has, when so many are there:
/// each time of a larger size, and in the end for all that it may have.
fn unknown(there: usize, limit: usize) -> usize {
    let sizes = TIERS.map(|(most, _)| most);
    let steps = [UNKNOWN_BYTES].into_iter().chain(sizes.into_iter().skip(1));
    let mut fitting = steps.filter(|size| there <= *size);
    fitting.next().unwrap_or(limit).min(limit)
}

impl Tier {
    async fn wait(&self, permits: u32) -> Result<SemaphorePermit<'_>, NoRoom> {
        let _waiting = Waiting::enter(&self.waiting)?;
        match tokio::time::timeout(ROOM_TIMEOUT, self.free.acquire_many(permits)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(NoRoom),
        }
    }
}

/// One who waits.
struct Waiting<'t>(&'t AtomicUsize);

impl<'t> Waiting<'t> {
    fn enter(count: &'t AtomicUsize) -> Result<Self, NoRoom> {
        let waiting = Self(count);
        let before = count.fetch_add(1, Ordering::Relaxed);
        if before < MAX_WAITING {
            Ok(waiting)
        } else {
            Err(NoRoom)
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<'r> Place<'r> {
    /// Room for `there` bytes, of a body that does not say how many it has: this place if it is large
    /// enough.
    ///
    /// # Errors
    /// [`NoRoom`]; this place is given up.
    pub async fn grown(self, there: usize, limit: usize) -> Result<Place<'r>, NoRoom> {
        if there <= self.bytes {
            return Ok(self);
        }
        // This one is held until the larger one is there: its bytes are in use.
        self.room.take(unknown(there, limit).max(there)).await
    }

    /// Whether others wait for its room, of which the body has brought too little in a second.
    pub fn is_held_up(&self, brought_in_a_second: usize) -> bool {
        let least = (self.bytes / 10).min(ENOUGH_BYTES);
        brought_in_a_second < least && self.tier.waiting.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 32 << 20;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(future)
    }

    /// What it answers at once; `None` when it waits.
    async fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            answer = future => Some(answer),
            () = std::future::ready(()) => None,
        }
    }

    fn free(room: &Room) -> usize {
        let tiers = room.tiers.iter();
        tiers.map(|tier| tier.free.available_permits()).sum()
    }

    #[test]
    fn all_places_together_have_the_room_that_there_is() {
        assert_eq!(
            TIERS.map(|(_, bytes)| bytes).iter().sum::<usize>(),
            ROOM_BYTES
        );
        run(async {
            for (says, there) in [(Some(1), 1), (Some(LIMIT), 1), (None, 1), (None, 2 << 20)] {
                let room = Room::default();
                let mut places = Vec::new();
                while let Some(place) = now(room.place(says, there, LIMIT)).await {
                    places.push(place.unwrap());
                    if places.len() > 5000 {
                        break;
                    }
                }
                let held: usize = places.iter().map(|place| place.bytes).sum();
                assert!(!places.is_empty() && held <= ROOM_BYTES, "{says:?} {there}");
                drop(places);
                assert_eq!(free(&room), ROOM_BYTES);
            }
            // Larger than all the room: one at a time.
            let room = Room::default();
            let alone = room.place(Some(ROOM_BYTES * 2), 1, usize::MAX).await;
            assert!(alone.is_ok());
            assert!(now(room.place(Some(LIMIT), 1, LIMIT)).await.is_none());
        });
    }

    #[test]
    fn a_body_that_does_not_say_its_size_has_little_until_it_is_longer() {
        run(async {
            let room = Room::default();
            let mut place = room.place(None, 20, LIMIT).await.unwrap();
            let mut held = Vec::new();
            for there in [20, 64 << 10, 65 << 10, 1 << 20, 2 << 20, LIMIT] {
                place = place.grown(there, LIMIT).await.unwrap();
                held.push((there, place.bytes));
                assert_eq!(free(&room), ROOM_BYTES - place.bytes);
            }
            let small = 64 << 10;
            assert_eq!(
                held,
                [
                    (20, small),
                    (small, small),
                    (65 << 10, 1 << 20),
                    (1 << 20, 1 << 20),
                    (2 << 20, LIMIT),
                    (LIMIT, LIMIT)
                ]
            );
        });
    }

    #[test]
    fn who_brings_little_gives_way_only_while_others_wait() {
        run(async {
            let room = Room::default();
            let slow = room.place(Some(LIMIT), 1, LIMIT).await.unwrap();
            let quick = room.place(Some(LIMIT), 1, LIMIT).await.unwrap();
            assert!(!slow.is_held_up(0));
            let third = room.place(Some(LIMIT), 1, LIMIT);
            tokio::pin!(third);
            assert!(now(&mut third).await.is_none());
            assert!(slow.is_held_up(1000) && !quick.is_held_up(1 << 20));
            drop(slow);
            assert!(third.await.is_ok());
            assert!(!quick.is_held_up(0));
        });
    }

    #[test]
    fn only_so_many_wait_and_those_who_leave_are_forgotten() {
        let count = AtomicUsize::new(0);
        let waiting: Vec<_> = (0..MAX_WAITING).map(|_| Waiting::enter(&count)).collect();
        assert!(waiting.iter().all(Result::is_ok));
        assert!(Waiting::enter(&count).is_err());
        drop(waiting);
        assert_eq!(count.into_inner(), 0);
    }
}
