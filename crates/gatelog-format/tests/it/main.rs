//! Lines of the known formats, there and back.

#[cfg(test)]
mod envoy_lines;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod round_trip;
