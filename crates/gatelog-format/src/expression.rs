//! `CEL` and `TYPED_CEL`. Without the feature `cel` a format with one of them is refused.

#[cfg(feature = "cel")]
mod attributes;
#[cfg(feature = "cel")]
mod evaluated;

#[cfg(feature = "cel")]
pub(crate) use evaluated::Cel;
#[cfg(not(feature = "cel"))]
pub(crate) use refused::Cel;

#[cfg(not(feature = "cel"))]
mod refused {
    use crate::command::{Target, Written};
    use crate::error::Problem;
    use crate::exchange::Exchange;

    /// A compiled expression, of which this build has none.
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
}
