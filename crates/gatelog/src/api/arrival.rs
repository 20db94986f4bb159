//! Reading a body from the network.
//!
//! **Shape.** Most bodies are there with the first piece that is read; it is taken as it is. Of others
//! the pieces are gathered, in a [place](super::room) that is taken for them before.
//!
//! **Limits.** A body must be there within [`BODY_TIMEOUT`], and make progress while others wait for
//! its room. One above the limit is read on for as much again and thrown away: a sender that is still
//! sending when it is answered sees a broken connection in place of the answer.
//!
//! **Failure.** Memory that the system refuses is an answer, and not the end of the process.

use std::fmt::Display;
use std::time::{Duration, Instant};

use axum::body::{Bytes, HttpBody as Body};
use http_body_util::BodyExt;

use super::room::{NoRoom, Place, Room};

/// How long a sender may take to send a body.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_mins(1);

/// How often one that is still on its way is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Bytes that are read of a body that is refused by its head.
const DISCARD_BYTES: usize = 1 << 20;

/// A body that is there.
#[derive(Debug)]
pub(super) struct Arrived<'r> {
    pub(super) bytes: Bytes,
    /// Room for its bytes; `None` where they were one piece.
    pub(super) place: Option<Place<'r>>,
}

/// Why a body is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Missing {
    TooLarge,
    NoRoom,
    NoMemory,
    /// It took too long.
    Slow,
    /// It came slowly while others waited for its room.
    GaveWay,
    /// What the connection says.
    Broken(String),
}

impl From<NoRoom> for Missing {
    fn from(NoRoom: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read<B>(room: &Room, mut body: B, limit: usize) -> Result<Arrived<'_>, Missing>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let says = body.size_hint().exact();
    let says = says.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let begun = Instant::now();
    let tick = tokio::time::sleep(TICK);
    tokio::pin!(tick);
    let mut gathered = Gathered::default();
    let (mut length, mut length_before) = (0usize, 0);
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut tick => {
                if begun.elapsed() >= BODY_TIMEOUT {
                    return Err(Missing::Slow);
                }
                if gathered.is_held_up(length - length_before) {
                    return Err(Missing::GaveWay);
                }
                length_before = length;
                tick.as_mut().reset(tokio::time::Instant::now() + TICK);
                continue;
            }
        };
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Missing::Broken(error.to_string()))?;
        let Ok(part) = frame.into_data() else {
            continue;
        };
        let first = length == 0;
        length = length.saturating_add(part.len());
        if length > limit {
            gathered = Gathered::default();
            if length > limit.saturating_mul(2) {
                break;
            }
        } else if first && body.is_end_stream() {
            return Ok(Arrived {
                bytes: part,
                place: None,
            });
        } else {
            gathered.make_room(room, says, length, limit).await?;
            gathered.push(&part, says)?;
        }
    }
    if length > limit {
        return Err(Missing::TooLarge);
    }
    Ok(Arrived {
        bytes: Bytes::from(gathered.bytes),
        place: gathered.place,
    })
}

/// Reads on what is answered already, and throws it away: a sender that is still sending would not see
/// the answer. Of one that sends very much or slowly not all is read.
pub(super) async fn discard<B>(mut body: B)
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let all = async {
        let mut length = 0;
        while length < DISCARD_BYTES
            && let Some(Ok(frame)) = body.frame().await
        {
            length += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    let _in_time = tokio::time::timeout(TICK, all).await.is_ok();
}

/// What has come so far, and the room for it.
#[derive(Debug, Default)]
struct Gathered<'r> {
    bytes: Vec<u8>,
    place: Option<Place<'r>>,
}

impl<'r> Gathered<'r> {
    async fn make_room(
        &mut self,
        room: &'r Room,
        says: Option<usize>,
        length: usize,
        limit: usize,
    ) -> Result<(), NoRoom> {
        let says = says.map(|says| says.min(limit));
        let place = match self.place.take() {
            None => room.place(says, length, limit).await?,
            Some(place) => place.grown(length, limit).await?,
        };
        self.place = Some(place);
        Ok(())
    }

    fn push(&mut self, part: &[u8], says: Option<usize>) -> Result<(), Missing> {
        let reserved = match says {
            Some(says) => {
                let left = says.saturating_sub(self.bytes.len());
                self.bytes.try_reserve_exact(left.max(part.len()))
            }
            None => self.bytes.try_reserve(part.len()),
        };
        reserved.map_err(|_| Missing::NoMemory)?;
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    fn is_held_up(&self, brought_in_a_second: usize) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| place.is_held_up(brought_in_a_second))
    }
}
