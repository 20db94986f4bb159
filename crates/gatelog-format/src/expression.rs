//! CEL and TYPED_CEL. This build has no expressions: a format with one is refused.

use crate::command::{Target, Written};
use crate::error::Problem;
use crate::exchange::Exchange;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) enum Cel {}

impl Cel {
    pub(crate) fn new(_text: &str, _typed: bool) -> Result<Self, Problem> {
        Err(Problem::Expression("this build has no CEL".to_owned()))
    }

    pub(crate) fn write<E: Exchange + ?Sized>(
        &self,
        _exchange: &E,
        _target: Target,
        _out: &mut Vec<u8>,
    ) -> Written {
        match *self {}
    }
}
