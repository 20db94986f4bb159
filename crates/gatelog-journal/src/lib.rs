//! gatelog-journal
