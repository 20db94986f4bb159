//! What a journal owes: the frames it has acknowledged, each once, in order, as they were.
//!
//! **Shape.** A [`Ledger`] makes numbered payloads and notes which were acknowledged. A [`Reading`]
//! is one pass of one reader over the journal: it takes what is read, and finds what is missing,
//! double, out of order, invented or changed.
//!
//! **Invariants.** An obligation begins with the acknowledgement, not before: a frame whose answer
//! was an error, or never came, may be there or not.

use std::collections::BTreeSet;

use anyhow::{bail, ensure};

/// The shortest payload: its number, and its length.
pub const MIN_PAYLOAD_BYTES: usize = 12;

/// What was appended, and what was acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The length of each payload; its index is its number.
    lengths: Vec<usize>,
    acknowledged: BTreeSet<usize>,
    /// Lost with a report of it: no longer owed.
    written_off: BTreeSet<usize>,
}

impl Ledger {
    /// The next payload and its number, of this many bytes but at least [`MIN_PAYLOAD_BYTES`].
    pub fn payload(&mut self, bytes: usize) -> (usize, Vec<u8>) {
        let number = self.lengths.len();
        let bytes = bytes.max(MIN_PAYLOAD_BYTES);
        self.lengths.push(bytes);
        (number, content(number, bytes))
    }

    /// It was acknowledged.
    pub fn acknowledge(&mut self, number: usize) {
        self.acknowledged.insert(number);
    }

    /// How many were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// How many payloads there are.
    pub fn made(&self) -> usize {
        self.lengths.len()
    }

    /// Bytes were destroyed behind the journal's back, and it has told so: these are no longer owed,
    /// though they may still be there.
    pub fn write_off(&mut self, numbers: impl IntoIterator<Item = usize>) {
        self.written_off.extend(numbers);
    }

    /// Which payload this is.
    ///
    /// # Errors
    /// When nobody has appended it, or not so.
    pub fn number(&self, payload: &[u8]) -> anyhow::Result<usize> {
        let Some((number, _)) = payload.split_first_chunk::<8>() else {
            bail!("invented: {} bytes", payload.len());
        };
        let number = usize::try_from(u64::from_le_bytes(*number))?;
        let Some(&length) = self.lengths.get(number) else {
            bail!("invented: number {number} of {}", self.lengths.len());
        };
        ensure!(payload == content(number, length), "{number} was changed");
        Ok(number)
    }

    /// The first number that is owed in this range.
    fn first_owed(&self, from: usize, to: usize) -> Option<usize> {
        let mut range = self.acknowledged.range(from..to.max(from));
        range
            .find(|number| !self.written_off.contains(number))
            .copied()
    }
}

/// A payload that says by itself which one it is, and differs from all others in every part.
fn content(number: usize, bytes: usize) -> Vec<u8> {
    let head = (number as u64).to_le_bytes();
    let mut content = head.to_vec();
    content.extend(u32::try_from(bytes).unwrap_or_default().to_le_bytes());
    let mut mixed = number as u64 ^ 0x9e37_79b9_7f4a_7c15;
    while content.len() < bytes {
        mixed = mixed.wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(23) ^ head.len() as u64;
        content.extend(mixed.to_le_bytes());
    }
    content.truncate(bytes.max(MIN_PAYLOAD_BYTES));
    content
}

/// One pass of one reader, from an opening of the journal to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reading {
    /// All before this number were released earlier.
    released: usize,
    /// Behind the last one that was read.
    next: Option<usize>,
}

impl Reading {
    /// A pass that follows one which had released all before this number.
    pub fn after(released: usize) -> Self {
        Self {
            released,
            next: None,
        }
    }

    /// What is read next.
    ///
    /// # Errors
    /// When it was not appended so, was read before, or stands before its time: one that is owed is
    /// missing between the last and this.
    pub fn take(&mut self, ledger: &Ledger, payload: &[u8]) -> anyhow::Result<()> {
        let number = ledger.number(payload)?;
        if let Some(next) = self.next {
            ensure!(number >= next, "{number} was read behind {}", next - 1);
        }
        let from = self.next.unwrap_or_default().max(self.released);
        if let Some(missing) = ledger.first_owed(from, number) {
            bail!("{missing} is missing: it was acknowledged, and {number} was read behind {from}");
        }
        self.next = Some(number + 1);
        Ok(())
    }

    /// Behind the last number that was read or released.
    pub fn next(&self) -> usize {
        self.next.unwrap_or_default().max(self.released)
    }

    /// There is nothing more to read.
    ///
    /// # Errors
    /// When one that is owed was not read.
    pub fn end(&self, ledger: &Ledger) -> anyhow::Result<()> {
        match ledger.first_owed(self.next(), usize::MAX) {
            Some(missing) => bail!("{missing} is missing at the end: it was acknowledged"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found when these are read, of five that were made, all but the last acknowledged.
    fn found(numbers: &[usize]) -> String {
        let mut ledger = Ledger::default();
        let payloads: Vec<_> = (0..5).map(|bytes| ledger.payload(bytes * 9).1).collect();
        (0..4).for_each(|number| ledger.acknowledge(number));
        let mut reading = Reading::default();
        for &number in numbers {
            if let Err(error) = reading.take(&ledger, &payloads[number]) {
                return error.to_string();
            }
        }
        reading
            .end(&ledger)
            .map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_is_missing_double_or_out_of_order_is_found() {
        assert_eq!(found(&[0, 1, 2, 3]), "");
        assert_eq!(found(&[0, 1, 2, 3, 4]), "");
        assert_eq!(
            found(&[0, 1, 2]),
            "3 is missing at the end: it was acknowledged"
        );
        assert!(found(&[0, 2, 3]).starts_with("1 is missing"));
        assert_eq!(found(&[0, 1, 1]), "1 was read behind 1");
        assert!(found(&[0, 1, 2, 3, 2]).starts_with("2 was read behind 3"));
    }

    #[test]
    fn what_is_invented_or_changed_is_found() {
        let mut ledger = Ledger::default();
        let (_, mut payload) = ledger.payload(100);
        assert_eq!(ledger.number(&payload).unwrap(), 0);
        payload[50] ^= 1;
        assert!(ledger.number(&payload).is_err());
        assert!(ledger.number(&content(1, 20)).is_err());
        assert!(ledger.number(b"").is_err());
    }

    #[test]
    fn what_was_released_need_not_be_read_again_and_may_be() {
        let mut ledger = Ledger::default();
        let payloads: Vec<_> = (0..4).map(|_| ledger.payload(20).1).collect();
        (0..4).for_each(|number| ledger.acknowledge(number));
        for first in 0..3 {
            let mut reading = Reading::after(2);
            for payload in &payloads[first..] {
                reading.take(&ledger, payload).unwrap();
            }
            reading.end(&ledger).unwrap();
        }
        assert!(Reading::after(2).take(&ledger, &payloads[3]).is_err());
        ledger.write_off([2]);
        assert!(Reading::after(2).take(&ledger, &payloads[3]).is_ok());
    }
}
