//! With which probability a filter keeps a record.
//!
//! **Shape.** First what the facts decide is taken out: often nothing is left but one runtime filter,
//! whose rate is the answer. Else the filters that share the request's number r are looked at together.
//! Their denominators are 100, 100² and 100³, so r mod 100³ is three digits to the base of 100, and each
//! filter asks whether its lowest one, two or three digits, read as a number, are below its numerator.
//! From the highest digit down, its values fall into few ranges within which every filter is true, false
//! or left to the digits below. In each cell that comes of it the shared filters are known, the others
//! are independent of each other, and the probability is a product along the tree.
//!
//! **Limits.** With k shared filters at most (2k+1)²(k+1) cells; k is 3 at most in a filter that people
//! write, and [`MAX_RUNTIME_FILTERS`] in all. Nothing is allocated.

use crate::compile::{MAX_CONDITIONS, MAX_RUNTIME_FILTERS};
use crate::condition::{Condition, Rate};
use crate::decision::Run;

/// Values of a digit.
const BASE: u32 = 100;

/// What the facts leave of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Known(bool),
    /// One runtime filter, and with which rate.
    One(Rate),
    Several,
}

/// What is known of a shared runtime filter in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shared {
    /// It is not shared, or not in what is left.
    Not,
    Known(bool),
    /// Whether so many digits of r are below this.
    Below(u32, u8),
}

/// Answers of the facts, so that none is asked twice.
struct Answers {
    known: [u64; MAX_CONDITIONS / 64],
    truth: [u64; MAX_CONDITIONS / 64],
}

/// What is being worked out.
struct Sum<'s, 'f> {
    run: &'s mut Run<'f>,
    answers: Answers,
    root: &'s Condition,
}

impl Run<'_> {
    /// The probability, above 0, with which a condition is true that is true in this run.
    pub(crate) fn probability(&mut self, root: &Condition) -> f64 {
        let mut sum = Sum {
            run: self,
            answers: Answers {
                known: [0; MAX_CONDITIONS / 64],
                truth: [0; MAX_CONDITIONS / 64],
            },
            root,
        };
        let probability = match sum.left(root) {
            Left::Known(_) => 1.0,
            Left::One(rate) => rate.probability(),
            Left::Several => {
                let mut cell = [Shared::Not; MAX_RUNTIME_FILTERS];
                sum.gather(root, &mut cell);
                sum.over_digit(3, &cell)
            }
        };
        // Nothing that is true has the probability 0, and sums of doubles are not exact.
        if probability > 1.0 - 1e-12 || probability <= 0.0 {
            1.0
        } else {
            probability
        }
    }
}

impl Sum<'_, '_> {
    fn test(&mut self, index: u16, test: &crate::condition::Test) -> bool {
        let (word, bit) = (usize::from(index / 64), 1u64 << (index % 64));
        let answers = &mut self.answers;
        let (Some(known), Some(truth)) = (answers.known.get_mut(word), answers.truth.get_mut(word))
        else {
            return test.is_true(self.run.facts);
        };
        if *known & bit == 0 {
            *known |= bit;
            if test.is_true(self.run.facts) {
                *truth |= bit;
            }
        }
        *truth & bit != 0
    }

    fn left(&mut self, condition: &Condition) -> Left {
        let (parts, deciding) = match condition {
            Condition::All(parts) => (parts, false),
            Condition::Any(parts) => (parts, true),
            Condition::Test(index, test) => return Left::Known(self.test(*index, test)),
            Condition::Chance(index, chance) => {
                let rate = self.run.rate(*index, chance);
                return match rate.numerator {
                    0 => Left::Known(false),
                    all if all == rate.denominator => Left::Known(true),
                    _ => Left::One(rate),
                };
            }
        };
        let mut left = Left::Known(!deciding);
        for part in parts {
            match (self.left(part), left) {
                (Left::Known(value), _) if value == deciding => return Left::Known(deciding),
                (Left::Known(_), _) => {}
                (found, Left::Known(_)) => left = found,
                _ => left = Left::Several,
            }
        }
        left
    }

