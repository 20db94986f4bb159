//! Every invariant over what a fuzzer starts from, and over what it would do to that.

#[cfg(test)]
mod mutation;
#[cfg(test)]
mod seeds;
