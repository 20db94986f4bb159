//! What becomes of records on their way in and out, in one binary: fewer links, quicker tests.

#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod samples;