    /// The shared filters of what is left.
    fn gather(&mut self, condition: &Condition, cell: &mut [Shared; MAX_RUNTIME_FILTERS]) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => {
                for part in parts {
                    if !matches!(self.left(part), Left::Known(_)) {
                        self.gather(part, cell);
                    }
                }
            }
            Condition::Test(..) => {}
            Condition::Chance(index, chance) => {
                if !self.run.is_shared(chance) {
                    return;
                }
                let rate = self.run.rate(*index, chance);
                let digits = match rate.denominator {
                    100 => 1,
                    10_000 => 2,
                    _ => 3,
                };
                if let Some(place) = cell.get_mut(usize::from(*index)) {
                    *place = Shared::Below(rate.numerator, digits);
                }
            }
        }
    }

    /// The probability over the lowest so many digits.
    fn over_digit(&mut self, digits: u8, cell: &[Shared; MAX_RUNTIME_FILTERS]) -> f64 {
        let Some(below) = digits.checked_sub(1) else {
            return self.in_cell(self.root, cell);
        };
        // What the digits below this one can be.
        let unit = BASE.pow(u32::from(below));
        let mut cuts = [0; 2 * MAX_RUNTIME_FILTERS + 1];
        let mut count = 0;
        let mut cut = |at: u32| {
            if let Some(place) = cuts.get_mut(count) {
                *place = at.min(BASE);
                count += 1;
            }
        };
        for shared in cell {
            if let Shared::Below(numerator, of) = shared
                && *of == digits
            {
                cut(numerator / unit);
                if numerator % unit > 0 {
                    cut(numerator / unit + 1);
                }
            }
        }
        cut(BASE);
        let cuts = cuts.get_mut(..count).unwrap_or_default();
        cuts.sort_unstable();
        let (mut start, mut probability) = (0, 0.0);
        for end in cuts.iter().copied() {
            if end > start {
                let within = settled(cell, digits, start, unit);
                let part = f64::from(end - start) / f64::from(BASE);
                probability += part * self.over_digit(below, &within);
                start = end;
            }
        }
        probability
    }

    /// The probability where the shared filters are known.
    fn in_cell(&mut self, condition: &Condition, cell: &[Shared; MAX_RUNTIME_FILTERS]) -> f64 {
        match condition {
            Condition::All(parts) => {
                let mut all = 1.0;
                for part in parts {
                    all *= self.in_cell(part, cell);
                    if all == 0.0 {
                        break;
                    }
                }
                all
            }
            Condition::Any(parts) => {
                let mut none = 1.0;
                for part in parts {
                    none *= 1.0 - self.in_cell(part, cell);
                    if none == 0.0 {
                        break;
                    }
                }
                1.0 - none
            }
            Condition::Test(index, test) => f64::from(u8::from(self.test(*index, test))),
            Condition::Chance(index, chance) => match cell.get(usize::from(*index)) {
                Some(Shared::Known(value)) => f64::from(u8::from(*value)),
                _ => self.run.rate(*index, chance).probability(),
            },
        }
    }
}

/// What is known where a digit is in a range that begins here and has no cut within.
fn settled(
    cell: &[Shared; MAX_RUNTIME_FILTERS],
    digits: u8,
    digit: u32,
    unit: u32,
) -> [Shared; MAX_RUNTIME_FILTERS] {
    let mut within = *cell;
    for shared in &mut within {
        if let Shared::Below(numerator, of) = *shared
            && of == digits
        {
            let (high, rest) = (numerator / unit, numerator % unit);
            *shared = if digit == high && rest > 0 {
                Shared::Below(rest, digits - 1)
            } else {
                Shared::Known(digit < high)
            };
        }
    }
    within
}
