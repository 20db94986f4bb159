//! gatelog
